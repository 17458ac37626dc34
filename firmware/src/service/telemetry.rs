//! Telemetry, the client: a line of JSON a second to one TCP address, for as long as it listens
//! there.
//!
//! ```json
//! {"board":"tapboard","seq":7,"uptime_ms":7250,"temp_mc":41250,"led":false,"connections":1,"dropped":0}
//! ```
//!
//! One socket, never two; what comes in is thrown away. A line once begun is finished before the
//! next: one that falls due while the one before is still unsent is skipped and counted in
//! `dropped`, and so is one that a lost connection cuts off; a new connection begins with a new
//! line. `seq` counts the lines made. When the connection cannot be had or is lost, the next is
//! tried after a back-off that doubles from [`BACKOFF_FIRST`] to [`BACKOFF_MAX`], half of it
//! jitter, so that a hundred boards do not come back in step; it starts over only when a line has
//! been sent, so that a server which accepts and hangs up is not hammered. Connected and idle, it
//! asks for one poll an interval; connecting, for none. A target that is a name is looked up for each connection, with the
//! feature `dns`; the stack remembers it for as long as it is good. Where a server is asked for the time of day, with the
//! feature `sntp`, a line has `unix_ms` too: milliseconds since 1970, or null as long as that is not known.

use core::fmt::{self, Write as _};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::ops::ControlFlow;

use embedded_nal::{TcpClientStack, nb};
use smoltcp::time::{Duration, Instant};
#[cfg(feature = "dns")]
use tapboard_net::LookupError;
use tapboard_net::netstat::{Count, Introspect, Protocol, TimeOfDay};
use tapboard_net::rng::Rng;

use super::about::About;
use super::buffer::Buffer;
use super::complain::complain;
use super::server::{Stop, close, drain};
use super::state::ESTABLISHED;
use super::target::Target;
use crate::board::Board;
use crate::buffer_access::BufferAccess;
#[cfg(feature = "dns")]
use crate::config::LOOKUP_RETRY;
use crate::config::{BACKOFF_FIRST, BACKOFF_MAX, BOARD_NAME, TELEMETRY_INTERVAL, TELEMETRY_LINE};
use crate::resolve::Resolve;

const _: () = {
    // u32, u64, i32 and bool at their longest, between the keys; the last is a `Count`.
    let line =
        r#"{"board":"","seq":4294967295,"uptime_ms":18446744073709551615,"temp_mc":-2147483648,"#;
    let rest = r#""led":false,"connections":4294967295,"dropped":18446744073709551615}"#;
    let time = r#","unix_ms":18446744073709551"#.len();
    let time = if cfg!(feature = "sntp") { time } else { 0 };
    assert!(TELEMETRY_LINE >= line.len() + rest.len() + time + 1 + 6 * BOARD_NAME);
};

/// Not known yet.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// The telemetry client. `T` is the stack's TCP handle.
#[derive(Debug)]
pub struct Telemetry<T> {
    target: Target,
    /// Its address, once that is known.
    remote: SocketAddr,
    /// Why its name has not become one.
    #[cfg(feature = "dns")]
    trouble: Option<LookupError>,
    socket: Option<T>,
    /// Without a socket: when to try again, at once if `None`.
    retry_at: Option<Instant>,
    /// Connected: when the next line falls due.
    due: Option<Instant>,
    backoff: Duration,
    rng: Rng,
    line: Buffer<TELEMETRY_LINE>,
    seq: u32,
    dropped: Count,
}

impl<T> Telemetry<T> {
    /// A client of `target` that will connect at its first poll. Boards with different seeds wait
    /// for different times.
    #[must_use]
    pub fn new(target: impl Into<Target>, seed: u64) -> Self {
        Self {
            target: target.into(),
            remote: NOWHERE,
            #[cfg(feature = "dns")]
            trouble: None,
            socket: None,
            retry_at: None,
            due: None,
            backoff: BACKOFF_FIRST,
            rng: Rng::new(seed),
            line: Buffer::new(),
            seq: 0,
            dropped: 0,
        }
    }

    /// Replaces the seed.
    pub(super) const fn reseed(&mut self, seed: u64) {
        self.rng = Rng::new(seed);
    }

    /// Where it goes.
    #[must_use]
    pub const fn target(&self) -> Target {
        self.target
    }

    /// Why the target's name could not be looked up the last time, if so.
    #[cfg(feature = "dns")]
    #[must_use]
    pub const fn trouble(&self) -> Option<LookupError> {
        self.trouble
    }

    /// Lines that fell due on a connection and were not sent whole, since boot. Wraps.
    #[must_use]
    pub const fn dropped(&self) -> Count {
        self.dropped
    }

