//! All that a stack can say of itself: its records, each a bit of a set; how they are written, and how they are found in
//! others' messages.

mod table;

pub(crate) use table::{ANY, NSEC, Owner, PTR, SRV, Set, TXT};

use smoltcp::wire::IpCidr;

use super::{Label, Service};
use crate::dns_message::{IN, Labels, RESPONSE, Reader, Record, Writer, same_name};
use crate::limits::MDNS_SIZE;
use table::{EACH, Row, SERVICES, TTL, records, ttl};

/// Nobody else has a record of this name and type; in a question, an answer to who asks alone will do (RFC 6762 10.2, 5.4).
pub(crate) const FLUSH: u16 = 0x8000;

/// It is an answer, of who knows it by himself (RFC 6762 18.4).
const AUTHORITATIVE: u16 = RESPONSE | 0x0400;

/// Longest name, label, type, domain, with what SRV has before it.
const NAME: usize = 6 + 1 + super::LABEL + 24 + 7;

/// For whom records are written. Each is the most seconds for which they are good then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Manner {
    /// To be forgotten.
    Goodbye = 0,
    /// For resolvers that ask from a port of their own, and do not know of multicast DNS (6.7).
    Legacy = 10,
    /// What is to become ours (RFC 6762 8.2): nobody shall forget for it what there is.
    Probe = TTL,
    /// For all who know multicast DNS.
    Usual,
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

