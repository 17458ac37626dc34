//! The command line, which is also the manual.
//!
//! [`Cli::read`] makes sense of it as a whole: no option is ever without effect in silence. What two options
//! come to together is in `pairs`, what a value comes to beside others in the `check` of each command.

mod faults;
mod identity;
mod misplaced;
mod pairs;
mod sim;

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use smoltcp::wire::Ipv4Cidr;
use tapboard_firmware::{NetConfig, PEER_NET};

pub use self::faults::{Fault, Faults};
pub use self::identity::Who;
pub use self::sim::SimArgs;
use crate::console::Script;
use crate::gateway::Forward;
use crate::identity::{Identity, mac_text};
use crate::nic::Offload;
use crate::output::is_standard;

/// The package's version, and the commit it was built from.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("TAPBOARD_COMMIT"), ")");

/// A microcontroller's TCP firmware, running on a virtual NIC that the real network can reach.
///
/// Without a command it is `tapboard user`.
#[derive(Debug, Parser)]
#[command(version = VERSION, max_term_width = 100)]
pub struct Cli {
    /// What to run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Log more: -v for connections, -vv for segments.
    // Before what has headings of its own, under which it would stand; shown beside --help all the same.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = 900)]
    pub verbose: u8,
    /// The options of `tapboard user`.
    #[command(flatten)]
    pub user: User,
}

/// The ways to run the board.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the board behind forwarded ports of 127.0.0.1; needs no rights (the default).
    User(User),
    /// Run the board as a host of its own, 192.0.2.1, on a Linux TAP interface. Several boards share a
    /// network over a bridge of their TAPs, each with an --id of its own.
    Tap(Tap),
    /// Walk through a connection's life on a loopback, step by step, in virtual time.
    Loopback,
    /// Run whole networks in virtual time, each drawn from a seed, and check what must hold in them.
    Sim(SimArgs),
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
    #[arg(long, overrides_with = "checksum_offload")]
    pub checksum_offload: bool,
    /// Send no telemetry.
    #[arg(long, overrides_with = "no_telemetry")]
    pub no_telemetry: bool,
    /// Write every frame to this pcapng file, with what the cable did to it. With - to standard output, and
    /// all else to standard error: tapboard --pcap - | wireshark -k -i -
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Draw every frame as it is sent; of the attempts to connect for telemetry while nobody listens, the first.
    #[arg(long, overrides_with = "ladder")]
    pub ladder: bool,
    /// Take commands from this file, with times (`@2.5s unplug`), in place of standard input; `help` at
    /// the console lists them. With - from standard input, all of which is read first.
    #[arg(long = "script", value_name = "FILE")]
    pub script_file: Option<PathBuf>,
    /// The commands of that file.
    #[arg(skip)]
    pub script: Option<Script>,
    /// Who the board is.
    #[command(flatten)]
    pub who: Who,
    /// What is wrong with the cable.
    #[command(flatten)]
    pub faults: Faults,
}

impl Cli {
    /// Reads the command line `args`, whose first word is the program's name. Options before the command's
    /// name are the command's. What makes no sense together is an error with a remedy.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let args = command_first(args.into_iter().collect());
        let mut command = Self::command();
        let matches = match command.try_get_matches_from_mut(args) {
            Ok(matches) => matches,
            Err(error) => return Err(misplaced::explained(error, &command)),
        };
        let mut cli =
            Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        let (name, matches) = matches.subcommand().unwrap_or(("user", &matches));
        let checked = pairs::check(name, matches).and_then(|()| cli.check());
        let Err(text) = checked else { return Ok(cli) };
        let used = if cli.command.is_some() { command.find_subcommand_mut(name) } else { None };
        Err(match used {
            Some(used) => used.error(ErrorKind::ArgumentConflict, text),
            None => command.error(ErrorKind::ArgumentConflict, text),
        })
    }

    fn check(&mut self) -> Result<(), String> {
        match &mut self.command {
            None => self.user.check(),
            Some(Command::User(user)) => user.check(),
            Some(Command::Tap(tap)) => tap.check(),
            Some(Command::Sim(sim)) => sim.check(),
            Some(Command::Loopback | Command::Ladder(_)) => Ok(()),
        }
    }
}

/// `args` with the command's name in the first place, if only options of `tapboard user` precede it.
fn command_first(mut args: Vec<OsString>) -> Vec<OsString> {
    let command = Cli::command();
    let is_command =
        |arg: &OsString| command.get_subcommands().any(|known| *known.get_name() == **arg);
    // A word that could be a command's name may be an option's value: then what precedes it is not complete.
    let complete = |args: &[OsString]| {
        let read = command.clone().try_get_matches_from(args);
        read.is_ok_and(|matches: ArgMatches| matches.subcommand().is_none())
    };
    let place = (1..args.len()).find(|&at| is_command(&args[at]) && complete(&args[..at]));
    if let Some(place) = place {
        args[1..=place].rotate_right(1);
    }
    args
}

