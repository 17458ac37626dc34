//! What the compiler cannot check of a RISC-V: unmasking, and the paint on the stack.

use core::arch::asm;
use core::ptr;

use riscv::register::mie;
use riscv_rt::post_init;

use super::{_stack_end, PAINT};

/// Lets the timer's interrupt and those of the interrupt controller end `wfi`.
pub(crate) fn enable() {
    // SAFETY: the one danger of enabling an interrupt is a handler that runs in a critical section;
    // `mstatus.MIE` is what makes critical sections, and is not touched.
    unsafe {
        mie::set_mtimer();
        mie::set_mext();
    }
}

/// Lets neither of them end `wfi`.
pub(crate) fn disable() {
    // SAFETY: nothing relies on an interrupt that does not come.
    unsafe {
        mie::clear_mtimer();
        mie::clear_mext();
    }
}

/// What [`paint`] leaves below the stack pointer, for the calls that it makes where nothing is inlined, bytes.
const CALLS: usize = 256;

/// Fills the unused stack, before `main`: riscv-rt does not.
#[post_init]
fn paint(_hart: usize) {
    let sp: usize;
    // SAFETY: it reads a register.
    unsafe { asm!("mv {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    let mut word = (&raw const _stack_end).addr();
    while word < sp - CALLS {
        // SAFETY: from the end of the statics up to the stack pointer, RAM belongs to no Rust object and, up to
        // `CALLS` before it, to no frame of a function; this calling convention has no red zone, and no interrupt is enabled.
        unsafe { ptr::without_provenance_mut::<u32>(word).write_volatile(PAINT) };
        word += size_of::<u32>();
    }
}
