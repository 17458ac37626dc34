//! Rings of buffers that a MAC fills or sends by itself: what of them is the same for every chip, without `unsafe` for
//! who writes a driver.
//!
//! A ring is descriptors in RAM, each with a buffer and one owner: the device, or the processor. A bit of a descriptor's
//! word says which. [`Ring`] hands out a buffer only while its descriptor is the processor's, and gives it back with one
//! write, which comes after all of the frame's. Both go round in the same order.
//!
//! What a MAC's descriptors look like is a [`Format`], a few constants. They are chained, each with the address of the next
//! and the last with that of the first, as in `ethernet::smartfusion2`; or they are an array, whose last one says so, as in
//! `ethernet::gem`.
//!
//! **Contract.** The device accesses memory by the descriptors of rings only, and those that are its own; that it is
//! told of no other address is the driver's to see to. Buffers and descriptors are aligned to [`LINE`] bytes, and share no
//! line of a cache with anything. Where there is a cache between the device and the processor, and the rings are not in memory
//! that bypasses it, the ring is told of it ([`Ring::with_cache`]): it cleans what it gives, and invalidates what it gets
//! back. RAM lies where the bus has it (`origin`).
//!
//! **Cost.** [`LINE`] bytes a descriptor, [`BUFFER`] bytes a buffer; no copy.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{Ordering, fence};

use tapboard_firmware::config::FRAME_SIZE;

/// Bytes of the longest line that a cache may have: that of a Cortex-M7.
pub const LINE: usize = 32;

/// Bytes of a buffer: a frame and its checksum.
pub const BUFFER: usize = (FRAME_SIZE + 4).next_multiple_of(LINE);

/// Words of a descriptor, those that a MAC does not look at included.
pub const WORDS: usize = 4;

/// How a kind of MAC lays out its descriptors, in one direction.
pub trait Format {
    /// Bytes from one descriptor to the next: a multiple of 4, and [`LINE`] at most. A MAC whose descriptors are an array
    /// says how large they are; behind a cache they have to be a whole line each.
    const STRIDE: usize = LINE;

    /// The word that says whose a descriptor is.
    const OWNER: usize;

    /// The word that says how long the frame is.
    const LENGTH: usize = Self::OWNER;

    /// That word for a descriptor that has never been the device's.
    const UNUSED: u32;

    /// That word for a buffer of which the device may use `length` bytes: to be filled, or to be sent.
    fn given(length: usize) -> u32;

    /// Whether a descriptor with that word is the device's.
    fn is_given(word: u32) -> bool;

    /// `word`, one of those, for a certain descriptor: of a MAC that has more in it than whose it is.
    #[must_use]
    fn placed(word: u32, place: Place) -> u32 {
        let _ = place;
        word
    }

    /// The bytes of the frame that the device has put into the buffer.
    fn length(word: u32) -> usize;

    /// All words, for a buffer and a next descriptor at these addresses; the one that says whose it is does not count. Those
    /// behind [`Format::STRIDE`] are not written.
    fn chain(buffer: u32, next: u32) -> [u32; WORDS];
}

/// A descriptor of a ring.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Where the device finds its buffer.
    pub buffer: u32,
    /// It is the last, and the first follows.
    pub last: bool,
}

/// The cache between the processor and RAM that the device sees. Addresses and lengths are whole lines, of a ring's
/// memory.
pub trait Cache {
    /// There is none.
    const COHERENT: bool = false;

    /// Has RAM hold what the processor has written there.
    fn clean(&self, address: usize, length: usize);

    /// Has the processor read what RAM holds there, which it has not written to since [`Cache::clean`].
    fn invalidate(&self, address: usize, length: usize);
}

/// There is none, or the rings are in memory that bypasses it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Coherent;

impl Cache for Coherent {
    const COHERENT: bool = true;

    fn clean(&self, _address: usize, _length: usize) {}

    fn invalidate(&self, _address: usize, _length: usize) {}
}

#[repr(align(32))]
#[expect(dead_code, reason = "it is reached by its address, with those beside it")]
struct Descriptor(UnsafeCell<[u32; LINE / 4]>);

#[repr(align(32))]
struct Buffer(UnsafeCell<[u8; BUFFER]>);

const _: () = assert!(align_of::<Descriptor>() == LINE && align_of::<Buffer>() == LINE);

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
            descriptors: [const { Descriptor(UnsafeCell::new([0; LINE / 4])) }; N],
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
pub struct Ring<F, const N: usize, C = Coherent> {
    memory: &'static Memory<N>,
    origin: usize,
    /// The descriptor that is the processor's next.
    next: usize,
    /// The next buffer was the device's, and the processor may have an older one of it in its cache.
    stale: bool,
    cache: C,
    format: PhantomData<F>,
}

impl<F, const N: usize, C> fmt::Debug for Ring<F, N, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("next", &self.next).finish_non_exhaustive()
    }
}

impl<F: Format, const N: usize> Ring<F, N> {
    /// A ring whose buffers are all the processor's. `origin` is where the processor has what the device calls address
    /// 0; with most chips that is 0.
    pub fn new(memory: &'static mut Memory<N>, origin: usize) -> Self {
        Self::with_cache(memory, origin, Coherent)
    }

