//! The command line, which is also the manual.
//!
//! [`Cli::read`] makes sense of it as a whole: no option is ever without effect in silence. What two options
//! come to together is in `pairs`, what a value comes to beside others in the `check` of each command.

mod board;
mod faults;
mod fleet;
mod identity;
mod ladder;
mod misplaced;
mod pairs;
mod replay;
mod seed;
mod sim;
mod tap;
mod user;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};

pub use self::board::BoardArgs;
pub use self::faults::FaultArgs;
pub use self::fleet::FleetArgs;
pub use self::identity::IdentityArgs;
pub use self::ladder::LadderArgs;
pub use self::replay::ReplayArgs;
pub use self::sim::SimArgs;
pub use self::tap::TapArgs;
pub use self::user::UserArgs;

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
    pub command: Option<Subcommand>,
    /// Log more: -v for connections, -vv for segments.
    // Before what has headings of its own, under which it would stand; shown beside --help all the same.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = 900)]
    pub verbose: u8,
    /// The options of `tapboard user`.
    #[command(flatten)]
    pub user: UserArgs,
}

/// The ways to run the board.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Run the board behind forwarded ports of 127.0.0.1; needs no rights (the default).
    User(UserArgs),
    /// Run the board as a host of its own, 192.0.2.1, on a Linux TAP interface. Several boards share a
    /// network over a bridge of their TAPs, each with an --id of its own.
    Tap(TapArgs),
    /// Run many boards on one TAP, or a thousand of them without: each with its own addresses, name and cable on one
    /// switch. Fleets of several processes join to one network.
    Fleet(FleetArgs),
    /// Walk through a connection's life on a loopback, step by step, in virtual time.
    Loopback,
    /// Run whole networks in virtual time, each drawn from a seed, and check what must hold in them.
    Sim(SimArgs),
    /// Draw a capture as a sequence diagram of its conversations: one column a host, with
    /// retransmissions and what the link did.
    Ladder(LadderArgs),
    /// Let the peers of a captured conversation act again towards the board, in virtual time, and compare what it says:
    /// exit code 0 if it says the same, 1 if it differs, 2 if the capture cannot be replayed.
    Replay(ReplayArgs),
}

impl Cli {
    /// Reads the command line `args`, whose first word is the program's name. Options before the command's
    /// name are the command's. What makes no sense together is an error with a remedy.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let args = command_first(args.into_iter().collect());
        let mut command = Self::command();
        let matches = match command.try_get_matches_from_mut(&args) {
            Ok(matches) => matches,
            Err(error) => return Err(misplaced::explained(error, &command, &args)),
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
            Some(Subcommand::User(user)) => user.check(),
            Some(Subcommand::Tap(tap)) => tap.check(),
            Some(Subcommand::Fleet(fleet)) => fleet.check(),
            Some(Subcommand::Sim(sim)) => sim.check(),
            Some(Subcommand::Ladder(ladder)) => ladder.check(),
            Some(Subcommand::Replay(replay)) => replay.check(),
            Some(Subcommand::Loopback) => Ok(()),
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
    fn a_seed_is_a_number() {
        for seed in [0, 7, u64::MAX] {
            let cli = read(&format!("tapboard --loss 5% --seed {seed}")).unwrap();
            assert_eq!(cli.user.options().run.link.seed, Some(seed));
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
        for command in ["", " user", " tap", " fleet", " loopback", " sim", " ladder", " replay"] {
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
                Some(Subcommand::User(user)) => user,
                None => cli.user,
                other => panic!("{other:?}"),
            };
            let allowed = user.options().gateway.allowed;
            assert_eq!(allowed, [crate::gateway::HostPort::new(9001)], "{words}");
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
        let Some(Subcommand::Tap(tap)) = read("tapboard --loss 5% --id 3 tap").unwrap().command
        else {
            panic!("it is no tap");
        };
        assert_eq!((tap.board.options(&[]).link.settings.len(), tap.board.who.id), (1, Some(3)));
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
            (
                "tap --telemetry 198.51.100.1:9000",
                "give it one with --gateway ADDR, or --no-telemetry",
            ),
            (
                "tap --no-telemetry --dns 198.51.100.1",
                "give it one with --gateway ADDR, or name a server inside",
            ),
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
            ("tap --dns 192.0.2.2 --dns 192.0.2.3 --dns 192.0.2.4", "asks 2 servers at most"),
            #[cfg(unix)]
            ("tap --token @/dev/zero", "no token: 1 to"),
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
