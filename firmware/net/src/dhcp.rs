//! The stack's own IPv4 address, from a server (RFC 2131) or, if nobody answers, of its own choice (RFC 3927).
//!
//! The client is RFC 2131's (4.4, figure 5): DISCOVER, REQUEST, renewal, rebinding, each again when nobody answers. An
//! answer is taken only if it answers the last question, from the server that it went to, about the address that it was
//! about (`exchange`). A refusal is not asked about again at once. An address is probed before its use (`probe`, RFC 5227)
//! and declined if somebody has it. When the cable comes in again, the server is asked whether the lease still holds
//! (INIT-REBOOT), while connections go on.
//!
//! The timetable is here; `lease` has what a server gives and until when (T1, T2, the end), `message` the format, `link_local` the
//! address without a server; what is due is sent, and what comes taken in, by `stack/dhcp.rs`.
//!
//! It begins with [`NetConfig::with_dhcp`](crate::NetConfig::with_dhcp). Cost: some 200 bytes; an idle turn is a few
//! comparisons.
//!
//! Known gaps: the first DISCOVER is not delayed at random (RFC 2131 4.4.1), nothing is released at the end, and after a
//! rebinding the first server is asked for the next renewal, and everybody again at T2. Options in the fields of names
//! (option overload, RFC 2132 9.3) are not read.

pub(crate) mod exchange;
mod lease;
pub(crate) mod link_local;
pub(crate) mod message;
pub(crate) mod probe;

use crate::ethernet::EthernetAddress;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

pub use lease::Lease;

use crate::limits::{
    DECLINE_WAIT, DHCP_ALONE, DHCP_RETRY_FIRST_MS, DHCP_RETRY_MAX_MS, PROBE_CONFLICTS,
    PROBE_RATE_LIMIT, RENEW_MIN, RENEW_RETRY,
};
use crate::netstat::Origin;
use crate::time::sooner;
use exchange::{Exchange, Question};
use link_local::LinkLocal;
use probe::Probe;

/// REQUESTs for an address that was offered, before others are asked for one.
const REQUESTS: u8 = 4;

/// Where the client stands (RFC 2131 4.4), and so what it says next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It looks for servers.
    Selecting,
    /// It has an offer, and has asked for it so often.
    Requesting(u8),
    /// It has a lease.
    Bound,
}

/// An address that is probed before it is used.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) address: Ipv4Cidr,
    pub(crate) origin: Origin,
    pub(crate) probe: Probe,
}

/// The question, after the link came up, whether the lease still holds.
#[derive(Debug)]
pub(crate) struct Reboot {
    /// When it is asked next, or given up.
    pub(crate) at: Instant,
    pub(crate) asked: u8,
}

/// The client; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Dhcp {
    pub(crate) state: State,
    /// When it speaks next.
    pub(crate) at: Instant,
    pub(crate) exchange: Exchange,
    /// What a server has given, whether it is in use yet or not.
    pub(crate) lease: Option<Lease>,
    /// Where the address in use is from.
    pub(crate) origin: Origin,
    pub(crate) candidate: Option<Candidate>,
    pub(crate) reboot: Option<Reboot>,
    /// An address that is to be given back because somebody has it, and the server that gave it.
    pub(crate) decline: Option<(Ipv4Address, Ipv4Address)>,
    /// Without any address, a link-local one is tried from here on.
    pub(crate) alone_at: Instant,
    pub(crate) link_local: LinkLocal,
    /// Leases refused or found in use by others, one after another.
    failures: u8,
    /// DISCOVERs since the last lease.
    discovers: u8,
    /// Addresses found in use by others, one after another.
    conflicts: u8,
    /// Since when a renewal is due and cannot leave: the server's MAC address is not known.
    pub(crate) stalled: Option<Instant>,
}

impl Dhcp {
    pub(crate) fn new(mac: EthernetAddress, now: Instant) -> Self {
        Self {
            state: State::Selecting,
            at: now,
            exchange: Exchange::default(),
            lease: None,
            origin: Origin::Static,
            candidate: None,
            reboot: None,
            decline: None,
            alone_at: now + DHCP_ALONE,
            link_local: LinkLocal::new(mac),
            failures: 0,
            discovers: 0,
            conflicts: 0,
            stalled: None,
        }
    }

    /// Begins anew with a DISCOVER, `wait` from now. Whatever address is in use stays so.
    #[inline(never)]
    pub(crate) fn start_over(&mut self, now: Instant, wait: Duration) {
        self.lease = None;
        self.look_for_servers(now, wait);
    }

    /// As [`Dhcp::start_over`], with the lease that there is.
    #[inline(never)]
    pub(crate) fn look_for_servers(&mut self, now: Instant, wait: Duration) {
        (self.state, self.at) = (State::Selecting, now + wait);
        self.exchange = Exchange::default();
        (self.reboot, self.stalled) = (None, None);
        if self.candidate.as_ref().is_some_and(|candidate| candidate.origin == Origin::Dhcp) {
            self.candidate = None;
        }
        self.discovers = 0;
    }

    /// As at boot: the link came up, or it was switched on.
    pub(crate) fn start_afresh(&mut self, now: Instant) {
        (self.failures, self.conflicts) = (0, 0);
        (self.candidate, self.decline) = (None, None);
        self.alone_at = now + DHCP_ALONE;
        self.start_over(now, Duration::ZERO);
    }

