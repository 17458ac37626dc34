//! The options of `tapboard user`.

use std::fmt;

use clap::Args;
use tapboard_firmware::{NetConfig, PEER_NET};

use super::board::BoardArgs;
use super::identity::{IpArg, only_dhcp};
use crate::gateway::{ApiAddress, DhcpRange, Forward, GatewayConfig, HostPort, Resolver};
use crate::guest::GuestAddress;
use crate::identity::{Identity, mac_text};
use crate::user::UserOptions;

/// Why settings do not count.
const GATEWAY: &str = "the gateway here knows the board by its address; use tapboard tap";

/// Options of `tapboard user`.
#[derive(Clone, Debug, Args)]
pub struct UserArgs {
    /// Forward port HOST of 127.0.0.1 and, where there is IPv6, of ::1 to the board's port BOARD, TCP and UDP. With
    /// tcp: or udp: before it that protocol alone, with an address of this machine before it there alone, e.g.
    /// udp:127.0.0.1:8007:7. Replaces the default forward of that board port (7007:7, 7009:9, 7019:19, 7023:23,
    /// 7080:80), or adds one. May be repeated.
    #[expect(
        clippy::doc_markdown,
        reason = "-h shows backticks as they are, and other addresses have none"
    )]
    #[arg(short = 'p', long = "forward", value_name = "HOST:BOARD")]
    forward: Vec<Forward>,
    /// Let the board reach this port of 127.0.0.1 (as 192.0.2.2:PORT), TCP and UDP. With tcp: or udp: before it that
    /// protocol alone, with an address before it that host, e.g. udp:127.0.0.2:514. May be repeated; 9000 unless
    /// given.
    #[arg(long, value_name = "PORT", value_parser = allowed)]
    allow: Vec<HostPort>,
    /// Let the board ask for names at 192.0.2.2, which passes its questions on to this machine's resolver, or to the
    /// one at ADDR. Unless given, questions are refused.
    #[arg(
        long,
        value_name = "ADDR[:PORT]",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    allow_dns: Option<Resolver>,
    /// The addresses that DHCP leases to who is not the board; 192.0.2.100-192.0.2.199 unless given.
    #[arg(long, value_name = "FIRST-LAST")]
    dhcp_range: Option<DhcpRange>,
    /// Add and remove ports over HTTP while it runs, at this port or this UNIX socket.
    #[arg(long, value_name = "ADDR:PORT|unix:PATH")]
    api: Option<ApiAddress>,
    /// Take the board that runs in another process, in place of the one in this: whoever sends Ethernet frames as
    /// UDP datagrams to this port of 127.0.0.1, as QEMU does with `-netdev dgram`; or to this UNIX socket (unix:PATH);
    /// or over a connection (stream:PORT, stream:unix:PATH), each after its length, as QEMU does with `-netdev stream`.
    #[arg(long, value_name = "udp:PORT")]
    guest: Option<GuestAddress>,
    /// With dhcp, the board asks the gateway for its IPv4 address, in place of knowing it. It gets the same one.
    #[arg(long, value_name = "dhcp", value_parser = only_dhcp)]
    ip: Option<IpArg>,
    /// The board's own options.
    #[command(flatten)]
    pub(super) board: BoardArgs,
}

impl UserArgs {
    pub(super) fn check(&mut self) -> Result<(), String> {
        self.board.check()?;
        let (board, host) = (self.identity().net, PEER_NET);
        // The IPv4 address follows from the number, which is not the host's.
        if board.mac() == host.mac() {
            return Err(taken("MAC address", &mac_text(board.mac()), "--mac 02:00:5e:00:00:07"));
        }
        let address = |net: &NetConfig| net.ipv6().map(|ipv6| ipv6.address());
        match address(&board) {
            Some(ipv6) if Some(ipv6) == address(&host) => {
                Err(taken("IPv6 address", &ipv6, "--ip6 2001:db8::7"))
            }
            _ => Ok(()),
        }
    }

