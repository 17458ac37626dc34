//! The command line, which is also the manual.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use smoltcp::wire::Ipv4Cidr;

use crate::gateway::Forward;

/// A microcontroller's TCP firmware, running on a virtual NIC that the real network can reach.
///
/// Without a command it is `tapboard user`.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub struct Cli {
    /// What to run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of `tapboard user`.
    #[command(flatten)]
    pub user: User,
    /// Log more: -v for connections, -vv for segments.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The ways to run the board.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the board behind forwarded ports of 127.0.0.1; needs no rights (the default).
    User(User),
    /// Run the board as a host of its own, 192.0.2.1, on a Linux TAP interface.
    Tap(Tap),
    /// Walk through a connection's life on a loopback, step by step, in virtual time.
    Loopback,
    /// Draw a capture as a sequence diagram of its conversations: one column a host, with
    /// retransmissions and what the link did.
    Ladder(Ladder),
}

/// What every way of running the board has.
#[derive(Clone, Debug, Args)]
pub struct Board {
    /// Buffers of the board: `mcu` fits a chip (2 KiB each way), `large` a fast network (64 KiB).
    #[arg(long, value_enum, default_value_t = Profile::Large)]
    pub profile: Profile,
    /// Where telemetry goes; port 9000 of the host's side of the wire unless given.
    #[arg(long, value_name = "ADDR:PORT", value_parser = destination)]
    pub telemetry: Option<SocketAddr>,
    /// Send no telemetry.
    #[arg(long, conflicts_with = "telemetry")]
    pub no_telemetry: bool,
}

impl Board {
    /// Where telemetry goes, if anywhere.
    #[must_use]
    pub fn telemetry_or(&self, default: SocketAddr) -> Option<SocketAddr> {
        (!self.no_telemetry).then(|| self.telemetry.unwrap_or(default))
    }
}

/// Memory profile of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// 8 connections of 2 KiB each way.
    Mcu,
    /// 8 connections of 64 KiB each way.
    Large,
}

/// Options of `tapboard user`.
#[derive(Clone, Debug, Args)]
pub struct User {
    /// Forward 127.0.0.1:HOST to the board's port BOARD, TCP and UDP. Replaces the default forward of
    /// that board port (7007:7, 7009:9, 7019:19, 7023:23), or adds one. May be repeated.
    #[arg(short = 'p', long = "forward", value_name = "HOST:BOARD")]
    pub forward: Vec<Forward>,
    /// Let the board reach this port of 127.0.0.1 (as 192.0.2.2:PORT). May be repeated; 9000 unless
    /// given.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub allow: Vec<u16>,
    /// The board's own options.
    #[command(flatten)]
    pub board: Board,
}

impl User {
    /// The default forwards with the given ones put in their place.
    #[must_use]
    pub fn forwards(&self) -> Vec<Forward> {
        let given = |default: &Forward| self.forward.iter().any(|f| f.board == default.board);
        let defaults = Forward::DEFAULT.into_iter().filter(|default| !given(default));
        defaults.chain(self.forward.iter().copied()).collect()
    }

    /// The ports the board may reach.
    #[must_use]
    pub fn allowed(&self) -> Vec<u16> {
        if self.allow.is_empty() {
            return vec![9000];
        }
        let mut allowed = self.allow.clone();
        allowed.sort_unstable();
        allowed.dedup();
        allowed
    }
}

/// Options of `tapboard tap`.
#[derive(Clone, Debug, Args)]
pub struct Tap {
    /// The interface: attached to as it is if it exists, created with 192.0.2.2/24 and
    /// `2001:db8::2/64` and removed at exit if not.
    #[arg(long, default_value = "tap0")]
    pub name: String,
    /// The board's address and prefix length. A created interface gets the next address of the network.
    #[arg(long, value_name = "ADDR/PREFIX", default_value = "192.0.2.1/24", value_parser = cidr)]
    pub ip: Ipv4Cidr,
    /// Next hop for what is outside the board's network.
    #[arg(long, value_name = "ADDR")]
    pub gateway: Option<Ipv4Addr>,
    /// The board's own options.
    #[command(flatten)]
    pub board: Board,
}

/// Options of `tapboard ladder`.
#[derive(Clone, Debug, Args)]
pub struct Ladder {
    /// The capture, pcapng or pcap, of an Ethernet interface.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write the diagram to this file, as an SVG document, instead of to the terminal.
    #[arg(long, value_name = "OUT")]
    pub svg: Option<PathBuf>,
}

/// Where a connection can go.
fn destination(text: &str) -> Result<SocketAddr, String> {
    let parsed = text.parse().ok().filter(|address: &SocketAddr| {
        address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast()
    });
    parsed.ok_or_else(|| {
        format!("{text:?} is not ADDRESS:PORT of a host, e.g. 192.0.2.2:9000 or [2001:db8::2]:9000")
    })
}

/// A host address with its prefix length.
fn cidr(text: &str) -> Result<Ipv4Cidr, String> {
    let parsed = text.split_once('/').and_then(|(address, prefix)| {
        let address: Ipv4Addr = address.parse().ok()?;
        let prefix = prefix.parse().ok().filter(|prefix| (1..=30).contains(prefix))?;
        let cidr = Ipv4Cidr::new(address, prefix);
        let host = address != cidr.network().address() && Some(address) != cidr.broadcast();
        (host && !address.is_multicast() && !address.is_loopback()).then_some(cidr)
    });
    parsed.ok_or_else(|| {
        format!(
            "{text:?} is not a host's ADDRESS/PREFIX with a prefix of 1 to 30, e.g. 192.0.2.1/24"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_forward_replaces_the_default_of_its_board_port_or_adds_one() {
        let cli = Cli::parse_from(["tapboard", "-p", "8007:7", "-p", "8080:80"]);
        let forwards = cli.user.forwards();
        assert!(!forwards.contains(&Forward { host: 7007, board: 7 }));
        for expected in [(7023, 23), (8007, 7), (8080, 80)] {
            assert!(forwards.contains(&Forward { host: expected.0, board: expected.1 }));
        }
        assert_eq!(forwards.len(), 5);
        assert_eq!(cli.user.allowed(), [9000]);
    }

    #[test]
    fn only_a_host_address_will_do() {
        assert!(cidr("198.51.100.7/24").is_ok());
        for bad in
            ["192.0.2.1", "192.0.2.0/24", "192.0.2.255/24", "224.0.0.1/24", "x/24", "192.0.2.1/31"]
        {
            assert!(cidr(bad).unwrap_err().contains("e.g. 192.0.2.1/24"));
        }
    }

    #[test]
    fn telemetry_goes_to_a_host() {
        assert!(destination("192.0.2.2:9000").is_ok() && destination("[2001:db8::2]:9").is_ok());
        for bad in ["192.0.2.2", "192.0.2.2:0", "0.0.0.0:9000", "[::]:9000", "224.0.0.1:9", "x:1"] {
            assert!(destination(bad).unwrap_err().contains("e.g. 192.0.2.2:9000"), "{bad}");
        }
    }

    #[test]
    fn options_work_with_and_without_the_command_word() {
        for words in
            [&["tapboard", "--allow", "9001"][..], &["tapboard", "user", "--allow", "9001"]]
        {
            let cli = Cli::parse_from(words);
            let user = match cli.command {
                Some(Command::User(user)) => user,
                None => cli.user,
                other => panic!("{other:?}"),
            };
            assert_eq!(user.allowed(), [9001]);
        }
    }
}
