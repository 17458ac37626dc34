//! The services: one file, one service, each generic over the `embedded-nal` traits.
//!
//! A service owns its sockets' handles, keeps its state in fixed arrays, and does all its work in
//! [`Service::poll`]: never blocking, never more than [`SERVICE_BUDGET`](crate::config::SERVICE_BUDGET) bytes a
//! connection. It returns the next moment it wants to be polled at even if nothing arrives: `Some(now)` if it
//! stopped for its budget, `None` if only the network can give it work.
//!
//! | port | TCP | UDP |
//! |---|---|---|
//! | 7 | [`echo`] | [`echo`] |
//! | 9 | [`discard`] | [`discard`] |
//! | 19 | [`chargen`] | - |
//! | 23 | [`shell`] | - |
//! | 80, with the feature `http` | `http` | - |
//! | client | [`telemetry`] | - |
//!
//! [`Services`] is all of them.
//!
//! # Write a service
//!
//! It is one file. Most services need no more than [`server`]: a type with [`Connection`](server::Connection), of
//! which there is a value for each client, and a [`Server`](server::Server) of it, which is a [`Service`].
//! `firmware/examples/shout.rs` is one, in all its lines; here it greets its clients too:
//!
//! ```
//! use core::net::SocketAddr;
//! use core::ops::ControlFlow;
//!
//! use embedded_nal::TcpClientStack;
//! use tapboard_firmware::service::buffer::Buffer;
//! use tapboard_firmware::service::server::{Connection, Server, Stop};
//!
//! struct Shout(Buffer<64>);
//!
//! impl<S: TcpClientStack, B> Connection<S, B> for Shout {
//!     fn new(_client: SocketAddr) -> Self {
//!         let mut answer = Buffer::new();
//!         answer.push(b"hello\n");
//!         Self(answer)
//!     }
//!
//!     fn serve(&mut self, stack: &mut S, socket: &mut S::TcpSocket, _: &mut B) -> ControlFlow<Stop> {
//!         loop {
//!             self.0.flush(stack, socket)?;
//!             if self.0.fill(stack, socket, 64)? == 0 {
//!                 return ControlFlow::Break(Stop::Done);
//!             }
//!             self.0.waiting().make_ascii_uppercase();
//!         }
//!     }
//! }
//!
//! /// Port 777, at most four clients at once. `H` is the stack's TCP handle.
//! const fn shout<H>() -> Server<H, Shout, 4> {
//!     Server::new(777)
//! }
//! # use tapboard_firmware::NetStack;
//! # use tapboard_firmware::service::Service;
//! # fn is_a_service<'a>(_: impl Service<NetStack<'a>, ()>) {}
//! # is_a_service(shout());
//! ```
//!
//! [`Firmware::with_services`](crate::Firmware::with_services) takes it alone, or in a tuple with others:
//! `(Services::new(config, 0, now), shout())`. Each port that a service listens on keeps a slot in reserve: give the
//! board one more ([`Storage`](crate::Storage), [`Sockets`](crate::Sockets)).
//!
//! | for | use |
//! |---|---|
//! | listening, accepting, a turn for each connection | [`server`] |
//! | a UDP port | [`datagram`] |
//! | bytes between two calls | [`buffer`] |
//! | bulk data, moved in the stack's own buffers | [`BufferAccess`](crate::BufferAccess) |
//! | a client, with its back-off | [`telemetry`] is one, on the bare traits |
//! | a command in the shell | [`command`] |
//!
//! `docs/service.md` has the rest: how to test it on a bad cable, and how to talk to it.

pub use self::about::About;
#[cfg(feature = "http")]
pub use self::access::Token;
pub use self::contract::Service;
pub use self::datagram::answers_by_itself;
pub use self::services::{ServiceConfig, Services};
pub use self::target::Target;

/// What neighbours are told of the stock services: [`NetConfig::with_mdns`](crate::NetConfig::with_mdns).
#[cfg(feature = "mdns")]
pub const SERVICES: &[tapboard_net::mdns::Service] = &[
    tapboard_net::mdns::Service { kind: "_echo._tcp", port: echo::PORT },
    tapboard_net::mdns::Service { kind: "_telnet._tcp", port: shell::PORT },
];

mod about;
mod access;
pub mod buffer;
pub mod chargen;
pub mod command;
mod complain;
mod contract;
pub mod datagram;
pub mod discard;
pub mod echo;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod fake_board;
#[cfg(feature = "http")]
pub mod http;
pub mod server;
mod services;
pub mod shell;
mod state;
#[cfg(feature = "suggest")]
mod suggest;
mod target;
pub mod telemetry;
mod telnet;
#[cfg(test)]
mod tests;
mod turn;
