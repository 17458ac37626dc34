//! A driver that is written outside of this crate, tried as those in it are: the example of the porting guide.
//!
//! The chip is made up: it has room for four frames that came and for one to be sent, and a window through which their
//! words go. An interrupt is a level.

use std::collections::VecDeque;

use tapboard_firmware::EthernetAddress;
use tapboard_firmware::config::FRAME_SIZE;
use tapboard_port::Registers;
use tapboard_port::ethernet::conformance::{ADDRESS, Chip, Shared, ethernet};
use tapboard_port::ethernet::{Ethernet, Fifo, Frame, PAD};

/// Bytes of the frame that waits; 0 is none. Written, it makes way for the next.
const RECEIVED: usize = 0x00;
/// The words of the frame that waits, behind half a word of nothing; written, those of the frame to be sent.
const WINDOW: usize = 0x04;
/// Sends a frame of so many bytes; read, it is 0 when the one before has gone.
const SEND: usize = 0x08;
/// Which interrupts are let through, which are there, and what clears one.
const ENABLE: usize = 0x0c;
const STATUS: usize = 0x10;
const ADDRESS_LOW: usize = 0x14;
const ADDRESS_HIGH: usize = 0x18;

const INT_RECEIVED: u32 = 1 << 0;
const INT_SENT: u32 = 1 << 1;
const FRAMES: usize = 4;

// ---- The driver ----------------------------------------------------------------------------------

struct Driver<R>(R);

impl<R: Registers> Driver<R> {
    fn new(mut registers: R, mac: EthernetAddress) -> Self {
        let [first @ .., fifth, sixth] = mac.0;
        registers.write(ADDRESS_LOW, u32::from_le_bytes(first));
        registers.write(ADDRESS_HIGH, u32::from_le_bytes([fifth, sixth, 0, 0]));
        Self(registers)
    }
}

impl<R: Registers> Fifo for Driver<R> {
    const FRAMES: usize = FRAMES;

    fn received(&mut self) -> bool {
        self.0.read(RECEIVED) != 0
    }

    fn read_frame(&mut self, frame: &mut Frame) -> Option<usize> {
        let length = self.0.read(RECEIVED) as usize;
        let fits = length <= FRAME_SIZE;
        if fits {
            frame.fill((PAD + length).div_ceil(4), || self.0.read(WINDOW));
        }
        self.0.write(RECEIVED, 0);
        fits.then_some(length)
    }

    fn has_room(&mut self) -> bool {
        self.0.read(SEND) == 0
    }

    fn write_frame(&mut self, frame: &mut Frame, length: usize) {
        for word in frame.words(length) {
            self.0.write(WINDOW, word);
        }
        self.0.write(SEND, length as u32);
    }

    fn clear_interrupt(&mut self) {
        self.0.write(STATUS, INT_SENT);
    }

    /// A frame that waits is a level, which would end each sleep while there is no room for its answer.
    fn enable_interrupt(&mut self, room: bool) {
        self.0.write(ENABLE, if room { INT_SENT } else { INT_RECEIVED });
    }
}

// ---- The model of its chip -----------------------------------------------------------------------

#[derive(Default)]
struct Model {
    received: VecDeque<Vec<u8>>,
    /// Where the window is in the frame that waits.
    at: usize,
    written: Vec<u8>,
    under_way: bool,
    held: bool,
    sent: Vec<Vec<u8>>,
    enabled: u32,
    done: bool,
    address: [u32; 2],
}

impl Registers for Model {
    fn read(&mut self, offset: usize) -> u32 {
        match offset {
            RECEIVED => self.received.front().map_or(0, Vec::len) as u32,
            WINDOW => {
                let frame = self.received.front().expect("a frame waits");
                let byte = |at: usize| at.checked_sub(PAD).and_then(|at| frame.get(at)).copied();
                let word = [0, 1, 2, 3].map(|at| byte(self.at + at).unwrap_or(0xee));
                self.at += 4;
                u32::from_le_bytes(word)
            }
            SEND => self.under_way.into(),
            _ => panic!("read of {offset:#x}"),
        }
    }

    fn write(&mut self, offset: usize, value: u32) {
        match offset {
            RECEIVED => {
                self.at = 0;
                self.received.pop_front().expect("a frame waits");
            }
            WINDOW => self.written.extend(value.to_le_bytes()),
            SEND => {
                let mut frame = std::mem::take(&mut self.written).split_off(PAD);
                frame.truncate(value as usize);
                self.sent.push(frame);
                self.under_way = true;
                if !self.held {
                    self.finish();
                }
            }
            ENABLE => self.enabled = value,
            STATUS => self.done &= value & INT_SENT == 0,
            ADDRESS_LOW => self.address[0] = value,
            ADDRESS_HIGH => self.address[1] = value,
            _ => panic!("write of {offset:#x}"),
        }
    }
}

impl Chip for Model {
    fn arrive(&mut self, frame: &[u8]) {
        if self.received.len() < FRAMES {
            self.received.push_back(frame.to_vec());
        }
    }

    fn hold(&mut self) {
        self.held = true;
    }

    fn finish(&mut self) {
        self.done |= std::mem::take(&mut self.under_way);
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.sent)
    }

    fn address(&self) -> EthernetAddress {
        let bytes = self.address.map(u32::to_le_bytes).concat();
        EthernetAddress(*bytes.first_chunk().expect("there are eight"))
    }

    fn line(&self) -> bool {
        let received = if self.received.is_empty() { 0 } else { INT_RECEIVED };
        let sent = if self.done { INT_SENT } else { 0 };
        self.enabled & (received | sent) != 0
    }
}

fn open(shared: &'static Shared<Model>) -> Ethernet<'static, Driver<&'static Shared<Model>>> {
    ethernet(Driver::new(shared, ADDRESS))
}

tapboard_port::conformance!(open);
