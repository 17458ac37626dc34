//! Which records there are: each has a number, its owner, and its type; and sets of them.

use crate::dns_message::{A, AAAA};
use crate::limits::MDNS_SERVICES;

pub(crate) const PTR: u16 = 12;
pub(crate) const TXT: u16 = 16;
pub(crate) const SRV: u16 = 33;
pub(crate) const NSEC: u16 = 47;
pub(crate) const ANY: u16 = 255;

/// How long records are good that have an address in them, or a host's name, and all others, seconds (RFC 6762 10).
const HOST_TTL: u32 = 120;
const TTL: u32 = 4500;

/// The host's record that it has no others, behind those of its addresses.
pub(super) const NSEC_OF_HOST: u8 = 3;

/// Where records of services begin, and how many each has.
pub(super) const SERVICES: u8 = 4;
pub(super) const EACH: u8 = 5;

/// Names that records have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// `local`.
    Domain,
    /// The host.
    Host,
    /// All types of services (RFC 6763 9).
    Types,
    /// A type of service.
    Type(u8),
    /// The service of this host.
    Instance(u8),
}

impl Owner {
    pub(super) const COUNT: usize = 3 + 2 * MDNS_SERVICES;

    pub(super) const fn index(self) -> usize {
        match self {
            Self::Domain => 0,
            Self::Host => 1,
            Self::Types => 2,
            Self::Type(service) => 3 + service as usize,
            Self::Instance(service) => 3 + MDNS_SERVICES + service as usize,
        }
    }

    /// Whether nobody else may have it.
    pub(super) const fn is_unique(self) -> bool {
        matches!(self, Self::Host | Self::Instance(_))
    }
}

/// A set of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set(pub(crate) u32);

impl Set {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn add(&mut self, record: u8) {
        self.0 |= 1 << record;
    }

    pub(super) const fn has(self, record: u8) -> bool {
        self.0 >> record & 1 == 1
    }

    /// Whether somebody else may have an answer as well: then ours waits (RFC 6762 6).
    pub(crate) fn is_shared(self) -> bool {
        records(self).any(|record| !owner(record).is_unique())
    }
}

/// The records of a set.
pub(super) fn records(set: Set) -> impl Iterator<Item = u8> {
    (0..COUNT).filter(move |record| set.has(*record))
}

/// How many records there can be.
pub(super) const COUNT: u8 = SERVICES + EACH * MDNS_SERVICES as u8;

/// Whose each record is, and its type: three addresses of the host, and what else it has not; and of each service two
/// pointers to it, where it is, its attributes, and what else it has not.
pub(super) const TABLE: [(Owner, u16); COUNT as usize] = {
    let mut table = [(Owner::Host, 0); COUNT as usize];
    let host = [A, AAAA, AAAA, NSEC];
    let mut record = 0;
    while record < SERVICES as usize {
        table[record] = (Owner::Host, host[record]);
        record += 1;
    }
    let mut service = 0;
    while service < MDNS_SERVICES as u8 {
        let instance = Owner::Instance(service);
        let each = [
            (Owner::Types, PTR),
            (Owner::Type(service), PTR),
            (instance, SRV),
            (instance, TXT),
            (instance, NSEC),
        ];
        let mut index = 0;
        while index < EACH as usize {
            table[record] = each[index];
            (record, index) = (record + 1, index + 1);
        }
        service += 1;
    }
    table
};

/// Whose a record is.
pub(super) fn owner(record: u8) -> Owner {
    TABLE[usize::from(record)].0
}

/// A record's type.
pub(super) fn kind(record: u8) -> u16 {
    TABLE[usize::from(record)].1
}

/// The service that a record is about.
pub(super) const fn service(record: u8) -> u8 {
    record.saturating_sub(SERVICES) / EACH
}

pub(super) fn ttl(record: u8) -> u32 {
    if matches!(kind(record), PTR | TXT) { TTL } else { HOST_TTL }
}

const _: () = assert!((SERVICES as usize) + (EACH as usize) * MDNS_SERVICES <= 32);
