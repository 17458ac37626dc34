//! The same with the kernel's client, on a TAP, in real time: both profiles, IPv4 and IPv6 in turn.
//!
//! The cable gets another loss, delay and reordering again and again, and is dark in between. In CI these are a few;
//! `EXCHANGES=10000 cargo test --release --test short_exchanges kernel::` are as many with each profile, with blackouts of up to
//! 30 s, for hours. `SEED` makes other ones of it, so that many processes share them; `CLIENTS` are as many at once. Of a run
//! in which some did not end whole, the capture and what the board said are kept in `TAPBOARD_ARTIFACTS`, or `tapboard` in the
//! target directory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use std::{env, fs};

use tapboard::clock::RealClock;
use tapboard_firmware::rng::Rng;

use super::client::Ended;
use super::{BYTES_MAX, DARK_MS};
use crate::common::netns;
use crate::common::nics::on_tap;
use crate::common::process::{Process, pattern};
use crate::common::scratch::Scratch;
use crate::common::traffic::ECHO;

/// Exchanges with each profile, and the longest blackout, unless `EXCHANGES` says how many.
const FEW: u64 = 4;
const FEW_DARK_MS: u32 = 200;
/// How long an exchange may do nothing. After a blackout the kernel asks every two minutes at last, and as long as it gets no
/// answer, goes on for `tcp_retries2` = 15 timeouts: 924 s if the first was 200 ms, and one more.
const STUCK: Duration = Duration::from_mins(20);
/// How long the tests of one profile may take, seconds.
const LIMIT_S: u32 = 24 * 3600;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// What became of one exchange: from which port, and the error that it ended with.
struct Outcome {
    ended: Ended,
    port: u16,
    error: Option<ErrorKind>,
}

fn exchange(echo: SocketAddr, number: u32, bytes: u32) -> Outcome {
    let mut stream = match TcpStream::connect(echo).map_err(|error| error.kind()) {
        Ok(stream) => stream,
        Err(kind) => {
            let refused = matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset);
            // In the dark, the kernel may find nobody at all.
            let ended = if refused { Ended::Refused } else { Ended::Unconnected };
            return Outcome { ended, port: 0, error: Some(kind) };
        }
    };
    let port = stream.local_addr().expect("it is connected").port();
    stream.set_read_timeout(Some(STUCK)).expect("not zero");
    let data = pattern(number, bytes as usize);
    let mut back = Vec::new();
    let mut swap = || {
        // All of it fits into the kernel's buffer.
        stream.write_all(&data)?;
        stream.shutdown(Shutdown::Write)?;
        stream.read_to_end(&mut back)
    };
    let error = swap().err().map(|error| error.kind());
    let ended = match error {
        None if back == data => Ended::Whole,
        None if data.starts_with(&back) => Ended::Short,
        None => Ended::Wrong,
        Some(ErrorKind::WouldBlock) => Ended::Stuck,
        Some(ErrorKind::TimedOut) => Ended::GivenUp,
        Some(_) if back.is_empty() => Ended::ResetUnheard,
        Some(_) => Ended::Reset,
    };
    Outcome { ended, port, error }
}

/// Makes the cable another one, and another, and dark in between, until `done`.
fn vary(board: &mut Process, rng: &mut Rng, dark_ms: u32, done: &AtomicBool) {
    for turn in 0.. {
        if done.load(Ordering::Relaxed) {
            return;
        }
        let mut script = String::new();
        // The kernel doubles its timeouts: CI has no time for many in a row. Of many exchanges, a part is to meet the dark.
        let (lossy, light) = if dark_ms == DARK_MS { (30, 1) } else { (8, 10) };
        for (fault, least, most, unit) in
            [("loss", 5, lossy, "%"), ("reorder", 1, 5, "%"), ("delay", 1, 50, "ms")]
        {
            let _ = writeln!(script, "{fault} {}{unit}", least + rng.below(most - least + 1));
        }
        let calm = (dark_ms / 30 + rng.below(dark_ms)) * light;
        let dark = dark_ms / 30 + rng.below(dark_ms);
        for (name, rest) in [
            ("calm", format!("{script}sleep {calm}ms")),
            ("dark", format!("netstat\npartition on\nsleep {dark}ms\npartition off\nnetstat")),
        ] {
            // What it does not know, it says so once it has done what came before.
            let last = format!("{name}-{turn}");
            board.command(&format!("{rest}\n{last}"), &last);
        }
    }
}

/// How many there were, and of these, should not have been.
type Results = BTreeMap<Ended, (u64, u64)>;

