//! The routers on the link: which of them is the way out (RFC 4861 6.3.6, RFC 4191 3.2), and the questions for them
//! (RFC 7559).

use heapless::Vec;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::Ipv6Address;

use super::Second;
use crate::frame::router::Advertisement;
use crate::limits::{ROUTERS, SOLICIT_FIRST_MS, SOLICIT_MAX_MS};
use crate::rng::Rng;

/// A router, for as long as it says to be one.
#[derive(Clone, Copy, Debug)]
struct Router {
    address: Ipv6Address,
    until: Second,
    preference: i8,
    /// It has told of itself since the link came up.
    confirmed: bool,
    /// It was asked for its MAC address, and did not answer.
    silent: bool,
}

/// Those that are remembered.
#[derive(Debug)]
pub(crate) struct Routers {
    all: Vec<Router, ROUTERS>,
    /// The one in use.
    gateway: Option<Ipv6Address>,
}

impl Routers {
    pub(crate) const fn new() -> Self {
        Self { all: Vec::new(), gateway: None }
    }

    /// The way out, if there is one.
    pub(crate) const fn gateway(&self) -> Option<Ipv6Address> {
        self.gateway
    }

    /// Whether there is another one to turn to.
    pub(crate) fn has_another(&self) -> bool {
        self.all.len() > 1
    }

    /// Takes in a router's word about itself.
    pub(crate) fn advertised(&mut self, advertisement: &Advertisement<'_>, now: Instant) {
        let &Advertisement { source, lifetime, preference, .. } = advertisement;
        let until = Second::after(lifetime.into(), now);
        let known = self.all.iter().position(|router| router.address == source);
        match known {
            Some(index) if lifetime == 0 => {
                self.all.remove(index);
            }
            Some(index) => {
                let router = &mut self.all[index];
                (router.until, router.preference, router.confirmed) = (until, preference, true);
            }
            None if lifetime > 0 => {
                if self.all.is_full() {
                    // One that does not answer, or that is less preferred, makes room.
                    let goes = |router: &Router| router.silent || router.preference < preference;
                    let Some(index) = self.all.iter().position(goes) else { return };
                    self.all.remove(index);
                }
                let router =
                    Router { address: source, until, preference, confirmed: true, silent: false };
                let _ = self.all.push(router);
            }
            None => {}
        }
    }

    /// The link is up again: who is there has to say so again.
    pub(crate) fn doubt(&mut self) {
        for router in &mut self.all {
            (router.confirmed, router.silent) = (false, false);
        }
    }

    pub(crate) fn has_unconfirmed(&self) -> bool {
        self.all.iter().any(|router| !router.confirmed)
    }

    /// Forgets who is no router any more, and chooses. `lost`: the one in use does not answer. `doubted`: nor is it one
    /// who was not heard since the link came up. Says whether another one was chosen.
    pub(crate) fn expire(&mut self, lost: bool, doubted: bool, now: Instant) -> bool {
        self.all.retain(|router| !router.until.is_over(now) && (router.confirmed || !doubted));
        let gateway = self.gateway;
        let is_gateway = |router: &Router| Some(router.address) == gateway;
        if lost {
            for router in &mut self.all {
                router.silent |= is_gateway(router);
            }
            if self.all.iter().all(|router| router.silent) {
                // Each has its turn again, but for the one that has just had it.
                self.all.iter_mut().for_each(|router| router.silent = is_gateway(router));
            }
        }
        let rank = |router: &&Router| (!router.silent, router.preference, is_gateway(router));
        // Of equals the last one, which is the first that spoke.
        self.gateway = self.all.iter().rev().max_by_key(rank).map(|router| router.address);
        self.gateway != gateway
    }

    /// Makes `next` no later than when one ceases to be one.
    pub(crate) fn next(&self, next: &mut Option<Instant>) {
        self.all.iter().for_each(|router| router.until.sooner(next));
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