/// The records of addresses.
const IPV4_RECORDS: u32 = 1;
const IPV6_RECORDS: u32 = 2 | 4;

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

    /// What there is of a set.
    pub(crate) const fn of(&self, set: Set) -> Set {
        Set(self.there.0 & set.0)
    }

    /// All that there is to announce.
    const fn all(&self) -> Set {
        self.of(Set::ALL)
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
    #[inline(never)]
    fn put_name(&self, writer: &mut Writer<'_>, places: &mut Places, mut name: Owner) {
        loop {
            let place = &mut places.0[name.index()];
            if *place != 0 {
                writer.put_word(0xc000 | *place);
                return;
            }
            *place = writer.len() as u16;
            // Labels, and the name behind them.
            let (labels, behind) = if name == Owner::DOMAIN {
                writer.put(b"\x05local\0");
                return;
            } else if name == Owner::HOST {
                (self.label.as_bytes(), Owner::DOMAIN)
            } else if name == Owner::TYPES {
                (&b"_services._dns-sd._udp"[..], Owner::DOMAIN)
            } else if name.is_instance() {
                (self.label.as_bytes(), Owner::kind(name.service() as u8))
            } else {
                let kind = self.services.get(name.service()).map_or("", |service| service.kind);
                (kind.as_bytes(), Owner::DOMAIN)
            };
            writer.put_labels(labels);
            name = behind;
        }
    }

    #[inline(never)]
    fn spell(&self, name: Owner) -> Spelled {
        let mut spelled = Spelled([0; NAME]);
        let mut writer = Writer::bare(&mut spelled.0);
        self.put_name(&mut writer, &mut Places::new(), name);
        spelled
    }

    /// Writes the records of a set into section `section`, or questions for all of their names if that is the first one.
    #[inline(never)]
    fn put(
        &self,
        writer: &mut Writer<'_>,
        places: &mut Places,
        set: Set,
        manner: Manner,
        section: usize,
    ) {
        for (record, row) in records(set) {
            self.put_name(writer, places, row.owner);
            writer.count(section);
            if section == 0 {
                writer.put_word(ANY);
                writer.put_word(IN | FLUSH);
                continue;
            }
            writer.put_word(row.kind);
            let flush = row.owner.is_unique() && matches!(manner, Manner::Usual | Manner::Goodbye);
            writer.put_word(if flush { IN | FLUSH } else { IN });
            writer.put_word(0);
            writer.put_word(ttl(record).min(manner as u16));
            let begin = writer.len();
            writer.put_word(0);
            self.put_data(writer, places, (record, row), manner);
            writer.fill_length(begin);
        }
    }

    /// Writes what a record says, up to the name in it if there is one.
    #[inline(never)]
    fn put_octets(&self, writer: &mut Writer<'_>, (record, row): (u8, &Row)) {
        match row.kind {
            PTR | NSEC => {}
            // Without attributes it is an empty one (RFC 6763 6.1).
            TXT => writer.put(&[0]),
            SRV => {
                writer.put_word(0);
                writer.put_word(0);
                let service = self.services.get(row.owner.service());
                writer.put_word(service.map_or(0, |service| service.port));
            }
            _ => writer.put(self.address(record)),
        }
    }

    /// Writes what a record says.
    fn put_data(
        &self,
        writer: &mut Writer<'_>,
        places: &mut Places,
        (record, row): (u8, &Row),
        manner: Manner,
    ) {
        self.put_octets(writer, (record, row));
        if let Some(target) = row.target() {
            if (row.kind, manner) == (SRV, Manner::Legacy) {
                // RFC 6762 18.14: in full, as RFC 2782 has it.
                *places = Places::new();
            }
            self.put_name(writer, places, target);
        }
        if row.kind == NSEC {
            writer.put(self.types(row.owner));
        }
    }

    /// The types that a name has, as NSEC shows them (RFC 4034 4.1.2): a bit each, the first one the highest.
    fn types(&self, name: Owner) -> &'static [u8] {
        let has = |set: u32| self.there.0 & set != 0;
        match (has(IPV4_RECORDS), cfg!(feature = "ipv6") && has(IPV6_RECORDS)) {
            // TXT and SRV.
            _ if name != Owner::HOST => &[0, 5, 0, 0, 0x80, 0, 0x40],
            (true, true) => &[0, 4, 0x40, 0, 0, 0x08],
            (true, false) => &[0, 1, 0x40],
            (false, true) => &[0, 4, 0, 0, 0, 0x08],
            (false, false) => &[],
        }
    }

    /// Writes a message: what asks whether anybody has our names, or answers, and what else is of use to who does not know
    /// only the records that it asked for. `question` is what was asked, if it is to be repeated.
    #[inline(never)]
    pub(crate) fn write<'b>(
        &self,
        buffer: &'b mut [u8; MDNS_SIZE],
        (id, question): (u16, &[u8]),
        answers: Set,
        manner: Manner,
    ) -> Option<&'b [u8]> {
        let probes = manner == Manner::Probe;
        let mut writer = Writer::new(buffer, id, if probes { 0 } else { AUTHORITATIVE });
        let mut places = Places::new();
        if !question.is_empty() {
            writer.put(question);
            writer.count(0);
        }
        let (first, second, section) = if probes {
            // The host and its services are those of which it can be said that something does not exist.
            (self.of(Set::DENIALS), self.unique(), 0)
        } else if manner == Manner::Legacy {
            (answers, Set::NONE, 1)
        } else {
            (answers, self.further(answers), 1)
        };
        self.put(&mut writer, &mut places, first, manner, section);
        self.put(&mut writer, &mut places, second, manner, section + 2);
        writer.written()
    }

    /// Which of our names this is.
    #[inline(never)]
    pub(crate) fn name(&self, message: &[u8], at: usize) -> Option<Owner> {
        records(Set(Set::NAMES.0 & self.there.0))
            .map(|(_, row)| row.owner)
            .find(|owner| same_name(Labels::new(message, at), self.spell(*owner).labels()))
    }

    /// The answers to a question: the records of a name, or that it has none of this type.
    pub(crate) fn answers(&self, name: Owner, wanted: u16) -> Set {
        let found = self.all().0 & Set::of(name, wanted).0;
        // Of what others may have a record of, we do not know that there is none.
        Set(if found == 0 { self.there.0 & Set::of(name, NSEC).0 } else { found })
    }

    /// Whether a record of ours says the same as this one of others, of its name and type.
    fn says(&self, (record, row): (u8, &Row), message: &[u8], other: &Record<'_>) -> bool {
        let mut octets = [0; 16];
        let mut writer = Writer::bare(&mut octets);
        self.put_octets(&mut writer, (record, row));
        let len = writer.len();
        let own = octets.get(..len).unwrap_or_default();
        let Some(rest) = other.data.strip_prefix(own) else { return false };
        match row.target() {
            None => rest.is_empty(),
            // That may be written in several ways.
            target => self.name(message, other.data_at + len) == target,
        }
    }

    /// How a record of others stands to ours. `None`: not at all.
    #[inline(never)]
    pub(crate) fn find(&self, message: &[u8], other: &Record<'_>) -> Option<Match> {
        let name = self.name(message, other.name)?;
        if other.class & !FLUSH != IN {
            return None;
        }
        let alike = Set(self.all().0 & Set::of(name, other.kind).0);
        let same = records(alike).find(|&record| self.says(record, message, other));
        same.map(|(record, _)| Match::Same(record))
            .or_else(|| name.is_unique().then_some(Match::Conflict))
    }

    /// Takes out of `answers` what who asks knows already: its message's next `count` records (RFC 6762 7.1).
    pub(crate) fn leave_out(&self, answers: &mut Set, reader: &mut Reader<'_>, count: u16) {
        for _ in 0..count {
            let Some(known) = reader.record() else { return };
            if let Some(Match::Same(record)) = self.find(reader.message, &known)
                && known.ttl >= u32::from(ttl(record) / 2)
            {
                answers.0 &= !(1 << record);
            }
        }
    }

    /// Whether one of the next `count` records of a message says of a name of ours what none of ours does.
    pub(crate) fn is_contradicted(&self, reader: &mut Reader<'_>, count: u32) -> bool {
        for _ in 0..count {
            let Some(record) = reader.record() else { break };
            // One that is to be forgotten is nobody's.
            if record.ttl > 0 && self.find(reader.message, &record) == Some(Match::Conflict) {
                return true;
            }
        }
        false
    }

    /// Whether somebody who probes for our host's name at this moment is to have it (RFC 6762 8.2.1): if the first of their
    /// records comes behind ours. Only the first ones are compared; that both have the same is an address conflict.
    #[inline(never)]
    pub(crate) fn gives_way(&self, reader: &mut Reader<'_>, count: u16) -> bool {
        // In that order, IPv4 before IPv6, and what is not link-local before what is.
        let own = records(Set(self.there.0 & Set::ADDRESSES.0)).next();
        let Some((number, own)) = own else { return false };
        let mut any = false;
        for _ in 0..count {
            let Some(record) = reader.record() else { break };
            if self.name(reader.message, record.name) == Some(Owner::HOST) {
                any = true;
                // One that comes before ours, or is the same, is the first of theirs.
                if (record.kind, record.data) <= (own.kind, self.address(number)) {
                    return false;
                }
            }
        }
        any
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
        let all = records.write(&mut buffer, (0, &[]), records.there, Manner::Usual);
        let len = all.expect("there is room for all of it").len();
        if cfg!(feature = "ipv6") {
            assert!(len + 16 > MDNS_SIZE, "{len} bytes are needed");
        }
        assert!(records.write(&mut buffer, (0, &[]), Set::NONE, Manner::Probe).is_some());
    }

    #[test]
    fn what_a_name_has_is_shown_as_bits() {
        let services = [Service { kind: "_echo._tcp", port: 7 }];
        let label = Label { bytes: [b'x'; super::super::LABEL], len: 1 };
        for there in 0..if cfg!(feature = "ipv6") { 8 } else { 2 } {
            let mut records = Records::new(label, &services, &[]);
            records.there.0 |= there;
            for name in [Owner::HOST, Owner::instance(0)] {
                let mut types: std::vec::Vec<_> = table::records(records.all())
                    .filter(|(_, row)| row.owner == name)
                    .map(|(_, row)| row.kind)
                    .collect();
                types.sort_unstable();
                types.dedup();
                let shown = records.types(name);
                let bits = shown.iter().skip(2).zip(0..).flat_map(|(byte, at)| {
                    (0..8).filter(move |bit| byte << bit & 0x80 != 0).map(move |bit| at * 8 + bit)
                });
                assert_eq!(bits.collect::<std::vec::Vec<u16>>(), types, "{name:?}");
                // The first 256 types, in no more bytes than there have to be.
                assert!(shown.is_empty() || usize::from(shown[1]) + 2 == shown.len());
                assert!(shown.first().is_none_or(|first| *first == 0));
                assert!(shown.last().is_none_or(|last| *last != 0));
            }
        }
    }
}
