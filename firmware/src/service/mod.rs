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

use core::fmt;

use smoltcp::time::Instant;

pub use self::services::{About, ServiceConfig, Services};
use tapboard_net::earliest;

pub mod buffer;
pub mod chargen;
pub mod command;
pub mod datagram;
pub mod discard;
pub mod echo;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod fake_board;
pub mod server;
mod services;
pub mod shell;
#[cfg(feature = "suggest")]
mod suggest;
pub mod telemetry;
mod telnet;
#[cfg(test)]
mod tests;

/// A service on the stack `S` of the board `B`: what [`Firmware`](crate::Firmware) gives its turn.
///
/// Implement it for every `S` with the `embedded-nal` traits that it needs, and it runs on any stack that has them;
/// for every `B`, or every [`Board`](crate::Board), or one's own board, for its hardware. Tuples of up to eight
/// services are a service.
pub trait Service<S, B> {
    /// Does what can be done without waiting. Returns the next moment it wants to be polled at even if nothing
    /// arrives, never before `now`: `Some(now)` if it stopped for its budget, `None` if only the network can give it
    /// work.
    fn poll(&mut self, now: Instant, stack: &mut S, board: &mut B) -> Option<Instant>;

    /// Gives every handle back, so that each peer gets what is due and then a FIN. It is polled no more.
    fn shutdown(&mut self, stack: &mut S, board: &mut B);

    /// Opens its ports, before the stack looks at its first frame: a connection request that is waiting already is
    /// not refused. By default it is polled, and its deadline is of no account.
    fn open(&mut self, now: Instant, stack: &mut S, board: &mut B) {
        let _ = self.poll(now, stack, board);
    }

    /// Takes 64 random bits of the stack's, once, before [`Service::open`]: for jitter and the like.
    fn reseed(&mut self, seed: u64) {
        let _ = seed;
    }

    /// The cable is in again: what waits for an answer of the network need not wait longer.
    fn link_up(&mut self, stack: &mut S, board: &mut B) {
        let _ = (stack, board);
    }
}

/// Makes a [`Service`] of a tuple of services, each of which gets its turn, in order.
macro_rules! tuple {
    ($($name:ident $index:tt)*) => {
        impl<S, B, $($name: Service<S, B>),*> Service<S, B> for ($($name,)*) {
            fn poll(&mut self, now: Instant, stack: &mut S, board: &mut B) -> Option<Instant> {
                let _ = (now, &stack, &board);
                let deadline = None;
                $(let deadline = earliest(deadline, self.$index.poll(now, stack, board));)*
                deadline
            }

            fn shutdown(&mut self, stack: &mut S, board: &mut B) {
                let _ = (&stack, &board);
                $(self.$index.shutdown(stack, board);)*
            }

            fn open(&mut self, now: Instant, stack: &mut S, board: &mut B) {
                let _ = (now, &stack, &board);
                $(self.$index.open(now, stack, board);)*
            }

            fn reseed(&mut self, seed: u64) {
                let _ = seed;
                // Each its own.
                $(self.$index.reseed(seed.rotate_left(8 * $index));)*
            }

            fn link_up(&mut self, stack: &mut S, board: &mut B) {
                let _ = (&stack, &board);
                $(self.$index.link_up(stack, board);)*
            }
        }
    };
}

tuple!();
tuple!(V0 0);
tuple!(V0 0 V1 1);
tuple!(V0 0 V1 1 V2 2);
tuple!(V0 0 V1 1 V2 2 V3 3);
tuple!(V0 0 V1 1 V2 2 V3 3 V4 4);
tuple!(V0 0 V1 1 V2 2 V3 3 V4 4 V5 5);
tuple!(V0 0 V1 1 V2 2 V3 3 V4 4 V5 5 V6 6);
tuple!(V0 0 V1 1 V2 2 V3 3 V4 4 V5 5 V6 6 V7 7);

/// Logs what a service cannot do. One function, as each message is dear in flash.
#[inline(never)]
fn complain(protocol: &str, port: u16, what: &str, error: &dyn fmt::Debug) {
    log::error!("{protocol} port {port}: cannot {what}: {error:?}");
}

/// Whether whatever sits at UDP source `port` would answer an answer, so that none must be sent.
///
/// One forged datagram between two such services makes them talk for ever (CERT CA-1996-01). 0 is
/// no port to answer to (RFC 768: a source that wants no reply). The rest are services that reply
/// to any datagram, garbage included: echo 7, discard 9 (which never asks either), systat 11,
/// daytime 13, quote 17, chargen 19, time 37, DNS 53 (an error is a reply), TFTP 69 (likewise), NTP
/// 123.
#[must_use]
pub const fn answers_by_itself(port: u16) -> bool {
    matches!(port, 0 | 7 | 9 | 11 | 13 | 17 | 19 | 37 | 53 | 69 | 123)
}
