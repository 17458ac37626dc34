//! The routers on the link: which of them is the way out (RFC 4861 6.3.6, RFC 4191 3.2), and the questions for them
//! (RFC 7559). Servers for names are remembered in the same way (RFC 8106 5.3.1).

use heapless::Vec;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::Ipv6Address;

use super::Second;
use crate::limits::{ROUTERS, SOLICIT_FIRST_MS, SOLICIT_MAX_MS};
use crate::rng::Rng;

/// A router or a server, for as long as it is said to be one.
#[derive(Clone, Copy, Debug)]
struct Host {
    address: Ipv6Address,
    until: Second,
    /// From 0 on; the highest is preferred.
    preference: u8,
    /// It was told of since the link came up.
    confirmed: bool,
    /// It was asked for its MAC address, and did not answer.
    silent: bool,
}

/// Those that are remembered.
#[derive(Debug)]
pub(crate) struct Hosts(Vec<Host, ROUTERS>);

impl Hosts {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Their addresses, first told first.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Ipv6Address> {
        self.0.iter().map(|host| host.address)
    }

    /// Takes in that a host is one for so many seconds from now on.
    #[inline(never)]
    pub(crate) fn note(
        &mut self,
        address: Ipv6Address,
        lifetime: u32,
        preference: u8,
        now: Instant,
    ) {
        let index = self.0.iter().position(|known| known.address == address);
        if lifetime == 0 {
            // Its preference says nothing then (RFC 4191 2.2), and nobody makes room for it.
            index.map(|index| self.0.remove(index));
            return;
        }
        let until = Second::after(lifetime, now);
        let mut host = Host { address, until, preference, confirmed: true, silent: false };
        if let Some(known) = index.and_then(|index| self.0.get_mut(index)) {
            // It says that it is there, but has not answered.
            host.silent = known.silent;
            *known = host;
        } else {
            if self.0.is_full() {
                // One that does not answer, or that is less preferred, makes room.
                let goes = |known: &Host| known.silent || known.preference < preference;
                let Some(index) = self.0.iter().position(goes) else { return };
                self.0.remove(index);
            }
            let _ = self.0.push(host);
        }
    }

    /// The link is up again: who is there has to say so again.
    pub(crate) fn doubt(&mut self) {
        for host in &mut self.0 {
            (host.confirmed, host.silent) = (false, false);
        }
    }

    pub(crate) fn has_unconfirmed(&self) -> bool {
        self.0.iter().any(|host| !host.confirmed)
    }

    /// Forgets who is none any more, and `doubted`, who was not told of since the link came up.
    #[inline(never)]
    pub(crate) fn expire(&mut self, doubted: bool, now: Instant) {
        let goes = |host: &Host| host.until.is_over(now) || (doubted && !host.confirmed);
        while let Some(index) = self.0.iter().position(goes) {
            self.0.remove(index);
        }
    }

    /// The one to be used: the one in use as long as none is better. `lost`: it does not answer.
    #[inline(never)]
    pub(crate) fn choose(
        &mut self,
        current: Option<Ipv6Address>,
        lost: bool,
    ) -> Option<Ipv6Address> {
        let is_current = |host: &Host| Some(host.address) == current;
        if lost {
            // If none answers, each has its turn again, but for the one that has just had it.
            let none = self.0.iter().all(|host| host.silent || is_current(host));
            for host in &mut self.0 {
                host.silent = is_current(host) || (host.silent && !none);
            }
        }
        let (mut chosen, mut best) = (None, 0);
        for host in &self.0 {
            let rank =
                1 + u8::from(is_current(host)) + 2 * host.preference + 8 * u8::from(!host.silent);
            if rank > best {
                (chosen, best) = (Some(host.address), rank);
            }
        }
        chosen
    }

    /// Makes `next` no later than when one ceases to be one.
    pub(crate) fn next(&self, next: &mut Option<Instant>) {
        self.0.iter().for_each(|host| host.until.sooner(next));
    }
}

/// When routers are asked for.
#[derive(Debug)]
pub(crate) struct Solicit {
    at: Option<Instant>,
    /// Time between the last two questions.
    interval_ms: u32,
    /// When the last one was sent.
    last: Option<Instant>,
}

impl Solicit {
    /// With the link-local address, at once: that was late enough (RFC 4861 6.3.7).
    pub(crate) const fn new() -> Self {
        Self { at: Some(Instant::ZERO), interval_ms: 0, last: None }
    }

    /// From the beginning.
    pub(crate) const fn start(&mut self, now: Instant) {
        (self.at, self.interval_ms) = (Some(now), 0);
    }

    /// From the beginning, but no sooner than after a question. Nobody can make us ask more often by telling that they are
    /// routers no more.
    pub(crate) fn resume(&mut self, now: Instant) {
        let wait = Duration::from_millis(SOLICIT_FIRST_MS.into());
        let at = self.last.map_or(now, |last| now.max(last + wait));
        (self.at, self.interval_ms) = (Some(at), 0);
    }

    /// There is one.
    pub(crate) const fn stop(&mut self) {
        self.at = None;
    }

    pub(crate) const fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Notes that they were asked for: again after 4 s, then twice as long each time, give or take a tenth, up to an hour
    /// (RFC 7559 2).
    pub(crate) fn asked(&mut self, now: Instant, rng: &mut Rng) {
        let (interval, spread) = match self.interval_ms {
            0 => (SOLICIT_FIRST_MS, SOLICIT_FIRST_MS / 10),
            last if last > SOLICIT_MAX_MS / 2 => (SOLICIT_MAX_MS, SOLICIT_MAX_MS / 10),
            last => (last * 2, last / 10),
        };
        self.interval_ms = interval - spread + rng.below(2 * spread + 1);
        self.last = Some(now);
        self.at = Some(now + Duration::from_millis(self.interval_ms.into()));
    }
}
