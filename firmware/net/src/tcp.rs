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
//! Contract: no slot stays out of `Free` for ever, whatever the peer does
//! (each state but an `Open` one in use has its limit in [`crate::limits`]); a port with no slot yet
//! always finds one (`Limits::with_reserve`). Each operation looks at each slot at most once or twice.
//!
//! Here are the slots, the accept queues, and the ways in which a slot comes back. `listener` is a port's entry;
//! `admission` says who may have a slot, `expiry` what has lasted too long.

mod admission;
pub(crate) mod backlog;
#[cfg(feature = "syn-cookies")]
mod cookie;
mod expiry;
mod held;
mod isn;
mod listener;
pub(crate) mod tcb;
mod throttle;

use core::ops::Range;

use smoltcp::iface::{SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::Socket;
use smoltcp::socket::tcp::{self, State};
use smoltcp::time::Instant;

use crate::frame::FourTuple;
use crate::limits::{Limits, PROGRESS};
#[cfg(feature = "async")]
use crate::wake::TcpWaiters;
pub(crate) use admission::Request;
pub(crate) use held::Held;
pub(crate) use listener::Listener;
use tcb::{SocketSnapshot, Tcb};

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

/// How the peer ended its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// Not yet.
    Sends,
    /// With a FIN, so that CLOSED is no accident.
    Finished,
    Reset,
}

/// For whom a slot is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotOwner {
    Client,
    Listener(u8),
    /// The listener has been closed.
    Nobody,
}

/// What is known of one TCP slot beside smoltcp's own state.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Slot<'a> {
    /// Its socket, in a set of its own: each sends when its turn has come, and a segment is looked at by no other.
    pub(crate) set: SocketSet<'a>,
    handle: SocketHandle,
    pub(crate) phase: Phase,
    pub(crate) owner: SlotOwner,
    pub(crate) generation: u16,
    peer: Peer,
    /// The owner's `connect` has succeeded.
    announced: bool,
    /// The owner has closed its direction in CLOSE-WAIT, and its FIN waits; see [`Pool::shut`].
    pub(crate) fin_waits: bool,
    pub(crate) end: Option<End>,
    /// When this phase began, or for an orphan, when something of ours was last unacknowledged.
    since: Instant,
    /// A call began it, which knows only when the last poll was: it counts from the next.
    unpolled: bool,
    /// When the owner last used the handle.
    pub(crate) touched: Instant,
    /// When it last made progress; see [`PROGRESS`].
    moved: Instant,
    /// Bytes of data since then, both ways.
    step: usize,
    /// It may have something to send in this poll.
    pub(crate) sends: bool,
    pub(crate) tcb: Tcb,
    /// Kept from one connection to the next: each knows whose it is.
    #[cfg(feature = "async")]
    pub(crate) waiters: TcpWaiters,
}

impl<'a> Slot<'a> {
    /// A free slot for `socket`.
    pub(crate) fn new(place: &'a mut [SocketStorage<'a>], socket: tcp::Socket<'a>) -> Self {
        let mut set = SocketSet::new(place);
        let handle = set.add(socket);
        Self {
            set,
            handle,
            phase: Phase::Free,
            owner: SlotOwner::Nobody,
            generation: 0,
            peer: Peer::Sends,
            announced: false,
            fin_waits: false,
            end: None,
            since: Instant::ZERO,
            unpolled: false,
            touched: Instant::ZERO,
            moved: Instant::ZERO,
            step: 0,
            sends: false,
            tcb: Tcb::new(),
            #[cfg(feature = "async")]
            waiters: TcpWaiters::NONE,
        }
    }

    /// One that has been freed begins with another connection.
    const fn begin(&mut self, owner: SlotOwner, now: Instant) {
        self.owner = owner;
        self.peer = Peer::Sends;
        (self.announced, self.fin_waits, self.end) = (false, false, None);
        (self.since, self.unpolled) = (now, true);
        (self.touched, self.moved) = (now, now);
        self.step = 0;
    }

    /// Notes that `count` bytes of data have come in, or been acknowledged.
    pub(crate) const fn moved(&mut self, count: usize, now: Instant) {
        self.step += count;
        if self.step >= PROGRESS {
            (self.step, self.moved) = (0, now);
        }
    }

    /// When this phase began.
    pub(crate) const fn since(&self) -> Instant {
        self.since
    }

    /// Whether the peer had closed in order before the connection ended.
    pub(crate) const fn finished(&self) -> bool {
        matches!(self.peer, Peer::Finished)
    }

    /// Notes the peer's FIN.
    const fn finish(&mut self) {
        if matches!(self.peer, Peer::Sends) {
            self.peer = Peer::Finished;
        }
    }

    /// Notes that the owner has been told of the connection; says whether it had been before.
    pub(crate) const fn announced(&mut self) -> bool {
        core::mem::replace(&mut self.announced, true)
    }
}

