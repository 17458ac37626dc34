//! The neighbour cache: who on the link has which MAC address, and whom to ask for (RFC 826, RFC 4861 7).
//!
//! It learns from whatever comes in, and asks for each destination by itself, once a second (RFC 1122 2.3.2.1). smoltcp
//! sends packets, and has no cache of its own.
//!
//! A MAC address is believed as far as what tells it goes. One seen as the source of a packet is good enough to
//! answer that packet, and gives way to the next one seen. One that has answered the board's own question, or
//! completed a handshake, is confirmed: packets from elsewhere do not change it while it is fresh, and it is the last to
//! make room. If somebody else says to be it, it is asked first, and believed if it answers: who has taken its place, as
//! after a failover, is found a second later. One of which nothing but a packet is known is asked a second after that, once
//! (RFC 4861 7.3.3). One that is not heard of any more is still used while it is asked for anew: everybody
//! that a connection is open to is asked for then, as is whoever something is to be sent to. A packet from beyond the gateway
//! tells of the gateway only while nothing is known of it, for any host on the link can have sent it.
//!
//! It fails no call: a connect to somebody who does not answer ends by its own limit (`tcp/expiry.rs`).
//!
//! Cost: 48 bytes an entry, 32 with IPv4 alone, and one comparison for a frame from the same neighbour as the last.

use crate::ethernet::EthernetAddress;
use smoltcp::time::Instant;
use smoltcp::wire::IpAddress;

use crate::frame::same;
use crate::limits::{NEIGHBOR_ASK, NEIGHBOR_ASKS, NEIGHBOR_FRESH, NEIGHBORS};
use crate::time::sooner;

/// Questions that a confirmed neighbour may leave unanswered before somebody is believed who says to be it, and one for
/// the doubt itself.
const DOUBTS: u8 = 2;

#[derive(Debug)]
#[cfg_attr(
    feature = "ipv6",
    expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")
)]
struct Neighbor {
    address: IpAddress,
    /// `None` while nothing is known.
    mac: Option<EthernetAddress>,
    /// It has answered a question of ours, or completed a handshake.
    confirmed: bool,
    /// Questions since it was last heard of.
    asks: u8,
    asked: Instant,
    /// When it last sent something from this MAC address.
    heard: Instant,
    /// Something is to be sent to it, or there was in the last poll.
    wanted: bool,
    /// All that is known of it is the source of a packet.
    guessed: bool,
    /// That packet was to our link-local address.
    #[cfg(feature = "ipv6")]
    link_local: bool,
}

const _: () = assert!(size_of::<Neighbor>() <= if cfg!(feature = "ipv6") { 48 } else { 32 });

impl Neighbor {
    const fn new(address: IpAddress, now: Instant) -> Self {
        Self {
            address,
            mac: None,
            confirmed: false,
            asks: 0,
            asked: now,
            heard: now,
            wanted: false,
            guessed: false,
            #[cfg(feature = "ipv6")]
            link_local: false,
        }
    }

    fn fresh(&self, now: Instant) -> bool {
        self.mac.is_some() && now < self.heard + NEIGHBOR_FRESH
    }

    /// What it is to be kept for: first of all that it is wanted, then that it is confirmed, then that it was heard of.
    fn worth(&self) -> i64 {
        // Later than any time.
        const CONFIRMED: i64 = 1 << 60;
        let weight = i64::from(self.wanted) * 2 + i64::from(self.confirmed);
        self.heard.total_micros() + weight * CONFIRMED
    }

    /// When it is to be asked for, if it is.
    #[cfg_attr(target_os = "none", inline(never))]
    fn ask_at(&self) -> Option<Instant> {
        let unsure = self.guessed && self.asks == 0;
        if !self.wanted && !unsure {
            return None;
        }
        let again = self.asked + NEIGHBOR_ASK;
        let stale = if self.mac.is_some() { self.heard + NEIGHBOR_FRESH } else { self.asked };
        Some(match self.asks {
            0 if !unsure => stale,
            0 if self.wanted => stale.min(again),
            // It need not answer, as long as it speaks.
            1 if self.guessed => stale.max(again),
            _ => again,
        })
    }
}

/// How far what tells of a MAC address is to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The source of a packet from beyond the gateway, in the gateway's name.
    Routed,
    /// The source of a packet.
    Packet,
    /// A question for one of our addresses, which says who asks.
    Question,
    /// What its owner says to all, or answers. It may have been asked for.
    Answer,
    /// The same, but not to replace what is known (RFC 4861 7.2.5, without the Override flag).
    WeakAnswer,
}

/// The cache; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Neighbors {
    entries: heapless::Vec<Neighbor, NEIGHBORS>,
    /// The entry found last.
    last: usize,
}

impl Neighbors {
    pub(crate) const fn new() -> Self {
        Self { entries: heapless::Vec::new(), last: 0 }
    }

    fn find(&mut self, address: &IpAddress) -> Option<usize> {
        let is = |entry: &Neighbor| same(&entry.address, address);
        if !self.entries.get(self.last).is_some_and(is) {
            self.last = self.entries.iter().position(is)?;
        }
        Some(self.last)
    }

    /// Notes a packet from `address`, or if it is `routed` from beyond it, sent by `mac`. Returns whether that is known; if
    /// not, [`Neighbors::learn`] is for it.
    pub(crate) fn hear(
        &mut self,
        address: &IpAddress,
        mac: EthernetAddress,
        routed: bool,
        now: Instant,
    ) -> bool {
        let Some(index) = self.find(address) else { return false };
        let entry = &mut self.entries[index];
        if entry.mac != Some(mac) {
            return false;
        }
        if entry.confirmed || !routed {
            (entry.heard, entry.asks) = (now, 0);
        }
        true
    }

