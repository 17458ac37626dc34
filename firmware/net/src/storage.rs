//! All the RAM of the network side, as two values that are borrowed once.
//!
//! [`Storage`] holds the buffers and the backlog, [`Sockets`] the sockets that borrow those buffers, about 500 bytes each;
//! that is why they are two. A static of either lands in `.bss` and costs no flash: an empty socket is not all zero, so
//! they are made when the memory is taken, in vectors that are empty until then. Nothing else in this crate grows with
//! the number or the size of the connections.

use smoltcp::iface::{SocketSet, SocketStorage};
use smoltcp::socket::tcp as smol_tcp;
use smoltcp::time::Instant;

#[cfg(feature = "dns")]
use crate::dns::{Lookup, Resolver};
#[cfg(feature = "dns")]
use crate::limits::LOOKUPS;
use crate::limits::{DATAGRAM_SIZE, Limits, TCP_BUFFER_MAX};
use crate::place::Place;
use crate::tcp::backlog::{Backlog, BacklogView};
use crate::tcp::{Listener, Pool, Slot};
use crate::udp::{UdpPlaces, UdpSlot};
#[cfg(feature = "async")]
use crate::wake::DroppedPlace;

/// Buffers for `TCP` connections of `BUFFER` bytes each way, at most [`TCP_BUFFER_MAX`], and `UDP` sockets of
/// `DATAGRAMS` bytes each way, and places for `REQUESTS` connection requests that found no slot: a crowd of so many at
/// once waits for slots alone, not for its next SYNs. With fewer than [`FLOOD`](crate::limits::FLOOD) of them, what is more than
/// they hold is taken for such a crowd and never for a flood.
///
/// ```
/// let _ = tapboard_net::Storage::<1, 65_535, 1, 1472>::new();
/// ```
/// ```compile_fail,E0080
/// let _ = tapboard_net::Storage::<1, 65_536, 1, 1472>::new();
/// ```
#[derive(Debug)]
pub struct Storage<
    const TCP: usize,
    const BUFFER: usize,
    const UDP: usize,
    const DATAGRAMS: usize,
    const REQUESTS: usize = 32,
> {
    tcp: [[[u8; BUFFER]; 2]; TCP],
    udp: [[[u8; DATAGRAMS]; 2]; UDP],
    backlog: Backlog<REQUESTS>,
}

impl<
    const TCP: usize,
    const BUFFER: usize,
    const UDP: usize,
    const DATAGRAMS: usize,
    const REQUESTS: usize,
> Storage<TCP, BUFFER, UDP, DATAGRAMS, REQUESTS>
{
    /// Zeroed buffers, and an empty backlog.
    #[must_use]
    pub const fn new() -> Self {
        const {
            assert!(TCP > 0 && TCP <= u8::MAX as usize, "slots are counted in a byte");
            assert!(UDP <= u8::MAX as usize, "slots are counted in a byte");
            assert!(BUFFER <= TCP_BUFFER_MAX, "a peer could send more than the buffer holds");
            assert!(BUFFER >= 2 * 536, "RFC 9293 3.7.1: at least two segments of the default MSS");
            assert!(DATAGRAMS >= DATAGRAM_SIZE, "one full frame's datagram must fit");
        }
        Self {
            tcp: [[[0; BUFFER]; 2]; TCP],
            udp: [[[0; DATAGRAMS]; 2]; UDP],
            backlog: Backlog::new(),
        }
    }
}

impl<
    const TCP: usize,
    const BUFFER: usize,
    const UDP: usize,
    const DATAGRAMS: usize,
    const REQUESTS: usize,
> Default for Storage<TCP, BUFFER, UDP, DATAGRAMS, REQUESTS>
{
    fn default() -> Self {
        Self::new()
    }
}

/// Borrowed buffers, a pair (receive, send) for each socket, and the backlog: a [`Storage`], or memory from elsewhere.
#[derive(Debug)]
pub struct Buffers<'a, const BUFFER: usize, const DATAGRAMS: usize> {
    /// For the TCP sockets.
    pub tcp: &'a mut [[[u8; BUFFER]; 2]],
    /// For the UDP sockets.
    pub udp: &'a mut [[[u8; DATAGRAMS]; 2]],
    /// For connection requests that find no slot.
    pub backlog: BacklogView<'a>,
}

impl<
    'a,
    const TCP: usize,
    const BUFFER: usize,
    const UDP: usize,
    const DATAGRAMS: usize,
    const REQUESTS: usize,
> From<&'a mut Storage<TCP, BUFFER, UDP, DATAGRAMS, REQUESTS>> for Buffers<'a, BUFFER, DATAGRAMS>
{
    fn from(storage: &'a mut Storage<TCP, BUFFER, UDP, DATAGRAMS, REQUESTS>) -> Self {
        let Storage { tcp, udp, backlog } = storage;
        Self { tcp, udp, backlog: backlog.into() }
    }
}

