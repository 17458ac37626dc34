//! `check`: the acceptance test for a board - simulated, emulated or soldered.
//!
//! One table, [`table::CHECKS`], drives it: the checks run in its order, one at a time, each within a time
//! of its own, so that no peer can hang the whole. A check that fails does not end the others. Nothing is
//! sent but to the address that was given, once the system has looked it up if it is a name; telemetry is only
//! listened for.
//!
//! What lies between may answer in the board's place. A forwarded port is accepted before the board is
//! asked, and a port that is not forwarded is refused by this machine. What a board does is not told from
//! that, so such a check is skipped, with the reason: it neither passes nor fails.
//!
//! The checking has a thread to itself, so that Ctrl-C ends it at once with what was seen so far.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::clock;
use crate::net::{Host, explain_connect};
use crate::output::{Error, Output, Verdict};
use crate::progress::{self, Form};
use crate::signal::Interrupt;
use crate::units::{bytes_within, parse_seconds};

use self::plan::{CheckPlan, ECHO};
use self::report::{CheckReport, Finding, Outcome};
use self::table::{CHECKS, Check, CheckFailure};

pub mod plan;
pub mod report;
mod reset;
mod shell;
pub mod table;
mod tcp;
mod telemetry;
mod udp;
mod wire;

/// Bytes of the large echo at most.
const BYTES_MAX: u64 = 1 << 40;

/// Where a simulated board in user mode has its ports, from 127.0.0.1.
const OFFSET_USER: u16 = 7000;

/// What is being done, and for how long.
const PROGRESS: Form = {
    const LINE: &str = "{elapsed:>4}  {wide_msg}";
    Form { wide: LINE, narrow: LINE }
};

/// What `--help` says of `check`.
pub const ABOUT: &str = "\
    Decides whether a board is a good one: each service answers with the right bytes, an \
    unregistered port is refused, half-close is honoured, connections at once and in turn are \
    all served, an idle one is kept, telemetry arrives, and with --reset the board comes back \
    from a reset.\n\n\
    Each check is PASS or FAIL, or SKIP with the reason, with what was seen and how long it \
    took; a FAIL says what was expected, and where to look first. Nothing is sent but to ADDR; \
    telemetry is listened for, over IPv4 and IPv6, see --listen.\n\n\
    On 127.0.0.1 and ::1 the ports are those of `tapboard` in user mode, 7000 higher than the \
    board's; see --port-offset. Higher ports are taken to be forwarded. What answers there in \
    the board's place is skipped: a refused datagram always, a refused connection unless the \
    port is forwarded as well, with `tapboard -p 7081:81`.";

/// What follows the options in `--help`.
fn help() -> String {
    format!(
        "Checks, in this order:\n{}\n\
         Exit codes:\n  \
         0  at least one check passed and none failed\n  \
         1  a check failed, nobody is there, or it was interrupted\n  \
         2  the command line is wrong\n\n\
         --json prints one object, at the end: `event` is \"summary\", `passed` and `interrupted` are \
         true or false, `address` and `port_offset` say what was checked, and `checks` has for each \
         check so far its `name`, its `outcome` (\"pass\", \"fail\" or \"skip\"), `expected`, `seen`, \
         `hint` and `seconds`. If nobody is there it is `event` \"error\" with a `message`.\n\n\
         Examples:\n  \
         tapboard-host check\n  \
         tapboard-host check 192.0.2.1 --reset\n  \
         tapboard-host check 192.0.2.1 --skip telemetry --bytes 10M --timeout 60\n  \
         tapboard-host check 2001:db8::1\n  \
         tapboard-host check 192.0.2.1 --listen 192.0.2.2:9001\n  \
         tapboard-host check --json | jq '.checks[] | select(.outcome == \"fail\")'",
        table::list()
    )
}

/// Options of `check`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = help())]
pub struct Args {
    /// The board: address or name, without a port
    #[arg(value_name = "ADDR", default_value = "127.0.0.1", value_parser = parse_board)]
    pub host: Host,

    /// Leaves out these checks, separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = table::parse_name)]
    pub skip: Vec<&'static str>,

    /// Bytes of the large echo, like 1000000, 10M, 64k (64000) or 64Ki (65536)
    #[arg(short, long, value_name = "B", default_value = "1M",
          value_parser = |text: &str| bytes_within(text, 1, BYTES_MAX))]
    pub bytes: u64,

    /// How long the idle connection is left alone
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = parse_seconds)]
    pub idle: Duration,

    /// Resets the board too, and waits until it is back
    #[arg(long)]
    pub reset: bool,

    /// Where the board's telemetry arrives. Unless given: port 9000 of this machine's address towards it, and with
    /// the other version of IP of all addresses, or of loopback alone if ADDR is that. It has to come from ADDR;
    /// with the other version of IP, from anywhere
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_listen)]
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
    pub fn plan(&self) -> Result<CheckPlan, Error> {
        let address = self.host.resolve()?;
        one_board(address).map_err(Error::Failed)?;
        let default = if address.is_loopback() { OFFSET_USER } else { 0 };
        let port_offset = self.port_offset.unwrap_or(default);
        Ok(CheckPlan {
            address,
            port_offset,
            forwarded: port_offset != 0,
            skip: self.skip.clone(),
            bytes: self.bytes,
            idle: self.idle,
            reset: self.reset,
            listen: self.listen,
            timeout: self.timeout,
        })
    }
}

