//! The LAN9118 and its family (LAN9215 to LAN9221), an Ethernet controller beside the processor, as a [`Fifo`].
//!
//! Data and what there is to know about it are in separate FIFOs: a received frame is announced by a
//! word of status, with its length; a frame to send follows two words of command. Both are told to begin
//! 2 bytes late, which aligns the IP header. The transmit FIFO takes up to three frames of full size; what
//! became of each is not asked for.
//!
//! The controller is used as 32 bits wide, in full duplex; its PHY negotiates by itself.

use smoltcp::wire::EthernetAddress;
use tapboard_firmware::config::FRAME_SIZE;

use super::{Fifo, Frame, PAD};
use crate::Registers;

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
const CSR_CR: u32 = 1;
const CSR_ADDRESS_HIGH: u32 = 2;
const CSR_ADDRESS_LOW: u32 = 3;

const CR_RECEIVE: u32 = 1 << 2;
const CR_TRANSMIT: u32 = 1 << 3;
const CR_MULTICAST: u32 = 1 << 19;
const CR_FULL_DUPLEX: u32 = 1 << 20;

const STATUS_ERROR: u32 = 1 << 15;

/// Command A: the frame is one piece, and begins late.
const COMMAND_WHOLE: u32 = 1 << 13 | 1 << 12 | (PAD as u32) << 16;

const HEADER: usize = 14;
const CRC: usize = 4;
/// More than its FIFO of results can tell of at once.
const FRAMES: usize = 32;
/// Readings in which a reset or a MAC register's access is over: each takes 45 ns at least, a reset 100 us.
const READINGS: usize = 100_000;

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
}

impl<R: Registers> Lan9118<R> {
    /// Resets and starts the controller under the address `mac`. IPv6 needs `multicast`: its neighbours
    /// are asked for in multicast frames.
    pub fn new(registers: R, mac: EthernetAddress, multicast: bool) -> Result<Self, Error> {
        let EthernetAddress(mac) = mac;
        let mut fifo = Self { registers };
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
    }

    fn enable_interrupt(&mut self, room: bool) {
        let room = if room { INT_TRANSMIT_ROOM } else { 0 };
        self.registers.write(INT_EN, INT_RECEIVED | room);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::vec::Vec;

    use super::super::conformance::{ADDRESS, Bench, Chip, Shared, conformance, frame};
    use super::*;

    const TRANSMIT_FIFO: u32 = 4608;

    /// The controller as the data sheet describes it.
    #[derive(Default)]
    struct Model {
        absent: bool,
        int_sts: u32,
        int_en: u32,
        irq_cfg: u32,
        rx_cfg: u32,
        tx_cfg: u32,
        fifo_int: u32,
        csr_data: u32,
        csr: [u32; 4],
        statuses: VecDeque<u32>,
        received: VecDeque<u32>,
        /// Words of the frame whose status was read last.
        unread: usize,
        transmit: Vec<u32>,
        sent: Vec<Vec<u8>>,
        held: bool,
        used: u32,
    }

    impl Model {
        fn arrive_with(&mut self, flags: u32, frame: &[u8]) {
            assert!(self.csr[1] & CR_RECEIVE != 0);
            let offset = (self.rx_cfg >> 8 & 0x1f) as usize;
            let mut bytes = [0xdd].repeat(offset);
            bytes.extend(frame);
            bytes.extend([0xc1, 0xc2, 0xc3, 0xc4]);
            bytes.resize(bytes.len().next_multiple_of(4), 0xee);
            self.received.extend(bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word)));
            self.statuses.push_back(((frame.len() + CRC) as u32) << 16 | flags);
            if self.statuses.len() > (self.fifo_int & 0xff) as usize {
                self.int_sts |= INT_RECEIVED;
            }
        }

