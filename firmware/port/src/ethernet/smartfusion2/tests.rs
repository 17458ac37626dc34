//! The driver on a model of the MAC, as the user guide describes it and QEMU has it.

use std::collections::VecDeque;
use std::vec::Vec;

use super::super::HEADER;
use super::super::conformance::{ADDRESS, Bench, Chip, Shared, frame};
use super::*;
use crate::dma::tests::Bus;

/// The MAC, and the RAM that it shares with the processor.
#[derive(Default)]
struct Model {
    bus: Option<Bus>,
    cfg1: u32,
    cfg2: u32,
    frame_max: u32,
    address: [u32; 2],
    fifo: [u32; 3],
    tx_ctl: u32,
    tx_desc: u32,
    tx_status: u32,
    rx_ctl: u32,
    rx_desc: u32,
    rx_status: u32,
    /// Where the receiver is; it goes round by itself once it was started.
    rx_next: u32,
    irq_mask: u32,
    sent: VecDeque<Vec<u8>>,
    held: bool,
    overflows: u32,
}

const COUNT_ONE: u32 = 1 << 16;

impl Model {
    fn bus(&self) -> &Bus {
        self.bus.as_ref().expect("it was started")
    }

    fn count(status: &mut u32) {
        assert!(*status >> 16 < COUNT_MAX, "the counter begins anew");
        *status = (*status + COUNT_ONE) | STATUS_FRAME;
    }

    fn clear(status: &mut u32, value: u32, event: u32) {
        *status &= !(value & event);
        if value & STATUS_FRAME != 0 {
            assert!(*status >> 16 > 0, "it counts down what it has not counted");
            *status -= COUNT_ONE;
            if *status >> 16 == 0 {
                *status &= !STATUS_FRAME;
            }
        }
    }

    /// Sends all frames from where it was told on, and stops.
    fn send(&mut self) {
        let mut at = self.tx_desc;
        loop {
            let [buffer, owner, next] = self.bus().words(at);
            if owner & EMPTY != 0 {
                break;
            }
            let frame = self.bus().read(buffer, (owner & LENGTH) as usize);
            self.sent.push_back(frame);
            self.bus().set_word(at + 4, owner | EMPTY);
            Self::count(&mut self.tx_status);
            at = next;
        }
        self.tx_status |= TX_STATUS_UNDERRUN;
        self.tx_ctl &= !ENABLE;
    }
}

impl Registers for Model {
    fn read(&mut self, offset: usize) -> u32 {
        match offset {
            FIFO_CFG5 => self.fifo[2],
            TX_CTL => self.tx_ctl,
            TX_STATUS => self.tx_status,
            RX_CTL => self.rx_ctl,
            RX_STATUS => self.rx_status,
            _ => panic!("read of {offset:#x}"),
        }
    }

    fn write(&mut self, offset: usize, value: u32) {
        match offset {
            CFG1 if value & CFG1_RESET != 0 => {
                let bus = self.bus.take();
                *self = Self { bus, cfg1: value, fifo: [0, 0, 0x3_ffff], ..Self::default() };
            }
            CFG1 => self.cfg1 = value,
            CFG2 => self.cfg2 = value,
            MAX_FRAME_LENGTH => self.frame_max = value,
            STA1 => self.address[0] = value,
            STA2 => self.address[1] = value,
            FIFO_CFG0 => self.fifo[0] = value,
            FIFO_CFG4 => self.fifo[1] = value,
            FIFO_CFG5 => self.fifo[2] = value,
            TX_DESC => {
                assert!(self.tx_ctl & ENABLE == 0, "it is under way");
                self.tx_desc = value;
            }
            TX_CTL => {
                assert!(self.cfg1 & CFG1_TRANSMIT != 0 && self.cfg2 & 2 != 0);
                self.tx_ctl = value;
                if !self.held {
                    self.send();
                }
            }
            TX_STATUS => Self::clear(&mut self.tx_status, value, TX_STATUS_UNDERRUN),
            RX_DESC => {
                assert!(self.rx_ctl & ENABLE == 0, "it is under way");
                self.rx_desc = value;
            }
            RX_CTL => {
                self.rx_ctl = value;
                self.rx_next = self.rx_desc;
            }
            RX_STATUS => Self::clear(&mut self.rx_status, value, RX_STATUS_OVERFLOW),
            IRQ_MASK => self.irq_mask = value,
            _ => panic!("write of {offset:#x}"),
        }
    }
}

