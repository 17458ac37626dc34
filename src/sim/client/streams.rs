//! What a client does on a TCP connection of echo, discard and chargen, or on one that only exists.

use embedded_nal::nb;
use smoltcp::time::Instant;

use super::{CHUNK, Client, Exchange, Failure, Scratch};
use crate::output::counted;
use crate::sim::check::{chargen, differs, pattern};
use crate::sim::host::{HostSockets, HostTcp, SocketError};
use crate::sim::plan::{Ending, Pace, Work};

impl Client {
    /// Sends what `make` says up to `bytes`, as far as there is room.
    fn send(
        &mut self,
        stack: &mut HostSockets<'_, '_>,
        socket: &mut HostTcp,
        chunk: &mut Scratch,
        bytes: u32,
        make: impl Fn(u32) -> u8,
    ) -> Result<(), SocketError> {
        while self.sent < bytes {
            let room = stack.send_room(socket).min(CHUNK).min((bytes - self.sent) as usize);
            if room == 0 {
                // The call says why.
                chunk[0] = make(self.sent);
            }
            let due = &mut chunk[..room.max(1)];
            for (at, byte) in (self.sent..).zip(&mut *due) {
                *byte = make(at);
            }
            match stack.send(socket, due) {
                Ok(count) => self.sent += count as u32,
                Err(nb::Error::WouldBlock) => return Ok(()),
                Err(nb::Error::Other(error)) => return Err(error),
            }
        }
        if !self.shut {
            self.shut = true;
            stack.shutdown(socket)?;
        }
        Ok(())
    }

    /// Reads what has come, at the pace given, and checks it. `None`: no FIN yet.
    fn read(
        &mut self,
        now: Instant,
        stack: &mut HostSockets<'_, '_>,
        socket: &mut HostTcp,
        chunk: &mut Scratch,
        pace: Option<Pace>,
        expected: impl Fn(u32) -> u8,
    ) -> Result<Option<Exchange>, Failure> {
        let mut left = usize::MAX;
        if let Some(Pace { bytes, every }) = pace {
            if now < self.next {
                return Ok(Some(Exchange::Wait(Some(self.next))));
            }
            self.next = now + every;
            left = bytes as usize;
        }
        while left > 0 {
            let room = left.min(CHUNK);
            match stack.receive(socket, &mut chunk[..room]) {
                Ok(0) => return Ok(None),
                Ok(count) => {
                    if let Some(at) = differs(&chunk[..count], self.received, &expected) {
                        return Err(format!("byte {at} of the stream is not what was sent"));
                    }
                    self.received += count as u32;
                    left -= count;
                }
                Err(nb::Error::WouldBlock) => return Ok(Some(Exchange::Wait(None))),
                Err(nb::Error::Other(error)) => return Ok(Some(Exchange::Lost(error))),
            }
        }
        Ok(Some(Exchange::Wait(Some(self.next))))
    }

    pub(super) fn echo(
        &mut self,
        now: Instant,
        stack: &mut HostSockets<'_, '_>,
        socket: &mut HostTcp,
        scratch: &mut Scratch,
    ) -> Result<Exchange, Failure> {
        let Work::Echo { bytes, pace, ending } = self.job.work else {
            return Ok(Exchange::Abort);
        };
        let salt = self.job.salt;
        let stream = |at| pattern(salt, at);
        let sent = self.send(stack, socket, scratch, bytes, stream);
        let turn = self.read(now, stack, socket, scratch, pace, stream)?;
        if matches!(ending, Ending::Abort(after) if self.received >= after) {
            return Ok(Exchange::Abort);
        }
        match (turn, sent) {
            (None, _) if self.received == bytes => Ok(Exchange::Close),
            (None, _) => Err(format!("FIN after {} of {}", self.received, counted(bytes, "byte"))),
            (Some(Exchange::Wait(_)), Err(error)) => Ok(Exchange::Lost(error)),
            (Some(turn), _) => Ok(turn),
        }
    }

    pub(super) fn discard(
        &mut self,
        stack: &mut HostSockets<'_, '_>,
        socket: &mut HostTcp,
        bytes: u32,
        scratch: &mut Scratch,
    ) -> Result<Exchange, Failure> {
        if let Err(error) = self.send(stack, socket, scratch, bytes, |at| at as u8) {
            return Ok(Exchange::Lost(error));
        }
        match stack.receive(socket, &mut [0; 1]) {
            Ok(0) if self.sent < bytes || stack.unacknowledged(socket) > 0 => Err(format!(
                "discard: FIN before the last of {} was acknowledged",
                counted(bytes, "byte")
            )),
            Ok(0) => Ok(Exchange::Close),
            Ok(_) => Err("discard answers".into()),
            Err(nb::Error::WouldBlock) => Ok(Exchange::Wait(None)),
            Err(nb::Error::Other(error)) => Ok(Exchange::Lost(error)),
        }
    }

    pub(super) fn chargen(
        &mut self,
        now: Instant,
        stack: &mut HostSockets<'_, '_>,
        socket: &mut HostTcp,
        scratch: &mut Scratch,
    ) -> Result<Exchange, Failure> {
        let Work::Chargen { bytes, pace, ending } = self.job.work else {
            return Ok(Exchange::Abort);
        };
        // Who has said FIN reads the rest at once.
        let pace = if self.shut { None } else { pace };
        let Some(turn) = self.read(now, stack, socket, scratch, pace, chargen)? else {
            let at = self.received;
            return if self.shut {
                Ok(Exchange::Close)
            } else {
                Err(format!("chargen: FIN at {at}"))
            };
        };
        if matches!(turn, Exchange::Lost(_)) || self.shut || self.received < bytes {
            return Ok(turn);
        }
        match ending {
            Ending::Abort(_) => Ok(Exchange::Abort),
            Ending::Close => Ok(Exchange::Close),
            Ending::Fin => {
                self.shut = true;
                match stack.shutdown(socket) {
                    // Once more, without the pace.
                    Ok(()) => Ok(Exchange::Wait(Some(now))),
                    Err(error) => Ok(Exchange::Lost(error)),
                }
            }
        }
    }

    pub(super) fn idle(
        &mut self,
        now: Instant,
        stack: &mut HostSockets<'_, '_>,
        socket: &mut HostTcp,
    ) -> Result<Exchange, Failure> {
        match stack.receive(socket, &mut [0; 1]) {
            Err(nb::Error::WouldBlock) if now < self.next => Ok(Exchange::Wait(Some(self.next))),
            Err(nb::Error::WouldBlock) => Ok(Exchange::Close),
            Err(nb::Error::Other(error)) => Ok(Exchange::Lost(error)),
            Ok(count) => Err(format!("{} on a connection that sent none", counted(count, "byte"))),
        }
    }
}
