//! The options of `tapboard fleet`.

use std::net::{SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use clap::Args;
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Cidr;
use tapboard_firmware::service::{Target, Token};

use super::board::{ProfileArg, destination, token};
use super::faults::FaultArgs;
use super::identity;
use super::user::forwards;
use crate::console::Script;
use crate::fleet::{BOARDS_MAX, BOARDS_PER_HOST, FleetOptions, GatewayUplink, Uplink, room};
use crate::gateway::{Forward, HostPort, Protocol};
use crate::link::{LinkOptions, parse_duration};
use crate::metrics::metrics_address;
use crate::nic::Offloads;
use crate::run::{Profile, RunOptions};
use crate::settings::Telemetry;

/// Options of `tapboard fleet`.
#[derive(Clone, Debug, Args)]
pub struct FleetArgs {
    /// How many boards.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=i64::from(BOARDS_MAX)))]
    boards: u32,
    /// The number of the first board. All that a board is called follows from its number and --net: for 300 the address
    /// 198.18.1.44, the MAC address 02:00:5e:00:01:2c, `2001:db8::12c`, the name tapboard-02005e00012c.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    first: u32,
    /// The boards' IPv4 network; its last address is the host's. Unless given, the one for benchmarks (RFC 2544), with
    /// room for 131,069 boards.
    #[arg(long, value_name = "NET/PREFIX", default_value = "198.18.0.0/15", value_parser = network)]
    net: Ipv4Cidr,
    /// The TAP that the boards' switch is on: attached to as it is if it exists, created with the host's address and
    /// removed at exit if not.
    #[arg(long, default_value = "tap0")]
    name: String,
    /// In place of a TAP, which takes no rights: each board is at an address of this machine's, its own with 127 in front,
    /// at the ports 7007, 7009, 7019, 7023 and 7080; and its telemetry goes to port 9000 of 127.0.0.1.
    #[arg(long, overrides_with = "gateway")]
    gateway: bool,
    /// With --gateway, forward port HOST of each board's address to its port BOARD, TCP and UDP, or with tcp: or udp:
    /// before it that alone. Replaces the default forward of that board port, or adds one. May be repeated.
    #[arg(short = 'p', long = "forward", value_name = "HOST:BOARD", requires = "gateway")]
    forward: Vec<Forward>,
    /// In place of a TAP, the network of another fleet, which listens at this path. Give each its own --first.
    #[arg(long, value_name = "unix:PATH", value_parser = unix)]
    join: Option<PathBuf>,
    /// Let other fleets join this one at this path; or guests in QEMU, with
    /// -netdev stream,id=n,server=off,addr.type=unix,addr.path=PATH
    #[arg(long, value_name = "unix:PATH", value_parser = unix)]
    listen: Option<PathBuf>,
    /// In place of a TAP, run for so long in virtual time: hosts on the same switch collect the boards' telemetry and ask
    /// each for an echo every five seconds. It fails if a board that should be well is not.
    #[arg(long = "virtual", value_name = "TIME", value_parser = virtual_time)]
    virtual_time: Option<Duration>,
    /// Buffers of each board: `mcu` fits a chip (2 KiB each way), `large` a fast network (64 KiB).
    #[arg(long, value_enum, default_value_t = ProfileArg::Mcu)]
    profile: ProfileArg,
    /// Where telemetry goes; port 9000 of the host unless given. With --gateway, an address and port of this machine's.
    #[arg(long, value_name = "ADDR:PORT", value_parser = telemetry)]
    telemetry: Option<SocketAddrV4>,
    /// Send no telemetry.
    #[arg(long, overrides_with = "no_telemetry")]
    no_telemetry: bool,
    /// Let only those who know TOKEN switch the LEDs and reset the boards. With @FILE it is the first line of that file.
    #[arg(long, value_name = "TOKEN|@FILE", value_parser = token)]
    token: Option<Token>,
    /// Write every frame that passes the uplink to this pcapng file; with - to standard output.
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Serve what the switch's uplink and all boards together count to Prometheus at http://ADDR:PORT/metrics, ADDR being
    /// 127.0.0.1 unless given.
    #[arg(long, value_name = "[ADDR:]PORT", value_parser = metrics_address)]
    metrics: Option<SocketAddr>,
    /// Draw every frame that passes the uplink.
    #[arg(long, overrides_with = "ladder")]
    ladder: bool,
    /// Take commands from this file, with times (`@2.5s power off 1-300`), in place of standard input; `help` at the
    /// console lists them. With - from standard input, all of which is read first.
    #[arg(long = "script", value_name = "FILE")]
    script_file: Option<PathBuf>,
    /// The commands of that file.
    #[arg(skip)]
    script: Option<Script>,
    /// What is wrong with each board's own cable to the switch.
    #[command(flatten)]
    faults: FaultArgs,
}

impl FleetArgs {
    /// Reads the script, and looks at what cannot be.
    pub(super) fn check(&mut self) -> Result<(), String> {
        if let Some(path) = &self.script_file {
            self.script = Some(Script::read(path)?);
        }
        self.faults.check()?;
        if let Some(forward) = self.forward.iter().find(|forward| forward.host.address.is_some()) {
            return Err(format!(
                "-p {forward}: each board has an address of its own; leave that out, e.g. -p {}:{}",
                forward.host.port, forward.board
            ));
        }
        let room = room(self.net);
        // There are hosts too then, from the last address downwards.
        let hosts = if self.gateway || self.virtual_time.is_some() {
            self.boards.div_ceil(BOARDS_PER_HOST as u32)
        } else {
            0
        };
        let last = self.first.saturating_add(self.boards.max(1) - 1).saturating_add(hosts);
        if last > room {
            return Err(format!(
                "{} has room for {room} boards, and the last would be number {last}; give it a shorter prefix with \
                 --net, or have fewer --boards",
                self.net
            ));
        }
        if self.boards == 0 && self.gateway {
            return Err("--boards 0 has nobody for --gateway to lead to; have boards".into());
        }
        if self.boards == 0 && self.listen.is_none() {
            return Err("--boards 0 is a switch alone, for others to join: add --listen unix:PATH, or have boards".into());
        }
        if let Some(to) = self.telemetry.filter(|_| !self.gateway) {
            let number = to.ip().to_bits() & !self.net.netmask().to_bits();
            let why = if !self.net.contains_addr(to.ip()) {
                format!(
                    "the boards have no way out of {}; name a host's address in there",
                    self.net
                )
            } else if (self.first..self.first.saturating_add(self.boards)).contains(&number) {
                format!("that is board {number} itself; name another host's address")
            } else {
                return Ok(());
            };
            return Err(format!("--telemetry {to}: {why}"));
        }
        Ok(())
    }

    /// Where the gateways take telemetry to.
    fn collector(&self) -> HostPort {
        match self.telemetry {
            Some(to) => HostPort {
                protocol: Protocol::Tcp,
                address: Some((*to.ip()).into()),
                port: to.port(),
            },
            None => HostPort { protocol: Protocol::Tcp, ..HostPort::new(9000) },
        }
    }

    /// What they come to.
    #[must_use]
    pub fn options(&self) -> FleetOptions {
        FleetOptions {
            boards: self.boards,
            first: self.first,
            net: self.net,
            uplink: match (self.virtual_time, &self.join) {
                (Some(time), _) => Uplink::None { time },
                (None, Some(path)) => Uplink::Join { path: path.clone() },
                (None, None) if self.gateway => Uplink::Gateway(GatewayUplink {
                    forwards: forwards(&self.forward),
                    telemetry: (!self.no_telemetry).then(|| self.collector()),
                }),
                (None, None) => Uplink::Tap { name: self.name.clone() },
            },
            listen: self.listen.clone(),
            faults: self.faults.options(),
            run: RunOptions {
                profile: match self.profile {
                    ProfileArg::Mcu => Profile::Mcu,
                    ProfileArg::Large => Profile::Large,
                },
                telemetry: match self.telemetry {
                    _ if self.no_telemetry => Telemetry::Off,
                    // Which gateway it goes to depends on the board.
                    _ if self.gateway => Telemetry::Usual,
                    Some(to) => Telemetry::To(Target::Address(to.into())),
                    None => Telemetry::Usual,
                },
                settings: None,
                token: self.token,
                offloads: Offloads::NONE,
                pcap: self.pcap.clone(),
                ladder: self.ladder,
                dashboard: false,
                script: self.script.clone(),
                metrics: self.metrics,
                link: LinkOptions { seed: self.faults.options().seed, ..LinkOptions::default() },
            },
        }
    }
}

/// A network of at least two hosts.
fn network(text: &str) -> Result<Ipv4Cidr, String> {
    let error =
        || format!("{text:?} is not NETWORK/PREFIX with a prefix of 8 to 30, e.g. 198.18.0.0/15");
    let cidr: Ipv4Cidr = text.parse().map_err(|()| error())?;
    let network = cidr.network();
    if !(8..=30).contains(&cidr.prefix_len())
        || identity::host_ipv4(&cidr.address().to_string()).is_err()
    {
        return Err(error());
    }
    Ok(network)
}

/// Where telemetry can go.
fn telemetry(text: &str) -> Result<SocketAddrV4, String> {
    match destination(text) {
        Ok(Target::Address(SocketAddr::V4(to))) => Ok(to),
        _ => Err(format!(
            "{text:?} is not ADDRESS:PORT of a host with IPv4, e.g. 198.19.255.254:9000"
        )),
    }
}

/// `unix:` and a path.
fn unix(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("unix:").filter(|path| !path.is_empty());
    path.map(Into::into)
        .ok_or_else(|| format!("{text:?} is not unix:PATH, e.g. unix:/tmp/fleet.sock"))
}

/// A time that is more than none.
fn virtual_time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    if time == Duration::ZERO {
        Err("nothing happens in no time, e.g. 60s".into())
    } else {
        Ok(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Subcommand};

    fn read(words: &str) -> Result<FleetOptions, String> {
        let line = format!("tapboard fleet {words}");
        let cli = Cli::read(line.split_whitespace().map(Into::into));
        match cli.map_err(|error| error.to_string())?.command {
            Some(Subcommand::Fleet(fleet)) => Ok(fleet.options()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_board_follows_from_its_number_and_the_network() {
        let options = read("").unwrap();
        let board = options.board(300);
        assert_eq!(board.ipv4().to_string(), "198.18.1.44/15");
        assert_eq!(board.net.mac().0, [2, 0, 0x5e, 0, 1, 44]);
        assert_eq!(board.name, "tapboard-02005e00012c");
        assert_eq!(board.net.ipv6().map(|ipv6| ipv6.to_string()), Some("2001:db8::12c/64".into()));
        let ten = read("--net 10.1.0.0/16 --first 7 --loss 5% --seed 3").unwrap();
        assert_eq!((ten.board(7).ipv4().to_string(), ten.boards), ("10.1.0.7/16".into(), 100));
        // Each has it on its own cable, and the uplink none.
        assert_eq!((ten.faults.settings.len(), ten.run.link.settings.len()), (1, 0));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_remedy() {
        for (words, remedy) in [
            ("--boards 100001", "100000"),
            ("--first 0", "1.."),
            ("--net 10.0.0.0/24 --boards 254", "has room for 253 boards"),
            ("--net 10.0.0.0/24 --first 200", "a shorter prefix with --net"),
            ("--net 10.0.0.0/24 --boards 250 --virtual 1s", "has room for 253 boards"),
            ("--net 127.0.0.0/8", "e.g. 198.18.0.0/15"),
            ("--net 10.0.0.0", "e.g. 198.18.0.0/15"),
            ("--net 10.0.0.0/31", "e.g. 198.18.0.0/15"),
            ("--boards 0", "--listen unix:PATH"),
            ("--boards 0 --gateway --listen unix:/tmp/x", "have boards"),
            ("--join /tmp/x", "e.g. unix:/tmp/fleet.sock"),
            ("--listen unix:", "e.g. unix:/tmp/fleet.sock"),
            ("--virtual 0s", "e.g. 60s"),
            ("--virtual 60s --name tap1", "leave one of them out"),
            ("--gateway --join unix:/tmp/x", "leave one of them out"),
            ("-p 8007:7", "--gateway"),
            ("--gateway -p 127.0.0.1:8007:7", "e.g. -p 8007:7"),
            ("--gateway --net 10.0.0.0/24 --boards 250", "has room for 253 boards"),
            ("--telemetry desk.example:9000", "e.g. 198.19.255.254:9000"),
            ("--telemetry 192.0.2.2:9000", "no way out of 198.18.0.0/15"),
            ("--telemetry 198.18.0.7:9000", "board 7 itself"),
        ] {
            let error = read(words).unwrap_err();
            assert!(error.contains(remedy), "{words}: {error}");
        }
        for words in [
            "--boards 0 --listen unix:/tmp/x",
            "--boards 253 --net 10.0.0.0/24",
            "--telemetry 198.18.0.101:9000",
            "--boards 100000 --virtual 1s",
            "--gateway --telemetry 127.0.0.1:9001",
        ] {
            assert!(read(words).is_ok(), "{words}");
        }
    }
}
