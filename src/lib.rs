//! The tapboard simulator: a microcontroller's TCP firmware on a virtual NIC.

pub mod clock;
pub mod nic;
pub mod world;
