//! A microcontroller's TCP firmware.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod backlog;
pub mod board;
pub mod config;
mod crafted;
mod egress;
mod fin;
pub mod firmware;
mod ingress;
mod listener;
mod moment;
mod neighbors;
pub mod netstat;
pub mod porting;
mod recovery;
pub mod rng;
mod round_trip;
pub mod service;
pub mod stack;
pub mod storage;

pub use backlog::Backlog;
pub use board::Board;
pub use firmware::{BootError, Firmware};
pub use stack::{Error, NetConfig, NetStack, TcpSocket, UdpSocket};
pub use storage::{BoardSockets, Buffers, ChipStorage, LargeStorage, McuStorage, Sockets, Storage};