        /// Takes what was written for frames, once it is whole.
        fn take_frame(&mut self) {
            let [a, b, words @ ..] = &self.transmit[..] else { return };
            let (offset, length) = ((a >> 16 & 0x1f) as usize, (a & 0x7ff) as usize);
            assert_eq!(a & 0x3000, 0x3000, "first and last piece at once");
            assert_eq!((b & 0x7ff) as usize, length);
            assert!(self.csr[1] & CR_TRANSMIT != 0 && self.tx_cfg & 2 != 0);
            if words.len() < (offset + length).div_ceil(4) {
                return;
            }
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            self.sent.push(bytes[offset..offset + length].to_vec());
            self.used += self.transmit.len() as u32 * 4;
            assert!(self.used <= TRANSMIT_FIFO, "the FIFO overflows");
            self.transmit.clear();
            if !self.held {
                self.finish();
            }
        }
    }

    impl Registers for Model {
        fn read(&mut self, offset: usize) -> u32 {
            match offset {
                BYTE_TEST if self.absent => u32::MAX,
                BYTE_TEST => BYTE_ORDER,
                HW_CFG | MAC_CSR_CMD => 0,
                INT_STS => self.int_sts,
                RX_FIFO_INF => {
                    ((self.statuses.len() as u32) << 16) | (self.received.len() as u32 * 4)
                }
                TX_FIFO_INF => TRANSMIT_FIFO - self.used,
                RX_STATUS => {
                    assert_eq!(self.unread, 0, "the frame before was not read to its end");
                    let status = self.statuses.pop_front().expect("the FIFO is empty");
                    let offset = self.rx_cfg >> 8 & 0x1f;
                    self.unread = (offset + (status >> 16 & 0x3fff)).div_ceil(4) as usize;
                    status
                }
                RX_DATA => {
                    assert!(self.unread > 0, "the frame was read to its end");
                    self.unread -= 1;
                    self.received.pop_front().expect("a frame has a word")
                }
                _ => panic!("read of {offset:#x}"),
            }
        }

        fn write(&mut self, offset: usize, value: u32) {
            match offset {
                HW_CFG if value & HW_CFG_RESET != 0 => {
                    *self = Self { held: self.held, ..Self::default() };
                }
                HW_CFG => assert_eq!(value, HW_CFG_FIFOS),
                INT_STS => self.int_sts &= !value,
                INT_EN => self.int_en = value,
                IRQ_CFG => self.irq_cfg = value,
                FIFO_INT => self.fifo_int = value,
                RX_CFG => self.rx_cfg = value,
                TX_CFG => self.tx_cfg = value,
                MAC_CSR_DATA => self.csr_data = value,
                MAC_CSR_CMD => self.csr[(value & 0xf) as usize] = self.csr_data,
                TX_DATA => {
                    self.transmit.push(value);
                    self.take_frame();
                }
                _ => panic!("write of {offset:#x}"),
            }
        }
    }

    impl Chip for Model {
        fn arrive(&mut self, frame: &[u8]) {
            self.arrive_with(0, frame);
        }

        fn hold(&mut self) {
            self.held = true;
        }

        fn finish(&mut self) {
            self.used = 0;
            if TRANSMIT_FIFO > (self.fifo_int >> 24) * 64 {
                self.int_sts |= INT_TRANSMIT_ROOM;
            }
        }

        fn sent(&mut self) -> Vec<Vec<u8>> {
            core::mem::take(&mut self.sent)
        }

        fn address(&self) -> EthernetAddress {
            let [low, high] = [self.csr[3], self.csr[2]].map(u32::to_le_bytes);
            EthernetAddress([low[0], low[1], low[2], low[3], high[0], high[1]])
        }

        fn line(&self) -> bool {
            self.irq_cfg == IRQ_CFG_ENABLE && self.int_sts & self.int_en != 0
        }
    }

    fn open(shared: &'static Shared<Model>) -> Lan9118<&'static Shared<Model>> {
        Lan9118::new(shared, ADDRESS, false).unwrap()
    }

    conformance!(open);

    #[test]
    fn a_frame_with_an_error_makes_way_for_the_next() {
        let mut bench = Bench::new(open);
        bench.shared.chip.borrow_mut().arrive_with(STATUS_ERROR, &frame(64));
        bench.arrive(&frame(100));
        assert_eq!(bench.receive(), Some(frame(100)));
        assert!(bench.sleeps());
    }

    #[test]
    fn an_absent_controller_is_an_error() {
        let bench = Bench::new(open);
        bench.shared.chip.borrow_mut().absent = true;
        let error = Lan9118::new(bench.shared, ADDRESS, false);
        assert_eq!(error.err(), Some(Error::Absent));
    }
}
