//! The command line: one variant for each subcommand, whose options have a file each. Nothing below knows of it.
//!
//! `--help` is the manual: it says what each command promises, what it prints, and how it exits.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::Ipv6Addr;
use std::process::ExitCode;

use clap::{ArgAction, CommandFactory, Parser, Subcommand};

pub use self::bench::BenchArgs;
pub use self::check::CheckArgs;
pub use self::connect::ConnectArgs;
pub use self::echo::EchoArgs;
pub use self::serve::ServeArgs;
use crate::layout;

mod bench;
mod check;
mod connect;
mod echo;
mod port_offset;
mod serve;

/// `tapboard-host`, the tool on the other end of the wire.
#[derive(Debug, Parser)]
#[command(
    name = "tapboard-host",
    version,
    about = "Connects to a board, verifies it, collects its telemetry",
    long_about = "The other end of the wire: talks to a board - simulated, emulated or soldered - over \
                  ordinary sockets, and decides whether it is a good one.\n\n\
                  The default addresses are those of `tapboard`, the simulator in user mode, which \
                  forwards 127.0.0.1:7000+PORT to PORT of the board.",
    after_long_help = "Exit codes:\n  \
                       0  success\n  \
                       1  a check or a connection failed\n  \
                       2  the command line is wrong\n\n\
                       Examples:\n  \
                       printf hello | tapboard-host connect 127.0.0.1:7007\n  \
                       tapboard-host echo --connections 32 --bytes 1M\n  \
                       tapboard-host bench 127.0.0.1\n  \
                       tapboard-host check\n  \
                       tapboard-host serve"
)]
pub struct Cli {
    /// Logs more to standard error: -v what happens, -vv each step, -vvv everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,

    /// What to do.
    #[command(subcommand)]
    pub command: HostCommand,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum HostCommand {
    /// Measures a board: bulk each way and both ways, round trips, connections
    #[command(long_about = bench::ABOUT)]
    Bench(BenchArgs),
    /// Decides whether a board is a good one: every service, refusals, crowds, telemetry
    #[command(long_about = check::ABOUT)]
    Check(CheckArgs),
    /// Joins standard input and output to a TCP port, like nc
    #[command(long_about = connect::ABOUT)]
    Connect(ConnectArgs),
    /// Sends a pattern to an echo service and verifies every byte that comes back
    #[command(long_about = echo::ABOUT)]
    Echo(EchoArgs),
    /// Collects telemetry from any number of boards and prints it
    #[command(long_about = serve::ABOUT)]
    Serve(ServeArgs),
}

impl Cli {
    /// Reads the command line. Help and errors are printed, on a terminal laid out for its width; with what the
    /// process has to exit then.
    pub fn read() -> Result<Self, ExitCode> {
        let args: Vec<_> = std::env::args_os().collect();
        let error = match Self::try_parse_from(&args) {
            Ok(cli) => return Ok(cli),
            Err(error) => error,
        };
        if let Some(cli) = Self::joined(&args) {
            return Ok(cli);
        }
        let columns = if error.use_stderr() {
            layout::columns(&io::stderr())
        } else {
            layout::columns(&io::stdout())
        };
        let Some(columns) = columns else { error.exit() };
        // Once more, in lines of any length: the layout breaks them.
        let unbroken = Self::command().term_width(0).try_get_matches();
        let error = unbroken.err().unwrap_or(error);
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_some_and(|value| value != "dumb");
        let text = error.render();
        let text = if colours { text.ansi().to_string() } else { text.to_string() };
        let text = layout::fit_help(&text, columns);
        // A closed stream leaves nobody to tell.
        let _ = if error.use_stderr() {
            io::stderr().write_all(text.as_bytes())
        } else {
            io::stdout().write_all(text.as_bytes())
        };
        Err(u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from))
    }
}

impl Cli {
    /// What wrong `args` mean if a port stands apart from its host, as for `nc`.
    fn joined(args: &[OsString]) -> Option<Self> {
        let is_port = |arg: &OsString| arg.to_str().is_some_and(|arg| arg.parse::<u16>().is_ok());
        (2..args.len()).filter(|&at| is_port(&args[at])).find_map(|at| {
            let (host, port) = (args[at - 1].to_str()?, args[at].to_str()?);
            let host =
                if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.into() };
            let target = [format!("{host}:{port}").into()];
            let args = args[..at - 1].iter().chain(&target).chain(&args[at + 1..]);
            Self::try_parse_from(args).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_port_may_stand_apart_from_its_host() {
        let joined = |words: &str| {
            let words: Vec<_> = words.split(' ').map(OsString::from).collect();
            match Cli::joined(&words)?.command {
                HostCommand::Connect(ConnectArgs { target, .. }) => Some(target.to_string()),
                HostCommand::Echo(EchoArgs { target, .. }) => Some(target.to_string()),
                other => panic!("{other:?}"),
            }
        };
        for (words, target) in [
            ("connect 127.0.0.1 7007", "127.0.0.1:7007"),
            ("connect ::1 7007 --timeout 2", "[::1]:7007"),
            ("-v echo --pings 5 board.example 7", "board.example:7"),
        ] {
            assert_eq!(joined(&format!("tapboard-host {words}")).as_deref(), Some(target));
        }
        for words in [
            "connect 7007",
            "connect 127.0.0.1 0",
            "connect 127.0.0.1 70000",
            "connect a:1 7",
            "a 7",
        ] {
            assert_eq!(joined(&format!("tapboard-host {words}")), None, "{words}");
        }
    }

    #[test]
    fn the_long_help_of_each_command_is_longer_than_its_summary() {
        for command in Cli::command().get_subcommands() {
            let length =
                |text: Option<&clap::builder::StyledStr>| text.map(|t| t.to_string().len());
            assert!(length(command.get_long_about()) > length(command.get_about()));
            assert!(command.get_after_long_help().is_some(), "examples of {}", command.get_name());
        }
    }
}
