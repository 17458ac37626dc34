//! The command line, which is also the manual.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use smoltcp::wire::Ipv4Cidr;

use crate::console::Script;
use crate::gateway::Forward;
use crate::link::{Link, Setting};
use crate::nic::Offload;
use crate::nic::wire::Side;
use crate::sim::Sim;

/// The package's version, and the commit it was built from.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("TAPBOARD_COMMIT"), ")");

/// A microcontroller's TCP firmware, running on a virtual NIC that the real network can reach.
///
/// Without a command it is `tapboard user`.
#[derive(Debug, Parser)]
#[command(version = VERSION, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub struct Cli {
    /// What to run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of `tapboard user`.
    #[command(flatten)]
    pub user: User,
    /// Log more: -v for connections, -vv for segments.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Options")]
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
    /// Run whole networks in virtual time, each drawn from a seed, and check what must hold in them.
    Sim(Sim),
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
    /// Leave the checksums of TCP and UDP to the NIC, as the firmware of a chip with checksum offload does;
    /// without this the firmware computes and verifies them all.
    #[arg(long)]
    pub checksum_offload: bool,
    /// Send no telemetry.
    #[arg(long, conflicts_with = "telemetry")]
    pub no_telemetry: bool,
    /// Write every frame to this pcapng file, with what the cable did to it.
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Draw every frame as it is sent; of the attempts to connect for telemetry while nobody listens, the first.
    #[arg(long)]
    pub ladder: bool,
    /// Take commands from this file, with times (`@2.5s unplug`), in place of standard input; `help` at
    /// the console lists them.
    #[arg(long, value_name = "FILE", value_parser = |path: &str| Script::read(path.as_ref()))]
    pub script: Option<Script>,
    /// What is wrong with the cable.
    #[command(flatten)]
    pub faults: Faults,
}

/// A fault of one direction, or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// To which side, or both.
    pub to: Option<Side>,
    /// Which, and how much.
    pub setting: Setting,
}

impl Fault {
    /// Reads a value of the fault `name`, with `in:` or `out:` before it for one direction alone.
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let (to, value) = match text.split_once(':') {
            Some(("in", value)) => (Some(Side::Board), value),
            Some(("out", value)) => (Some(Side::Peer), value),
            Some((way, _)) => {
                return Err(format!("{way:?} is no direction: in: is to the board, out: from it"));
            }
            None => (None, text),
        };
        Ok(Self { to, setting: Setting::parse(name, value)? })
    }

    fn parser(name: &'static str) -> impl Fn(&str) -> Result<Self, String> + Clone + Send + Sync {
        move |text| Self::parse(name, text)
    }
}

/// What is wrong with the cable. Each holds for both directions, or with `in:` to the board alone, or
/// with `out:` from it; so each may be given twice.
#[derive(Clone, Debug, Args)]
#[command(
    next_help_heading = "Faults of the cable (each may begin with in: or out: for one direction)"
)]
pub struct Faults {
    /// Lose frames at random.
    #[arg(long, value_name = "CHANCE", value_parser = Fault::parser("loss"))]
    pub loss: Vec<Fault>,
    /// Lose frames in bursts: the chances to begin and to end one, e.g. 1%/30%.
    #[arg(long, value_name = "ENTER/LEAVE", value_parser = Fault::parser("burst"))]
    pub burst: Vec<Fault>,
    /// Flip one bit of a frame.
    #[arg(long, value_name = "CHANCE", value_parser = Fault::parser("corrupt"))]
    pub corrupt: Vec<Fault>,
    /// Deliver a frame twice.
    #[arg(long, value_name = "CHANCE", value_parser = Fault::parser("duplicate"))]
    pub duplicate: Vec<Fault>,
    /// Let later frames overtake one.
    #[arg(long, value_name = "CHANCE", value_parser = Fault::parser("reorder"))]
    pub reorder: Vec<Fault>,
    /// Delay every frame, e.g. by 40ms.
    #[arg(long, value_name = "TIME", value_parser = Fault::parser("delay"))]
    pub delay: Vec<Fault>,
    /// Vary the delay by up to this much either way.
    #[arg(long, value_name = "TIME", value_parser = Fault::parser("jitter"))]
    pub jitter: Vec<Fault>,
    /// Limit the rate, e.g. to 1mbit.
    #[arg(long, value_name = "RATE", value_parser = Fault::parser("rate"))]
    pub rate: Vec<Fault>,
    /// Bytes that may wait for the rate; 64k unless given.
    #[arg(long, value_name = "BYTES", value_parser = Fault::parser("queue"))]
    pub queue: Vec<Fault>,
    /// Lose packets of more bytes than this.
    #[arg(long, value_name = "BYTES", value_parser = Fault::parser("mtu"))]
    pub mtu: Vec<Fault>,
    /// Let nothing through, with `on`, `in:on` or `out:on`.
    #[arg(long, value_name = "ON", value_parser = Fault::parser("partition"))]
    pub partition: Vec<Fault>,
    /// Decides what befalls which frame, as far as chance does; drawn unless given, and printed when it matters,
    /// here or at the console.
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
}

