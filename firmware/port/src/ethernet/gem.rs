//! Cadence's gigabit Ethernet MAC (GEM), which is in many chips: the Zynq, the U540, SAM E5x and V71 (as "GMAC"). It moves
//! frames to and from RAM by itself: a [`Device`] over two rings.
//!
//! Descriptors are arrays of two words each, whose last has a bit that says so. The receiver that finds no free buffer says
//! so, and looks again for each frame that comes; some have to be told to. The transmitter stops behind the last frame.
//!
//! Clocks, pins and the PHY are left as whoever started the chip has made them: full duplex, at 100 Mbit/s. The rings are
//! in RAM that the MAC sees as the processor does: descriptors of 8 bytes share the lines of a cache.

use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;
use tapboard_firmware::EthernetAddress;

pub use super::ring::{Buffers, RECEIVE};
use super::ring::{RxToken, TRANSMIT, received};
use super::{Mac, capabilities};
use crate::dma::{BUFFER, Format, Place, Ring, WORDS};
use crate::registers::Registers;

const CONTROL: usize = 0x000;
const CONFIG: usize = 0x004;
const DMA_CONFIG: usize = 0x010;
const RX_QUEUE: usize = 0x018;
const TX_QUEUE: usize = 0x01c;
const RX_STATUS: usize = 0x020;
const INTERRUPTS: usize = 0x024;
const ENABLE: usize = 0x028;
const DISABLE: usize = 0x02c;
const HASH: [usize; 2] = [0x080, 0x084];
const ADDRESS: [usize; 2] = [0x088, 0x08c];

const CONTROL_RECEIVE: u32 = 1 << 2;
const CONTROL_TRANSMIT: u32 = 1 << 3;
const CONTROL_SEND: u32 = 1 << 9;

/// 100 Mbit/s, full duplex, frames of up to 1536 bytes, received without their checksum.
const CONFIG_100_MBIT: u32 = 1 << 0 | 1 << 1 | 1 << 8 | 1 << 17;
/// Frames to groups are let in by the hash of their address.
const CONFIG_GROUPS: u32 = 1 << 6;
/// Bursts of 16, all of the packet buffers, and the size of a buffer in units of 64 bytes.
const DMA: u32 = 0x10 | 0x700 | (BUFFER as u32 / 64) << 16;
const _: () = assert!(BUFFER.is_multiple_of(64) && BUFFER / 64 <= 0xff);

/// No buffer was free; a 1 that is written clears it.
const RX_STATUS_NO_BUFFER: u32 = 1 << 0;

/// Of the interrupts: a frame has come, or found no buffer.
const IRQ_RECEIVED: u32 = 1 << 1 | 1 << 2;
/// A frame was sent.
const IRQ_SENT: u32 = 1 << 7;

/// Of the first word of a descriptor to receive: the buffer holds a frame, and the descriptor is the last.
const RX_USED: u32 = 1 << 0;
const RX_WRAP: u32 = 1 << 1;
/// Of its second: the frame begins and ends in this buffer, and how long it is.
const RX_WHOLE: u32 = 1 << 14 | 1 << 15;
const RX_LENGTH: u32 = 0x1fff;

/// Of the second word of a descriptor to send: the buffer was sent, the descriptor is the last, and the frame ends here.
const TX_USED: u32 = 1 << 31;
const TX_WRAP: u32 = 1 << 30;
const TX_END: u32 = 1 << 15;
const TX_LENGTH: u32 = 0x3fff;

/// Bytes of a descriptor.
const STRIDE: usize = 8;

/// A free buffer is the receiver's.
#[derive(Debug)]
pub enum Receive {}

impl Format for Receive {
    const STRIDE: usize = STRIDE;
    const OWNER: usize = 0;
    const LENGTH: usize = 1;
    const UNUSED: u32 = RX_USED;

    fn given(_length: usize) -> u32 {
        0
    }

    fn is_given(word: u32) -> bool {
        word & RX_USED == 0
    }

    fn placed(word: u32, place: Place) -> u32 {
        word | place.buffer | if place.last { RX_WRAP } else { 0 }
    }

    /// 0 for a part of a frame, as none is.
    fn length(word: u32) -> usize {
        if word & RX_WHOLE == RX_WHOLE { (word & RX_LENGTH) as usize } else { 0 }
    }

    fn chain(_buffer: u32, _next: u32) -> [u32; WORDS] {
        [0; WORDS]
    }
}

/// A buffer with a frame is the transmitter's.
#[derive(Debug)]
enum Transmit {}

impl Format for Transmit {
    const STRIDE: usize = STRIDE;
    const OWNER: usize = 1;
    const UNUSED: u32 = TX_USED;

    fn given(length: usize) -> u32 {
        TX_END | length as u32
    }

    fn is_given(word: u32) -> bool {
        word & TX_USED == 0
    }

    fn placed(word: u32, place: Place) -> u32 {
        word | if place.last { TX_WRAP } else { 0 }
    }

    fn length(word: u32) -> usize {
        (word & TX_LENGTH) as usize
    }

