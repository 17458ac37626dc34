//! Who may have a slot: reserves, and who gives way when there is none.
//!
//! Each listening port, and the client side, is an account. A slot is given as long as enough stay free
//! for the accounts that hold none yet. When there are too few, TIME-WAIT goes first, then the oldest
//! handshake, then the connection that has been idle the longest.

use smoltcp::iface::SocketSet;
use smoltcp::socket::tcp::{CongestionControl, State};
use smoltcp::time::Instant;
use smoltcp::wire::{IpEndpoint, IpListenEndpoint};

use super::{Account, Phase, Pool, Request, Slot};
use crate::config::{IDLE_EVICT, KEEP_ALIVE, RESERVE, SYN_RECEIVED_EVICT};
use crate::netstat::Counters;

impl<'a> Pool<'a> {
    /// Slots on this account. One in TIME-WAIT is anybody's, so it is not this account's reserve.
    fn held(&self, set: &SocketSet<'a>, account: Account) -> usize {
        self.used()
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

    pub(super) fn is_time_wait(&self, set: &SocketSet<'a>, index: usize) -> bool {
        self.slots[index].phase == Phase::Orphan
            && self.socket(index, set).state() == State::TimeWait
    }

    /// Whether `account` may have a slot at nobody's cost.
    fn has_room(&self, set: &SocketSet<'a>, account: Account) -> bool {
        let unused = |index: &usize| {
            self.slots[*index].phase == Phase::Free || self.is_time_wait(set, *index)
        };
        let unused = self.slots.len() - self.used + self.used().filter(unused).count();
        unused > 0 && unused > self.reserved_for_others(set, account)
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
        self.used()
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
        let leaving = self.slots[self.used()].iter().any(|slot| slot.phase == Phase::Aborting);
        let idle = self
            .used()
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
        self.used = self.used.max(index + 1);
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
}