impl Faults {
    /// A link with these faults, whose further ones follow from `seed`.
    #[must_use]
    pub fn link(&self, seed: u64) -> Link {
        let mut link = Link::new(seed);
        let all = [
            &self.loss,
            &self.burst,
            &self.corrupt,
            &self.duplicate,
            &self.reorder,
            &self.delay,
            &self.jitter,
            &self.rate,
            &self.queue,
            &self.mtu,
            &self.partition,
        ];
        for fault in all.into_iter().flatten() {
            link.set(fault.to, fault.setting);
        }
        link
    }
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
    /// Forward port HOST of 127.0.0.1 and, where there is IPv6, of `::1` to the board's port BOARD, TCP and UDP.
    /// Replaces the default forward of that board port (7007:7, 7009:9, 7019:19, 7023:23), or adds one. May be
    /// repeated.
    #[arg(short = 'p', long = "forward", value_name = "HOST:BOARD")]
    pub forward: Vec<Forward>,
    /// Let the board reach this port of 127.0.0.1 (as 192.0.2.2:PORT). May be repeated; 9000 unless
    /// given.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub allow: Vec<u16>,
    /// Take the board that runs in another process, in place of the one in this: whoever sends Ethernet
    /// frames as UDP datagrams to this port of 127.0.0.1, as QEMU does with `-netdev dgram`.
    #[arg(long, value_name = "udp:PORT", value_parser = guest,
        conflicts_with_all = ["profile", "telemetry", "no_telemetry", "checksum_offload"])]
    pub guest: Option<u16>,
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
    /// What the NIC does for the board, beside passing frames.
    #[arg(long, value_enum, default_value_t)]
    pub offload: Offload,
    /// Leave segmentation to the NIC, and the checksums of TCP and UDP with it, as the firmware of a chip does
    /// whose MAC segments: up to 64 KiB of a connection are one frame to the firmware, both ways; over IPv6
    /// only on the way in.
    #[arg(long)]
    pub segmentation_offload: bool,
    /// In the midst of traffic, look for the next frame for up to this long before sleeping; 0: never.
    /// 50 unless given, or 0 if there is one processor only. Idle, it sleeps in any case.
    #[arg(long, value_name = "MICROSECONDS", value_parser = clap::value_parser!(u16).range(..=1000))]
    pub busy_poll: Option<u16>,
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

/// The UDP port of 127.0.0.1 that a guest sends its frames to.
fn guest(text: &str) -> Result<u16, String> {
    let port = text.strip_prefix("udp:").and_then(|port| port.parse().ok());
    port.filter(|&port| port != 0)
        .ok_or_else(|| format!("{text:?} is not udp: and a port from 1 to 65535, e.g. udp:7100"))
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
    fn faults_hold_for_both_directions_or_for_one() {
        let words =
            "tapboard --loss 5% --delay in:40ms --delay out:10ms --mtu out:off --partition in:on";
        let link = Cli::parse_from(words.split(' ')).user.board.faults.link(1);
        let (to_board, to_peer) = (link.faults(Side::Board), link.faults(Side::Peer));
        assert_eq!(to_board.loss, to_peer.loss);
        assert_eq!((to_board.delay.total_millis(), to_peer.delay.total_millis()), (40, 10));
        assert_eq!((to_board.partition, to_peer.partition), (true, false));
        for bad in ["--loss 500%", "--loss up:5%", "--delay 40", "--rate fast"] {
            let error = Cli::try_parse_from(["tapboard"].into_iter().chain(bad.split(' ')));
            assert_eq!(error.unwrap_err().exit_code(), 2, "{bad}");
        }
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
    fn a_guest_is_a_port_and_brings_its_own_settings() {
        let parse = |words: &str| Cli::try_parse_from(words.split(' '));
        assert_eq!(parse("tapboard --guest udp:7100 --loss 5%").unwrap().user.guest, Some(7100));
        for bad in ["7100", "udp:0", "udp:", "udp:70000", "tcp:7100", "udp:7100 --profile mcu"] {
            let error = parse(&format!("tapboard --guest {bad}")).unwrap_err().to_string();
            assert!(error.contains("e.g. udp:7100") || error.contains("--profile"), "{error}");
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
