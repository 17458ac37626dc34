//! What all processors have: a sleep without end, a reset, a section without interrupts.

#[cfg(target_arch = "arm")]
pub(crate) use crate::cortex_m::{Mutex, free, halt, reset};
#[cfg(target_arch = "riscv32")]
pub(crate) use crate::riscv::{Mutex, free, halt, reset};