    /// A lease was refused, or is of no use: begins anew, after the first time not at once.
    pub(crate) fn refused(&mut self, now: Instant) {
        let wait = match self.failures {
            0 => Duration::ZERO,
            failures => backoff(failures - 1),
        };
        self.failures = self.failures.saturating_add(1);
        self.start_over(now, wait);
    }

    /// An address is in use by somebody else. A server's is declined, and then asked for no sooner than RFC 2131 3.1.5
    /// says; of our own choice it is another one's turn (RFC 3927 2.2.1).
    #[inline(never)]
    pub(crate) fn taken(&mut self, address: Ipv4Address, origin: Origin, now: Instant) {
        // Not the other one, should one of each kind be in use and tried.
        if self.candidate.as_ref().is_some_and(|candidate| candidate.origin == origin) {
            self.candidate = None;
        }
        self.conflicts = self.conflicts.saturating_add(1);
        let many = self.conflicts >= PROBE_CONFLICTS;
        if origin == Origin::LinkLocal {
            self.link_local.next();
            self.alone_at = if many { now + PROBE_RATE_LIMIT } else { now };
        } else {
            self.decline = self.lease.as_ref().map(|lease| (address, lease.server));
            let wait = if many { PROBE_RATE_LIMIT } else { DECLINE_WAIT };
            if self.conflicts == 1 {
                // The next lease gets its chance.
                self.alone_at = now + wait + DHCP_ALONE;
            }
            self.start_over(now, wait);
        }
    }

    /// An address is in use from now on.
    pub(crate) fn settled(&mut self, origin: Origin) {
        self.origin = origin;
        self.conflicts = 0;
        if origin == Origin::Dhcp {
            (self.failures, self.discovers) = (0, 0);
        }
    }

    /// The question that is due, if one is.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Question> {
        if self.at > now {
            return None;
        }
        if self.state == State::Requesting(REQUESTS) {
            self.state = State::Selecting;
        }
        Some(match (self.state, &self.lease) {
            (State::Requesting(_), _) => Question::Request,
            (State::Bound, Some(lease)) if now >= lease.rebinds => Question::Rebind,
            (State::Bound, Some(_)) => Question::Renew,
            _ => Question::Discover,
        })
    }

    /// Notes that a question has left, and when it is asked again. `jitter_ms` is from 0 to 2000.
    pub(crate) fn asked(&mut self, question: Question, xid: u32, jitter_ms: u32, now: Instant) {
        self.exchange.asked(question, xid);
        self.stalled = None;
        let wait = match (question, self.state) {
            (Question::Request, State::Requesting(asked)) => {
                self.state = State::Requesting(asked + 1);
                backoff(asked / 2)
            }
            (Question::Renew | Question::Rebind, _) => {
                self.renew_later(now);
                return;
            }
            _ => {
                self.exchange.offer = None;
                self.discovers = self.discovers.saturating_add(1);
                // RFC 2131 4.1, give or take a second.
                let jitter = Duration::from_millis(jitter_ms.into());
                backoff(self.discovers - 1) - Duration::from_secs(1) + jitter
            }
        };
        self.at = now + wait;
    }

    /// Nobody has renewed the lease yet: asks again after half of the time until T2, and behind that of the time until its
    /// end (RFC 2131 4.4.5).
    #[inline(never)]
    pub(crate) fn renew_later(&mut self, now: Instant) {
        let Some(lease) = &self.lease else { return };
        let renews = now < lease.rebinds;
        let end = if renews { lease.rebinds } else { lease.expires };
        let half = Duration::from_micros((end - now).total_micros() / 2);
        let at = now + half.max(RENEW_RETRY);
        self.at = if renews { at.min(end) } else { at };
    }

    /// A server has offered an address, which is asked for now.
    pub(crate) fn offered(&mut self, now: Instant) {
        (self.state, self.at) = (State::Requesting(0), now);
    }

    /// A server has given a lease, whose renewal is due at `renews`.
    pub(crate) fn bound(&mut self, renews: Instant, now: Instant) {
        (self.state, self.at) = (State::Bound, renews.max(now + RENEW_MIN));
        (self.reboot, self.stalled) = (None, None);
    }

    /// Makes `next` no later than when something of ours is due; `idle`: there is no address.
    pub(crate) fn next(&self, idle: bool, now: Instant, next: &mut Option<Instant>) {
        if let Some(lease) = &self.lease {
            sooner(next, lease.expires);
        } else if idle && self.candidate.is_none() {
            sooner(next, self.alone_at);
        }
        if let Some(candidate) = &self.candidate {
            sooner(next, candidate.probe.at());
        }
        if let Some(reboot) = &self.reboot {
            sooner(next, reboot.at);
        }
        if self.decline.is_some() {
            sooner(next, now);
        }
    }
}

/// 4, 8, 16, 32, 64 s and no longer (RFC 2131 4.1).
#[inline(never)]
pub(crate) fn backoff(round: u8) -> Duration {
    Duration::from_millis((DHCP_RETRY_FIRST_MS << round.min(8)).min(DHCP_RETRY_MAX_MS).into())
}
