//! Bulk both ways at once through the board's echo, on one thread.
//!
//! Reading and writing take turns on a socket that does not block, and only when neither can go on does
//! the thread sleep; so no size of anybody's buffers can lock the two up. Every byte that comes back is
//! compared with the one that was sent at its offset, and after the last one the peer's FIN must follow.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::bench::outcome::{Done, Measured};
use crate::bench::peer::{Peer, failed};
use crate::bench::plan::{BenchPlan, Test};
use crate::clock;
use crate::output::Error;

use crate::bench::buffers::BenchBuffers;

/// A connection of which both directions are full.
struct Duplex<'p, 'm> {
    /// Kept for its words; its stream is another handle of the socket.
    peer: Peer<'p>,
    stream: TcpStream,
    buffers: &'m mut BenchBuffers,
    plan: &'p BenchPlan,
    sent: u64,
    received: u64,
    /// What is to be sent in all; less than planned once the time is over.
    limit: u64,
    readable: bool,
    writable: bool,
}

/// Echoes until the time is over or the bytes are sent, and then to the last of them.
pub(super) fn duplex(plan: &BenchPlan, buffers: &mut BenchBuffers) -> Result<Measured, Error> {
    let peer = Peer::connect_for_bulk(plan, Test::Duplex)?;
    let cannot = |error: io::Error| failed(Test::Duplex, format_args!("cannot watch it: {error}"));
    peer.stream.set_nonblocking(true).map_err(cannot)?;
    let mut stream = TcpStream::from_std(peer.stream.try_clone().map_err(cannot)?);
    let mut poll = Poll::new().map_err(cannot)?;
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut stream, Token(0), interest).map_err(cannot)?;
    let mut events = Events::with_capacity(4);
    let (readable, writable) = (true, true);
    let (sent, received, limit) = (0, 0, plan.bytes);
    let mut duplex =
        Duplex { peer, stream, buffers, plan, sent, received, limit, readable, writable };
    let start = clock::now();
    let end = start + plan.time;
    let mut finished = false;
    loop {
        if clock::now() >= end {
            duplex.limit = duplex.sent;
        }
        duplex.write()?;
        if duplex.sent == duplex.limit && !finished {
            duplex.finish()?;
            finished = true;
        }
        if duplex.read(finished)? {
            let time = clock::now() - start;
            return Ok(Measured { time, done: Done::Bytes(duplex.received) });
        }
        if duplex.may_write() || duplex.readable {
            continue;
        }
        let timeout = duplex.wait_at_most(end);
        match poll.poll(&mut events, Some(timeout)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(cannot(error)),
        }
        if events.is_empty() && timeout == plan.stall_timeout {
            return Err(duplex.peer.stalled(duplex.received));
        }
        for event in &events {
            duplex.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
            duplex.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
        }
    }
}

impl Duplex<'_, '_> {
    fn may_write(&self) -> bool {
        self.writable && self.sent < self.limit
    }

    /// To the end of the time for sending, if that is still to come and soon; else the stall timeout.
    fn wait_at_most(&self, end: Instant) -> Duration {
        let left = end.saturating_duration_since(clock::now());
        if self.sent < self.limit {
            left.min(self.plan.stall_timeout)
        } else {
            self.plan.stall_timeout
        }
    }

    fn write(&mut self) -> Result<(), Error> {
        if !self.may_write() {
            return Ok(());
        }
        let length = (self.limit - self.sent).min(self.plan.chunk as u64) as usize;
        match self.stream.write(self.buffers.random.slice(self.sent, length)) {
            Ok(length) => self.sent += length as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(self.broken(self.peer.lost(self.received, &error))),
        }
        Ok(())
    }

    /// Sends our FIN.
    fn finish(&mut self) -> Result<(), Error> {
        self.peer.finish(self.sent).map_err(|lost| self.broken(lost))
    }

    /// The error of a connection that broke while we sent: what came before that and was wrong says more.
    fn broken(&mut self, lost: Error) -> Error {
        while let Ok(length @ 1..) = self.stream.read(&mut self.buffers.receive) {
            if let Err(wrong) = self.verify(length) {
                return wrong;
            }
        }
        lost
    }

    /// Reads once and verifies it. Says whether that was the peer's FIN, in its place.
    fn read(&mut self, finished: bool) -> Result<bool, Error> {
        if !self.readable {
            return Ok(false);
        }
        let length = match self.stream.read(&mut self.buffers.receive) {
            Ok(0) if finished && self.received == self.sent => return Ok(true),
            Ok(0) => return Err(self.peer.early_end(self.received)),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(false);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(false),
            Err(error) => return Err(self.peer.lost(self.received, &error)),
        };
        self.verify(length).map(|()| false)
    }

    /// Compares the bytes that were read with those that were sent.
    fn verify(&mut self, length: usize) -> Result<(), Error> {
        let due = (self.sent - self.received) as usize;
        if length > due {
            return Err(self.peer.excess(self.sent, length - due));
        }
        let data = &self.buffers.receive[..length];
        if let Some(wrong) = self.buffers.random.first_difference(self.received, data) {
            return Err(self.peer.wrong(self.received, wrong));
        }
        self.received += length as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::reset_connection;

    #[test]
    fn a_peer_that_sends_what_is_not_due_and_breaks_off_is_told_of_the_first() {
        let plan = BenchPlan::of(Test::Duplex);
        let ends = [(&b"login: "[..], "more came"), (b"", "it reset the connection")];
        for (by_fin, (data, says)) in
            [true, false].into_iter().flat_map(|by| ends.map(|end| (by, end)))
        {
            let stream = reset_connection(data);
            stream.set_nonblocking(true).unwrap();
            let peer = Peer::over(stream.try_clone().unwrap(), &plan, Test::Duplex);
            let stream = TcpStream::from_std(stream);
            let buffers = &mut BenchBuffers::new(&plan);
            let (readable, writable) = (false, true);
            let (sent, received, limit) = (0, 0, 64);
            let mut duplex = Duplex {
                peer,
                stream,
                buffers,
                plan: &plan,
                sent,
                received,
                limit,
                readable,
                writable,
            };
            let sent = if by_fin { duplex.finish() } else { duplex.write() };
            let Err(Error::Failed(text)) = sent else { panic!("it was sent") };
            assert!(text.contains(says), "{text}");
        }
    }
}
