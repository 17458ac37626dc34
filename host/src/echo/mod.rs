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
use crate::output::{Error, Output, Verdict};
use crate::progress::{self, Form};
use crate::signal::Interrupt;

use self::connection::{Connection, Scratch};
use self::plan::EchoPlan;
use self::report::EchoReport;

pub mod connection;
pub mod outcome;
pub mod plan;
pub mod report;

/// Size of one read at most, in bytes.
const RECEIVE: usize = 64 * 1024;

/// Token of the signal's wake-up; those below it are connections.
const WAKE: Token = Token(usize::MAX);

/// How far it is.
const PROGRESS: Form = Form {
    wide: "{wide_bar} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left",
    narrow: "{wide_bar} {percent:>3} %, {eta} left",
};

/// Runs the check on `count` connections to each service at once, with writes of at most `chunk` bytes, and prints its report, as JSON
/// objects if `json`. Passes if every connection was verified.
pub fn run(plan: &EchoPlan, count: usize, chunk: usize, json: bool) -> Result<Verdict, Error> {
    let count = count * plan.services.len();
    let bytes = plan.bytes_of(count).ok_or_else(|| {
        Error::Failed(format!(
            "{count} connections with {} bytes each are more bytes than can be counted; give fewer --bytes, \
             --connections or addresses",
            plan.bytes
        ))
    })?;
    let failed = |error| Error::Failed(format!("cannot watch sockets: {error}"));
    let mut poll = Poll::new().map_err(failed)?;
    let waker = Waker::new(poll.registry(), WAKE).map_err(failed)?;
    let interrupt = Interrupt::install(waker)?;
    let bar = progress::line(PROGRESS, json);
    bar.set_length(bytes);

    let mut connections: Vec<Connection> = (0..count)
        .map(|index| Connection::start(plan, index as u64, poll.registry(), Token(index)))
        .collect();
    let mut scratch = Scratch { send: vec![0; chunk], receive: vec![0; RECEIVE] };
    let mut events = Events::with_capacity(1024);
    let mut moved = clock::now();

    while !interrupt.requested() && connections.iter().any(|c| c.outcome().is_none()) {
        let timeout = wait_at_most(&connections, plan, moved);
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
            if connection.is_hot(plan) {
                connection.turn(plan, &mut scratch, poll.registry(), Token(index));
                moved = moved.max(connection.moved());
            }
        }
        let now = clock::now();
        for connection in &mut connections {
            if connection.deadline(plan, moved).is_some_and(|deadline| deadline <= now) {
                connection.expire(plan);
            }
        }
        bar.set_position(connections.iter().map(|c| c.bulk_verified(plan)).sum());
    }
    bar.finish_and_clear();

    let interrupted = connections.iter().any(|c| c.outcome().is_none());
    let bulk_start = connections.iter().filter_map(|c| c.bulk_start).min();
    let bulk_time = bulk_start.map_or(Duration::ZERO, |start| moved - start);
    EchoReport { plan, connections: &connections, bulk_time, interrupted }
        .print(&mut Output::new(json))
}

/// How long the poll may sleep: not at all while a connection has work, else to the earliest deadline.
fn wait_at_most(connections: &[Connection], plan: &EchoPlan, moved: Instant) -> Option<Duration> {
    if connections.iter().any(|connection| connection.is_hot(plan)) {
        return Some(Duration::ZERO);
    }
    let deadline = connections.iter().filter_map(|c| c.deadline(plan, moved)).min()?;
    Some(deadline.saturating_duration_since(clock::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_bytes_than_can_be_counted_are_refused_before_anything_is_sent() {
        let timeout = Duration::from_secs(1);
        let (bytes, pings) = (1 << 63, 0);
        let (connect_timeout, stall_timeout) = (timeout, timeout);
        let services = vec![vec![([127, 0, 0, 1], 7).into()]; 2];
        let plan = EchoPlan { services, seed: 1, pings, bytes, connect_timeout, stall_timeout };
        let Err(Error::Failed(text)) = run(&plan, 1, 1, true) else { panic!("it ran") };
        assert!(text.contains("2 connections with 9223372036854775808 bytes"), "{text}");
        assert_eq!((plan.bytes_of(1), plan.bytes_of(2)), (Some(bytes), None));
    }
}
