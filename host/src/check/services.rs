//! The checks of the shell and of telemetry, and of a reset, which takes both.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Instant;

use mio::{Events, Interest, Poll, Token};

use crate::check::plan::{ECHO, Plan, SHELL, TELEMETRY};
use crate::check::table::Seen;
use crate::check::wire::{Wire, deadline, left, lost};
use crate::lines::{Line, Lines};
use crate::serve::LINE_MAX;
use crate::telemetry::{History, Report};

/// Reports to wait for.
const REPORTS: usize = 2;
/// What the shell may answer to one command at most.
const ANSWER_MAX: usize = 64 * 1024;
/// What the shell says when it waits for a command.
const PROMPT: &[u8] = b"\n> ";

/// What comes up to the shell's prompt.
fn answer(wire: &mut Wire, to: &str) -> Result<String, String> {
    let (mut text, mut buffer) = (Vec::new(), [0; 1024]);
    while !text.ends_with(PROMPT) {
        let read = wire.read(&mut buffer).and_then(|length| match length {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            length => Ok(length),
        });
        let length = read.map_err(|error| format!("no prompt after {to}: {}", lost(&error)))?;
        text.extend_from_slice(&buffer[..length]);
        if text.len() > ANSWER_MAX {
            return Err(format!("more than {ANSWER_MAX} bytes after {to}, and no prompt"));
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

pub(super) fn shell(plan: &Plan) -> Seen {
    let mut wire = Wire::connect(plan, SHELL, deadline(plan))?;
    answer(&mut wire, "the greeting")?;
    for (command, part) in [
        ("help", "netstat"),
        ("led on", "led is on"),
        ("led off", "led is off"),
        // Its own connection is in the table.
        ("netstat", "ESTABLISHED"),
    ] {
        wire.write_all(format!("{command}\n").as_bytes())?;
        let text = answer(&mut wire, command)?;
        if !text.contains(part) {
            let first = text.lines().next().unwrap_or_default();
            return Err(format!("`{command}` is not answered with `{part}`, but with `{first}`"));
        }
    }
    Ok("help, led and netstat are answered".to_owned())
}

/// Where telemetry arrives: this machine's address towards the board.
fn listen(plan: &Plan) -> Result<TcpListener, String> {
    let towards = || {
        let any = if plan.address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any)?;
        // A datagram socket that connects sends nothing: it asks for the route.
        socket.connect(plan.at(ECHO))?;
        Ok(SocketAddr::new(socket.local_addr()?.ip(), TELEMETRY))
    };
    let address = plan.listen.map_or_else(towards, Ok);
    let address = address.map_err(|error: std::io::Error| format!("no route: {error}"))?;
    TcpListener::bind(address).map_err(|error| {
        format!(
            "cannot listen on {address}: {error}; end the program that does, name another address \
             with --listen, or leave it out with --skip telemetry"
        )
    })
}

/// Takes the board's connection.
fn accept(listener: TcpListener, plan: &Plan, deadline: Instant) -> Result<Wire, String> {
    let failed = |error: std::io::Error| format!("cannot accept telemetry: {error}");
    listener.set_nonblocking(true).map_err(failed)?;
    let mut listener = mio::net::TcpListener::from_std(listener);
    let mut poll = Poll::new().map_err(failed)?;
    poll.registry().register(&mut listener, Token(0), Interest::READABLE).map_err(failed)?;
    let mut events = Events::with_capacity(1);
    loop {
        match listener.accept() {
            Ok((stream, peer)) if peer.ip() == plan.address => {
                let stream = std::net::TcpStream::from(stream);
                stream.set_nonblocking(false).map_err(failed)?;
                return Ok(Wire::over(stream, deadline));
            }
            Ok((_, peer)) => log::info!("{peer} is not the board"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let time = left(deadline).map_err(|_| "the board did not connect".to_owned())?;
                match poll.poll(&mut events, Some(time)) {
                    Err(error) if error.kind() != ErrorKind::Interrupted => {
                        return Err(failed(error));
                    }
                    _ => {}
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Reads reports, and returns the last.
fn reports(wire: &mut Wire) -> Result<Report, String> {
    let (mut lines, mut history) = (Lines::new(LINE_MAX), History::default());
    let (mut buffer, mut count) = ([0; 1024], 0);
    loop {
        let length = wire
            .read(&mut buffer)
            .map_err(|error| format!("telemetry: {} after {count} reports", lost(&error)))?;
        if length == 0 {
            return Err(format!("telemetry closed (FIN) after {count} reports"));
        }
        let mut rest = &buffer[..length];
        while let Some(line) = lines.next(&mut rest) {
            let Line::Complete(line) = line else {
                return Err(format!("a report is longer than {LINE_MAX} bytes"));
            };
            let report = Report::parse(&line).map_err(|why| format!("not a report: {why}"))?;
            if let Some(finding) = history.observe(&report) {
                return Err(finding.to_string());
            }
            count += 1;
            if count == REPORTS {
                return Ok(report);
            }
        }
    }
}

pub(super) fn telemetry(plan: &Plan) -> Seen {
    let deadline = deadline(plan);
    let report = reports(&mut accept(listen(plan)?, plan, deadline)?)?;
    let name = report.board().unwrap_or_else(|| "a board without a name".to_owned());
    Ok(format!("{REPORTS} reports of {name}"))
}

pub(super) fn reset(plan: &Plan) -> Seen {
    let deadline = deadline(plan);
    let listens = !plan.skip.contains(&"telemetry");
    let before = if listens { Some(accept(listen(plan)?, plan, deadline)?) } else { None };
    let before = before.map(|mut wire| reports(&mut wire)).transpose()?;
    let mut shell = Wire::connect(plan, SHELL, deadline)?;
    answer(&mut shell, "the greeting")?;
    shell.write_all(b"reset\n")?;
    // Up to the FIN or the reset: which one comes is a matter of what the board does first.
    let mut buffer = [0; 1024];
    loop {
        match shell.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => return Err(format!("after `reset`: {}", lost(&error))),
        }
    }
    let Some(before) = before.and_then(|report| report.uptime_ms()) else {
        super::tcp::echo(plan)?;
        return Ok("it echoes again; without telemetry, its uptime was not seen".to_owned());
    };
    // Telemetry of before the reset may still be connecting: the uptime says which it is.
    let after = loop {
        let listener = listen(plan)?;
        let report = accept(listener, plan, deadline).and_then(|mut wire| reports(&mut wire));
        match report {
            Ok(report) => match report.uptime_ms() {
                Some(uptime) if uptime < before => break uptime,
                _ => left(deadline).map_err(|_| "its uptime did not begin anew".to_owned())?,
            },
            Err(error) if left(deadline).is_err() => {
                return Err(format!("after the reset: {error}"));
            }
            Err(_) => continue,
        };
    };
    super::tcp::echo(plan)?;
    Ok(format!("up {after} ms, before that {before} ms, and it echoes"))
}