impl Board {
    /// Reads the script, and looks at what is without effect.
    fn check(&mut self) -> Result<(), String> {
        if let Some(path) = &self.script_file {
            self.script = Some(Script::read(path)?);
        }
        self.faults.check()
    }

    /// Whether frames go to standard output, which is then no place for anything else.
    #[must_use]
    pub fn captures_to_stdout(&self) -> bool {
        self.pcap.as_deref().is_some_and(is_standard)
    }

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

/// `profile large: 64 KiB buffers`.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mcu => "profile mcu: 2 KiB buffers",
            Self::Large => "profile large: 64 KiB buffers",
        })
    }
}

/// Options of `tapboard user`.
#[derive(Clone, Debug, Args)]
pub struct User {
    /// Forward port HOST of 127.0.0.1 and, where there is IPv6, of ::1 to the board's port BOARD, TCP and UDP.
    /// Replaces the default forward of that board port (7007:7, 7009:9, 7019:19, 7023:23), or adds one. May be
    /// repeated.
    #[expect(
        clippy::doc_markdown,
        reason = "-h shows backticks as they are, and other addresses have none"
    )]
    #[arg(short = 'p', long = "forward", value_name = "HOST:BOARD")]
    pub forward: Vec<Forward>,
    /// Let the board reach this port of 127.0.0.1 (as 192.0.2.2:PORT). May be repeated; 9000 unless
    /// given.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub allow: Vec<u16>,
    /// Take the board that runs in another process, in place of the one in this: whoever sends Ethernet
    /// frames as UDP datagrams to this port of 127.0.0.1, as QEMU does with `-netdev dgram`.
    #[arg(long, value_name = "udp:PORT", value_parser = guest)]
    pub guest: Option<u16>,
    /// The board's own options.
    #[command(flatten)]
    pub board: Board,
}

impl User {
    fn check(&mut self) -> Result<(), String> {
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

    /// Who the board is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.board.who.identity(None)
    }

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
    /// The interface: attached to as it is if it exists, created with the host's addresses and removed at
    /// exit if not. The host's are number 2 of the board's networks: 192.0.2.2/24 and `2001:db8::2/64`.
    #[arg(long, default_value = "tap0")]
    pub name: String,
    /// The board's IPv4 address and prefix length, 192.0.2.1/24 unless given.
    #[arg(long, value_name = "ADDR/PREFIX", value_parser = identity::ipv4)]
    pub ip: Option<Ipv4Cidr>,
    /// Next hop for what is outside the board's network; IPv4 only.
    #[arg(long, value_name = "ADDR", value_parser = identity::host_ipv4)]
    pub gateway: Option<Ipv4Addr>,
    /// What the NIC does for the board, beside passing frames.
    #[arg(long, value_enum, default_value_t)]
    pub offload: Offload,
    /// Leave segmentation to the NIC, and the checksums of TCP and UDP with it, as the firmware of a chip does
    /// whose MAC segments: up to 64 KiB of a connection are one frame to the firmware, both ways; over IPv6
    /// only on the way in.
    #[arg(long, overrides_with = "segmentation_offload")]
    pub segmentation_offload: bool,
    /// In the midst of traffic, look for the next frame for up to this long before sleeping; 0: never.
    /// 50 unless given, or 0 if there is one processor only. Idle, it sleeps in any case.
    #[arg(long, value_name = "MICROSECONDS", value_parser = clap::value_parser!(u16).range(..=1000))]
    pub busy_poll: Option<u16>,
    /// The board's own options.
    #[command(flatten)]
    pub board: Board,
}

impl Tap {
    fn check(&mut self) -> Result<(), String> {
        self.board.check()?;
        let Self { gateway, ip, board: Board { telemetry, who, .. }, .. } = &*self;
        if let (Some(_), Some(_), Some(_), Some(_), Some(_)) =
            (who.id, who.mac, ip, who.ip6, &who.board_name)
        {
            return Err("--id has nothing left to give, beside --mac, --ip, --ip6 and --board-name; leave it out"
                .into());
        }
        let identity = self.identity();
        let net = identity.ipv4();
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
        telemetry.map_or(Ok(()), |to| {
            self.reaches(to.ip()).map_err(|why| format!("--telemetry {to}: {why}"))
        })
    }

