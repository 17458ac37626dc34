//! `NetStack`: BSD-style sockets over smoltcp.
//!
//! The calls are std's, with `tcp_` or `udp_` before them ([`NetStack::tcp_listen`], [`NetStack::tcp_accept`], [`NetStack::tcp_connect`], ...) and the
//! `embedded-nal` traits, and never block: what cannot be done yet is [`nb::Error::WouldBlock`](embedded_nal::nb::Error).
//! A handle is four bytes and takes a slot at `connect`, `accept` and UDP's `bind`; one that is dropped without `close`
//! is found out only if [`Limits::with_abandoned`](crate::Limits::with_abandoned) says after how long.
//! The stack runs inside [`NetStack::poll_with`], one turn of the superloop: bounded ingress, expiry, the application, bounded
//! egress. An idle turn costs a few looks at each slot up to the last in use, and at UDP sockets while a datagram waits.
//!
//! | to see | open |
//! |---|---|
//! | what becomes of a frame that comes in | `ingress`, `hygiene` for what is no good, `deliver` for a segment, and `pass` for how it goes on to smoltcp; `cookie` for a flood of requests; ICMP errors: `refusal` for ours, `icmp` for others' |
//! | what is sent, and when | `egress`, and `transmit` for each frame on its way out |
//! | addresses, gateways, groups | `config`, `interface`, and `dhcp` and `slaac` with those features |
//! | the calls on sockets | `tcp`, `udp`, `others` for smoltcp's own sockets, and `held` for what those send |
//! | MAC addresses | `resolve`, and `redirect` with that feature for other next hops than the gateway |
//! | which tasks wait, with the feature `async` | `wake`, and those of `tcp` and `udp` |

mod address;
mod config;
#[cfg(feature = "syn-cookies")]
mod cookie;
#[cfg(any(feature = "dhcp", feature = "_datagram"))]
mod datagram;
#[cfg(feature = "deferred-accept")]
mod deferred;
mod deliver;
#[cfg(feature = "dhcp")]
mod dhcp;
#[cfg(feature = "dns")]
mod dns;
mod egress;
#[cfg(feature = "smoltcp-sockets")]
mod held;
mod hygiene;
mod icmp;
mod ingress;
mod interface;
mod introspect;
mod isn;
#[cfg(feature = "mdns")]
mod mdns;
#[cfg(all(feature = "ipv6", not(feature = "multicast")))]
mod mld;
mod nal;
#[cfg_attr(not(feature = "smoltcp-sockets"), path = "stack/no_others.rs")]
mod others;
mod pass;
#[cfg(feature = "redirects")]
mod redirect;
mod refusal;
mod repair;
mod resolve;
#[cfg(feature = "slaac")]
mod slaac;
#[cfg(feature = "sntp")]
mod sntp;
mod tcp;
mod transmit;
#[cfg_attr(not(feature = "udp"), path = "stack/no_udp.rs")]
mod udp;
#[cfg(feature = "async")]
mod wake;

use core::hint::black_box;

use smoltcp::iface::{Interface, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities};
use smoltcp::time::Instant;

use crate::error::Error;
use crate::frame::Medium;
use crate::limits::EPHEMERAL_FIRST;
#[cfg(doc)]
use crate::limits::{EGRESS_BUDGET, INGRESS_BUDGET, Limits};
use crate::neighbors::Neighbors;
use crate::netstat::Counters;
use crate::rng::Rng;
use crate::secret::Secret;
use crate::storage::{Buffers, Placed, Sockets};
use crate::tcp::backlog::BacklogView;
use crate::tcp::{Phase, Pool};
#[cfg(feature = "multicast")]
use crate::time::earliest;
use crate::time::{WrappingInstant, sooner};
use crate::udp::UdpSlot;
#[cfg(feature = "multicast")]
use crate::workaround::report::Reports;

pub use config::NetConfig;
use egress::Egress;
use refusal::TokenBucket;
pub use resolve::Conflict;
use resolve::Identity;
pub use tcp::TcpSocket;
#[cfg(feature = "udp")]
pub use udp::UdpSocket;

