//! The NICs a simulated board can have: each is a [`smoltcp::phy::Device`], so that the firmware
//! cannot tell them apart.

#[cfg(target_os = "linux")]
pub mod tap;
