//! `echo`: many connections at once to an echo service (RFC 862), every byte verified and timed.
//!
//! One thread, one poll: each connection is a state machine (see [`connection`]) that is turned when its
//! socket may move, so hundreds of them share two buffers and no peer can lock them up. The loop sleeps
//! until a socket is ready, the earliest deadline, or Ctrl-C.
//!
//! A board has few TCP slots. With more connections than slots the others wait, for a SYN-ACK or, behind a
//! forward that accepts in the board's place, for their first byte; this is not an error unless
//! `--connect-timeout` or `--timeout` runs out. Both waits are part of the connect time, which ends when the
//! first byte is back. A refusal (RST) is counted apart.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};

use crate::clock;
use crate::net::{ECHO_DEFAULT, Target};
use crate::output::{Error, Output, Verdict};
use crate::progress::{self, Form};
use crate::signal::Interrupt;
use crate::units::{bytes_within, parse_seconds};

use self::connection::{Connection, Scratch};
use self::plan::EchoPlan;
use self::report::EchoReport;

pub mod connection;
pub mod outcome;
pub mod plan;
pub mod report;

/// Connections at most; below the usual limit of 1024 open files with room for our own.
const CONNECTIONS_MAX: i64 = 1000;

/// Bulk bytes of one connection at most: a pebibyte, so that sums over all connections stay exact.
const BYTES_MAX: u64 = 1 << 50;

/// Size of one read at most, in bytes.
const RECEIVE: usize = 64 * 1024;

/// Largest `--chunk`, in bytes.
const CHUNK_MAX: u64 = 1 << 20;

/// Token of the signal's wake-up; those below it are connections.
const WAKE: Token = Token(usize::MAX);

/// How far it is.
const PROGRESS: Form = Form {
    wide: "{wide_bar} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left",
    narrow: "{wide_bar} {percent:>3} %, {eta} left",
};

/// What `--help` says of `echo`.
pub const ABOUT: &str = "\
    Opens N connections at once to an echo service. Each sends pings of 64 bytes, one at a \
    time, to measure the round trip; then a pseudo-random pattern that is different for each \
    connection, reading the echo while it writes; then it closes its side (FIN). Every byte \
    that comes back is compared with the one that was sent, and the peer must close after \
    the last.\n\n\
    Offsets in the report count from the first byte of the connection, pings included: they \
    are the relative sequence number in Wireshark, minus one. The same seed sends the same \
    bytes.\n\n\
    A board with fewer slots than connections answers the others when slots free, so a \
    connect may take seconds; see --connect-timeout. The time of a connect is that from its \
    first SYN until its first byte is back: behind a forwarded port the handshake alone tells \
    nothing of the board. --json has both, `handshake_us` and `connect_us`.";

/// Options of `echo`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Exit codes: 0 if every connection was verified, else 1.\n\n\
                       Examples:\n  \
                       tapboard-host echo\n  \
                       tapboard-host echo 127.0.0.1:7007 --connections 32 --bytes 1M\n  \
                       tapboard-host echo 192.0.2.1:7 --bytes 10M --chunk 100 --seed 7\n  \
                       tapboard-host echo --json | jq 'select(.event == \"summary\")'")]
pub struct Args {
    /// The echo service: address or name, and port; an IPv6 address in brackets
    #[arg(value_name = "ADDR:PORT", default_value = ECHO_DEFAULT)]
    pub target: Target,

    /// Connections at once
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=CONNECTIONS_MAX))]
    pub connections: u16,

    /// Bytes that each connection sends, like 1000000, 10M, 64k (64000) or 64Ki (65536)
    #[arg(short, long, value_name = "B", default_value = "1000000",
          value_parser = |text: &str| bytes_within(text, 0, BYTES_MAX))]
    pub bytes: u64,

    /// Bytes of one write at most: small ones make small segments
    #[arg(long, value_name = "B", default_value = "16Ki",
          value_parser = |text: &str| bytes_within(text, 1, CHUNK_MAX))]
    pub chunk: u64,

    /// Pings on each connection, before the bulk; 0 for none
    #[arg(long, value_name = "COUNT", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub pings: u32,

    /// Seed of the pattern
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,

    /// Fails a connection on which nothing moves for this time
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub timeout: Duration,

    /// Fails a connection that does not come about within this time
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    pub connect_timeout: Duration,

    /// Prints one JSON object for each connection, then one with the totals
    #[arg(long)]
    pub json: bool,
}

/// Runs the check and prints its report. Passes if every connection was verified.
pub fn run(args: &Args) -> Result<Verdict, Error> {
    let plan = EchoPlan {
        addresses: args.target.resolve()?,
        seed: args.seed,
        pings: args.pings,
        bytes: args.bytes,
        connect_timeout: args.connect_timeout,
        stall_timeout: args.timeout,
    };
    let failed = |error| Error::Failed(format!("cannot watch sockets: {error}"));
    let mut poll = Poll::new().map_err(failed)?;
    let waker = Waker::new(poll.registry(), WAKE).map_err(failed)?;
    let interrupt = Interrupt::install(waker)?;
    let count = usize::from(args.connections);
    let bar = progress::line(PROGRESS, args.json);
    bar.set_length(plan.bytes * count as u64);

    let mut connections: Vec<Connection> = (0..count)
        .map(|index| Connection::start(&plan, index as u64, poll.registry(), Token(index)))
        .collect();
    let mut scratch = Scratch { send: vec![0; args.chunk as usize], receive: vec![0; RECEIVE] };
    let mut events = Events::with_capacity(1024);
    let mut moved = clock::now();

    while !interrupt.requested() && connections.iter().any(|c| c.outcome().is_none()) {
        let timeout = wait_at_most(&connections, &plan, moved);
        match poll.poll(&mut events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        }
        for event in &events {
            if let Some(connection) = connections.get_mut(event.token().0) {
                connection.wake(event);
            }
        }
        for (index, connection) in connections.iter_mut().enumerate() {
            if connection.is_hot(&plan) {
                connection.turn(&plan, &mut scratch, poll.registry(), Token(index));
                moved = moved.max(connection.moved());
            }
        }
        let now = clock::now();
        for connection in &mut connections {
            if connection.deadline(&plan, moved).is_some_and(|deadline| deadline <= now) {
                connection.expire(&plan);
            }
        }
        bar.set_position(connections.iter().map(|c| c.bulk_verified(&plan)).sum());
    }
    bar.finish_and_clear();

    let interrupted = connections.iter().any(|c| c.outcome().is_none());
    let bulk_start = connections.iter().filter_map(|c| c.bulk_start).min();
    let bulk_time = bulk_start.map_or(Duration::ZERO, |start| moved - start);
    EchoReport { plan: &plan, connections: &connections, bulk_time, interrupted }
        .print(&mut Output::new(args.json))
}

/// How long the poll may sleep: not at all while a connection has work, else to the earliest deadline.
fn wait_at_most(connections: &[Connection], plan: &EchoPlan, moved: Instant) -> Option<Duration> {
    if connections.iter().any(|connection| connection.is_hot(plan)) {
        return Some(Duration::ZERO);
    }
    let deadline = connections.iter().filter_map(|c| c.deadline(plan, moved)).min()?;
    Some(deadline.saturating_duration_since(clock::now()))
}
