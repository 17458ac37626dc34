//! What the compiler cannot check of a Cortex-M: unmasking, the vectors, the fault.

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::{NVIC, SCB};
use cortex_m_rt::{ExceptionFrame, exception};

/// Lets `interrupt` become pending in the interrupt controller, and so end `wfi`.
pub(crate) fn enable(interrupt: impl InterruptNumber) {
    // SAFETY: the one danger of unmasking an interrupt is a handler that runs in a critical section;
    // `PRIMASK` is what makes critical sections, and is not touched.
    unsafe { NVIC::unmask(interrupt) }
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
