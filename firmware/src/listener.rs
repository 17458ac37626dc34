//! Who holds which TCP slot: the pool, the listeners with their accept queues, reserves, expiry,
//! eviction.
//!
//! smoltcp's listening socket *becomes* the connection. BSD's stays a listener and hands out new ones;
//! so here a listener is only a port and a name, and all connections come from one pool of slots.
//! A slot goes round like this:
//!
//! ```text
//!            SYN                 established            accept
//!   Free ----------> Handshake ---------------> Queued ---------> Open
//!    ^ \                |  connect                                 |  |
//!    |  \---------------+----------------------------------------->|  | close     abort, unread data
//!    |                  | RST, expiry                              v  v
//!    +------------------+------------------ TIME-WAIT, FIN ... Orphan  Aborting
//!    +------------------------------------------------------------+---------+ the RST left, or 1 s
//! ```
//!
//! Contract: no slot stays out of `Free` for ever, whatever the peer does or the application forgets
//! (each state but an `Open` one in use has its limit in [`crate::config`]); a port with no slot yet
//! always finds one ([`RESERVE`]). Each operation looks at each slot at most once or twice.

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::Socket;
use smoltcp::socket::tcp::{self, CongestionControl, State};
use smoltcp::time::Instant;
use smoltcp::wire::{IpEndpoint, IpListenEndpoint};

use crate::config::{
    ABANDONED, CONNECT, IDLE_EVICT, KEEP_ALIVE, LISTENERS, ORPHAN, RESERVE, RST_WAIT, SYN_RECEIVED,
    SYN_RECEIVED_EVICT, TIME_WAIT_MAX, USER_TIMEOUT,
};
use crate::netstat::Counters;

/// Where a slot is on its way; see the module's picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Free,
    /// A peer's SYN is being answered on behalf of a listener.
    Handshake,
    /// Established, and not accepted yet; the number orders the queue.
    Queued(u32),
    /// A handle owns it: connecting, connected, or ended and not closed yet.
    Open,
    /// Closed by its owner; TCP finishes on its own.
    Orphan,
    /// Aborted; its RST has to reach the wire.
    Aborting,
}

/// Why an `Open` connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer reset it, or refused it.
    Reset,
    /// The peer went silent.
    TimedOut,
}

/// On whose account a slot is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    Client,
    Listener(u8),
    /// The listener has been closed.
    Nobody,
}

/// What is known of one TCP slot beside smoltcp's own state.
#[derive(Debug)]
pub(crate) struct Slot {
    handle: Option<SocketHandle>,
    pub(crate) phase: Phase,
    pub(crate) account: Account,
    pub(crate) generation: u16,
    /// The peer reset it.
    reset: bool,
    /// The peer's FIN came in, so that CLOSED is no accident.
    finished: bool,
    /// The owner's `connect` has succeeded.
    announced: bool,
    pub(crate) end: Option<End>,
    /// When this phase began, or for an orphan, when its peer last acknowledged something.
    since: Instant,
    /// When the owner last used the handle.
    pub(crate) touched: Instant,
    /// When payload last moved, either way.
    pub(crate) moved: Instant,
    /// An orphan's unacknowledged bytes when last looked at.
    unacknowledged: usize,
}

impl Slot {
    pub(crate) const fn new() -> Self {
        Self {
            handle: None,
            phase: Phase::Free,
            account: Account::Nobody,
            generation: 0,
            reset: false,
            finished: false,
            announced: false,
            end: None,
            since: Instant::ZERO,
            touched: Instant::ZERO,
            moved: Instant::ZERO,
            unacknowledged: 0,
        }
    }

    /// Whether the peer had closed in order before the connection ended.
    pub(crate) const fn finished(&self) -> bool {
        self.finished && !self.reset
    }

    /// Notes that the owner has been told of the connection; says whether it had been before.
    pub(crate) const fn announced(&mut self) -> bool {
        core::mem::replace(&mut self.announced, true)
    }
}

