//! The checks of UDP.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::time::Duration;

use crate::check::plan::{ECHO, Plan, UNREGISTERED};
use crate::check::table::Seen;
use crate::check::wire::{deadline, left};
use crate::pattern::Pattern;
use crate::units::show_seconds;

/// Bytes of a packet of IP in a frame of Ethernet.
const MTU: usize = 1500;
/// A datagram may be lost: it is sent again after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// A socket that exchanges datagrams with this port of the board alone.
fn socket(plan: &Plan, port: u16) -> Result<UdpSocket, String> {
    let any = if plan.address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let open = || {
        let socket = UdpSocket::bind(any)?;
        socket.connect(plan.at(port))?;
        Ok(socket)
    };
    open().map_err(|error: io::Error| format!("cannot send to {}: {error}", plan.at(port)))
}

/// Sends `data`, again and again, until something comes back or time runs out.
fn ask(plan: &Plan, socket: &UdpSocket, data: &[u8], buffer: &mut [u8]) -> io::Result<usize> {
    let deadline = deadline(plan);
    loop {
        let time = left(deadline)?.min(AGAIN);
        socket.send(data)?;
        socket.set_read_timeout(Some(time))?;
        match socket.recv(buffer) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            result => return result,
        }
    }
}

pub(super) fn echo(plan: &Plan) -> Seen {
    // A board need not take fragments: the largest datagram fits a frame.
    let largest = MTU - 8 - if plan.address.is_ipv4() { 20 } else { 40 };
    let sizes = [1, 64, 512, largest];
    let (mut data, mut back) = ([0; MTU], [0; 2048]);
    for (size, stream) in sizes.into_iter().zip(0..) {
        // A socket for each: the late echo of a repetition is none of the next one's.
        let socket = socket(plan, ECHO)?;
        Pattern::new(2, stream).fill(0, &mut data[..size]);
        let length =
            ask(plan, &socket, &data[..size], &mut back).map_err(|error| match error.kind() {
                ErrorKind::TimedOut => format!("no answer to {size} bytes"),
                ErrorKind::ConnectionRefused => "port unreachable".to_owned(),
                _ => format!("{size} bytes: {error}"),
            })?;
        if back[..length] != data[..size] {
            return Err(format!("{size} bytes came back as {length} others"));
        }
    }
    Ok(format!("{} datagrams of 1 to {largest} bytes came back", sizes.len()))
}

/// ICMP is not forwarded.
pub(super) fn refusal_hidden(plan: &Plan) -> Option<String> {
    let why = "ICMP does not come through a forwarded port; ask the board at an address of its own";
    plan.forwarded().then(|| why.to_owned())
}

pub(super) fn refused(plan: &Plan) -> Seen {
    let address = plan.at(UNREGISTERED);
    match ask(plan, &socket(plan, UNREGISTERED)?, b"?", &mut [0; 2048]) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            Ok(format!("{address} is unreachable, as it says"))
        }
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            Err(format!("{address} was silent for {}", show_seconds(plan.timeout)))
        }
        Err(error) => Err(format!("{address}: {error}")),
        Ok(length) => Err(format!("{address} answered with {length} bytes")),
    }
}
