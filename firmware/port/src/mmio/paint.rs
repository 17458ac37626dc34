//! The paint on a RISC-V's stack, which its runtime does not have.

use core::arch::asm;
use core::ptr;

use riscv_rt::post_init;

use super::{_stack_end, PAINT};

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
