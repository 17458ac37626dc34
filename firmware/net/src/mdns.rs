//! The stack's own name in its network, and its services: the responder of multicast DNS (RFC 6762) with service
//! discovery (RFC 6763).
//!
//! The host is `LABEL.local`, and each service that [`NetConfig::with_mdns`](crate::NetConfig::with_mdns) names is the instance
//! `LABEL._echo._tcp.local` of its type. The label is the host's name, or without one made from its MAC address; it is probed
//! before it is used, announced, defended, and given another number if somebody else has it (8, 9). Whoever asks is answered,
//! over IPv4 and IPv6: by multicast, or alone if that is wanted (5.4) or its resolver knows no better (6.7); what it knows
//! already is left out (7.1), what is shared with others waits for a moment (6), what is not there is denied (6.1).
//!
//! All that can be said is a set of 25 records, so that what waits to be said is a bit each. Cost: 50 bytes, or 80 with
//! IPv6; messages are written on the call stack, 752 bytes.
//!
//! Known gaps: no reverse names; a service's instance is told from another of its name by what its host's name is, so that two
//! of different hosts which probe at the same moment find out by their announcements; the new name after a conflict is not kept
//! over a reset.

pub(crate) mod records;

use core::fmt::Write;

use crate::ethernet::EthernetAddress;
use smoltcp::time::{Duration, Instant};

use crate::dns_message::{FAMILIES, Writer};
use crate::hostname::Hostname;
use crate::limits::{
    MDNS_ANNOUNCEMENTS, MDNS_CONFLICTS, MDNS_INTERVAL, MDNS_PROBE_MS, MDNS_PROBES, MDNS_RATE_LIMIT,
};
use records::Manner;
pub(crate) use records::{Records, Set};

/// A service that is found under its type, e.g. `_echo._tcp` (RFC 6763 7), and its port. It has no attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// The type: a label for the service and one for the protocol.
    pub kind: &'static str,
    /// The port.
    pub port: u16,
}

impl Service {
    /// Whether the type is two labels, and not too long (RFC 6335 5.1).
    pub(crate) const fn is_sound(&self) -> bool {
        let kind = self.kind.as_bytes();
        let (mut dots, mut index) = (0, 0);
        while index < kind.len() {
            if kind[index] == b'.' {
                dots += 1;
                if index == 0 || index + 1 == kind.len() {
                    return false;
                }
            }
            index += 1;
        }
        dots == 1 && kind.len() <= 22
    }
}

/// Longest label: a host's name, a hyphen and a number.
pub(crate) const LABEL: usize = 32 + 6;

/// The first label of all names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Label {
    bytes: [u8; LABEL],
    len: u8,
}

impl Label {
    /// These bytes, as far as there is room for them.
    #[cfg(feature = "_parsers")]
    pub(crate) fn of_bytes(from: &[u8]) -> Self {
        let mut bytes = [0; LABEL];
        bytes.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        Self { bytes, len: from.len().min(LABEL) as u8 }
    }

    /// That of the host `name`, or if that is none, one that is named by its MAC address; and the `number`th of these,
    /// `name`, `name-2`, `name-3` and so on.
    #[inline(never)]
    pub(crate) fn new(name: &Hostname, mac: EthernetAddress, number: u16) -> Self {
        let mut this = Self { bytes: [0; LABEL], len: 0 };
        let mut writer = Writer::bare(&mut this.bytes);
        writer.put(name.as_bytes());
        if writer.len() == 0 {
            writer.put(b"tapboard-");
            let [_, _, low @ ..] = mac.0;
            put_digits(&mut writer, u32::from_be_bytes(low) & 0xff_ffff, 16, 6);
        }
        if number > 1 {
            writer.put(b"-");
            put_digits(&mut writer, number.into(), 10, 1);
        }
        this.len = writer.len() as u8;
        this
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// Writes a number of at most six digits to a base of at most 16, and at least so many of them.
#[inline(never)]
fn put_digits(writer: &mut Writer<'_>, number: u32, base: u32, least: usize) {
    let (mut digits, mut count, mut rest) = ([0; 6], 0, number);
    for to in digits.iter_mut().rev() {
        if rest == 0 && count >= least {
            break;
        }
        let digit = (rest % base) as u8;
        *to = digit + if digit > 9 { b'a' - 10 } else { b'0' };
        (count, rest) = (count + 1, rest / base);
    }
    writer.put(digits.get(digits.len() - count..).unwrap_or_default());
}

/// Byte by byte: all of it is ASCII, and to find that out takes 600 bytes of flash.
impl core::fmt::Display for Label {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| f.write_char(char::from(*byte)))
    }
}

impl core::fmt::Debug for Label {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_str().fmt(f)
    }
}

/// How far the name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Whether anybody has it is asked (8.1).
    Probing,
    /// That it is ours is said (8.3).
    Announcing,
    /// It is.
    Settled,
    /// That it is no more is said (10.1), or was.
    Leaving,
}

/// What waits to be multicast over one family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) records: Set,
    at: Instant,
    /// What was said last, and when: not again within a second (6).
    recent: Set,
    recent_at: Instant,
}

impl Pending {
    const NONE: Self =
        Self { records: Set::NONE, at: Instant::ZERO, recent: Set::NONE, recent_at: Instant::ZERO };

    /// When there is something to say, if there is.
    pub(crate) fn due(&self) -> Option<Instant> {
        Some(self.at).filter(|_| !self.records.is_empty())
    }

