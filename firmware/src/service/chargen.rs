//! Character generator (RFC 864), TCP port 19: text without end, for a client that measures or
//! tests.
//!
//! The classic pattern: lines of 72 of the 95 printing ASCII characters, each line starting one
//! character later than the one before, ended by CR LF. It repeats after 95 lines, so a
//! connection's whole state is a position in those 7030 bytes. What the peer sends is thrown away,
//! as the RFC says; its FIN ends the connection.
//!
//! UDP port 19 is not offered, on purpose: a datagram with a forged source would make the board
//! send a longer one to a victim of the forger's choice.

use core::net::SocketAddr;
use core::ops::ControlFlow;

use embedded_nal::TcpFullStack;
use smoltcp::time::Instant;

use super::buffer::moved;
use super::contract::Service;
use super::server::{Connection, Server, Stop, drain};
use crate::buffer_access::BufferAccess;
use crate::config::{SERVICE_BUDGET, TCP_SLOTS};

/// The port of RFC 864.
pub const PORT: u16 = 19;

/// Characters in a line, without its CR LF.
const COLUMNS: usize = 72;

/// Printing characters, from space to `~`.
const CHARACTERS: usize = 95;

/// Bytes in a line.
const LINE: usize = COLUMNS + 2;

/// Bytes after which the pattern repeats.
const PERIOD: usize = CHARACTERS * LINE;

/// The character generator. `T` is the stack's TCP handle.
#[derive(Debug)]
pub struct Chargen<T> {
    tcp: Server<T, Pattern, TCP_SLOTS>,
}

impl<T> Default for Chargen<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Chargen<T> {
    /// A service that will listen from its first poll on.
    #[must_use]
    pub const fn new() -> Self {
        Self { tcp: Server::new(PORT) }
    }
}

impl<S: TcpFullStack + BufferAccess, B> Service<S, B> for Chargen<S::TcpSocket> {
    fn poll(&mut self, now: Instant, stack: &mut S, _board: &mut B) -> Option<Instant> {
        self.tcp.poll(now, stack, &mut ())
    }

    fn shutdown(&mut self, stack: &mut S, _board: &mut B) {
        self.tcp.close(stack);
    }
}

/// Where in the pattern a connection is: bytes sent, modulo [`PERIOD`].
#[derive(Debug)]
struct Pattern(usize);

impl<S: BufferAccess> Connection<S, ()> for Pattern {
    fn new(_remote: SocketAddr) -> Self {
        Self(0)
    }

    fn serve(
        &mut self,
        stack: &mut S,
        socket: &mut S::TcpSocket,
        (): &mut (),
    ) -> ControlFlow<Stop> {
        let flooded = match drain(stack, socket) {
            ControlFlow::Break(Stop::Done) => return ControlFlow::Break(Stop::Done),
            drained => drained.is_continue(),
        };
        let mut left = SERVICE_BUDGET;
        while left > 0 {
            match moved(&stack.send_with(socket, |filled, room| fill(self.0 + filled, room))) {
                ControlFlow::Continue(sent @ 1..) => {
                    self.0 = (self.0 + sent) % PERIOD;
                    left = left.saturating_sub(sent);
                }
                // Unread input is work even when there is no send room.
                ControlFlow::Continue(0) | ControlFlow::Break(Stop::Idle) => {
                    if flooded {
                        break;
                    }
                    return ControlFlow::Break(Stop::Idle);
                }
                ControlFlow::Break(Stop::Done) => return ControlFlow::Break(Stop::Done),
            }
        }
        ControlFlow::Continue(())
    }
}

/// The printing characters, and the first of them again, so that each line is a piece of it.
static RING: [u8; CHARACTERS + COLUMNS] = {
    let mut ring = [0; CHARACTERS + COLUMNS];
    let mut index = 0;
    while index < ring.len() {
        ring[index] = b' ' + (index % CHARACTERS) as u8;
        index += 1;
    }
    ring
};

/// Writes a line of the pattern, with its end.
#[inline(never)]
fn write(line: usize, to: &mut [u8; LINE]) {
    to[..COLUMNS].copy_from_slice(&RING[line..line + COLUMNS]);
    to[COLUMNS..].copy_from_slice(b"\r\n");
}

/// Fills `chunk` with the pattern from `position` on: line by line up to where it repeats, then with what is
/// there already, of which more and more is copied at once.
fn fill(position: usize, chunk: &mut [u8]) {
    let mut filled = PERIOD.min(chunk.len());
    fill_lines(position, &mut chunk[..filled]);
    while filled < chunk.len() {
        let more = filled.min(chunk.len() - filled);
        chunk.copy_within(..more, filled);
        filled += more;
    }
}

/// Fills `chunk` with the pattern from `position` on. Whole lines are of a length that the compiler knows, so
/// that none takes a call of `memcpy`.
fn fill_lines(position: usize, chunk: &mut [u8]) {
    let (mut line, column) = (position / LINE % CHARACTERS, position % LINE);
    let mut piece = [0; LINE];
    write(line, &mut piece);
    let (begun, rest) = chunk.split_at_mut((LINE - column).min(chunk.len()));
    begun.copy_from_slice(&piece[column..][..begun.len()]);
    let (lines, last) = rest.as_chunks_mut();
    let mut next = || {
        line = (line + 1) % CHARACTERS;
        line
    };
    for whole in lines {
        write(next(), whole);
    }
    write(next(), &mut piece);
    last.copy_from_slice(&piece[..last.len()]);
}
