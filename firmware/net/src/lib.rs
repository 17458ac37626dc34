//! BSD-style sockets over smoltcp.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

#[cfg(feature = "async")]
pub mod asynch;
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
#[cfg(feature = "async")]
mod wake;
mod workaround;

#[cfg(feature = "async")]
pub use asynch::Async;
pub use error::Error;
pub use limits::Limits;
pub use shared::Shared;
pub use stack::{Conflict, NetConfig, NetStack, TcpSocket, UdpSocket};
pub use storage::{Buffers, Sockets, Storage};
pub use tcp::backlog::{Backlog, BacklogView};
pub use time::earliest;
pub use {embedded_nal, heapless, smoltcp};