    /// Connects, sends the line that is due, or waits. See [`super`] for the contract.
    pub fn poll<S, B>(
        &mut self,
        now: Instant,
        stack: &mut S,
        board: &mut B,
        about: &About<'_>,
    ) -> Option<Instant>
    where
        S: TcpClientStack<TcpSocket = T> + BufferAccess + Introspect + Resolve,
        B: Board,
    {
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None if self.retry_at.is_some_and(|at| now < at) => return self.retry_at,
            None => {
                #[cfg(feature = "dns")]
                if let ControlFlow::Break(next) = self.look_up(now, stack) {
                    return next;
                }
                #[cfg(not(feature = "dns"))]
                {
                    let Target::Address(address) = self.target;
                    self.remote = address;
                }
                match stack.socket() {
                    Ok(socket) => socket,
                    Err(error) => {
                        complain("telemetry", self.remote.port(), "get a socket", &error);
                        return self.back_off(now);
                    }
                }
            }
        };
        if self.due.is_none() {
            match stack.connect(&mut socket, self.remote) {
                Ok(()) => self.due = Some(now),
                Err(nb::Error::WouldBlock) => {
                    self.socket = Some(socket);
                    return None;
                }
                Err(nb::Error::Other(error)) => {
                    let (address, port) = (self.remote.ip(), self.remote.port());
                    log::debug!("telemetry: no connection to {address} port {port}: {error:?}");
                    close(stack, socket);
                    return self.back_off(now);
                }
            }
        }
        let turn = self.exchange(now, stack, &mut socket, board, about);
        if turn == ControlFlow::Break(Stop::Done) {
            close(stack, socket);
            return self.back_off(now);
        }
        self.socket = Some(socket);
        if turn.is_continue() { Some(now) } else { self.due }
    }

    /// Finds out the target's address, or returns when to be polled again.
    #[cfg(feature = "dns")]
    fn look_up<S: Resolve>(&mut self, now: Instant, stack: &mut S) -> ControlFlow<Option<Instant>> {
        let (name, port) = match self.target {
            Target::Address(address) => {
                self.remote = address;
                return ControlFlow::Continue(());
            }
            Target::Name(name, port) => (name, port),
        };
        match stack.address_of(name.as_bytes()) {
            Ok(address) => {
                self.remote = SocketAddr::new(address, port);
                self.trouble = None;
                ControlFlow::Continue(())
            }
            Err(nb::Error::WouldBlock) => ControlFlow::Break(None),
            Err(nb::Error::Other(error)) => {
                if self.trouble != Some(error) {
                    log::warn!("telemetry: {name}: {error}");
                }
                self.trouble = Some(error);
                self.back_off(now);
                if matches!(error, LookupError::NotFound | LookupError::NoAddress) {
                    // Somebody has to change that first.
                    self.retry_at = Some(now + LOOKUP_RETRY);
                }
                ControlFlow::Break(self.retry_at)
            }
        }
    }

    /// Connects at the next poll, with the back-off starting over.
    pub const fn retry_now(&mut self) {
        self.retry_at = None;
        self.backoff = BACKOFF_FIRST;
    }

    /// Gives the handle back. A later poll connects again.
    pub fn close<S: TcpClientStack<TcpSocket = T>>(&mut self, stack: &mut S) {
        self.disconnected();
        if let Some(socket) = self.socket.take() {
            close(stack, socket);
        }
    }

    /// One turn of the connection. `Continue` if there is more to read at once.
    fn exchange<S, B>(
        &mut self,
        now: Instant,
        stack: &mut S,
        socket: &mut T,
        board: &mut B,
        about: &About<'_>,
    ) -> ControlFlow<Stop>
    where
        S: TcpClientStack<TcpSocket = T> + BufferAccess + Introspect,
        B: Board,
    {
        const DONE: ControlFlow<Stop> = ControlFlow::Break(Stop::Done);
        let drained = drain(stack, socket);
        if drained == DONE || self.flush(stack, socket) == DONE {
            return DONE;
        }
        if self.fall_due(now) {
            self.compose(now, stack, board, about);
            if self.flush(stack, socket) == DONE {
                return DONE;
            }
        }
        drained
    }

    /// Moves `due` past `now`, counts the lines that fell due and cannot be sent, and says whether
    /// one can.
    fn fall_due(&mut self, now: Instant) -> bool {
        let Some(due) = self.due.filter(|&due| now >= due) else {
            return false;
        };
        let interval = TELEMETRY_INTERVAL.total_micros();
        let late = (now - due).total_micros();
        self.due = Some(now + Duration::from_micros(interval - late % interval));
        let ready = self.line.is_empty();
        let missed = (late / interval) as Count + Count::from(!ready);
        self.dropped = self.dropped.wrapping_add(missed);
        ready
    }

    /// Writes the next line into the buffer, which is empty.
    fn compose<S, B>(&mut self, now: Instant, stack: &S, board: &mut B, about: &About<'_>)
    where
        S: Introspect,
        B: Board,
    {
        let rows = (0..).map_while(|index| stack.row(index));
        let connections = rows
            .filter(|row| row.protocol == Protocol::Tcp && row.state == ESTABLISHED)
            .count() as u32;
        let written = writeln!(
            self.line,
            r#"{{"board":"{}","seq":{},"uptime_ms":{},"temp_mc":{},"led":{},"connections":{},"dropped":{}{}}}"#,
            JsonText(about.name),
            self.seq,
            (now - about.boot).total_millis(),
            board.temperature_mc(),
            board.led(),
            connections,
            self.dropped,
            Time(stack.time_of_day()),
        );
        debug_assert!(written.is_ok(), "TELEMETRY_LINE holds the longest line");
        self.seq = self.seq.wrapping_add(1);
    }

    /// Sends what is left of the line. A line sent whole is what shows that the server is well.
    fn flush<S>(&mut self, stack: &mut S, socket: &mut T) -> ControlFlow<Stop>
    where
        S: TcpClientStack<TcpSocket = T>,
    {
        if self.line.flush(stack, socket)? > 0 {
            self.backoff = BACKOFF_FIRST;
        }
        ControlFlow::Continue(())
    }

    /// Closes the books of a connection that is over or never came about, and says when to try
    /// again.
    fn back_off(&mut self, now: Instant) -> Option<Instant> {
        self.disconnected();
        // Between half the back-off and all of it.
        let half = (self.backoff.total_micros() / 2) as u32;
        let wait = u64::from(half + self.rng.below(half + 1));
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        self.retry_at = Some(now + Duration::from_micros(wait));
        self.retry_at
    }

    fn disconnected(&mut self) {
        self.due = None;
        self.dropped = self.dropped.wrapping_add(Count::from(!self.line.is_empty()));
        self.line.clear();
    }
}

