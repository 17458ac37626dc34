//! The time of day, from a server (RFC 4330, RFC 5905 14).
//!
//! One server is asked, the configuration's or the lease's: at once, every 15 s and then less and less often while it is
//! silent, every 17 minutes once it has answered, and not any more if it says so. Its answer is taken if it has the number
//! that was in the question, 64 bits that nobody can guess, and comes within two seconds; half of what that took on the way
//! is the error at the most. Cost: 60 bytes; no socket.
//!
//! Known gaps: the clock is set, not disciplined, and the first question does not wait for minutes (RFC 4330 10); a server
//! has an address, not a name.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpAddress;

use crate::limits::{SNTP_INTERVAL, SNTP_RETRY, SNTP_ROUND_TRIP};

/// Length of a message without what may follow.
pub(crate) const MESSAGE: usize = 48;

/// Version 4, a client's.
const QUESTION: u8 = 4 << 3 | 3;
/// A server's.
const MODE_SERVER: u8 = 4;
/// Its clock is not set.
const UNSYNCHRONIZED: u8 = 3;
/// Seconds from 1900 to 1970.
const UNIX: i64 = 2_208_988_800;

/// What is known of the time, and of its server.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Microseconds of 1970 less those of the stack's own time.
    offset: Option<i64>,
    /// Who was asked last; nobody else is heard.
    pub(crate) server: Option<IpAddress>,
    pub(crate) port: u16,
    nonce: u64,
    /// When the question left.
    sent: Option<Instant>,
    /// It is still to leave.
    pub(crate) unsent: bool,
    /// When the next one is due. `None`: the server wants to be asked no more.
    pub(crate) at: Option<Instant>,
    /// And how long after that the one after it.
    wait: Duration,
}

/// What becomes of a server's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is no answer, or of no use.
    Ignored,
    Taken,
}

impl Clock {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            offset: None,
            server: None,
            port: 0,
            nonce: 0,
            sent: None,
            unsent: false,
            at: Some(now),
            wait: SNTP_RETRY,
        }
    }

    /// The time at `now`, in microseconds since 1970.
    pub(crate) const fn unix_micros(&self, now: Instant) -> Option<i64> {
        match self.offset {
            Some(offset) => Some(offset.wrapping_add(now.total_micros())),
            None => None,
        }
    }

    /// Another server, or another network: asks at `at`. The time goes on.
    pub(crate) fn restart(&mut self, at: Instant) {
        *self = Self { offset: self.offset, ..Self::new(at) };
    }

    /// Asks `server`, with numbers that nobody can guess.
    pub(crate) fn ask(&mut self, server: IpAddress, port: u16, nonce: u64, now: Instant) {
        (self.server, self.port, self.nonce) = (Some(server), port, nonce);
        (self.unsent, self.sent) = (true, None);
        self.at = Some(now + self.wait);
        self.wait = (self.wait * 2).min(SNTP_INTERVAL);
    }

    /// The question. It says nothing of our own time.
    pub(crate) fn question(&self) -> [u8; MESSAGE] {
        let mut message = [0; MESSAGE];
        message[0] = QUESTION;
        message[MESSAGE - 8..].copy_from_slice(&self.nonce.to_be_bytes());
        message
    }

    /// The question has left.
    pub(crate) fn left(&mut self, now: Instant) {
        (self.unsent, self.sent) = (false, Some(now));
    }

    /// Takes in what the server says.
    #[inline(never)]
    pub(crate) fn answer(&mut self, message: &[u8], now: Instant) -> Outcome {
        self.judge(message, now).map_or(Outcome::Ignored, |()| Outcome::Taken)
    }

    fn judge(&mut self, message: &[u8], now: Instant) -> Option<()> {
        let stamp = |at: usize| Some(u64::from_be_bytes(*message.get(at..)?.first_chunk()?));
        let &[first, stratum, ..] = message else { return None };
        let (originate, receive, transmit) = (stamp(24)?, stamp(32)?, stamp(40)?);
        let took = now - self.sent?;
        if originate != self.nonce || first & 7 != MODE_SERVER || !(8..40).contains(&(first & 0x3f))
        {
            return None;
        }
        // One answer to one question.
        self.sent = None;
        match stratum {
            // A kiss of death (RFC 5905 7.4).
            0 => {
                match message.get(12..16)? {
                    b"DENY" | b"RSTR" => self.at = None,
                    _ => self.at = Some(now + SNTP_INTERVAL),
                }
                return Some(());
            }
            1..=15 if first >> 6 != UNSYNCHRONIZED && transmit != 0 => {}
            _ => return None,
        }
        if took > SNTP_ROUND_TRIP {
            return None;
        }
        let there = micros(transmit) - micros(receive);
        let way = (took.total_micros().cast_signed() - there.max(0)).max(0) / 2;
        self.offset = Some(micros(transmit) + way - now.total_micros());
        (self.at, self.wait) = (Some(now + SNTP_INTERVAL), SNTP_RETRY);
        Some(())
    }
}

/// A timestamp in microseconds since 1970: those of the first 68 years are of the era that begins in 2036 (RFC 4330 3).
fn micros(stamp: u64) -> i64 {
    let (seconds, fraction) = ((stamp >> 32).cast_signed(), stamp & 0xffff_ffff);
    let era = if stamp >> 63 == 0 { 1 << 32 } else { 0 };
    (seconds + era - UNIX) * 1_000_000 + ((fraction * 1_000_000) >> 32).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_of_1968_to_2104() {
        for (seconds, unix) in [
            (2_208_988_800_u64, 0),
            (1 << 31, -61_505_152),
            (u64::from(u32::MAX), 2_085_978_495),
            (0, 2_085_978_496),
            ((1 << 31) - 1, 4_233_462_143),
        ] {
            assert_eq!(micros(seconds << 32), unix * 1_000_000);
            assert_eq!(micros(seconds << 32 | 0x8000_0000), unix * 1_000_000 + 500_000);
        }
    }
}
