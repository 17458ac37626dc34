//! Bytes on their way from one call to the next: filled once, emptied as the other side allows.
//!
//! A [`Buffer`] is filled only while it is empty, so that it needs no ring and no copying down: two
//! indices, and what is due is one slice. The helpers [`receive`] and [`send`] turn the `nb`
//! results of the stack into the [`Stop`] that ends a service's turn, so that `?` does the rest.

use core::fmt;
use core::ops::ControlFlow;

use embedded_nal::{TcpClientStack, nb};

use super::turn::Stop;

/// At most `N` bytes that wait to be sent or looked at.
#[derive(Debug)]
pub struct Buffer<const N: usize> {
    bytes: [u8; N],
    start: usize,
    end: usize,
}

impl<const N: usize> Default for Buffer<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Buffer<N> {
    /// An empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; N], start: 0, end: 0 }
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// What waits, oldest first, to be looked at or changed.
    pub fn waiting(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Forgets what waits.
    pub const fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Forgets all of what waits but its first `length` bytes.
    pub(super) const fn truncate(&mut self, length: usize) {
        if self.end - self.start > length {
            self.end = self.start + length;
        }
    }

    /// Takes the oldest byte out.
    pub fn pop(&mut self) -> Option<u8> {
        let byte = *self.bytes[..self.end].get(self.start)?;
        self.start += 1;
        Some(byte)
    }

    /// Appends `bytes`, or as many of them as there is room for: then the result is `false`.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        if self.is_empty() {
            self.clear();
        }
        let taken = bytes.len().min(N - self.end);
        self.bytes[self.end..self.end + taken].copy_from_slice(&bytes[..taken]);
        self.end += taken;
        taken == bytes.len()
    }

    /// Fills the buffer, which must be empty, with at most `limit` received bytes and returns how many. 0 is
    /// the peer's FIN; it breaks with [`Stop::Idle`] if nothing has arrived, and with [`Stop::Done`] if the
    /// connection is lost.
    pub fn fill<S: TcpClientStack>(
        &mut self,
        stack: &mut S,
        socket: &mut S::TcpSocket,
        limit: usize,
    ) -> ControlFlow<Stop, usize> {
        debug_assert!(self.is_empty());
        self.clear();
        self.end = receive(stack, socket, &mut self.bytes[..N.min(limit)])?;
        ControlFlow::Continue(self.end)
    }

    /// Sends everything that is in the buffer and returns how many bytes that was. It breaks with
    /// [`Stop::Idle`] if the peer does not take them all yet.
    pub fn flush<S: TcpClientStack>(
        &mut self,
        stack: &mut S,
        socket: &mut S::TcpSocket,
    ) -> ControlFlow<Stop, usize> {
        let due = self.end - self.start;
        while !self.is_empty() {
            self.start += send(stack, socket, &self.bytes[self.start..self.end])?;
        }
        ControlFlow::Continue(due)
    }
}

impl<const N: usize> fmt::Write for Buffer<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.push(text.as_bytes()) { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Receives into `bytes`, which must not be empty. 0 is the peer's FIN.
pub fn receive<S: TcpClientStack>(
    stack: &mut S,
    socket: &mut S::TcpSocket,
    bytes: &mut [u8],
) -> ControlFlow<Stop, usize> {
    moved(&stack.receive(socket, bytes))
}

/// Sends the first of `bytes`, which must not be empty; the result is at least 1.
pub fn send<S: TcpClientStack>(
    stack: &mut S,
    socket: &mut S::TcpSocket,
    bytes: &[u8],
) -> ControlFlow<Stop, usize> {
    match moved(&stack.send(socket, bytes)) {
        ControlFlow::Continue(0) => ControlFlow::Break(Stop::Idle),
        sent => sent,
    }
}

/// How many bytes a call of the stack has moved, or why none.
pub fn moved<E>(result: &nb::Result<usize, E>) -> ControlFlow<Stop, usize> {
    match result {
        Ok(length) => ControlFlow::Continue(*length),
        Err(nb::Error::WouldBlock) => ControlFlow::Break(Stop::Idle),
        Err(nb::Error::Other(_)) => ControlFlow::Break(Stop::Done),
    }
}

#[cfg(test)]
mod tests {
    use core::fmt::Write;

    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_and_reported() {
        let mut buffer = Buffer::<4>::new();
        assert!(buffer.write_str("abc").is_ok());
        assert!(buffer.write_str("de").is_err());
        let taken: std::vec::Vec<u8> = core::iter::from_fn(|| buffer.pop()).collect();
        assert_eq!(taken, b"abcd");
        assert!(buffer.push(b"wxyz"), "an emptied buffer has all its room again");
    }
}
