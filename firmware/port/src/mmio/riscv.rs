//! What the compiler cannot check of a RISC-V: unmasking.

use riscv::register::mie;

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
