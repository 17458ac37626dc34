//! The virtual NICs: each a [`smoltcp::phy::Device`] of 1514-byte Ethernet frames.

pub mod loopback;
pub mod wire;
