//! Names of hosts become addresses: the client of DNS (RFC 1035, RFC 3596), and of its neighbours for names that end in
//! `.local` (RFC 6762 5.1).
//!
//! A few names are looked up at a time, each by one question to one server: for an IPv4 address, and if there is none for
//! an IPv6 one, or as the caller wants. Who does not answer is asked again, and the next server after it, in
//! [`DNS_ROUNDS`](crate::limits::DNS_ROUNDS) rounds that take longer each time. Only who was asked last is heard, and only
//! with the question's own number, to its own port: 30 bits that follow from the stack's secret (RFC 5452 9.2). What is found is
//! kept for as long as the server says, and no longer than an hour.
//!
//! The calls are [`NetStack::resolve`](crate::NetStack::resolve), and `embedded-nal`'s `Dns`. Cost: 200 bytes a name; nothing
//! else, for questions are written, and answers read, in the frame.
//!
//! Here is also judged what an answer says, aliases (CNAME) included; `dns_message` is the format alone.
//!
//! Known gaps: no EDNS and no TCP, so of an answer that was cut only what is there counts, which for an address is nearly
//! always enough; DNSSEC is left to the server.

use embedded_nal::AddrType;
use smoltcp::time::Instant;
#[cfg(feature = "ipv6")]
use smoltcp::wire::Ipv6Address;
use smoltcp::wire::{IpAddress, Ipv4Address};

#[cfg(feature = "ipv6")]
use crate::dns_message::AAAA;
use crate::dns_message::{
    A, CNAME, HEADER, Header, IN, Labels, OPCODE, RCODE, RECURSION_DESIRED, RESPONSE, Reader,
    TRUNCATED, Writer, same_name,
};
use crate::error::LookupError;
use crate::limits::{DNS_ALIASES, HOST_NAME, LOOKUPS};

/// Longest question: header, name, type, class.
pub(crate) const QUESTION_SIZE: usize = HEADER + NAME_SIZE + 4;

/// A name with its first length and its end.
const NAME_SIZE: usize = HOST_NAME + 2;

/// There is no such name (RFC 1035 4.1.1).
const NOT_FOUND: u16 = 3;
/// Class, without what multicast DNS has in its first bit (RFC 6762 10.2).
const CLASS: u16 = 0x7fff;

/// A name that is looked up, or was.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// In small letters or large ones.
    pub(crate) name: Name,
    pub(crate) family: AddrType,
    pub(crate) asking: Asking,
    pub(crate) state: State,
    /// When the next server's turn is, or until when it is good.
    pub(crate) at: Instant,
}

/// How far a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There is none.
    Free,
    /// It is asked for.
    Asking,
    /// Its address.
    Found(IpAddress),
    /// Why there is none.
    Failed(LookupError),
}

/// A question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    /// Its number, and our port.
    pub(crate) id: u16,
    pub(crate) port: u16,
    /// The type of record.
    pub(crate) kind: u16,
    /// Whether the other type is asked for if there is none of this one.
    pub(crate) other: bool,
    /// Who may answer: who was asked last.
    pub(crate) server: Option<IpAddress>,
    /// The next server of this round.
    pub(crate) next: u8,
    pub(crate) round: u8,
    /// It is still to be sent.
    pub(crate) unsent: bool,
    /// What it comes to if nobody knows better.
    pub(crate) error: LookupError,
}

impl Asking {
    pub(crate) const NONE: Self = Self {
        id: 0,
        port: 0,
        kind: A,
        other: false,
        server: None,
        next: 0,
        round: 0,
        unsent: false,
        error: LookupError::TimedOut,
    };
}

/// The names that are looked up.
#[derive(Debug)]
pub(crate) struct Resolver<'a> {
    pub(crate) lookups: &'a mut [Lookup; LOOKUPS],
}

impl Resolver<'_> {
    /// Where `name` is looked up.
    pub(crate) fn find(&self, name: &Name, family: &AddrType) -> Option<usize> {
        self.lookups.iter().position(|lookup| {
            !matches!(lookup.state, State::Free)
                && lookup.family == *family
                && same_name(lookup.name.labels(), name.labels())
        })
    }

    /// A place for a new name: of none, or of the one that has been there for longest of those that are done.
    pub(crate) fn place(&self) -> Option<usize> {
        let mut oldest: Option<(usize, Instant)> = None;
        for (index, lookup) in self.lookups.iter().enumerate() {
            if !lookup.is_asking() && oldest.is_none_or(|(_, at)| lookup.at < at) {
                oldest = Some((index, lookup.at));
            }
        }
        oldest.map(|(index, _)| index)
    }

    /// The name that was asked for from this port.
    #[inline(never)]
    pub(crate) fn on_port(&self, port: u16) -> Option<usize> {
        self.lookups.iter().position(|lookup| lookup.is_asking() && lookup.asking.port == port)
    }

    /// Whether a question was sent from this port.
    pub(crate) fn has_port(&self, port: u16) -> bool {
        self.on_port(port).is_some()
    }
}

impl Lookup {
    /// A free place.
    pub(crate) const fn new() -> Self {
        Self {
            name: Name::NONE,
            family: AddrType::Either,
            asking: Asking::NONE,
            state: State::Free,
            at: Instant::ZERO,
        }
    }

    /// Whether it is being asked for.
    pub(crate) const fn is_asking(&self) -> bool {
        matches!(self.state, State::Asking)
    }

    /// When there is something to do about it, if there is.
    pub(crate) fn due(&self) -> Option<Instant> {
        matches!(self.state, State::Asking | State::Found(_)).then_some(self.at)
    }

