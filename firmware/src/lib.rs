//! A microcontroller's TCP firmware: BSD-style sockets over smoltcp, services that use them, and one function
//! for a superloop to call. No `std`, no heap, no `unsafe`, no clock.
//!
//! The contract is that of [`Firmware::poll`]: it is given the time and the network interface, does what there
//! is to do, and returns when it wants to be called again. Between two calls the processor may sleep. A port
//! gives it a [`Device`](smoltcp::phy::Device), a [`Board`] and three statics; [`porting`] is the way there.
//!
//! ```
//! # use std::collections::VecDeque;
//! # use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
//! use smoltcp::time::Instant;
//! use tapboard_firmware::service::ServiceConfig;
//! use tapboard_firmware::{BOARD_NET, Board, BoardSockets, Firmware, McuStorage};
//!
//! struct Led(bool);
//!
//! impl Board for Led {
//!     fn set_led(&mut self, on: bool) {
//!         self.0 = on;
//!     }
//!     fn led(&self) -> bool {
//!         self.0
//!     }
//!     fn temperature_mc(&mut self) -> i32 {
//!         21_500
//!     }
//!     fn entropy(&mut self) -> Option<u64> {
//!         Some(0x5eed) // on a chip: its random generator
//!     }
//!     fn reset(&mut self) {}
//! }
//!
//! # /// A network interface in memory.
//! # #[derive(Default)]
//! # struct Nic { received: VecDeque<Vec<u8>>, sent: VecDeque<Vec<u8>> }
//! # struct Rx(Vec<u8>);
//! # struct Tx<'a>(&'a mut VecDeque<Vec<u8>>);
//! # impl RxToken for Rx {
//! #     fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R { f(&self.0) }
//! # }
//! # impl TxToken for Tx<'_> {
//! #     fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
//! #         self.0.push_back(vec![0; len]);
//! #         f(self.0.back_mut().unwrap())
//! #     }
//! # }
//! # impl Device for Nic {
//! #     type RxToken<'a> = Rx;
//! #     type TxToken<'a> = Tx<'a>;
//! #     fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
//! #         self.received.pop_front().map(|frame| (Rx(frame), Tx(&mut self.sent)))
//! #     }
//! #     fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> { Some(Tx(&mut self.sent)) }
//! #     fn capabilities(&self) -> DeviceCapabilities {
//! #         let mut capabilities = DeviceCapabilities::default();
//! #         capabilities.medium = Medium::Ethernet;
//! #         capabilities.max_transmission_unit = 1514;
//! #         capabilities
//! #     }
//! # }
//! let mut nic = Nic::default(); // any smoltcp::phy::Device
//! let (mut storage, mut sockets) = (McuStorage::new(), BoardSockets::new());
//! let services = ServiceConfig { name: "doc".try_into()?, telemetry: None };
//! let (net, now) = (BOARD_NET, Instant::ZERO);
//! let mut firmware =
//!     Firmware::new(&net, services, Led(false), &mut nic, now, &mut storage, &mut sockets)?;
//!
//! // Nothing to do: the processor may sleep until that moment, or until a frame arrives.
//! # while firmware.poll(Instant::ZERO, &mut nic) == Some(Instant::ZERO) {}
//! # nic.sent.clear(); // with IPv6, it has announced itself
//! let next = firmware.poll(now, &mut nic);
//! assert!(next > Some(now));
//!
//! // Who has 192.0.2.1? asks 192.0.2.2 (RFC 826); it answers.
//! let mut who_has = vec![0xff; 6];
//! who_has.extend([2, 0, 0x5e, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
//! who_has.extend([2, 0, 0x5e, 0, 0, 2, 192, 0, 2, 2, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
//! nic.received.push_back(who_has);
//! firmware.poll(Instant::from_secs(60), &mut nic);
//! assert_eq!(nic.sent.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to | see |
//! |---|---|
//! | use the sockets | [`NetStack`], and [`tapboard_net`], the crate they are in |
//! | write a service | [`service`], and [`service::server`] |
//! | add a command to the shell | [`service::command`] |
//! | keep an address and a name over a reset | [`settings`] |
//! | size it | [`storage`] for the RAM, [`config`] for every limit |
//! | bring it to a chip | [`porting`] |
//!
//! A module imports from those below it only: `porting`, `storage`, `firmware`, `service`, `board`, `buffer_access`,
//! `settings`, `resolve`, `config`.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod board;
pub mod buffer_access;
pub mod config;
pub mod firmware;
pub mod porting;
mod resolve;
pub mod service;
pub mod settings;
pub mod storage;

pub use board::{Board, EthernetAddress};
pub use buffer_access::BufferAccess;
pub use config::{BOARD_NET, PEER_NET};
pub use firmware::{BootError, Firmware};
pub use resolve::Resolve;
pub use settings::Settings;
pub use storage::{
    BoardSockets, ChipStorage, LargeStorage, LargeStorageOf, McuStorage, McuStorageOf,
};
#[cfg(feature = "mdns")]
pub use tapboard_net::mdns;
pub use tapboard_net::{
    Backlog, BacklogView, Buffers, Error, Limits, LookupError, NetConfig, NetStack, Sockets,
    Storage, TcpSocket, UdpSocket, earliest, netstat, rng, stack,
};
