//! Everything that the compiler cannot check: volatile accesses, the interrupt mask, the vectors, the unused stack.
#![allow(unsafe_code)]

use core::ptr;

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::{NVIC, SCB};
use cortex_m_rt::{ExceptionFrame, exception};

use crate::Registers;

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
    /// 32-bit register of the chip, whose accesses do not affect memory that Rust knows of.
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

/// Lets `interrupt` become pending in the interrupt controller, and so end `wfi`.
pub(crate) fn enable(interrupt: impl InterruptNumber) {
    // SAFETY: the one danger of unmasking an interrupt is a handler that runs in a critical section;
    // `PRIMASK` is what makes critical sections, and is not touched.
    unsafe { NVIC::unmask(interrupt) }
}

/// What cortex-m-rt's feature `paint-stack` writes over the stack at reset.
const PAINT: u32 = 0xcccc_cccc;

unsafe extern "C" {
    /// The end of the statics: how far the stack may grow. The linker's; only its address counts.
    static _stack_end: u32;
    /// Where the stack begins, to grow downwards.
    static _stack_start: u32;
}

/// The call stack's size at its deepest since reset, in bytes: from its beginning to the end of the
/// paint that is left at its far end. Cost: a reading of each word that was never used.
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

/// The vectors behind those of the exceptions. No interrupt is ever taken, and the runtime's own table is
/// for 240: it would be a kilobyte of flash. One is the least that the runtime takes.
// SAFETY: the section and the name are those that the runtime asks for. A 0 is never called; if it were, the
// processor would take it for an instruction set that it has not, which is a fault.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [usize; 1] = [0];

/// `unsafe` is the runtime's word for a handler that could be called from elsewhere; it does nothing unsafe.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    log::error!("fault at {:#010x}, called from {:#010x}", frame.pc(), frame.lr());
    SCB::sys_reset()
}
