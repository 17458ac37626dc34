//! The services: one file, one service, each generic over the `embedded-nal` traits.
//!
//! A service owns its sockets' handles, keeps its state in fixed arrays, and does all its work in
//! `poll(now, &mut stack, ..) -> Option<Instant>`: never blocking, never more than
//! [`crate::config::SERVICE_BUDGET`] bytes a connection. It returns the next moment it wants to be
//! polled at even if nothing arrives: `Some(now)` if it stopped for its budget, `None` if only the
//! network can give it work.
//!
//! | port | TCP | UDP |
//! |---|---|---|
//! | 7 | [`echo`] | [`echo`] |
//! | 9 | [`discard`] | [`discard`] |
//! | 19 | [`chargen`] | - |
//! | 23 | [`shell`] | - |
//! | client | [`telemetry`] | - |
//!
//! Under them: [`server`] (listen, accept, give each connection its turn), `datagram` (a bound UDP
//! port) and [`buffer`] (bytes between two calls); `telnet` and `command` are the shell's ears.
//! [`Services`] is all of them with one `poll`. A service of one's own is made of [`server`] and [`buffer`]
//! too, and gets its turn from [`Firmware::poll_with`](crate::Firmware::poll_with).

use core::fmt;
use core::net::SocketAddr;

use embedded_nal::{TcpFullStack, UdpFullStack};
use smoltcp::time::Instant;

use self::chargen::Chargen;
use self::discard::Discard;
use self::echo::Echo;
use self::shell::Shell;
use self::telemetry::Telemetry;
use crate::board::Board;
use crate::buffer_access::BufferAccess;
use crate::config::BOARD_NAME;
use crate::moment::earliest;
use crate::netstat::{Count, Introspect};

pub mod buffer;
pub mod chargen;
mod command;
mod datagram;
pub mod discard;
pub mod echo;
#[cfg(test)]
mod fake;
pub mod server;
pub mod shell;
pub mod telemetry;
mod telnet;
#[cfg(test)]
mod tests;

/// What the services have to be told.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// The board's name in the shell's greeting and in telemetry.
    pub name: heapless::String<BOARD_NAME>,
    /// Where telemetry goes, or `None` for no telemetry.
    pub telemetry: Option<SocketAddr>,
}

/// What a service may tell a peer about the board.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The board's name.
    pub name: &'a str,
    /// When the board booted.
    pub boot: Instant,
    /// What the services counted, for `stats`; the stack's own counters come from [`Introspect`].
    pub counters: &'a [(&'static str, Count)],
}

/// All services of the firmware, on the stack `S`.
pub struct Services<S: TcpFullStack + UdpFullStack> {
    name: heapless::String<BOARD_NAME>,
    boot: Instant,
    echo: Echo<S::TcpSocket, S::UdpSocket>,
    discard: Discard<S::TcpSocket, S::UdpSocket>,
    chargen: Chargen<S::TcpSocket>,
    shell: Shell<S::TcpSocket>,
    telemetry: Option<Telemetry<S::TcpSocket>>,
    closed: bool,
}

impl<S: TcpFullStack + UdpFullStack> fmt::Debug for Services<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<S: TcpFullStack + UdpFullStack + BufferAccess + Introspect> Services<S> {
    /// The services of a board that booted at `now`. `seed` is for telemetry's jitter.
    #[must_use]
    #[inline(never)]
    pub fn new(config: ServiceConfig, seed: u64, now: Instant) -> Self {
        Self {
            name: config.name,
            boot: now,
            echo: Echo::new(),
            discard: Discard::new(),
            chargen: Chargen::new(),
            shell: Shell::new(),
            telemetry: config.telemetry.map(|remote| Telemetry::new(remote, seed)),
            closed: false,
        }
    }

    /// Replaces the seed.
    pub(crate) fn reseed(&mut self, seed: u64) {
        if let Some(telemetry) = &mut self.telemetry {
            telemetry.reseed(seed);
        }
    }

    /// Gives every service its turn and returns the earliest moment that one of them asks for.
    pub fn poll<B: Board>(
        &mut self,
        now: Instant,
        stack: &mut S,
        board: &mut B,
    ) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let dropped = self.telemetry.as_ref().map_or(0, Telemetry::dropped);
        let counters = [
            ("echo_refused", self.echo.refused()),
            ("echo_dropped", self.echo.dropped()),
            ("telemetry_dropped", dropped),
        ];
        let about = About { name: &self.name, boot: self.boot, counters: &counters };
        let mut deadline = self.echo.poll(now, stack);
        deadline = earliest(deadline, self.discard.poll(now, stack));
        deadline = earliest(deadline, self.chargen.poll(now, stack));
        deadline = earliest(deadline, self.shell.poll(now, stack, board, &about));
        if let Some(telemetry) = &mut self.telemetry {
            deadline = earliest(deadline, telemetry.poll(now, stack, board, &about));
        }
        deadline
    }

    /// The cable is in again: who waits to connect need not wait longer.
    pub fn link_up(&mut self) {
        if let Some(telemetry) = &mut self.telemetry {
            telemetry.hurry();
        }
    }

    /// Closes every handle, so that each peer gets what is due and then a FIN. From then on `poll`
    /// does nothing.
    pub fn shutdown(&mut self, stack: &mut S) {
        self.closed = true;
        self.echo.shutdown(stack);
        self.discard.shutdown(stack);
        self.chargen.shutdown(stack);
        self.shell.shutdown(stack);
        if let Some(telemetry) = &mut self.telemetry {
            telemetry.shutdown(stack);
        }
    }
}

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