/// A registered port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener {
    /// 0 while this entry is unused.
    pub(crate) port: u16,
    /// Bound ports do not take connections before `listen`.
    pub(crate) listening: bool,
    /// SYN-ACKs wait until the owner admits the connection.
    #[cfg(feature = "gateway")]
    pub(crate) deferred: bool,
    pub(crate) generation: u8,
    pub(crate) touched: Instant,
}

/// What to do with the frame of a connection request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Pass it on; this slot is in LISTEN for it.
    Armed(usize),
    /// Pass it on: it belongs to a live connection, or nobody registered the port.
    Pass,
    /// Drop it in silence: the port is registered, but no slot is free.
    Drop,
}

#[derive(Debug)]
pub(crate) struct Pool<'a> {
    pub(crate) slots: &'a mut [Slot],
    pub(crate) listeners: [Listener; LISTENERS],
    queued: u32,
    /// An `Open` connection ended since the application last ran.
    pub(crate) news: bool,
}

fn earliest(a: &mut Option<Instant>, b: Instant) {
    *a = Some(a.map_or(b, |a| a.min(b)));
}

impl<'a> Pool<'a> {
    /// The pool over `slots`, whose sockets `handles` names in the same order.
    pub(crate) fn new(slots: &'a mut [Slot], handles: impl Iterator<Item = SocketHandle>) -> Self {
        for (slot, handle) in slots.iter_mut().zip(handles) {
            slot.handle = Some(handle);
        }
        let unused = Listener {
            port: 0,
            listening: false,
            #[cfg(feature = "gateway")]
            deferred: false,
            generation: 0,
            touched: Instant::ZERO,
        };
        Self { slots, listeners: [unused; LISTENERS], queued: 0, news: false }
    }

    fn handle(&self, index: usize) -> SocketHandle {
        self.slots[index].handle.expect("every slot was given its socket in new()")
    }

