//! Who may have a slot: reserves, and who gives way when there is none.
//!
//! Each listening port, and the client side, is an owner of slots. A slot is given as long as enough stay free
//! for the owners that hold none yet. When there are too few, TIME-WAIT goes first, then the oldest
//! handshake or what has ended but for the peer's FIN, then the connection that has made no progress for longest.

use core::cell::OnceCell;

use smoltcp::socket::tcp::{CongestionControl, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpListenEndpoint, TcpSeqNumber};

use super::{Phase, Pool, Slot, SlotOwner};
use crate::frame::FourTuple;
#[cfg(feature = "syn-cookies")]
use crate::limits::RTO_INITIAL;
use crate::limits::{FIN_WAIT_2_EVICT, SYN_RECEIVED_EVICT};
use crate::netstat::Counters;
use crate::seq::distance;

/// Longer than anything lasts.
const LONG: Duration = Duration::from_secs(1 << 32);

/// What to do with the frame of a connection request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Pass it on; this slot is in LISTEN for it. The last sequence number of the connection that had these ends before, if
    /// it was in TIME-WAIT.
    Armed(usize, Option<TcpSeqNumber>),
    /// Pass it on: it belongs to a connection, be it in TIME-WAIT and the request one of its past, or nobody registered the
    /// port.
    Pass,
    /// Drop it in silence: the port is registered, but no slot is free.
    Drop,
}

/// How many slots nobody has, or only in TIME-WAIT, and how many of them are kept free for owners that hold none yet.
struct Room {
    unused: usize,
    reserved: usize,
}

