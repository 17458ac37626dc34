//! What several test files need.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod kernel_stack;
#[cfg(target_os = "linux")]
pub(crate) mod netns;
pub(crate) mod pair;
pub(crate) mod recorder;
