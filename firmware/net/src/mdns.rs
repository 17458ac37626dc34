//! The stack's own name in its network, and its services: the responder of multicast DNS (RFC 6762) with service
//! discovery (RFC 6763).
//!
//! The host is `LABEL.local`, and each service that [`NetConfig::with_mdns`](crate::NetConfig::with_mdns) names is the instance
//! `LABEL._echo._tcp.local` of its type. The label is the host's name, or without one made from its MAC address; it is probed
//! before it is used, announced, defended, and given another number if somebody else has it (8, 9). Whoever asks is answered,
//! over IPv4 and IPv6: by multicast, or alone if that is wanted (5.4) or its resolver knows no better (6.7); what it knows
//! already is left out (7.1), what is shared with others waits for a moment (6), what is not there is denied (6.1).
//!
//! All that can be said is a set of 25 records, so that what waits to be said is a bit each. Cost: 150 bytes; messages are
//! written on the call stack, 752 bytes.
//!
//! Known gaps: no reverse names; a service's instance is told from another of its name by what its host's name is, so that two
//! of different hosts which probe at the same moment find out by their announcements; the new name after a conflict is not kept
//! over a reset.

pub(crate) mod records;

use core::fmt::Write;

use crate::ethernet::EthernetAddress;
use smoltcp::time::{Duration, Instant};

use crate::hostname::Hostname;
use crate::limits::{MDNS_ANNOUNCEMENTS, MDNS_INTERVAL, MDNS_PROBE_MS};
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
    const NONE: Self = Self { bytes: [0; LABEL], len: 0 };

    /// These bytes, as far as there is room for them.
    #[cfg(feature = "_parsers")]
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let mut label = Self::NONE;
        label.push(bytes);
        label
    }

    #[inline(never)]
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(room) = self.bytes.get_mut(usize::from(self.len)) {
                *room = *byte;
                self.len += 1;
            }
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
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
    /// There is nothing to say: it was withdrawn.
    Off,
    /// Whether anybody has it is asked (8.1).
    Probing,
    /// That it is ours is said (8.3).
    Announcing,
    /// It is.
    Settled,
    /// That it is no more is said (10.1).
    Leaving,
}

/// What waits to be multicast over one family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) records: Set,
    pub(crate) at: Instant,
    /// What was said last, and when: not again within a second (6).
    pub(crate) recent: Set,
    pub(crate) recent_at: Instant,
}

impl Pending {
    const NONE: Self =
        Self { records: Set::NONE, at: Instant::ZERO, recent: Set::NONE, recent_at: Instant::ZERO };
}

/// The responder's state.
#[derive(Debug)]
pub(crate) struct Responder {
    pub(crate) label: Label,
    /// How long the label is without a number.
    base: u8,
    number: u16,
    pub(crate) phase: Phase,
    /// Messages of this phase that have left.
    pub(crate) sent: u8,
    /// When the next one is due.
    pub(crate) at: Instant,
    /// The families over which it is still to leave.
    pub(crate) left: u8,
    /// Conflicts, one after another.
    pub(crate) conflicts: u8,
    pub(crate) pending: [Pending; 2],
}

impl Responder {
    /// For the host `name`, or if that is none, one that is named by its MAC address.
    pub(crate) fn new(name: &Hostname, mac: EthernetAddress, now: Instant) -> Self {
        let mut label = Label::NONE;
        label.push(name.as_bytes());
        if label.len == 0 {
            label.push(b"tapboard-");
            for nibble in mac.0[3..].iter().flat_map(|byte| [byte >> 4, byte & 15]) {
                label.push(&[b"0123456789abcdef"[usize::from(nibble)]]);
            }
        }
        Self {
            base: label.len,
            label,
            number: 1,
            phase: Phase::Probing,
            sent: 0,
            at: now,
            left: 0,
            conflicts: 0,
            pending: [Pending::NONE; 2],
        }
    }

    /// Begins with a phase at `at`.
    #[inline(never)]
    pub(crate) fn begin(&mut self, phase: Phase, at: Instant) {
        (self.phase, self.sent, self.left, self.at) = (phase, 0, 0, at);
        if phase == Phase::Probing {
            // What is not ours yet is not told.
            self.pending = [Pending::NONE; 2];
        }
    }

    /// A message of this phase has left, over both families.
    pub(crate) fn said(&mut self, now: Instant) {
        self.sent += 1;
        match self.phase {
            Phase::Probing => self.at = now + Duration::from_millis(MDNS_PROBE_MS.into()),
            Phase::Announcing if self.sent < MDNS_ANNOUNCEMENTS => self.at = now + MDNS_INTERVAL,
            Phase::Announcing => {
                self.conflicts = 0;
                self.phase = Phase::Settled;
            }
            _ => self.phase = Phase::Off,
        }
    }

    /// Takes another name: `name-2`, `name-3` and so on.
    pub(crate) fn rename(&mut self) {
        self.number = self.number.checked_add(1).unwrap_or(2);
        self.label.len = self.base;
        self.label.push(b"-");
        let mut divisor = 10_000;
        while divisor > 0 {
            if self.number >= divisor {
                self.label.push(&[b'0' + (self.number / divisor % 10) as u8]);
            }
            divisor /= 10;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_a_name_is_named_by_its_mac_address_and_numbered() {
        let mac = EthernetAddress([2, 0, 0x5e, 0xa0, 0, 0x1f]);
        let mut responder = Responder::new(&Hostname::NONE, mac, Instant::ZERO);
        assert_eq!(responder.label.as_str(), "tapboard-a0001f");
        responder.rename();
        assert_eq!(responder.label.as_str(), "tapboard-a0001f-2");
        responder.number = 1008;
        responder.rename();
        assert_eq!(responder.label.as_str(), "tapboard-a0001f-1009");
        responder.number = u16::MAX;
        responder.rename();
        assert_eq!(responder.label.as_str(), "tapboard-a0001f-2");
        let longest = Hostname::new("0123456789012345678901234567890123456");
        let mut responder = Responder::new(&longest, mac, Instant::ZERO);
        responder.number = 65_534;
        responder.rename();
        assert_eq!(&responder.label.as_str()[32..], "-65535");
    }
}
