//! What every UDP service does: keep a socket bound to its port, take datagrams from it and answer them.
//!
//! UDP promises nothing, and neither does this: a datagram that fits no frame ([`DATAGRAM_SIZE`])
//! or an answer that cannot be sent at once is dropped and counted. An error of the socket closes it; another is
//! bound after [`LISTEN_RETRY`]. The one buffer is on the call stack, for the length of a poll.
//!
//! ```
//! use core::net::SocketAddr;
//!
//! use embedded_nal::UdpFullStack;
//! use smoltcp::time::Instant;
//! use tapboard_firmware::service::datagram::UdpPort;
//! use tapboard_firmware::service::{Service, answers_by_itself};
//!
//! /// Answers each datagram with its length. `H` is the stack's UDP handle.
//! struct Length<H>(UdpPort<H>);
//!
//! impl<S: UdpFullStack, B> Service<S, B> for Length<S::UdpSocket> {
//!     fn poll(&mut self, now: Instant, stack: &mut S, _board: &mut B) -> Option<Instant> {
//!         self.0.poll(now, stack, |remote, datagram, length| {
//!             if answers_by_itself(remote.port()) {
//!                 return None; // or one forged datagram makes the two talk for ever
//!             }
//!             datagram[..2].copy_from_slice(&(length as u16).to_be_bytes());
//!             Some(2)
//!         })
//!     }
//!
//!     fn shutdown(&mut self, stack: &mut S, _board: &mut B) {
//!         self.0.close(stack);
//!     }
//! }
//! ```

use core::net::SocketAddr;

use embedded_nal::{UdpClientStack, UdpFullStack, nb};
use smoltcp::time::Instant;
use tapboard_net::netstat::Count;

use super::complain::complain;
use crate::config::{DATAGRAM_BUDGET, DATAGRAM_SIZE, LISTEN_RETRY};

/// A bound UDP port. `H` is the stack's UDP handle.
#[derive(Debug)]
pub struct UdpPort<H> {
    port: u16,
    socket: Option<H>,
    retry_at: Option<Instant>,
    dropped: Count,
}

impl<H> UdpPort<H> {
    /// A port that will be bound from its first poll on.
    #[must_use]
    pub const fn new(port: u16) -> Self {
        Self { port, socket: None, retry_at: None, dropped: 0 }
    }

    /// Datagrams that were too long or could not be sent, since boot. Wraps.
    #[must_use]
    pub const fn dropped(&self) -> Count {
        self.dropped
    }

    /// Hands each datagram received to `answer`, at most [`DATAGRAM_BUDGET`] of them: its sender,
    /// [`DATAGRAM_SIZE`] bytes that begin with it and are 0 after it, and its length. The result is the length of the
    /// answer, which stands at their beginning then, or `None` for no answer. Returns when it wants to be polled again though
    /// nothing has arrived; see [`super`] for the contract.
    pub fn poll<S: UdpFullStack<UdpSocket = H>>(
        &mut self,
        now: Instant,
        stack: &mut S,
        mut answer: impl FnMut(SocketAddr, &mut [u8; DATAGRAM_SIZE], usize) -> Option<usize>,
    ) -> Option<Instant> {
        // One byte more than the longest datagram tells a long one from one that was cut.
        let mut buffer = [0; DATAGRAM_SIZE + 1];
        for _ in 0..DATAGRAM_BUDGET {
            let Some((length, remote)) = self.receive(now, stack, &mut buffer) else {
                return self.retry_at;
            };
            let mut sent = false;
            if let Some(datagram) = buffer.first_chunk_mut().filter(|_| length <= DATAGRAM_SIZE) {
                // What an answer does not overwrite is no other peer's.
                datagram[length..].fill(0);
                let Some(length) = answer(remote, datagram, length) else {
                    continue;
                };
                sent =
                    datagram.get(..length).is_some_and(|answer| self.send(stack, remote, answer));
            }
            self.dropped = self.dropped.wrapping_add(Count::from(!sent));
        }
        Some(now)
    }

    /// Gives the handle back.
    pub fn close<S: UdpFullStack<UdpSocket = H>>(&mut self, stack: &mut S) {
        if let Some(handle) = self.socket.take() {
            close(stack, handle);
        }
    }

    fn receive<S: UdpFullStack<UdpSocket = H>>(
        &mut self,
        now: Instant,
        stack: &mut S,
        buffer: &mut [u8],
    ) -> Option<(usize, SocketAddr)> {
        let mut handle = self.socket.take().or_else(|| self.bind(now, stack))?;
        match stack.receive(&mut handle, buffer) {
            Ok(received) => {
                self.socket = Some(handle);
                Some(received)
            }
            Err(nb::Error::WouldBlock) => {
                self.socket = Some(handle);
                None
            }
            Err(nb::Error::Other(error)) => {
                complain("udp", self.port, "receive", &error);
                close(stack, handle);
                self.retry_at = Some(now + LISTEN_RETRY);
                None
            }
        }
    }

    /// Whether the stack took the datagram. An address nobody can reach must not cost the socket.
    fn send<S>(&mut self, stack: &mut S, remote: SocketAddr, datagram: &[u8]) -> bool
    where
        S: UdpFullStack<UdpSocket = H>,
    {
        let socket = self.socket.as_mut();
        socket.is_some_and(|handle| stack.send_to(handle, remote, datagram).is_ok())
    }

    fn bind<S: UdpFullStack<UdpSocket = H>>(&mut self, now: Instant, stack: &mut S) -> Option<H> {
        if self.retry_at.is_some_and(|at| now < at) {
            return None;
        }
        self.retry_at = None;
        open(stack, self.port)
            .inspect_err(|error| {
                complain("udp", self.port, "bind", &error);
                self.retry_at = Some(now + LISTEN_RETRY);
            })
            .ok()
    }
}

fn open<S: UdpFullStack>(stack: &mut S, port: u16) -> Result<S::UdpSocket, S::Error> {
    let mut handle = stack.socket()?;
    match stack.bind(&mut handle, port) {
        Ok(()) => Ok(handle),
        Err(error) => {
            close(stack, handle);
            Err(error)
        }
    }
}

fn close<S: UdpClientStack>(stack: &mut S, handle: S::UdpSocket) {
    if let Err(error) = stack.close(handle) {
        log::debug!("close: {error:?}");
    }
}

/// Whether whatever sits at UDP source `port` would answer an answer, so that none must be sent.
///
/// One forged datagram between two such services makes them talk for ever (CERT CA-1996-01). 0 is
/// no port to answer to (RFC 768: a source that wants no reply). The rest are services that reply
/// to any datagram, garbage included: echo 7, discard 9 (which never asks either), systat 11,
/// daytime 13, quote 17, chargen 19, time 37, DNS 53 (an error is a reply), TFTP 69 (likewise), NTP
/// 123.
#[must_use]
pub const fn answers_by_itself(port: u16) -> bool {
    matches!(port, 0 | 7 | 9 | 11 | 13 | 17 | 19 | 37 | 53 | 69 | 123)
}
