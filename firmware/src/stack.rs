//! `NetStack`: BSD-style sockets over smoltcp, as the `embedded-nal` traits.
//!
//! `socket`, `bind`, `listen`, `accept`, `connect`, `send`, `receive`, `close`, for TCP and UDP, never
//! blocking: what cannot be done yet is [`nb::Error::WouldBlock`]. A handle is four bytes and takes no
//! slot before `connect`, `bind` or `accept`; one that is dropped without `close` is found out after
//! [`crate::config::ABANDONED`]. What the traits lack (`shutdown`, `abort`, `peek`, send room, a
//! datagram's destination) are methods of the stack itself.
//!
//! The stack runs inside [`NetStack::poll_with`], which is one turn of the superloop: bounded ingress,
//! expiry, the application, bounded egress. Cost of an idle turn: a few looks at each slot up to the last in use,
//! and at each TCP socket; at UDP sockets while a datagram waits to be sent.

mod error;
mod introspect;
mod resolve;
mod tcp;
mod udp;

use core::net::{IpAddr, SocketAddr};

use embedded_nal::nb;
use smoltcp::iface::{Config, Interface, PollResult, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, HardwareAddress, IpAddress, IpCidr, IpEndpoint, Ipv4Address,
    Ipv4Cidr, TcpControl, TcpSeqNumber,
};

use crate::backlog::Backlog;
use crate::config::{
    BACKLOG, EGRESS_BUDGET, FRAME_SIZE, INGRESS_BUDGET, STALL_RETRY, TX_RETRY, USER_TIMEOUT,
};
use crate::crafted::{Crafted, bare};
use crate::egress::{Metered, MeteredToken, Sent};
use crate::fin::{self, Fin};
use crate::ingress::{Class, OneFrame, classify};
use crate::listener::{Phase, Pool, Request};
use crate::moment::{Moment, earliest};
use crate::neighbors::Neighbors;
use crate::netstat::{Count, Counters};
use crate::recovery::{Ends, Heard, Look};
use crate::rng::Rng;
use crate::storage::{Buffers, Placed, Sockets};

pub use error::Error;
use introspect::state_name;
pub use resolve::Conflict;
use resolve::{Identity, default_route};
pub use tcp::TcpSocket;
pub(crate) use udp::UdpSlot;
pub use udp::UdpSocket;

/// Who this stack is on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetConfig {
    /// Own MAC address; must be a unicast one.
    pub mac: EthernetAddress,
    /// Own IPv4 address and prefix.
    pub ipv4: Ipv4Cidr,
    /// Next hop for what is outside that prefix.
    pub gateway: Option<Ipv4Address>,
    /// Own static IPv6 address and prefix. A link-local one (RFC 4291 appendix A) comes with it.
    #[cfg(feature = "ipv6")]
    pub ipv6: Option<smoltcp::wire::Ipv6Cidr>,
}

impl NetConfig {
    /// The board of this project's examples: 192.0.2.1/24, and `2001:db8::1/64` with the feature `ipv6`
    /// (RFC 5737, RFC 3849).
    pub const BOARD: Self = Self {
        mac: EthernetAddress([0x02, 0, 0x5e, 0, 0, 1]),
        ipv4: Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 1), 24),
        gateway: None,
        #[cfg(feature = "ipv6")]
        ipv6: Some(smoltcp::wire::Ipv6Cidr::new(
            smoltcp::wire::Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
            64,
        )),
    };

    /// The other end of the board's wire: 192.0.2.2/24, and `2001:db8::2/64`.
    pub const PEER: Self = Self {
        mac: EthernetAddress([0x02, 0, 0x5e, 0, 0, 2]),
        ipv4: Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 2), 24),
        gateway: None,
        #[cfg(feature = "ipv6")]
        ipv6: Some(smoltcp::wire::Ipv6Cidr::new(
            smoltcp::wire::Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
            64,
        )),
    };
}

fn to_socket_addr(endpoint: IpEndpoint) -> SocketAddr {
    SocketAddr::new(to_ip_addr(endpoint.addr), endpoint.port)
}