    /// Its place is free again.
    pub(crate) const fn forget(&mut self) {
        (self.state, self.at) = (State::Free, Instant::ZERO);
    }

    /// Whether its question is to be sent.
    pub(crate) fn is_unsent(&self) -> bool {
        self.is_asking() && self.asking.unsent
    }

    /// Writes the question.
    pub(crate) fn write<'b>(&self, buffer: &'b mut [u8; QUESTION_SIZE]) -> &'b [u8] {
        let asking = &self.asking;
        // RFC 6762 18.6: it means nothing to neighbours.
        let flags = if self.name.local { 0 } else { RECURSION_DESIRED };
        let mut writer = Writer::new(buffer, asking.id, flags);
        writer.put(self.name.bytes());
        writer.put_word(asking.kind);
        writer.put_word(IN);
        writer.count(0);
        writer.written().unwrap_or_default()
    }
}

/// A name as messages have it.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    bytes: [u8; NAME_SIZE],
    len: u8,
    /// Neighbours are asked for it, and not servers (RFC 6762 3).
    pub(crate) local: bool,
}

impl Name {
    /// No name yet.
    pub(crate) const NONE: Self = Self { bytes: [0; NAME_SIZE], len: 0, local: false };

    /// These bytes, as far as there is room for them.
    #[cfg(feature = "_parsers")]
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let mut name = Self::NONE;
        name.bytes.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        name.len = bytes.len().min(NAME_SIZE) as u8;
        name
    }

    pub(crate) fn labels(&self) -> Labels<'_> {
        Labels::new(&self.bytes, 0)
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }
}

/// Writes a name in that form, if it is one that a host may have (RFC 1123 2.1, with the underscore that some have): not
/// an address, of labels of letters, digits and hyphens. A dot at its end is nothing. Returns whether it is one. `encoded`
/// is none before.
#[inline(never)]
pub(crate) fn encode(name: &[u8], encoded: &mut Name) -> bool {
    let mut writer = Writer::bare(&mut encoded.bytes);
    writer.put_labels(name);
    let (len, full) = (writer.len(), writer.full);
    let (mut last, mut at, mut number) = (0, 0, true);
    let mut labels = Labels::new(&encoded.bytes, 0);
    while !full && let Some(label) = labels.label() {
        let next = labels.at();
        if label.is_empty() {
            let local = Labels::new(b"\x05local\0", 0);
            encoded.local = same_name(Labels::new(&encoded.bytes, last), local);
            encoded.len = next as u8;
            return next >= len && !number;
        }
        (last, at) = (at, next);
        number = label.iter().all(u8::is_ascii_digit);
        let good = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if label.starts_with(b"-") || label.ends_with(b"-") || !label.iter().all(good) {
            break;
        }
    }
    false
}

/// Whether [`NetStack::resolve`](crate::NetStack::resolve) takes it for the name of a host.
#[must_use]
pub fn is_name(name: &str) -> bool {
    encode(name.as_bytes(), &mut { Name::NONE })
}

impl Lookup {
    /// Reads the answer to the question: what it comes to, and for how many seconds that is good. `None`: it is none.
    #[inline(never)]
    pub(crate) fn read(&self, message: &[u8]) -> Option<(State, u32)> {
        let Header { id, flags, counts } = Header::read(message)?;
        let kind = self.asking.kind;
        if id != self.asking.id || flags & (RESPONSE | OPCODE) != RESPONSE || counts[0] != 1 {
            return None;
        }
        let mut reader = Reader::new(message);
        let question = reader.question()?;
        if (question.kind, question.class & CLASS) != (kind, IN)
            || !same_name(Labels::new(message, question.name), self.name.labels())
        {
            return None;
        }
        let mut error = match flags & RCODE {
            0 => LookupError::NoAddress,
            NOT_FOUND => LookupError::NotFound,
            _ => LookupError::Refused,
        };
        // The name whose record is looked for: the question's, or that for which it is an alias (RFC 1034 3.6.2).
        let (mut wanted, mut good_for, mut aliases) = (question.name, u32::MAX, 0);
        let (mut answers, mut left) = (reader.clone(), counts[1]);
        if error == LookupError::NoAddress {
            if flags & TRUNCATED != 0 {
                error = LookupError::Truncated;
            }
            while left > 0 {
                left -= 1;
                let record = answers.record()?;
                if record.class & CLASS != IN
                    || !same_name(Labels::new(message, record.name), Labels::new(message, wanted))
                {
                    continue;
                }
                if record.kind == kind {
                    if let Some(address) = address(kind, record.data) {
                        return Some((State::Found(address), good_for.min(record.ttl)));
                    }
                } else if record.kind == CNAME {
                    aliases += 1;
                    if aliases > DNS_ALIASES {
                        break;
                    }
                    (good_for, wanted) = (good_for.min(record.ttl), record.data_at);
                    (answers, left) = (reader.clone(), counts[1]);
                }
            }
        }
        Some((State::Failed(error), 0))
    }
}

/// The address in a record, if it is one that a host may have on a network.
fn address(kind: u16, data: &[u8]) -> Option<IpAddress> {
    let (address, loopback) = match kind {
        A => {
            let address = Ipv4Address::from(<[u8; 4]>::try_from(data).ok()?);
            (IpAddress::Ipv4(address), address.is_loopback())
        }
        #[cfg(feature = "ipv6")]
        AAAA => {
            let address = Ipv6Address::from(<[u8; 16]>::try_from(data).ok()?);
            (IpAddress::Ipv6(address), address.is_loopback())
        }
        _ => return None,
    };
    (address.is_unicast() && !loopback).then_some(address)
}