/// The time of day as a further member, if anybody is asked for it: milliseconds since 1970, or null.
struct Time(TimeOfDay);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            TimeOfDay::NotAsked => Ok(()),
            TimeOfDay::Unknown => f.write_str(r#","unix_ms":null"#),
            TimeOfDay::Unix(time) => write!(f, r#","unix_ms":{}"#, time.total_millis()),
        }
    }
}

/// Text as it stands between the quotes of a JSON string (RFC 8259 7).
pub(super) struct JsonText<'a>(pub(super) &'a str);

impl fmt::Display for JsonText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\0'..' ' => write!(f, "\\u{:04x}", u32::from(character))?,
                '"' | '\\' => {
                    f.write_char('\\')?;
                    f.write_char(character)?;
                }
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::service::fake::Fake;
    use crate::service::fake_board::FakeBoard;

    #[test]
    fn every_name_and_number_is_valid_json() {
        let longest = "\u{0}".repeat(BOARD_NAME);
        for name in ["", "\"", "\\\\\"", "\n\r\t\u{8}\u{1f}", "\u{7f}gr\u{fc}n \u{1f4a1}", &longest]
        {
            let (mut stack, remote) = (Fake::new(), SocketAddr::from(([192, 0, 2, 2], 9000)));
            let mut board = FakeBoard { temperature_mc: i32::MIN, ..FakeBoard::default() };
            let about =
                About { name, boot: Instant::from_micros(-1 - i64::MAX / 2), counters: &[] };
            let now = Instant::from_micros(i64::MAX / 2);
            let mut telemetry =
                Telemetry { seq: u32::MAX, dropped: Count::MAX, ..Telemetry::new(remote, 0) };
            telemetry.poll(now, &mut stack, &mut board, &about);
            telemetry.close(&mut stack);
            assert_eq!(stack.open(), 0);
            let text = stack.dialled[0].text();
            let line: Value =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(text.ends_with("}\n"));
            assert_eq!(line["board"], name);
            assert_eq!((&line["seq"], &line["dropped"]), (&u32::MAX.into(), &Count::MAX.into()));
            assert_eq!((&line["temp_mc"], &line["led"]), (&i32::MIN.into(), &false.into()));
            assert_eq!(line["uptime_ms"], u64::MAX / 2 / 1000);
        }
    }
}
