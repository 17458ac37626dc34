//! The stack's own IPv4 address, from a server (RFC 2131) or, if nobody answers, of its own choice (RFC 3927).
//!
//! smoltcp's client keeps the timetable: DISCOVER, REQUEST, renewal, rebinding. What it does not do stands in front of it
//! here. It takes an answer from anybody, so `exchange` lets through only what answers the last question, from the server
//! that it went to, about the address that it was about. It begins anew at once whatever happened, so it is held back after
//! a refusal, and between two leases. It knows no conflict, so an address is probed before its use (`probe`, RFC 5227)
//! and declined if somebody has it. When the cable comes in again, the server is asked whether the lease still holds
//! (INIT-REBOOT, `message`), while connections go on.
//!
//! It begins with [`NetConfig::with_dhcp`](crate::NetConfig::with_dhcp). Cost: a socket's place and some 200 bytes; an idle
//! turn is a few comparisons.
//!
//! Known gaps: the first DISCOVER is not delayed at random (RFC 2131 4.4.1), nothing is released at the end, and after a
//! rebinding smoltcp asks the first server for the next renewal, and everybody again at T2.

pub(crate) mod exchange;
mod lease;
pub(crate) mod link_local;
pub(crate) mod message;
pub(crate) mod probe;

use smoltcp::iface::{SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::dhcpv4;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{DhcpOption, EthernetAddress, Ipv4Address, Ipv4Cidr};

use crate::hostname::Hostname;
pub use lease::Lease;

use crate::limits::{
    DECLINE_WAIT, DHCP_ALONE, DHCP_RETRY_FIRST_MS, DHCP_RETRY_MAX_MS, PROBE_CONFLICTS,
    PROBE_RATE_LIMIT,
};
use crate::netstat::Origin;
use crate::place::Place;
use crate::time::sooner;
use exchange::Exchange;
use link_local::LinkLocal;
use probe::Probe;

/// Option 12, the client's name (RFC 2132 3.14).
const HOST_NAME: u8 = 12;

/// Room for smoltcp's client and what it says.
#[derive(Debug, Default)]
pub(crate) struct DhcpPlace<'a> {
    socket: Place<SocketStorage<'a>, 1>,
    name: Place<Hostname, 1>,
    options: Place<DhcpOption<'a>, 1>,
}

impl<'a> DhcpPlace<'a> {
    pub(crate) const fn new() -> Self {
        Self { socket: Place::new(), name: Place::new(), options: Place::new() }
    }

    /// Makes the client, which says that it is `hostname`, at `mac`.
    #[inline(never)]
    pub(crate) fn lend(
        &'a mut self,
        hostname: Hostname,
        mac: EthernetAddress,
        now: Instant,
    ) -> Dhcp<'a> {
        let names = &*self.name.lend(|| hostname);
        let data = names[0].as_bytes();
        let options = &*self.options.lend(|| DhcpOption { kind: HOST_NAME, data });
        let options = if data.is_empty() { &[] } else { options };
        let mut socket = dhcpv4::Socket::new();
        socket.set_outgoing_options(options);
        socket.set_parameter_request_list(message::WANTED);
        let mut set = SocketSet::new(self.socket.lend(SocketStorage::default));
        let handle = set.add(socket);
        Dhcp {
            set,
            handle,
            options,
            exchange: Exchange::default(),
            lease: None,
            origin: Origin::Static,
            candidate: None,
            reboot: None,
            decline: None,
            hold: now,
            alone_at: now + DHCP_ALONE,
            link_local: LinkLocal::new(mac),
            failures: 0,
            discovers: 0,
            conflicts: 0,
            stalled: None,
        }
    }
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
pub(crate) struct Dhcp<'a> {
    /// smoltcp's client, alone.
    pub(crate) set: SocketSet<'a>,
    handle: SocketHandle,
    pub(crate) options: &'a [DhcpOption<'a>],
    pub(crate) exchange: Exchange,
    /// What a server has given, whether it is in use yet or not.
    pub(crate) lease: Option<Lease>,
    /// Where the address in use is from.
    pub(crate) origin: Origin,
    pub(crate) candidate: Option<Candidate>,
    pub(crate) reboot: Option<Reboot>,
    /// An address that is to be given back because somebody has it, and the server that gave it.
    pub(crate) decline: Option<(Ipv4Address, Ipv4Address)>,
    /// smoltcp's client is not asked before.
    pub(crate) hold: Instant,
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

impl<'a> Dhcp<'a> {
    pub(crate) fn socket(&mut self) -> &mut dhcpv4::Socket<'a> {
        self.set.get_mut(self.handle)
    }

    /// Begins anew with a DISCOVER, `wait` from now. Whatever address is in use stays so.
    pub(crate) fn start_over(&mut self, now: Instant, wait: Duration) {
        self.socket().reset();
        self.exchange = Exchange::default();
        (self.lease, self.reboot, self.stalled) = (None, None, None);
        if self.candidate.as_ref().is_some_and(|candidate| candidate.origin == Origin::Dhcp) {
            self.candidate = None;
        }
        self.hold = now + wait;
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
            failures => Duration::from_millis(backoff_ms(failures - 1).into()),
        };
        self.failures = self.failures.saturating_add(1);
        self.start_over(now, wait);
    }

    /// An address is in use by somebody else. A server's is declined, and then asked for no sooner than RFC 2131 3.1.5
    /// says; of our own choice it is another one's turn (RFC 3927 2.2.1).
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

    /// Tells smoltcp how long to wait for an answer to the next DISCOVER: RFC 2131 4.1, with `jitter_ms` from 0 to 2000.
    pub(crate) fn set_retry(&mut self, jitter_ms: u32) {
        let wait = backoff_ms(self.discovers) - 1000 + jitter_ms;
        let socket = self.socket();
        let mut retry = socket.get_retry_config();
        retry.discover_timeout = Duration::from_millis(wait.into());
        retry.initial_request_timeout = Duration::from_millis(DHCP_RETRY_FIRST_MS.into());
        retry.request_retries = 4;
        socket.set_retry_config(retry);
    }

    /// Notes a DISCOVER.
    pub(crate) fn discovered(&mut self) {
        self.discovers = self.discovers.saturating_add(1);
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
pub(crate) fn backoff_ms(round: u8) -> u32 {
    (DHCP_RETRY_FIRST_MS << round.min(8)).min(DHCP_RETRY_MAX_MS)
}
