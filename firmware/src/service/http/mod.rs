//! HTTP/1.1 (RFC 9110, RFC 9112), TCP port 80: the board's own page, and what it is made of.
//!
//! | resource | methods | what |
//! |---|---|---|
//! | `/` | GET, HEAD | the page, gzip |
//! | `/api/status` | GET, HEAD | JSON: temperature, LED, uptime, counters, sockets |
//! | `/events` | GET, HEAD | the same once a second, as server-sent events |
//! | `/metrics` | GET, HEAD | Prometheus' text format |
//! | `/api/led` | POST | `on`, `off` or `toggle` switches the LED |
//! | `/api/login` | POST | whether the token is right |
//!
//! Whoever can reach the port can read, but for other web pages in somebody's browser: `Host` has to be an address or a
//! name of the board's, and `Origin`, if it is there, the same. What is a POST needs the board's [token](super::Token) in
//! `Authorization: Bearer`. A board without a token changes nothing over HTTP.
//!
//! A connection takes its requests one by one, as they come: split anywhere, or many at once. It has so much time for each
//! step - [`HTTP_REQUEST_TIME`](crate::config::HTTP_REQUEST_TIME) for a request,
//! [`HTTP_ANSWER_TIME`](crate::config::HTTP_ANSWER_TIME) for an answer, [`HTTP_IDLE`](crate::config::HTTP_IDLE) in
//! between - and [`HTTP_REQUESTS`](crate::config::HTTP_REQUESTS), so that it takes its place for a bounded time from
//! others. No head is kept, nor any content but a short one: RAM is one line of input and
//! [`HTTP_OUTPUT`](crate::config::HTTP_OUTPUT) bytes of output a connection.
//!
//! | file | what |
//! |---|---|
//! | `session` | one connection: a request's content, what comes of it, the times |
//! | `request`, `field` | a request's head, as it is read byte by byte, and its fields |
//! | `authority` | whether `Host` and `Origin` are this board |
//! | `answer`, `status` | heads of answers |
//! | `report`, `page` | status, events and metrics; the page itself |

mod answer;
mod authority;
mod field;
mod page;
mod report;
mod request;
mod session;
mod status;

use embedded_nal::TcpFullStack;
use smoltcp::time::{Duration, Instant};
use tapboard_net::earliest;
use tapboard_net::netstat::{Count, Introspect};

use self::session::Session;
use super::about::About;
use super::access::Access;
use super::server::Server;
use crate::board::Board;
use crate::buffer_access::BufferAccess;
use crate::config::HTTP_CONNECTIONS;

/// The port of RFC 9110 4.2.1.
pub const PORT: u16 = 80;

/// The HTTP server. `T` is the stack's TCP handle.
#[derive(Debug)]
pub struct Http<T> {
    tcp: Server<T, Session, HTTP_CONNECTIONS>,
    /// Streams of events that are open.
    streams: u8,
    link_ups: Count,
}

impl<T> Default for Http<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// What a report tells beside the stack and the board.
#[derive(Clone, Copy, Debug)]
struct Facts<'a> {
    about: &'a About<'a>,
    now: Instant,
    /// Whether there is a token.
    login: bool,
    link_ups: Count,
}

impl Facts<'_> {
    fn uptime(&self) -> Duration {
        self.now - self.about.boot
    }
}

/// What a connection works with, beside its own state.
struct Context<'a, B> {
    facts: Facts<'a>,
    board: &'a mut B,
    access: &'a mut Access,
    streams: &'a mut u8,
    /// All places are taken.
    full: bool,
    /// Somebody waits for one of the stack's.
    awaited: bool,
    /// When the first of the connections wants its turn.
    deadline: Option<Instant>,
}

impl<T> Http<T> {
    /// A service that will listen from its first poll on.
    #[must_use]
    pub const fn new() -> Self {
        Self { tcp: Server::new(PORT), streams: 0, link_ups: 0 }
    }

    /// Reads and answers what has come in. See [`super`] for the contract.
    pub(super) fn poll<S, B>(
        &mut self,
        now: Instant,
        stack: &mut S,
        board: &mut B,
        about: &About<'_>,
        access: &mut Access,
    ) -> Option<Instant>
    where
        S: TcpFullStack<TcpSocket = T> + BufferAccess + Introspect,
        B: Board,
    {
        let login = access.token.is_some();
        let facts = Facts { about, now, login, link_ups: self.link_ups };
        let full = self.tcp.is_full();
        let streams = &mut self.streams;
        let awaited = stack.is_awaited(PORT);
        let mut context = Context { facts, board, access, streams, full, awaited, deadline: None };
        let deadline = self.tcp.poll(now, stack, &mut context);
        earliest(deadline, context.deadline)
    }

    /// The cable is in again.
    pub(super) const fn link_up(&mut self) {
        self.link_ups = self.link_ups.wrapping_add(1);
    }

    /// Gives every handle back.
    pub fn close<S: TcpFullStack<TcpSocket = T>>(&mut self, stack: &mut S) {
        self.tcp.close(stack);
        self.streams = 0;
    }
}
