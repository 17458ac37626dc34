//! What a RISC-V does at a trap. The compiler cannot check that the name is the runtime's.
#![allow(unsafe_code)]

use riscv::register::{mcause, mepc};
use riscv_rt::TrapFrame;

use super::reset;

/// Every exception, none of which is expected.
// SAFETY: the name is the one that the runtime gives to the handler of this signature.
#[unsafe(no_mangle)]
extern "C" fn ExceptionHandler(frame: &TrapFrame) -> ! {
    let cause = mcause::read().code();
    log::error!("trap {cause} at {:#010x}, called from {:#010x}", mepc::read(), frame.ra);
    reset()
}