impl Pool<'_> {
    /// Slots on this owner, counted no further than `most`. One in TIME-WAIT is anybody's, so it is not this owner's reserve.
    #[inline(never)]
    fn held(&self, owner: SlotOwner, most: usize) -> usize {
        self.used()
            .filter(|&index| {
                let slot = &self.slots[index];
                slot.owner == owner && slot.phase != Phase::Free && !self.is_time_wait(index)
            })
            .take(most)
            .count()
    }

    /// Slots that are kept free for `owner` while it holds none.
    const fn reserve(&self, owner: SlotOwner) -> usize {
        match owner {
            SlotOwner::Client => self.limits.client_reserve as usize,
            SlotOwner::Listener(_) => self.limits.reserve as usize,
            SlotOwner::Nobody => 0,
        }
    }

    /// Slots that an owner has not taken yet, but must be able to.
    #[inline(never)]
    fn missing(&self, owner: SlotOwner) -> usize {
        let reserve = self.reserve(owner);
        reserve - self.held(owner, reserve)
    }

    /// What there is, and what of it is kept for those who hold none yet.
    #[inline(never)]
    fn room(&self) -> Room {
        let unused =
            |index: &usize| self.slots[*index].phase == Phase::Free || self.is_time_wait(*index);
        let unused = self.slots.len() - self.used + self.used().filter(unused).count();
        let mut reserved = self.missing(SlotOwner::Client);
        for (index, listener) in self.listeners.iter().enumerate() {
            if listener.port != 0 {
                reserved += self.missing(SlotOwner::Listener(index as u8));
            }
        }
        Room { unused, reserved }
    }

    pub(super) fn is_time_wait(&self, index: usize) -> bool {
        self.slots[index].phase == Phase::Orphan && self.socket(index).state() == State::TimeWait
    }

    /// Whether `owner` may have a slot of `room` at nobody's cost: what is kept for itself is not kept from it.
    #[cfg_attr(target_os = "none", inline(never))]
    fn fits(&self, owner: SlotOwner, &Room { unused, reserved }: &Room) -> bool {
        let at_most = reserved < unused + self.reserve(owner);
        unused > 0 && at_most && (unused > reserved || reserved < unused + self.missing(owner))
    }

    /// Whether `owner` may have a slot at nobody's cost.
    fn has_room(&self, owner: SlotOwner) -> bool {
        self.fits(owner, &self.room())
    }

    #[inline(never)]
    pub(crate) fn listening(&self, port: u16) -> Option<usize> {
        self.listeners.iter().position(|listener| listener.listening && listener.port == port)
    }

    /// Whether a connection request to a port would find a slot at nobody's cost. There may be many to be asked about, so
    /// the slots are counted once, and not if there is none.
    pub(crate) fn would_serve(&self) -> impl Fn(u16) -> bool {
        let room = OnceCell::new();
        move |port| {
            self.listening(port).is_some_and(|listener| {
                let owner = SlotOwner::Listener(listener as u8);
                self.fits(owner, room.get_or_init(|| self.room()))
            })
        }
    }

    /// Finds a slot that `owner` may have, evicting if it must: a handshake of this age at least. `None`: there is none yet;
    /// one may be on its way.
    fn take(
        &mut self,
        owner: SlotOwner,
        patience: Duration,
        counters: &mut Counters,
    ) -> Option<usize> {
        if self.has_room(owner) {
            let free = self.slots.iter().position(|slot| slot.phase == Phase::Free);
            return free.or_else(|| {
                let oldest = self
                    .oldest(&|index| self.is_time_wait(index).then(|| self.slots[index].since))?;
                self.recycle(oldest);
                Some(oldest)
            });
        }
        self.evict(owner, patience, counters)
    }

    /// The slot for which `since` says the earliest time, of those for which it says one.
    #[inline(never)]
    fn oldest(&self, since: &dyn Fn(usize) -> Option<Instant>) -> Option<usize> {
        let dated = self.used().filter_map(|index| Some((since(index)?, index)));
        dated.min().map(|(_, index)| index)
    }

    /// Whether this slot's owner has to give it to `owner`, if it comes to that.
    #[inline(never)]
    fn may_lose(&self, index: usize, owner: SlotOwner) -> bool {
        let loser = self.slots[index].owner;
        loser == owner || loser == SlotOwner::Nobody || {
            let reserve = self.reserve(loser);
            self.held(loser, reserve + 1) > reserve
        }
    }

    /// Makes room at the cost of a stale handshake, or of a connection of which but the peer's FIN is missing: they can be
    /// replaced at once. Nobody reads what such a peer would still send; it is told so by a reset.
    fn evict(
        &mut self,
        owner: SlotOwner,
        patience: Duration,
        counters: &mut Counters,
    ) -> Option<usize> {
        let stale = self.oldest(&|index| {
            let Slot { phase, since, .. } = self.slots[index];
            let patience = match phase {
                Phase::Handshake => patience,
                Phase::Orphan if self.socket(index).state() == State::FinWait2 => FIN_WAIT_2_EVICT,
                _ => return None,
            };
            (self.now >= since + patience && self.may_lose(index, owner)).then_some(since)
        });
        if let Some(index) = stale {
            counters.evicted = counters.evicted.wrapping_add(1);
            self.recycle(index);
            return Some(index);
        }
        None
    }

    /// Makes room for somebody who waits: at the cost of the oldest handshake, once that is old enough; in a flood as slow as that,
    /// who comes next would always be another one's. Without any, aborts the connection that has made no progress for longest, whose
    /// slot is free once the RST has left. Returns when that is due, or would be; `None`: soon a slot is free without.
    #[inline(never)]
    fn evict_connection(&mut self, owner: SlotOwner, counters: &mut Counters) -> Option<Instant> {
        if self.used().any(|index| self.slots[index].phase == Phase::Aborting) {
            return None;
        }
        let stalled = |index| self.stalled(index, owner);
        let oldest = self.oldest(&stalled)?;
        let Slot { phase, since, moved, .. } = self.slots[oldest];
        let handshake = phase == Phase::Handshake;
        let due = if handshake {
            since + SYN_RECEIVED_EVICT
        } else {
            // One after the other: they come back, and each would only have that long.
            moved.max(self.evicted) + self.limits.pressure_evict
        };
        if self.now >= due {
            counters.evicted = counters.evicted.wrapping_add(1);
            if handshake {
                self.recycle(oldest);
                return Some(due);
            }
            // First of all who has closed, or never made any.
            let index = self.oldest(&|index| {
                let moved = stalled(index)?;
                let over = self.now >= moved + self.limits.pressure_evict;
                let never = over && moved <= self.slots[index].since;
                Some(if never { moved - LONG } else { moved })
            })?;
            self.evicted = self.now;
            self.app_wakeup |= self.slots[index].phase == Phase::Open;
            self.abort(index);
        }
        Some(due)
    }

    /// Since when the connection of a slot has made no progress, if it may have to give way to `owner`. A handshake comes before
    /// all of them: a flood of requests must not cost those who are in.
    #[inline(never)]
    fn stalled(&self, index: usize, owner: SlotOwner) -> Option<Instant> {
        let Slot { phase, since, moved, .. } = self.slots[index];
        let stalled = match phase {
            Phase::Handshake => since - LONG,
            Phase::Open | Phase::Queued(_) | Phase::Orphan => moved,
            Phase::Free | Phase::Aborting => return None,
        };
        self.may_lose(index, owner).then_some(stalled)
    }

    /// Makes room for a request to `port` that waits; returns when to look again.
    #[inline(never)]
    pub(crate) fn relieve(&mut self, port: u16, counters: &mut Counters) -> Option<Instant> {
        let owner = SlotOwner::Listener(self.listening(port)? as u8);
        if self.has_room(owner) { None } else { self.evict_connection(owner, counters) }
    }

    /// Gets a free slot's socket ready for a new connection: what smoltcp keeps from the last one, or
    /// does not do by default, is set anew.
    fn prepare(&mut self, index: usize, owner: SlotOwner) {
        self.used = self.used.max(index + 1);
        let keep_alive = self.limits.keep_alive;
        let socket = self.socket_mut(index);
        socket.set_congestion_control(CongestionControl::None);
        // Services write whole replies in one poll; waiting for more would only meet the peer's delayed
        // acknowledgement.
        socket.set_nagle_enabled(false);
        // Applies from the first frame on; while closed, it does not start a timer.
        socket.set_keep_alive(Some(keep_alive));
        socket.set_timeout(None);
        #[cfg(feature = "deferred-accept")]
        socket.pause_synack(false);
        self.slots[index].begin(owner, self.now);
    }

    /// A connection request between these ends, with initial sequence number `seq`: what becomes of its frame, if a handshake
    /// may be evicted from an age of `patience` on. Never inlined, as the rest of what is rare.
    #[inline(never)]
    pub(crate) fn request(
        &mut self,
        ends: &FourTuple,
        seq: TcpSeqNumber,
        patience: Duration,
        counters: &mut Counters,
    ) -> Request {
        let Some(listener) = self.listening(ends.local.port) else {
            return Request::Pass;
        };
        let mut last = None;
        if let Some(index) = self.find(ends) {
            // RFC 9293 3.10.7.4, TIME-WAIT: a new SYN may reopen the connection, one of its past must not (3.6.1, MAY-2).
            let rcv_nxt = self.slots[index].tcb.rcv_nxt(self.snapshot(index));
            if !self.is_time_wait(index) || distance(seq, rcv_nxt) <= 0 {
                return Request::Pass;
            }
            last = Some(self.slots[index].tcb.snd_una());
            self.recycle(index);
        }
        let owner = SlotOwner::Listener(listener as u8);
        let Some(index) = self.take(owner, patience, counters) else {
            return Request::Drop;
        };
        if !self.arm(index, owner, ends) {
            // Port 0, which cannot be registered, or an open socket, which a free slot has not.
            return Request::Pass;
        }
        #[cfg(feature = "deferred-accept")]
        {
            let deferred = self.listeners[listener].deferred;
            self.socket_mut(index).pause_synack(deferred);
        }
        Request::Armed(index, last)
    }

    /// Gets a free slot ready for the request of a connection between these ends. Returns whether it is.
    #[cfg_attr(feature = "syn-cookies", inline(never))]
    fn arm(&mut self, index: usize, owner: SlotOwner, ends: &FourTuple) -> bool {
        self.prepare(index, owner);
        let endpoint = IpListenEndpoint { addr: Some(ends.local.addr), port: ends.local.port };
        let listens = self.socket_mut(index).listen(endpoint).is_ok();
        if listens {
            let slot = &mut self.slots[index];
            slot.phase = Phase::Handshake;
            slot.tcb.open(*ends);
        }
        listens
    }

    /// The listener of a port, unless its owner admits each peer: a cookie would be a way past that.
    #[cfg(feature = "syn-cookies")]
    pub(crate) fn takes_cookies(&self, port: u16) -> Option<usize> {
        let listener = self.listening(port)?;
        #[cfg(feature = "deferred-accept")]
        if self.listeners[listener].deferred {
            return None;
        }
        Some(listener)
    }

    /// Whether a connection to `port` that needs no handshake any more could have the slot of one that does.
    #[cfg(feature = "syn-cookies")]
    pub(crate) fn yields(&self, port: u16) -> bool {
        self.takes_cookies(port).is_some_and(|listener| {
            let owner = SlotOwner::Listener(listener as u8);
            self.used().any(|index| {
                self.slots[index].phase == Phase::Handshake && self.may_lose(index, owner)
            })
        })
    }

    /// A slot, ready for the request between these ends, for a peer that has taken a cookie back; whoever's handshake is the
    /// oldest gives way.
    #[cfg(feature = "syn-cookies")]
    pub(crate) fn admit(&mut self, ends: &FourTuple, counters: &mut Counters) -> Option<usize> {
        let owner = SlotOwner::Listener(self.takes_cookies(ends.local.port)? as u8);
        let index = self.take(owner, Duration::ZERO, counters)?;
        let ready = self.arm(index, owner, ends);
        // How long it took nobody knows.
        self.slots[index].since = self.now - RTO_INITIAL;
        ready.then_some(index)
    }

    /// A slot for an outgoing connection, prepared.
    pub(crate) fn take_client(&mut self, counters: &mut Counters) -> Option<usize> {
        let Some(index) = self.take(SlotOwner::Client, SYN_RECEIVED_EVICT, counters) else {
            self.evict_connection(SlotOwner::Client, counters);
            return None;
        };
        self.prepare(index, SlotOwner::Client);
        self.slots[index].phase = Phase::Open;
        Some(index)
    }
}