    /// Who the board is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let mut identity = self.board.who.identity(self.ip);
        if let Some(gateway) = self.gateway {
            identity.net = identity.net.with_ipv4_gateway(gateway);
        }
        identity
    }

    /// Whether the board has a way to `address`, and if not, what gives it one.
    fn reaches(&self, address: IpAddr) -> Result<(), String> {
        let (net, ipv4) = (self.identity().net, self.identity().ipv4());
        if self.identity().addresses().any(|own| own == address) {
            return Err("that is the board itself; name another host's address".into());
        }
        match address {
            IpAddr::V4(to) if ipv4.contains_addr(&to) => {
                if identity::is_host(ipv4, to) {
                    return Ok(());
                }
                Err(format!("that is no host's address in {}; name a host's", ipv4.network()))
            }
            IpAddr::V4(_) if net.ipv4_gateway().is_some() => Ok(()),
            IpAddr::V4(_) => Err(format!(
                "the board has no way out of {}; give it one with --gateway ADDR, or --no-telemetry",
                ipv4.network()
            )),
            IpAddr::V6(to) if to.is_unicast_link_local() => Ok(()),
            IpAddr::V6(to) if net.ipv6().is_some_and(|own| own.contains_addr(&to)) => Ok(()),
            IpAddr::V6(_) => Err(
                "the board has no IPv6 gateway; put it into that network with --ip6 ADDR/PREFIX, or \
                 --no-telemetry"
                    .into(),
            ),
        }
    }
}

/// The error for what is the host's already.
fn taken(what: &str, value: &impl fmt::Display, other: &str) -> String {
    format!(
        "{value} is the {what} of the host at the other end of the wire; choose another, e.g. {other}"
    )
}

/// Options of `tapboard ladder`.
#[derive(Clone, Debug, Args)]
pub struct Ladder {
    /// The capture, pcapng or pcap, of an Ethernet interface; - for standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write the diagram to this file, as an SVG document, instead of to the terminal; - for standard output.
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

/// The number of a seed, up to `max`.
fn seed(max: u64) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse().ok().filter(|&seed| seed <= max);
        number.ok_or_else(|| format!("a seed is a number from 0 to {max}"))
    }
}