/// The sockets over a [`Storage`] of the same `TCP` and `UDP`, with at most `LISTENERS` listening ports. `OTHERS` is how
/// many sockets there can be beside TCP's: the UDP sockets, and those of the user's own
/// ([`NetStack::add_socket`](crate::NetStack::add_socket)).
#[derive(Debug, Default)]
pub struct Sockets<
    'a,
    const TCP: usize,
    const UDP: usize,
    const LISTENERS: usize = 8,
    const OTHERS: usize = UDP,
> {
    tcp: Place<SocketStorage<'a>, TCP>,
    others: Place<SocketStorage<'a>, OTHERS>,
    tcp_slots: Place<Slot<'a>, TCP>,
    listeners: Place<Listener, LISTENERS>,
    udp: UdpPlaces<'a, UDP>,
    #[cfg(feature = "dns")]
    lookups: Place<Lookup, LOOKUPS>,
    #[cfg(feature = "async")]
    dropped: DroppedPlace<TCP, UDP, LISTENERS>,
}

impl<const TCP: usize, const UDP: usize, const LISTENERS: usize, const OTHERS: usize>
    Sockets<'_, TCP, UDP, LISTENERS, OTHERS>
{
    /// No socket yet.
    #[must_use]
    pub const fn new() -> Self {
        const {
            assert!(LISTENERS <= u8::MAX as usize, "listeners are counted in a byte");
            assert!(OTHERS >= UDP, "each UDP socket needs its place");
        }
        Self {
            tcp: Place::new(),
            others: Place::new(),
            tcp_slots: Place::new(),
            listeners: Place::new(),
            udp: UdpPlaces::new(),
            #[cfg(feature = "dns")]
            lookups: Place::new(),
            #[cfg(feature = "async")]
            dropped: DroppedPlace::new(),
        }
    }
}

/// Sockets in their places, each with its buffers.
#[derive(Debug)]
pub(crate) struct Placed<'a> {
    pub(crate) pool: Pool<'a>,
    pub(crate) backlog: BacklogView<'a>,
    pub(crate) others: SocketSet<'a>,
    /// How many sockets of the user's own there can be.
    #[cfg(feature = "smoltcp-sockets")]
    pub(crate) places: usize,
    pub(crate) udp: &'a mut [UdpSlot<'a>],
    /// Names that are looked up. Not in the stack itself, which at boot is made on the call stack.
    #[cfg(feature = "dns")]
    pub(crate) resolver: Resolver<'a>,
    #[cfg(feature = "async")]
    pub(crate) dropped: crate::wake::Dropped<'a>,
}

impl<'a, const TCP: usize, const UDP: usize, const LISTENERS: usize, const OTHERS: usize>
    Sockets<'a, TCP, UDP, LISTENERS, OTHERS>
{
    /// Makes the sockets over their buffers.
    #[inline(never)]
    pub(crate) fn place<const BUFFER: usize, const DATAGRAMS: usize>(
        &'a mut self,
        Buffers { tcp, udp, backlog }: Buffers<'a, BUFFER, DATAGRAMS>,
        limits: Limits,
        now: Instant,
    ) -> Placed<'a> {
        const { assert!(BUFFER <= TCP_BUFFER_MAX, "a peer could send more than the buffer holds") };
        assert!(tcp.len() == TCP && udp.len() == UDP, "one pair of buffers for each socket");
        let places = self.tcp.lend(SocketStorage::default).chunks_exact_mut(1);
        let mut places = tcp.iter_mut().zip(places);
        let slots = self.tcp_slots.lend(|| {
            let ([rx, tx], place) = places.next().expect("a place for each slot");
            let socket = smol_tcp::Socket::new(
                smol_tcp::SocketBuffer::new(&mut rx[..]),
                smol_tcp::SocketBuffer::new(&mut tx[..]),
            );
            Slot::new(place, socket)
        });
        let pool = Pool::new(slots, self.listeners.lend(Listener::new), limits, now);
        let (places, others) = self.others.lend(SocketStorage::default).split_at_mut(UDP);
        let udp = self.udp.lend(udp, places);
        Placed {
            pool,
            backlog,
            others: SocketSet::new(others),
            #[cfg(feature = "smoltcp-sockets")]
            places: OTHERS - UDP,
            udp,
            #[cfg(feature = "dns")]
            resolver: Resolver {
                lookups: self.lookups.lend(Lookup::new).try_into().expect("as many as there are"),
            },
            #[cfg(feature = "async")]
            dropped: self.dropped.lend(),
        }
    }
}
