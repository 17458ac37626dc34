//! The Ethernet MAC of the M2S chips (`SmartFusion2`), which moves frames to and from RAM by itself: a [`Device`] over two rings.
//!
//! The firmware reads a frame where the MAC has put it, and writes one where the MAC takes it from. What the MAC says of
//! a frame's length is believed as far as its buffer goes.
//!
//! The receiver stops when a frame comes and no buffer is free. It says so, and has to be started again at the buffer at
//! which it stopped, which is the first that is its own by then. The transmitter stops behind each frame.
//!
//! Clocks, pins and the PHY are left as whoever started the chip has made them: full duplex, at 10 or 100 Mbit/s. The
//! rings are on the chip's own RAM, which the MAC has where the processor has it.

use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;
use tapboard_firmware::EthernetAddress;
use tapboard_firmware::config::FRAME_SIZE;

pub use super::ring::{Buffers, RECEIVE};
use super::ring::{RxToken, TRANSMIT, received};
use super::{Mac, capabilities};
use crate::dma::{Format, Ring, WORDS};
use crate::registers::Registers;

const CFG1: usize = 0x000;
const CFG2: usize = 0x004;
const MAX_FRAME_LENGTH: usize = 0x010;
const STA1: usize = 0x040;
const STA2: usize = 0x044;
const FIFO_CFG0: usize = 0x048;
const FIFO_CFG4: usize = 0x058;
const FIFO_CFG5: usize = 0x05c;
const TX_CTL: usize = 0x180;
const TX_DESC: usize = 0x184;
const TX_STATUS: usize = 0x188;
const RX_CTL: usize = 0x18c;
const RX_DESC: usize = 0x190;
const RX_STATUS: usize = 0x194;
const IRQ_MASK: usize = 0x198;

const CFG1_RESET: u32 = 1 << 31;
const CFG1_RECEIVE: u32 = 1 << 2;
const CFG1_TRANSMIT: u32 = 1 << 0;
/// Full duplex, a checksum appended, short frames padded, four bits at a time, a preamble of seven bytes.
const CFG2_100_MBIT: u32 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 8 | 7 << 12;

/// Asks for all parts of the MAC's FIFO.
const FIFO_CFG0_ENABLE: u32 = 0x1f << 8;
/// What a frame is dropped for, and what is of no account for that.
const FILTER_MULTICAST: u32 = 1 << 8;

const ENABLE: u32 = 1 << 0;
/// In both status registers, with how many there are; a 1 that is written counts one down.
const STATUS_FRAME: u32 = 1 << 0;
/// No frame to send is left; a 1 that is written clears it.
const TX_STATUS_UNDERRUN: u32 = 1 << 1;
/// A frame came for which no buffer was free; likewise.
const RX_STATUS_OVERFLOW: u32 = 1 << 2;

/// The interrupts of both, as in their status registers.
const IRQ_SENT: u32 = STATUS_FRAME | TX_STATUS_UNDERRUN;
const IRQ_RECEIVED: u32 = (STATUS_FRAME | RX_STATUS_OVERFLOW) << 4;

/// What the counters in the status registers count up to, and what they never come to.
const COUNT_MAX: u32 = 0xff;
const COUNT_LIMIT: u32 = 200;
const _: () = assert!(COUNT_LIMIT + (RECEIVE as u32) < COUNT_MAX);

/// A descriptor's second word: the buffer holds no frame, and how long the one is that it holds.
const EMPTY: u32 = 1 << 31;
const LENGTH: u32 = 0x7ff;

fn chain(buffer: u32, next: u32) -> [u32; WORDS] {
    [buffer, 0, next, 0]
}

/// An empty buffer is the receiver's.
#[derive(Debug)]
pub enum Receive {}

impl Format for Receive {
    const OWNER: usize = 1;
    const UNUSED: u32 = 0;

    fn given(_length: usize) -> u32 {
        EMPTY
    }

    fn is_given(word: u32) -> bool {
        word & EMPTY != 0
    }

    fn length(word: u32) -> usize {
        (word & LENGTH) as usize
    }

    fn chain(buffer: u32, next: u32) -> [u32; WORDS] {
        chain(buffer, next)
    }
}

/// A buffer with a frame is the transmitter's.
#[derive(Debug)]
enum Transmit {}

impl Format for Transmit {
    const OWNER: usize = 1;
    const UNUSED: u32 = EMPTY;

    fn given(length: usize) -> u32 {
        length as u32
    }

    fn is_given(word: u32) -> bool {
        word & EMPTY == 0
    }

    fn length(word: u32) -> usize {
        (word & LENGTH) as usize
    }

    fn chain(buffer: u32, next: u32) -> [u32; WORDS] {
        chain(buffer, next)
    }
}

