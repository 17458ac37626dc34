//! All that a stack can say of itself: its records, each a bit of a set; how they are written, and how they are found in
//! others' messages.

mod table;

pub(crate) use table::{ANY, NSEC, Owner, PTR, SRV, Set, TXT};

use smoltcp::wire::IpCidr;

use super::Service;
use crate::dns_message::{A, AAAA, IN, Labels, Reader, Record, Writer, same_name};
use table::{COUNT, EACH, NSEC_OF_HOST, SERVICES, TABLE, kind, owner, records, service, ttl};

/// Nobody else has a record of this name and type; in a question, an answer to who asks alone will do (RFC 6762 10.2, 5.4).
pub(crate) const FLUSH: u16 = 0x8000;

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
    pub(crate) label: &'r [u8],
    pub(crate) services: &'r [Service],
    /// The host's addresses, behind each other, and how many bytes of each family's there are.
    octets: [u8; IPV4 + IPV6],
    len: [usize; 2],
}

const IPV4: usize = 4;
/// Two addresses, with IPv6.
const IPV6: usize = if cfg!(feature = "ipv6") { 32 } else { 0 };

/// Where names are in a message that is written; 0: nowhere yet.
#[derive(Debug)]
pub(crate) struct Places([u16; Owner::COUNT]);

impl Places {
    pub(crate) const fn new() -> Self {
        Self([0; Owner::COUNT])
    }
}

/// Writes what a record says with its name, if it has one, in full. `None`: it is longer than any of ours.
fn expand(message: &[u8], record: &Record<'_>, buffer: &mut [u8; NAME]) -> Option<usize> {
    let mut writer = Writer::bare(buffer);
    let name = match record.kind {
        PTR => 0,
        SRV => 6,
        _ => record.data.len(),
    };
    writer.put(record.data.get(..name)?);
    if matches!(record.kind, PTR | SRV) {
        for label in Labels::new(message, record.data_at + name) {
            writer.put_label(label);
        }
        writer.put(&[0]);
    }
    (!writer.full).then_some(writer.len())
}

/// A name, written out.
struct Spelled([u8; NAME]);

impl Spelled {
    fn labels(&self) -> Labels<'_> {
        Labels::new(&self.0, 0)
    }
}

