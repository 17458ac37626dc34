//! The stack of [`tapboard_net`], and the services of `tapboard-firmware`, on drivers that exist: those of
//! [`embassy_net_driver`], for Ethernet, Wi-Fi, USB, PPP.
//!
//! - [`Adapter`] is a driver as smoltcp's `Device`, for as long as one poll takes, under the waker of one task;
//! - [`run`] drives a stack that `async` sockets share ([`tapboard_net::Async`]), for ever;
//! - `run_firmware`, with the feature `firmware`, drives a board with its services;
//! - [`Clock`] is the time that they want: `EmbassyTime` is that of `embassy-time`, with the feature `time`.
//!
//! ```no_run
//! # fn no_entropy() -> u64 { 4 }
//! use core::cell::RefCell;
//! use embassy_net_driver::Driver;
//! use tapboard_embassy::{Adapter, Clock, EmbassyTime, mac_address, run};
//! use tapboard_net::{Async, NetConfig, NetStack, Sockets, Storage};
//! use tapboard_net::smoltcp::wire::{Ipv4Address, Ipv4Cidr};
//!
//! async fn network(mut driver: impl Driver) -> ! {
//!     let mac = mac_address(&driver).expect("it is an Ethernet");
//!     let address = Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 1), 24);
//!     let config = NetConfig::new(mac).with_ipv4(address);
//!     // On a chip these are statics.
//!     let mut memory = Storage::<4, 2048, 1, 1472>::new();
//!     let mut places = Sockets::<4, 1, 8, 2>::new();
//!     let mut clock = EmbassyTime;
//!     let stack = Adapter::with(&mut driver, |device| {
//!         NetStack::new(&config, device, clock.now(), no_entropy(), &mut memory, &mut places)
//!     });
//!     let stack = RefCell::new(stack);
//!     let net = Async::new(&stack);
//!     // Beside it, tasks with `net.tcp_listen`, `net.tcp_connect` and so on.
//!     run(net, &mut driver, &mut clock).await
//! }
//! ```
//!
//! **Contract.** A driver wakes the waker that it was given last, when a frame has come, when there is room again, and
//! when the link changes: so [`Driver`](embassy_net_driver::Driver) says. Then a turn is taken for each such event, for
//! each deadline of the stack, for each call that leaves something to send, and for nothing else. After each turn the other tasks of the executor
//! get theirs.
//!
//! A module imports from those below it only: `run` and `firmware`, `turn`, `adapter`, `clock`.
//!
//! **Cost.** No buffer and no copy: a frame is read and written where the driver has it.
#![no_std]
#![forbid(unsafe_code)]

mod adapter;
mod clock;
#[cfg(feature = "firmware")]
mod firmware;
mod run;
mod turn;

pub use adapter::{Adapter, RxToken, TxToken, mac_address};
pub use clock::Clock;
#[cfg(feature = "time")]
pub use clock::EmbassyTime;
#[cfg(feature = "firmware")]
pub use firmware::run_firmware;
pub use run::run;
pub use {embassy_net_driver, tapboard_net};
