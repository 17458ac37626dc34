//! All the RAM of the network side, as two values that are borrowed once.
//!
//! [`Storage`] holds the buffers and the backlog, [`Sockets`] the sockets that borrow those buffers, about 500 bytes each;
//! that is why they are two. A static of either lands in `.bss` and costs no flash: an empty socket is not all zero, so
//! they are made when the memory is taken, in vectors that are empty until then. Nothing else in this crate grows with
//! the number or the size of the connections.

use core::mem::ManuallyDrop;

use heapless::Vec;
use smoltcp::iface::{SocketSet, SocketStorage};
use smoltcp::socket::{tcp as smol_tcp, udp as smol_udp};

use crate::backlog::Backlog;
use crate::config::{
    BOARD_RAM, DATAGRAM_SIZE, MCU_RAM, SUPERFRAME_DATA, TCP_BUFFER_MAX, TCP_SLOTS, UDP_PACKETS,
    UDP_SLOTS,
};
use crate::listener::{Pool, Slot};
use crate::stack::UdpSlot;

/// Buffers for `TCP` connections of `BUFFER` bytes each way, at most [`TCP_BUFFER_MAX`], and `UDP` sockets of
/// `DATAGRAMS` bytes each way, and places for connection requests that wait.
///
/// ```
/// let _ = tapboard_firmware::Storage::<1, 65_535, 1, 1472>::new();
/// ```
/// ```compile_fail,E0080
/// let _ = tapboard_firmware::Storage::<1, 65_536, 1, 1472>::new();
/// ```
#[derive(Debug)]
pub struct Storage<const TCP: usize, const BUFFER: usize, const UDP: usize, const DATAGRAMS: usize>
{
    tcp: [[[u8; BUFFER]; 2]; TCP],
    udp: [[[u8; DATAGRAMS]; 2]; UDP],
    backlog: Backlog,
}

impl<const TCP: usize, const BUFFER: usize, const UDP: usize, const DATAGRAMS: usize>
    Storage<TCP, BUFFER, UDP, DATAGRAMS>
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

impl<const TCP: usize, const BUFFER: usize, const UDP: usize, const DATAGRAMS: usize> Default
    for Storage<TCP, BUFFER, UDP, DATAGRAMS>
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
    pub backlog: &'a mut Backlog,
}

impl<'a, const TCP: usize, const BUFFER: usize, const UDP: usize, const DATAGRAMS: usize>
    From<&'a mut Storage<TCP, BUFFER, UDP, DATAGRAMS>> for Buffers<'a, BUFFER, DATAGRAMS>
{
    fn from(storage: &'a mut Storage<TCP, BUFFER, UDP, DATAGRAMS>) -> Self {
        let Storage { tcp, udp, backlog } = storage;
        Self { tcp, udp, backlog }
    }
}

type UdpMetadata = [[smol_udp::PacketMetadata; UDP_PACKETS]; 2];

/// The sockets over a [`Storage`] of the same `TCP` and `UDP`.
#[derive(Debug, Default)]
pub struct Sockets<'a, const TCP: usize, const UDP: usize> {
    tcp: Place<SocketStorage<'a>, TCP>,
    udp: Place<SocketStorage<'a>, UDP>,
    tcp_slots: Place<Slot, TCP>,
    udp_slots: Place<UdpSlot, UDP>,
    udp_metadata: Place<UdpMetadata, UDP>,
}

impl<const TCP: usize, const UDP: usize> Sockets<'_, TCP, UDP> {
    /// No socket yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            tcp: Place::new(),
            udp: Place::new(),
            tcp_slots: Place::new(),
            udp_slots: Place::new(),
            udp_metadata: Place::new(),
        }
    }
}

/// Room for `N` values, which are made when it is lent. Never dropped: what borrows for as long as it exists, as the
/// sockets do, must not be; and they own nothing.
#[derive(Debug)]
struct Place<T, const N: usize>(ManuallyDrop<Vec<T, N>>);

impl<T, const N: usize> Place<T, N> {
    const fn new() -> Self {
        Self(ManuallyDrop::new(Vec::new()))
    }

    fn lend(&mut self, value: impl Fn() -> T) -> &mut [T] {
        self.0.clear();
        while self.0.push(value()).is_ok() {}
        &mut self.0
    }
}

