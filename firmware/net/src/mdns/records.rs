//! All that a stack can say of itself: its records, each a bit of a set; how they are written, and how they are found in
//! others' messages.

mod table;

pub(crate) use table::{ANY, NSEC, Owner, PTR, SRV, Set, TXT};

use smoltcp::wire::IpCidr;

use super::{Label, Service};
use crate::dns_message::{IN, Labels, RESPONSE, Reader, Record, Writer, same_name};
use crate::limits::MDNS_SIZE;
use table::{EACH, SERVICES, kind, owner, records, service, ttl};

/// Nobody else has a record of this name and type; in a question, an answer to who asks alone will do (RFC 6762 10.2, 5.4).
pub(crate) const FLUSH: u16 = 0x8000;

/// It is an answer, of who knows it by himself (RFC 6762 18.4).
const AUTHORITATIVE: u16 = RESPONSE | 0x0400;

/// How long a record is good at the most for who does not know of multicast DNS (6.7).
const LEGACY_TTL: u32 = 10;

/// Longest name, label, type, domain, with what SRV has before it.
const NAME: usize = 6 + 1 + super::LABEL + 24 + 7;

/// For whom records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// For all who know multicast DNS.
    Usual,
    /// To be forgotten.
    Goodbye,
    /// For resolvers that ask from a port of their own.
    Legacy,
    /// What is to become ours (RFC 6762 8.2): nobody shall forget for it what there is.
    Probe,
}

/// How a record of others stands to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// This one says the same.
    Same(u8),
    /// None says so of this name, which nobody else may have.
    Conflict,
}

/// What the records say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Records<'r> {
    label: Label,
    services: &'r [Service],
    /// Which there are.
    there: Set,
    /// The host's addresses, behind each other.
    octets: [u8; IPV4 + IPV6],
}

const IPV4: usize = 4;
/// Two addresses, with IPv6.
const IPV6: usize = if cfg!(feature = "ipv6") { 32 } else { 0 };

/// Where names are in a message that is written; 0: nowhere yet.
#[derive(Debug)]
struct Places([u16; Owner::COUNT]);

impl Places {
    const fn new() -> Self {
        Self([0; Owner::COUNT])
    }
}

/// A name, written out.
struct Spelled([u8; NAME]);

impl Spelled {
    fn labels(&self) -> Labels<'_> {
        Labels::new(&self.0, 0)
    }
}

