//! What all processors have: a sleep without end, a reset, a section without interrupts.

#[cfg(all(target_arch = "arm", feature = "panic-handler"))]
pub(crate) use crate::cortex_m::reset;
#[cfg(target_arch = "arm")]
pub(crate) use crate::cortex_m::{Mutex, free, halt};
#[cfg(all(target_arch = "riscv32", feature = "panic-handler"))]
pub(crate) use crate::riscv::reset;
#[cfg(target_arch = "riscv32")]
pub(crate) use crate::riscv::{Mutex, free, halt};