/// One client: an exchange after another.
fn client(profile: &str, seed: u64, count: u64, clock: &RealClock, results: &Mutex<Results>) {
    let mut rng = Rng::new(seed);
    for address in ["192.0.2.1", "2001:db8::1"].into_iter().cycle().take(count as usize) {
        let echo = SocketAddr::new(address.parse().expect("an address"), ECHO);
        let most = [10, 100, 1000, BYTES_MAX][rng.below(4) as usize];
        let (number, bytes) = (rng.below(u32::MAX), 1 + rng.below(most));
        let began = clock.now();
        let Outcome { ended, port, error } = exchange(echo, number, bytes);
        let took = clock.now() - began;
        if ended != Ended::Whole {
            println!(
                "{profile}, at {began} from port {port} to {echo}, {bytes} bytes: {ended:?}, {error:?} after {took}"
            );
        }
        let mut results = results.lock().expect("no client panics with it");
        let result = results.entry(ended).or_default();
        *result = (result.0 + 1, result.1 + u64::from(!super::is_right(ended, took)));
    }
}

/// Where what is left of a run goes, as of one of [`tapboard::harness`].
fn artifacts(profile: &str, seed: u64) -> PathBuf {
    let directory = env::var_os("TAPBOARD_ARTIFACTS").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tapboard"),
        PathBuf::from,
    );
    directory.join(format!("short_exchanges-{profile}-{seed}"))
}

/// How many connections gave way to others, as the board's `stats` say.
fn evicted(output: &str) -> u64 {
    let line = output.lines().rfind(|line| line.starts_with("evicted "));
    let count = line.and_then(|line| line.split_whitespace().nth(1));
    count.and_then(|count| count.parse().ok()).expect("a number")
}

fn exchanges(profile: &str) {
    let dark_ms = if number("EXCHANGES").is_some() { DARK_MS } else { FEW_DARK_MS };
    let clients = number("CLIENTS").unwrap_or(1);
    let each = number("EXCHANGES").unwrap_or(FEW).div_ceil(clients);
    let seed = number("SEED").unwrap_or(1);
    let scratch = Scratch::new();
    let capture = scratch.path("capture.pcapng");
    let options = ["--profile", profile, "--loss=10%", "--pcap", &capture];
    let mut board = on_tap(&[], &[&options[..], &[&format!("--seed={seed}")]].concat());
    let (clock, done) = (RealClock::new(), AtomicBool::new(false));
    let results = Mutex::new(Results::new());
    thread::scope(|scope| {
        scope.spawn(|| vary(&mut board, &mut Rng::new(seed), dark_ms, &done));
        let own = |number| clients * seed + number;
        thread::scope(|scope| {
            for number in 0..clients {
                let (clock, results) = (&clock, &results);
                scope.spawn(move || client(profile, own(number), each, clock, results));
            }
        });
        done.store(true, Ordering::Relaxed);
    });
    let results = results.into_inner().expect("all have ended");
    board.command("stats", "stalls ");
    let evicted = evicted(&board.output());
    println!("{profile}: {results:?}, {evicted} gave way");
    let whole = results.get(&Ended::Whole).map_or(0, |&(count, _)| count);
    if whole < each * clients {
        let directory = artifacts(profile, seed);
        fs::create_dir_all(&directory).expect("a directory for artifacts");
        fs::copy(&capture, directory.join("capture.pcapng")).expect("it is there");
        fs::write(directory.join("console.txt"), board.output()).expect("room for it");
        println!("{profile}: see {}", directory.display());
    }
    let wrong: u64 = results.values().map(|&(_, wrong)| wrong).sum();
    let early: u64 = [Ended::ResetUnheard, Ended::Reset]
        .map(|how| results.get(&how).map_or(0, |&(_, wrong)| wrong))
        .iter()
        .sum();
    // Whose slot was wanted is reset.
    assert!(wrong == early && early <= evicted, "{profile}: {results:?}, {evicted} gave way");
    assert_eq!(results.values().map(|&(count, _)| count).sum::<u64>(), each * clients);
    assert!(whole >= each * clients * 9 / 10, "{profile}: {results:?}");
}

#[test]
fn with_a_board_of_2_kib() {
    netns::run_within(LIMIT_S, "kernel::with_a_board_of_2_kib", &[], || exchanges("mcu"));
}

#[test]
fn with_a_board_of_64_kib() {
    netns::run_within(LIMIT_S, "kernel::with_a_board_of_64_kib", &[], || exchanges("large"));
}
