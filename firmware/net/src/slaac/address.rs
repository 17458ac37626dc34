//! An address of one's own making: its interface identifier, whether somebody has it (RFC 4862 5.4), and how long it lives.

use crate::ethernet::EthernetAddress;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv6Address, Ipv6Cidr};

use super::Second;
use crate::frame::router::Prefix;
use crate::limits::{DUPLICATE_RETRY, IDENTIFIER_RETRIES, NEIGHBOR_ASK, PROBE_DELAY_MS};
use crate::rng::Rng;
use crate::secret::Secret;
use crate::time::sooner;

/// What the last 64 bits of addresses are made of.
///
/// Without a secret it is the MAC address (RFC 4291 appendix A): nothing has to be stored, an address is the same after each boot
/// and can be told from the board's label. But it is the same in every network, and there is no other one if somebody has
/// it. With a secret that outlives a boot, it is another one for each network, which tells nothing (RFC 7217).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identifier {
    pub(crate) mac: EthernetAddress,
    pub(crate) secret: Option<u64>,
}

impl Identifier {
    /// The address in this prefix, after so many that somebody has.
    fn address(&self, prefix: [u8; 8], taken: u8) -> Ipv6Address {
        let id = match self.secret {
            None => self.mac.as_eui_64().unwrap_or_default(),
            Some(secret) => {
                let mut input = [taken; 15];
                input[..6].copy_from_slice(&self.mac.0);
                input[7..].copy_from_slice(&prefix);
                let hash = Secret::new(secret).hash(&input);
                let free = if is_reserved(hash) { hash ^ 1 << 63 } else { hash };
                free.to_be_bytes()
            }
        };
        let mut octets = [0; 16];
        octets[..8].copy_from_slice(&prefix);
        octets[8..].copy_from_slice(&id);
        octets.into()
    }
}

/// The routers' anycast address (RFC 4291 2.6.1) and those of RFC 2526.
const fn is_reserved(id: u64) -> bool {
    id == 0 || id >> 7 == 0xfdff_ffff_ffff_ff80 >> 7
}

/// How far an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is asked for at this moment, if it was not, or else ours.
    Tentative { at: Instant, asked: bool },
    /// It is ours.
    Ready,
    /// Somebody else has it; it is tried again at this moment.
    Duplicate { again: Instant },
}

/// An address of one's own making.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) cidr: Ipv6Cidr,
    pub(crate) phase: Phase,
    /// Until when it is for new connections.
    pub(crate) preferred: Second,
    /// Until when it may be used at all.
    pub(crate) valid: Second,
    /// A router has told of it since the link came up.
    pub(crate) confirmed: bool,
    /// It was noticed that it is for no new connections any more.
    pub(crate) deprecated: bool,
    /// How many addresses of this prefix somebody had.
    taken: u8,
}

impl Address {
    pub(crate) fn new(
        prefix: &Prefix,
        identifier: &Identifier,
        now: Instant,
        rng: &mut Rng,
    ) -> Self {
        let mut this = Self {
            cidr: Ipv6Cidr::new(identifier.address(prefix.bits, 0), 64),
            phase: Phase::Ready,
            preferred: Second::after(prefix.preferred, now),
            valid: Second::after(prefix.valid, now),
            confirmed: true,
            deprecated: false,
            taken: 0,
        };
        this.set_on_link(prefix.on_link);
        this.probe(now, rng);
        this
    }

    /// Whether this is the address of that prefix.
    pub(crate) fn is_of(&self, prefix: &Prefix) -> bool {
        self.prefix() == prefix.bits
    }

    fn prefix(&self) -> [u8; 8] {
        let mut prefix = [0; 8];
        prefix.copy_from_slice(&self.cidr.address().octets()[..8]);
        prefix
    }

    /// Whether others of the prefix are neighbours, or behind the router.
    pub(crate) fn set_on_link(&mut self, on_link: bool) {
        self.cidr = Ipv6Cidr::new(self.cidr.address(), if on_link { 64 } else { 128 });
    }

    /// Begins to find out whether somebody has it.
    pub(crate) fn probe(&mut self, now: Instant, rng: &mut Rng) {
        let wait = Duration::from_millis(rng.below(PROBE_DELAY_MS).into());
        self.phase = Phase::Tentative { at: now + wait, asked: false };
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    pub(crate) const fn is_tentative(&self) -> bool {
        matches!(self.phase, Phase::Tentative { .. })
    }

    /// Whether it is to be asked for now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        matches!(self.phase, Phase::Tentative { at, asked: false } if at <= now)
    }

    /// Notes that it was.
    pub(crate) fn asked(&mut self, now: Instant) {
        self.phase = Phase::Tentative { at: now + NEIGHBOR_ASK, asked: true };
    }

    /// Takes the next address, if there is one, or waits (RFC 4862 5.4.5, RFC 7217 6).
    pub(crate) fn give_way(&mut self, identifier: &Identifier, now: Instant) {
        self.taken = self.taken.saturating_add(1);
        if identifier.secret.is_some() && self.taken <= IDENTIFIER_RETRIES {
            let address = identifier.address(self.prefix(), self.taken);
            self.cidr = Ipv6Cidr::new(address, self.cidr.prefix_len());
            self.phase = Phase::Tentative { at: now + NEIGHBOR_ASK, asked: false };
        } else {
            self.phase = Phase::Duplicate { again: now + DUPLICATE_RETRY };
        }
    }

    /// Notes what time has made of its phase. Says whether it is ours from now on.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        match self.phase {
            // Nobody has answered in time.
            Phase::Tentative { at, asked: true } if at <= now => {
                self.phase = Phase::Ready;
                return true;
            }
            Phase::Duplicate { again } if again <= now => {
                self.phase = Phase::Tentative { at: now, asked: false };
            }
            _ => {}
        }
        false
    }

    /// Makes `next` no later than when its phase is over; without its turn, it is not asked for.
    pub(crate) fn next(&self, turn: bool, next: &mut Option<Instant>) {
        match self.phase {
            Phase::Tentative { asked: false, .. } if !turn => {}
            Phase::Tentative { at, .. } | Phase::Duplicate { again: at } => sooner(next, at),
            Phase::Ready => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: EthernetAddress = EthernetAddress([2, 0, 0x5e, 0, 0, 7]);
    const PREFIX: [u8; 8] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 1];

    #[test]
    fn without_a_secret_it_is_the_mac_addresses() {
        let identifier = Identifier { mac: MAC, secret: None };
        let expected = Ipv6Address::new(0x2001, 0xdb8, 0, 1, 0, 0x5eff, 0xfe00, 7);
        assert_eq!(identifier.address(PREFIX, 0), expected);
        assert_eq!(identifier.address(PREFIX, 1), identifier.address(PREFIX, 0));
    }

    #[test]
    fn with_one_it_is_another_for_each_network_and_conflict_and_the_same_again() {
        let of = |secret, prefix, taken| {
            Identifier { mac: MAC, secret: Some(secret) }.address(prefix, taken)
        };
        let other = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 2];
        let mut seen = std::collections::BTreeSet::new();
        for secret in 0..20 {
            for prefix in [PREFIX, other] {
                for taken in 0..=IDENTIFIER_RETRIES {
                    let address = of(secret, prefix, taken);
                    assert_eq!(address, of(secret, prefix, taken));
                    assert_eq!(address.octets()[..8], prefix);
                    assert!(seen.insert(address.octets()[8..].to_vec()), "{address}");
                }
            }
        }
        assert!(is_reserved(0) && is_reserved(0xfdff_ffff_ffff_ffff) && !is_reserved(1));
    }
}
