//! The tapboard simulator: a microcontroller's TCP firmware on a virtual NIC.

pub mod board;
pub mod capture;
pub mod cli;
pub mod clock;
pub mod console;
pub mod gateway;
pub mod guest;
pub mod ladder;
pub mod link;
pub mod nic;
pub mod output;
pub mod run;
pub mod segment;
pub mod sim;
#[cfg(target_os = "linux")]
pub mod tap;
pub mod user;
pub mod walk;
pub mod world;

#[cfg(test)]
#[path = "../tests/common/ports.rs"]
mod ports;
#[cfg(test)]
#[path = "../tests/common/scratch.rs"]
mod scratch;
