//! How many times a second the page is served: by the board on a TAP, and by the kernel's sockets across a veth.
//!
//! The clients are `wrk` and `ab`, eight at once, which keep their connections or make one for each request; the board has
//! places for half as many. The kernel's server is a thread for each connection that reads a head and writes the same page
//! in one call ([`serve`]), and all its threads have one core, as the board has. Peers have their turns as in
//! [`speed`](crate::speed), and ratios are medians of those round by round.

use std::net::TcpStream;
use std::process::{Command, ExitCode};

use rustix::thread::{CpuSet, sched_getaffinity};
use serde_json::json;
use tapboard_host::bench::outcome::Spread;

use crate::options::Options;
use crate::peer::{Kind, LARGE, MCU, Peer};
use crate::table::{Table, figure, ratio};

/// The port of RFC 9110 4.2.1.
pub(crate) const PORT: u16 = 80;

/// Clients at once.
const CLIENTS: &str = "8";

const PEERS: [Kind; 3] = [Kind::Tap(LARGE), Kind::Tap(MCU), Kind::Veth];

/// What asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    /// It keeps its connections.
    Wrk,
    /// A connection for each request.
    Ab,
    /// It keeps its connections.
    AbKeep,
}

/// What came of one measurement.
#[derive(Clone, Copy, Debug)]
struct Sample {
    rate: f64,
    p99_ms: f64,
    failed: f64,
    /// CPU of the peer, microseconds a request.
    cpu_us: f64,
}

impl Tool {
    const ALL: [Self; 3] = [Self::Wrk, Self::AbKeep, Self::Ab];

    const fn name(self) -> &'static str {
        match self {
            Self::Wrk => "wrk -c 8",
            Self::Ab => "ab -c 8",
            Self::AbKeep => "ab -k -c 8",
        }
    }

    fn command(self, options: &Options) -> Vec<String> {
        let seconds = format!("{}s", options.time().as_secs().max(1));
        let requests = if options.quick { "500" } else { "20000" };
        let words: &[&str] = match self {
            Self::Wrk => &["wrk", "-t", "1", "-c", CLIENTS, "-d", &seconds, "--latency"],
            Self::Ab => &["ab", "-q", "-c", CLIENTS, "-n", requests],
            Self::AbKeep => &["ab", "-q", "-k", "-c", CLIENTS, "-n", requests],
        };
        words.iter().map(ToString::to_string).collect()
    }

    /// Asks `peer`, from one core.
    fn measure(self, peer: &Peer, core: usize, options: &Options) -> Result<Sample, String> {
        let words = self.command(options);
        let before = peer.process.usage()?;
        let output = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .args(&words)
            .arg(format!("http://{}:{PORT}/", peer.address))
            .output()
            .map_err(|error| format!("cannot start taskset: {error}"))?;
        let cpu_us = (peer.process.usage()?.cpu_seconds - before.cpu_seconds) * 1e6;
        let report = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            let remedy = "run `sudo apt-get install wrk apache2-utils` if it is missing";
            return Err(format!("{}: {}; {remedy}", words.join(" "), errors.trim()));
        }
        self.read(&report, cpu_us).ok_or_else(|| format!("{} says: {report}", words.join(" ")))
    }

    /// What the report says; what it does not name has not happened.
    fn read(self, report: &str, cpu_us: f64) -> Option<Sample> {
        let value = |name: &str| {
            let rest = report.lines().find_map(|line| line.trim_start().strip_prefix(name))?;
            let number = rest.trim_start().split([' ', '[']).next()?;
            // wrk has units.
            let (digits, scale) = match number {
                us if us.ends_with("us") => (us.trim_end_matches("us"), 1e-3),
                ms if ms.ends_with("ms") => (ms.trim_end_matches("ms"), 1.0),
                s if s.ends_with('s') => (s.trim_end_matches('s'), 1e3),
                plain => (plain, 1.0),
            };
            Some(digits.parse::<f64>().ok()? * scale)
        };
        let others =
            value("Non-2xx or 3xx responses:").or(value("Non-2xx responses:")).unwrap_or(0.0);
        let (rate, requests, failed) = match self {
            Self::Wrk => {
                // "Socket errors: connect 0, read 0, write 0, timeout 0"
                let line = report.lines().find(|line| line.contains("Socket errors:"));
                let errors = line.map_or(0.0, |line| {
                    let words = line.split([' ', ',']);
                    words.filter_map(|word| word.parse::<f64>().ok()).sum()
                });
                let requests = report.lines().find(|line| line.contains(" requests in "))?;
                let requests = requests.split_whitespace().next()?.parse().ok()?;
                (value("Requests/sec:")?, requests, errors)
            }
            Self::Ab | Self::AbKeep => (
                value("Requests per second:")?,
                value("Complete requests:")?,
                value("Failed requests:")?,
            ),
        };
        let sample = Sample {
            rate,
            p99_ms: value("99%")?,
            failed: failed + others,
            cpu_us: cpu_us / requests,
        };
        Some(sample)
    }
}

