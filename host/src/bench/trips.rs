//! What takes little data and much turning: round trips on one connection, and connections one by one.

use crate::bench::outcome::{Done, Measured};
use crate::bench::peer::Peer;
use crate::bench::plan::{BenchPlan, PING, TRIPS_MAX, Test};
use crate::clock;
use crate::output::Error;
use crate::stats::Samples;

use crate::bench::buffers::BenchBuffers;

/// 64 bytes there and back on one connection, one at a time, until the time is over.
pub(super) fn trips(plan: &BenchPlan, buffers: &mut BenchBuffers) -> Result<Measured, Error> {
    let mut peer = Peer::connect_for_bulk(plan, Test::Trip)?;
    let mut samples = Samples::default();
    let start = clock::now();
    let (mut before, end) = (start, start + plan.time);
    let mut offset = 0;
    for _ in 0..TRIPS_MAX {
        ping(&mut peer, buffers, offset)?;
        offset += PING as u64;
        let after = clock::now();
        samples.push(after - before);
        before = after;
        if after >= end {
            break;
        }
    }
    peer.finish(offset)?;
    peer.expect_fin(offset)?;
    Ok(Measured { time: before - start, done: Done::times(samples) })
}

/// Connections that echo 64 bytes each, one after the other, until the time is over or their number is
/// reached; each from its connect to the peer's FIN.
pub(super) fn connections(plan: &BenchPlan, buffers: &mut BenchBuffers) -> Result<Measured, Error> {
    let mut samples = Samples::default();
    let start = clock::now();
    let (mut before, end) = (start, start + plan.time);
    for number in 0..u64::from(plan.connections) {
        let mut peer = Peer::connect(plan, Test::Connect)?;
        // Another place of the pattern for each, so that no board can answer with what it got before.
        ping(&mut peer, buffers, number)?;
        peer.finish(PING as u64)?;
        peer.expect_fin(PING as u64)?;
        let after = clock::now();
        samples.push(after - before);
        before = after;
        if after >= end {
            break;
        }
    }
    Ok(Measured { time: before - start, done: Done::times(samples) })
}

/// Sends the 64 bytes from `offset` on and waits until they are back.
fn ping(peer: &mut Peer<'_>, buffers: &mut BenchBuffers, offset: u64) -> Result<(), Error> {
    let BenchBuffers { random, receive, .. } = buffers;
    let due = random.slice(offset, PING);
    let mut sent = 0;
    while sent < PING {
        sent += peer.write(&due[sent..], offset)?;
    }
    let mut back = 0;
    while back < PING {
        match peer.read(&mut receive[back..], offset + back as u64)? {
            0 => return Err(peer.early_end(offset + back as u64)),
            length if length > PING - back => {
                return Err(peer.excess(PING as u64, length - (PING - back)));
            }
            length => back += length,
        }
    }
    match random.first_difference(offset, &receive[..PING]) {
        None => Ok(()),
        Some(wrong) => Err(peer.wrong(offset, wrong)),
    }
}
