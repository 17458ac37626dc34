//! The Ethernet MAC of Stellaris LM3S6000 and LM3S8000 chips, as a [`Fifo`].
//!
//! The processor moves every word: a frame of 1514 bytes is 380 reads of one register. On receive, the first
//! word of a frame carries in its low half the length of everything there is to read: itself, the
//! frame, and the frame's checksum. On transmit, that half carries the length of what follows the
//! Ethernet header. In both directions the frame itself begins in the high half.
//!
//! The PHY is left as reset made it, negotiating by itself; the MAC is set to full duplex.

use tapboard_firmware::EthernetAddress;
use tapboard_firmware::config::FRAME_SIZE;

use super::{Fifo, Frame, HEADER, PAD};
use crate::registers::Registers;

/// Raw interrupt status; a 1 that is written clears a bit.
const RIS: usize = 0x00;
const IM: usize = 0x04;
const RCTL: usize = 0x08;
const TCTL: usize = 0x0c;
const DATA: usize = 0x10;
const IA0: usize = 0x14;
const IA1: usize = 0x18;
const THR: usize = 0x1c;
/// Frames in the receive FIFO.
const NP: usize = 0x34;
const TR: usize = 0x38;

const INT_RECEIVED: u32 = 1 << 0;
const INT_TRANSMITTED: u32 = 1 << 2;

const RCTL_ENABLE: u32 = 1 << 0;
const RCTL_MULTICAST: u32 = 1 << 1;
const RCTL_DROP_BAD_CRC: u32 = 1 << 3;
const RCTL_RESET_FIFO: u32 = 1 << 4;

const TCTL_ENABLE: u32 = 1 << 0;
const TCTL_PAD: u32 = 1 << 1;
const TCTL_APPEND_CRC: u32 = 1 << 2;
const TCTL_FULL_DUPLEX: u32 = 1 << 4;

/// No transmission before the whole frame is in the FIFO.
const THR_WHOLE_FRAME: u32 = 0x3f;
/// Written, it starts a transmission; read, one is under way.
const TR_NEW: u32 = 1 << 0;

const CRC: usize = 4;
/// Bytes of the receive FIFO, and frames that it can hold.
const FIFO_SIZE: usize = 2048;
const FIFO_FRAMES: usize = 31;

/// The MAC behind `R`.
#[derive(Debug)]
pub struct Stellaris<R> {
    registers: R,
    /// What `RCTL` holds while the receiver runs.
    receiver: u32,
}

impl<R: Registers> Stellaris<R> {
    /// Starts the MAC under the address `mac`. IPv6 needs `multicast`: its neighbours are asked for in
    /// multicast frames.
    pub fn new(registers: R, mac: EthernetAddress, multicast: bool) -> Self {
        let EthernetAddress(mac) = mac;
        let multicast = if multicast { RCTL_MULTICAST } else { 0 };
        let receiver = RCTL_ENABLE | RCTL_DROP_BAD_CRC | multicast;
        let mut fifo = Self { registers, receiver };
        fifo.registers.write(IM, 0);
        fifo.registers.write(IA0, u32::from_le_bytes([mac[0], mac[1], mac[2], mac[3]]));
        fifo.registers.write(IA1, u32::from_le_bytes([mac[4], mac[5], 0, 0]));
        fifo.registers.write(THR, THR_WHOLE_FRAME);
        let transmitter = TCTL_ENABLE | TCTL_PAD | TCTL_APPEND_CRC | TCTL_FULL_DUPLEX;
        fifo.registers.write(TCTL, transmitter);
        fifo.restart_receiver();
        fifo
    }

    /// Empties the FIFO.
    fn restart_receiver(&mut self) {
        self.registers.write(RCTL, RCTL_RESET_FIFO);
        self.registers.write(RCTL, self.receiver);
    }
}

impl<R: Registers> Fifo for Stellaris<R> {
    const FRAMES: usize = FIFO_FRAMES;

    fn received(&mut self) -> bool {
        self.registers.read(NP) > 0
    }

    fn read_frame(&mut self, frame: &mut Frame) -> Option<usize> {
        let first = self.registers.read(DATA);
        let size = (first & 0xffff) as usize;
        if !(PAD + HEADER + CRC..=FIFO_SIZE).contains(&size) {
            // Whatever that was, the next frame's beginning is lost.
            self.restart_receiver();
            return None;
        }
        let mut first = Some(first);
        frame.fill(size.div_ceil(4), || first.take().unwrap_or_else(|| self.registers.read(DATA)));
        let length = size - PAD - CRC;
        (length <= FRAME_SIZE).then_some(length)
    }

    fn has_room(&mut self) -> bool {
        self.registers.read(TR) & TR_NEW == 0
    }

    fn write_frame(&mut self, frame: &mut Frame, length: usize) {
        let payload = (length - HEADER) as u16;
        frame.0[..PAD].copy_from_slice(&payload.to_le_bytes());
        for word in frame.words(length) {
            self.registers.write(DATA, word);
        }
        self.registers.write(TR, TR_NEW);
    }

    fn clear_interrupt(&mut self) {
        let raised = self.registers.read(RIS);
        self.registers.write(RIS, raised);
    }

