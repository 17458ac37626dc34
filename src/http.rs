//! A small HTTP server in the driver's loop: for the gateway's API, and for metrics.
//!
//! So many clients at once; further ones wait in the kernel's backlog. Each has one request, and five seconds for it and
//! its answer, after which the connection is closed: who is slow or silent holds one place for so long, and nothing else
//! waits. Whoever may connect may use it; pages of a browser may not (`request.rs`).

mod reply;
mod request;
mod server;

pub(crate) use self::reply::Reply;
pub(crate) use self::request::{Method, Request};
pub(crate) use self::server::{Server, ServerUse};

/// A port to propose in place of one that will not do.
pub(crate) const fn other_port(port: u16) -> u16 {
    if port < 64_000 { port + 1000 } else { port - 1000 }
}
