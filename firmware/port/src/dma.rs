//! Rings of buffers that a MAC fills or sends by itself: what of them is the same for every chip, without `unsafe` for
//! who writes a driver.
//!
//! A ring is descriptors in RAM, each with a buffer and one owner: the device, or the processor. A bit of a descriptor's
//! word says which. [`Ring`] hands out a buffer only while its descriptor is the processor's, and gives it back with one
//! write, which comes after all of the frame's. Both go round in the same order.
//!
//! What a MAC's descriptors look like is a [`Format`], a few constants. They are chained: each has the address of the
//! next, and the last that of the first.
//!
//! **Contract.** The device accesses memory by the descriptors of rings only, and those that are its own; that it is
//! told of no other address is the driver's to see to. Buffers are aligned to 16 bytes, and so are descriptors. The
//! device sees RAM as the processor does: there is no cache between them, and RAM lies where the bus has it (`origin`).
//!
//! **Cost.** 16 bytes a descriptor, [`BUFFER`] bytes a buffer; no copy.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{Ordering, fence};

use tapboard_firmware::config::FRAME_SIZE;

/// Bytes of a buffer: a frame and its checksum.
pub const BUFFER: usize = (FRAME_SIZE + 4).next_multiple_of(16);

/// Words of a descriptor, those that a MAC does not look at included.
pub const WORDS: usize = 4;

/// How a kind of MAC lays out its descriptors, in one direction.
pub trait Format {
    /// The word that says whose a descriptor is, and how long its frame.
    const OWNER: usize;

    /// That word for a descriptor that has never been the device's.
    const UNUSED: u32;

    /// That word for a buffer of which the device may use `length` bytes: to be filled, or to be sent.
    fn given(length: usize) -> u32;

    /// Whether a descriptor with that word is the device's.
    fn is_given(word: u32) -> bool;

    /// The bytes of the frame that the device has put into the buffer.
    fn length(word: u32) -> usize;

    /// All words, for a buffer and a next descriptor at these addresses; the one that says whose it is does not count.
    fn chain(buffer: u32, next: u32) -> [u32; WORDS];
}

#[repr(align(16))]
struct Descriptor(UnsafeCell<[u32; WORDS]>);

#[repr(align(16))]
struct Buffer(UnsafeCell<[u8; BUFFER]>);

/// The RAM of a ring of `N`. Make it a static; where the device reaches RAM only in parts, in a section of it.
#[repr(C)]
pub struct Memory<const N: usize> {
    descriptors: [Descriptor; N],
    buffers: [Buffer; N],
}

impl<const N: usize> Memory<N> {
    /// All zero.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            descriptors: [const { Descriptor(UnsafeCell::new([0; WORDS])) }; N],
            buffers: [const { Buffer(UnsafeCell::new([0; BUFFER])) }; N],
        }
    }
}

impl<const N: usize> Default for Memory<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for Memory<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

/// A ring of `N` buffers in the format `F`; see the module's documentation.
pub struct Ring<F, const N: usize> {
    memory: &'static Memory<N>,
    origin: usize,
    /// The descriptor that is the processor's next.
    next: usize,
    format: PhantomData<F>,
}

impl<F, const N: usize> fmt::Debug for Ring<F, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("next", &self.next).finish_non_exhaustive()
    }
}

impl<F: Format, const N: usize> Ring<F, N> {
    /// A ring whose buffers are all the processor's. `origin` is where the processor has what the device calls address
    /// 0; with most chips that is 0.
    pub fn new(memory: &'static mut Memory<N>, origin: usize) -> Self {
        const { assert!(N > 0, "a ring has a descriptor") };
        let ring = Self { memory, origin, next: 0, format: PhantomData };
        for index in 0..N {
            let buffer = ring.bus_address(ring.memory.buffers[index].0.get().addr());
            let mut words = F::chain(buffer, ring.address_of((index + 1) % N));
            words[F::OWNER] = F::UNUSED;
            // SAFETY: the ring is the only one to access its memory, and the device has been told of nothing yet.
            unsafe { ring.memory.descriptors[index].0.get().write_volatile(words) };
        }
        ring
    }

    /// As [`Ring::new`], with all buffers given to the device, to be filled.
    pub fn to_fill(memory: &'static mut Memory<N>, origin: usize) -> Self {
        let mut ring = Self::new(memory, origin);
        for _ in 0..N {
            ring.give(BUFFER);
        }
        ring
    }

    /// Where the device finds the descriptor that is the processor's next.
    #[must_use]
    pub fn address(&self) -> u32 {
        self.address_of(self.next)
    }

    /// Where the device finds the first descriptor, in its order, that is its own; `None` if none is.
    #[must_use]
    pub fn given(&self) -> Option<u32> {
        let order = (self.next..N).chain(0..self.next);
        let given = order.into_iter().find(|&index| F::is_given(self.owner(index)));
        given.map(|index| self.address_of(index))
    }

    /// The bytes of the frame in the next buffer, at most [`BUFFER`], if that is the processor's.
    #[must_use]
    pub fn length(&self) -> Option<usize> {
        let word = self.owner(self.next);
        (!F::is_given(word)).then(|| F::length(word).min(BUFFER))
    }

    /// The next buffer, if it is the processor's.
    pub fn buffer(&mut self) -> Option<&mut [u8; BUFFER]> {
        if F::is_given(self.owner(self.next)) {
            return None;
        }
        // SAFETY: the descriptor is the processor's, so that the device does not access the buffer, and this is the only
        // ring with this memory; it is borrowed for as long as the buffer is.
        Some(unsafe { &mut *self.memory.buffers[self.next].0.get() })
    }

    /// Gives the next buffer, which is the processor's, to the device: `length` bytes to be sent, or to be filled.
    ///
    /// # Panics
    /// If it is the device's.
    pub fn give(&mut self, length: usize) {
        let index = self.next;
        assert!(!F::is_given(self.owner(index)), "it is the device's already");
        let words = self.memory.descriptors[index].0.get();
        // What is in the buffer is there before the device may look.
        fence(Ordering::SeqCst);
        // SAFETY: the word of a descriptor that is the processor's, in memory to which there is no reference.
        unsafe { words.cast::<u32>().add(F::OWNER).write_volatile(F::given(length.min(BUFFER))) };
        // And this before a register tells it to.
        fence(Ordering::SeqCst);
        self.next = (index + 1) % N;
    }

    /// The word of a descriptor that says whose it is. What the device did before it wrote that is seen from here on.
    fn owner(&self, index: usize) -> u32 {
        const { assert!(F::OWNER < WORDS, "a word of the descriptor") };
        let words = self.memory.descriptors[index].0.get();
        // SAFETY: a word of a descriptor, in memory to which there is no reference; the device may write it, whole.
        let word = unsafe { words.cast::<u32>().add(F::OWNER).read_volatile() };
        fence(Ordering::SeqCst);
        word
    }

    fn address_of(&self, index: usize) -> u32 {
        self.bus_address(self.memory.descriptors[index].0.get().addr())
    }

    fn bus_address(&self, address: usize) -> u32 {
        address.wrapping_sub(self.origin) as u32
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::boxed::Box;
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
            assert!(address.is_multiple_of(16), "a descriptor is aligned");
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
            assert!(buffer.is_multiple_of(16));
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
}
