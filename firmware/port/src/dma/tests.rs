//! Rings with a device that is a model, on a bus of its own.

use core::cell::{RefCell, RefMut};
use core::ops::Range;
use std::boxed::Box;
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use super::*;

/// RAM as a model of a device has it on its bus: the rings' memory, and nothing else.
pub(crate) struct Bus {
    start: *mut u8,
    size: usize,
}

/// The address at which the device has the memory.
const BASE: usize = 0x2000_0000;

impl Bus {
    /// A value of `T` for ever, the bus on which it is, and the bus's origin.
    pub(crate) fn with<T>(memory: T) -> (&'static mut T, Self, usize) {
        let start = Box::into_raw(Box::new(memory));
        let bus = Self { start: start.cast(), size: size_of::<T>() };
        // SAFETY: it was just made and never ends. What refers to it is cells, which the device accesses as well.
        let memory = unsafe { &mut *start };
        (memory, bus, start.addr().wrapping_sub(BASE))
    }

    fn at(&self, address: u32, length: usize) -> *mut u8 {
        let offset = (address as usize).checked_sub(BASE).expect("below the rings' memory");
        assert!(offset + length <= self.size, "beyond the rings' memory");
        self.start.wrapping_add(offset)
    }

    pub(crate) fn read(&self, address: u32, length: usize) -> Vec<u8> {
        let mut data = vec![0; length];
        // SAFETY: within the memory, as `at` has seen, and no reference to it is in use while the device works.
        unsafe { data.as_mut_ptr().copy_from(self.at(address, length), length) };
        data
    }

    pub(crate) fn write(&self, address: u32, data: &[u8]) {
        // SAFETY: as in `read`.
        unsafe { self.at(address, data.len()).copy_from(data.as_ptr(), data.len()) };
    }

    pub(crate) fn words<const COUNT: usize>(&self, address: u32) -> [u32; COUNT] {
        assert!(address.is_multiple_of(LINE as u32), "a descriptor is aligned");
        let bytes = self.read(address, COUNT * 4);
        core::array::from_fn(|at| u32::from_ne_bytes(bytes.as_chunks().0[at]))
    }

    pub(crate) fn set_word(&self, address: u32, word: u32) {
        self.write(address, &word.to_ne_bytes());
    }
}

/// The second word: the highest bit for the device's, and the length.
#[derive(Debug)]
struct Plain;

impl Format for Plain {
    const OWNER: usize = 1;
    const UNUSED: u32 = 0;

    fn given(length: usize) -> u32 {
        1 << 31 | length as u32
    }

    fn is_given(word: u32) -> bool {
        word >> 31 != 0
    }

    fn length(word: u32) -> usize {
        word as usize
    }

    fn chain(buffer: u32, next: u32) -> [u32; WORDS] {
        [buffer, 0, next, 0xdead_beef]
    }
}

const N: usize = 3;

#[test]
fn descriptors_are_a_circle_of_aligned_buffers() {
    let (memory, bus, origin) = Bus::with(Memory::<N>::new());
    let ring = Ring::<Plain, N>::to_fill(memory, origin);
    let first = ring.address();
    let (mut at, mut buffers) = (first, Vec::new());
    for _ in 0..N {
        let [buffer, owner, next, last] = bus.words(at);
        assert_eq!((owner, last), (1 << 31 | BUFFER as u32, 0xdead_beef));
        assert!(buffer.is_multiple_of(LINE as u32));
        bus.write(buffer, &[0xaa; BUFFER]);
        buffers.push(buffer);
        at = next;
    }
    assert_eq!(at, first);
    buffers.sort_unstable();
    assert!(buffers.windows(2).all(|pair| pair[1] - pair[0] >= BUFFER as u32));
    assert_eq!(ring.given(), Some(first), "and none of that has touched a descriptor");
}

/// A device that does nothing but go round, and what it has.
#[test]
fn each_buffer_is_somebodys_and_they_go_round_in_order() {
    let (memory, bus, origin) = Bus::with(Memory::<N>::new());
    let mut ring = Ring::<Plain, N>::to_fill(memory, origin);
    let mut device = ring.address();
    for round in 0..50_usize {
        // As many as there are, and fewer, from each place.
        let count = [1, 1, 2, 1, 3, 2, 2][round % 7];
        for number in 0..count {
            let [buffer, owner, next] = bus.words(device);
            assert!(Plain::is_given(owner));
            bus.write(buffer, &[(round + number) as u8; 100]);
            bus.set_word(device + 4, 100 + number as u32);
            device = next;
        }
        assert_eq!(ring.given(), (count < N).then_some(device), "where the device is");
        for number in 0..count {
            assert_eq!(ring.length(), Some(100 + number));
            let buffer = ring.buffer().expect("it is ours");
            assert_eq!(buffer[..100], [(round + number) as u8; 100]);
            ring.give(BUFFER);
        }
        assert!(ring.length().is_none() && ring.buffer().is_none(), "the rest is the device's");
    }
}

#[test]
fn a_length_that_cannot_be_is_that_of_the_buffer() {
    let (memory, bus, origin) = Bus::with(Memory::<1>::new());
    let ring = Ring::<Plain, 1>::to_fill(memory, origin);
    bus.set_word(ring.address() + 4, BUFFER as u32 + 1);
    assert_eq!(ring.length(), Some(BUFFER));
}

#[test]
#[should_panic(expected = "it is the device's already")]
fn what_is_the_devices_cannot_be_given() {
    let (memory, _, origin) = Bus::with(Memory::<1>::new());
    Ring::<Plain, 1>::to_fill(memory, origin).give(60);
}

