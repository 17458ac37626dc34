//! The driver on a model of the controller, as the data sheet describes it.

use std::collections::VecDeque;
use std::vec::Vec;

use super::super::Ethernet;
use super::super::conformance::{ADDRESS, Bench, Chip, Shared, ethernet, frame};
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
    csr: [u32; 8],
    /// The PHY's source of interrupts, and its mask.
    phy: [u32; 2],
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
        if self.statuses.len() == FRAMES {
            return;
        }
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

impl Model {
    /// An access to a register of the MAC; in one of them, to one of the PHY.
    fn command(&mut self, command: u32) {
        let register = (command & 0xf) as usize;
        if command & CSR_READ != 0 {
            self.csr_data = self.csr[register];
            return;
        }
        self.csr[register] = self.csr_data;
        if register != CSR_MII_ACCESS as usize {
            return;
        }
        let access = self.csr[register];
        assert_eq!(access >> 11, 1, "the PHY inside");
        assert!(access & MII_BUSY != 0);
        self.csr[register] &= !MII_BUSY;
        let data = &mut self.csr[CSR_MII_DATA as usize];
        match (access >> 6 & 0x1f, access & MII_WRITE != 0) {
            (PHY_SOURCE, false) => *data = core::mem::take(&mut self.phy[0]),
            (PHY_MASK, true) => self.phy[1] = *data,
            other => panic!("PHY register {other:?}"),
        }
    }

    fn plug(&mut self) {
        self.phy[0] |= PHY_NEGOTIATED;
    }

    /// The PHY's interrupt is a level.
    fn raised(&self) -> u32 {
        let phy = self.phy[0] & self.phy[1] != 0;
        self.int_sts | if phy { INT_PHY } else { 0 }
    }
}

impl Registers for Model {
    fn read(&mut self, offset: usize) -> u32 {
        match offset {
            BYTE_TEST if self.absent => u32::MAX,
            BYTE_TEST => BYTE_ORDER,
            HW_CFG | MAC_CSR_CMD => 0,
            INT_STS => self.raised(),
            MAC_CSR_DATA => self.csr_data,
            RX_FIFO_INF => ((self.statuses.len() as u32) << 16) | (self.received.len() as u32 * 4),
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
            MAC_CSR_CMD => self.command(value),
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
        self.irq_cfg == IRQ_CFG_ENABLE && self.raised() & self.int_en != 0
    }
}

type Interface = Ethernet<'static, Lan9118<&'static Shared<Model>>>;

fn open(shared: &'static Shared<Model>) -> Interface {
    ethernet(Lan9118::new(shared, ADDRESS, false).unwrap())
}

crate::conformance!(open);

#[test]
fn a_frame_with_an_error_makes_way_for_the_next() {
    let mut bench = Bench::new(open);
    bench.shared.chip.borrow_mut().arrive_with(STATUS_ERROR, &frame(64));
    bench.arrive(&frame(100));
    assert_eq!(bench.receive(), Some(frame(100)));
    assert!(bench.sleeps());
}

#[test]
fn a_cable_that_comes_in_wakes_and_is_told_once() {
    let mut bench = Bench::new(open);
    assert!(bench.sleeps() && !bench.link_came_up());
    for _ in 0..2 {
        bench.shared.chip.borrow_mut().plug();
        assert!(bench.line());
        assert!(bench.sleeps(), "acknowledged");
        assert!(bench.link_came_up());
        assert!(!bench.link_came_up());
    }
}

#[test]
fn an_absent_controller_is_an_error() {
    let bench = Bench::new(open);
    bench.shared.chip.borrow_mut().absent = true;
    let error = Lan9118::new(bench.shared, ADDRESS, false);
    assert_eq!(error.err(), Some(Error::Absent));
}
