//! The firmware's profiles: how much RAM its connections get. What they are made of is [`tapboard_net::storage`].

use tapboard_net::{Backlog, Sockets, Storage};

use crate::config::{
    BOARD_RAM, DATAGRAM_SIZE, LISTENERS, MCU_RAM, REQUESTS, SUPERFRAME_DATA, TCP_SLOTS, UDP_SLOTS,
};
use crate::firmware::Firmware;

/// Profile `mcu`: small buffers of a round size.
pub type McuStorage = McuStorageOf<TCP_SLOTS>;

/// The same for another number of connections, as a board with more services needs it.
pub type McuStorageOf<const TCP: usize> = Storage<TCP, 2048, UDP_SLOTS, DATAGRAM_SIZE, REQUESTS>;

/// Profile `chip`: all that a chip with 64 KiB of RAM can spare, [`MCU_RAM`]. The connections share what is left
/// beside the sockets, the firmware and the board's own statics, so that the budget is kept whatever grows.
pub type ChipStorage = Storage<TCP_SLOTS, CHIP_BUFFER, UDP_SLOTS, DATAGRAM_SIZE, REQUESTS>;

/// Each connection's share each way, a multiple of 8 bytes; no more than profile `mcu` gives.
const CHIP_BUFFER: usize = {
    let taken = size_of::<BoardSockets<'_>>()
        + size_of::<Firmware<'_, ()>>()
        + size_of::<Backlog<REQUESTS>>()
        + UDP_SLOTS * 2 * DATAGRAM_SIZE
        + BOARD_RAM;
    let share = (MCU_RAM - taken) / (TCP_SLOTS * 2);
    if share < 2048 { share & !7 } else { 2048 }
};

/// Profile `large`: the same board with buffers for a fast network, of 64 KiB but for 41 bytes. So a device that
/// segments takes a whole buffer at once: 64 KiB would be two frames a window, the second of them tiny.
pub type LargeStorage = LargeStorageOf<TCP_SLOTS>;

/// The same for another number of connections.
pub type LargeStorageOf<const TCP: usize> =
    Storage<TCP, SUPERFRAME_DATA, UDP_SLOTS, { 16 * 1024 }, REQUESTS>;

/// The sockets of all profiles.
pub type BoardSockets<'a> = Sockets<'a, TCP_SLOTS, UDP_SLOTS, LISTENERS>;
