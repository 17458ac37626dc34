//! The LAN9118 and its family (LAN9215 to LAN9221), an Ethernet controller beside the processor, as a [`Fifo`].
//!
//! Data and what there is to know about it are in separate FIFOs: a received frame is announced by a
//! word of status, with its length; a frame to send follows two words of command. Both are told to begin
//! 2 bytes late, which aligns the IP header. The transmit FIFO takes up to three frames of full size; what
//! became of each is not asked for.
//!
//! The controller is used as 32 bits wide, in full duplex; its PHY negotiates by itself, and interrupts when it
//! has: the cable is in.

use tapboard_firmware::EthernetAddress;
use tapboard_firmware::config::FRAME_SIZE;

use super::{Fifo, Frame, HEADER, PAD};
use crate::registers::Registers;

const RX_DATA: usize = 0x00;
const TX_DATA: usize = 0x20;
const RX_STATUS: usize = 0x40;
const IRQ_CFG: usize = 0x54;
/// A 1 that is written clears a bit.
const INT_STS: usize = 0x58;
const INT_EN: usize = 0x5c;
const BYTE_TEST: usize = 0x64;
const FIFO_INT: usize = 0x68;
const RX_CFG: usize = 0x6c;
const TX_CFG: usize = 0x70;
const HW_CFG: usize = 0x74;
const RX_FIFO_INF: usize = 0x7c;
const TX_FIFO_INF: usize = 0x80;
const FREE_RUN: usize = 0x9c;
const MAC_CSR_CMD: usize = 0xa4;
const MAC_CSR_DATA: usize = 0xa8;

/// What [`BYTE_TEST`] reads as, if the bus is in order.
const BYTE_ORDER: u32 = 0x8765_4321;

/// Enabled, active high, push-pull.
const IRQ_CFG_ENABLE: u32 = 1 << 8 | 1 << 4 | 1 << 0;

const INT_PHY: u32 = 1 << 18;
const INT_TRANSMIT_ROOM: u32 = 1 << 9;
const INT_RECEIVED: u32 = 1 << 3;

/// Interrupt above this many units of 64 bytes of room to transmit in, and above 0 frames received.
const FIFO_INT_LEVELS: u32 = 24 << 24;
/// The same in bytes: a full frame, its commands, and up to 3 bytes of padding at its end.
const ROOM: u32 = 24 * 64;

const RX_CFG_OFFSET: u32 = (PAD as u32) << 8;

/// Transmit, and go on when the FIFO of results is full.
const TX_CFG_ON: u32 = 1 << 1 | 1 << 2;

const HW_CFG_RESET: u32 = 1 << 0;
/// 5 KiB for the transmit FIFOs, and no frame goes out before it is whole.
const HW_CFG_FIFOS: u32 = 5 << 16 | 1 << 20;

const CSR_BUSY: u32 = 1 << 31;
const CSR_READ: u32 = 1 << 30;
const CSR_CR: u32 = 1;
const CSR_ADDRESS_HIGH: u32 = 2;
const CSR_ADDRESS_LOW: u32 = 3;
const CSR_MII_ACCESS: u32 = 6;
const CSR_MII_DATA: u32 = 7;

const CR_RECEIVE: u32 = 1 << 2;
const CR_TRANSMIT: u32 = 1 << 3;
const CR_MULTICAST: u32 = 1 << 19;
const CR_FULL_DUPLEX: u32 = 1 << 20;

/// The PHY inside, and which of its registers.
const MII_PHY: u32 = 1 << 11;
const MII_REGISTER: u32 = 1 << 6;
const MII_WRITE: u32 = 1 << 1;
const MII_BUSY: u32 = 1 << 0;

/// What the PHY interrupts for; reading it clears it.
const PHY_SOURCE: u32 = 29;
const PHY_MASK: u32 = 30;
const PHY_NEGOTIATED: u32 = 1 << 6;

const STATUS_ERROR: u32 = 1 << 15;

/// Command A: the frame is one piece, and begins late.
const COMMAND_WHOLE: u32 = 1 << 13 | 1 << 12 | (PAD as u32) << 16;

const CRC: usize = 4;
/// More than its FIFO of results can tell of at once.
const FRAMES: usize = 32;
/// Readings in which a reset or a MAC register's access is over: each takes 45 ns at least, a reset 100 us.
const READINGS: usize = 100_000;
/// The same for a transfer to the PHY.
const MII_READINGS: usize = 10_000;

/// What the controller did not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Its register for testing the order of bytes does not read as it should.
    Absent,
    /// The reset does not end.
    Reset,
    /// The MAC's registers stay busy.
    Busy,
}

impl Error {
    /// What it is, and what to look at.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Absent => "no LAN9118 answers; check its address and the width of its bus",
            Self::Reset => "the LAN9118's reset does not end; check its clock",
            Self::Busy => "the LAN9118's MAC stays busy; check its clock",
        }
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Error {}

/// The controller behind `R`.
#[derive(Debug)]
pub struct Lan9118<R> {
    registers: R,
    link_came_up: bool,
}

