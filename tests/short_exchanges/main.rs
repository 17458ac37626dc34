//! Short connections on a bad cable that also goes dark: none may end short, and none in a reset while its peer lives.
//!
//! A world is a board, in either profile, and a client, on our stack or on bare smoltcp, that connects to the echo service,
//! sends 1 byte to 10 kB, closes its half, and reads to the end, time and again. The cable loses 5 to 30 % each way,
//! reorders and delays; in every third exchange nothing gets through for 1 to 30 s. It all follows from the world's number.
//! A hundred thousand: `cargo test --release --test short_exchanges -- --ignored --nocapture`; `EXCHANGES=1000000` makes it
//! more, and `WORLD=17` tells what happens in one.

#[path = "../common/mod.rs"]
mod common;

mod client;
#[cfg(target_os = "linux")]
mod kernel;
mod silence;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use client::{Client, Ended};
use common::path::{Path, Poll};
use common::traffic::{self, Memory};
use silence::Silences;
use smoltcp::time::{Duration, Instant};
use tapboard::link::{Chance, Link, Setting};
use tapboard::nic::wire::{End, Side};
use tapboard_firmware::config::{SUPERFRAME_DATA, USER_TIMEOUT};
use tapboard_firmware::rng::Rng;
use tapboard_firmware::{BOARD_NET, BoardSockets, PEER_NET};
use tapboard_net::planted::{Fault, plant};

/// Exchanges of one world.
const EXCHANGES: u64 = 50;
/// The most bytes of one.
const BYTES_MAX: u32 = 10_000;
/// The longest blackout, milliseconds.
const DARK_MS: u32 = 30_000;
/// How long an exchange may take, with a blackout and the backoff after it: smoltcp asks once a minute in the end, and at the
/// worst, three of ten of these get lost.
const STUCK: Duration = Duration::from_secs(1800);

/// One exchange, as it was drawn and as it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    pub(crate) number: u64,
    pub(crate) bytes: u32,
    /// When it began, and the time from then on in which nothing gets through.
    pub(crate) began: Instant,
    dark: Option<(Duration, Duration)>,
}

impl Exchange {
    /// `dark_ms`: the longest blackout.
    fn draw(number: u64, rng: &mut Rng, dark_ms: u32, now: Instant) -> Self {
        // As many of a few bytes as of a few thousand.
        let most = [10, 100, 1000, BYTES_MAX][rng.below(4) as usize];
        let bytes = 1 + rng.below(most);
        let dark = (rng.below(3) == 0).then(|| {
            let from = Duration::from_millis(rng.below(1500).into());
            (from, from + Duration::from_millis(1000 + u64::from(rng.below(dark_ms - 999))))
        });
        Self { number, bytes, began: now, dark }
    }

    fn is_dark(&self, now: Instant) -> bool {
        self.dark.is_some_and(|(from, to)| now >= self.began + from && now < self.began + to)
    }
}

/// What the client and whoever watches share.
#[derive(Debug)]
pub(crate) struct World {
    rng: Rng,
    dark_ms: u32,
    pub(crate) exchange: Exchange,
    /// The client's, once it is connected; 0 until then.
    pub(crate) port: u16,
    silences: Silences,
    ended: Vec<Outcome>,
}

/// What became of an exchange.
#[derive(Debug)]
struct Outcome {
    exchange: Exchange,
    how: Ended,
    took: Duration,
    /// The longest time in which the end that gave up, or could have, has heard nothing of the other.
    silence: Duration,
}

impl World {
    /// The exchange is over: the next one.
    pub(crate) fn end(&mut self, how: Ended, now: Instant) {
        let who = if how == Ended::GivenUp { Side::Peer } else { Side::Board };
        let silence = self.silences.longest(who, self.port, now);
        let took = now - self.exchange.began;
        self.ended.push(Outcome { exchange: self.exchange, how, took, silence });
        self.port = 0;
        self.exchange = Exchange::draw(self.exchange.number + 1, &mut self.rng, self.dark_ms, now);
    }
}

/// Runs one world; how its exchanges ended.
fn world<const SIZE: usize>(number: u64, dark_ms: u32) -> Vec<Outcome> {
    let mut rng = Rng::new(number);
    let mut link = Link::new(rng.next_u64());
    link.set(None, Setting::Loss(Chance::from_millipercent(5_000 + rng.below(25_001))));
    link.set(None, Setting::Reorder(Chance::from_millipercent(rng.below(5_001))));
    link.set(None, Setting::Delay(Duration::from_millis(1 + u64::from(rng.below(100)))));
    let on_smoltcp = rng.below(2) == 0;
    let seed = rng.next_u64();
    let exchange = Exchange::draw(0, &mut rng, dark_ms, Instant::ZERO);
    let (silences, ended) = (Silences::default(), Vec::new());
    let world = World { rng, dark_ms, exchange, port: 0, silences, ended };
    let world = Rc::new(RefCell::new(world));
    let (mut memory, mut sockets) = (Memory::<SIZE>::new(), BoardSockets::new());
    let (mut client_memory, mut client_sockets) =
        (Memory::<SUPERFRAME_DATA>::new(), BoardSockets::new());
    let mut path = Path::new(link);
    let watched = world.clone();
    path.witness =
        Box::new(move |now, at, frame| watched.borrow_mut().silences.hear(now, at, frame));
    path.join(Side::Board, BOARD_NET.mac(), |end: &mut End<'_>| -> Poll<'_> {
        traffic::board(&mut memory, &mut sockets, seed, end)
    });
    path.join(Side::Peer, PEER_NET.mac(), |end: &mut End<'_>| -> Poll<'_> {
        let client = Client::new(world.clone());
        if on_smoltcp {
            client.on_smoltcp(!seed, end)
        } else {
            client.on_our_stack(&mut client_memory, &mut client_sockets, !seed, end)
        }
    });
    let (mut dark, mut stuck) = (false, false);
    let limit = Instant::from_secs(1_000_000);
    let end = path.run(limit, |now, link| {
        let world = world.borrow();
        stuck = now > world.exchange.began + STUCK;
        if world.exchange.is_dark(now) != dark {
            dark = !dark;
            link.set(None, Setting::Partition(dark));
        }
        stuck || world.ended.len() as u64 == EXCHANGES
    });
    drop(path);
    let mut world = Rc::into_inner(world).expect("all else is gone").into_inner();
    if stuck || end.is_err() {
        let now = world.exchange.began + STUCK;
        world.end(Ended::Stuck, now);
    }
    world.ended
}

