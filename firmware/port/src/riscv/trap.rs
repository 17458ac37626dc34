//! What a RISC-V does at a trap.

use riscv::register::{mcause, mepc};
use riscv_rt::TrapFrame;

use crate::riscv::reset;

/// Every exception, none of which is expected.
// SAFETY: the name is the one that the runtime gives to the handler of this signature.
#[unsafe(no_mangle)]
extern "C" fn ExceptionHandler(frame: &TrapFrame) -> ! {
    let cause = mcause::read().code();
    log::error!("trap {cause} at {:#010x}, called from {:#010x}", mepc::read(), frame.ra);
    reset()
}