impl Records<'_> {
    fn service(&self, service: u8) -> Option<&Service> {
        self.services.get(usize::from(service))
    }

    /// With the addresses in `own`, as many as there are records for.
    pub(crate) fn new<'r>(label: &'r [u8], services: &'r [Service], own: &[IpCidr]) -> Records<'r> {
        let (mut octets, mut len) = ([0; IPV4 + IPV6], [0; 2]);
        for cidr in own {
            match cidr {
                IpCidr::Ipv4(cidr) if len[0] == 0 => {
                    octets[..IPV4].copy_from_slice(&cidr.address().octets());
                    len[0] = IPV4;
                }
                #[cfg(feature = "ipv6")]
                IpCidr::Ipv6(cidr) if len[1] < IPV6 => {
                    let at = IPV4 + len[1];
                    octets[at..at + 16].copy_from_slice(&cidr.address().octets());
                    len[1] += 16;
                }
                #[allow(
                    unreachable_patterns,
                    reason = "smoltcp's own features may be wider than ours"
                )]
                _ => {}
            }
        }
        Records { label, services, octets, len }
    }

    /// What an address record says; nothing, if there is none.
    fn address(&self, record: u8) -> &[u8] {
        let [ipv4, ipv6] = self.len;
        match record {
            0 => &self.octets[..ipv4],
            1 => &self.octets[IPV4..IPV4 + ipv6.min(16)],
            _ => self.octets.get(IPV4 + 16..IPV4 + ipv6).unwrap_or_default(),
        }
    }

    /// Whether there is such a record.
    fn exists(&self, record: u8) -> bool {
        match kind(record) {
            A | AAAA => !self.address(record).is_empty(),
            _ => record < SERVICES || usize::from(service(record)) < self.services.len(),
        }
    }

    #[inline(never)]
    fn all_of(&self, wanted: &dyn Fn(u8) -> bool) -> Set {
        let mut set = Set::NONE;
        for record in 0..COUNT {
            if self.exists(record) && wanted(record) {
                set.add(record);
            }
        }
        set
    }

    /// All that there is to announce.
    pub(crate) fn all(&self) -> Set {
        self.all_of(&|record| kind(record) != NSEC)
    }

    /// What nobody else may have.
    pub(crate) fn unique(&self) -> Set {
        self.all_of(&|record| kind(record) != NSEC && owner(record).is_unique())
    }

    /// What who asks for these will ask for next (RFC 6762 7.1, RFC 6763 12).
    pub(crate) fn further(&self, answers: Set) -> Set {
        let wanted = |record: u8| match (kind(record), owner(record)) {
            // Where a service is, if it was found.
            (SRV | TXT, Owner::Instance(service)) => answers.has(SERVICES + EACH * service + 1),
            // And then where its host is, or where else.
            (A | AAAA, Owner::Host) => records(answers).any(|answer| match kind(answer) {
                A | AAAA | SRV => true,
                PTR => owner(answer) != Owner::Types,
                _ => false,
            }),
            _ => false,
        };
        let Set(further) = self.all_of(&wanted);
        Set(further & !answers.0)
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
            name = match name {
                Owner::Domain => {
                    writer.put(b"\x05local\0");
                    return;
                }
                Owner::Host => {
                    writer.put_label(self.label);
                    Owner::Domain
                }
                Owner::Types => {
                    writer.put(b"\x09_services\x07_dns-sd\x04_udp");
                    Owner::Domain
                }
                Owner::Type(service) => {
                    let kind = self.service(service).map_or("", |service| service.kind);
                    for label in kind.as_bytes().split(|byte| *byte == b'.') {
                        writer.put_label(label);
                    }
                    Owner::Domain
                }
                Owner::Instance(service) => {
                    writer.put_label(self.label);
                    Owner::Type(service)
                }
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
    pub(crate) fn put_probe(&self, writer: &mut Writer<'_>, places: &mut Places) {
        let services = 0..self.services.len() as u8;
        for name in core::iter::once(Owner::Host).chain(services.map(Owner::Instance)) {
            self.put_name(writer, places, name);
            writer.put_word(ANY);
            writer.put_word(IN | FLUSH);
            writer.count(0);
        }
    }

    /// Writes the records of a set into section `section`.
    #[inline(never)]
    pub(crate) fn put(
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
            (PTR, Owner::Types) => self.put_name(writer, places, Owner::Type(service)),
            (PTR, _) => self.put_name(writer, places, Owner::Instance(service)),
            (SRV, _) => {
                writer.put(&[0; 4]);
                writer.put_word(self.service(service).map_or(0, |service| service.port));
                if manner == Manner::Legacy {
                    // RFC 6762 18.14: in full, as RFC 2782 has it.
                    *places = Places::new();
                }
                self.put_name(writer, places, Owner::Host);
            }
            // Without attributes it is an empty one (RFC 6763 6.1).
            (TXT, _) => writer.put(&[0]),
            (NSEC, _) => {
                self.put_name(writer, places, owner);
                writer.put(self.types(owner).as_slice());
            }
            _ => writer.put(self.address(record)),
        }
    }

    /// Writes answers, and what else is of use to who does not know only the records that it asked for.
    #[inline(never)]
    pub(crate) fn put_answers(&self, writer: &mut Writer<'_>, answers: Set, manner: Manner) {
        let mut places = Places::new();
        self.put(writer, &mut places, answers, manner, 1);
        if manner != Manner::Legacy {
            self.put(writer, &mut places, self.further(answers), manner, 3);
        }
    }

    /// The types that a name has, as NSEC shows them (RFC 4034 4.1.2).
    fn types(&self, name: Owner) -> heapless::Vec<u8, 7> {
        let mut map = [0_u8; 5];
        for record in records(self.all()).filter(|record| owner(*record) == name) {
            let kind = kind(record);
            map[usize::from(kind / 8)] |= 0x80 >> (kind % 8);
        }
        let len = map.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let mut types = heapless::Vec::new();
        if len > 0 {
            // It has room for all of them.
            let _ = types.extend_from_slice(&[0, len as u8]);
            let _ = types.extend_from_slice(&map[..len]);
        }
        types
    }

    /// Which of our names this is.
    #[inline(never)]
    pub(crate) fn name(&self, message: &[u8], at: usize) -> Option<Owner> {
        let services = 0..self.services.len() as u8;
        let each = services.flat_map(|service| [Owner::Type(service), Owner::Instance(service)]);
        [Owner::Host, Owner::Types].into_iter().chain(each).find(|owner| {
            same_name(&mut Labels::new(message, at), &mut self.spell(*owner).labels())
        })
    }

    /// The answers to a question: the records of a name, or that it has none of this type.
    pub(crate) fn answers(&self, name: Owner, wanted: u16) -> Set {
        let of = |record: u8, name: Owner| owner(record) == name;
        let found = self.all_of(&|record| {
            of(record, name) && kind(record) != NSEC && (wanted == ANY || kind(record) == wanted)
        });
        if found.is_empty() && name.is_unique() {
            return self.all_of(&|record| of(record, name) && kind(record) == NSEC);
        }
        found
    }

    /// How a record of others stands to ours. `None`: not at all.
    #[inline(never)]
    pub(crate) fn find(&self, message: &[u8], other: &Record<'_>) -> Option<Match> {
        let name = self.name(message, other.name)?;
        if other.class & !FLUSH != IN {
            return None;
        }
        let mut said = [0; NAME];
        let len = expand(message, other, &mut said);
        let same = records(self.all()).find(|record| {
            if TABLE[usize::from(*record)] != (name, other.kind) {
                return false;
            }
            let mut own = [0; NAME];
            let mut writer = Writer::bare(&mut own);
            self.put_data(&mut writer, &mut Places::new(), *record, Manner::Usual);
            let own_len = writer.len();
            len == Some(own_len) && own[..own_len].eq_ignore_ascii_case(&said[..own_len])
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
        let own = (0..NSEC_OF_HOST).find(|record| !self.address(*record).is_empty());
        let Some(own) = own else { return false };
        let (mut any, mut behind) = (false, false);
        for _ in 0..count {
            let Some(record) = reader.record() else { break };
            if self.name(reader.message, record.name) == Some(Owner::Host) {
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
    use crate::limits::MDNS_SIZE;

    #[test]
    fn all_there_can_be_said_fits_a_message() {
        let label = [b'x'; super::super::LABEL];
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
        let records = Records::new(&label, &services, &own);
        let all = records.all_of(&|_| true);
        let mut buffer = [0; MDNS_SIZE];
        let mut writer = Writer::new(&mut buffer, 0, 0);
        records.put_answers(&mut writer, all, Manner::Usual);
        assert!(!writer.full);
        let len = writer.len();
        if cfg!(feature = "ipv6") {
            assert!(len + 16 > MDNS_SIZE, "{len} bytes are needed");
        }
        // And so does the probe.
        let mut writer = Writer::new(&mut buffer, 0, 0);
        let mut places = Places::new();
        records.put_probe(&mut writer, &mut places);
        records.put(&mut writer, &mut places, records.unique(), Manner::Probe, 2);
        assert!(!writer.full);
    }
}