/// Whether one machine alone can have this address.
fn one_board(address: IpAddr) -> Result<(), String> {
    if address.is_unspecified() || address.is_multicast() || address == Ipv4Addr::BROADCAST {
        return Err(format!("{address} is no address of one board; give its own, like 192.0.2.1"));
    }
    Ok(())
}

fn parse_board(text: &str) -> Result<Host, String> {
    let host: Host = text.parse()?;
    if let Host::Address(address) = &host {
        one_board(*address)?;
    }
    Ok(host)
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() == 0 => {
            Err("the board could not know port 0; name the port that it sends to".to_owned())
        }
        Ok(address) => Ok(address),
        Err(_) => Err(format!(
            "`{text}` is not an address of this machine and a port; write one like 192.0.2.2:9000 or \
             [2001:db8::2]:9000"
        )),
    }
}

/// What happens while it checks.
#[derive(Clone, Debug)]
pub enum CheckEvent {
    /// A check begins.
    Begin(&'static Check),
    /// It has ended.
    Finding(Finding),
}

/// Checks as planned and tells the events to `tell` as they come.
pub fn check(plan: &CheckPlan, mut tell: impl FnMut(CheckEvent)) {
    for check in &CHECKS {
        log::info!("{}", check.name);
        tell(CheckEvent::Begin(check));
        let begun = clock::now();
        let outcome = if plan.skip.contains(&check.name) {
            Outcome::Skip("left out by --skip".to_owned())
        } else if check.resets && !plan.reset {
            Outcome::Skip("only with --reset".to_owned())
        } else {
            match (check.run)(plan) {
                Ok(seen) => Outcome::Pass(seen),
                Err(CheckFailure::Wrong(seen)) => Outcome::Fail(seen),
                Err(CheckFailure::Unseen(why)) => Outcome::Skip(why),
            }
        };
        tell(CheckEvent::Finding(Finding { check, outcome, time: clock::now() - begun }));
    }
}

/// Whoever is not there at all is told so once, with the remedy, and not by every check.
fn look(plan: &CheckPlan) -> Result<(), Error> {
    let address = plan.at(ECHO);
    match TcpStream::connect_timeout(&address, plan.timeout) {
        Ok(_) => Ok(()),
        // Somebody is there; which services are missing is a matter of the checks.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && !plan.forwarded => Ok(()),
        Err(error) => Err(Error::Failed(explain_connect(address, &error, plan.timeout))),
    }
}

/// What the thread that prints is told.
enum Message {
    Event(CheckEvent),
    End(Result<(), Error>),
    Interrupt,
}

/// Checks and prints the result. Passes if some check passed and none failed.
pub fn run(args: &Args) -> Result<Verdict, Error> {
    let plan = args.plan()?;
    let mut output = Output::new(args.json);
    let (sender, messages) = mpsc::channel();
    let interrupt = sender.clone();
    Interrupt::notify(move || {
        interrupt.send(Message::Interrupt).map_err(|_| io::Error::other("it has ended"))
    })?;
    let bar = progress::line(PROGRESS, args.json);
    bar.enable_steady_tick(Duration::from_secs(1));
    bar.set_message(format!("is a board at {}?", plan.at(ECHO)));
    let planned = plan.clone();
    let worker = thread::Builder::new().name("check".to_owned()).spawn(move || {
        // Once nobody listens, the process is about to end.
        let there = look(&planned);
        if there.is_ok() {
            check(&planned, |event| drop(sender.send(Message::Event(event))));
        }
        let _ = sender.send(Message::End(there));
    });
    worker.map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;

    let mut report = CheckReport { plan: &plan, findings: Vec::new(), interrupted: false };
    loop {
        match messages.recv() {
            Ok(Message::Event(CheckEvent::Begin(check))) => {
                bar.reset_elapsed();
                bar.set_message(format!("{}: {}", check.name, check.expected));
            }
            Ok(Message::Event(CheckEvent::Finding(finding))) => {
                if !args.json {
                    // The checks go on if nobody reads of them: the exit code tells too.
                    match bar.suspend(|| output.line(&finding)) {
                        Ok(()) | Err(Error::OutputClosed) => {}
                        Err(error) => return Err(error),
                    }
                }
                report.findings.push(finding);
            }
            Ok(Message::End(there)) => {
                bar.finish_and_clear();
                there?;
                break;
            }
            Ok(Message::Interrupt) => {
                bar.finish_and_clear();
                report.interrupted = true;
                break;
            }
            Err(_) => return Err(Error::Failed("the checking thread has ended".to_owned())),
        }
    }
    report.print(&mut output)
}