/// A TCP/IP stack with BSD-like sockets; see the module's documentation.
// What is used most comes first, in this order: what is near the beginning of a struct takes shorter instructions.
#[repr(C)]
pub struct NetStack<'a> {
    pool: Pool<'a>,
    now: Instant,
    /// Some UDP socket has something to send.
    udp_queued: bool,
    /// A call since the last poll may have left something to send.
    dirty: bool,
    /// A socket of the user's own was lent since the last poll.
    #[cfg(feature = "smoltcp-sockets")]
    lent: bool,
    udp: &'a mut [UdpSlot<'a>],
    /// UDP slots from here on are closed; as with the pool's, the first free one is taken.
    udp_used: usize,
    /// A datagram came in this poll that the application has not seen.
    unread: bool,
    /// The slot that sends first in the next poll.
    first: usize,
    /// How many sockets of the user's own there can be.
    #[cfg(feature = "smoltcp-sockets")]
    places: usize,
    /// How many there are.
    #[cfg(feature = "smoltcp-sockets")]
    added: usize,
    counters: Counters,
    medium: Medium,
    /// Of the device, as one that carries packets.
    capabilities: DeviceCapabilities,
    config: NetConfig,
    rng: Rng,
    /// For ICMP errors of our own.
    errors: TokenBucket,
    backlog: BacklogView<'a>,
    interface: Interface,
    neighbors: Neighbors,
    identity: Identity,
    #[cfg(feature = "redirects")]
    redirects: redirect::Redirects,
    #[cfg(all(feature = "ipv6", not(feature = "multicast")))]
    membership: mld::Membership,
    #[cfg(feature = "dhcp")]
    dhcp: crate::dhcp::Dhcp,
    #[cfg(feature = "slaac")]
    slaac: crate::slaac::Slaac,
    #[cfg(feature = "dns")]
    resolver: crate::dns::Resolver<'a>,
    #[cfg(feature = "mdns")]
    responder: crate::mdns::Responder,
    #[cfg(feature = "sntp")]
    clock: crate::sntp::Clock,
    /// Random numbers of the secret's that were drawn.
    #[cfg(any(feature = "dns", feature = "sntp"))]
    draws: u32,
    /// The sockets of the user's own.
    others: SocketSet<'a>,
    #[cfg(feature = "smoltcp-sockets")]
    held: held::Held,
    #[cfg(feature = "multicast")]
    reports: Reports,
    #[cfg(feature = "async")]
    wake: crate::wake::Wake<'a>,
    secret: Secret,
}