    /// What they come to.
    #[must_use]
    pub fn options(&self) -> UserOptions {
        UserOptions {
            identity: self.identity(),
            gateway: GatewayConfig {
                net: PEER_NET,
                forwards: forwards(&self.forward),
                allowed: self.allowed(),
                resolver: self.allow_dns,
                dhcp_range: self.dhcp_range.unwrap_or_default(),
                api: self.api.clone(),
            },
            guest: self.guest.clone(),
            run: self.board.options(&[("ip", GATEWAY), ("gateway", GATEWAY)]),
        }
    }

    /// Who the board is.
    fn identity(&self) -> Identity {
        self.board.who.identity(self.ip, false)
    }

    /// The ports the board may reach, each once.
    fn allowed(&self) -> Vec<HostPort> {
        if self.allow.is_empty() {
            return vec![HostPort::new(9000)];
        }
        let mut allowed: Vec<HostPort> = Vec::new();
        for host in &self.allow {
            if !allowed.contains(host) {
                allowed.push(*host);
            }
        }
        allowed.sort_by_key(|host| (host.port, host.address));
        allowed
    }
}

/// The default forwards with the given ones put in their place.
pub(super) fn forwards(given: &[Forward]) -> Vec<Forward> {
    let replaced = |default: &Forward| given.iter().any(|f| f.board == default.board);
    let defaults = Forward::DEFAULT.into_iter().filter(|default| !replaced(default));
    defaults.chain(given.iter().copied()).collect()
}

/// The error for what is the host's already.
fn taken(what: &str, value: &impl fmt::Display, other: &str) -> String {
    format!(
        "{value} is the {what} of the host at the other end of the wire; choose another, e.g. {other}"
    )
}

/// A port that the board may reach.
fn allowed(text: &str) -> Result<HostPort, String> {
    text.parse().map_err(|error| {
        format!(
            "{text:?} is not a port that can be allowed, e.g. 9000 or udp:127.0.0.2:514: {error}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;

    fn read(words: &str) -> Result<Cli, clap::Error> {
        Cli::read(words.split(' ').map(Into::into))
    }

    #[test]
    fn a_forward_replaces_the_default_of_its_board_port_or_adds_one() {
        let cli = read("tapboard -p 8007:7 -p 8080:80 -p 8777:777").unwrap();
        let forwards = forwards(&cli.user.forward);
        let forwards: Vec<_> = forwards.iter().map(ToString::to_string).collect();
        assert_eq!(forwards, ["7009:9", "7019:19", "7023:23", "8007:7", "8080:80", "8777:777"]);
        assert_eq!(cli.user.allowed(), [HostPort::new(9000)]);
    }

    #[test]
    fn a_resolver_is_optional_in_two_ways() {
        for (words, expected) in [
            ("tapboard", None),
            ("tapboard --allow-dns", Some(Resolver::Host)),
            ("tapboard --allow-dns user", Some(Resolver::Host)),
            ("tapboard --allow-dns=[::1]:5353", Some(Resolver::At("[::1]:5353".parse().unwrap()))),
        ] {
            let cli = read(words).unwrap();
            let user = match cli.command {
                Some(crate::cli::Subcommand::User(user)) => user,
                _ => cli.user,
            };
            assert_eq!(user.options().gateway.resolver, expected, "{words}");
        }
    }

    #[test]
    fn a_port_that_is_allowed_twice_is_one() {
        let cli = read("tapboard --allow udp:514 --allow 80 --allow udp:514").unwrap();
        let allowed: Vec<_> = cli.user.allowed().iter().map(ToString::to_string).collect();
        assert_eq!(allowed, ["80", "udp:514"]);
    }

    #[test]
    fn a_guest_is_a_socket() {
        let cli = read("tapboard --guest udp:7100 --loss 5%").unwrap();
        assert_eq!(cli.user.guest, Some(GuestAddress::Udp(7100)));
        let error = read("tapboard --guest tcp:7100").unwrap_err().to_string();
        assert!(error.contains("e.g. udp:7100"), "{error}");
    }
}