    pub(crate) fn socket<'s>(&self, index: usize, set: &'s SocketSet<'a>) -> &'s tcp::Socket<'a> {
        set.get(self.handle(index))
    }

    pub(crate) fn socket_mut<'s>(
        &self,
        index: usize,
        set: &'s mut SocketSet<'a>,
    ) -> &'s mut tcp::Socket<'a> {
        set.get_mut(self.handle(index))
    }

    /// The live connection between these two ends.
    pub(crate) fn find(
        &self,
        set: &SocketSet<'a>,
        local: IpEndpoint,
        remote: IpEndpoint,
    ) -> Option<usize> {
        (0..self.slots.len()).find(|&index| {
            let socket = self.socket(index, set);
            socket.local_endpoint() == Some(local) && socket.remote_endpoint() == Some(remote)
        })
    }

    /// Whether some connection already uses `port` on this side.
    pub(crate) fn port_in_use(&self, set: &SocketSet<'a>, port: u16) -> bool {
        self.listeners.iter().any(|listener| listener.port == port)
            || (0..self.slots.len()).any(|index| {
                self.socket(index, set).local_endpoint().is_some_and(|local| local.port == port)
            })
    }

    // ---- Listeners -----------------------------------------------------------------------------

    /// Registers `port`, which nobody has, and returns the listener's index.
    pub(crate) fn register(&mut self, port: u16, now: Instant) -> Option<u8> {
        let registered = self.listeners.iter().filter(|listener| listener.port != 0).count();
        if (registered + 2) * RESERVE > self.slots.len() {
            return None;
        }
        let index = self.listeners.iter().position(|listener| listener.port == 0)?;
        let listener = &mut self.listeners[index];
        *listener = Listener {
            port,
            listening: false,
            #[cfg(feature = "gateway")]
            deferred: false,
            generation: listener.generation.wrapping_add(1),
            touched: now,
        };
        Some(index as u8)
    }

    /// Forgets a port; connections that nobody accepted are reset.
    pub(crate) fn unregister(&mut self, set: &mut SocketSet<'a>, listener: u8, now: Instant) {
        self.listeners[usize::from(listener)].port = 0;
        for index in 0..self.slots.len() {
            if self.slots[index].account != Account::Listener(listener) {
                continue;
            }
            self.slots[index].account = Account::Nobody;
            if matches!(self.slots[index].phase, Phase::Handshake | Phase::Queued(_)) {
                self.abort(set, index, now);
            }
        }
    }

    /// The longest waiting connection of a listener becomes its owner's.
    pub(crate) fn accept(&mut self, listener: u8, now: Instant) -> Option<usize> {
        let order = |slot: &Slot| match slot.phase {
            Phase::Queued(order) if slot.account == Account::Listener(listener) => Some(order),
            _ => None,
        };
        // Orders wrap: the oldest is the one the counter has moved furthest from.
        let (index, _) = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| Some((index, order(slot)?)))
            .max_by_key(|&(_, order)| self.queued.wrapping_sub(order))?;
        self.open(index, now);
        Some(index)
    }

    /// A connection whose SYN-ACK waits for `admit`.
    #[cfg(feature = "gateway")]
    pub(crate) fn accept_deferred(&mut self, listener: u8, now: Instant) -> Option<usize> {
        let index = self.slots.iter().position(|slot| {
            slot.phase == Phase::Handshake && slot.account == Account::Listener(listener)
        })?;
        self.open(index, now);
        Some(index)
    }

    /// Whether some SYN-ACK may be waiting for its owner to admit the peer.
    #[cfg(feature = "gateway")]
    pub(crate) fn defers(&self, set: &SocketSet<'a>) -> bool {
        (0..self.slots.len()).any(|index| {
            let listener = match self.slots[index].account {
                Account::Listener(listener) => self.listeners[usize::from(listener)],
                Account::Client | Account::Nobody => return false,
            };
            listener.deferred && self.socket(index, set).state() == State::SynReceived
        })
    }

    fn open(&mut self, index: usize, now: Instant) {
        let slot = &mut self.slots[index];
        slot.phase = Phase::Open;
        slot.touched = now;
    }

    // ---- Taking a slot -------------------------------------------------------------------------

    /// Slots on this account. One in TIME-WAIT is anybody's, so it is not this account's reserve.
    fn held(&self, set: &SocketSet<'a>, account: Account) -> usize {
        (0..self.slots.len())
            .filter(|&index| {
                let slot = &self.slots[index];
                slot.phase != Phase::Free
                    && slot.account == account
                    && !self.is_time_wait(set, index)
            })
            .count()
    }

    /// Slots that other accounts have not taken yet, but must be able to.
    fn reserved_for_others(&self, set: &SocketSet<'a>, account: Account) -> usize {
        let registered =
            self.listeners.iter().enumerate().filter(|(_, listener)| listener.port != 0);
        registered
            .map(|(index, _)| Account::Listener(index as u8))
            .chain([Account::Client])
            .filter(|&other| other != account)
            .map(|other| RESERVE.saturating_sub(self.held(set, other)))
            .sum()
    }

    fn is_time_wait(&self, set: &SocketSet<'a>, index: usize) -> bool {
        self.slots[index].phase == Phase::Orphan
            && self.socket(index, set).state() == State::TimeWait
    }

    /// Whether `account` may have a slot at nobody's cost.
    fn has_room(&self, set: &SocketSet<'a>, account: Account) -> bool {
        let unused = |index: &usize| {
            self.slots[*index].phase == Phase::Free || self.is_time_wait(set, *index)
        };
        (0..self.slots.len()).filter(unused).count() > self.reserved_for_others(set, account)
    }

    fn listening(&self, port: u16) -> Option<usize> {
        self.listeners.iter().position(|listener| listener.listening && listener.port == port)
    }

    /// Whether a connection request to `port` would find a slot at nobody's cost.
    pub(crate) fn would_serve(&self, set: &SocketSet<'a>, port: u16) -> bool {
        let account = |listener| Account::Listener(listener as u8);
        self.listening(port).is_some_and(|listener| self.has_room(set, account(listener)))
    }

    /// Finds a slot that `account` may have, evicting if it must. `None`: there is none yet; one may be
    /// on its way.
    pub(crate) fn take(
        &mut self,
        set: &mut SocketSet<'a>,
        account: Account,
        now: Instant,
        counters: &mut Counters,
    ) -> Option<usize> {
        if self.has_room(set, account) {
            let free = self.slots.iter().position(|slot| slot.phase == Phase::Free);
            return free.or_else(|| {
                let oldest = self.oldest(|pool, index| pool.is_time_wait(set, index))?;
                self.scrub(set, oldest);
                Some(oldest)
            });
        }
        self.evict(set, account, now, counters)
    }

    fn oldest(&self, mut eligible: impl FnMut(&Self, usize) -> bool) -> Option<usize> {
        (0..self.slots.len())
            .filter(|&index| eligible(self, index))
            .min_by_key(|&index| self.slots[index].since)
    }

    /// Makes room at somebody's cost: a stale handshake can be replaced at once; a connection that moved
    /// nothing for long is aborted, and its slot is free once the RST has left.
    fn evict(
        &mut self,
        set: &mut SocketSet<'a>,
        account: Account,
        now: Instant,
        counters: &mut Counters,
    ) -> Option<usize> {
        let may_lose = |pool: &Self, index: usize| {
            let loser = pool.slots[index].account;
            loser == account || loser == Account::Nobody || pool.held(set, loser) > RESERVE
        };
        let handshake = self.oldest(|pool, index| {
            let slot = &pool.slots[index];
            slot.phase == Phase::Handshake
                && now >= slot.since + SYN_RECEIVED_EVICT
                && may_lose(pool, index)
        });
        if let Some(index) = handshake {
            counters.evicted = counters.evicted.wrapping_add(1);
            self.scrub(set, index);
            return Some(index);
        }
        let leaving = self.slots.iter().any(|slot| slot.phase == Phase::Aborting);
        let idle = (0..self.slots.len())
            .filter(|&index| {
                let slot = &self.slots[index];
                matches!(slot.phase, Phase::Open | Phase::Queued(_) | Phase::Orphan)
                    && now >= slot.moved + IDLE_EVICT
                    && may_lose(self, index)
            })
            .min_by_key(|&index| self.slots[index].moved);
        if let (Some(index), false) = (idle, leaving) {
            counters.evicted = counters.evicted.wrapping_add(1);
            self.news |= self.slots[index].phase == Phase::Open;
            self.abort(set, index, now);
        }
        None
    }

    /// Gets a free slot's socket ready for a new connection: what smoltcp keeps from the last one, or
    /// does not do by default, is set anew.
    fn prepare(&mut self, set: &mut SocketSet<'a>, index: usize, account: Account, now: Instant) {
        let socket = self.socket_mut(index, set);
        socket.set_congestion_control(CongestionControl::Reno);
        // Services write whole replies in one poll; waiting for more would only meet the peer's delayed
        // acknowledgement.
        socket.set_nagle_enabled(false);
        // Applies from the first frame on; while closed, it does not start a timer.
        socket.set_keep_alive(Some(KEEP_ALIVE));
        socket.set_timeout(None);
        #[cfg(feature = "gateway")]
        socket.pause_synack(false);
        let slot = &mut self.slots[index];
        *slot = Slot {
            handle: slot.handle,
            phase: slot.phase,
            account,
            generation: slot.generation,
            since: now,
            touched: now,
            moved: now,
            ..Slot::new()
        };
    }

    /// A connection request from `remote` to `local`: what becomes of its frame.
    pub(crate) fn request(
        &mut self,
        set: &mut SocketSet<'a>,
        local: IpEndpoint,
        remote: IpEndpoint,
        now: Instant,
        counters: &mut Counters,
    ) -> Request {
        let Some(listener) = self.listening(local.port) else {
            return Request::Pass;
        };
        if let Some(index) = self.find(set, local, remote) {
            if !self.is_time_wait(set, index) {
                return Request::Pass;
            }
            // RFC 9293 3.10.7.4, TIME-WAIT: a new SYN may reopen the connection.
            self.scrub(set, index);
        }
        let account = Account::Listener(listener as u8);
        let Some(index) = self.take(set, account, now, counters) else {
            counters.syn_unanswered = counters.syn_unanswered.wrapping_add(1);
            return Request::Drop;
        };
        self.prepare(set, index, account, now);
        let socket = self.socket_mut(index, set);
        let endpoint = IpListenEndpoint { addr: Some(local.addr), port: local.port };
        if socket.listen(endpoint).is_err() {
            // Port 0, which cannot be registered, or an open socket, which a free slot has not.
            return Request::Pass;
        }
        #[cfg(feature = "gateway")]
        socket.pause_synack(self.listeners[listener].deferred);
        self.slots[index].phase = Phase::Handshake;
        Request::Armed(index)
    }

    /// A slot for an outgoing connection, prepared.
    pub(crate) fn take_client(
        &mut self,
        set: &mut SocketSet<'a>,
        now: Instant,
        counters: &mut Counters,
    ) -> Option<usize> {
        let index = self.take(set, Account::Client, now, counters)?;
        self.prepare(set, index, Account::Client, now);
        self.slots[index].phase = Phase::Open;
        Some(index)
    }

    // ---- Giving a slot back --------------------------------------------------------------------

    /// Frees a slot at once and without a word to the peer.
    pub(crate) fn scrub(&mut self, set: &mut SocketSet<'a>, index: usize) {
        // Only out of the set does a socket lose its wait for a neighbour, and only through LISTEN its
        // old connection without a RST.
        let Socket::Tcp(mut socket) = set.remove(self.handle(index)) else {
            unreachable!("a TCP slot holds a TCP socket");
        };
        socket.abort();
        socket.listen(1).expect("an aborted socket can listen");
        socket.close();
        let handle = set.add(socket);
        let slot = &mut self.slots[index];
        slot.handle = Some(handle);
        slot.phase = Phase::Free;
        slot.account = Account::Nobody;
        slot.generation = slot.generation.wrapping_add(1);
    }

    /// Resets the connection; the slot is free once the RST has left.
    pub(crate) fn abort(&mut self, set: &mut SocketSet<'a>, index: usize, now: Instant) {
        let socket = self.socket_mut(index, set);
        // No reset for a connection that the peer never saw, or that both have finished with.
        let finished = socket.state() == State::TimeWait && socket.recv_queue() == 0;
        if finished || socket.state() == State::SynSent {
            self.scrub(set, index);
            return;
        }
        socket.abort();
        if socket.local_endpoint().is_none() {
            self.scrub(set, index);
            return;
        }
        let slot = &mut self.slots[index];
        slot.generation = slot.generation.wrapping_add(1);
        slot.since = now;
        slot.phase = Phase::Aborting;
    }

    /// Closes an `Open` slot as its owner wishes: what was sent still goes out, then FIN. Data that the
    /// owner never read turns the FIN into a RST (RFC 9293 3.6, RFC 2525 2.17), as on other systems.
    pub(crate) fn close(&mut self, set: &mut SocketSet<'a>, index: usize, now: Instant) {
        let socket = self.socket_mut(index, set);
        match socket.state() {
            State::SynSent => self.scrub(set, index),
            // A FIN means nothing to a peer that has no connection yet, or to one just given up.
            State::SynReceived | State::Closed => self.abort(set, index, now),
            _ if socket.recv_queue() > 0 => self.abort(set, index, now),
            _ => {
                socket.close();
                let unacknowledged = socket.send_queue();
                let slot = &mut self.slots[index];
                slot.generation = slot.generation.wrapping_add(1);
                slot.phase = Phase::Orphan;
                slot.since = now;
                slot.unacknowledged = unacknowledged;
            }
        }
    }

    // ---- As time and frames go by --------------------------------------------------------------

    /// Notes whether smoltcp found a reset good and ended the connection, in state `before`, with it. In
    /// TIME-WAIT it cannot take back what both sides had finished (RFC 1337).
    pub(crate) fn reset(&mut self, set: &SocketSet<'a>, index: usize, before: State) {
        if self.socket(index, set).state() == State::Closed {
            let slot = &mut self.slots[index];
            slot.finished |= before == State::TimeWait;
            slot.reset |= before != State::TimeWait;
        }
    }

    /// Moves handshakes on after a TCP segment came in.
    pub(crate) fn progress(
        &mut self,
        set: &mut SocketSet<'a>,
        now: Instant,
        counters: &mut Counters,
    ) {
        for index in 0..self.slots.len() {
            if self.slots[index].phase != Phase::Handshake {
                continue;
            }
            let socket = self.socket_mut(index, set);
            match socket.state() {
                State::SynReceived => {}
                // The frame was no good after all, or the peer took its request back.
                State::Listen | State::Closed => self.scrub(set, index),
                _ => {
                    socket.set_timeout(Some(USER_TIMEOUT));
                    counters.passive_opens = counters.passive_opens.wrapping_add(1);
                    self.queued = self.queued.wrapping_add(1);
                    let slot = &mut self.slots[index];
                    slot.phase = Phase::Queued(self.queued);
                    slot.since = now;
                    slot.moved = now;
                }
            }
        }
    }

    /// Ends what has lasted too long and frees what is over. Returns when to look again at the latest.
    /// `tried`: whether egress has had its turn at `now`; a RST is given up only after that, or a late
    /// poll would drop it untried.
    pub(crate) fn expire(
        &mut self,
        set: &mut SocketSet<'a>,
        now: Instant,
        tried: bool,
        counters: &mut Counters,
    ) -> Option<Instant> {
        let mut next = None;
        for index in 0..self.slots.len() {
            let deadline = match self.slots[index].phase {
                Phase::Free => None,
                Phase::Handshake => self.expire_handshake(set, index, now, counters),
                Phase::Queued(_) | Phase::Open => self.expire_open(set, index, now, counters),
                Phase::Orphan => self.expire_orphan(set, index, now, counters),
                Phase::Aborting => self.expire_aborting(set, index, now, tried, counters),
            };
            if let Some(deadline) = deadline {
                earliest(&mut next, deadline);
            }
        }
        next
    }

    fn expire_handshake(
        &mut self,
        set: &mut SocketSet<'a>,
        index: usize,
        now: Instant,
        counters: &mut Counters,
    ) -> Option<Instant> {
        let deadline = self.slots[index].since + SYN_RECEIVED;
        if now < deadline {
            return Some(deadline);
        }
        counters.handshakes_expired = counters.handshakes_expired.wrapping_add(1);
        self.scrub(set, index);
        None
    }

    fn expire_open(
        &mut self,
        set: &mut SocketSet<'a>,
        index: usize,
        now: Instant,
        counters: &mut Counters,
    ) -> Option<Instant> {
        if self.slots[index].end.is_some() {
            return None;
        }
        let since = self.slots[index].since;
        let limit = match self.socket(index, set).state() {
            State::SynSent => Some(CONNECT),
            State::SynReceived => Some(SYN_RECEIVED),
            // In the queue it has no owner who would still close it.
            State::Closed
                if self.slots[index].finished() && self.slots[index].phase == Phase::Open =>
            {
                return None;
            }
            State::Closed => None,
            state => {
                // The peer's FIN is in; what follows, LAST-ACK or TIME-WAIT, may end in CLOSED.
                self.slots[index].finished |= matches!(
                    state,
                    State::CloseWait | State::Closing | State::LastAck | State::TimeWait
                );
                return None;
            }
        };
        if let Some(limit) = limit {
            if now < since + limit {
                return Some(since + limit);
            }
            self.silence(set, index);
        }
        let slot = &mut self.slots[index];
        let end = if slot.reset { End::Reset } else { End::TimedOut };
        match end {
            End::Reset => counters.resets_in = counters.resets_in.wrapping_add(1),
            End::TimedOut => counters.timeouts = counters.timeouts.wrapping_add(1),
        }
        if slot.phase == Phase::Open {
            slot.end = Some(end);
            self.news = true;
        } else {
            // Nobody knows of it yet, and there is nothing left to accept.
            self.abort(set, index, now);
        }
        None
    }

    /// Ends a connection without a word, but leaves the slot to its owner.
    fn silence(&mut self, set: &mut SocketSet<'a>, index: usize) {
        let Slot { phase, account, generation, .. } = self.slots[index];
        self.scrub(set, index);
        let slot = &mut self.slots[index];
        (slot.phase, slot.account, slot.generation) = (phase, account, generation);
    }

    fn expire_orphan(
        &mut self,
        set: &mut SocketSet<'a>,
        index: usize,
        now: Instant,
        counters: &mut Counters,
    ) -> Option<Instant> {
        let socket = self.socket(index, set);
        let queue = socket.send_queue();
        match socket.state() {
            State::Closed if socket.local_endpoint().is_none() => {
                self.scrub(set, index);
                return None;
            }
            // Data for somebody who is gone.
            _ if socket.recv_queue() > 0 => {
                self.abort(set, index, now);
                return Some(now + RST_WAIT);
            }
            // smoltcp's own 10 s, or the next SYN that needs the slot; but smoltcp waits for ever if its
            // last ACK cannot be sent.
            State::TimeWait => {
                let deadline = self.slots[index].since + ORPHAN + TIME_WAIT_MAX;
                if now < deadline {
                    return Some(deadline);
                }
                self.scrub(set, index);
                return None;
            }
            _ => {}
        }
        let slot = &mut self.slots[index];
        if queue < slot.unacknowledged {
            slot.unacknowledged = queue;
            slot.since = now;
            slot.moved = now;
        }
        let deadline = slot.since + ORPHAN;
        if now < deadline {
            return Some(deadline);
        }
        counters.orphans_expired = counters.orphans_expired.wrapping_add(1);
        self.abort(set, index, now);
        Some(now + RST_WAIT)
    }

    fn expire_aborting(
        &mut self,
        set: &mut SocketSet<'a>,
        index: usize,
        now: Instant,
        tried: bool,
        counters: &mut Counters,
    ) -> Option<Instant> {
        if self.socket(index, set).local_endpoint().is_some() {
            let deadline = self.slots[index].since + RST_WAIT;
            if now < deadline || !tried {
                return Some(deadline);
            }
            counters.resets_unsent = counters.resets_unsent.wrapping_add(1);
        }
        self.scrub(set, index);
        None
    }

    /// Takes back what an application dropped without `close`; to be run right after its turn. Returns when
    /// the next could be due.
    pub(crate) fn reclaim(
        &mut self,
        set: &mut SocketSet<'a>,
        now: Instant,
        counters: &mut Counters,
    ) -> Option<Instant> {
        let mut next = None;
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            if slot.phase != Phase::Open {
                continue;
            }
            let deadline = slot.touched + ABANDONED;
            if now < deadline {
                earliest(&mut next, deadline);
            } else {
                counters.abandoned = counters.abandoned.wrapping_add(1);
                self.abort(set, index, now);
            }
        }
        for index in 0..LISTENERS {
            let listener = &self.listeners[index];
            if listener.port == 0 {
                continue;
            }
            let deadline = listener.touched + ABANDONED;
            if now < deadline {
                earliest(&mut next, deadline);
            } else {
                counters.abandoned = counters.abandoned.wrapping_add(1);
                self.unregister(set, index as u8, now);
            }
        }
        next
    }

    /// Notes that the owner uses a slot, and so still knows the listener it came from.
    pub(crate) fn touch(&mut self, index: usize, now: Instant) {
        self.slots[index].touched = now;
        if let Account::Listener(listener) = self.slots[index].account {
            self.listeners[usize::from(listener)].touched = now;
        }
    }

    /// Whether no slot is needed any more.
    pub(crate) fn idle(&self, set: &SocketSet<'a>) -> bool {
        (0..self.slots.len())
            .all(|index| self.slots[index].phase == Phase::Free || self.is_time_wait(set, index))
    }

    /// Whether any handshake is under way.
    pub(crate) fn shaking(&self) -> bool {
        self.slots.iter().any(|slot| slot.phase == Phase::Handshake)
    }
}
