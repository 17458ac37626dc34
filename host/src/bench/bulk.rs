//! Bulk one way: to the board's discard, or from its chargen.
//!
//! The clock runs from the first byte to the peer's FIN, which comes once everything has arrived: what
//! the kernel had still to send when the time was over counts with the time it took. Every byte from
//! the board is compared with the pattern of RFC 864; of what goes to it, TCP's word is that all came.

use crate::bench::cyclic_pattern::CyclicPattern;
use crate::bench::outcome::{Done, Measured};
use crate::bench::peer::Peer;
use crate::bench::plan::{BenchPlan, Test};
use crate::clock;
use crate::output::Error;

use crate::bench::buffers::BenchBuffers;

/// Sends until the time is over or the bytes are sent, then waits until all of it has arrived.
pub(super) fn to(plan: &BenchPlan, buffers: &mut BenchBuffers) -> Result<Measured, Error> {
    let mut peer = Peer::connect_for_bulk(plan, Test::To)?;
    let start = clock::now();
    let end = start + plan.time;
    let mut sent = 0;
    while sent < plan.bytes && clock::now() < end {
        let length = (plan.bytes - sent).min(plan.chunk as u64) as usize;
        sent += peer.write(buffers.random.slice(sent, length), sent)? as u64;
    }
    peer.finish(sent)?;
    peer.expect_fin(sent)?;
    Ok(Measured { time: clock::now() - start, done: Done::Bytes(sent) })
}

/// Receives until the time is over or the bytes are there, then asks for the end and reads up to it.
pub(super) fn from(plan: &BenchPlan, buffers: &mut BenchBuffers) -> Result<Measured, Error> {
    let mut peer = Peer::connect_for_bulk(plan, Test::From)?;
    let BenchBuffers { chargen, receive, .. } = buffers;
    let verified = |received: u64, data: &[u8], peer: &Peer<'_>| {
        let wrong = CyclicPattern::first_difference(chargen, received, data);
        wrong.map_or(Ok(received + data.len() as u64), |wrong| Err(peer.wrong(received, wrong)))
    };
    let start = clock::now();
    let end = start + plan.time;
    let mut received = 0;
    while received < plan.bytes && clock::now() < end {
        match peer.read(receive, received)? {
            0 => return Err(peer.early_end(received)),
            length => received = verified(received, &receive[..length], &peer)?,
        }
    }
    peer.finish(received)?;
    let end = clock::now() + plan.stall_timeout;
    loop {
        match peer.read(receive, received)? {
            0 => {
                let time = clock::now() - start;
                return Ok(Measured { time, done: Done::Bytes(received) });
            }
            length => received = verified(received, &receive[..length], &peer)?,
        }
        if clock::now() >= end {
            return Err(peer.endless(received));
        }
    }
}