impl<R: Registers> Lan9118<R> {
    /// Resets and starts the controller under the address `mac`. IPv6 needs `multicast`: its neighbours
    /// are asked for in multicast frames.
    pub fn new(registers: R, mac: EthernetAddress, multicast: bool) -> Result<Self, Error> {
        let EthernetAddress(mac) = mac;
        let mut fifo = Self { registers, link_came_up: false };
        // The first reading may wake it.
        fifo.registers.read(BYTE_TEST);
        if fifo.registers.read(BYTE_TEST) != BYTE_ORDER {
            return Err(Error::Absent);
        }
        fifo.registers.write(HW_CFG, HW_CFG_RESET);
        fifo.wait(HW_CFG, HW_CFG_RESET).ok_or(Error::Reset)?;
        fifo.registers.write(HW_CFG, HW_CFG_FIFOS);
        fifo.registers.write(FIFO_INT, FIFO_INT_LEVELS);
        fifo.registers.write(RX_CFG, RX_CFG_OFFSET);
        fifo.registers.write(TX_CFG, TX_CFG_ON);
        fifo.registers.write(IRQ_CFG, IRQ_CFG_ENABLE);
        let low = u32::from_le_bytes([mac[0], mac[1], mac[2], mac[3]]);
        fifo.write_mac(CSR_ADDRESS_LOW, low)?;
        fifo.write_mac(CSR_ADDRESS_HIGH, u32::from_le_bytes([mac[4], mac[5], 0, 0]))?;
        let multicast = if multicast { CR_MULTICAST } else { 0 };
        fifo.write_mac(CSR_CR, CR_RECEIVE | CR_TRANSMIT | CR_FULL_DUPLEX | multicast)?;
        fifo.write_phy(PHY_MASK, PHY_NEGOTIATED)?;
        Ok(fifo)
    }

    /// The controller's counter, at 25 MHz of its own crystal.
    pub fn free_run(registers: &mut R) -> u32 {
        registers.read(FREE_RUN)
    }

    /// Waits until `bit` of `register` is clear.
    fn wait(&mut self, register: usize, bit: u32) -> Option<()> {
        (0..READINGS).find_map(|_| (self.registers.read(register) & bit == 0).then_some(()))
    }

    fn write_mac(&mut self, register: u32, value: u32) -> Result<(), Error> {
        self.registers.write(MAC_CSR_DATA, value);
        self.registers.write(MAC_CSR_CMD, CSR_BUSY | register);
        self.wait(MAC_CSR_CMD, CSR_BUSY).ok_or(Error::Busy)
    }

    fn read_mac(&mut self, register: u32) -> Result<u32, Error> {
        self.registers.write(MAC_CSR_CMD, CSR_BUSY | CSR_READ | register);
        self.wait(MAC_CSR_CMD, CSR_BUSY).ok_or(Error::Busy)?;
        Ok(self.registers.read(MAC_CSR_DATA))
    }

    fn write_phy(&mut self, register: u32, value: u32) -> Result<(), Error> {
        self.write_mac(CSR_MII_DATA, value)?;
        self.access_phy(register, MII_WRITE)
    }

    fn read_phy(&mut self, register: u32) -> Result<u32, Error> {
        self.access_phy(register, 0)?;
        self.read_mac(CSR_MII_DATA)
    }

    /// A transfer on the bus to the PHY, which takes about 26 us.
    fn access_phy(&mut self, register: u32, write: u32) -> Result<(), Error> {
        let access = MII_PHY | (register * MII_REGISTER) | write | MII_BUSY;
        self.write_mac(CSR_MII_ACCESS, access)?;
        for _ in 0..MII_READINGS {
            if self.read_mac(CSR_MII_ACCESS)? & MII_BUSY == 0 {
                return Ok(());
            }
        }
        Err(Error::Busy)
    }
}

impl<R: Registers> Fifo for Lan9118<R> {
    const FRAMES: usize = FRAMES;

    fn received(&mut self) -> bool {
        self.registers.read(RX_FIFO_INF) >> 16 & 0xff != 0
    }

    fn read_frame(&mut self, frame: &mut Frame) -> Option<usize> {
        let status = self.registers.read(RX_STATUS);
        let size = (status >> 16 & 0x3fff) as usize;
        frame.fill((PAD + size).div_ceil(4), || self.registers.read(RX_DATA));
        let length = size.checked_sub(CRC)?;
        let fit = status & STATUS_ERROR == 0 && (HEADER..=FRAME_SIZE).contains(&length);
        fit.then_some(length)
    }

    fn has_room(&mut self) -> bool {
        self.registers.read(TX_FIFO_INF) & 0xffff > ROOM
    }

    fn write_frame(&mut self, frame: &mut Frame, length: usize) {
        self.registers.write(TX_DATA, COMMAND_WHOLE | length as u32);
        self.registers.write(TX_DATA, length as u32);
        for word in frame.words(length) {
            self.registers.write(TX_DATA, word);
        }
    }

    fn clear_interrupt(&mut self) {
        let raised = self.registers.read(INT_STS);
        self.registers.write(INT_STS, raised);
        if raised & INT_PHY != 0 {
            let source = self.read_phy(PHY_SOURCE);
            self.link_came_up |= source.is_ok_and(|source| source & PHY_NEGOTIATED != 0);
        }
    }

    fn link_came_up(&mut self) -> bool {
        core::mem::take(&mut self.link_came_up)
    }

    fn enable_interrupt(&mut self, room: bool) {
        let room = if room { INT_TRANSMIT_ROOM } else { 0 };
        self.registers.write(INT_EN, INT_PHY | INT_RECEIVED | room);
    }
}

#[cfg(test)]
mod tests;
