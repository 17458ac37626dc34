//! As fast as it goes: every peer in turn, test by test and round by round, on one core and on two.
//!
//! All peers run all the time and those whose turn it is not sleep. A ratio of two peers is the median of
//! the ratios round by round: they had their turns within seconds, so what the machine does besides
//! befalls both alike, and ratios hold although the figures may not.

use std::io::IsTerminal;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use rustix::thread::{CpuSet, sched_getaffinity};
use serde_json::{Value, json};
use tapboard_host::bench::outcome::Spread;
use tapboard_host::bench::plan::Test;

use crate::client::{Sample, measure};
use crate::namespace::{congestion_control, send_unpaced};
use crate::options::Options;
use crate::peer::{Kind, LARGE, MCU, Peer};
use crate::table::{Table, figure, ratio};

/// Whose figures are compared, and how the table calls that: the first peer's over the second's.
const PAIRS: [(&str, Kind, Kind); 7] = [
    ("tap : plain, 64 KiB", Kind::Tap(LARGE), Kind::Plain(LARGE)),
    ("tap, checksum offload : plain, 64 KiB", Kind::Checksums, Kind::Plain(LARGE)),
    ("tap, segmentation offload : plain, 64 KiB", Kind::Segments, Kind::Plain(LARGE)),
    ("tap, 64 KiB : veth", Kind::Tap(LARGE), Kind::Veth),
    ("tap, segmentation offload, 64 KiB : veth", Kind::Segments, Kind::Veth),
    ("user : plain, 64 KiB", Kind::User, Kind::Plain(LARGE)),
    ("tap : plain, 2 KiB", Kind::Tap(MCU), Kind::Plain(MCU)),
];

/// Where client and peer run.
#[derive(Clone, Copy, Debug)]
struct Layout {
    name: &'static str,
    client: usize,
    peer: usize,
}

/// The samples of one peer in one test and layout.
#[derive(Debug)]
struct Cell {
    kind: Kind,
    layout: &'static str,
    test: Test,
    samples: Vec<Sample>,
}

/// All that was measured, and what went wrong.
#[derive(Debug, Default)]
struct Results {
    cells: Vec<Cell>,
    errors: Vec<String>,
}

/// Measures and prints the tables.
pub(crate) fn run(options: &Options) -> Result<ExitCode, String> {
    let layouts = layouts()?;
    send_unpaced();
    let wanted = Kind::ALL.iter().zip(0..).filter(|(kind, _)| options.peer(&kind.name()));
    let peers = wanted.map(|(kind, subnet)| kind.start(subnet));
    let peers = peers.collect::<Result<Vec<Peer>, String>>()?;
    if peers.is_empty() {
        let names = Kind::ALL.map(Kind::name).join("; ");
        return Err(format!("no peer has such a name; there are: {names}"));
    }
    let tests = options.tests();
    let mut results = Results::default();
    let all = layouts.len() * tests.len() * peers.len() * options.rounds() as usize;
    let bar = progress_bar(all as u64, options.json);
    for _ in 0..options.rounds() {
        for layout in &layouts {
            for peer in &peers {
                peer.process.pin(layout.peer)?;
            }
            for &test in &tests {
                for peer in &peers {
                    bar.set_message(format!("{}, {}", peer.kind.name(), test.title()));
                    let sample = measure(peer, test, layout.client, options.time());
                    results.add(peer.kind, *layout, test, sample);
                    bar.inc(1);
                }
            }
        }
    }
    bar.finish_and_clear();
    if options.json {
        println!("{}", results.json(options, &layouts));
    } else {
        results.print(options, &layouts);
    }
    for error in &results.errors {
        eprintln!("nic: {error}");
    }
    Ok(if results.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One core, and two if there are two.
fn layouts() -> Result<Vec<Layout>, String> {
    let set = sched_getaffinity(None).map_err(|error| format!("which cores are there? {error}"))?;
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).take(2).collect();
    let first = *cores.first().ok_or_else(|| "there is no core".to_owned())?;
    let mut layouts = vec![Layout { name: "same core", client: first, peer: first }];
    if let Some(second) = cores.get(1) {
        layouts.push(Layout { name: "separate cores", client: first, peer: *second });
    }
    Ok(layouts)
}

fn progress_bar(all: u64, json: bool) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len}, {eta} left, {msg}");
    ProgressBar::new(all).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Cell {
    fn median(&self, of: impl Fn(&Sample) -> f64) -> Option<f64> {
        Spread::of(self.samples.iter().map(of)).map(|spread| spread.median)
    }

    /// A sum over all bytes that were moved: CPU time comes in ticks too coarse for a median.
    fn per_byte(&self, of: impl Fn(&Sample) -> f64) -> Option<f64> {
        let bytes: u64 = self.samples.iter().map(|sample| sample.bytes).sum();
        (bytes > 0).then(|| self.samples.iter().map(of).sum::<f64>() / bytes as f64)
    }

    /// CPU seconds a gigabyte, of the peer alone.
    fn cpu(&self) -> Option<f64> {
        self.per_byte(|sample| sample.peer.cpu_seconds * 1e9)
    }

    /// CPU seconds a gigabyte, of peer and client.
    fn cpu_both(&self) -> Option<f64> {
        self.per_byte(|sample| (sample.peer.cpu_seconds + sample.client_cpu_seconds) * 1e9)
    }

    /// Read and write calls of the peer a megabyte, where counting them says something.
    fn calls(&self) -> Option<f64> {
        let calls = self.per_byte(|sample| sample.peer.calls as f64 * 1e6)?;
        self.kind.reads_and_writes().then_some(calls)
    }

    fn rate(&self) -> Option<f64> {
        self.median(|sample| sample.rate)
    }
}

