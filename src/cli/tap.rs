//! The options of `tapboard tap`.

use std::net::{IpAddr, Ipv4Addr};

use clap::{Args, ValueEnum};

use super::board::BoardArgs;
use super::identity::{self, Ip6Arg, IpArg};
use crate::identity::Identity;
#[cfg(target_os = "linux")]
use crate::{nic::KernelOffload, tap::TapOptions};
use tapboard_firmware::config::DNS_SERVERS;
use tapboard_firmware::service::Target;

/// Options of `tapboard tap`.
#[derive(Clone, Debug, Args)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux has a TAP"))]
pub struct TapArgs {
    /// The interface: attached to as it is if it exists, created with the host's addresses and removed at
    /// exit if not. The host's are number 2 of the board's networks: 192.0.2.2/24 and `2001:db8::2/64`.
    #[arg(long, default_value = "tap0")]
    name: String,
    /// The board's IPv4 address and prefix length, 192.0.2.1/24 unless given. With dhcp it asks a server on this
    /// network, tells it its name, and takes one of 169.254.0.0/16 if none answers.
    #[arg(long, value_name = "dhcp|ADDR/PREFIX", value_parser = identity::ip)]
    ip: Option<IpArg>,
    /// Next hop for what is outside the board's network; IPv4 only.
    #[arg(long, value_name = "ADDR", value_parser = identity::host_ipv4)]
    gateway: Option<Ipv4Addr>,
    /// A server (NTP) for the time of day in telemetry; with --ip dhcp in place of the one that comes with the lease.
    #[arg(long, value_name = "ADDR", value_parser = ntp_server)]
    ntp: Option<IpAddr>,
    /// Have neighbours find the board by its name, NAME.local, and its services echo and telnet (multicast DNS). The name
    /// is --board-name's, and gets a number if somebody else has it.
    #[arg(long, overrides_with = "mdns")]
    mdns: bool,
    /// A DNS server for the board, twice for two of them; with --ip dhcp in place of the ones that come with the lease.
    #[arg(long, value_name = "ADDR", value_parser = name_server)]
    dns: Vec<IpAddr>,
    /// What the NIC does for the board, beside passing frames.
    #[arg(long, value_enum, default_value_t)]
    offload: OffloadArg,
    /// Leave segmentation to the NIC, and the checksums of TCP and UDP with it, as the firmware of a chip does
    /// whose MAC segments: up to 64 KiB of a connection are one frame to the firmware, both ways; over IPv6
    /// only on the way in.
    #[arg(long, overrides_with = "segmentation_offload")]
    segmentation_offload: bool,
    /// In the midst of traffic, look for the next frame for up to this long before sleeping; 0: never.
    /// 50 unless given, or 0 if there is one processor only. Idle, it sleeps in any case.
    #[arg(long, value_name = "MICROSECONDS", value_parser = clap::value_parser!(u16).range(..=1000))]
    busy_poll: Option<u16>,
    /// The board's own options.
    #[command(flatten)]
    pub(super) board: BoardArgs,
}

impl TapArgs {
    pub(super) fn check(&mut self) -> Result<(), String> {
        self.board.check()?;
        let Self { gateway, ip, board: BoardArgs { telemetry, who, .. }, .. } = &*self;
        if let (Some(_), Some(_), Some(_), Some(_), Some(_)) =
            (who.id, who.mac, ip, who.ip6, &who.board_name)
        {
            return Err("--id has nothing left to give, beside --mac, --ip, --ip6 and --board-name; leave it out"
                .into());
        }
        if self.dns.len() > DNS_SERVERS {
            return Err(format!(
                "--dns: the board asks {DNS_SERVERS} servers at most; leave the others out"
            ));
        }
        let net = self.identity().ipv4();
        if let (Some(gateway), Some(IpArg::Dhcp)) = (gateway, ip) {
            return Err(format!(
                "--gateway {gateway} is the DHCP server's to name; leave it out, or give an address with \
                 --ip ADDR/PREFIX"
            ));
        }
        if let &Some(gateway) = gateway {
            if gateway == net.address() {
                return Err(format!(
                    "--gateway {gateway} is the board itself; name a router's address"
                ));
            }
            if net.contains_addr(&gateway) && !identity::is_host(net, gateway) {
                return Err(format!(
                    "--gateway {gateway} is no host's address in {}; name a router's",
                    net.network()
                ));
            }
        }
        for server in &self.dns {
            self.reaches(*server, SERVER).map_err(|why| format!("--dns {server}: {why}"))?;
        }
        if let Some(server) = self.ntp {
            self.reaches(server, SERVER).map_err(|why| format!("--ntp {server}: {why}"))?;
        }
        let reached = match telemetry {
            None => Ok(()),
            Some(Target::Address(to)) => self.reaches(to.ip(), "--no-telemetry"),
            Some(Target::Name(name, _)) => self.knows(name),
        };
        reached.map_err(|why| {
            format!(
                "--telemetry {}: {why}",
                telemetry.as_ref().map_or(String::new(), Target::to_string)
            )
        })
    }

