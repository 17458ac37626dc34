//! Everything that the compiler cannot check: volatile accesses, the interrupt mask, the vectors, the unused stack.
#![allow(unsafe_code)]

use core::ptr;

use log::Log;

use crate::registers::Registers;

#[cfg(target_arch = "arm")]
pub(crate) mod cortex_m;
#[cfg(all(target_arch = "riscv32", feature = "paint-stack"))]
mod paint;
#[cfg(target_arch = "riscv32")]
pub(crate) mod riscv;

/// A block of registers at an address.
#[derive(Debug)]
pub struct Block {
    base: usize,
}

impl Block {
    /// The block at `address`.
    ///
    /// # Safety
    ///
    /// `address` is a multiple of 4. Every offset that is read or written through the block names a
    /// 32-bit register of the chip, whose accesses do not affect memory that Rust knows of; but those of a driver over
    /// [`dma::Ring`](crate::dma::Ring)s may make the chip access the memory of these, as the rings' contract has it.
    #[must_use]
    pub const unsafe fn at(address: usize) -> Self {
        Self { base: address }
    }
}

impl Registers for Block {
    #[inline]
    fn read(&mut self, offset: usize) -> u32 {
        // SAFETY: a register of the chip, by the contract of `at`; no Rust object lives there.
        unsafe { ptr::without_provenance::<u32>(self.base + offset).read_volatile() }
    }

    #[inline]
    fn write(&mut self, offset: usize, value: u32) {
        // SAFETY: a register of the chip, by the contract of `at`; no Rust object lives there.
        unsafe { ptr::without_provenance_mut::<u32>(self.base + offset).write_volatile(value) }
    }
}

/// A block of registers of a byte each.
#[derive(Debug)]
pub struct Bytes {
    base: usize,
}

impl Bytes {
    /// The block at `address`.
    ///
    /// # Safety
    ///
    /// Every offset that is read or written through the block names an 8-bit register of the chip, whose accesses
    /// do not affect memory that Rust knows of.
    #[must_use]
    pub const unsafe fn at(address: usize) -> Self {
        Self { base: address }
    }

    /// Reads the register at `offset`.
    #[inline]
    pub fn read(&mut self, offset: usize) -> u8 {
        // SAFETY: a register of the chip, by the contract of `at`; no Rust object lives there.
        unsafe { ptr::without_provenance::<u8>(self.base + offset).read_volatile() }
    }

    /// Writes the register at `offset`.
    #[inline]
    pub fn write(&mut self, offset: usize, value: u8) {
        // SAFETY: a register of the chip, by the contract of `at`; no Rust object lives there.
        unsafe { ptr::without_provenance_mut::<u8>(self.base + offset).write_volatile(value) }
    }
}

/// Makes `logger` the program's, unless there is one. Whether it is.
pub(crate) fn set_logger(logger: &'static dyn Log) -> bool {
    #[cfg(target_has_atomic = "ptr")]
    return log::set_logger(logger).is_ok();
    // SAFETY: no interrupt logs, since none has a handler, and no other core: nobody else sets or uses a logger meanwhile.
    #[cfg(not(target_has_atomic = "ptr"))]
    return unsafe { log::set_logger_racy(logger).is_ok() };
}

/// As [`log::set_max_level`].
pub(crate) fn set_max_level(level: log::LevelFilter) {
    #[cfg(target_has_atomic = "ptr")]
    log::set_max_level(level);
    // SAFETY: as in `set_logger`.
    #[cfg(not(target_has_atomic = "ptr"))]
    unsafe {
        log::set_max_level_racy(level);
    }
}

/// What the unused stack is filled with at reset: by cortex-m-rt's feature `paint-stack`, or by `paint`.
#[cfg(feature = "paint-stack")]
const PAINT: u32 = 0xcccc_cccc;

#[cfg(feature = "paint-stack")]
unsafe extern "C" {
    /// The end of the statics: how far the stack may grow. The linker's; only its address counts.
    #[cfg_attr(target_arch = "riscv32", link_name = "__estack")]
    static _stack_end: u32;
    /// Where the stack begins, to grow downwards.
    static _stack_start: u32;
}

/// The call stack's size at its deepest since reset, in bytes: from its beginning to the end of the
/// paint that is left at its far end. Cost: a reading of each word that was never used.
#[cfg(feature = "paint-stack")]
#[must_use]
pub fn stack_peak() -> usize {
    let start = (&raw const _stack_start).addr();
    let mut word = (&raw const _stack_end).addr();
    // SAFETY: from the end of the statics up to the stack, RAM belongs to no Rust object, so that a
    // volatile reading of it is one of plain memory. The paint ends before the frame of this function.
    while word < start && unsafe { ptr::without_provenance::<u32>(word).read_volatile() } == PAINT {
        word += size_of::<u32>();
    }
    start - word
}
