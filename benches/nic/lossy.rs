//! How long it takes through links that lose, reorder and delay: the board, plain smoltcp, and the kernel.
//!
//! A table has rows of one direction and size of buffers ([`row`]). The board and plain smoltcp run in virtual time
//! ([`simulated`]); at round trips of 50 ms the kernel, and the board on a TAP with the kernel's client, run in real
//! time, in as many subnets at a time as there are ([`real`]). The same links, with the same seeds, are in front of all.
//! What the board's figures are to be is compared in the end ([`bounds`]).

mod bounds;
mod real;
mod row;
mod simulated;

use std::fs;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

pub(crate) use self::real::limit;

use self::real::Far;
use self::row::{REAL_RTT_MS, Row};
use self::simulated::{Ends, LIMIT};
use crate::options::Options;
use crate::peer::{LARGE, MCU, SUBNETS};
use crate::table::{Table, figure};

/// A column: who is at the two ends, and in whose time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Simulated(Ends),
    Real(Far),
}

const CUBIC: Peer = Peer::Real(Far::Kernel("cubic"));
const BBR: Peer = Peer::Real(Far::Kernel("bbr"));

impl Peer {
    const ALL: [Self; 6] = [
        Self::Simulated(Ends::BoardAndSmoltcp),
        Self::Simulated(Ends::BoardAndBoard),
        Self::Simulated(Ends::Smoltcp),
        Self::Real(Far::Tap("cubic")),
        CUBIC,
        BBR,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Simulated(Ends::BoardAndSmoltcp) => "board, smoltcp's client",
            Self::Simulated(Ends::BoardAndBoard) => "board, its own client",
            Self::Simulated(Ends::Smoltcp) => "plain smoltcp",
            Self::Real(Far::Tap(_)) => "board on a TAP, kernel's client",
            Self::Real(Far::Kernel("bbr")) => "kernel, BBR",
            Self::Real(Far::Kernel(_)) => "kernel, CUBIC",
        }
    }

    /// Whether the row has a figure for it.
    fn runs(self, row: &Row) -> bool {
        match self {
            Self::Simulated(ends) => ends.runs(row),
            // 8 KiB are no profile of the board's, and the kernel's windows do not get that small.
            Self::Real(Far::Tap(_)) => {
                row.rtt_ms == REAL_RTT_MS && matches!(row.buffer, LARGE | MCU)
            }
            Self::Real(Far::Kernel(_)) => row.rtt_ms == REAL_RTT_MS && row.buffer == LARGE,
        }
    }
}

/// Seconds, `None` if that was longer than [`LIMIT`]; or why there are none.
type Outcome = Result<Option<f64>, String>;

/// All runs of one peer in one row, by seed.
#[derive(Debug)]
struct Cell {
    row: Row,
    peer: Peer,
    outcomes: Mutex<Vec<(u32, Outcome)>>,
}

impl Cell {
    /// Median and worst in seconds, infinite beyond the limit; `None` if a run has failed.
    fn figures(&self) -> Option<(f64, f64)> {
        let outcomes = self.outcomes.lock().expect("no run panics while it holds it");
        let seconds = |(_, outcome): &(u32, Outcome)| {
            outcome.as_ref().ok().map(|seconds| seconds.unwrap_or(f64::INFINITY))
        };
        let mut seconds = outcomes.iter().map(seconds).collect::<Option<Vec<f64>>>()?;
        seconds.sort_by(f64::total_cmp);
        Some((*seconds.get(seconds.len() / 2)?, *seconds.last()?))
    }
}