    /// As [`Ring::new`], with all buffers given to the device, to be filled.
    pub fn to_fill(memory: &'static mut Memory<N>, origin: usize) -> Self {
        Self::new(memory, origin).given_to_fill()
    }
}

impl<F: Format, const N: usize, C: Cache> Ring<F, N, C> {
    /// As [`Ring::new`], with a cache between the processor and the memory.
    pub fn with_cache(memory: &'static mut Memory<N>, origin: usize, cache: C) -> Self {
        const {
            assert!(N > 0, "a ring has a descriptor");
            assert!(F::STRIDE.is_multiple_of(4) && F::STRIDE <= LINE, "whole words of a line");
            assert!(C::COHERENT || F::STRIDE == LINE, "no two descriptors are in one line");
            assert!(F::OWNER < WORDS && F::LENGTH < WORDS && F::OWNER * 4 < F::STRIDE);
        };
        let ring = Self { memory, origin, next: 0, stale: true, cache, format: PhantomData };
        for index in 0..N {
            let place = ring.place(index);
            let mut words = F::chain(place.buffer, ring.address_of((index + 1) % N));
            words[F::OWNER] = F::placed(F::UNUSED, place);
            for (number, word) in words.into_iter().enumerate().take(F::STRIDE / 4) {
                // SAFETY: the ring is the only one to access its memory, and the device has been told of nothing yet.
                unsafe { ring.word(index, number).write_volatile(word) };
            }
            ring.clean_descriptor(index);
        }
        ring
    }

    /// With all buffers given to the device, to be filled.
    #[must_use]
    pub fn given_to_fill(mut self) -> Self {
        for _ in 0..N {
            self.give(BUFFER);
        }
        self
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
        // SAFETY: a word of a descriptor that is the processor's, in memory to which there is no reference.
        let length = || unsafe { self.word(self.next, F::LENGTH).read_volatile() };
        (!F::is_given(word)).then(|| F::length(length()).min(BUFFER))
    }

    /// The next buffer, if it is the processor's.
    pub fn buffer(&mut self) -> Option<&mut [u8; BUFFER]> {
        if F::is_given(self.owner(self.next)) {
            return None;
        }
        let place = self.memory.buffers[self.next].0.get();
        if core::mem::take(&mut self.stale) {
            self.cache.invalidate(place.addr(), BUFFER);
        }
        // SAFETY: the descriptor is the processor's, so that the device does not access the buffer, and this is the only
        // ring with this memory; it is borrowed for as long as the buffer is.
        Some(unsafe { &mut *place })
    }

    /// Gives the next buffer, which is the processor's, to the device: `length` bytes to be sent, or to be filled.
    ///
    /// # Panics
    /// If it is the device's.
    pub fn give(&mut self, length: usize) {
        let index = self.next;
        assert!(!F::is_given(self.owner(index)), "it is the device's already");
        // What is in the buffer is there before the device may look; and no line of it that the processor has written to is
        // left, to be written to RAM when the device has filled it.
        self.cache.clean(self.memory.buffers[index].0.get().addr(), BUFFER);
        fence(Ordering::SeqCst);
        let word = F::placed(F::given(length.min(BUFFER)), self.place(index));
        // SAFETY: the word of a descriptor that is the processor's, in memory to which there is no reference.
        unsafe { self.word(index, F::OWNER).write_volatile(word) };
        self.clean_descriptor(index);
        // And this before a register tells it to.
        fence(Ordering::SeqCst);
        self.next = (index + 1) % N;
        self.stale = true;
    }

    fn clean_descriptor(&self, index: usize) {
        self.cache.clean(self.word(index, 0).addr(), LINE);
    }

    /// The word of a descriptor that says whose it is. What the device did before it wrote that is seen from here on.
    fn owner(&self, index: usize) -> u32 {
        self.cache.invalidate(self.word(index, 0).addr(), LINE);
        // SAFETY: a word of a descriptor, in memory to which there is no reference; the device may write it, whole.
        let word = unsafe { self.word(index, F::OWNER).read_volatile() };
        fence(Ordering::SeqCst);
        word
    }

    /// A word of a descriptor: within the memory of all of them, as the assertions of `with_cache` have it.
    fn word(&self, index: usize, number: usize) -> *mut u32 {
        debug_assert!(index < N && number < LINE / 4);
        let first = (&raw const self.memory.descriptors).cast::<u32>().cast_mut();
        first.wrapping_add(index * (F::STRIDE / 4) + number)
    }

    fn place(&self, index: usize) -> Place {
        let buffer = self.bus_address(self.memory.buffers[index].0.get().addr());
        Place { buffer, last: index + 1 == N }
    }

    fn address_of(&self, index: usize) -> u32 {
        self.bus_address(self.word(index, 0).addr())
    }

    fn bus_address(&self, address: usize) -> u32 {
        address.wrapping_sub(self.origin) as u32
    }
}

#[cfg(test)]
pub(crate) mod tests;
