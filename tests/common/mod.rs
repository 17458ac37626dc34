//! What several test files need.
#![allow(dead_code, reason = "each test binary uses a part of it")]

#[cfg(target_os = "linux")]
pub(crate) mod netns;
pub(crate) mod pair;
#[cfg(target_os = "linux")]
pub(crate) mod process;
#[cfg(target_os = "linux")]
pub(crate) mod user;
