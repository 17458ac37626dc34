//! What is kept of each UDP socket, and the room for it. The calls are in `stack::udp`.

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::udp;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpEndpoint};

use crate::limits::UDP_PACKETS;
use crate::place::Place;
#[cfg(feature = "async")]
use crate::wake::UdpWaiters;

/// What is known of one UDP socket beside smoltcp's own state.
#[derive(Debug)]
pub(crate) struct UdpSlot {
    pub(crate) handle: Option<SocketHandle>,
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
    /// Where the first datagram went that was queued while none was.
    pub(crate) first: Option<IpAddress>,
    /// Since when what is queued to be sent has not moved, and how many bytes that were.
    pub(crate) unsent: Option<(Instant, usize)>,
    /// An empty datagram was queued, which the count of bytes does not show.
    pub(crate) sent_empty: bool,
    /// Kept from one socket to the next: each knows whose it is.
    #[cfg(feature = "async")]
    pub(crate) waiters: UdpWaiters,
}

impl UdpSlot {
    pub(crate) const fn new() -> Self {
        Self {
            handle: None,
            generation: 0,
            open: false,
            connected: None,
            last: None,
            destination: None,
            heard: None,
            first: None,
            touched: Instant::ZERO,
            unsent: None,
            sent_empty: false,
            #[cfg(feature = "async")]
            waiters: UdpWaiters::NONE,
        }
    }
}

/// Room for `UDP` sockets and what belongs to them, beside their buffers.
#[derive(Debug, Default)]
pub(crate) struct UdpPlaces<const UDP: usize> {
    slots: Place<UdpSlot, UDP>,
    metadata: Place<[[udp::PacketMetadata; UDP_PACKETS]; 2], UDP>,
}

impl<const UDP: usize> UdpPlaces<UDP> {
    pub(crate) const fn new() -> Self {
        Self { slots: Place::new(), metadata: Place::new() }
    }

    /// Makes the sockets over their buffers (receive, send), in `set`.
    pub(crate) fn lend<'a, const DATAGRAMS: usize>(
        &'a mut self,
        buffers: &'a mut [[[u8; DATAGRAMS]; 2]],
        set: &mut SocketSet<'a>,
    ) -> &'a mut [UdpSlot] {
        let metadata = self.metadata.lend(|| [[udp::PacketMetadata::EMPTY; UDP_PACKETS]; 2]);
        let slots = self.slots.lend(UdpSlot::new);
        let memory = buffers.iter_mut().zip(metadata);
        for (([rx, tx], [rx_meta, tx_meta]), slot) in memory.zip(&mut *slots) {
            slot.handle = Some(set.add(udp::Socket::new(
                udp::PacketBuffer::new(&mut rx_meta[..], &mut rx[..]),
                udp::PacketBuffer::new(&mut tx_meta[..], &mut tx[..]),
            )));
        }
        slots
    }
}