    fn enable_interrupt(&mut self, room: bool) {
        let transmitted = if room { INT_TRANSMITTED } else { 0 };
        self.registers.write(IM, INT_RECEIVED | transmitted);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::vec::Vec;

    use super::super::Ethernet;
    use super::super::conformance::{ADDRESS, Bench, Chip, Shared, ethernet, frame};
    use super::*;

    /// The MAC as the data sheet describes it.
    #[derive(Default)]
    struct Model {
        ris: u32,
        im: u32,
        rctl: u32,
        tctl: u32,
        address: [u32; 2],
        thr: u32,
        received: VecDeque<VecDeque<u32>>,
        transmit: Vec<u8>,
        sent: Vec<Vec<u8>>,
        held: bool,
        busy: bool,
    }

    impl Model {
        /// `size` is what the first word says of the length.
        fn arrive_as(&mut self, size: u16, frame: &[u8]) {
            assert!(self.rctl & RCTL_ENABLE != 0);
            if self.received.len() == FIFO_FRAMES {
                return;
            }
            let mut bytes = size.to_le_bytes().to_vec();
            bytes.extend(frame);
            bytes.extend([0xc1, 0xc2, 0xc3, 0xc4]);
            bytes.resize(bytes.len().next_multiple_of(4), 0xee);
            let words = bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word));
            self.received.push_back(words.collect());
            self.ris |= INT_RECEIVED;
        }
    }

    impl Registers for Model {
        fn read(&mut self, offset: usize) -> u32 {
            match offset {
                RIS => self.ris,
                NP => self.received.len() as u32,
                TR => self.busy.into(),
                DATA => {
                    let words = self.received.front_mut().expect("the FIFO is empty");
                    let word = words.pop_front().expect("a frame has a word");
                    if words.is_empty() {
                        self.received.pop_front();
                    }
                    word
                }
                _ => panic!("read of {offset:#x}"),
            }
        }

        fn write(&mut self, offset: usize, value: u32) {
            match offset {
                RIS => self.ris &= !value,
                IM => self.im = value,
                RCTL => {
                    if value & RCTL_RESET_FIFO != 0 {
                        assert!(self.rctl & RCTL_ENABLE == 0 || value & RCTL_ENABLE == 0);
                        self.received.clear();
                    }
                    self.rctl = value;
                }
                TCTL => self.tctl = value,
                IA0 => self.address[0] = value,
                IA1 => self.address[1] = value,
                THR => self.thr = value,
                DATA => {
                    assert!(!self.busy, "the FIFO is being sent");
                    self.transmit.extend(value.to_le_bytes());
                }
                TR => {
                    assert!(!self.busy && value == TR_NEW && self.thr == THR_WHOLE_FRAME);
                    assert!(self.tctl & TCTL_ENABLE != 0 && self.tctl & TCTL_APPEND_CRC != 0);
                    let mut bytes = core::mem::take(&mut self.transmit);
                    let frame = HEADER + usize::from(bytes[0]) + usize::from(bytes[1]) * 256;
                    assert_eq!(bytes.len(), (PAD + frame).next_multiple_of(4));
                    self.sent.push(bytes.drain(PAD..PAD + frame).collect());
                    self.busy = true;
                    if !self.held {
                        self.finish();
                    }
                }
                _ => panic!("write of {offset:#x}"),
            }
        }
    }

    impl Chip for Model {
        fn arrive(&mut self, frame: &[u8]) {
            self.arrive_as((PAD + frame.len() + CRC) as u16, frame);
        }

        fn hold(&mut self) {
            self.held = true;
        }

        fn finish(&mut self) {
            if core::mem::take(&mut self.busy) {
                self.ris |= INT_TRANSMITTED;
            }
        }

        fn sent(&mut self) -> Vec<Vec<u8>> {
            core::mem::take(&mut self.sent)
        }

        fn address(&self) -> EthernetAddress {
            let [low, high] = self.address.map(u32::to_le_bytes);
            EthernetAddress([low[0], low[1], low[2], low[3], high[0], high[1]])
        }

        fn line(&self) -> bool {
            self.ris & self.im != 0
        }
    }

    type Interface = Ethernet<'static, Stellaris<&'static Shared<Model>>>;

    fn open(shared: &'static Shared<Model>) -> Interface {
        ethernet(Stellaris::new(shared, ADDRESS, false))
    }

    crate::conformance!(open);

    #[test]
    fn a_length_that_cannot_be_empties_the_fifo() {
        let mut bench = Bench::new(open);
        let too_long = FIFO_SIZE as u16 + 1;
        for size in [0, (PAD + HEADER + CRC) as u16 - 1, too_long, u16::MAX] {
            bench.shared.chip.borrow_mut().arrive_as(size, &frame(64));
            bench.arrive(&frame(64));
            assert_eq!(bench.receive(), None, "{size}");
            assert!(bench.sleeps());
            bench.arrive(&frame(100));
            assert_eq!(bench.receive(), Some(frame(100)), "after {size}");
        }
    }

    #[test]
    fn multicast_is_let_in_only_on_demand() {
        let bench = Bench::<Model, _>::new(open);
        assert_eq!(bench.shared.chip.borrow().rctl & RCTL_MULTICAST, 0);
        let bench =
            Bench::<Model, _>::new(|shared| ethernet(Stellaris::new(shared, ADDRESS, true)));
        assert_ne!(bench.shared.chip.borrow().rctl & RCTL_MULTICAST, 0);
    }
}
