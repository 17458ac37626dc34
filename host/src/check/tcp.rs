//! The checks of TCP and of the simple services on it.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::bench::cyclic_pattern::CyclicPattern;
use crate::check::failure::{CheckFailure, Seen};
use crate::check::plan::{CHARGEN, CheckPlan, DISCARD, ECHO, UNREGISTERED};
use crate::check::wire::{Wire, deadline, is_timeout, left, lost, wrong};
use crate::clock;
use crate::pattern::Pattern;
use crate::units::{counted, show_seconds, show_time};

/// Bytes of a small echo: less than a board's smallest buffer.
const SMALL: usize = 512;
/// Bytes of chargen's pattern to look at: more than a period of 7030.
const CHARACTERS: usize = 8000;
/// Bytes for discard.
const DISCARDED: usize = 4096;
/// Connections at once.
const AT_ONCE: usize = 4;
/// Connections in turn.
const IN_TURN: u64 = 32;
/// What has not come after this time was not sent.
pub(super) const QUIET: Duration = Duration::from_millis(500);
/// Bytes of one read or write of the large echo.
const CHUNK: usize = 16 * 1024;
/// A refusal takes a round trip, and this is enough for three attempts; what takes longer is silence.
pub(super) const REFUSAL_MAX: Duration = Duration::from_secs(5);

/// Sends the bytes of `stream` and compares what comes back.
pub(super) fn trip(wire: &mut Wire, stream: u64, offset: u64) -> Result<(), String> {
    let pattern = Pattern::new(1, stream);
    let mut data = [0; SMALL];
    pattern.fill(offset, &mut data);
    wire.write_all(&data)?;
    wire.read_all(&mut data, "echo")?;
    pattern.first_difference(offset, &data).map_or(Ok(()), |found| Err(wrong(offset, found)))
}

pub(super) fn echo(plan: &CheckPlan) -> Seen {
    let mut wire = Wire::connect(plan, ECHO, deadline(plan))?;
    trip(&mut wire, 0, 0)?;
    Ok(format!("{SMALL} bytes came back"))
}

pub(super) fn discard(plan: &CheckPlan) -> Seen {
    let mut wire = Wire::connect(plan, DISCARD, deadline(plan))?;
    wire.write_all(&[b'x'; DISCARDED])?;
    quiet(&mut wire, QUIET).map_err(|seen| format!("before our FIN, {seen}"))?;
    wire.finish()?;
    wire.expect_fin()?;
    Ok(format!("it took {DISCARDED} bytes"))
}

pub(super) fn chargen(plan: &CheckPlan) -> Seen {
    let mut wire = Wire::connect(plan, CHARGEN, deadline(plan))?;
    let mut data = [0; CHARACTERS];
    wire.read_all(&mut data, "chargen")?;
    match CyclicPattern::chargen(CHARACTERS).first_difference(0, &data) {
        Some(found) => Err(wrong(0, found).into()),
        None => Ok(format!("{CHARACTERS} bytes of the pattern")),
    }
}

pub(super) fn refused(plan: &CheckPlan) -> Seen {
    let (begun, address) = (clock::now(), plan.at(UNREGISTERED));
    let limit = plan.timeout.min(REFUSAL_MAX);
    match TcpStream::connect_timeout(&address, limit) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused && plan.forwarded => {
            Err(CheckFailure::Unseen(format!(
                "port {} is not forwarded, so the board was not asked; forward it to {UNREGISTERED}, \
                 which nobody registers",
                address.port()
            )))
        }
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            Ok(format!("refused in {}", show_time(clock::now() - begun)))
        }
        Err(error) if is_timeout(&error) => {
            Err(format!("{address} was silent for {}", show_seconds(limit)).into())
        }
        // Accepted and reset at once, before this machine has told us of the first.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => after_accept(plan),
        Err(error) => Err(format!("{address}: {error}").into()),
        Ok(stream) if plan.forwarded => {
            refused_behind(plan, Wire::over(stream, begun + limit), limit)
        }
        Ok(_) => Err(format!("{address} accepted the connection").into()),
    }
}

/// What a reset tells that came after the connection was accepted.
fn after_accept(plan: &CheckPlan) -> Seen {
    if plan.forwarded {
        return Ok("the forward accepted it, and handed on a reset".to_owned());
    }
    Err(format!("{} accepted the connection and reset it", plan.at(UNREGISTERED)).into())
}

/// A forward accepts before it has asked the board. What it makes of a refusal is its own affair.
fn refused_behind(plan: &CheckPlan, mut wire: Wire, limit: Duration) -> Seen {
    match wire.read(&mut [0; 64]) {
        Err(error) if error.kind() == ErrorKind::ConnectionReset => after_accept(plan),
        Ok(0) => Err(CheckFailure::Unseen(
            "the forward accepted the connection and closed it, which it may do when the board refuses, \
             and when the board accepts and closes"
                .to_owned(),
        )),
        Ok(_) => Err("it was accepted, and data came".to_owned().into()),
        Err(error) if is_timeout(&error) => {
            let limit = show_seconds(limit);
            Err(format!("it was accepted, and neither reset nor closed within {limit}").into())
        }
        Err(error) => Err(format!("it was accepted; then {}", lost(&error)).into()),
    }
}