    /// Has these records said no later than `at`; if that `waits`, not again within a second.
    pub(crate) fn add(&mut self, set: Set, mut at: Instant, waits: bool) {
        if waits && self.recent.0 & set.0 != 0 {
            at = at.max(self.recent_at + MDNS_INTERVAL);
        }
        self.at = self.due().map_or(at, |before| before.min(at));
        self.records.0 |= set.0;
    }

    /// Notes what is said now.
    pub(crate) fn note(&mut self, set: Set, now: Instant) {
        if now >= self.recent_at + MDNS_INTERVAL {
            self.recent = Set::NONE;
        }
        (self.recent.0, self.recent_at) = (self.recent.0 | set.0, now);
    }
}

/// The responder's state.
#[derive(Debug)]
pub(crate) struct Responder {
    /// Of the label.
    pub(crate) number: u16,
    pub(crate) phase: Phase,
    /// Messages of this phase that have left, or are about to.
    pub(crate) sent: u8,
    /// When the next one is due, if there is one.
    pub(crate) at: Option<Instant>,
    /// Conflicts, one after another.
    conflicts: u8,
    pub(crate) pending: [Pending; FAMILIES],
}

impl Responder {
    /// With nothing to say yet.
    pub(crate) const fn new() -> Self {
        Self {
            number: 1,
            phase: Phase::Probing,
            sent: 0,
            at: None,
            conflicts: 0,
            pending: [Pending::NONE; FAMILIES],
        }
    }

    /// Begins with a phase at `at`, or with nothing to say.
    #[inline(never)]
    pub(crate) fn begin(&mut self, phase: Phase, at: Option<Instant>) {
        (self.phase, self.sent, self.at) = (phase, 0, at);
        if phase == Phase::Probing {
            // What is not ours yet is not told.
            self.pending = [Pending::NONE; FAMILIES];
        }
    }

    /// Has the next message of this phase leave, if it is due and the one before has left.
    #[inline(never)]
    pub(crate) fn advance(&mut self, now: Instant) {
        let is_past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if !is_past(self.at) || self.pending.iter().any(|pending| is_past(pending.due())) {
            return;
        }
        if (self.phase, self.sent) == (Phase::Probing, MDNS_PROBES) {
            self.begin(Phase::Announcing, None);
        }
        self.sent += 1;
        self.at = match self.phase {
            Phase::Probing => Some(now + Duration::from_millis(MDNS_PROBE_MS.into())),
            Phase::Announcing if self.sent < MDNS_ANNOUNCEMENTS => Some(now + MDNS_INTERVAL),
            _ => None,
        };
        if (self.phase, self.at) == (Phase::Announcing, None) {
            (self.phase, self.conflicts) = (Phase::Settled, 0);
        }
        for pending in &mut self.pending {
            (pending.records.0, pending.at) = (pending.records.0 | Set::ALL.0, now);
        }
    }

    /// How what waits is said.
    pub(crate) const fn manner(&self) -> Manner {
        match self.phase {
            Phase::Probing => Manner::Probe,
            Phase::Leaving => Manner::Goodbye,
            Phase::Announcing | Phase::Settled => Manner::Usual,
        }
    }

    /// Somebody else has the name: asks whether that is so, and if it is, takes another (RFC 6762 9, 8.1).
    pub(crate) fn lose(&mut self, now: Instant) {
        let mut at = now;
        match self.phase {
            Phase::Probing => {
                self.number = self.number.checked_add(1).unwrap_or(2);
                self.conflicts = self.conflicts.saturating_add(1);
                if self.conflicts >= MDNS_CONFLICTS {
                    at += MDNS_RATE_LIMIT;
                }
            }
            Phase::Announcing | Phase::Settled => {}
            Phase::Leaving => return,
        }
        self.begin(Phase::Probing, Some(at));
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_host_without_a_name_is_named_by_its_mac_address_and_numbered() {
        let mac = EthernetAddress([2, 0, 0x5e, 0xa0, 0, 0x1f]);
        let label = |number| Label::new(&Hostname::NONE, mac, number).as_str().to_string();
        assert_eq!(label(1), "tapboard-a0001f");
        assert_eq!(label(2), "tapboard-a0001f-2");
        assert_eq!(label(1009), "tapboard-a0001f-1009");
        assert_eq!(label(u16::MAX), "tapboard-a0001f-65535");
        let longest = Hostname::new("0123456789012345678901234567890123456");
        assert_eq!(&Label::new(&longest, mac, u16::MAX).as_str()[32..], "-65535");
    }

    #[test]
    fn after_the_last_number_comes_the_second_again() {
        let mut responder = Responder { number: u16::MAX, ..Responder::new() };
        for (conflict, expected) in [2, 3, 4].into_iter().enumerate() {
            responder.lose(Instant::ZERO);
            assert_eq!(responder.number, expected);
            assert_eq!(usize::from(responder.conflicts), conflict + 1);
        }
    }

    #[test]
    fn the_next_message_waits_until_the_one_before_has_left() {
        let mut responder = Responder::new();
        let step = Duration::from_millis(MDNS_PROBE_MS.into());
        responder.begin(Phase::Probing, Some(Instant::ZERO));
        for sent in 1..=MDNS_PROBES {
            let now = Instant::ZERO + step * u32::from(sent);
            // The device refuses it for a while.
            for late in 0..3 {
                responder.advance(now + step * late);
                assert_eq!((responder.phase, responder.sent), (Phase::Probing, sent));
            }
            responder.pending.iter_mut().for_each(|pending| pending.records = Set::NONE);
        }
        responder.advance(Instant::ZERO + Duration::from_secs(5));
        assert_eq!((responder.phase, responder.sent), (Phase::Announcing, 1));
        assert_eq!(responder.manner(), Manner::Usual);
    }
}
