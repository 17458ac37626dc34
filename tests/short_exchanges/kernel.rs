//! The same with the kernel's client, on a TAP, in real time: both profiles, IPv4 and IPv6 in turn.
//!
//! The cable gets another loss, delay and reordering again and again, and is dark in between. In CI these are a few;
//! `EXCHANGES=10000 cargo test --release --test short_exchanges kernel::` are as many with each profile, with blackouts of up to
//! 30 s, for hours. `SEED` makes other ones of it, so that many processes share them.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use smoltcp::time::Instant;
use tapboard::clock::RealClock;
use tapboard_firmware::rng::Rng;

use super::client::Ended;
use super::{BYTES_MAX, DARK_MS};
use crate::common::netns;
use crate::common::nics::on_tap;
use crate::common::process::{Process, pattern};
use crate::common::traffic::ECHO;

/// Exchanges with each profile, and the longest blackout, unless `EXCHANGES` says how many.
const FEW: u64 = 4;
const FEW_DARK_MS: u32 = 200;
/// How long an exchange may do nothing: longer than a kernel or a board gives a silent peer.
const STUCK: Duration = Duration::from_mins(5);
/// How long the tests of one profile may take, seconds.
const LIMIT_S: u32 = 24 * 3600;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// One exchange, and the error that it ended with.
fn exchange(echo: SocketAddr, number: u32, bytes: u32) -> (Ended, Option<ErrorKind>) {
    let mut stream = match TcpStream::connect(echo).map_err(|error| error.kind()) {
        Ok(stream) => stream,
        Err(kind @ (ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset)) => {
            return (Ended::Refused, Some(kind));
        }
        // In the dark, the kernel may find nobody at all.
        Err(kind) => return (Ended::Unconnected, Some(kind)),
    };
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
    (ended, error)
}

/// Makes the cable another one, and another, and dark in between, until `done`.
fn vary(board: &mut Process, rng: &mut Rng, dark_ms: u32, done: &AtomicBool) {
    for turn in 0.. {
        if done.load(Ordering::Relaxed) {
            return;
        }
        let mut script = String::new();
        // The kernel doubles its timeouts: CI has no time for many in a row.
        let (lossy, light) = if dark_ms == DARK_MS { (30, 1) } else { (8, 10) };
        for (fault, least, most, unit) in
            [("loss", 5, lossy, "%"), ("reorder", 1, 5, "%"), ("delay", 1, 50, "ms")]
        {
            let _ = writeln!(script, "{fault} {}{unit}", least + rng.below(most - least + 1));
        }
        let calm = (dark_ms / 2 + rng.below(dark_ms)) * light;
        let dark = dark_ms / 30 + rng.below(dark_ms);
        for (name, rest) in [
            ("calm", format!("{script}sleep {calm}ms")),
            ("dark", format!("partition on\nsleep {dark}ms\npartition off")),
        ] {
            // What it does not know, it says so once it has done what came before.
            let last = format!("{name}-{turn}");
            board.command(&format!("{rest}\n{last}"), &last);
        }
    }
}

fn exchanges(profile: &str) {
    let dark_ms = if number("EXCHANGES").is_some() { DARK_MS } else { FEW_DARK_MS };
    let count = number("EXCHANGES").unwrap_or(FEW);
    let seed = number("SEED").unwrap_or(1);
    let mut board = on_tap(&[], &["--profile", profile, "--loss=10%", &format!("--seed={seed}")]);
    let done = AtomicBool::new(false);
    // How many there were, and of these, should not have been.
    let mut results = BTreeMap::<Ended, (u64, u64)>::new();
    thread::scope(|scope| {
        scope.spawn(|| vary(&mut board, &mut Rng::new(seed), dark_ms, &done));
        let mut rng = Rng::new(seed);
        for address in ["192.0.2.1", "2001:db8::1"].into_iter().cycle().take(count as usize) {
            let echo = SocketAddr::new(address.parse().expect("an address"), ECHO);
            let most = [10, 100, 1000, BYTES_MAX][rng.below(4) as usize];
            let (number, bytes) = (rng.below(u32::MAX), 1 + rng.below(most));
            let clock = RealClock::new();
            let (ended, error) = exchange(echo, number, bytes);
            let took = clock.now() - Instant::ZERO;
            if ended != Ended::Whole {
                println!("{profile}, {echo}, {bytes} bytes: {ended:?}, {error:?} after {took}");
            }
            let result = results.entry(ended).or_default();
            *result = (result.0 + 1, result.1 + u64::from(!super::is_right(ended, took)));
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("{profile}: {results:?}");
    assert!(results.values().all(|&(_, wrong)| wrong == 0), "{profile}: {results:?}");
    assert_eq!(results.values().map(|&(count, _)| count).sum::<u64>(), count);
    assert!(results[&Ended::Whole].0 >= count * 9 / 10, "{profile}: {results:?}");
}

#[test]
fn with_a_board_of_2_kib() {
    netns::run_within(LIMIT_S, "kernel::with_a_board_of_2_kib", &[], || exchanges("mcu"));
}

#[test]
fn with_a_board_of_64_kib() {
    netns::run_within(LIMIT_S, "kernel::with_a_board_of_64_kib", &[], || exchanges("large"));
}