impl Chip for Model {
    fn arrive(&mut self, frame: &[u8]) {
        assert!(self.cfg1 & CFG1_RECEIVE != 0 && self.fifo[0] == FIFO_CFG0_ENABLE);
        if frame.len() > self.frame_max as usize || self.rx_ctl & ENABLE == 0 {
            return;
        }
        let [buffer, owner, next] = self.bus().words(self.rx_next);
        if owner & EMPTY == 0 {
            self.rx_ctl &= !ENABLE;
            self.rx_status |= RX_STATUS_OVERFLOW;
            self.overflows += 1;
            return;
        }
        self.bus().write(buffer, frame);
        self.bus().set_word(self.rx_next + 4, frame.len() as u32);
        Self::count(&mut self.rx_status);
        self.rx_next = next;
    }

    fn hold(&mut self) {
        self.held = true;
    }

    fn finish(&mut self) {
        if self.tx_ctl & ENABLE != 0 {
            self.send();
        }
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.sent).into()
    }

    fn address(&self) -> EthernetAddress {
        let bytes = self.address.map(u32::to_be_bytes).concat();
        EthernetAddress(*bytes.first_chunk().expect("there are eight"))
    }

    fn line(&self) -> bool {
        ((self.rx_status & 0xf) << 4 | self.tx_status & 0xf) & self.irq_mask != 0
    }
}

type Interface = SmartFusion2<&'static Shared<Model>>;

fn start(shared: &'static Shared<Model>, multicast: bool) -> Interface {
    let (buffers, bus, origin) = Bus::with(Buffers::new());
    shared.chip.borrow_mut().bus = Some(bus);
    SmartFusion2::new(shared, ADDRESS, multicast, buffers, origin)
}

fn open(shared: &'static Shared<Model>) -> Interface {
    start(shared, false)
}

crate::conformance!(open);

/// Whatever was taken out before or since it stopped, it goes on where it was, and frames stay in order.
#[test]
fn a_receiver_that_stopped_goes_on_where_it_was() {
    for (before, after) in
        (0..=RECEIVE).flat_map(|before| (0..=3).map(move |after| (before, after)))
    {
        let mut bench = Bench::new(open);
        for number in 0..before {
            bench.arrive(&frame(60 + number));
            assert_eq!(bench.receive(), Some(frame(60 + number)));
        }
        for number in 0..=RECEIVE {
            bench.arrive(&frame(100 + number));
        }
        assert_eq!(bench.shared.chip.borrow().overflows, 1, "the last one is lost");
        for number in 0..RECEIVE {
            assert_eq!(bench.receive(), Some(frame(100 + number)), "{before}, {after}");
            if number >= after {
                // It runs again, from the second call on: there is a buffer.
                assert_eq!(bench.shared.chip.borrow().rx_ctl & ENABLE != 0, number > 0);
            }
        }
        for number in 0..2 * RECEIVE {
            assert_eq!(bench.receive(), None);
            bench.arrive(&frame(200 + number));
            assert_eq!(bench.receive(), Some(frame(200 + number)), "{before}, {after}");
        }
        assert_eq!(bench.shared.chip.borrow().overflows, 1);
    }
}

#[test]
fn a_length_that_cannot_be_makes_way_for_the_next() {
    for length in [0, HEADER as u32 - 1, FRAME_SIZE as u32 + 1, LENGTH] {
        let mut bench = Bench::new(open);
        let at = bench.shared.chip.borrow().rx_next;
        bench.arrive(&frame(64));
        bench.shared.chip.borrow().bus().set_word(at + 4, length);
        bench.arrive(&frame(100));
        assert_eq!(bench.receive(), Some(frame(100)), "behind {length}");
        assert!(bench.sleeps());
    }
}

#[test]
fn multicast_is_let_in_only_on_demand() {
    let dropped = |bench: &Bench<Model, _>| {
        let [_, dropped, ignored] = bench.shared.chip.borrow().fifo;
        dropped & !ignored & FILTER_MULTICAST != 0
    };
    assert!(dropped(&Bench::new(open)));
    assert!(!dropped(&Bench::new(|shared| start(shared, true))));
}