impl core::fmt::Debug for NetStack<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("NetStack")
            .field("pool", &self.pool)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl<'a> NetStack<'a> {
    /// A stack for `device` over the given memory. `entropy` must differ from boot to boot and be hard
    /// to guess: sequence numbers (RFC 6528) and ports (RFC 6056) follow from it.
    ///
    /// # Panics
    /// On a mistake in the caller's constants: not as many buffers as sockets, limits that do not go together
    /// ([`Limits::check`]), or more addresses than smoltcp has places for.
    pub fn new<
        const BUFFER: usize,
        const DATAGRAMS: usize,
        const TCP: usize,
        const UDP: usize,
        const LISTENERS: usize,
        const OTHERS: usize,
    >(
        config: &NetConfig,
        device: &mut (impl Device + ?Sized),
        now: Instant,
        entropy: u64,
        buffers: impl Into<Buffers<'a, BUFFER, DATAGRAMS>>,
        sockets: &'a mut Sockets<'a, TCP, UDP, LISTENERS, OTHERS>,
    ) -> Self {
        config.limits().check();
        let placed = sockets.place(buffers.into(), *config.limits(), now);
        Self::over(config, device, now, entropy, placed)
    }

    /// Never inlined, nor is [`Sockets::place`]: after each other, they need less of the call stack.
    #[inline(never)]
    fn over(
        config: &NetConfig,
        device: &mut (impl Device + ?Sized),
        now: Instant,
        entropy: u64,
        placed: Placed<'a>,
    ) -> Self {
        let secret = Secret::new(entropy);
        let capabilities = device.capabilities();
        let medium = config.medium(&capabilities);
        let capabilities = config.packets(capabilities);
        Self {
            config: *config,
            interface: config.interface(&capabilities, medium, now, secret.derive(0)),
            medium,
            capabilities,
            neighbors: Neighbors::new(),
            identity: Identity::new(now),
            #[cfg(feature = "redirects")]
            redirects: redirect::Redirects::new(),
            #[cfg(all(feature = "ipv6", not(feature = "multicast")))]
            membership: mld::Membership::new(),
            #[cfg(feature = "dhcp")]
            dhcp: crate::dhcp::Dhcp::new(config.mac(), now),
            #[cfg(feature = "slaac")]
            slaac: crate::slaac::Slaac::new(config.mac(), config.stable_secret()),
            #[cfg(feature = "dns")]
            resolver: placed.resolver,
            #[cfg(feature = "sntp")]
            clock: crate::sntp::Clock::new(now),
            #[cfg(any(feature = "dns", feature = "sntp"))]
            draws: 0,
            #[cfg(feature = "mdns")]
            responder: crate::mdns::Responder::new(),
            pool: placed.pool,
            backlog: placed.backlog,
            others: placed.others,
            #[cfg(feature = "smoltcp-sockets")]
            places: placed.places,
            udp: placed.udp,
            udp_used: 0,
            #[cfg(feature = "smoltcp-sockets")]
            added: 0,
            udp_queued: false,
            unread: false,
            #[cfg(feature = "smoltcp-sockets")]
            held: held::Held::NOTHING,
            dirty: false,
            #[cfg(feature = "smoltcp-sockets")]
            lent: false,
            #[cfg(feature = "multicast")]
            reports: Reports::new(),
            #[cfg(feature = "async")]
            wake: crate::wake::Wake::new(placed.dropped),
            first: 0,
            rng: Rng::new(secret.derive(1)),
            secret,
            errors: TokenBucket::new(now),
            now,
            counters: Counters::default(),
        }
    }

    /// What happened since boot.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// 64 pseudo-random bits for the application, e.g. to seed a jitter. Never put them on the wire whole: who sees them
    /// knows every later port.
    pub const fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// TCP slots that no connection holds, neither a live one nor one that is still being closed.
    #[must_use]
    pub fn free_slots(&self) -> usize {
        self.pool.slots.iter().filter(|slot| slot.phase == Phase::Free).count()
    }

    /// Whether no TCP slot is in use but for connections in TIME-WAIT, which owe nobody anything.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.pool.idle()
    }

    /// Resets every connection, whoever holds its handle.
    pub fn abort_all(&mut self) {
        self.dirty = true;
        for index in self.pool.used() {
            if !matches!(self.pool.slots[index].phase, Phase::Free | Phase::Aborting) {
                self.pool.abort(index);
            }
        }
    }

    /// The cable is in again: forgets every neighbour's MAC address, announces its own, and tries again soon, and as often
    /// as at first, what was not acknowledged.
    pub fn link_up(&mut self) {
        self.dirty = true;
        self.neighbors.clear();
        #[cfg(feature = "redirects")]
        self.redirects.clear();
        self.announce();
        #[cfg(feature = "dhcp")]
        self.dhcp_link_up();
        #[cfg(feature = "slaac")]
        self.slaac_link_up();
        #[cfg(feature = "mdns")]
        self.restart_mdns();
        #[cfg(feature = "sntp")]
        self.restart_clock();
        for slot in &mut *self.pool.slots {
            slot.tcb.retry_now(self.now);
        }
    }

    /// One turn of the superloop for an application that uses the sockets between two polls: [`NetStack::poll_with`] with
    /// nothing in the middle. What the sockets were told since the last poll leaves with this one, so poll again when
    /// [`NetStack::wants_poll`] says so.
    pub fn poll<D: Device + ?Sized>(&mut self, now: Instant, device: &mut D) -> Option<Instant> {
        self.poll_with(now, device, |_, _| None)
    }

    /// Whether a call since the last poll may have left something to send: data, a request, a FIN, a larger window.
    /// After a socket of the user's own was lent, smoltcp is asked whether it has something to do at once.
    #[must_use]
    pub fn wants_poll(&mut self) -> bool {
        self.dirty |= self.lent_is_due();
        self.dirty
    }

    /// One turn of the superloop: takes at most [`INGRESS_BUDGET`] frames and none behind a datagram, expires what is due, lets
    /// `application` use the sockets, and sends at most [`EGRESS_BUDGET`] segments a socket.
    /// `application` may be called a second time if sending ended one of its connections; it returns
    /// when it wants its next turn.
    ///
    /// Returns the earliest moment at which the next turn has something to do, never before `now`;
    /// `None`: only a frame gives it work. It is `now` if a budget ran out, a request that waited can have a slot now, or
    /// `application` asked for it.
    pub fn poll_with<D, F>(
        &mut self,
        now: Instant,
        device: &mut D,
        application: F,
    ) -> Option<Instant>
    where
        D: Device + ?Sized,
        F: FnMut(&mut Self, Instant) -> Option<Instant>,
    {
        // Should it be a static, as on a board, the compiler need not know: it would write the address of each field into
        // each function, eight bytes a time, in the place of one register.
        black_box(self).poll_once(now, device, application)
    }

    fn poll_once<D, F>(
        &mut self,
        now: Instant,
        device: &mut D,
        mut application: F,
    ) -> Option<Instant>
    where
        D: Device + ?Sized,
        F: FnMut(&mut Self, Instant) -> Option<Instant>,
    {
        if now - self.now > WrappingInstant::REACH {
            for slot in &mut *self.pool.slots {
                slot.tcb.unpolled(now);
            }
        }
        (self.now, self.pool.now) = (now, now);
        #[cfg(feature = "async")]
        self.close_dropped();
        self.counters.polls = self.counters.polls.wrapping_add(1);
        if self.counters.polls == 1 {
            self.begin::<D>();
        }
        let more = self.ingress(device);
        self.neighbors.want_nobody();
        self.pool.expire(false, &mut self.counters, &mut None);
        self.pool.app_wakeup = false;
        let mut wanted = application(self, now);
        #[cfg(feature = "async")]
        self.touch_waited();
        // Right after it, so that only handles it truly forgot are old, and their RSTs still go out.
        let mut abandoned = self.reclaim_udp();
        self.pool.reclaim(&mut self.counters, &mut abandoned);
        let mut egress = self.egress(device);
        let mut next = abandoned;
        self.pool.expire(true, &mut self.counters, &mut next);
        if self.pool.app_wakeup {
            wanted = application(self, now);
            egress = self.egress(device);
            next = abandoned;
            self.pool.expire(true, &mut self.counters, &mut next);
        }
        self.dirty = false;
        #[cfg(feature = "smoltcp-sockets")]
        {
            self.lent = false;
        }
        for at in [wanted, self.expire_udp()].into_iter().flatten() {
            sooner(&mut next, at);
        }
        self.next_of_loss(&egress, &mut next);
        self.next_egress(&egress, &mut next);
        // Last of all: slots may have become free, and a reset leaves with the next poll.
        for port in self.backlog.ports(now) {
            if let Some(at) = self.pool.relieve(port, &mut self.counters) {
                sooner(&mut next, at);
            }
        }
        #[cfg(feature = "multicast")]
        {
            next = earliest(next, self.reports.next(now));
        }
        let waiting = self.backlog.ready(now, self.pool.would_serve()).is_some();
        if more || (waiting && !matches!(egress, Egress::Refused)) {
            Some(now)
        } else {
            next.map(|next| next.max(now))
        }
    }

    /// A random port of the ephemeral range that nothing on this side uses (RFC 6056 3.3.1).
    #[inline(never)]
    fn ephemeral_port(&mut self) -> u16 {
        let count = u32::from(u16::MAX - EPHEMERAL_FIRST) + 1;
        loop {
            // Far fewer sockets than ports: this ends.
            let port = EPHEMERAL_FIRST + self.rng.below(count) as u16;
            if self.is_free_port(port) {
                return port;
            }
        }
    }

    /// Whether nothing on this side uses a port.
    #[cfg_attr(feature = "dns", inline(never))]
    fn is_free_port(&self, port: u16) -> bool {
        #[cfg(feature = "dns")]
        if self.resolver.has_port(port) {
            return false;
        }
        !self.pool.port_in_use(port) && !self.udp_port_in_use(port)
    }
}