    /// What they come to.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn options(&self) -> TapOptions {
        let given = [
            ("ip", "--ip is given", self.ip.is_some()),
            ("gateway", "--gateway is given", self.gateway.is_some()),
            ("dns", "--dns is given", !self.dns.is_empty()),
        ];
        let given: Vec<_> = given.iter().filter(|(.., given)| *given).collect();
        let given: Vec<_> = given.iter().map(|(name, why, _)| (*name, *why)).collect();
        let mut run = self.board.options(&given);
        run.offloads.segmentation = self.segmentation_offload;
        run.offloads.receive = self.segmentation_offload;
        TapOptions {
            name: self.name.clone(),
            identity: self.identity(),
            offload: match self.offload {
                OffloadArg::Off => KernelOffload::Off,
                OffloadArg::Segments => KernelOffload::Segments,
            },
            busy_poll_us: self.busy_poll,
            run,
        }
    }

    /// Who the board is.
    fn identity(&self) -> Identity {
        let mut identity = self.board.who.identity(self.ip, self.mdns);
        if let Some(gateway) = self.gateway {
            identity.net = identity.net.with_ipv4_gateway(gateway);
        }
        identity.net =
            self.dns.iter().fold(identity.net, |net, server| net.with_dns_server(*server));
        if let Some(server) = self.ntp {
            identity.net = identity.net.with_time_server(server);
        }
        identity
    }

    /// Whether somebody tells the board the address of `name`, and if not, what would.
    fn knows(&self, name: &str) -> Result<(), String> {
        let auto = self.board.who.ip6 == Some(Ip6Arg::Auto);
        let asked = !self.dns.is_empty() || self.ip == Some(IpArg::Dhcp) || auto;
        if asked || name.trim_end_matches('.').to_ascii_lowercase().ends_with(".local") {
            return Ok(());
        }
        Err("no DNS server is known to the board; name one with --dns ADDR, or have --ip dhcp find one".into())
    }

    /// Whether the board has a way to `address`, and if not, what gives it one; `or` needs none.
    fn reaches(&self, address: IpAddr, or: &str) -> Result<(), String> {
        let (net, ipv4) = (self.identity().net, self.identity().ipv4());
        if self.identity().addresses().any(|own| own == address) {
            return Err("that is the board itself; name another host's address".into());
        }
        match address {
            // Who knows before the server has spoken?
            IpAddr::V4(_) if net.dhcp() => Ok(()),
            IpAddr::V4(to) if ipv4.contains_addr(&to) => {
                if identity::is_host(ipv4, to) {
                    return Ok(());
                }
                Err(format!("that is no host's address in {}; name a host's", ipv4.network()))
            }
            IpAddr::V4(_) if net.ipv4_gateway().is_some() => Ok(()),
            IpAddr::V4(_) => Err(format!(
                "the board has no way out of {}; give it one with --gateway ADDR, or {or}",
                ipv4.network()
            )),
            IpAddr::V6(to) if to.is_unicast_link_local() || net.slaac() => Ok(()),
            IpAddr::V6(to) if net.ipv6().is_some_and(|own| own.contains_addr(&to)) => Ok(()),
            IpAddr::V6(_) => Err(format!(
                "the board has no IPv6 gateway; put it into that network with --ip6 ADDR/PREFIX, or {or}"
            )),
        }
    }
}

/// What needs no way out to a server.
const SERVER: &str = "name a server inside";

/// The address of a host.
fn server(text: &str, kind: &str) -> Result<IpAddr, String> {
    let host = |address: &IpAddr| {
        !(address.is_unspecified() || address.is_multicast() || address.is_loopback())
    };
    let address = text.parse().ok().filter(host);
    address.ok_or_else(|| format!("{text:?} is not the address of {kind} server, e.g. 192.0.2.53"))
}

fn name_server(text: &str) -> Result<IpAddr, String> {
    server(text, "a DNS")
}

fn ntp_server(text: &str) -> Result<IpAddr, String> {
    server(text, "an NTP")
}

/// What the NIC does for the board, beside passing frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum OffloadArg {
    /// Nothing: each frame is a system call.
    Off,
    /// Many segments of a connection take one system call; the board sees each as a frame.
    #[default]
    Segments,
}
