//! `check`: the acceptance test for a board - simulated, emulated or soldered.
//!
//! One table, [`table::CHECKS`], drives it: the checks run in its order, one at a time, each within a time
//! of its own, so that no peer can hang the whole. A check that fails does not end the others. Nothing is
//! sent but to the address that was given; telemetry is only listened for.
//!
//! The checking has a thread to itself, so that Ctrl-C ends it at once with what was seen so far.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::clock;
use crate::net::{self, Host};
use crate::output::{Error, Output, Verdict};
use crate::signal::Interrupt;
use crate::units::{bytes_within, parse_seconds};

use self::plan::{ECHO, Plan};
use self::report::{Finding, Outcome, Report};
use self::table::Check;

pub mod plan;
pub mod report;
mod services;
pub mod table;
mod tcp;
mod udp;
mod wire;

/// Bytes of the large echo at most.
const BYTES_MAX: u64 = 1 << 40;

/// Where a simulated board in user mode has its ports, from 127.0.0.1.
const OFFSET_USER: u16 = 7000;

/// What `--help` says of `check`.
pub const ABOUT: &str = "\
    Decides whether a board is a good one: each service answers with the right bytes, an \
    unregistered port is refused, half-close is honoured, connections at once and in turn are \
    all served, an idle one is kept, telemetry arrives, and with --reset the board comes back \
    from a reset.\n\n\
    Each check is PASS, FAIL or SKIP, with how long it took and what was seen. It is skipped if \
    --skip names it, or if the board cannot be asked through the ports that are forwarded to it. \
    Nothing is sent but to ADDR; telemetry is listened for on this machine's address towards the \
    board, see --listen.\n\n\
    On 127.0.0.1 and ::1 the ports are those of `tapboard` in user mode, 7000 higher than the \
    board's; see --port-offset. `tapboard -p 7081:81` forwards one that nobody registers.";

/// Options of `check`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = "Exit codes: 0 if no check failed, else 1.\n\n\
                       Examples:\n  \
                       tapboard-host check\n  \
                       tapboard-host check 192.0.2.1 --reset\n  \
                       tapboard-host check 192.0.2.1 --skip telemetry --bytes 10M --timeout 60\n  \
                       tapboard-host check --json | jq '.checks[] | select(.outcome == \"fail\")'")]
pub struct Args {
    /// The board: address or name, without a port
    #[arg(value_name = "ADDR", default_value = "127.0.0.1")]
    pub host: Host,

    /// Leaves out these checks, separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = table::parse_name)]
    pub skip: Vec<&'static str>,

    /// Bytes of the large echo, like 1000000, 64k, 10M, 1Mi
    #[arg(short, long, value_name = "B", default_value = "1M",
          value_parser = |text: &str| bytes_within(text, 1, BYTES_MAX))]
    pub bytes: u64,

    /// How long the idle connection is left alone
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = parse_seconds)]
    pub idle: Duration,

    /// Resets the board too, and waits until it is back
    #[arg(long)]
    pub reset: bool,

    /// Where the board's telemetry arrives: port 9000 of this machine's address towards it, unless given
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,

    /// What to add to the board's ports: 7000 for a loopback address, 0 for any other, unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=55_000))]
    pub port_offset: Option<u16>,

    /// Fails a check that takes longer; what it waits for on purpose is not counted
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = parse_seconds)]
    pub timeout: Duration,

    /// Prints one JSON object
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// The plan that these options make, once the name is resolved.
    pub fn plan(&self) -> Result<Plan, Error> {
        let address = self.host.resolve()?;
        let default = if address.is_loopback() { OFFSET_USER } else { 0 };
        Ok(Plan {
            address,
            port_offset: self.port_offset.unwrap_or(default),
            skip: self.skip.clone(),
            bytes: self.bytes,
            idle: self.idle,
            reset: self.reset,
            listen: self.listen,
            timeout: self.timeout,
        })
    }
}

/// News of the checking.
#[derive(Debug)]
pub enum News {
    /// A check begins.
    Begin(&'static Check),
    /// It has ended.
    Finding(Finding),
    /// All have.
    End,
    /// The user wants no more.
    Interrupt,
}

/// Checks as planned and tells the news to `tell` as they come.
pub fn check(plan: &Plan, mut tell: impl FnMut(News)) {
    for check in table::CHECKS.iter().filter(|check| plan.reset || !check.resets) {
        tell(News::Begin(check));
        let begun = clock::now();
        let outcome = if plan.skip.contains(&check.name) {
            Outcome::Skip("left out by --skip".to_owned())
        } else if let Some(why) = (check.hidden)(plan) {
            Outcome::Skip(why)
        } else {
            match (check.run)(plan) {
                Ok(seen) => Outcome::Pass(seen),
                Err(seen) => Outcome::Fail(seen),
            }
        };
        tell(News::Finding(Finding { check, outcome, time: clock::now() - begun }));
    }
    tell(News::End);
}

/// Checks and prints the result. Passes if no check failed.
pub fn run(args: &Args) -> Result<Verdict, Error> {
    let plan = args.plan()?;
    // Whoever is not there at all is told so once, with the remedy, and not by every check.
    drop(net::connect(&net::Target::Address(plan.at(ECHO)), plan.timeout)?);
    let mut output = Output::new(args.json);
    let (sender, news) = mpsc::channel();
    let interrupt = sender.clone();
    Interrupt::notify(move || {
        interrupt.send(News::Interrupt).map_err(|_| io::Error::other("it has ended"))
    })?;
    let planned = plan.clone();
    let worker = thread::Builder::new().name("check".to_owned()).spawn(move || {
        // Once nobody listens, the process is about to end.
        check(&planned, |news| drop(sender.send(news)));
    });
    worker.map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;

    let mut report = Report { plan: &plan, findings: Vec::new(), interrupted: false };
    let bar = progress(args.json);
    loop {
        match news.recv() {
            Ok(News::Begin(check)) => {
                log::info!("{}", check.name);
                bar.reset_elapsed();
                bar.set_message(format!("{}: {}", check.name, check.expected));
            }
            Ok(News::Finding(finding)) => {
                if !args.json {
                    bar.suspend(|| output.line(&finding))?;
                }
                report.findings.push(finding);
            }
            Ok(News::End) => break,
            Ok(News::Interrupt) => {
                report.interrupted = true;
                break;
            }
            Err(_) => return Err(Error::Failed("the checking thread has ended".to_owned())),
        }
    }
    bar.finish_and_clear();
    report.print(&mut output)
}

/// What is being checked and for how long, on a terminal.
fn progress(json: bool) -> ProgressBar {
    if json || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("      {msg} ({elapsed})");
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_secs(1));
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