/// Ends a socket's connection without a word. Never inlined: the socket would be taken to pieces for the move.
#[inline(never)]
fn clear(socket: &mut tcp::Socket<'_>) {
    socket.abort();
    socket.listen(1).expect("an aborted socket can listen");
    socket.close();
}

#[derive(Debug)]
// As with the stack, what is used most comes first.
#[repr(C)]
pub(crate) struct Pool<'a> {
    pub(crate) slots: &'a mut [Slot<'a>],
    /// Slots from here on are free. The first free one is taken, so that a large pool costs little.
    used: usize,
    /// An `Open` connection ended since the application last ran.
    pub(crate) app_wakeup: bool,
    /// The time of this poll.
    pub(crate) now: Instant,
    pub(crate) listeners: &'a mut [Listener],
    queued: u32,
    pub(crate) limits: Limits,
    /// When a connection was last evicted, or long before.
    evicted: Instant,
}

impl<'a> Pool<'a> {
    pub(crate) const fn new(
        slots: &'a mut [Slot<'a>],
        listeners: &'a mut [Listener],
        limits: Limits,
        now: Instant,
    ) -> Self {
        let evicted = Instant::from_micros_const(i64::MIN / 2);
        Self { slots, listeners, limits, used: 0, queued: 0, evicted, now, app_wakeup: false }
    }

    /// All slots that are in use, and perhaps some that are not.
    pub(crate) const fn used(&self) -> Range<usize> {
        0..self.used
    }

    /// A slot's socket. On a chip never inlined, as what follows: they are in many places.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn socket(&self, index: usize) -> &tcp::Socket<'a> {
        let slot = &self.slots[index];
        slot.set.get(slot.handle)
    }

    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn socket_mut(&mut self, index: usize) -> &mut tcp::Socket<'a> {
        let slot = &mut self.slots[index];
        slot.set.get_mut(slot.handle)
    }

    /// The ends of a slot's connection, as smoltcp has them.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn four_tuple(&self, index: usize) -> Option<FourTuple> {
        let socket = self.socket(index);
        Some(FourTuple { local: socket.local_endpoint()?, remote: socket.remote_endpoint()? })
    }

    /// What a slot's connection looks like now.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn snapshot(&self, index: usize) -> SocketSnapshot {
        let socket = self.socket(index);
        let unread = socket.recv_queue();
        SocketSnapshot {
            state: socket.state(),
            queue: socket.send_queue(),
            unread,
            room: socket.recv_capacity() - unread,
        }
    }

    /// The live connection between these two ends.
    pub(crate) fn find(&self, ends: &FourTuple) -> Option<usize> {
        self.used().find(|&index| self.four_tuple(index).as_ref() == Some(ends))
    }

    /// Whether some connection already uses `port` on this side.
    pub(crate) fn port_in_use(&self, port: u16) -> bool {
        self.listeners.iter().any(|listener| listener.port == port)
            || self.used().any(|index| {
                self.socket(index).local_endpoint().is_some_and(|local| local.port == port)
            })
    }

    /// The longest waiting connection of a listener becomes its owner's.
    pub(crate) fn accept(&mut self, listener: u8) -> Option<usize> {
        let (mut longest, mut most) = (None, 0);
        for index in self.used() {
            let slot = &self.slots[index];
            if let Phase::Queued(order) = slot.phase
                && slot.owner == SlotOwner::Listener(listener)
            {
                // Orders wrap: the oldest is the one the counter has moved furthest from.
                let waited = self.queued.wrapping_sub(order);
                if waited >= most {
                    (longest, most) = (Some(index), waited);
                }
            }
        }
        let index = longest?;
        self.open(index);
        Some(index)
    }

    /// A connection whose SYN-ACK waits for `admit`.
    #[cfg(feature = "deferred-accept")]
    pub(crate) fn accept_deferred(&mut self, listener: u8) -> Option<usize> {
        let index = self.slots[self.used()].iter().position(|slot| {
            slot.phase == Phase::Handshake && slot.owner == SlotOwner::Listener(listener)
        })?;
        self.open(index);
        Some(index)
    }

    /// Whether some SYN-ACK may be waiting for its owner to admit the peer.
    #[cfg(feature = "deferred-accept")]
    pub(crate) fn defers(&self) -> bool {
        self.used().any(|index| {
            let listener = match self.slots[index].owner {
                SlotOwner::Listener(listener) => self.listeners[usize::from(listener)],
                SlotOwner::Client | SlotOwner::Nobody => return false,
            };
            listener.deferred && self.socket(index).state() == State::SynReceived
        })
    }

    fn open(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.phase = Phase::Open;
        slot.touched = self.now;
    }

    /// Frees a slot at once and without a word to the peer.
    pub(crate) fn recycle(&mut self, index: usize) {
        // Only out of the set does a socket lose its wait for a neighbour, and only through LISTEN its
        // old connection without a RST.
        let slot = &mut self.slots[index];
        #[allow(irrefutable_let_patterns, reason = "without UDP there is no other kind")]
        let Socket::Tcp(mut socket) = slot.set.remove(slot.handle) else {
            unreachable!("a TCP slot holds a TCP socket");
        };
        clear(&mut socket);
        slot.handle = slot.set.add(socket);
        slot.phase = Phase::Free;
        slot.owner = SlotOwner::Nobody;
        slot.generation = slot.generation.wrapping_add(1);
        slot.tcb = Tcb::new();
    }

    /// Ends a connection without a word, but leaves the slot to its owner.
    fn close_silently(&mut self, index: usize) {
        let Slot { phase, owner, generation, .. } = self.slots[index];
        self.recycle(index);
        let slot = &mut self.slots[index];
        (slot.phase, slot.owner, slot.generation) = (phase, owner, generation);
    }

    /// Resets the connection; the slot is free once the RST has left.
    pub(crate) fn abort(&mut self, index: usize) {
        let socket = self.socket_mut(index);
        // No reset for a connection that the peer never saw, or that both have finished with.
        let finished = socket.state() == State::TimeWait && socket.recv_queue() == 0;
        if finished || socket.state() == State::SynSent {
            self.recycle(index);
            return;
        }
        socket.abort();
        if socket.local_endpoint().is_none() {
            self.recycle(index);
            return;
        }
        let slot = &mut self.slots[index];
        slot.generation = slot.generation.wrapping_add(1);
        (slot.since, slot.unpolled) = (self.now, true);
        slot.phase = Phase::Aborting;
    }

    /// Ends a connection without a word, for its own address is gone, or nobody is at the peer's; its owner is told of a
    /// reset.
    pub(crate) fn lose(&mut self, index: usize) {
        match self.slots[index].phase {
            Phase::Free => {}
            Phase::Queued(_) | Phase::Open => {
                self.close_silently(index);
                self.slots[index].peer = Peer::Reset;
            }
            Phase::Handshake | Phase::Orphan | Phase::Aborting => self.recycle(index),
        }
    }

    /// Closes an `Open` slot as its owner wishes: what was sent still goes out, then FIN. Data that the
    /// owner never read turns the FIN into a RST (RFC 9293 3.6, RFC 2525 2.17), as on other systems.
    pub(crate) fn close(&mut self, index: usize) {
        let socket = self.socket_mut(index);
        match socket.state() {
            State::SynSent => self.recycle(index),
            // A FIN means nothing to a peer that has no connection yet, or to one just given up.
            State::SynReceived | State::Closed => self.abort(index),
            _ if socket.recv_queue() > 0 => self.abort(index),
            _ => {
                self.shut(index);
                let slot = &mut self.slots[index];
                slot.generation = slot.generation.wrapping_add(1);
                slot.phase = Phase::Orphan;
                (slot.since, slot.unpolled) = (self.now, true);
            }
        }
    }

    /// Closes a slot's sending direction: FIN follows what was sent. In CLOSE-WAIT it waits, [`Slot::fin_waits`],
    /// until the peer has room for all that is unacknowledged: in LAST-ACK smoltcp takes in an acknowledgement only if it
    /// is of something new, and so no window update (socket/tcp.rs 2045).
    pub(crate) fn shut(&mut self, index: usize) {
        let socket = self.socket(index);
        let queue = socket.send_queue();
        let waits = socket.state() == State::CloseWait && !self.slots[index].tcb.fits(queue);
        self.slots[index].fin_waits = waits;
        if !waits {
            self.socket_mut(index).close();
        }
    }

    /// Lets a FIN go that has waited, if it may; see [`Pool::shut`].
    pub(crate) fn shut_waiting(&mut self, index: usize) {
        if self.slots[index].fin_waits {
            self.shut(index);
        }
    }

    /// Notes that the owner uses a slot, and so still knows the listener it came from.
    pub(crate) fn touch(&mut self, index: usize) {
        self.slots[index].touched = self.now;
        if let SlotOwner::Listener(listener) = self.slots[index].owner {
            self.listeners[usize::from(listener)].touched = self.now;
        }
    }

    /// Whether no slot is needed any more.
    pub(crate) fn idle(&self) -> bool {
        self.used().all(|index| self.slots[index].phase == Phase::Free || self.is_time_wait(index))
    }

    /// Whether any handshake is under way.
    pub(crate) fn shaking(&self) -> bool {
        self.slots[self.used()].iter().any(|slot| slot.phase == Phase::Handshake)
    }
}