impl Results {
    fn add(&mut self, kind: Kind, layout: Layout, test: Test, sample: Result<Sample, String>) {
        let sample = match sample {
            Ok(sample) => sample,
            Err(error) => {
                return self.errors.push(format!("{}, {}: {error}", kind.name(), layout.name));
            }
        };
        if let Some(index) = self.find(kind, layout.name, test) {
            self.cells[index].samples.push(sample);
        } else {
            self.cells.push(Cell { kind, layout: layout.name, test, samples: vec![sample] });
        }
    }

    fn find(&self, kind: Kind, layout: &str, test: Test) -> Option<usize> {
        let same = |cell: &Cell| cell.kind == kind && cell.layout == layout && cell.test == test;
        self.cells.iter().position(same)
    }

    /// Of whom there are figures.
    fn kinds(&self) -> impl Iterator<Item = Kind> {
        let measured = |kind: &Kind| self.cells.iter().any(|cell| cell.kind == *kind);
        Kind::ALL.into_iter().filter(measured)
    }

    /// A figure of one cell, if it was measured.
    fn get(
        &self,
        kind: Kind,
        layout: Layout,
        test: Test,
        of: impl Fn(&Cell) -> Option<f64>,
    ) -> Option<f64> {
        self.find(kind, layout.name, test).and_then(|index| of(&self.cells[index]))
    }

    /// The first one's figure over the second one's, where both were measured in every round.
    fn ratio(
        &self,
        (one, other): (Kind, Kind),
        layout: Layout,
        test: Test,
        of: impl Fn(&Sample) -> f64,
    ) -> String {
        let samples = |kind| {
            self.find(kind, layout.name, test).map_or(&[][..], |index| &self.cells[index].samples)
        };
        let (one, other) = (samples(one), samples(other));
        let ratios = one.iter().zip(other).map(|(one, other)| of(one) / of(other));
        let spread = if one.len() == other.len() { Spread::of(ratios) } else { None };
        ratio(spread.map(|spread| spread.median))
    }

    fn print(&self, options: &Options, layouts: &[Layout]) {
        for layout in layouts {
            let Layout { name, client, peer } = layout;
            println!("On the {name}: client on core {client}, peer on core {peer}.\n");
            self.print_rates(*layout);
        }
        println!("Ratios, above 1 where the first is better:\n");
        self.print_ratios(layouts);
        println!("CPU seconds a GB, of the peer and with the client; read and write calls a MB:\n");
        self.print_costs(layouts);
        println!(
            "Medians of {} rounds of {} s, of ratios as well; costs are sums over all of them. The kernels' \
             congestion control is {}.",
            options.rounds(),
            options.time().as_secs_f64(),
            congestion_control()
        );
    }

