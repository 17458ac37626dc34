//! All the RAM of the network side, as two values that are borrowed once.
//!
//! [`Storage`] holds the buffers: zero bytes only, so that a static of it lands in `.bss` and costs no
//! flash. [`Sockets`] holds the sockets that borrow those buffers, about 400 bytes each, whose empty
//! value is not all zero: a static of it lands in `.data`, which flash holds a copy of. That is why
//! they are two. Nothing else in this crate grows with the number or the size of the connections.

use core::array;

use smoltcp::iface::SocketStorage;
use smoltcp::socket::udp;

#[cfg(target_pointer_width = "32")]
use crate::config::MCU_RAM;
use crate::config::{DATAGRAM_SIZE, TCP_SLOTS, UDP_PACKETS, UDP_SLOTS};
use crate::listener::Slot;
use crate::stack::UdpSlot;

/// Buffers for `TCP` connections of `BUFFER` bytes each way and `UDP` sockets of `DATAGRAMS` bytes each
/// way.
#[derive(Debug)]
pub struct Storage<const TCP: usize, const BUFFER: usize, const UDP: usize, const DATAGRAMS: usize>
{
    tcp: [[[u8; BUFFER]; 2]; TCP],
    udp: [[[u8; DATAGRAMS]; 2]; UDP],
}

impl<const TCP: usize, const BUFFER: usize, const UDP: usize, const DATAGRAMS: usize>
    Storage<TCP, BUFFER, UDP, DATAGRAMS>
{
    /// Zeroed buffers.
    #[must_use]
    pub const fn new() -> Self {
        const {
            assert!(TCP > 0 && TCP <= u8::MAX as usize, "slots are counted in a byte");
            assert!(UDP <= u8::MAX as usize, "slots are counted in a byte");
            assert!(BUFFER >= 2 * 536, "RFC 9293 3.7.1: at least two segments of the default MSS");
            assert!(DATAGRAMS >= DATAGRAM_SIZE, "one full frame's datagram must fit");
        }
        Self { tcp: [[[0; BUFFER]; 2]; TCP], udp: [[[0; DATAGRAMS]; 2]; UDP] }
    }
}

impl<const TCP: usize, const BUFFER: usize, const UDP: usize, const DATAGRAMS: usize> Default
    for Storage<TCP, BUFFER, UDP, DATAGRAMS>
{
    fn default() -> Self {
        Self::new()
    }
}

/// Borrowed buffers, a pair (receive, send) for each socket: a [`Storage`], or memory from elsewhere.
#[derive(Debug)]
pub struct Buffers<'a, const BUFFER: usize, const DATAGRAMS: usize> {
    /// For the TCP sockets.
    pub tcp: &'a mut [[[u8; BUFFER]; 2]],
    /// For the UDP sockets.
    pub udp: &'a mut [[[u8; DATAGRAMS]; 2]],
}

impl<'a, const TCP: usize, const BUFFER: usize, const UDP: usize, const DATAGRAMS: usize>
    From<&'a mut Storage<TCP, BUFFER, UDP, DATAGRAMS>> for Buffers<'a, BUFFER, DATAGRAMS>
{
    fn from(storage: &'a mut Storage<TCP, BUFFER, UDP, DATAGRAMS>) -> Self {
        Self { tcp: &mut storage.tcp, udp: &mut storage.udp }
    }
}

type UdpMetadata = [[udp::PacketMetadata; UDP_PACKETS]; 2];

/// The sockets over a [`Storage`] of the same `TCP` and `UDP`; `ALL` is their sum, which stable Rust
/// cannot yet compute in a type.
#[derive(Debug)]
pub struct Sockets<'a, const TCP: usize, const UDP: usize, const ALL: usize> {
    pub(crate) set: [SocketStorage<'a>; ALL],
    pub(crate) tcp_slots: [Slot; TCP],
    pub(crate) udp_slots: [UdpSlot; UDP],
    pub(crate) udp_metadata: [UdpMetadata; UDP],
}

impl<const TCP: usize, const UDP: usize, const ALL: usize> Sockets<'_, TCP, UDP, ALL> {
    /// No socket yet.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(TCP + UDP == ALL, "ALL is the sum of TCP and UDP") }
        Self {
            set: [const { SocketStorage::EMPTY }; ALL],
            tcp_slots: [const { Slot::new() }; TCP],
            udp_slots: [const { UdpSlot::new() }; UDP],
            udp_metadata: [[[udp::PacketMetadata::EMPTY; UDP_PACKETS]; 2]; UDP],
        }
    }
}

impl<const TCP: usize, const UDP: usize, const ALL: usize> Default for Sockets<'_, TCP, UDP, ALL> {
    fn default() -> Self {
        Self {
            udp_metadata: array::from_fn(|_| [[udp::PacketMetadata::EMPTY; UDP_PACKETS]; 2]),
            ..Self::new()
        }
    }
}

/// Profile `mcu`: what a chip with 64 KiB of RAM can spare.
pub type McuStorage = Storage<TCP_SLOTS, 2048, UDP_SLOTS, DATAGRAM_SIZE>;

/// Profile `large`: the same board with buffers for a fast network.
pub type LargeStorage = Storage<TCP_SLOTS, { 64 * 1024 }, UDP_SLOTS, { 16 * 1024 }>;

/// The sockets of both profiles.
pub type BoardSockets<'a> = Sockets<'a, TCP_SLOTS, UDP_SLOTS, { TCP_SLOTS + UDP_SLOTS }>;

// Sockets are larger where pointers are; the budget is a chip's.
#[cfg(target_pointer_width = "32")]
const _: () = assert!(
    size_of::<McuStorage>() + size_of::<BoardSockets<'_>>() + size_of::<crate::Firmware<'_, ()>>()
        <= MCU_RAM
);
