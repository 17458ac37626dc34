//! A megabyte echoed through a link that loses a tenth of all frames, reorders and delays: how long it
//! takes, and whether it comes back whole.
//!
//! The same link model, with the same seeds, is in front of every peer. Those of one seed run at the same
//! time, for all they do is wait; each run has [`LIMIT`].

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tapboard::link::{Link, Setting};
use tapboard_host::bench::plan::Test;

use crate::client;
use crate::namespace::{congestion_control, run as command};
use crate::options::Options;
use crate::peer::{LARGE, MCU, PREFIX, peer_address, size, tapboard_tap};
use crate::process::Process;
use crate::role;
use crate::table::Table;

/// How long one run may take.
const LIMIT: Duration = Duration::from_secs(200);

/// What is wrong with the link, each way.
const FAULTS: [(&str, &str); 3] = [("loss", "10%"), ("reorder", "5%"), ("delay", "25ms")];

/// Who echoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `tapboard tap`, with buffers of so many bytes.
    Tap(usize),
    /// A plain smoltcp on the same NIC and link, with buffers of so many bytes.
    Plain(usize),
    /// The kernel.
    Kernel,
}

impl Kind {
    const ALL: [Self; 5] =
        [Self::Tap(LARGE), Self::Plain(LARGE), Self::Tap(MCU), Self::Plain(MCU), Self::Kernel];

    fn name(self) -> String {
        match self {
            Self::Tap(buffer) => format!("tapboard tap, {}", size(buffer)),
            Self::Plain(buffer) => format!("plain smoltcp, {}", size(buffer)),
            Self::Kernel => format!("the kernel, {}", congestion_control()),
        }
    }

    /// Starts it, with all that it needs, behind a link with that seed.
    fn start(self, subnet: u8, seed: u32) -> Result<Vec<Process>, String> {
        let (tap, far) = (format!("lossy{subnet}"), format!("lossy{subnet}far"));
        let (seed, net) = (seed.to_string(), subnet.to_string());
        match self {
            Self::Tap(buffer) => {
                let ip = format!("{}/{PREFIX}", peer_address(subnet));
                let mut options = vec!["--seed".to_owned(), seed];
                for (name, value) in FAULTS {
                    options.extend([format!("--{name}"), value.to_owned()]);
                }
                let options: Vec<&str> = options.iter().map(String::as_str).collect();
                let mut process = tapboard_tap(&tap, &ip, buffer, &options)?;
                process.wait_for(role::UP)?;
                Ok(vec![process])
            }
            Self::Plain(buffer) => {
                let arguments = [&tap, &net, &buffer.to_string(), &seed];
                let mut process = Process::start(role::LINKED, &arguments.map(String::as_str))?;
                process.wait_for(role::UP)?;
                Ok(vec![process])
            }
            Self::Kernel => {
                let mut kernel = Process::start_apart(role::KERNEL, &[&far, &net])?;
                kernel.wait_for(role::UP_APART)?;
                let mut bridge = Process::start(role::BRIDGE, &[&tap, &far, &net, &seed])?;
                bridge.wait_for(role::UP)?;
                command("ip", &format!("link set {far} netns {}", kernel.id()))?;
                kernel.release();
                kernel.wait_for(role::UP)?;
                Ok(vec![kernel, bridge])
            }
        }
    }
}

/// Puts the faults on a link.
pub(crate) fn spoil(link: &mut Link) -> Result<(), String> {
    for (name, value) in FAULTS {
        link.set(None, Setting::parse(name, value)?);
    }
    Ok(())
}

/// Runs every peer with every seed and prints how long each took.
pub(crate) fn run(options: &Options) -> Result<ExitCode, String> {
    let bytes = options.lossy_bytes();
    let wanted = Kind::ALL.into_iter().filter(|kind| options.peer(&kind.name()));
    let kinds: Vec<Kind> = wanted.collect();
    if kinds.is_empty() {
        let names = Kind::ALL.map(Kind::name).join("; ");
        return Err(format!("no peer has such a name; there are: {names}"));
    }
    let mut rows: Vec<Vec<Result<f64, String>>> = vec![Vec::new(); kinds.len()];
    for seed in 1..=options.rounds() {
        let echo = |kind: Kind, subnet: u8| {
            kind.start(subnet, seed).and_then(|_peer| seconds(subnet, bytes))
        };
        thread::scope(|scope| {
            let runs: Vec<_> = (0..)
                .zip(&kinds)
                .map(|(subnet, kind)| scope.spawn(move || echo(*kind, subnet)))
                .collect();
            for (row, run) in rows.iter_mut().zip(runs) {
                row.push(run.join().unwrap_or_else(|_| Err("it has panicked".to_owned())));
            }
        });
    }
    // Others may take too long; that is a result.
    let ours = kinds.iter().zip(&rows).filter(|(kind, _)| matches!(kind, Kind::Tap(_)));
    let whole = ours.flat_map(|(_, runs)| runs).all(Result::is_ok);
    if options.json {
        println!("{}", json(options, &kinds, &rows));
    } else {
        print(options, &kinds, &rows);
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Echoes `bytes` bytes and returns how long that took, or why it did not come to its end.
fn seconds(subnet: u8, bytes: u64) -> Result<f64, String> {
    let (limit, count) = (LIMIT.as_secs_f64().to_string(), bytes.to_string());
    let options =
        ["--bytes", &count, "--seconds", &limit, "--timeout", &limit, "--connect-timeout", "60"];
    let sample = client::run(peer_address(subnet), Test::Duplex, "any", &options, LIMIT)?;
    if sample.bytes == bytes {
        Ok(sample.seconds)
    } else {
        Err(format!("{} of {bytes} bytes within {limit} s", sample.bytes))
    }
}

fn print(options: &Options, kinds: &[Kind], rows: &[Vec<Result<f64, String>>]) {
    let seeds: Vec<String> = (1..=options.rounds()).map(|seed| format!("seed {seed}, s")).collect();
    let mut heads = vec!["", "whole"];
    heads.extend(seeds.iter().map(String::as_str));
    let mut table = Table::new(&heads);
    for (kind, runs) in kinds.iter().zip(rows) {
        let whole = runs.iter().filter(|run| run.is_ok()).count();
        let mut row = vec![kind.name(), format!("{whole} of {}", runs.len())];
        row.extend(runs.iter().map(|run| match run {
            Ok(seconds) => format!("{seconds:.1}"),
            Err(_) => "failed".to_owned(),
        }));
        table.row(row);
    }
    let faults: Vec<String> =
        FAULTS.iter().map(|(name, value)| format!("{name} {value}")).collect();
    println!("{} bytes echoed, with {} each way:\n", options.lossy_bytes(), faults.join(", "));
    table.print();
    for (kind, runs) in kinds.iter().zip(rows) {
        for (run, seed) in runs.iter().zip(1..) {
            if let Err(error) = run {
                eprintln!("nic: {}, seed {seed}: {error}", kind.name());
            }
        }
    }
}

fn json(options: &Options, kinds: &[Kind], rows: &[Vec<Result<f64, String>>]) -> Value {
    let mut results = Vec::new();
    for (kind, runs) in kinds.iter().zip(rows) {
        for (run, seed) in runs.iter().zip(1..) {
            results.push(json!({
                "peer": kind.name(),
                "seed": seed,
                "whole": run.is_ok(),
                "seconds": run.as_ref().ok(),
                "error": run.as_ref().err(),
            }));
        }
    }
    json!({ "scenario": "lossy", "bytes": options.lossy_bytes(), "results": results })
}
