//! BSD-style sockets over smoltcp.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod error;
mod fmt;
mod frame;
pub mod limits;
mod loss;
mod neighbors;
pub mod netstat;
pub mod rng;
mod shared;
pub mod stack;
pub mod storage;
mod tcp;
mod time;
mod workaround;

pub use error::Error;
pub use limits::Limits;
pub use shared::Shared;
#[cfg(feature = "udp")]
pub use stack::UdpSocket;
pub use stack::{Conflict, NetConfig, NetStack, TcpSocket};
pub use storage::{Buffers, Sockets, Storage};
pub use tcp::backlog::{Backlog, BacklogView};
pub use time::earliest;
pub use {embedded_nal, heapless, smoltcp};