    fn print_rates(&self, layout: Layout) {
        let mut table = Table::new(&[
            "",
            "to it, MB/s",
            "from it, MB/s",
            "both ways, MB/s",
            "trip p50, µs",
            "p99.9, µs",
            "trips/s",
            "connects/s",
        ]);
        for kind in self.kinds() {
            let get = |test, of: fn(&Cell) -> Option<f64>, unit: f64| {
                self.get(kind, layout, test, of)
                    .map_or("-".to_owned(), |value| figure(value / unit))
            };
            table.row(vec![
                kind.name(),
                get(Test::To, Cell::rate, 1e6),
                get(Test::From, Cell::rate, 1e6),
                get(Test::Duplex, Cell::rate, 1e6),
                get(Test::Trip, |cell| cell.median(|sample| sample.p50_us), 1.0),
                get(Test::Trip, |cell| cell.median(|sample| sample.p999_us), 1.0),
                get(Test::Trip, Cell::rate, 1.0),
                get(Test::Connect, Cell::rate, 1.0),
            ]);
        }
        table.print();
    }

    fn print_ratios(&self, layouts: &[Layout]) {
        let mut table = Table::new(&[
            "",
            "to it",
            "from it",
            "both ways",
            "trip p50",
            "trips/s",
            "connects/s",
            "CPU to it",
            "CPU from it",
        ]);
        for layout in layouts {
            let measured = |kind| self.kinds().any(|one| one == kind);
            let pairs = PAIRS.iter().filter(|(_, one, other)| measured(*one) && measured(*other));
            for &(pair, one, other) in pairs {
                let rate = |test| self.ratio((one, other), *layout, test, |sample| sample.rate);
                // Of times and costs, less is better.
                let time = |test| self.ratio((other, one), *layout, test, |sample| sample.p50_us);
                let cpu = |test| {
                    let cpu = |kind| self.get(kind, *layout, test, Cell::cpu);
                    ratio(cpu(other).zip(cpu(one)).map(|(other, one)| other / one))
                };
                table.row(vec![
                    format!("{pair}, {}", layout.name),
                    rate(Test::To),
                    rate(Test::From),
                    rate(Test::Duplex),
                    time(Test::Trip),
                    rate(Test::Trip),
                    rate(Test::Connect),
                    cpu(Test::To),
                    cpu(Test::From),
                ]);
            }
        }
        table.print();
    }

    fn print_costs(&self, layouts: &[Layout]) {
        let mut table = Table::new(&[
            "",
            "CPU to it",
            "with client",
            "CPU from it",
            "with client",
            "calls to it",
            "calls from it",
        ]);
        for layout in layouts {
            for kind in self.kinds() {
                let get = |test, of: fn(&Cell) -> Option<f64>| {
                    self.get(kind, *layout, test, of).map_or("-".to_owned(), figure)
                };
                table.row(vec![
                    format!("{}, {}", kind.name(), layout.name),
                    get(Test::To, Cell::cpu),
                    get(Test::To, Cell::cpu_both),
                    get(Test::From, Cell::cpu),
                    get(Test::From, Cell::cpu_both),
                    get(Test::To, Cell::calls),
                    get(Test::From, Cell::calls),
                ]);
            }
        }
        table.print();
    }

    fn json(&self, options: &Options, layouts: &[Layout]) -> Value {
        let layouts = layouts.iter().map(|layout| {
            json!({ "name": layout.name, "client_core": layout.client, "peer_core": layout.peer })
        });
        let cells = self.cells.iter().map(|cell| {
            let timed = matches!(cell.test, Test::Trip | Test::Connect);
            let spread = Spread::of(cell.samples.iter().map(|sample| sample.rate));
            json!({
                "peer": cell.kind.name(),
                "layout": cell.layout,
                "test": cell.test.word(),
                "rounds": cell.samples.len(),
                "rate": spread.map(|spread| spread.median),
                "rate_min": spread.map(|spread| spread.min),
                "rate_max": spread.map(|spread| spread.max),
                "p50_us": if timed { cell.median(|sample| sample.p50_us) } else { None },
                "p999_us": if timed { cell.median(|sample| sample.p999_us) } else { None },
                "cpu_seconds_per_gb": cell.cpu(),
                "cpu_seconds_per_gb_with_client": cell.cpu_both(),
                "read_write_calls_per_mb": cell.calls(),
            })
        });
        json!({
            "scenario": "speed",
            "rounds": options.rounds(),
            "seconds": options.time().as_secs_f64(),
            "congestion_control": congestion_control(),
            "layouts": layouts.collect::<Vec<_>>(),
            "results": cells.collect::<Vec<_>>(),
            "errors": self.errors,
        })
    }
}
