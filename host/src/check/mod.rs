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
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::clock;
use crate::net::explain_connect;
use crate::output::{Error, Output, Verdict};
use crate::progress::{self, Form};
use crate::signal::Interrupt;

use self::failure::CheckFailure;
use self::plan::{CheckPlan, ECHO};
use self::report::{CheckReport, Finding, Outcome};
use self::table::{CHECKS, Check};

pub mod failure;
pub mod plan;
pub mod report;
mod reset;
mod shell;
pub mod table;
mod tcp;
mod telemetry;
mod udp;
mod wake;
mod wire;

/// What is being done, and for how long.
const PROGRESS: Form = {
    const LINE: &str = "{elapsed:>4}  {wide_msg}";
    Form { wide: LINE, narrow: LINE }
};

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

/// Checks and prints the result, as one JSON object if `json`. Passes if some check passed and none failed.
pub fn run(plan: &CheckPlan, json: bool) -> Result<Verdict, Error> {
    let mut output = Output::new(json);
    let (sender, messages) = mpsc::channel();
    let interrupt = sender.clone();
    Interrupt::notify(move || {
        interrupt.send(Message::Interrupt).map_err(|_| io::Error::other("it has ended"))
    })?;
    let bar = progress::line(PROGRESS, json);
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

    let mut report = CheckReport { plan, findings: Vec::new(), interrupted: false };
    loop {
        match messages.recv() {
            Ok(Message::Event(CheckEvent::Begin(check))) => {
                bar.reset_elapsed();
                bar.set_message(format!("{}: {}", check.name, check.expected));
            }
            Ok(Message::Event(CheckEvent::Finding(finding))) => {
                if !json {
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