/// The UDP port of 127.0.0.1 that a guest sends its frames to.
fn guest(text: &str) -> Result<u16, String> {
    let port = text.strip_prefix("udp:").and_then(|port| port.parse().ok());
    port.filter(|&port| port != 0)
        .ok_or_else(|| format!("{text:?} is not udp: and a port from 1 to 65535, e.g. udp:7100"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Cli, clap::Error> {
        Cli::read(words.split(' ').map(Into::into))
    }

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
    fn telemetry_goes_to_a_host() {
        assert!(destination("192.0.2.2:9000").is_ok() && destination("[2001:db8::2]:9").is_ok());
        for bad in ["192.0.2.2", "192.0.2.2:0", "0.0.0.0:9000", "[::]:9000", "224.0.0.1:9", "x:1"] {
            assert!(destination(bad).unwrap_err().contains("e.g. 192.0.2.2:9000"), "{bad}");
        }
    }

    #[test]
    fn a_guest_is_a_port() {
        assert_eq!(read("tapboard --guest udp:7100 --loss 5%").unwrap().user.guest, Some(7100));
        for bad in ["7100", "udp:0", "udp:", "udp:70000", "tcp:7100"] {
            let error = read(&format!("tapboard --guest {bad}")).unwrap_err().to_string();
            assert!(error.contains("e.g. udp:7100"), "{error}");
        }
    }

    #[test]
    fn a_seed_is_a_number() {
        for seed in [0, 7, u64::MAX] {
            let cli = read(&format!("tapboard --loss 5% --seed {seed}")).unwrap();
            assert_eq!(cli.user.board.faults.seed, Some(seed));
        }
        for bad in ["x", "-1", "0x7", "18446744073709551616"] {
            for (command, max) in [("user", u64::MAX), ("tap", u64::MAX), ("sim", u64::MAX - 1)] {
                let error = read(&format!("tapboard {command} --seed {bad}")).unwrap_err();
                let remedy = format!("'{bad}' for '--seed <");
                let text = error.to_string();
                assert!(text.contains(&remedy), "{text}");
                assert!(text.contains(&format!("a number from 0 to {max}")), "{text}");
            }
        }
    }

    #[test]
    fn the_same_said_twice_is_no_error() {
        for option in ["--no-telemetry", "--checksum-offload", "--ladder"] {
            assert!(read(&format!("tapboard {option} {option}")).is_ok(), "{option}");
            assert!(read(&format!("tapboard tap {option} {option}")).is_ok(), "{option}");
        }
    }

    /// What is an option of all commands stands among the others, with every help under one heading.
    #[test]
    fn help_has_every_heading_once_and_no_backticks_around_addresses() {
        for command in ["", " user", " tap", " loopback", " sim", " ladder"] {
            for help in ["-h", "--help"] {
                let text = read(&format!("tapboard{command} {help}")).unwrap_err().to_string();
                assert_eq!(text.lines().filter(|line| *line == "Options:").count(), 1, "{text}");
                assert!(!text.contains("`::1`") && !text.contains("on:  On"), "{text}");
                let options = text.split("Options:\n").nth(1).expect("options");
                let options = options.split("\n\nFaults").next().expect("a section");
                assert!(options.contains("-v, --verbose"), "{text}");
            }
        }
    }

    #[test]
    fn options_work_with_and_without_the_command_word() {
        for words in
            ["tapboard --allow 9001", "tapboard user --allow 9001", "tapboard --allow 9001 user"]
        {
            let cli = read(words).unwrap();
            let user = match cli.command {
                Some(Command::User(user)) => user,
                None => cli.user,
                other => panic!("{other:?}"),
            };
            assert_eq!(user.allowed(), [9001], "{words}");
        }
    }

    #[test]
    fn options_before_the_commands_name_are_the_commands() {
        let first = |words: &str| {
            let words = words.split(' ').map(Into::into).collect();
            let words: Vec<_> = command_first(words);
            words.join(" ".as_ref()).into_string().unwrap()
        };
        for (given, meant) in [
            ("tapboard --loss 5% tap", "tapboard tap --loss 5%"),
            (
                "tapboard -v --loss 5% --ladder tap --name x",
                "tapboard tap -v --loss 5% --ladder --name x",
            ),
            ("tapboard -v sim --seed 1", "tapboard sim -v --seed 1"),
            ("tapboard --board-name tap", "tapboard --board-name tap"),
            ("tapboard --board-name tap tap", "tapboard tap --board-name tap"),
            ("tapboard user --loss 5% tap", "tapboard user --loss 5% tap"),
            ("tapboard --nonsense tap", "tapboard --nonsense tap"),
            ("tapboard ladder user", "tapboard ladder user"),
        ] {
            assert_eq!(first(given), meant);
        }
        let Some(Command::Tap(tap)) = read("tapboard --loss 5% --id 3 tap").unwrap().command else {
            panic!("it is no tap");
        };
        assert_eq!((tap.board.faults.loss.len(), tap.board.who.id), (1, Some(3)));
        let error = read("tapboard -p 8007:7 tap").unwrap_err().to_string();
        assert!(error.contains("'-p'") && error.contains("Usage: tapboard tap"), "{error}");
    }

    /// What the options come to, each by itself a good one.
    #[test]
    fn values_that_cannot_be_are_refused_with_a_remedy() {
        for (words, remedy) in [
            ("tap --gateway 192.0.2.1", "is the board itself; name a router's address"),
            ("tap --id 7 --gateway 192.0.2.7", "is the board itself"),
            ("tap --gateway 192.0.2.255", "is no host's address in 192.0.2.0/24; name a router's"),
            ("tap --gateway 192.0.2.0", "is no host's address"),
            ("tap --telemetry 192.0.2.1:9000", "is the board itself; name another"),
            ("tap --telemetry [2001:db8::1]:9000", "is the board itself; name another"),
            (
                "tap --telemetry 192.0.2.255:9000",
                "no host's address in 192.0.2.0/24; name a host's",
            ),
            ("tap --telemetry 198.51.100.1:9000", "give it one with --gateway ADDR"),
            ("tap --telemetry [2001:db8:1::2]:9000", "--ip6 ADDR/PREFIX"),
            ("tap --ip 10.0.0.1/8 --telemetry 192.0.2.2:9000", "no way out of 10.0.0.0/8"),
            (
                "tap --id 3 --mac 02:00:00:00:00:03 --ip 192.0.2.3/24 --ip6 2001:db8::3 --board-name x",
                "leave it out",
            ),
            ("user --mac 02:00:5e:00:00:02", "02:00:5e:00:00:02 is the MAC address of the host"),
            ("user --ip6 2001:db8::2", "choose another, e.g. --ip6 2001:db8::7"),
            ("--mac 02:00:5e:00:00:02", "choose another, e.g. --mac 02:00:5e:00:00:07"),
            ("tap --id 2", "the host's own number"),
            ("--script /nonexistent/x", "cannot read the script /nonexistent/x"),
        ] {
            let error = read(&format!("tapboard {words}")).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(remedy), "{words}: {error}");
        }
        for words in [
            "tap --gateway 198.51.100.1",
            "tap --gateway 192.0.2.254 --telemetry 198.51.100.1:9000",
            "tap --telemetry 192.0.2.77:9000",
            "tap --telemetry [2001:db8::77]:9000",
            "tap --telemetry [fe80::77]:9000",
            "tap --ip 192.0.2.2/24",
            "tap --ip6 2001:db8::2",
            "user --ip6 2001:db8:1::2",
            "user --id 254 --mac 06:00:00:00:00:01 --ip6 2001:db8::3 --board-name x",
        ] {
            assert!(read(&format!("tapboard {words}")).is_ok(), "{words}");
        }
    }
}
