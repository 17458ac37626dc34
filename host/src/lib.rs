//! The other end of the wire: connects to a board, verifies it, and collects its telemetry.
//!
//! From top to bottom; a module imports from those below it only:
//!
//! | module | what it does |
//! |---|---|
//! | [`cli`] | what a user asks for on the command line |
//! | [`connect`] | standard input and output joined to a board's port, as `nc` does |
//! | [`mod@check`] | whether a board is a good one: every service, and what goes wrong. Which checks there are: `table`; what each does: `tcp`, `udp`, `shell`, `telemetry`, `wake`, `reset`; how long each waits: `plan`, `wire` |
//! | [`echo`] | many connections to an echo service, with every byte verified and timed. What one of them does: `connection`; how it ended, in words: `outcome` |
//! | [`mod@bench`] | how fast a board's services are: bulk (`bulk`, both ways `duplex`), round trips and connections (`trips`). What the runs come to, rates, medians and percentiles: `outcome`; in words: `report` |
//! | [`serve`] | the telemetry server that boards report to. Who is there, silent or back: `collector`; the table of them: `table`, `screen`; what is said of an event: `event` |
//! | [`telemetry`], [`lines`] | a report, the history of a board, a line of bounded length |
//! | [`net`], [`listen`] | addresses and their errors, listening on several |
//! | [`signal`] | Ctrl-C |
//! | [`output`], [`progress`], [`live`], [`layout`] | standard output, how far a command is, lines that change, lines for a terminal |
//! | [`pattern`], [`stats`], [`token`], [`units`] | test data by offset, percentiles, what a change asks for, quantities as people write them |
//! | [`clock`] | time |
//!
//! A subcommand is a module with a `run`, which takes a plan or options; [`cli`] makes these of words, and nothing
//! below it knows the command line. Threads: `connect` has one for each direction; `bench` and `check` have one that
//! prints and one that works, `bench` one more for each further connection of --parallel, and `check` one more while
//! it sends and receives at once. These block, within time limits but for standard input. `echo` and `serve` have one,
//! which watches all their sockets with one `mio` poll. In all but `connect` the `ctrlc` crate has one that waits for
//! Ctrl-C. Nothing spins, and every buffer, line and table has a limit.
//!
//! Everything a subcommand does can be had from a program too, here the echo check:
//!
//! ```
//! # use std::io::{Read, Write};
//! # use std::net::{Shutdown, TcpListener};
//! use std::time::Duration;
//! use tapboard_host::{echo, echo::plan::EchoPlan, output::Verdict};
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?; // stands for a board
//! let address = listener.local_addr()?;
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
//! let plan = EchoPlan {
//!     services: vec![vec![address]],
//!     seed: 1,
//!     pings: 100,
//!     bytes: 10_000,
//!     connect_timeout: Duration::from_secs(10),
//!     stall_timeout: Duration::from_secs(10),
//! };
//! let (connections, chunk, json) = (4, 16 * 1024, false);
//! assert!(matches!(echo::run(&plan, connections, chunk, json), Ok(Verdict::Passed)));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Exit codes: 0 success, 1 a failed check or connection, 2 a wrong command line.

use std::process::ExitCode;

use log::LevelFilter;
use serde_json::json;

use crate::cli::{Cli, HostCommand};
use crate::echo::plan::EchoPlan;
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
pub mod live;
pub mod net;
pub mod output;
pub mod pattern;
pub mod progress;
pub mod serve;
pub mod signal;
pub mod stats;
pub mod telemetry;
pub mod token;
pub mod units;

/// Runs one command line to its end and says how the process should exit.
#[must_use]
pub fn run(cli: &Cli) -> ExitCode {
    start_logging(cli.verbose);
    raise_file_limit();
    let (result, json) = match &cli.command {
        HostCommand::Bench(args) => {
            (args.plan().and_then(|plan| bench::run(&plan, args.json)), args.json)
        }
        HostCommand::Check(args) => {
            (args.plan().and_then(|plan| check::run(&plan, args.json)), args.json)
        }
        HostCommand::Connect(args) => (connect::run(&args.target, args.timeout), false),
        HostCommand::Echo(args) => {
            let (count, chunk) = (usize::from(args.connections), args.chunk as usize);
            let run = |plan: EchoPlan| echo::run(&plan, count, chunk, args.json);
            (args.plan().and_then(run), args.json)
        }
        HostCommand::Serve(args) => (serve::run(&args.options()), args.json),
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

/// Lets as many files be open as the system allows on request: each connection is one. Systems begin with 256 or 1024.
fn raise_file_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
            log::info!("the limit of open files stays: {error}");
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
