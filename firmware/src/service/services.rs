//! The stock services: all that a board offers unless it is given others, with one `poll`.

use core::fmt;

use embedded_nal::{TcpFullStack, UdpFullStack};
use smoltcp::time::{Duration, Instant};
use tapboard_net::earliest;
use tapboard_net::netstat::{Count, Introspect};

use super::about::About;
use super::access::Access;
#[cfg(feature = "http")]
use super::access::Token;
use super::chargen::Chargen;
use super::command::Commands;
use super::contract::Service;
use super::discard::Discard;
use super::echo::Echo;
#[cfg(feature = "http")]
use super::http::Http;
use super::shell::Shell;
use super::target::Target;
use super::telemetry::Telemetry;
use crate::board::Board;
use crate::buffer_access::BufferAccess;
use crate::config::BOARD_NAME;
use crate::resolve::Resolve;

/// What the services have to be told.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// The board's name in the shell's greeting and in telemetry.
    pub name: heapless::String<BOARD_NAME>,
    /// Where telemetry goes, or `None` for no telemetry.
    pub telemetry: Option<Target>,
}

/// The stock services on the stack `S`: echo, discard, chargen, shell and telemetry. `C` is the shell's further
/// commands.
pub struct Services<S: TcpFullStack + UdpFullStack, C = ()> {
    name: heapless::String<BOARD_NAME>,
    boot: Instant,
    /// How long the processor has slept since boot; `None` until it is told.
    asleep: Option<Duration>,
    pub(super) echo: Echo<S::TcpSocket, S::UdpSocket>,
    discard: Discard<S::TcpSocket, S::UdpSocket>,
    chargen: Chargen<S::TcpSocket>,
    shell: Shell<S::TcpSocket, C>,
    pub(super) telemetry: Option<Telemetry<S::TcpSocket>>,
    #[cfg(feature = "http")]
    http: Http<S::TcpSocket>,
    /// Who may change something.
    access: Access,
}

impl<S: TcpFullStack + UdpFullStack, C> fmt::Debug for Services<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<S: TcpFullStack + UdpFullStack> Services<S> {
    /// The services of a board that booted at `now`. `seed` is for telemetry's jitter;
    /// [`Firmware`](crate::Firmware) replaces it.
    #[must_use]
    #[inline(never)]
    pub fn new(config: ServiceConfig, seed: u64, now: Instant) -> Self {
        Self::with_commands(config, seed, now, ())
    }
}

impl<S: TcpFullStack + UdpFullStack, C> Services<S, C> {
    /// As [`Services::new`], and the shell has `commands` too.
    #[must_use]
    #[inline]
    pub fn with_commands(config: ServiceConfig, seed: u64, now: Instant, commands: C) -> Self {
        Self {
            name: config.name,
            boot: now,
            asleep: None,
            echo: Echo::new(),
            discard: Discard::new(),
            chargen: Chargen::new(),
            shell: Shell::with_commands(commands),
            telemetry: config.telemetry.map(|target| Telemetry::new(target, seed)),
            #[cfg(feature = "http")]
            http: Http::new(),
            access: Access::new(),
        }
    }
}

impl<S: TcpFullStack + UdpFullStack, C> Services<S, C> {
    /// From now on whoever switches the LED or resets the board has to know `token`; with `None`, the shell asks for none,
    /// and over HTTP nothing is changed.
    #[cfg(feature = "http")]
    pub const fn set_token(&mut self, token: Option<Token>) {
        self.access.token = token;
    }

    /// The telemetry client, if there is one.
    #[must_use]
    pub const fn telemetry(&self) -> Option<&Telemetry<S::TcpSocket>> {
        self.telemetry.as_ref()
    }
}

impl<S, B, C> Service<S, B> for Services<S, C>
where
    S: TcpFullStack + UdpFullStack + BufferAccess + Introspect + Resolve,
    B: Board,
    C: Commands<B>,
{
    fn poll(&mut self, now: Instant, stack: &mut S, board: &mut B) -> Option<Instant> {
        let dropped = self.telemetry.as_ref().map_or(0, Telemetry::dropped);
        let counters = [
            ("echo_refused", self.echo.refused()),
            ("echo_dropped", self.echo.dropped()),
            ("telemetry_dropped", dropped),
            ("asleep_ms", self.asleep.unwrap_or(Duration::ZERO).total_millis() as Count),
        ];
        let told = counters.len() - usize::from(self.asleep.is_none());
        let about = About { name: &self.name, boot: self.boot, counters: &counters[..told] };
        let mut deadline = self.echo.poll(now, stack, board);
        deadline = earliest(deadline, self.discard.poll(now, stack, board));
        deadline = earliest(deadline, self.chargen.poll(now, stack, board));
        let access = &mut self.access;
        access.begin_round();
        deadline = earliest(deadline, self.shell.poll_for(now, stack, board, &about, access));
        #[cfg(feature = "http")]
        {
            deadline = earliest(deadline, self.http.poll(now, stack, board, &about, access));
        }
        if let Some(telemetry) = &mut self.telemetry {
            deadline = earliest(deadline, telemetry.poll(now, stack, board, &about));
        }
        deadline
    }

    fn reseed(&mut self, seed: u64) {
        if let Some(telemetry) = &mut self.telemetry {
            telemetry.reseed(seed);
        }
    }

    fn link_up(&mut self, _stack: &mut S, _board: &mut B) {
        #[cfg(feature = "http")]
        self.http.link_up();
        if let Some(telemetry) = &mut self.telemetry {
            telemetry.retry_now();
        }
    }

    #[cfg(feature = "http")]
    fn set_token(&mut self, token: Option<Token>) {
        Self::set_token(self, token);
    }

    fn slept(&mut self, time: Duration) {
        *self.asleep.get_or_insert(Duration::ZERO) += time;
    }

    fn shutdown(&mut self, stack: &mut S, board: &mut B) {
        self.echo.shutdown(stack, board);
        self.discard.shutdown(stack, board);
        self.chargen.shutdown(stack, board);
        self.shell.close(stack);
        #[cfg(feature = "http")]
        self.http.close(stack);
        if let Some(telemetry) = &mut self.telemetry {
            telemetry.close(stack);
        }
    }
}
