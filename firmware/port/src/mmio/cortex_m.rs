//! What the compiler cannot check of a Cortex-M: unmasking, silence, the vectors, the fault.

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::{NVIC, SCB, SYST};
#[cfg(feature = "fault-handler")]
use cortex_m_rt::{ExceptionFrame, exception};

/// Lets `interrupt` become pending in the interrupt controller, and so end `wfi`.
pub(crate) fn enable(interrupt: impl InterruptNumber) {
    // SAFETY: the one danger of unmasking an interrupt is a handler that runs in a critical section;
    // `PRIMASK` is what makes critical sections, and is not touched.
    unsafe { NVIC::unmask(interrupt) }
}

/// Leaves nothing that could end `wfi`: `SysTick` stands, every interrupt is masked, and none of them is pending.
pub(crate) fn silence() {
    const ALL: u32 = u32::MAX;
    // SAFETY: these registers are the core's own, at addresses that the architecture fixes. Nothing relies on a
    // timer that stands or on an interrupt that does not come, for whoever calls this goes on to nothing else.
    unsafe {
        (*SYST::PTR).csr.write(0);
        let controller = &*NVIC::PTR;
        for (mask, pending) in controller.icer.iter().zip(&controller.icpr) {
            mask.write(ALL);
            pending.write(ALL);
        }
    }
    SCB::clear_pendst();
}

/// Has `operate` work on the cache.
#[cfg(target_has_atomic = "ptr")]
pub(crate) fn with_cache(operate: impl FnOnce(&mut SCB)) {
    // SAFETY: the registers for that are only written to, and without state; nobody else's work is disturbed.
    operate(&mut unsafe { cortex_m::Peripherals::steal() }.SCB);
}

/// The vectors behind those of the exceptions. No interrupt is ever taken, and the runtime's own table is
/// for 240: it would be a kilobyte of flash. One is the least that the runtime takes.
#[cfg(feature = "vectors")]
// SAFETY: the section and the name are those that the runtime asks for. A 0 is never called; if it were, the
// processor would take it for an instruction set that it has not, which is a fault.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [usize; 1] = [0];

/// `unsafe` is the runtime's word for a handler that could be called from elsewhere; it does nothing unsafe.
#[cfg(feature = "fault-handler")]
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    log::error!("fault at {:#010x}, called from {:#010x}", frame.pc(), frame.lr());
    SCB::sys_reset()
}
