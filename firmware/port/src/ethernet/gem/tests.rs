//! The driver on a model of the MAC, as the Zynq's reference manual describes it and QEMU has it.

use std::vec::Vec;

use super::super::conformance::{self, Bench, Chip, Shared, frame};
use super::*;
use crate::dma::tests::Bus;

/// The MAC, and the RAM that it shares with the processor.
#[derive(Default)]
struct Model {
    bus: Option<Bus>,
    control: u32,
    config: u32,
    dma: u32,
    hash: [u32; 2],
    address: [u32; 2],
    rx_queue: u32,
    tx_queue: u32,
    rx_next: u32,
    tx_next: u32,
    rx_status: u32,
    interrupts: u32,
    mask: u32,
    /// A transmission is under way.
    sending: bool,
    held: bool,
    sent: Vec<Vec<u8>>,
    overflows: u32,
}

impl Model {
    fn bus(&self) -> &Bus {
        self.bus.as_ref().expect("it was started")
    }

    fn words(&self, at: u32) -> [u32; 2] {
        let bytes = self.bus().read(at, STRIDE);
        [0, 4].map(|start| u32::from_ne_bytes(*bytes[start..].first_chunk().unwrap()))
    }

    fn raise(&mut self, interrupt: u32) {
        self.interrupts |= interrupt & self.mask;
    }

    /// The receiver's next descriptor is not free.
    fn no_buffer(&mut self) {
        self.rx_status |= RX_STATUS_NO_BUFFER;
        self.raise(1 << 2);
    }

    /// Sends all frames from where it is, and stops.
    fn send(&mut self) {
        loop {
            let [buffer, owner] = self.words(self.tx_next);
            if owner & TX_USED != 0 {
                break;
            }
            assert!(owner & TX_END != 0, "a frame is in one buffer");
            let frame = self.bus().read(buffer, (owner & TX_LENGTH) as usize);
            self.sent.push(frame);
            self.bus().set_word(self.tx_next + 4, owner | TX_USED);
            self.tx_next =
                if owner & TX_WRAP != 0 { self.tx_queue } else { self.tx_next + STRIDE as u32 };
        }
        self.sending = false;
        self.raise(IRQ_SENT);
    }
}

impl Registers for Model {
    fn read(&mut self, offset: usize) -> u32 {
        match offset {
            RX_STATUS => self.rx_status,
            INTERRUPTS => core::mem::take(&mut self.interrupts),
            _ => panic!("read of {offset:#x}"),
        }
    }

    fn write(&mut self, offset: usize, value: u32) {
        match offset {
            CONTROL => {
                let started = value & !self.control & (CONTROL_RECEIVE | CONTROL_TRANSMIT) != 0;
                if started {
                    (self.rx_next, self.tx_next) = (self.rx_queue, self.tx_queue);
                }
                self.control = value & !CONTROL_SEND;
                if value & CONTROL_SEND != 0 {
                    assert!(value & CONTROL_TRANSMIT != 0 && !self.sending);
                    self.sending = true;
                    if !self.held {
                        self.send();
                    }
                }
            }
            CONFIG => self.config = value,
            DMA_CONFIG => self.dma = value,
            RX_QUEUE | TX_QUEUE => {
                assert!(self.control == 0 && value.is_multiple_of(4));
                *(if offset == RX_QUEUE { &mut self.rx_queue } else { &mut self.tx_queue }) = value;
            }
            RX_STATUS => self.rx_status &= !value,
            INTERRUPTS => self.interrupts &= !value,
            ENABLE => self.mask |= value,
            DISABLE => self.mask &= !value,
            0x080 | 0x084 => self.hash[(offset - 0x080) / 4] = value,
            0x088 | 0x08c => self.address[(offset - 0x088) / 4] = value,
            _ => panic!("write of {offset:#x}"),
        }
    }
}

impl Chip for Model {
    fn arrive(&mut self, frame: &[u8]) {
        assert!(self.control & CONTROL_RECEIVE != 0 && self.config & 1 << 17 != 0);
        if frame.len() > 1532 {
            return;
        }
        assert!(frame.len() <= (self.dma >> 16 & 0xff) as usize * 64, "it would take two buffers");
        let [buffer, _] = self.words(self.rx_next);
        // One that has stopped goes on when it is told to, or finds a buffer; the model is of the first kind.
        if self.rx_status & RX_STATUS_NO_BUFFER != 0 || buffer & RX_USED != 0 {
            self.overflows += 1;
            self.no_buffer();
            return;
        }
        self.bus().write(buffer & !3, frame);
        let at = self.rx_next;
        self.bus().set_word(at + 4, frame.len() as u32 | RX_WHOLE);
        self.bus().set_word(at, buffer | RX_USED);
        self.rx_next = if buffer & RX_WRAP != 0 { self.rx_queue } else { at + STRIDE as u32 };
        self.raise(1 << 1);
    }

    fn hold(&mut self) {
        self.held = true;
    }

    fn finish(&mut self) {
        if self.sending {
            self.send();
        }
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.sent)
    }

    fn address(&self) -> EthernetAddress {
        let bytes = self.address.map(u32::to_le_bytes).concat();
        EthernetAddress(*bytes.first_chunk().expect("there are eight"))
    }

    fn line(&self) -> bool {
        self.interrupts != 0
    }
}

type Interface = Gem<&'static Shared<Model>>;

fn start(shared: &'static Shared<Model>, multicast: bool) -> Interface {
    let (buffers, bus, origin) = Bus::with(Buffers::new());
    shared.chip.borrow_mut().bus = Some(bus);
    Gem::new(shared, conformance::ADDRESS, multicast, buffers, origin)
}

fn open(shared: &'static Shared<Model>) -> Interface {
    start(shared, false)
}

crate::conformance!(open);

#[test]
fn a_receiver_that_stopped_goes_on_where_it_was() {
    for before in 0..=RECEIVE {
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
            assert_eq!(bench.receive(), Some(frame(100 + number)), "{before}");
        }
        for number in 0..2 * RECEIVE {
            assert_eq!(bench.receive(), None);
            bench.arrive(&frame(200 + number));
            assert_eq!(bench.receive(), Some(frame(200 + number)), "{before}");
        }
        assert_eq!(bench.shared.chip.borrow().overflows, 1);
    }
}

#[test]
fn what_is_no_whole_frame_makes_way_for_the_next() {
    for status in [0, 64, 64 + (1 << 14), RX_WHOLE, RX_WHOLE + 13, RX_WHOLE + 1515, u32::MAX] {
        let mut bench = Bench::new(open);
        let at = bench.shared.chip.borrow().rx_next;
        bench.arrive(&frame(64));
        bench.shared.chip.borrow().bus().set_word(at + 4, status);
        bench.arrive(&frame(100));
        assert_eq!(bench.receive(), Some(frame(100)), "behind {status:#x}");
        assert!(bench.sleeps());
    }
}

#[test]
fn multicast_is_let_in_only_on_demand() {
    let groups = |multicast: bool| {
        let bench = Bench::new(if multicast { |shared| start(shared, true) } else { open });
        let chip = bench.shared.chip.borrow();
        chip.config & CONFIG_GROUPS != 0 && chip.hash == [u32::MAX; 2]
    };
    assert!(groups(true) && !groups(false));
}
