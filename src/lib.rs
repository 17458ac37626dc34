//! The simulator: the firmware crate on a virtual NIC that the real network can reach.

pub mod nic;
