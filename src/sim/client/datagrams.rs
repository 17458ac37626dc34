//! What a client does with the UDP echo: one datagram after the other, each again until its answer comes.

use smoltcp::time::{Duration, Instant};

use super::{Client, Failure, Scratch, State};
use crate::output::counted;
use crate::sim::check::{differs, pattern};
use crate::sim::host::{HostSockets, HostUdp};
use crate::sim::plan::Work;

/// How long to wait for an answer.
const ANSWER: Duration = Duration::from_secs(1);

impl Client {
    /// Sends the next datagram, or the last one again. `None`: there is more to do at once.
    pub(super) fn datagrams(
        &mut self,
        now: Instant,
        stack: &mut HostSockets<'_, '_>,
        (mut socket, mut number, mut until): (HostUdp, u16, Instant),
        buffer: &mut Scratch,
    ) -> Result<Option<Instant>, Failure> {
        let Work::Datagrams { count, size } = self.job.work else {
            return Ok(None);
        };
        let salt = self.job.salt;
        // Each begins with its number.
        let content = |number: u16, at: u32| match at {
            0 | 1 => number.to_be_bytes()[at as usize],
            _ => pattern(salt ^ number as u8, at),
        };
        while let Some(length) = stack.receive_datagram(&mut socket, buffer) {
            let heard = &buffer[..length];
            let of = heard.first_chunk().map_or(u16::MAX, |bytes| u16::from_be_bytes(*bytes));
            let wrong = differs(heard, 0, |at| content(of, at));
            if of > number || length != usize::from(size) || wrong.is_some() {
                return Err(format!(
                    "a datagram of {} that was never sent",
                    counted(length, "byte")
                ));
            }
            if of == number {
                number += 1;
                until = now;
            }
        }
        if number == count {
            stack.close_udp(socket);
            return Ok(None);
        }
        if now >= until {
            let datagram = &mut buffer[..usize::from(size)];
            for (at, byte) in (0..).zip(&mut *datagram) {
                *byte = content(number, at);
            }
            stack.send_datagram(&mut socket, datagram);
            until = now + ANSWER;
        }
        self.state = State::Datagrams(socket, number, until);
        Ok(Some(until))
    }
}