    /// Takes in that `address` is at `mac`, if it may be believed.
    pub(crate) fn learn(
        &mut self,
        address: &IpAddress,
        mac: EthernetAddress,
        source: Source,
        now: Instant,
    ) {
        let index = match self.find(address) {
            Some(index) => index,
            // Who speaks to all, and not to us, is nobody we need to know (RFC 826).
            None if matches!(source, Source::Answer | Source::WeakAnswer) => return,
            None => match self.place(address, true, now) {
                Some(index) => index,
                None => return,
            },
        };
        let entry = &mut self.entries[index];
        let keep = match source {
            Source::Packet => entry.confirmed && entry.fresh(now),
            Source::Routed | Source::WeakAnswer => entry.mac.is_some(),
            Source::Question | Source::Answer => {
                let doubted = entry.confirmed && entry.fresh(now) && entry.asks <= DOUBTS;
                if doubted && entry.asks == 0 && entry.mac != Some(mac) {
                    // At once, unless that was done a moment ago.
                    entry.asks = 1;
                }
                doubted
            }
        };
        let guessed = matches!(source, Source::Packet | Source::Routed);
        if entry.mac == Some(mac) {
            entry.confirmed |= source == Source::Answer && entry.asks > 0;
        } else if keep {
            return;
        } else {
            entry.mac = Some(mac);
            entry.confirmed = entry.asks > 0 && !guessed;
        }
        entry.guessed = guessed;
        if source == Source::Routed {
            // To be asked for as soon as something else is to be sent there.
            entry.heard = now - NEIGHBOR_FRESH;
        } else {
            (entry.heard, entry.asks) = (now, 0);
        }
    }

    /// Notes that a packet from `address`, of whom something has just been learned, was to our link-local address, or not.
    #[cfg(feature = "ipv6")]
    pub(crate) fn spoke_to(&mut self, address: &IpAddress, link_local: bool) {
        if let Some(index) = self.find(address) {
            self.entries[index].link_local = link_local;
        }
    }

    /// Whether it was.
    #[cfg(feature = "ipv6")]
    pub(crate) fn spoken_to(&self, index: usize) -> bool {
        self.entries[index].link_local
    }

    /// Where `address` is, as far as is known.
    pub(crate) fn mac(&mut self, address: &IpAddress) -> Option<EthernetAddress> {
        let index = self.find(address)?;
        self.entries[index].mac
    }

    /// Whether that is known.
    #[cfg(feature = "redirects")]
    pub(crate) fn knows(&self, address: &IpAddress) -> bool {
        self.entries.iter().any(|entry| entry.mac.is_some() && same(&entry.address, address))
    }

    /// Notes that the neighbour has received what was sent to it at `mac`.
    pub(crate) fn confirm(&mut self, address: &IpAddress, mac: EthernetAddress) {
        if let Some(index) = self.find(address) {
            let entry = &mut self.entries[index];
            entry.confirmed |= entry.mac == Some(mac);
            entry.guessed &= !entry.confirmed;
        }
    }

    /// Notes that something is to be sent to `address`.
    pub(crate) fn want(&mut self, address: &IpAddress, now: Instant) {
        let index = self.find(address).or_else(|| self.place(address, false, now));
        if let Some(index) = index {
            self.entries[index].wanted = true;
        }
    }

    /// What is to be sent is found out anew from here on.
    pub(crate) fn want_nobody(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.wanted = false);
    }

    /// A new entry, in the place of another if it must be: of one that was not heard of for long, and rather of one that
    /// is not confirmed. One to whom something is to be sent makes room only for one that has just been heard, and only
    /// if its own address is known and not confirmed: a question that is forgotten would be asked anew at once.
    fn place(&mut self, address: &IpAddress, heard: bool, now: Instant) -> Option<usize> {
        if self.entries.is_full() {
            let (mut least, mut worth) = (None, i64::MAX);
            for (index, entry) in self.entries.iter().enumerate() {
                let goes = !entry.wanted || (heard && !entry.confirmed && entry.mac.is_some());
                if goes && entry.worth() < worth {
                    (least, worth) = (Some(index), entry.worth());
                }
            }
            self.entries.swap_remove(least?);
        }
        let _ = self.entries.push(Neighbor::new(*address, now));
        self.last = self.entries.len() - 1;
        Some(self.last)
    }

    /// Notes that an entry is asked for now, and says whom it is about.
    pub(crate) fn ask(&mut self, index: usize, now: Instant) -> IpAddress {
        let entry = &mut self.entries[index];
        if entry.asks >= NEIGHBOR_ASKS && entry.mac.is_some() {
            (entry.mac, entry.confirmed) = (None, false);
        }
        entry.asks = entry.asks.saturating_add(1);
        entry.asked = now;
        entry.address
    }

    /// Whether a neighbour was asked for as often as there is hope, and did not answer.
    #[cfg(feature = "slaac")]
    pub(crate) fn is_lost(&mut self, address: &IpAddress) -> bool {
        self.find(address).is_some_and(|index| {
            let entry = &self.entries[index];
            entry.mac.is_none() && entry.asks >= NEIGHBOR_ASKS
        })
    }

    /// The entry that is to be asked for now, if one is; [`Neighbors::ask`] does so.
    pub(crate) fn due(&self, now: Instant) -> Option<usize> {
        self.entries.iter().position(|entry| entry.ask_at().is_some_and(|at| at <= now))
    }

    /// Makes `next` no later than when another is to be asked for.
    pub(crate) fn ask_at(&self, next: &mut Option<Instant>) {
        for at in self.entries.iter().filter_map(Neighbor::ask_at) {
            sooner(next, at);
        }
    }

    /// Forgets everybody.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}