pub(super) fn half_close(plan: &CheckPlan) -> Seen {
    let mut wire = Wire::connect(plan, ECHO, deadline(plan))?;
    let pattern = Pattern::new(1, 1);
    let mut data = [0; SMALL];
    pattern.fill(0, &mut data);
    // The FIN is behind the data at once, so that what comes back comes after it.
    wire.write_all(&data)?;
    wire.finish()?;
    wire.read_all(&mut data, "after our FIN")?;
    if let Some(found) = pattern.first_difference(0, &data) {
        return Err(wrong(0, found).into());
    }
    wire.expect_fin()?;
    Ok(format!("{SMALL} bytes came back, then a FIN"))
}

pub(super) fn at_once(plan: &CheckPlan) -> Seen {
    let deadline = deadline(plan);
    let mut wires = Vec::with_capacity(AT_ONCE);
    for number in 1..=AT_ONCE {
        let wire = Wire::connect(plan, ECHO, deadline);
        wires.push(wire.map_err(|error| format!("connection {number}: {error}"))?);
    }
    for (wire, number) in wires.iter_mut().zip(1..) {
        trip(wire, number, 0).map_err(|error| format!("connection {number}: {error}"))?;
    }
    Ok(format!("{AT_ONCE} served, all open"))
}

pub(super) fn in_turn(plan: &CheckPlan) -> Seen {
    let deadline = deadline(plan);
    for number in 1..=IN_TURN {
        Wire::connect(plan, ECHO, deadline)
            .and_then(|mut wire| {
                trip(&mut wire, number, 0)?;
                wire.finish()?;
                wire.expect_fin()
            })
            .map_err(|error| format!("connection {number} of {IN_TURN}: {error}"))?;
    }
    Ok(format!("{IN_TURN} served"))
}

pub(super) fn large_echo(plan: &CheckPlan) -> Seen {
    let mut wire = Wire::connect(plan, ECHO, deadline(plan))?;
    let pattern = Pattern::new(1, 2);
    let mut sender = wire.twin()?;
    let begun = clock::now();
    thread::scope(|scope| {
        let sent = scope.spawn(move || {
            let mut data = [0; CHUNK];
            let mut offset = 0;
            while offset < plan.bytes {
                let length = (plan.bytes - offset).min(CHUNK as u64) as usize;
                pattern.fill(offset, &mut data[..length]);
                sender.write_all(&data[..length])?;
                offset += length as u64;
            }
            sender.finish()
        });
        let received = compare(&mut wire, pattern, plan.bytes);
        if received.is_err() {
            wire.end();
        }
        let sent = sent.join().map_err(|_| "the sending thread has ended".to_owned())?;
        received.and(sent)
    })?;
    let rate = plan.bytes as f64 / (clock::now() - begun).as_secs_f64() / 1e6;
    Ok(format!("{} came back, {rate:.2} MB/s each way", counted(plan.bytes, "byte")))
}

/// Compares what comes with the pattern, up to `total` bytes and the peer's FIN.
fn compare(wire: &mut Wire, pattern: Pattern, total: u64) -> Result<(), String> {
    let mut data = [0; CHUNK];
    let mut offset = 0;
    while offset < total {
        let length = (total - offset).min(CHUNK as u64) as usize;
        let read = wire.read(&mut data[..length]);
        let read =
            read.map_err(|error| format!("{} after {}", lost(&error), counted(offset, "byte")))?;
        if read == 0 {
            return Err(format!("it closed (FIN) after {offset} of {}", counted(total, "byte")));
        }
        if let Some(found) = pattern.first_difference(offset, &data[..read]) {
            return Err(wrong(offset, found));
        }
        offset += read as u64;
    }
    wire.expect_fin()
}

pub(super) fn idle(plan: &CheckPlan) -> Seen {
    let mut wire = Wire::connect(plan, ECHO, deadline(plan) + plan.idle)?;
    trip(&mut wire, 3, 0)?;
    quiet(&mut wire, plan.idle).map_err(|seen| format!("while idle, {seen}"))?;
    trip(&mut wire, 3, SMALL as u64)?;
    Ok(format!("it answered after {}", show_seconds(plan.idle)))
}

/// Waits for this time, in which nothing may come.
pub(super) fn quiet(wire: &mut Wire, time: Duration) -> Result<(), String> {
    let end = clock::now() + time;
    while let Ok(time) = left(end) {
        match wire.read_for(&mut [0; 64], time) {
            Err(error) if is_timeout(&error) || error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(lost(&error)),
            Ok(0) => return Err("it closed (FIN)".to_owned()),
            Ok(_) => return Err("data came that was not due".to_owned()),
        }
    }
    Ok(())
}