impl<T, const N: usize> Default for Place<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Sockets in their places, each with its buffers.
#[derive(Debug)]
pub(crate) struct Placed<'a> {
    pub(crate) set: SocketSet<'a>,
    pub(crate) pool: Pool<'a>,
    pub(crate) backlog: &'a mut Backlog,
    pub(crate) udp_set: SocketSet<'a>,
    pub(crate) udp: &'a mut [UdpSlot],
}

impl<'a, const TCP: usize, const UDP: usize> Sockets<'a, TCP, UDP> {
    /// Makes the sockets over their buffers.
    #[inline(never)]
    pub(crate) fn place<const BUFFER: usize, const DATAGRAMS: usize>(
        &'a mut self,
        Buffers { tcp, udp, backlog }: Buffers<'a, BUFFER, DATAGRAMS>,
    ) -> Placed<'a> {
        const { assert!(BUFFER <= TCP_BUFFER_MAX, "a peer could send more than the buffer holds") };
        assert!(tcp.len() == TCP && udp.len() == UDP, "one pair of buffers for each socket");
        let mut set = SocketSet::new(self.tcp.lend(|| SocketStorage::EMPTY));
        let handles = tcp.iter_mut().map(|[rx, tx]| {
            let socket = smol_tcp::Socket::new(
                smol_tcp::SocketBuffer::new(&mut rx[..]),
                smol_tcp::SocketBuffer::new(&mut tx[..]),
            );
            set.add(socket)
        });
        let pool = Pool::new(self.tcp_slots.lend(Slot::new), handles);
        let mut udp_set = SocketSet::new(self.udp.lend(|| SocketStorage::EMPTY));
        let metadata =
            self.udp_metadata.lend(|| [[smol_udp::PacketMetadata::EMPTY; UDP_PACKETS]; 2]);
        let slots = self.udp_slots.lend(UdpSlot::new);
        for (([rx, tx], [rx_meta, tx_meta]), slot) in udp.iter_mut().zip(metadata).zip(&mut *slots)
        {
            let socket = smol_udp::Socket::new(
                smol_udp::PacketBuffer::new(&mut rx_meta[..], &mut rx[..]),
                smol_udp::PacketBuffer::new(&mut tx_meta[..], &mut tx[..]),
            );
            slot.place(udp_set.add(socket));
        }
        Placed { set, pool, backlog, udp_set, udp: slots }
    }
}

/// Profile `mcu`: small buffers of a round size.
pub type McuStorage = McuStorageOf<TCP_SLOTS>;

/// The same for another number of connections, as a board with more services needs it.
pub type McuStorageOf<const TCP: usize> = Storage<TCP, 2048, UDP_SLOTS, DATAGRAM_SIZE>;

/// Profile `chip`: all that a chip with 64 KiB of RAM can spare, [`MCU_RAM`]. The connections share what is left
/// beside the sockets, the firmware and the board's own statics, so that the budget is kept whatever grows.
pub type ChipStorage = Storage<TCP_SLOTS, CHIP_BUFFER, UDP_SLOTS, DATAGRAM_SIZE>;

/// Each connection's share each way, a multiple of 8 bytes; no more than profile `mcu` gives.
const CHIP_BUFFER: usize = {
    let taken = size_of::<BoardSockets<'_>>()
        + size_of::<crate::Firmware<'_, ()>>()
        + size_of::<Backlog>()
        + UDP_SLOTS * 2 * DATAGRAM_SIZE
        + BOARD_RAM;
    let share = (MCU_RAM - taken) / (TCP_SLOTS * 2);
    if share < 2048 { share & !7 } else { 2048 }
};

/// Profile `large`: the same board with buffers for a fast network, of 64 KiB but for 41 bytes. So a device that
/// segments takes a whole buffer at once: 64 KiB would be two frames a window, the second of them tiny.
pub type LargeStorage = LargeStorageOf<TCP_SLOTS>;

/// The same for another number of connections.
pub type LargeStorageOf<const TCP: usize> = Storage<TCP, SUPERFRAME_DATA, UDP_SLOTS, { 16 * 1024 }>;

/// The sockets of all profiles.
pub type BoardSockets<'a> = Sockets<'a, TCP_SLOTS, UDP_SLOTS>;