/// Exchanges that ended in one way.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    /// Of which so many should not have.
    wrong: u64,
    /// The worlds of the first of them.
    worlds: Vec<u64>,
    /// The shortest [`Outcome::silence`].
    shortest: Option<Duration>,
}

/// Runs so many worlds, from that one on, and returns what came of their exchanges.
fn worlds(first: u64, count: u64, dark_ms: u32) -> BTreeMap<Ended, Tally> {
    let next = AtomicU64::new(first);
    let results = Mutex::new(BTreeMap::<Ended, Tally>::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= first + count {
                        return;
                    }
                    let ended = run(number, dark_ms);
                    let mut results = results.lock().expect("no thread panics with it");
                    for Outcome { how, silence, .. } in ended {
                        let (tally, right) =
                            (results.entry(how).or_default(), is_right(how, silence));
                        tally.count += 1;
                        tally.wrong += u64::from(!right);
                        let shortest = tally.shortest.map_or(silence, |least| least.min(silence));
                        tally.shortest = Some(shortest);
                        if !right && tally.worlds.len() < 20 && tally.worlds.last() != Some(&number)
                        {
                            tally.worlds.push(number);
                        }
                    }
                }
            });
        }
    });
    results.into_inner().expect("all have ended")
}

fn run(number: u64, dark_ms: u32) -> Vec<Outcome> {
    if number.is_multiple_of(2) {
        world::<2048>(number, dark_ms)
    } else {
        world::<SUPERFRAME_DATA>(number, dark_ms)
    }
}

/// Whether that is right, after a silence of so long. The wait for a connection has a limit, in the dark too; and who has heard
/// nothing for a hundred seconds gives up.
fn is_right(how: Ended, silence: Duration) -> bool {
    match how {
        Ended::Whole | Ended::Unconnected => true,
        Ended::ResetUnheard | Ended::Reset | Ended::GivenUp | Ended::Stuck => {
            silence >= USER_TIMEOUT
        }
        Ended::Short | Ended::Wrong | Ended::Refused => false,
    }
}

/// With blackouts of 3 s at most.
#[test]
fn short_exchanges_come_to_their_end() {
    let results = worlds(0, 20, 3000);
    assert!(results.values().all(|tally| tally.wrong == 0), "{results:?}");
    let whole = results[&Ended::Whole].count;
    assert!(whole >= 20 * EXCHANGES * 98 / 100, "{results:?}");
}

/// A fault that the worlds of `tapboard sim` excuse, for a cable that is out explains a reset there.
#[test]
fn an_orphan_that_is_reset_is_found() {
    let wrong = |fault| {
        plant(fault);
        let ended = (0..16).flat_map(|number| run(number, DARK_MS));
        ended
            .filter(|outcome| !is_right(outcome.how, outcome.silence))
            .map(|outcome| outcome.how)
            .collect()
    };
    let (without, with): (Vec<_>, Vec<_>) = (wrong(None), wrong(Some(Fault::OrphanReset)));
    plant(None);
    assert_eq!(without, []);
    assert_ne!(with, []);
}

#[test]
#[ignore = "a hundred thousand exchanges, or as many as EXCHANGES says"]
fn many_short_exchanges_come_to_their_end() {
    let number = |name: &str| env::var(name).ok().map(|value| value.parse().expect("a number"));
    let dark_ms = number("DARK_MS").map_or(DARK_MS, |longest| longest as u32);
    if let Some(world) = number("WORLD") {
        for Outcome { exchange, how, took, silence } in run(world, dark_ms) {
            println!(
                "{:>8.3} {took:>8.3} {silence:>8.3} {how:?} {exchange:?}",
                exchange.began.total_micros() as f64 / 1e6
            );
        }
        return;
    }
    let results = worlds(1000, number("EXCHANGES").unwrap_or(100_000) / EXCHANGES, dark_ms);
    for (how, Tally { count, worlds, shortest, .. }) in &results {
        let shortest = shortest.unwrap_or_default();
        println!("{count:>8} {how:?}, silences from {shortest} on, of worlds {worlds:?}");
    }
    assert!(results.values().all(|tally| tally.wrong == 0));
}
