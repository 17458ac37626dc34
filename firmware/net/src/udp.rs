//! What is kept of each UDP socket, and the room for it. The calls are in `stack::udp`.

use heapless::Deque;
use smoltcp::iface::{SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::udp;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpEndpoint};

use crate::limits::UDP_PACKETS;
use crate::place::Place;
#[cfg(feature = "async")]
use crate::wake::UdpWaiters;

/// What is known of one UDP socket beside smoltcp's own state.
#[derive(Debug)]
pub(crate) struct UdpSlot<'a> {
    /// smoltcp's socket, alone, so that one that has to wait holds up no other.
    pub(crate) set: SocketSet<'a>,
    pub(crate) handle: SocketHandle,
    pub(crate) generation: u16,
    pub(crate) open: bool,
    /// The only peer, if `connect` named one.
    pub(crate) connected: Option<IpEndpoint>,
    /// Where `send` goes: that peer, or whom `send_to` last wrote to.
    pub(crate) last: Option<IpEndpoint>,
    /// Where the last datagram received was sent to, and by whom.
    pub(crate) destination: Option<IpAddress>,
    pub(crate) heard: Option<IpEndpoint>,
    pub(crate) touched: Instant,
    /// Where the datagrams that are queued to be sent go, the first of them first.
    pub(crate) targets: Deque<IpAddress, UDP_PACKETS>,
    /// Since when the first of them has waited for its neighbour's MAC address.
    pub(crate) waits: Option<Instant>,
    /// Kept from one socket to the next: each knows whose it is.
    #[cfg(feature = "async")]
    pub(crate) waiters: UdpWaiters,
}

impl<'a> UdpSlot<'a> {
    fn new(place: &'a mut [SocketStorage<'a>], socket: udp::Socket<'a>) -> Self {
        let mut set = SocketSet::new(place);
        let handle = set.add(socket);
        Self {
            set,
            handle,
            generation: 0,
            open: false,
            connected: None,
            last: None,
            destination: None,
            heard: None,
            touched: Instant::ZERO,
            targets: Deque::new(),
            waits: None,
            #[cfg(feature = "async")]
            waiters: UdpWaiters::NONE,
        }
    }
}

/// Room for `UDP` sockets and what belongs to them, beside their buffers.
#[derive(Debug, Default)]
pub(crate) struct UdpPlaces<'a, const UDP: usize> {
    slots: Place<UdpSlot<'a>, UDP>,
    metadata: Place<[[udp::PacketMetadata; UDP_PACKETS]; 2], UDP>,
}

impl<'a, const UDP: usize> UdpPlaces<'a, UDP> {
    pub(crate) const fn new() -> Self {
        Self { slots: Place::new(), metadata: Place::new() }
    }

    /// Makes the sockets over their buffers (receive, send), each in a place of its own.
    pub(crate) fn lend<const DATAGRAMS: usize>(
        &'a mut self,
        buffers: &'a mut [[[u8; DATAGRAMS]; 2]],
        places: &'a mut [SocketStorage<'a>],
    ) -> &'a mut [UdpSlot<'a>] {
        let metadata = self.metadata.lend(|| [[udp::PacketMetadata::EMPTY; UDP_PACKETS]; 2]);
        let places = places.chunks_exact_mut(1);
        let mut memory = buffers.iter_mut().zip(metadata).zip(places);
        self.slots.lend(|| {
            let (([rx, tx], [rx_meta, tx_meta]), place) =
                memory.next().expect("a place for each slot");
            let socket = udp::Socket::new(
                udp::PacketBuffer::new(&mut rx_meta[..], &mut rx[..]),
                udp::PacketBuffer::new(&mut tx_meta[..], &mut tx[..]),
            );
            UdpSlot::new(place, socket)
        })
    }
}