#[test]
fn a_ring_to_send_begins_with_the_processor() {
    let (memory, bus, origin) = Bus::with(Memory::<2>::new());
    let mut ring = Ring::<Plain, 2>::new(memory, origin);
    assert_eq!(ring.given(), None);
    let first = ring.address();
    for length in [60, 70] {
        ring.buffer().expect("it is ours")[..length].fill(length as u8);
        ring.give(length);
    }
    assert!(ring.buffer().is_none());
    assert_eq!(ring.given(), Some(first));
    let [buffer, owner, _] = bus.words(first);
    assert_eq!((bus.read(buffer, 60), owner), (vec![60; 60], Plain::given(60)));
}

/// A cache in front of the rings' memory, which writes back: the processor has its lines, the device RAM.
struct Lines {
    bus: Bus,
    ram: RefCell<Vec<u8>>,
    /// The lines as they were when they were the same as RAM.
    same: RefCell<Vec<u8>>,
    /// Lines are written back whenever that can be, and not only when it has to.
    evicts: bool,
}

impl Lines {
    fn new(bus: Bus, evicts: bool) -> Rc<Self> {
        let now = bus.read(BASE as u32, bus.size);
        Rc::new(Self { bus, ram: RefCell::new(now.clone()), same: RefCell::new(now), evicts })
    }

    /// Where these lines are in the memory.
    fn place(&self, address: usize, length: usize) -> Range<usize> {
        let start = address - self.bus.start.addr();
        assert!(address.is_multiple_of(LINE) && length.is_multiple_of(LINE), "whole lines");
        start..start + length
    }

    fn line(&self, start: usize) -> Vec<u8> {
        self.bus.read((BASE + start) as u32, LINE)
    }

    /// Writes the line back, if the processor has written to it.
    fn write_back(&self, start: usize) {
        let line = self.line(start);
        let same = &mut self.same.borrow_mut()[start..start + LINE];
        if *same != line {
            same.copy_from_slice(&line);
            self.ram.borrow_mut()[start..start + LINE].copy_from_slice(&line);
        }
    }

    /// What the device sees, after whatever the cache has done by itself.
    fn ram(&self) -> RefMut<'_, Vec<u8>> {
        if self.evicts {
            (0..self.bus.size).step_by(LINE).for_each(|start| self.write_back(start));
        }
        self.ram.borrow_mut()
    }

    fn word(&self, address: u32) -> u32 {
        let start = address as usize - BASE;
        u32::from_ne_bytes(self.ram()[start..start + 4].try_into().unwrap())
    }

    fn set(&self, address: u32, data: &[u8]) {
        let start = address as usize - BASE;
        self.ram()[start..start + data.len()].copy_from_slice(data);
    }
}

impl Cache for Rc<Lines> {
    fn clean(&self, address: usize, length: usize) {
        self.place(address, length).step_by(LINE).for_each(|start| self.write_back(start));
    }

    fn invalidate(&self, address: usize, length: usize) {
        for start in self.place(address, length).step_by(LINE) {
            let written = self.line(start) != self.same.borrow()[start..start + LINE];
            assert!(!written, "what the processor has written would be lost");
            let line = &self.ram.borrow()[start..start + LINE];
            self.bus.write((BASE + start) as u32, line);
            self.same.borrow_mut()[start..start + LINE].copy_from_slice(line);
        }
    }
}

#[test]
fn frames_come_in_through_a_cache() {
    for evicts in [false, true] {
        let (memory, bus, origin) = Bus::with(Memory::<N>::new());
        let lines = Lines::new(bus, evicts);
        let mut ring =
            Ring::<Plain, N, _>::with_cache(memory, origin, lines.clone()).given_to_fill();
        let mut device = ring.address();
        for round in 0..20_u8 {
            assert_eq!(ring.length(), None, "it is the device's");
            assert!(Plain::is_given(lines.word(device + 4)));
            lines.set(lines.word(device), &[round; 1514]);
            lines.set(device + 4, &1514_u32.to_ne_bytes());
            device = lines.word(device + 8);
            assert_eq!(ring.length(), Some(1514));
            assert_eq!(ring.buffer().expect("it is ours")[..1514], [round; 1514]);
            // Whoever reads a frame may write into it, and read it again.
            ring.buffer().expect("it is ours").fill(0xee);
            assert_eq!(ring.buffer().expect("it is ours")[..4], [0xee; 4]);
            ring.give(BUFFER);
        }
    }
}

#[test]
fn frames_go_out_through_a_cache() {
    for evicts in [false, true] {
        let (memory, bus, origin) = Bus::with(Memory::<N>::new());
        let lines = Lines::new(bus, evicts);
        let mut ring = Ring::<Plain, N, _>::with_cache(memory, origin, lines.clone());
        let mut device = ring.address();
        for round in 0..20_u8 {
            ring.buffer().expect("it is ours")[..100].fill(round);
            ring.buffer().expect("it is ours")[99] = 0xff;
            ring.give(100);
            assert_eq!(lines.word(device + 4), Plain::given(100));
            let start = lines.word(device) as usize - BASE;
            let sent = lines.ram()[start..start + 100].to_vec();
            assert!(sent[..99].iter().all(|&byte| byte == round) && sent[99] == 0xff);
            lines.set(device + 4, &0_u32.to_ne_bytes());
            device = lines.word(device + 8);
        }
    }
}