fn to_ip_addr(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4(address) => IpAddr::V4(address),
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(address) => IpAddr::V6(address),
        // smoltcp's own features may be wider than ours when a workspace unifies them.
        #[allow(unreachable_patterns)]
        _ => IpAddr::V4(Ipv4Address::UNSPECIFIED),
    }
}

fn to_endpoint(address: SocketAddr) -> Result<IpEndpoint, Error> {
    let addr = match address.ip() {
        IpAddr::V4(address) => IpAddress::Ipv4(address),
        #[cfg(feature = "ipv6")]
        IpAddr::V6(address) => IpAddress::Ipv6(address),
        #[cfg(not(feature = "ipv6"))]
        IpAddr::V6(_) => return Err(Error::Unaddressable),
    };
    if address.port() == 0 || addr.is_unspecified() || addr.is_multicast() || addr.is_broadcast() {
        return Err(Error::Unaddressable);
    }
    Ok(IpEndpoint::new(addr, address.port()))
}

/// How an egress run ended.
enum Egress {
    /// Nothing more to send.
    Done,
    /// The budget ran out.
    Budget,
    /// The device refused a frame.
    Refused,
}

/// The sockets that a frame can be for.
#[derive(Clone, Copy, Debug)]
enum To {
    Tcp,
    Others,
}