    fn chain(buffer: u32, _next: u32) -> [u32; WORDS] {
        [buffer, 0, 0, 0]
    }
}

/// The MAC behind `R`.
#[derive(Debug)]
pub struct Gem<R> {
    registers: R,
    receive: Ring<Receive, RECEIVE>,
    transmit: Ring<Transmit, TRANSMIT>,
    /// The firmware has a frame for which there was no room.
    refused: bool,
}

impl<R: Registers> Gem<R> {
    /// Starts the MAC under the address `mac`. IPv6 needs `multicast`: its neighbours are asked for in multicast frames.
    /// `origin` is 0 on a chip; see [`Ring::new`].
    pub fn new(
        mut registers: R,
        mac: EthernetAddress,
        multicast: bool,
        buffers: &'static mut Buffers,
        origin: usize,
    ) -> Self {
        registers.write(CONTROL, 0);
        registers.write(DISABLE, u32::MAX);
        let receive = Ring::to_fill(&mut buffers.receive, origin);
        let transmit = Ring::new(&mut buffers.transmit, origin);
        registers.write(RX_QUEUE, receive.address());
        registers.write(TX_QUEUE, transmit.address());
        registers.write(DMA_CONFIG, DMA);
        registers.write(CONFIG, CONFIG_100_MBIT | if multicast { CONFIG_GROUPS } else { 0 });
        for half in HASH {
            registers.write(half, u32::MAX);
        }
        let [first @ .., fifth, sixth] = mac.0;
        registers.write(ADDRESS[0], u32::from_le_bytes(first));
        // And this makes it count.
        registers.write(ADDRESS[1], u32::from_le_bytes([fifth, sixth, 0, 0]));
        registers.write(CONTROL, CONTROL_RECEIVE | CONTROL_TRANSMIT);
        let mut mac = Self { registers, receive, transmit, refused: false };
        mac.acknowledge();
        mac
    }

    /// Has the receiver look for a buffer again, if it has found none and there is one.
    fn resume(&mut self) {
        if self.registers.read(RX_STATUS) & RX_STATUS_NO_BUFFER != 0
            && self.receive.given().is_some()
        {
            self.registers.write(RX_STATUS, RX_STATUS_NO_BUFFER);
            self.registers.write(CONTROL, CONTROL_RECEIVE | CONTROL_TRANSMIT);
        }
    }

    /// Whether a frame of any length can be sent.
    fn has_room(&self) -> bool {
        self.transmit.given().is_none()
    }
}

impl<R: Registers> Mac for Gem<R> {
    fn acknowledge(&mut self) {
        // In some chips, to read clears them, and in some to write what was read.
        let pending = self.registers.read(INTERRUPTS);
        self.registers.write(INTERRUPTS, pending);
        self.resume();
        let waits = self.refused || self.receive.length().is_some();
        if waits && !self.has_room() {
            self.registers.write(ENABLE, IRQ_RECEIVED | IRQ_SENT);
        } else {
            self.registers.write(DISABLE, IRQ_SENT);
            self.registers.write(ENABLE, IRQ_RECEIVED);
        }
    }

    /// The PHY is not asked.
    fn link_came_up(&mut self) -> bool {
        false
    }

    fn pending(&mut self) -> bool {
        self.has_room() && (core::mem::take(&mut self.refused) || self.receive.length().is_some())
    }
}

impl<R: Registers> Device for Gem<R> {
    type RxToken<'a>
        = RxToken<'a, Receive>
    where
        Self: 'a;
    type TxToken<'a>
        = TxToken<'a, R>
    where
        Self: 'a;

    /// A frame, if there is also room for the answer.
    fn receive(&mut self, _now: Instant) -> Option<(RxToken<'_, Receive>, TxToken<'_, R>)> {
        self.resume();
        if !self.has_room() {
            return None;
        }
        let Some(length) = received(&mut self.receive) else {
            self.resume();
            return None;
        };
        let Self { registers, receive, transmit, .. } = self;
        Some((RxToken { ring: receive, length }, TxToken { registers, ring: transmit }))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_, R>> {
        self.refused = !self.has_room();
        let Self { registers, transmit, .. } = self;
        (!self.refused).then_some(TxToken { registers, ring: transmit })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities()
    }
}

/// Room for a frame.
#[derive(Debug)]
pub struct TxToken<'a, R> {
    registers: &'a mut R,
    ring: &'a mut Ring<Transmit, TRANSMIT>,
}

impl<R: Registers> phy::TxToken for TxToken<'_, R> {
    fn consume<T, F: FnOnce(&mut [u8]) -> T>(self, length: usize, f: F) -> T {
        let buffer = self.ring.buffer().expect("there was room");
        let result = f(&mut buffer[..length]);
        self.ring.give(length);
        let started = CONTROL_RECEIVE | CONTROL_TRANSMIT | CONTROL_SEND;
        self.registers.write(CONTROL, started);
        result
    }
}

#[cfg(test)]
mod tests;