impl Records<'_> {
    /// With the addresses in `own`, as many as there are records for.
    pub(crate) fn new<'r>(label: Label, services: &'r [Service], own: &[IpCidr]) -> Records<'r> {
        let mut octets = [0; IPV4 + IPV6];
        let mut there =
            ((1_u32 << (SERVICES + EACH * services.len() as u8)) - 1) & !Set::ADDRESSES.0;
        for cidr in own {
            match cidr {
                IpCidr::Ipv4(cidr) if there & 1 == 0 => {
                    octets[..IPV4].copy_from_slice(&cidr.address().octets());
                    there |= 1;
                }
                #[cfg(feature = "ipv6")]
                IpCidr::Ipv6(cidr) if there & 4 == 0 => {
                    let record = if there & 2 == 0 { 1 } else { 2 };
                    let at = IPV4 + 16 * (record - 1);
                    octets[at..at + 16].copy_from_slice(&cidr.address().octets());
                    there |= 1 << record;
                }
                #[allow(
                    unreachable_patterns,
                    reason = "smoltcp's own features may be wider than ours"
                )]
                _ => {}
            }
        }
        Records { label, services, there: Set(there), octets }
    }

    /// What an address record says.
    fn address(&self, record: u8) -> &[u8] {
        let at = IPV4 + 16 * usize::from(record);
        let octets =
            if record == 0 { self.octets.get(..IPV4) } else { self.octets.get(at - 16..at) };
        octets.unwrap_or_default()
    }

    /// All that there is to announce.
    pub(crate) const fn all(&self) -> Set {
        Set(self.there.0 & !Set::DENIALS.0)
    }

    /// What nobody else may have.
    const fn unique(&self) -> Set {
        Set(self.all().0 & Set::UNIQUE.0)
    }

    /// What who asks for these will ask for next (RFC 6762 7.1, RFC 6763 12).
    pub(crate) const fn further(&self, answers: Set) -> Set {
        // Where a service is, and its attributes, if it was found: the two behind its pointer.
        let found = answers.0 & Set::POINTERS.0;
        let mut wanted = found << 1 | found << 2;
        // And then where its host is, or where else.
        if answers.0 & (Set::ADDRESSES.0 | Set::PLACES.0) | found != 0 {
            wanted |= Set::ADDRESSES.0;
        }
        Set(wanted & self.there.0 & !answers.0)
    }

    /// Writes a name, or where it is already, if `places` is to be made use of.
    fn put_name(&self, writer: &mut Writer<'_>, places: &mut Places, mut name: Owner) {
        loop {
            let place = &mut places.0[name.index()];
            if *place != 0 {
                writer.put_word(0xc000 | *place);
                return;
            }
            *place = writer.len() as u16;
            if name.is_unique() {
                writer.put_label(self.label.as_bytes());
            }
            name = if name == Owner::DOMAIN {
                writer.put(b"\x05local\0");
                return;
            } else if name.is_instance() {
                Owner::kind(name.service() as u8)
            } else {
                if name == Owner::TYPES {
                    writer.put(b"\x09_services\x07_dns-sd\x04_udp");
                } else if name != Owner::HOST {
                    let kind = self.services.get(name.service()).map_or("", |service| service.kind);
                    writer.put_labels(kind.as_bytes());
                }
                Owner::DOMAIN
            };
        }
    }

    #[inline(never)]
    fn spell(&self, name: Owner) -> Spelled {
        let mut spelled = Spelled([0; NAME]);
        let mut writer = Writer::bare(&mut spelled.0);
        self.put_name(&mut writer, &mut Places::new(), name);
        spelled
    }

    /// Writes a question for all of a name.
    fn put_probe(&self, writer: &mut Writer<'_>, places: &mut Places) {
        // The host and its services are those of which it can be said that something does not exist.
        for name in records(Set(self.there.0 & Set::DENIALS.0)).map(owner) {
            self.put_name(writer, places, name);
            writer.put_word(ANY);
            writer.put_word(IN | FLUSH);
            writer.count(0);
        }
    }

    /// Writes the records of a set into section `section`.
    #[inline(never)]
    fn put(
        &self,
        writer: &mut Writer<'_>,
        places: &mut Places,
        set: Set,
        manner: Manner,
        section: usize,
    ) {
        for record in records(set) {
            let (owner, kind) = (owner(record), kind(record));
            self.put_name(writer, places, owner);
            writer.put_word(kind);
            let flush = owner.is_unique() && matches!(manner, Manner::Usual | Manner::Goodbye);
            writer.put_word(if flush { IN | FLUSH } else { IN });
            let ttl = match manner {
                Manner::Usual | Manner::Probe => ttl(record),
                Manner::Goodbye => 0,
                Manner::Legacy => LEGACY_TTL.min(ttl(record)),
            };
            writer.put(&ttl.to_be_bytes());
            let begin = writer.len();
            writer.put_word(0);
            self.put_data(writer, places, record, manner);
            writer.fill_length(begin);
            writer.count(section);
        }
    }

    /// Writes what a record says.
    #[inline(never)]
    fn put_data(&self, writer: &mut Writer<'_>, places: &mut Places, record: u8, manner: Manner) {
        let (owner, service) = (owner(record), service(record));
        match (kind(record), owner) {
            (PTR, Owner::TYPES) => self.put_name(writer, places, Owner::kind(service)),
            (PTR, _) => self.put_name(writer, places, Owner::instance(service)),
            (SRV, _) => {
                writer.put(&[0; 4]);
                let service = self.services.get(usize::from(service));
                writer.put_word(service.map_or(0, |service| service.port));
                if manner == Manner::Legacy {
                    // RFC 6762 18.14: in full, as RFC 2782 has it.
                    *places = Places::new();
                }
                self.put_name(writer, places, Owner::HOST);
            }
            // Without attributes it is an empty one (RFC 6763 6.1).
            (TXT, _) => writer.put(&[0]),
            (NSEC, _) => {
                self.put_name(writer, places, owner);
                self.put_types(writer, owner);
            }
            _ => writer.put(self.address(record)),
        }
    }

    /// Writes a message: what asks whether anybody has our names, or answers, and what else is of use to who does not know
    /// only the records that it asked for. `question` is what was asked, if it is to be repeated.
    pub(crate) fn write<'b>(
        &self,
        buffer: &'b mut [u8; MDNS_SIZE],
        (id, question): (u16, &[u8]),
        answers: Option<Set>,
        manner: Manner,
    ) -> Option<&'b [u8]> {
        let flags = if answers.is_some() { AUTHORITATIVE } else { 0 };
        let mut writer = Writer::new(buffer, id, flags);
        let mut places = Places::new();
        if !question.is_empty() {
            writer.put(question);
            writer.count(0);
        }
        if let Some(answers) = answers {
            self.put(&mut writer, &mut places, answers, manner, 1);
            if manner != Manner::Legacy {
                self.put(&mut writer, &mut places, self.further(answers), manner, 3);
            }
        } else {
            self.put_probe(&mut writer, &mut places);
            self.put(&mut writer, &mut places, self.unique(), manner, 2);
        }
        writer.written()
    }

    /// Writes the types that a name has, as NSEC shows them (RFC 4034 4.1.2): a bit each, the first one the highest.
    fn put_types(&self, writer: &mut Writer<'_>, name: Owner) {
        let own = Set(Set::of_name(name).0 & self.all().0);
        let map = records(own).fold(0_u64, |map, record| map | 1 << (63 - kind(record)));
        if map != 0 {
            let len = 8 - map.trailing_zeros() / 8;
            writer.put(&[0, len as u8]);
            writer.put(&map.to_be_bytes()[..len as usize]);
        }
    }

    /// Which of our names this is.
    #[inline(never)]
    pub(crate) fn name(&self, message: &[u8], at: usize) -> Option<Owner> {
        records(Set(Set::NAMES.0 & self.there.0)).map(owner).find(|owner| {
            same_name(&mut Labels::new(message, at), &mut self.spell(*owner).labels())
        })
    }

    /// The answers to a question: the records of a name, or that it has none of this type.
    pub(crate) fn answers(&self, name: Owner, wanted: u16) -> Set {
        let own = self.there.0 & Set::of_name(name).0;
        let all = own & !Set::DENIALS.0;
        let found = if wanted == ANY { all } else { all & Set::of_type(wanted).0 };
        // Of what others may have a record of, we do not know that there is none.
        Set(if found == 0 { own & Set::DENIALS.0 } else { found })
    }

    /// How a record of others stands to ours. `None`: not at all.
    #[inline(never)]
    pub(crate) fn find(&self, message: &[u8], other: &Record<'_>) -> Option<Match> {
        let name = self.name(message, other.name)?;
        if other.class & !FLUSH != IN {
            return None;
        }
        // What has a name in it, and where: that may be written in several ways.
        let named = match other.kind {
            PTR => Some(0),
            SRV => Some(6),
            _ => None,
        };
        let alike = Set(self.all().0 & Set::of_name(name).0 & Set::of_type(other.kind).0);
        let same = records(alike).find(|record| {
            let mut own = [0; NAME];
            let mut writer = Writer::bare(&mut own);
            self.put_data(&mut writer, &mut Places::new(), *record, Manner::Usual);
            let len = writer.len();
            let (own, said) = (own.get(..len).unwrap_or_default(), other.data);
            let at = named.unwrap_or(said.len().max(len));
            let begins = own.iter().take(at).eq(said.iter().take(at));
            let names = (Labels::new(own, at), Labels::new(message, other.data_at + at));
            begins && (named.is_none() || same_name(&mut { names.0 }, &mut { names.1 }))
        });
        same.map(Match::Same).or_else(|| name.is_unique().then_some(Match::Conflict))
    }

    /// Takes out of `answers` what who asks knows already: its message's next `count` records (RFC 6762 7.1).
    pub(crate) fn leave_out(&self, answers: &mut Set, reader: &mut Reader<'_>, count: u16) {
        for _ in 0..count {
            let Some(known) = reader.record() else { return };
            if let Some(Match::Same(record)) = self.find(reader.message, &known)
                && u64::from(known.ttl) * 2 >= u64::from(ttl(record))
            {
                answers.0 &= !(1 << record);
            }
        }
    }

    /// Whether somebody who probes for our host's name at this moment is to have it (RFC 6762 8.2.1): if the first of their
    /// records comes behind ours. Only the first ones are compared; that both have the same is an address conflict.
    #[inline(never)]
    pub(crate) fn gives_way(&self, reader: &mut Reader<'_>, count: u16) -> bool {
        // In that order, IPv4 before IPv6, and what is not link-local before what is.
        let own = records(Set(self.there.0 & Set::ADDRESSES.0)).next();
        let Some(own) = own else { return false };
        let (mut any, mut behind) = (false, false);
        for _ in 0..count {
            let Some(record) = reader.record() else { break };
            if self.name(reader.message, record.name) == Some(Owner::HOST) {
                any = true;
                // One that comes before ours, or is the same, is the first of theirs.
                behind |= record.kind < kind(own)
                    || (record.kind == kind(own) && record.data <= self.address(own));
            }
        }
        any && !behind
    }
}

