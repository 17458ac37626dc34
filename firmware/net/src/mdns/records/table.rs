//! Which records there are: each has a number, its owner, and its type; and sets of them.

use crate::dns_message::{A, AAAA};
use crate::limits::MDNS_SERVICES;

pub(crate) const PTR: u16 = 12;
pub(crate) const TXT: u16 = 16;
pub(crate) const SRV: u16 = 33;
pub(crate) const NSEC: u16 = 47;
pub(crate) const ANY: u16 = 255;

/// How long records are good that have an address in them, or a host's name, and all others, seconds (RFC 6762 10).
const HOST_TTL: u16 = 120;
pub(super) const TTL: u16 = 4500;

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
    /// All that there may be to announce.
    pub(crate) const ALL: Self = Self(!Self::DENIALS.0);
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
            set = set << 1 | (TABLE[record as usize].kind == kind) as u32;
        }
        Self(set)
    }

    /// The records of a name.
    const fn of_name(name: Owner) -> Self {
        let (mut set, mut record) = (0, COUNT);
        while record > 0 {
            record -= 1;
            set = set << 1 | (TABLE[record as usize].owner.0 == name.0) as u32;
        }
        Self(set)
    }

    /// The records of a name that have a type, or any.
    #[inline(never)]
    pub(super) fn of(name: Owner, wanted: u16) -> Self {
        let is = |row: &Row| row.owner == name && (wanted == ANY || row.kind == wanted);
        Self(TABLE.iter().rev().fold(0, |set, row| set << 1 | u32::from(is(row))))
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether somebody else may have an answer as well: then ours waits (RFC 6762 6).
    pub(crate) const fn is_shared(self) -> bool {
        self.0 & !Self::UNIQUE.0 != 0
    }
}

/// The records of a set, and their numbers.
pub(super) fn records(set: Set) -> impl Iterator<Item = (u8, &'static Row)> {
    (0..).zip(TABLE).filter(move |(record, _)| set.0 >> record & 1 == 1)
}

/// How many records there can be.
pub(super) const COUNT: u8 = SERVICES + EACH * MDNS_SERVICES as u8;

/// A record: whose it is, its type, and the name in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) owner: Owner,
    /// `local` stands for none.
    target: Owner,
    pub(super) kind: u16,
}

impl Row {
    const fn new(owner: Owner, kind: u16, target: Owner) -> Self {
        Self { owner, target, kind }
    }

    /// The name in it, if there is one.
    pub(super) fn target(self) -> Option<Owner> {
        Some(self.target).filter(|target| *target != Owner::DOMAIN)
    }
}

/// Each record: three addresses of the host, and what else it has not; and of each service two pointers to it, where it is,
/// its attributes, and what else it has not.
const TABLE: &[Row; COUNT as usize] = &{
    let mut table = [Row::new(Owner::HOST, NSEC, Owner::HOST); COUNT as usize];
    let host = [A, AAAA, AAAA];
    let mut record = 0;
    while record < host.len() {
        table[record] = Row::new(Owner::HOST, host[record], Owner::DOMAIN);
        record += 1;
    }
    let mut service = 0;
    while service < MDNS_SERVICES as u8 {
        let (kind, instance) = (Owner::kind(service), Owner::instance(service));
        let each = [
            Row::new(Owner::TYPES, PTR, kind),
            Row::new(kind, PTR, instance),
            Row::new(instance, SRV, Owner::HOST),
            Row::new(instance, TXT, Owner::DOMAIN),
            Row::new(instance, NSEC, instance),
        ];
        let (first, mut index) = (SERVICES + EACH * service, 0);
        while index < EACH {
            table[(first + index) as usize] = each[index as usize];
            index += 1;
        }
        service += 1;
    }
    table
};

/// For how many seconds a record is good.
pub(super) const fn ttl(record: u8) -> u16 {
    const LONG: u32 = Set::of_type(PTR).0 | Set::of_type(TXT).0;
    if LONG >> record & 1 == 1 { TTL } else { HOST_TTL }
}

const _: () = assert!((SERVICES as usize) + (EACH as usize) * MDNS_SERVICES <= 32);
