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

/// Names that records have, by their numbers: those below, the types of services, and the services of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u8);

impl Owner {
    /// `local`.
    pub(super) const DOMAIN: Self = Self(0);
    /// The host.
    pub(crate) const HOST: Self = Self(1);
    /// All types of services (RFC 6763 9).
    pub(super) const TYPES: Self = Self(2);

    pub(super) const COUNT: usize = Self::instance(MDNS_SERVICES as u8).index();

    /// The type of a service.
    pub(super) const fn kind(service: u8) -> Self {
        Self(Self::TYPES.0 + 1 + service)
    }

    /// A service of this host.
    pub(super) const fn instance(service: u8) -> Self {
        Self::kind(MDNS_SERVICES as u8 + service)
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    /// Which service this is, or the type of.
    pub(super) const fn service(self) -> usize {
        (self.index() + MDNS_SERVICES - Self::kind(0).index()) % MDNS_SERVICES
    }

    /// Whether it is a service of this host.
    pub(super) const fn is_instance(self) -> bool {
        self.0 >= Self::instance(0).0
    }

    /// Whether nobody else may have it.
    pub(super) const fn is_unique(self) -> bool {
        self.0 == Self::HOST.0 || self.is_instance()
    }
}

/// A set of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set(pub(crate) u32);

impl Set {
    pub(crate) const NONE: Self = Self(0);
    /// The host's addresses.
    pub(super) const ADDRESSES: Self = Self((1 << NSEC_OF_HOST) - 1);
    /// Those that something does not exist.
    pub(super) const DENIALS: Self = Self::of_type(NSEC);
    /// Where services are.
    pub(super) const PLACES: Self = Self::of_type(SRV);
    /// The pointers from types of services to the services.
    pub(super) const POINTERS: Self = {
        let (mut set, mut service) = (0, 0);
        while service < MDNS_SERVICES as u8 {
            set |= Self::of_name(Owner::kind(service)).0;
            service += 1;
        }
        Self(set)
    };
    /// Those of names that nobody else may have.
    pub(super) const UNIQUE: Self = Self(!Self::of_type(PTR).0);
    /// One of each name.
    pub(super) const NAMES: Self =
        Self(1 << NSEC_OF_HOST | 1 << SERVICES | Self::POINTERS.0 | Self::PLACES.0);

    /// The records of a type.
    pub(super) const fn of_type(kind: u16) -> Self {
        let (mut set, mut record) = (0, COUNT);
        while record > 0 {
            record -= 1;
            set = set << 1 | (TABLE[record as usize].1 as u16 == kind) as u32;
        }
        Self(set)
    }

    /// The records of a name.
    pub(super) const fn of_name(name: Owner) -> Self {
        let (mut set, mut record) = (0, COUNT);
        while record > 0 {
            record -= 1;
            set = set << 1 | (TABLE[record as usize].0.0 == name.0) as u32;
        }
        Self(set)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn has(self, record: u8) -> bool {
        self.0 >> record & 1 == 1
    }

    /// Whether somebody else may have an answer as well: then ours waits (RFC 6762 6).
    pub(crate) const fn is_shared(self) -> bool {
        self.0 & !Self::UNIQUE.0 != 0
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
const TABLE: [(Owner, u8); COUNT as usize] = {
    let mut table = [(Owner::HOST, 0); COUNT as usize];
    let host = [A as u8, AAAA as u8, AAAA as u8, NSEC as u8];
    let mut record = 0;
    while record < SERVICES as usize {
        table[record] = (Owner::HOST, host[record]);
        record += 1;
    }
    let mut service = 0;
    while service < MDNS_SERVICES as u8 {
        let instance = Owner::instance(service);
        let each = [
            (Owner::TYPES, PTR as u8),
            (Owner::kind(service), PTR as u8),
            (instance, SRV as u8),
            (instance, TXT as u8),
            (instance, NSEC as u8),
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
    TABLE[usize::from(record)].1.into()
}

/// The service that a record is about.
pub(super) const fn service(record: u8) -> u8 {
    record.saturating_sub(SERVICES) / EACH
}

pub(super) fn ttl(record: u8) -> u32 {
    if matches!(kind(record), PTR | TXT) { TTL } else { HOST_TTL }
}

const _: () = assert!((SERVICES as usize) + (EACH as usize) * MDNS_SERVICES <= 32);