/// Runs all rows that are wanted, with every seed, and prints how long each took.
pub(crate) fn run(options: &Options) -> Result<ExitCode, String> {
    let rows = Row::all(options.quick).into_iter().filter(|row| {
        let (table, name) = row.name();
        options.row(&format!("{table}, {name}"))
    });
    let available = fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control")
        .unwrap_or_default();
    let has = |peer: Peer| match peer {
        Peer::Real(Far::Tap(control) | Far::Kernel(control)) => {
            available.split_whitespace().any(|name| name == control)
        }
        Peer::Simulated(_) => true,
    };
    let mut cells: Vec<Cell> = Vec::new();
    for row in rows {
        let peers = Peer::ALL.into_iter().filter(|peer| peer.runs(&row) && has(*peer));
        let peers = peers.filter(|peer| options.peer(peer.name()));
        cells.extend(peers.map(|peer| Cell { row, peer, outcomes: Mutex::default() }));
    }
    if cells.is_empty() {
        let names = Peer::ALL.map(Peer::name).join("; ");
        return Err(format!(
            "nothing is left; rows have names as in the tables, and peers: {names}"
        ));
    }
    for missing in Peer::ALL.into_iter().filter(|peer| !has(*peer)) {
        eprintln!("nic: this kernel lacks what {:?} needs; it has {available}", missing.name());
    }
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let simulated = |cell: &Cell| matches!(cell.peer, Peer::Simulated(_));
    work(&cells, options.rounds(), threads, simulated);
    // One is the far TAP's while it is here.
    work(&cells, options.rounds(), usize::from(SUBNETS) - 1, |cell| !simulated(cell));
    let failed = report_failures(&cells);
    if options.json {
        println!("{}", json(&cells));
    } else {
        print(&cells, options.rounds());
        bounds::print(&cells);
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Has so many threads do all runs of those cells, the one that may take longest first.
fn work(cells: &[Cell], seeds: u32, threads: usize, wanted: impl Fn(&Cell) -> bool) {
    let mut runs: Vec<(&Cell, u32)> = Vec::new();
    for cell in cells.iter().filter(|cell| wanted(cell)) {
        runs.extend((1..=seeds).map(|seed| (cell, seed)));
    }
    runs.sort_by_key(|(cell, _)| cell.row.fault != ("loss", "20%"));
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for subnet in 0..threads {
            let (next, runs) = (&next, &runs);
            scope.spawn(move || {
                while let Some(&(cell, seed)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = match cell.peer {
                        Peer::Simulated(ends) => ends.run(&cell.row, seed),
                        Peer::Real(far) => far.run(&cell.row, subnet as u8, seed),
                    };
                    let mut outcomes = cell.outcomes.lock().expect("nobody panics meanwhile");
                    outcomes.push((seed, outcome));
                }
            });
        }
    });
}

/// Tells of runs that did not come to their end for another reason than time; says whether there are any.
fn report_failures(cells: &[Cell]) -> bool {
    let mut failed = false;
    for cell in cells {
        for (seed, outcome) in &*cell.outcomes.lock().expect("all have ended") {
            if let Err(error) = outcome {
                let (table, name) = cell.row.name();
                eprintln!("nic: {table}, {name}, {}, seed {seed}: {error}", cell.peer.name());
                failed = true;
            }
        }
    }
    failed
}

fn print(cells: &[Cell], seeds: u32) {
    println!(
        "Seconds, median and worst of {seeds}; more than {} is not waited for.\n",
        LIMIT.secs()
    );
    let mut rest = cells;
    while let Some(first) = rest.first() {
        let title = first.row.name().0;
        let length = rest.iter().take_while(|cell| cell.row.name().0 == title).count();
        let (table, more) = rest.split_at(length);
        rest = more;
        let peers =
            Peer::ALL.into_iter().filter(|peer| table.iter().any(|cell| cell.peer == *peer));
        let peers: Vec<Peer> = peers.collect();
        let has_floor = table.iter().any(|cell| cell.row.floor().is_some());
        let mut heads = vec!["round trip, link"];
        heads.extend(has_floor.then_some("floor"));
        heads.extend(peers.iter().map(|peer| peer.name()));
        println!("{title}:\n");
        let mut lines = Table::new(&heads);
        for row in table.chunk_by(|one, other| one.row == other.row) {
            let mut line = vec![row[0].row.name().1];
            let floor = row[0].row.floor().map_or_else(|| "-".to_owned(), figure);
            line.extend(has_floor.then_some(floor));
            line.extend(peers.iter().map(|peer| {
                row.iter().find(|cell| cell.peer == *peer).map_or_else(String::new, in_words)
            }));
            lines.row(line);
        }
        lines.print();
    }
}

fn in_words(cell: &Cell) -> String {
    let word = |seconds: f64| {
        if seconds.is_finite() { figure(seconds) } else { format!("> {}", LIMIT.secs()) }
    };
    cell.figures().map_or_else(
        || "failed".to_owned(),
        |(median, worst)| format!("{} ({})", word(median), word(worst)),
    )
}

fn json(cells: &[Cell]) -> Value {
    let mut results = Vec::new();
    for cell in cells {
        let (_, link) = cell.row.name();
        for (seed, outcome) in &*cell.outcomes.lock().expect("all have ended") {
            results.push(json!({
                "peer": cell.peer.name(),
                "buffer": cell.row.buffer,
                "direction": cell.row.direction.name(),
                "bytes": cell.row.bytes,
                "link": link,
                "seed": seed,
                "seconds": outcome.as_ref().ok().copied().flatten(),
                "error": outcome.as_ref().err(),
            }));
        }
    }
    json!({ "scenario": "lossy", "limit_seconds": LIMIT.secs(), "results": results })
}