/// Measures and prints the table.
pub(crate) fn run(options: &Options) -> Result<ExitCode, String> {
    let set = sched_getaffinity(None).map_err(|error| format!("which cores are there? {error}"))?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core));
    let client = cores.next().ok_or_else(|| "there is no core".to_owned())?;
    let core = cores.next().unwrap_or(client);
    let wanted = PEERS.iter().zip(0..).filter(|(kind, _)| options.peer(&kind.name()));
    let peers = wanted.map(|(kind, subnet)| kind.start(subnet));
    let peers = peers.collect::<Result<Vec<Peer>, String>>()?;
    for peer in &peers {
        peer.process.pin(core)?;
    }
    // By tool and peer, round by round.
    let mut samples = vec![Vec::new(); Tool::ALL.len() * peers.len()];
    for _ in 0..options.rounds() {
        for (tool_index, tool) in Tool::ALL.iter().enumerate() {
            for (index, peer) in peers.iter().enumerate() {
                let sample = tool.measure(peer, client, options)?;
                samples[tool_index * peers.len() + index].push(sample);
            }
        }
    }
    let mut table = Table::new(&[
        "",
        "requests/s",
        "p99, ms",
        "failed",
        "CPU of it a request, µs",
        "requests/s : the kernel's",
        "CPU, the kernel's : its",
    ]);
    let mut cells = Vec::new();
    for (tool_index, tool) in Tool::ALL.iter().enumerate() {
        let of = |index: usize| &samples[tool_index * peers.len() + index];
        let kernel = peers.iter().position(|peer| peer.kind == Kind::Veth).map(of);
        for (index, peer) in peers.iter().enumerate() {
            let own = of(index);
            let median = |value: fn(&Sample) -> f64| median(own.iter().map(value));
            let failed: f64 = own.iter().map(|sample| sample.failed).sum();
            let beside = |value: fn(&Sample, &Sample) -> f64| {
                let pairs = own.iter().zip(kernel?);
                median_of(pairs.map(|(own, kernel)| value(own, kernel)))
            };
            let rates = beside(|own, kernel| own.rate / kernel.rate);
            let cpu = beside(|own, kernel| kernel.cpu_us / own.cpu_us);
            let [rate, p99, cpu_us] =
                [median(|one| one.rate), median(|one| one.p99_ms), median(|one| one.cpu_us)];
            table.row(vec![
                format!("{}, {}", tool.name(), peer.kind.name()),
                figure(rate),
                figure(p99),
                format!("{failed:.0}"),
                figure(cpu_us),
                ratio(rates),
                ratio(cpu),
            ]);
            cells.push(json!({
                "tool": tool.name(),
                "peer": peer.kind.name(),
                "requests_per_second": rate,
                "p99_ms": p99,
                "failed": failed,
                "cpu_us_per_request": cpu_us,
                "requests_ratio": rates,
                "cpu_ratio": cpu,
            }));
        }
    }
    if options.json {
        let rounds = options.rounds();
        println!("{}", json!({ "scenario": "http", "rounds": rounds, "results": cells }));
    } else {
        table.print();
        println!(
            "Medians of {} rounds; client on core {client}, peer on core {core}.",
            options.rounds()
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn median_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    Spread::of(values).map(|spread| spread.median)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    median_of(values).unwrap_or(f64::NAN)
}

/// The same page by the kernel: a head is read, the page is written.
pub(crate) fn serve(stream: &TcpStream) -> rustix::io::Result<()> {
    const PAGE: &[u8] = include_bytes!("../../firmware/src/service/http/page.html.gz");
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nX-Frame-Options: DENY\r\n\
         Content-Type: text/html; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
         Cache-Control: no-cache\r\nContent-Length: {}\r\n",
        PAGE.len()
    );
    let (mut request, mut length) = ([0; 4096], 0);
    loop {
        match rustix::io::read(stream, &mut request[length..])? {
            0 => return Ok(()),
            count => length += count,
        }
        if !request[..length].ends_with(b"\r\n\r\n") {
            continue;
        }
        let says = |words: &[u8]| request[..length].windows(words.len()).any(|part| part == words);
        // `ab` asks as HTTP/1.0.
        let (old, asked) = (says(b"HTTP/1.0\r\n"), says(b"Keep-Alive"));
        let connection = match (old, asked) {
            (true, true) => "Connection: keep-alive\r\n\r\n",
            (true, false) => "Connection: close\r\n\r\n",
            (false, _) => "\r\n",
        };
        let whole = [head.as_bytes(), connection.as_bytes(), PAGE].concat();
        let mut sent = 0;
        while sent < whole.len() {
            sent += rustix::io::write(stream, &whole[sent..])?;
        }
        if old && !asked {
            return Ok(());
        }
        length = 0;
    }
}
