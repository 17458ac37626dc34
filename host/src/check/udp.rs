//! The checks of UDP.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::check::failure::{CheckFailure, Seen};
use crate::check::plan::{CheckPlan, DISCARD, ECHO, UNREGISTERED};
use crate::check::tcp::{QUIET, REFUSAL_MAX, trip};
use crate::check::wire::{Wire, deadline, is_timeout, left, lost};
use crate::clock;
use crate::pattern::Pattern;
use crate::units::{counted, show_seconds, show_time};

/// Bytes of a packet of IP in a frame of Ethernet.
const MTU: usize = 1500;
/// Datagrams of a burst, and the bytes of each.
const BURST: usize = 256;
const BURST_BYTES: usize = 32;
/// A datagram may be lost: it is sent again after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// A socket that exchanges datagrams with this port of the board alone.
fn socket(plan: &CheckPlan, port: u16) -> Result<UdpSocket, String> {
    let any = if plan.address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let open = || {
        let socket = UdpSocket::bind(any)?;
        socket.connect(plan.at(port))?;
        Ok(socket)
    };
    open().map_err(|error: io::Error| format!("cannot send to {}: {error}", plan.at(port)))
}

/// Sends `data`, again and again, until something comes back or time runs out.
fn ask(socket: &UdpSocket, data: &[u8], buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
    loop {
        let time = left(deadline)?.min(AGAIN);
        socket.send(data)?;
        match answer(socket, buffer, clock::now() + time) {
            Err(error) if is_timeout(&error) => {}
            result => return result,
        }
    }
}

/// Waits for a datagram, or what ICMP says of the one that was sent.
fn answer(socket: &UdpSocket, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
    loop {
        socket.set_read_timeout(Some(left(deadline)?))?;
        match socket.recv(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// What an error means here: the system hands on what ICMP says of a datagram.
fn told(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "port unreachable".to_owned(),
        _ => lost(error),
    }
}

pub(super) fn echo(plan: &CheckPlan) -> Seen {
    // A board need not take fragments: the largest datagram fits a frame.
    let largest = MTU - 8 - if plan.address.is_ipv4() { 20 } else { 40 };
    let sizes = [1, 64, 512, largest];
    let (mut data, mut back) = ([0; MTU], [0; 2048]);
    let deadline = deadline(plan);
    for (size, stream) in sizes.into_iter().zip(0..) {
        // A socket for each: the late echo of a repetition is none of the next one's.
        let socket = socket(plan, ECHO)?;
        Pattern::new(2, stream).fill(0, &mut data[..size]);
        let answer = ask(&socket, &data[..size], &mut back, deadline);
        let length = answer.map_err(|error| match error.kind() {
            ErrorKind::TimedOut => format!("no answer to {}", counted(size, "byte")),
            _ => format!("{}: {}", counted(size, "byte"), told(&error)),
        })?;
        if length != size {
            return Err(format!("{} came back as {length}", counted(size, "byte")).into());
        }
        if back[..size] != data[..size] {
            return Err(format!("{} came back changed", counted(size, "byte")).into());
        }
    }
    Ok(format!("{} datagrams of 1 to {largest} bytes came back", sizes.len()))
}

pub(super) fn discard(plan: &CheckPlan) -> Seen {
    let socket = socket(plan, DISCARD)?;
    socket.send(b"nobody reads this").map_err(|error| told(&error))?;
    match answer(&socket, &mut [0; 64], clock::now() + QUIET) {
        Err(error) if is_timeout(&error) => Ok("nothing came back".to_owned()),
        Err(error) => Err(told(&error).into()),
        Ok(length) => Err(format!("{} came back", counted(length, "byte")).into()),
    }
}

/// More than a chip has room for, as fast as this machine can: most are lost, and it is none of the board's faults.
pub(super) fn burst(plan: &CheckPlan) -> Seen {
    let deadline = deadline(plan);
    let (discard, echo) = (socket(plan, DISCARD)?, socket(plan, ECHO)?);
    let (mut sent, mut ping) = (0, *b"is it still there?");
    for _ in 0..BURST {
        // What this machine has no room for it may refuse; what the board says of them is another check's.
        sent += usize::from(discard.send(&[b'x'; BURST_BYTES]).is_ok());
    }
    let lost = |error: io::Error| match error.kind() {
        ErrorKind::TimedOut => format!("no answer after {}", counted(sent, "datagram")),
        _ => format!("after {}: {}", counted(sent, "datagram"), told(&error)),
    };
    ask(&echo, &ping.clone(), &mut ping, deadline).map_err(lost)?;
    let mut wire = Wire::connect(plan, ECHO, deadline)?;
    trip(&mut wire, 6, 0).map_err(|seen| format!("after {}: {seen}", counted(sent, "datagram")))?;
    Ok(format!("it echoes after {}", counted(sent, "datagram")))
}

pub(super) fn refused(plan: &CheckPlan) -> Seen {
    if plan.forwarded {
        return Err(CheckFailure::Unseen(
            "ICMP does not come through a forwarded port; ask the board at an address of its own"
                .to_owned(),
        ));
    }
    let limit = plan.timeout.min(REFUSAL_MAX);
    let begun = clock::now();
    match ask(&socket(plan, UNREGISTERED)?, b"?", &mut [0; 64], begun + limit) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            Ok(format!("unreachable, as it said in {}", show_time(clock::now() - begun)))
        }
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            Err(format!("it was silent for {}", show_seconds(limit)).into())
        }
        Err(error) => Err(told(&error).into()),
        Ok(length) => Err(format!("it answered with {}", counted(length, "byte")).into()),
    }
}