#[cfg(test)]
mod tests {
    use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

    use super::*;

    #[test]
    fn all_there_can_be_said_fits_a_message() {
        let label = Label { bytes: [b'x'; super::super::LABEL], len: super::super::LABEL as u8 };
        let services = [
            Service { kind: "_aaaaaaaaaaaaaaaa._tcp", port: 7 },
            Service { kind: "_bbbbbbbbbbbbbbbb._udp", port: 7 },
            Service { kind: "_cccccccccccccccc._tcp", port: 7 },
            Service { kind: "_dddddddddddddddd._udp", port: 7 },
        ];
        assert!(services.iter().all(Service::is_sound));
        let own = [
            Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 1), 24).into(),
            #[cfg(feature = "ipv6")]
            smoltcp::wire::Ipv6Cidr::new(smoltcp::wire::Ipv6Address::from([1; 16]), 64).into(),
            #[cfg(feature = "ipv6")]
            smoltcp::wire::Ipv6Cidr::new(smoltcp::wire::Ipv6Address::from([2; 16]), 64).into(),
        ];
        let records = Records::new(label, &services, &own);
        let mut buffer = [0; MDNS_SIZE];
        let all = records.write(&mut buffer, (0, &[]), Some(records.there), Manner::Usual);
        let len = all.expect("there is room for all of it").len();
        if cfg!(feature = "ipv6") {
            assert!(len + 16 > MDNS_SIZE, "{len} bytes are needed");
        }
        assert!(records.write(&mut buffer, (0, &[]), None, Manner::Probe).is_some());
    }
}