/// The MAC behind `R`.
#[derive(Debug)]
pub struct SmartFusion2<R> {
    registers: R,
    receive: Ring<Receive, RECEIVE>,
    transmit: Ring<Transmit, TRANSMIT>,
    /// The firmware has a frame for which there was no room.
    refused: bool,
    /// Frames that were taken or sent since the counters were at 0, at most.
    counted: u32,
}

impl<R: Registers> SmartFusion2<R> {
    /// Resets and starts the MAC under the address `mac`. IPv6 needs `multicast`: its neighbours are asked for in
    /// multicast frames. `origin` is 0 on a chip; see [`Ring::new`].
    pub fn new(
        mut registers: R,
        mac: EthernetAddress,
        multicast: bool,
        buffers: &'static mut Buffers,
        origin: usize,
    ) -> Self {
        registers.write(CFG1, CFG1_RESET);
        registers.write(CFG1, 0);
        registers.write(IRQ_MASK, 0);
        registers.write(CFG2, CFG2_100_MBIT);
        // With the checksum.
        registers.write(MAX_FRAME_LENGTH, FRAME_SIZE as u32 + 4);
        let [first @ .., fifth, sixth] = mac.0;
        registers.write(STA1, u32::from_be_bytes(first));
        registers.write(STA2, u32::from_be_bytes([fifth, sixth, 0, 0]));
        if !multicast {
            let ignored = registers.read(FIFO_CFG5);
            registers.write(FIFO_CFG5, ignored & !FILTER_MULTICAST);
            registers.write(FIFO_CFG4, FILTER_MULTICAST);
        }
        registers.write(FIFO_CFG0, FIFO_CFG0_ENABLE);
        let mut mac = Self {
            registers,
            receive: Ring::to_fill(&mut buffers.receive, origin),
            transmit: Ring::new(&mut buffers.transmit, origin),
            refused: false,
            counted: 0,
        };
        mac.registers.write(CFG1, CFG1_RECEIVE | CFG1_TRANSMIT);
        mac.start_receiver();
        mac.acknowledge();
        mac
    }

    /// Starts the receiver if it has stopped, unless no buffer is free.
    fn start_receiver(&mut self) {
        if self.registers.read(RX_CTL) & ENABLE == 0
            && let Some(address) = self.receive.given()
        {
            self.registers.write(RX_DESC, address);
            self.registers.write(RX_CTL, ENABLE);
        }
    }

    /// Clears both status registers, and counts down what they have counted.
    fn clear(&mut self) {
        self.counted = 0;
        for (status, event) in [(RX_STATUS, RX_STATUS_OVERFLOW), (TX_STATUS, TX_STATUS_UNDERRUN)] {
            self.registers.write(status, event);
            for _ in 0..COUNT_MAX {
                if self.registers.read(status) & STATUS_FRAME == 0 {
                    break;
                }
                self.registers.write(status, STATUS_FRAME);
            }
        }
    }

    /// Another frame is about to be counted; that none is forgotten is `acknowledge`'s to see to.
    fn count(&mut self) {
        self.counted += 1;
        if self.counted == COUNT_LIMIT {
            self.clear();
        }
    }

    /// Whether a frame of any length can be sent.
    fn has_room(&mut self) -> bool {
        self.transmit.given().is_none() && self.registers.read(TX_CTL) & ENABLE == 0
    }
}

impl<R: Registers> Mac for SmartFusion2<R> {
    fn acknowledge(&mut self) {
        self.clear();
        self.start_receiver();
        let waits = self.refused || self.receive.length().is_some();
        let full = waits && !self.has_room();
        self.registers.write(IRQ_MASK, IRQ_RECEIVED | if full { IRQ_SENT } else { 0 });
    }

    /// The PHY is not asked.
    fn link_came_up(&mut self) -> bool {
        false
    }

    fn pending(&mut self) -> bool {
        self.has_room() && (core::mem::take(&mut self.refused) || self.receive.length().is_some())
    }
}

impl<R: Registers> Device for SmartFusion2<R> {
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
        self.start_receiver();
        if !self.has_room() {
            return None;
        }
        let Some(length) = received(&mut self.receive) else {
            self.start_receiver();
            return None;
        };
        self.count();
        let Self { registers, receive, transmit, .. } = self;
        Some((RxToken { ring: receive, length }, TxToken { registers, ring: transmit }))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_, R>> {
        self.refused = !self.has_room();
        self.count();
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
        let address = self.ring.address();
        let buffer = self.ring.buffer().expect("there was room");
        let result = f(&mut buffer[..length]);
        self.ring.give(length);
        self.registers.write(TX_DESC, address);
        self.registers.write(TX_CTL, ENABLE);
        result
    }
}

#[cfg(test)]
mod tests;