/// A TCP/IP stack with BSD-like sockets; see the module's documentation.
pub struct NetStack<'a> {
    interface: Interface,
    capabilities: DeviceCapabilities,
    mac: EthernetAddress,
    /// Next hop for IPv4 addresses outside our prefix.
    gateway: Option<Ipv4Address>,
    neighbors: Neighbors,
    identity: Identity,
    /// The TCP sockets. Apart from the others, because smoltcp goes through a whole set for each segment.
    set: SocketSet<'a>,
    pool: Pool<'a>,
    backlog: &'a mut Backlog,
    udp_set: SocketSet<'a>,
    udp: &'a mut [UdpSlot],
    /// UDP slots from here on are closed; as with the pool's, the first free one is taken.
    udp_used: usize,
    /// Some UDP socket may have a datagram to send.
    udp_queued: bool,
    rng: Rng,
    now: Instant,
    counters: Counters,
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
    /// to guess: sequence numbers and ports follow from it.
    ///
    /// # Panics
    /// If there are not as many buffers as sockets: a mistake in the caller's constants.
    pub fn new<const BUFFER: usize, const DATAGRAMS: usize, const TCP: usize, const UDP: usize>(
        config: &NetConfig,
        device: &mut (impl Device + ?Sized),
        now: Instant,
        entropy: u64,
        buffers: impl Into<Buffers<'a, BUFFER, DATAGRAMS>>,
        sockets: &'a mut Sockets<'a, TCP, UDP>,
    ) -> Self {
        Self::over(config, device, now, entropy, sockets.place(buffers.into()))
    }

    /// Never inlined, nor is [`Sockets::place`]: after each other, they need less of the call stack.
    #[inline(never)]
    fn over(
        config: &NetConfig,
        device: &mut (impl Device + ?Sized),
        now: Instant,
        entropy: u64,
        Placed { set, pool, backlog, udp_set, udp }: Placed<'a>,
    ) -> Self {
        // Memory may be lent again, to who knows nothing of what was before.
        backlog.clear();
        let mut rng = Rng::new(entropy);
        let mut interface_config = Config::new(HardwareAddress::Ethernet(config.mac));
        interface_config.random_seed = rng.next_u64();
        let mut interface = Interface::new(interface_config, device, now);
        interface.update_ip_addrs(|addresses| {
            // The capacity is three, asserted by the feature that sets it.
            let _ = addresses.push(IpCidr::Ipv4(config.ipv4));
            #[cfg(feature = "ipv6")]
            if let Some(ipv6) = config.ipv6 {
                let _ = addresses.push(IpCidr::Ipv6(ipv6));
                let _ = addresses.push(IpCidr::Ipv6(link_local(config.mac)));
            }
        });
        if let Some(gateway) = config.gateway {
            let hop = default_route(config.ipv4, gateway);
            let _ = interface.routes_mut().add_default_ipv4_route(hop);
        }
        Self {
            interface,
            capabilities: device.capabilities(),
            mac: config.mac,
            gateway: config.gateway,
            neighbors: Neighbors::new(),
            identity: Identity::new(now),
            set,
            pool,
            backlog,
            udp_set,
            udp,
            udp_used: 0,
            udp_queued: false,
            rng,
            now,
            counters: Counters::default(),
        }
    }

    /// What happened since boot.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Own IPv4 address.
    #[must_use]
    pub fn ipv4(&self) -> Option<Ipv4Address> {
        self.interface.ipv4_addr()
    }

    /// 64 pseudo-random bits for the services, e.g. to seed a jitter.
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
        self.pool.idle(&self.set)
    }

    /// Resets every connection, whoever holds its handle.
    pub fn abort_all(&mut self) {
        for index in self.pool.used() {
            if !matches!(self.pool.slots[index].phase, Phase::Free | Phase::Aborting) {
                self.pool.abort(&mut self.set, index, self.now);
            }
        }
    }

    /// The cable is in again: forgets every neighbour's MAC address, and resends at once what was not
    /// acknowledged.
    pub fn link_up(&mut self) {
        self.neighbors.clear();
        self.announce();
        for slot in &mut *self.pool.slots {
            slot.recovery.hurry(self.now);
        }
    }

    /// One turn of the superloop: takes at most [`INGRESS_BUDGET`] frames, expires what is due, lets
    /// `application` use the sockets, and sends at most [`EGRESS_BUDGET`] segments a socket.
    /// `application` may be called a second time if sending ended one of its connections; it returns
    /// when it wants its next turn.
    ///
    /// Returns the earliest moment at which the next turn has something to do, never before `now`;
    /// `None`: only a frame gives it work. It is `now` only if a budget ran out.
    pub fn poll_with<D, F>(
        &mut self,
        now: Instant,
        device: &mut D,
        mut application: F,
    ) -> Option<Instant>
    where
        D: Device + ?Sized,
        F: FnMut(&mut Self, Instant) -> Option<Instant>,
    {
        if now - self.now > Moment::REACH {
            for slot in &mut *self.pool.slots {
                slot.recovery.restart(now);
            }
        }
        self.now = now;
        self.counters.polls = self.counters.polls.wrapping_add(1);
        let more = self.ingress(device);
        self.neighbors.want_nobody();
        self.pool.expire(&mut self.set, now, false, &mut self.counters);
        self.pool.news = false;
        let mut next = application(self, now);
        // Right after it, so that only handles it truly forgot are old, and their RSTs still go out.
        let abandoned = self.pool.reclaim(&mut self.set, now, &mut self.counters);
        let abandoned = earliest(abandoned, self.reclaim_udp());
        self.recover::<D>();
        let mut egress = self.egress(device);
        let mut timers = self.pool.expire(&mut self.set, now, true, &mut self.counters);
        if self.pool.news {
            next = application(self, now);
            egress = self.egress(device);
            timers = self.pool.expire(&mut self.set, now, true, &mut self.counters);
        }
        let udp = self.expire_udp();
        // After egress, which may have made data outstanding.
        let recovery = self.recover::<D>();
        for deadline in [timers, udp, self.next_egress(&egress), recovery, abandoned] {
            next = earliest(next, deadline);
        }
        let waiting = self.backlog.waits(now, |port| self.pool.would_serve(&self.set, port));
        if more || (waiting && !matches!(egress, Egress::Refused)) {
            Some(now)
        } else {
            next.map(|next| next.max(now))
        }
    }

    /// Takes frames up to the budget. Returns whether there may be more.
    fn ingress<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        for _ in 0..INGRESS_BUDGET {
            let Some((rx, token)) = device.receive(self.now) else {
                return false;
            };
            let mut sent = Sent::answers();
            rx.consume(|frame| {
                self.frame(frame, MeteredToken { token: Some(token), sent: &mut sent });
            });
            count(&mut self.counters, &sent);
        }
        true
    }

    /// Looks at one frame, then gives it to smoltcp or drops it.
    fn frame<T: TxToken>(&mut self, frame: &[u8], transmit: MeteredToken<'_, '_, T>) {
        let (now, counters) = (self.now, &mut self.counters);
        counters.frames_in = counters.frames_in.wrapping_add(1);
        counters.bytes_in = counters.bytes_in.wrapping_add(frame.len() as Count);
        let Ok(ethernet) = EthernetFrame::new_checked(frame) else { return };
        if ethernet.src_addr() == self.mac && !ethernet.dst_addr().is_unicast() {
            self.own_frame();
        }
        let verify = self.capabilities.checksum.tcp.rx();
        let (class, source) = classify(&ethernet, self.mac, self.interface.ip_addrs(), verify);
        if let Some(source) = source {
            // RFC 1122 3.2.1.3: nobody else may send from our address. On a loopback we do.
            if self.is_own(source) && ethernet.src_addr() != self.mac {
                self.counters.not_ours_dropped = self.counters.not_ours_dropped.wrapping_add(1);
                return;
            }
            self.hear::<T>(source, &ethernet);
        }
        let counters = &mut self.counters;
        let (mut reset, mut known) = (None, None);
        match &class {
            Class::Pass => {}
            Class::Discovery(received) => {
                self.discover(received, ethernet.src_addr(), transmit);
                return;
            }
            Class::Segment { local, remote, heard } => {
                let index = self.pool.find(&self.set, *local, *remote);
                known = index.map(|index| (index, heard));
            }
            Class::Syn { local, remote, heard } => {
                match self.pool.request(&mut self.set, *local, *remote, now, counters) {
                    // Two ends that open towards each other at once (RFC 9293 3.5).
                    Request::Pass => {
                        let index = self.pool.find(&self.set, *local, *remote);
                        known = index.map(|index| (index, heard));
                    }
                    Request::Armed(index) => {
                        self.backlog.forget(*local, *remote);
                        known = Some((index, heard));
                    }
                    Request::Drop => {
                        let room = self.backlog.hold(
                            frame,
                            *local,
                            *remote,
                            now,
                            &self.capabilities.checksum,
                        );
                        counters.syn_dropped =
                            counters.syn_dropped.wrapping_add(Count::from(!room));
                        return;
                    }
                }
            }
            Class::Rst { local, remote, seq } => {
                self.backlog.forget(*local, *remote);
                reset = self.pool.find(&self.set, *local, *remote).map(|index| (index, *seq));
            }
            Class::OtherDiscovery | Class::Fragment | Class::NotOurs => {
                let count = match class {
                    Class::OtherDiscovery => &mut counters.discovery_dropped,
                    Class::Fragment => &mut counters.fragments_dropped,
                    _ => &mut counters.not_ours_dropped,
                };
                *count = count.wrapping_add(1);
                return;
            }
        }
        let its = known.map(|(index, heard)| (index, heard.seq)).or(reset);
        if its.is_some_and(|(index, seq)| self.is_dangerous(index, seq)) {
            self.counters.early_dropped = self.counters.early_dropped.wrapping_add(1);
            return;
        }
        let before = reset.map(|(index, _)| self.pool.socket(index, &self.set).state());
        if let Some((index, heard)) = known {
            let before = self.look(index);
            match heard.fin {
                Some(fin) if before.unfinished() => {
                    if self.show_unfinished(frame, fin, transmit) {
                        self.show_fin::<T>(index, heard, fin);
                    }
                }
                _ => self.show(To::Tcp, frame, transmit),
            }
            let after = self.look(index);
            // RFC 4861 7.3.1.
            let progress = before.opens(after) || after.queue < before.queue;
            if let (true, Some(source)) = (progress, source) {
                self.reached(source, ethernet.src_addr());
            }
            self.pool.slots[index].recovery.heard(heard, before, after, now);
        } else {
            let to = if matches!(class, Class::Pass) { To::Others } else { To::Tcp };
            self.show(to, frame, transmit);
        }
        if let Some(((index, _), before)) = reset.zip(before) {
            self.pool.reset(&mut self.set, index, before);
        }
        if !matches!(class, Class::Pass) && self.pool.shaking() {
            self.pool.progress(&mut self.set, now, &mut self.counters);
        }
    }

    /// Whether smoltcp would panic at a segment with this number, which cannot be one of that connection.
    fn is_dangerous(&self, index: usize, seq: TcpSeqNumber) -> bool {
        let slot = &self.pool.slots[index];
        // Nobody knows of the connection yet. smoltcp would count with a window that it has not announced
        // (`last_scaled_window`, socket/tcp.rs 782).
        slot.syn_unsent.is_some()
            // To smoltcp that is later than the window and earlier at once (socket/tcp.rs 1738), if the window ends
            // before it begins: behind a FIN that came in while it was closed.
            || slot.recovery.is_far(seq, self.pool.socket(index, &self.set).recv_queue())
    }

    fn ends(&self, index: usize) -> Option<Ends> {
        let socket = self.pool.socket(index, &self.set);
        socket.local_endpoint().zip(socket.remote_endpoint())
    }

    fn look(&self, index: usize) -> Look {
        let socket = self.pool.socket(index, &self.set);
        Look { state: socket.state(), queue: socket.send_queue(), unread: socket.recv_queue() }
    }

    /// Gives smoltcp a segment with data without its FIN; see [`crate::fin`]. Says whether the FIN is still to be
    /// shown. Never inlined: nothing else needs its copy on the call stack.
    #[inline(never)]
    fn show_unfinished(&mut self, frame: &[u8], fin: Fin, transmit: impl TxToken) -> bool {
        let mut buffer = [0; FRAME_SIZE];
        let unfinished = fin::without(fin, frame, &mut buffer);
        self.show(To::Tcp, unfinished.unwrap_or(frame), transmit);
        unfinished.is_some()
    }

    /// Gives smoltcp the FIN that was taken out, once all the data before it is in.
    #[inline(never)]
    fn show_fin<T: TxToken>(&mut self, index: usize, heard: &Heard, fin: Fin) {
        let Some((local, remote)) = self.ends(index) else { return };
        let socket = self.pool.socket(index, &self.set);
        let end = heard.seq + fin.len;
        if end == self.pool.slots[index].recovery.next(socket.recv_queue()) {
            let ports = (remote.port, local.port);
            let fin = bare(TcpControl::Fin, ports, end, heard.ack, heard.window);
            let fin = Crafted::new(&fin, (remote, local), (self.mac, self.mac));
            self.inject::<T>(To::Tcp, &fin);
        }
    }

    /// Gives smoltcp a frame of our own making; what it answers does not leave.
    fn inject<T: TxToken>(&mut self, to: To, frame: &Crafted) {
        let mut sent = Sent::answers();
        let swallow = MeteredToken::<'_, '_, T> { token: None, sent: &mut sent };
        self.show(to, frame.bytes(), swallow);
    }

    /// Gives one frame to smoltcp. Never inlined: smoltcp's whole way in would be there twice.
    #[inline(never)]
    fn show(&mut self, to: To, frame: &[u8], answer: impl TxToken) {
        let mut device = OneFrame {
            frame: Some(frame),
            transmit: Some(answer),
            capabilities: &self.capabilities,
        };
        let set = match to {
            To::Tcp => &mut self.set,
            To::Others => &mut self.udp_set,
        };
        self.interface.poll_ingress_single(self.now, &mut device, set);
    }

    /// Lets requests that waited for a slot in again, as far as there are slots now. Returns whether the
    /// device had no room for the answers.
    #[inline(never)]
    fn serve_backlog<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        for _ in 0..BACKLOG {
            let ready = |port| self.pool.would_serve(&self.set, port);
            if !self.backlog.waits(self.now, ready) {
                return false;
            }
            // The request itself needs no answer, but smoltcp wants to be able to give one.
            let Some(token) = device.transmit(self.now) else {
                return true;
            };
            let ready = |port| self.pool.would_serve(&self.set, port);
            let Some(frame) = self.backlog.next(self.mac, self.now, ready) else {
                return false;
            };
            let mut sent = Sent::answers();
            self.frame(frame.bytes(), MeteredToken { token: Some(token), sent: &mut sent });
            count(&mut self.counters, &sent);
        }
        false
    }

    /// Helps connections whose peer has acknowledged nothing for a while; see [`crate::recovery`].
    /// Returns when the next is due.
    fn recover<D: Device + ?Sized>(&mut self) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for index in self.pool.used() {
            if matches!(self.pool.slots[index].phase, Phase::Free | Phase::Handshake) {
                continue;
            }
            let Some(ends) = self.ends(index) else { continue };
            self.pool.shut_waiting(&mut self.set, index);
            let socket = self.pool.socket(index, &self.set);
            let (finished, fin) = match socket.state() {
                State::Established => (false, false),
                State::FinWait1 => (false, true),
                State::CloseWait => (true, false),
                State::LastAck | State::Closing => (true, true),
                _ => continue,
            };
            let (queue, unread) = (socket.send_queue(), socket.recv_queue());
            let recovery = &mut self.pool.slots[index].recovery;
            // In LAST-ACK smoltcp would not listen.
            let deaf = socket.state() == State::LastAck;
            let deadline = recovery.deadline(queue, fin, self.now).filter(|_| !deaf);
            let timeout = USER_TIMEOUT - recovery.pretended();
            self.pool.socket_mut(index, &mut self.set).set_timeout(Some(timeout));
            let Some(deadline) = deadline else { continue };
            if self.now < deadline {
                next = earliest(next, Some(deadline));
                continue;
            }
            self.counters.recoveries = self.counters.recoveries.wrapping_add(1);
            let recovery = &mut self.pool.slots[index].recovery;
            let seq = recovery.next(unread) + usize::from(finished);
            let ack = Some(recovery.acknowledged());
            let ports = (ends.1.port, ends.0.port);
            for window in recovery.attempt(self.now) {
                let repr = bare(TcpControl::None, ports, seq, ack, window);
                let shown = Crafted::new(&repr, (ends.1, ends.0), (self.mac, self.mac));
                self.inject::<D::TxToken<'_>>(To::Tcp, &shown);
            }
            let after = self.pool.slots[index].recovery.deadline(queue, fin, self.now);
            next = earliest(next, after);
        }
        next
    }

    fn egress<D: Device + ?Sized>(&mut self, device: &mut D) -> Egress {
        let refused = self.serve_backlog(device);
        self.look_up();
        self.tell::<D::TxToken<'_>>(None);
        // Before all else, or a transfer that fills the device would keep others waiting for a MAC address.
        let refused = refused || self.discovery_egress(device);
        let (outcome, asked) = self.send_due(device, refused);
        // What has left wants nobody any more.
        self.neighbors.want_nobody();
        self.look_up();
        if let Some(address) = asked {
            self.want(address);
        }
        if self.discovery_egress(device) { Egress::Refused } else { outcome }
    }

    /// Lets smoltcp send what is due, and says whom it wants to ask for. Never inlined: the way in, which is deep, needs no
    /// room for this one.
    #[inline(never)]
    fn send_due<D: Device + ?Sized>(
        &mut self,
        device: &mut D,
        refused: bool,
    ) -> (Egress, Option<IpAddress>) {
        let mut sent = Sent::new(self.pool.slots, self.now);
        sent.refused = refused;
        let mut metered = Metered { device, sent };
        let mut outcome = Egress::Budget;
        let (mut tcp, mut udp) = (true, self.udp_queued);
        for _ in 0..EGRESS_BUDGET {
            for (set, more) in [(&mut self.set, &mut tcp), (&mut self.udp_set, &mut udp)] {
                if *more && !metered.sent.refused {
                    let result = self.interface.poll_egress(self.now, &mut metered, set);
                    *more = result != PollResult::None;
                }
            }
            if metered.sent.refused {
                outcome = Egress::Refused;
                break;
            }
            if !tcp && !udp {
                outcome = Egress::Done;
                break;
            }
        }
        count(&mut self.counters, &metered.sent);
        (outcome, metered.sent.asked)
    }

    /// When smoltcp has something to send again.
    fn next_egress(&mut self, egress: &Egress) -> Option<Instant> {
        match egress {
            Egress::Budget => Some(self.now),
            // The driver wakes us when there is room; this is for one that cannot.
            Egress::Refused => Some(self.now + TX_RETRY),
            Egress::Done => earliest(self.next_of_smoltcp(), self.ask_at()),
        }
    }

    fn next_of_smoltcp(&mut self) -> Option<Instant> {
        let tcp = self.interface.poll_at(self.now, &self.set);
        let mut udp = None;
        if self.udp_queued {
            udp = self.interface.poll_at(self.now, &self.udp_set);
        }
        let at = earliest(tcp, udp)?;
        if at > self.now {
            return Some(at);
        }
        // It says "now", but has just been asked and had nothing to send. So it does, too, while a SYN-ACK waits for
        // `admit`: that is as it should be, and soon over.
        #[cfg(feature = "gateway")]
        let stalled = !self.pool.defers(&self.set);
        #[cfg(not(feature = "gateway"))]
        let stalled = true;
        self.counters.stalls = self.counters.stalls.wrapping_add(Count::from(stalled));
        Some(self.now + STALL_RETRY)
    }

    /// Checks that something can be sent to `address`: smoltcp would keep it for ever otherwise.
    fn destination(&self, address: SocketAddr) -> Result<IpEndpoint, Error> {
        let endpoint = to_endpoint(address)?;
        let mut own = self.interface.ip_addrs().iter();
        match own.find(|cidr| cidr.contains_addr(&endpoint.addr)) {
            Some(IpCidr::Ipv4(cidr))
                if cidr.broadcast().map(IpAddress::Ipv4) == Some(endpoint.addr) =>
            {
                Err(Error::Unaddressable)
            }
            None if !(self.gateway.is_some() && address.is_ipv4()) => Err(Error::Unaddressable),
            _ => Ok(endpoint),
        }
    }

    /// A random port of the ephemeral range that nothing on this side uses (RFC 6056 3.3.1).
    fn ephemeral_port(&mut self) -> u16 {
        use crate::config::EPHEMERAL_FIRST;
        let count = u32::from(u16::MAX - EPHEMERAL_FIRST) + 1;
        loop {
            // Far fewer sockets than ports: this ends.
            let port = EPHEMERAL_FIRST + self.rng.below(count) as u16;
            if !self.pool.port_in_use(&self.set, port) && !self.udp_port_in_use(port) {
                return port;
            }
        }
    }
}

fn count(counters: &mut Counters, sent: &Sent<'_>) {
    counters.frames_out = counters.frames_out.wrapping_add(sent.frames);
    counters.bytes_out = counters.bytes_out.wrapping_add(sent.bytes);
    counters.retransmitted = counters.retransmitted.wrapping_add(sent.retransmitted);
    counters.tx_refused = counters.tx_refused.wrapping_add(Count::from(sent.refused));
}

/// The link-local address that belongs to a MAC address (RFC 4291 appendix A).
#[cfg(feature = "ipv6")]
fn link_local(mac: EthernetAddress) -> smoltcp::wire::Ipv6Cidr {
    let mac = mac.0;
    let mut octets =
        [0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, 0, 0, 0];
    octets[13..].copy_from_slice(&mac[3..]);
    let address = smoltcp::wire::Ipv6Address::from(octets);
    smoltcp::wire::Ipv6Cidr::new(address, 64)
}
