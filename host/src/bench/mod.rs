//! `bench`: how fast a board is, as a client of its services sees it.
//!
//! Five tests, each of several runs that take turns: bulk to the board, from it, both ways at once, round
//! trips of 64 bytes, and connections made and closed. What comes back is compared with what is due, so
//! that a fast wrong answer is an error and no result. Every run is bounded in time, by what it moves and
//! by how long nothing may move. There is one connection at a time, but for bulk as many as are asked for;
//! each has two patterns and a buffer.
//!
//! The measuring has a thread to itself, so that Ctrl-C and the progress bar need nothing of it.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use indicatif::ProgressBar;

use crate::clock;
use crate::output::{Error, Output, Verdict};
use crate::progress::{self, Form};
use crate::signal::Interrupt;

use self::buffers::BenchBuffers;
use self::outcome::{Done, Measured, Run};
use self::plan::{BenchPlan, Test};
use self::report::BenchReport;

mod buffers;
mod bulk;
pub mod cyclic_pattern;
mod duplex;
pub mod outcome;
mod peer;
pub mod plan;
pub mod report;
mod trips;

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

/// How far it is, and what is being measured.
const PROGRESS: Form =
    Form { wide: "{wide_bar} {percent:>3} %, {msg}", narrow: "{percent:>3} %, {wide_msg}" };

/// A bulk run of one connection.
type Bulk = fn(&BenchPlan, &mut BenchBuffers) -> Result<Measured, Error>;

/// Runs `bulk` on a connection, and on one for each of `others` at the same time, in threads. What they move
/// is added up, over the time from the first connect to the last end.
fn at_once(
    plan: &BenchPlan,
    buffers: &mut BenchBuffers,
    others: &mut [BenchBuffers],
    bulk: Bulk,
) -> Result<Measured, Error> {
    if others.is_empty() {
        return bulk(plan, buffers);
    }
    let start = clock::now();
    let runs = thread::scope(|scope| {
        let spawned: Result<Vec<_>, _> = others
            .iter_mut()
            .map(|buffers| thread::Builder::new().spawn_scoped(scope, || bulk(plan, buffers)))
            .collect();
        let spawned = spawned.map_err(|error| cannot_start(&error))?;
        let first = bulk(plan, buffers);
        let joined = spawned.into_iter().map(|thread| thread.join().expect("it does not panic"));
        [first].into_iter().chain(joined).collect::<Result<Vec<Measured>, Error>>()
    })?;
    let bytes = runs.iter().map(|run| run.done.count()).sum();
    Ok(Measured { time: clock::now() - start, done: Done::Bytes(bytes) })
}

fn cannot_start(error: &io::Error) -> Error {
    Error::Failed(format!("cannot start a thread: {error}"))
}

/// Measures as planned and hands each run to `done` as it ends; stops at the first error.
pub fn measure(plan: &BenchPlan, mut done: impl FnMut(Run)) -> Result<(), Error> {
    let mut buffers = BenchBuffers::new(plan);
    let mut others: Vec<BenchBuffers> =
        (1..plan.parallel).map(|_| BenchBuffers::new(plan)).collect();
    for number in 1..=plan.runs {
        for &test in &plan.tests {
            log::info!("{}, run {number}", test.title());
            let measured = match test {
                Test::To => at_once(plan, &mut buffers, &mut others, bulk::to),
                Test::From => at_once(plan, &mut buffers, &mut others, bulk::from),
                Test::Duplex => at_once(plan, &mut buffers, &mut others, duplex::duplex),
                Test::Trip => trips::trips(plan, &mut buffers),
                Test::Connect => trips::connections(plan, &mut buffers),
            }?;
            done(Run { test, number, measured });
        }
    }
    Ok(())
}

/// What happens, for the thread that prints.
enum BenchEvent {
    Run(Run),
    End(Result<(), Error>),
    Interrupt,
}

/// Measures and prints the result, as one JSON object for each run if `json`. Passes if every run came to its end with the right bytes.
pub fn run(plan: &BenchPlan, json: bool) -> Result<Verdict, Error> {
    let mut output = Output::new(json);
    let (sender, events) = mpsc::channel();
    let interrupt = sender.clone();
    Interrupt::notify(move || {
        interrupt.send(BenchEvent::Interrupt).map_err(|_| io::Error::other("it has ended"))
    })?;
    let measured = plan.clone();
    let worker = thread::Builder::new().name("bench".to_owned()).spawn(move || {
        // Once nobody listens, the process is about to end.
        let result = measure(&measured, |run| drop(sender.send(BenchEvent::Run(run))));
        let _ = sender.send(BenchEvent::End(result));
    });
    worker.map_err(|error| cannot_start(&error))?;

    let bar = progress::line(PROGRESS, json);
    // A run counts by its time.
    bar.set_length(plan.tests.len() as u64 * u64::from(plan.runs) * millis(plan.time));
    let mut runs = Vec::new();
    let mut begun = clock::now();
    let interrupted = loop {
        match next(&events, &bar)? {
            None => {
                let elapsed = (clock::now() - begun).min(plan.time);
                bar.set_position(runs.len() as u64 * millis(plan.time) + millis(elapsed));
                show(&bar, plan, runs.len());
            }
            Some(BenchEvent::Run(run)) => {
                if json {
                    output.object(&run.json())?;
                }
                runs.push(run);
                begun = clock::now();
            }
            Some(BenchEvent::End(result)) => {
                bar.finish_and_clear();
                result?;
                break false;
            }
            Some(BenchEvent::Interrupt) => {
                bar.finish_and_clear();
                break true;
            }
        }
    };
    BenchReport { plan, runs: &runs, interrupted }.print(&mut output)
}

/// The next event; `None` when the bar has to move first.
fn next(events: &Receiver<BenchEvent>, bar: &ProgressBar) -> Result<Option<BenchEvent>, Error> {
    let ended = || Error::Failed("the measuring thread has ended".to_owned());
    if bar.is_hidden() {
        return events.recv().map(Some).map_err(|_| ended());
    }
    match events.recv_timeout(TICK) {
        Ok(event) => Ok(Some(event)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(ended()),
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}

/// What is being measured, after so many runs.
fn show(bar: &ProgressBar, plan: &BenchPlan, runs: usize) {
    let tests = plan.tests.len();
    if let Some(test) = plan.tests.get(runs % tests) {
        bar.set_message(format!("{}, run {} of {}", test.title(), runs / tests + 1, plan.runs));
    }
}
