//! The check of a reset, which takes the shell to ask for it, and telemetry and an old connection to see
//! that it came about.

use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::check::failure::{CheckFailure, Seen};
use crate::check::plan::{CheckPlan, ECHO};
use crate::check::shell::session;
use crate::check::tcp::{self, trip};
use crate::check::telemetry::{Collector, reports};
use crate::check::wire::{Wire, deadline, is_timeout, lost};
use crate::clock;

/// The stream of the pattern that the old connection carries.
const STREAM: u64 = 4;
/// How soon to try again a connection that a board about to reset still serves.
const AGAIN: Duration = Duration::from_millis(100);

pub(super) fn reset(plan: &CheckPlan) -> Seen {
    // Before the reset the board keeps the connection that it has, so the next is one of after it.
    let before = match reporting(plan) {
        // Without it there is still a reset to be seen.
        Err(CheckFailure::Unseen(why)) => {
            log::info!("telemetry: {why}");
            None
        }
        result => result?,
    };
    let deadline = deadline(plan);
    let mut old = Wire::connect(plan, ECHO, deadline)?;
    trip(&mut old, STREAM, 0)?;

    let mut shell = session(plan, deadline)?;
    let asked = clock::now();
    shell.write_all(b"reset\n")?;
    end(&mut shell).map_err(|seen| format!("after `reset`, the shell's connection: {seen}"))?;
    gone(&mut old)?;

    let Some((mut collector, _open, before)) = before else {
        tcp::echo(plan)?;
        return Ok("old connections are gone, and it echoes; its uptime was not seen".to_owned());
    };
    let (mut wire, _) = collector.accept(deadline).map_err(|miss| match miss {
        CheckFailure::Wrong(seen) | CheckFailure::Unseen(seen) => format!("after it, {seen}"),
    })?;
    let report = reports(&mut wire).map_err(|seen| format!("telemetry after it: {seen}"))?;
    let after =
        report.uptime_ms().ok_or_else(|| "telemetry after it: no `uptime_ms`".to_owned())?;
    // A board that had only just booted may have been up for less time before.
    if after >= before && u128::from(after) > (clock::now() - asked).as_millis() {
        let went = format!("its uptime went on: {before} ms before it, {after} ms after it");
        return Err(went.into());
    }
    tcp::echo(plan)?;
    Ok(format!("up {after} ms, before that {before} ms, and it echoes"))
}

/// The board's telemetry, if it is to be looked at and tells the uptime: who listens for it, the connection, and
/// that uptime.
fn reporting(plan: &CheckPlan) -> Result<Option<(Collector, Wire, u64)>, CheckFailure> {
    if plan.skip.contains(&"telemetry") {
        return Ok(None);
    }
    let mut collector = Collector::open(plan)?;
    let (mut wire, _) = collector.accept(deadline(plan))?;
    let report = reports(&mut wire).map_err(|seen| format!("telemetry: {seen}"))?;
    Ok(report.uptime_ms().map(|uptime| (collector, wire, uptime)))
}

/// Reads up to the FIN or the reset: which one comes is a matter of what the board does first.
fn end(wire: &mut Wire) -> Result<(), String> {
    let mut buffer = [0; 1024];
    loop {
        match wire.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(lost(&error)),
        }
    }
}

/// Uses a connection of before the reset until it is gone. A board may serve it until it does what it said.
fn gone(wire: &mut Wire) -> Result<(), String> {
    loop {
        match wire.send(b"?").and_then(|()| wire.read(&mut [0; 64])) {
            Ok(1..) => {}
            end => return over(end),
        }
        match wire.read_for(&mut [0; 64], AGAIN) {
            Err(error) if is_timeout(&error) => {}
            end => return over(end),
        }
        wire.left()
            .map_err(|_| "it serves a connection of before it: it did not reset".to_owned())?;
    }
}

/// Whether that was the end of a connection.
fn over(read: io::Result<usize>) -> Result<(), String> {
    match read {
        Ok(0) => Ok(()),
        Err(error)
            if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) =>
        {
            Ok(())
        }
        Ok(_) => Err("a connection of before it got data that was not due".to_owned()),
        Err(error) => Err(format!("a connection of before it is not reset: {}", lost(&error))),
    }
}
