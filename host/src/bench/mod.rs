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
use crate::net::Host;
use crate::output::{Error, Output, Verdict};
use crate::progress::{self, Form};
use crate::signal::Interrupt;
use crate::units::{bytes_within, parse_seconds};

use self::cyclic_pattern::CyclicPattern;
use self::outcome::{Done, Measured, Run};
use self::plan::{BenchPlan, PING, Test};
use self::report::BenchReport;

mod bulk;
pub mod cyclic_pattern;
mod duplex;
pub mod outcome;
mod peer;
pub mod plan;
pub mod report;
mod trips;

/// Bytes of one bulk run at most, a pebibyte.
const BYTES_MAX: u64 = 1 << 50;

/// Connections of one bulk run at once, at most.
const PARALLEL_MAX: u8 = 32;

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

/// Where a simulated board in user mode has its ports, from 127.0.0.1.
const OFFSET_USER: u16 = 7000;

/// How far it is, and what is being measured.
const PROGRESS: Form =
    Form { wide: "{wide_bar} {percent:>3} %, {msg}", narrow: "{percent:>3} %, {wide_msg}" };

/// What `--help` says of `bench`.
pub const ABOUT: &str = "\
    Measures a board by its services, one connection at a time unless --parallel says so: bulk to \
    it (discard, port 9), bulk from it (chargen, port 19), bulk both ways at once (echo, port 7), round trips of 64 \
    bytes, and connections that echo 64 bytes and close.\n\n\
    Each test has several runs, and the tests take turns. The result is the median of the \
    runs; the smallest and the largest are beside it. A run ends when its time is over or its \
    bytes are moved, whichever is first, and counts until everything has arrived.\n\n\
    What the board sends is verified byte for byte: chargen's pattern is that of RFC 864. A \
    wrong byte, a byte too many, a reset or a stall is an error, and then there is no result.\n\n\
    On 127.0.0.1 and ::1 the ports are those of `tapboard` in user mode, 7000 higher than the \
    board's; see --port-offset.";

/// Options of `bench`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_long_help = "Exit codes: 0 if every run came to its end with the right bytes, else 1.\n\n\
                       Examples:\n  \
                       tapboard-host bench\n  \
                       tapboard-host bench 192.0.2.1 --runs 9 --seconds 2\n  \
                       tapboard-host bench 192.0.2.1 --only to,from --bytes 1G --seconds 60\n  \
                       tapboard-host bench 192.0.2.1 --only to,from,duplex --parallel 4\n  \
                       tapboard-host bench --json | jq 'select(.event == \"summary\")'"
)]
pub struct Args {
    /// The board: address or name, without a port
    #[arg(value_name = "ADDR", default_value = "127.0.0.1")]
    pub host: Host,

    /// Only these tests, separated by commas
    #[arg(long, value_enum, value_name = "TEST", value_delimiter = ',')]
    pub only: Vec<Test>,

    /// Runs of each test
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,

    /// Time of one run
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    pub seconds: Duration,

    /// Bytes of one bulk run at most, each way and of each of its connections, like 1000000, 10M,
    /// 64k (64000) or 64Ki (65536); no limit but the time unless given
    #[arg(short, long, value_name = "B",
          value_parser = |text: &str| bytes_within(text, 1, BYTES_MAX))]
    pub bytes: Option<u64>,

    /// Connections of one bulk run, all at once; what they move is added up
    #[arg(short, long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=i64::from(PARALLEL_MAX)))]
    pub parallel: u8,

    /// Connections of one run of that test at most, one after the other: each keeps a local port for a minute
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub connections: u32,

    /// Bytes of one read or write at most
    #[arg(long, value_name = "B", default_value = "64Ki",
          value_parser = |text: &str| bytes_within(text, PING as u64, 1 << 20))]
    pub chunk: u64,

    /// What to add to the board's ports: 7000 for a loopback address, 0 for any other, unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=65_000))]
    pub port_offset: Option<u16>,

    /// Fails a run in which nothing moves for this time
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub timeout: Duration,

    /// Fails a connection that does not come about within this time
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub connect_timeout: Duration,

    /// Prints one JSON object for each run, then one with the medians
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// The plan that these options make, once the name is resolved.
    pub fn plan(&self) -> Result<BenchPlan, Error> {
        let address = self.host.resolve()?;
        let default = if address.is_loopback() { OFFSET_USER } else { 0 };
        let wanted = |test: &Test| self.only.is_empty() || self.only.contains(test);
        Ok(BenchPlan {
            address,
            port_offset: self.port_offset.unwrap_or(default),
            tests: Test::ALL.into_iter().filter(wanted).collect(),
            runs: self.runs,
            time: self.seconds,
            bytes: self.bytes.unwrap_or(BYTES_MAX),
            parallel: self.parallel.into(),
            connections: self.connections,
            chunk: self.chunk as usize,
            connect_timeout: self.connect_timeout,
            stall_timeout: self.timeout,
        })
    }
}

/// What all runs of a connection share.
#[derive(Debug)]
struct BenchBuffers {
    /// What is sent.
    random: CyclicPattern,
    /// What chargen sends.
    chargen: CyclicPattern,
    /// Read into; no longer than what a pattern yields at once.
    receive: Vec<u8>,
}

impl BenchBuffers {
    fn new(plan: &BenchPlan) -> Self {
        // A ping's answer is read with room for a byte too many.
        let chunk = plan.chunk.max(2 * PING);
        let (random, chargen) = (CyclicPattern::random(chunk), CyclicPattern::chargen(chunk));
        Self { random, chargen, receive: vec![0; chunk] }
    }
}

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

/// Measures and prints the result. Passes if every run came to its end with the right bytes.
pub fn run(args: &Args) -> Result<Verdict, Error> {
    let plan = args.plan()?;
    let mut output = Output::new(args.json);
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

    let bar = progress::line(PROGRESS, args.json);
    // A run counts by its time.
    bar.set_length(plan.tests.len() as u64 * u64::from(plan.runs) * millis(plan.time));
    let mut runs = Vec::new();
    let mut begun = clock::now();
    let interrupted = loop {
        match next(&events, &bar)? {
            None => {
                let elapsed = (clock::now() - begun).min(plan.time);
                bar.set_position(runs.len() as u64 * millis(plan.time) + millis(elapsed));
                show(&bar, &plan, runs.len());
            }
            Some(BenchEvent::Run(run)) => {
                if args.json {
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
    BenchReport { plan: &plan, runs: &runs, interrupted }.print(&mut output)
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
