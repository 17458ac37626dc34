//! Who waits for what: wakers in the slots of the sockets, and what was dropped while the stack was borrowed.
//!
//! A task that waits has left its waker in a slot. Each poll is followed by one look at them
//! ([`NetStack::take_ready`](crate::NetStack)), in which those whose call would not block any more are taken out, one
//! by one, and woken when the stack is not borrowed. What is looked at is the socket, not what happened to it: nothing
//! can be missed, and nobody is woken for another's sake. A waker may be the last that holds a task, and with it
//! sockets; so none is dropped under a borrow either, but that of an `accept` which was itself dropped under one.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::Waker;

/// The task that waits for one direction of a socket.
#[derive(Debug)]
pub(crate) struct Waiter {
    waker: Option<Waker>,
    /// The socket's, which a slot's next one does not share.
    generation: u16,
}

impl Waiter {
    pub(crate) const NONE: Self = Self { waker: None, generation: 0 };

    /// Registers a task, and returns the one before, which does not wait any more: a direction is borrowed mutably to wait
    /// for it.
    pub(crate) fn register(&mut self, waker: &Waker, generation: u16) -> Option<Waker> {
        self.generation = generation;
        if self.waker.as_ref().is_some_and(|before| before.will_wake(waker)) {
            return None;
        }
        self.waker.replace(waker.clone())
    }

    /// Of which generation of its slot's sockets the task waits, if one does.
    pub(crate) const fn waits(&self) -> Option<u16> {
        if self.waker.is_some() { Some(self.generation) } else { None }
    }

    pub(crate) const fn take(&mut self) -> Option<Waker> {
        self.waker.take()
    }
}

/// A task that waits for a listener's next connection.
#[derive(Debug)]
pub(crate) struct Acceptor {
    /// Tells it from those before; not 0.
    pub(crate) ticket: u32,
    pub(crate) listener: u8,
    pub(crate) generation: u8,
    /// `None`: it has been woken, and has not looked yet. A connection in the queue is for it.
    pub(crate) waker: Option<Waker>,
}

/// The tasks of a TCP slot.
#[derive(Debug)]
pub(crate) struct TcpWaiters {
    pub(crate) read: Waiter,
    /// Also for the end of a handshake, and of our direction.
    pub(crate) write: Waiter,
    /// Nothing to do with the slot's connection: there are as many places for acceptors as there are slots.
    pub(crate) acceptor: Option<Acceptor>,
}

impl TcpWaiters {
    pub(crate) const NONE: Self = Self { read: Waiter::NONE, write: Waiter::NONE, acceptor: None };
}

#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<TcpWaiters>() <= 44 && size_of::<UdpWaiters>() <= 28, "it is RAM");

impl Default for TcpWaiters {
    fn default() -> Self {
        Self::NONE
    }
}

/// The tasks of a UDP socket.
#[derive(Debug)]
pub(crate) struct UdpWaiters {
    pub(crate) read: Waiter,
    pub(crate) write: Waiter,
    /// Bytes that were queued when there was no room.
    pub(crate) full: usize,
}

impl UdpWaiters {
    pub(crate) const NONE: Self = Self { read: Waiter::NONE, write: Waiter::NONE, full: 0 };
}

impl Default for UdpWaiters {
    fn default() -> Self {
        Self::NONE
    }
}

/// What the stack keeps for all tasks together.
#[derive(Debug)]
pub(crate) struct Wake<'a> {
    pub(crate) dropped: Dropped<'a>,
    /// Who polls the stack, if it waits for a reason to.
    pub(crate) driver: Waiter,
    ticket: u32,
}

impl<'a> Wake<'a> {
    pub(crate) const fn new(dropped: Dropped<'a>) -> Self {
        Self { dropped, driver: Waiter::NONE, ticket: 0 }
    }

    /// A number for an acceptor.
    pub(crate) fn ticket(&mut self) -> u32 {
        self.ticket = self.ticket.wrapping_add(1).max(1);
        self.ticket
    }
}

/// What can be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Stream,
    Listener,
    Udp,
    Acceptor,
}

/// Outside of the stack, so that it can be written while that is borrowed: which slot's owner was dropped then. 0 is
/// none, anything else says which generation of the slot's owners.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dropped<'a> {
    any: &'a AtomicBool,
    /// As in [`Kind`].
    kinds: [&'a [AtomicU32]; 4],
}

impl Dropped<'_> {
    /// Notes that the owner of a slot has been dropped.
    pub(crate) fn note(&self, kind: Kind, index: u8, generation: u32) {
        if let Some(place) = self.kinds[kind as usize].get(usize::from(index)) {
            place.store(generation.wrapping_add(1), Ordering::Relaxed);
            self.any.store(true, Ordering::Relaxed);
        }
    }

    /// Whether anything was dropped since the last call.
    pub(crate) fn any(&self) -> bool {
        let any = self.any.load(Ordering::Relaxed);
        self.any.store(false, Ordering::Relaxed);
        any
    }

    /// How many slots of a kind there are.
    pub(crate) const fn len(&self, kind: Kind) -> usize {
        self.kinds[kind as usize].len()
    }

    /// The generation of a slot's dropped owner.
    pub(crate) fn take(&self, kind: Kind, index: usize) -> Option<u32> {
        let place = &self.kinds[kind as usize][index];
        let noted = place.load(Ordering::Relaxed);
        place.store(0, Ordering::Relaxed);
        noted.checked_sub(1)
    }
}

/// Room for a [`Dropped`].
#[derive(Debug)]
pub(crate) struct DroppedPlace<const TCP: usize, const UDP: usize, const LISTENERS: usize> {
    any: AtomicBool,
    streams: [AtomicU32; TCP],
    listeners: [AtomicU32; LISTENERS],
    udp: [AtomicU32; UDP],
    acceptors: [AtomicU32; TCP],
}

impl<const TCP: usize, const UDP: usize, const LISTENERS: usize> DroppedPlace<TCP, UDP, LISTENERS> {
    pub(crate) const fn new() -> Self {
        Self {
            any: AtomicBool::new(false),
            streams: [const { AtomicU32::new(0) }; TCP],
            listeners: [const { AtomicU32::new(0) }; LISTENERS],
            udp: [const { AtomicU32::new(0) }; UDP],
            acceptors: [const { AtomicU32::new(0) }; TCP],
        }
    }

    pub(crate) fn lend(&mut self) -> Dropped<'_> {
        *self = Self::new();
        let Self { any, streams, listeners, udp, acceptors } = self;
        Dropped { any, kinds: [streams, listeners, udp, acceptors] }
    }
}

impl<const TCP: usize, const UDP: usize, const LISTENERS: usize> Default
    for DroppedPlace<TCP, UDP, LISTENERS>
{
    fn default() -> Self {
        Self::new()
    }
}
