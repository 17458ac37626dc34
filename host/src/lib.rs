//! The other end of the wire: connects to a board, verifies it, and collects its telemetry.
//!
//! | module | what it does |
//! |---|---|
//! | [`connect`] | standard input and output joined to a board's port, as `nc` does |
//! | [`echo`] | many connections to an echo service, with every byte verified and timed |
//! | [`mod@bench`] | how fast a board's services are: bulk, round trips, connections |
//! | [`mod@check`] | whether a board is a good one: every service, and what goes wrong |
//! | [`serve`] | the telemetry server that boards report to |
//! | [`telemetry`], [`lines`] | a report, the history of a board, a line of bounded length |
//! | [`pattern`], [`stats`], [`units`] | test data by offset, percentiles, quantities as people write them |
//! | [`net`], [`listen`] | addresses and their errors, listening on several |
//! | [`output`], [`layout`], [`progress`] | standard output, lines for a terminal, how far a command is |
//! | [`signal`], [`clock`] | Ctrl-C, time |
//!
//! A subcommand is a module with an `Args` and a `run`; [`cli`] lists them. `connect` blocks on two
//! threads, `bench` on one and `check` on one or two; the others watch all their sockets with one `mio` poll on
//! one thread. Nothing spins, and every buffer, line and table has a limit.
//!
//! Everything a subcommand does can be had from a program too, here the echo check:
//!
//! ```
//! # use std::io::{Read, Write};
//! # use std::net::{Shutdown, TcpListener};
//! use clap::Parser;
//! use tapboard_host::cli::{Cli, HostCommand};
//! use tapboard_host::{echo, output::Verdict};
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?; // stands for a board
//! let address = listener.local_addr()?.to_string();
//! # std::thread::spawn(move || {
//! #     for stream in listener.incoming() {
//! #         std::thread::spawn(move || {
//! #             let mut stream = stream.unwrap();
//! #             let mut buffer = [0; 4096];
//! #             while let Ok(count @ 1..) = stream.read(&mut buffer) {
//! #                 stream.write_all(&buffer[..count]).unwrap();
//! #             }
//! #             let _ = stream.shutdown(Shutdown::Write);
//! #         });
//! #     }
//! # });
//! let words = ["tapboard-host", "echo", &address, "--connections", "4", "--bytes", "10k"];
//! let HostCommand::Echo(arguments) = Cli::parse_from(words).command else { unreachable!() };
//! assert!(matches!(echo::run(&arguments), Ok(Verdict::Passed)));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Exit codes: 0 success, 1 a failed check or connection, 2 a wrong command line.

use std::process::ExitCode;

use log::LevelFilter;
use serde_json::json;

use crate::cli::{Cli, HostCommand};
use crate::output::{Error, Output, Verdict};

pub mod bench;
pub mod check;
pub mod cli;
pub mod clock;
pub mod connect;
pub mod echo;
pub mod layout;
pub mod lines;
pub mod listen;
pub mod net;
pub mod output;
pub mod pattern;
pub mod progress;
pub mod serve;
pub mod signal;
pub mod stats;
pub mod telemetry;
pub mod units;

/// Runs one command line to its end and says how the process should exit.
#[must_use]
pub fn run(cli: &Cli) -> ExitCode {
    start_logging(cli.verbose);
    let (result, json) = match &cli.command {
        HostCommand::Bench(args) => (bench::run(args), args.json),
        HostCommand::Check(args) => (check::run(args), args.json),
        HostCommand::Connect(args) => (connect::run(args), false),
        HostCommand::Echo(args) => (echo::run(args), args.json),
        HostCommand::Serve(args) => (serve::run(args), args.json),
    };
    match result {
        Ok(Verdict::Failed) => ExitCode::FAILURE,
        // Whoever reads our output may have had enough, as in `tapboard-host serve | head`.
        Ok(Verdict::Passed) | Err(Error::OutputClosed) => ExitCode::SUCCESS,
        Err(Error::Failed(message)) => {
            if json {
                // If standard output is gone too, standard error still says why.
                let _ = Output::new(true).object(&json!({ "event": "error", "message": message }));
            }
            output::complain(&message);
            ExitCode::FAILURE
        }
    }
}

fn start_logging(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        2 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    // Fails only if a logger is set already, as when a test runs two commands in one process.
    let _ = simple_logger::SimpleLogger::new().with_level(level).init();
}
