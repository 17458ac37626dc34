//! `serve`: the telemetry server that boards report to, a JSON line each second.
//!
//! One thread, one poll: it sleeps until a board speaks, connects or vanishes, until one has been silent
//! for too long, or until Ctrl-C. [`collector`] knows what it all means, [`event`] how to say it, and [`table`] how to
//! show it on a terminal; this file owns the sockets. No board can harm the others: lines and connections are limited, each turn reads a
//! bounded amount, and what is malformed is reported once and skipped.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use serde_json::json;

use crate::clock;
use crate::lines::{Line, Lines};
use crate::listen::{self, Listeners};
use crate::output::{Error, Output, Verdict};
use crate::signal::Interrupt;
use crate::telemetry::LINE_MAX;

use self::collector::{Collector, Key};
use self::event::{Event, EventKind};
use self::screen::Screen;

pub mod collector;
pub mod event;
mod screen;
pub mod table;
pub mod totals;

/// Size of one read at most, in bytes.
const RECEIVE: usize = 4096;

/// Reads from one board in one turn at most.
const TURN_MAX: usize = 8;

/// Connections accepted in one turn at most.
const ACCEPT_MAX: usize = 64;

/// How long to wait after the system had no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The port that boards report to, unless told otherwise.
const PORT: u16 = 9000;

/// Token of the signal's wake-up; those from [`LISTENERS`] on are listening sockets, those below connections.
const WAKE: Token = Token(usize::MAX);
const LISTENERS: usize = usize::MAX / 2;

/// What to serve, and when to end.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// The address to listen on, unless it is port 9000 of all; port 0 is a free one.
    pub listen: Option<SocketAddr>,
    /// Connections at once.
    pub max_boards: u16,
    /// How long a board is not heard until it counts as silent.
    pub silence: Duration,
    /// Ends after this many reports.
    pub count: Option<u64>,
    /// Prints JSON objects.
    pub json: bool,
    /// Prints lines on a terminal too, and no table.
    pub lines: bool,
}

/// One board's connection.
#[derive(Debug)]
struct Session {
    stream: TcpStream,
    lines: Lines,
    readable: bool,
}

/// What reading from a board came to.
enum ReadOutcome {
    Open,
    Ended(String),
}

/// The server: sockets here, meaning in the collector.
#[derive(Debug)]
struct Server {
    poll: Poll,
    listeners: Listeners,
    /// Accepting goes on at this time, after the system had no room.
    accept_again: Option<Instant>,
    sessions: BTreeMap<Key, Session>,
    places: usize,
    collector: Collector,
    output: Output,
    /// Where standard output is a terminal that shows a table.
    screen: Option<Screen>,
    start: Instant,
    count: Option<u64>,
}

/// Runs the server until Ctrl-C, or until it has as many reports as it was told to collect.
pub fn run(options: &ServeOptions) -> Result<Verdict, Error> {
    let failed = |error| Error::Failed(format!("cannot watch sockets: {error}"));
    let poll = Poll::new().map_err(failed)?;
    let mut listeners = Listeners::default();
    let addresses =
        options.listen.map_or_else(|| listen::everywhere(PORT), |address| vec![address]);
    for (&address, token) in addresses.iter().zip(LISTENERS..) {
        let listener = listen::bind(address, addresses.len() > 1)
            .map_err(|error| cannot_listen(address, &error))?;
        listeners.add(listener, poll.registry(), Token(token)).map_err(failed)?;
    }
    let interrupt = Interrupt::install(Waker::new(poll.registry(), WAKE).map_err(failed)?)?;
    let mut server = Server {
        poll,
        listeners,
        accept_again: None,
        sessions: BTreeMap::new(),
        places: usize::from(options.max_boards),
        collector: Collector::new(options.silence),
        output: Output::new(options.json),
        screen: Screen::open().filter(|_| !options.json && !options.lines),
        start: clock::now(),
        count: options.count,
    };
    server.announce()?;
    let mut events = Events::with_capacity(256);
    while !interrupt.requested() && !server.has_enough() {
        match server.poll.poll(&mut events, server.wait_at_most()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        }
        for event in &events {
            if server.listeners.ready(event.token()) {
                continue;
            }
            if let Some(session) = server.sessions.get_mut(&event.token().0) {
                session.readable = true;
            }
        }
        server.turn()?;
    }
    server.finish()
}

/// Why there is no listening on `address`, and what to do about it.
fn cannot_listen(address: SocketAddr, error: &io::Error) -> Error {
    let remedy = match error.kind() {
        ErrorKind::AddrInUse => {
            "another program listens there (another `tapboard-host serve`, or `nc -l`?): end it, or \
             choose another address or port with --listen"
        }
        ErrorKind::AddrNotAvailable => {
            "this machine does not have that address: bring its interface up, or choose another with \
             --listen"
        }
        ErrorKind::PermissionDenied => "choose a port from 1024 up with --listen",
        _ => "choose another address with --listen",
    };
    Error::Failed(format!("cannot listen on {address}: {error}; {remedy}"))
}

impl Server {
    fn announce(&mut self) -> Result<(), Error> {
        let addresses = self.listeners.addresses().map_err(|error| {
            Error::Failed(format!("cannot read the listener's address: {error}"))
        })?;
        let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        if !self.output.is_json() {
            let addresses = addresses.join(" and ");
            let line = format_args!("listening on {addresses} for telemetry; Ctrl-C ends");
            return self.output.line(line);
        }
        addresses.iter().try_for_each(|address| {
            self.output.object(&json!({ "event": "listening", "address": address }))
        })
    }

    fn finish(&mut self) -> Result<Verdict, Error> {
        if let Some(screen) = &mut self.screen
            && !screen.end(clock::now())?
        {
            return Ok(Verdict::Passed);
        }
        let (totals, after) = (self.collector.totals(), clock::now() - self.start);
        if self.output.is_json() {
            self.output.object(&totals.object(after))?;
        } else {
            self.output.line(totals.text(after))?;
        }
        Ok(Verdict::Passed)
    }

    fn has_enough(&self) -> bool {
        self.count.is_some_and(|count| self.collector.totals().reports >= count)
    }

    /// How long the poll may sleep.
    fn wait_at_most(&self) -> Option<Duration> {
        let may_accept = self.listeners.pending() && self.accept_again.is_none();
        if may_accept || self.sessions.values().any(|session| session.readable) {
            return Some(Duration::ZERO);
        }
        let screen = self.screen.as_ref().and_then(Screen::deadline);
        let deadlines = [self.collector.deadline(), self.accept_again, screen];
        let deadline = deadlines.into_iter().flatten().min()?;
        Some(deadline.saturating_duration_since(clock::now()))
    }

    /// Does what can be done without waiting, up to limits that are fair to all.
    fn turn(&mut self) -> Result<(), Error> {
        self.accept()?;
        let readable: Vec<Key> =
            self.sessions.iter().filter(|(_, s)| s.readable).map(|(key, _)| *key).collect();
        let mut events = Vec::new();
        for key in readable {
            if let ReadOutcome::Ended(reason) = self.read(key, &mut events) {
                self.close(key, reason, &mut events);
            }
            self.print(&mut events)?;
            if self.has_enough() {
                return Ok(());
            }
        }
        for key in self.collector.expire(clock::now(), &mut events) {
            self.close(key, "the board reports on a newer connection".to_owned(), &mut events);
        }
        self.print(&mut events)?;
        self.screen.as_mut().map_or(Ok(()), |screen| screen.turn(clock::now()))
    }

    fn print(&mut self, events: &mut Vec<Event>) -> Result<(), Error> {
        let now = clock::now();
        let at = now - self.start;
        for event in events.drain(..) {
            if self.output.is_json() {
                self.output.object(&event.object(at))?;
                continue;
            }
            let line = || format!("{:>9.3} s  {}", at.as_secs_f64(), event.text());
            match &mut self.screen {
                None => self.output.line(line())?,
                Some(screen) => {
                    let news = !matches!(event.kind, EventKind::Report(_));
                    screen.note(&event, news.then(line), now);
                }
            }
        }
        Ok(())
    }

    fn close(&mut self, key: Key, reason: String, events: &mut Vec<Event>) {
        // Closing the socket takes it out of the poll too.
        self.sessions.remove(&key);
        self.collector.leave(key, reason, events);
    }

    fn accept(&mut self) -> Result<(), Error> {
        let now = clock::now();
        if self.accept_again.is_some_and(|again| again > now) {
            return Ok(());
        }
        self.accept_again = None;
        let mut events = Vec::new();
        for _ in 0..ACCEPT_MAX {
            match self.listeners.accept() {
                Ok((stream, peer)) => self.admit(stream, peer, now, &mut events),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => break,
                    // This one is gone already; the next one may wait behind it.
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    _ => {
                        log::warn!("cannot accept: {error}; trying again in a second");
                        self.accept_again = Some(now + ACCEPT_PAUSE);
                        break;
                    }
                },
            }
        }
        self.print(&mut events)
    }

    fn admit(
        &mut self,
        mut stream: TcpStream,
        peer: SocketAddr,
        now: Instant,
        events: &mut Vec<Event>,
    ) {
        if self.sessions.len() >= self.places {
            let Some(key) = self.collector.longest_silent() else {
                self.collector.turn_away(peer, self.places, events);
                return;
            };
            self.close(key, "silent, and its place was needed".to_owned(), events);
        }
        // The lowest free key: at most one more than there are sessions.
        let key = (0..).zip(self.sessions.keys()).find(|(free, used)| free != *used);
        let key = key.map_or(self.sessions.len(), |(free, _)| free);
        if let Err(error) =
            self.poll.registry().register(&mut stream, Token(key), Interest::READABLE)
        {
            log::warn!("cannot watch the connection from {peer}: {error}");
            return;
        }
        log::info!("{peer} connected");
        self.collector.join(key, peer, now);
        self.sessions.insert(key, Session { stream, lines: Lines::new(LINE_MAX), readable: true });
    }

    fn read(&mut self, key: Key, events: &mut Vec<Event>) -> ReadOutcome {
        let Some(session) = self.sessions.get_mut(&key) else {
            return ReadOutcome::Open;
        };
        let mut buffer = [0; RECEIVE];
        for _ in 0..TURN_MAX {
            let length = match session.stream.read(&mut buffer) {
                Ok(0) if session.lines.unfinished() > 0 => {
                    return ReadOutcome::Ended(
                        "it closed the connection in the middle of a line".to_owned(),
                    );
                }
                Ok(0) => return ReadOutcome::Ended("it closed the connection".to_owned()),
                Ok(length) => length,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => {
                        session.readable = false;
                        return ReadOutcome::Open;
                    }
                    ErrorKind::Interrupted => continue,
                    ErrorKind::ConnectionReset => {
                        return ReadOutcome::Ended("connection reset".to_owned());
                    }
                    _ => return ReadOutcome::Ended(error.to_string()),
                },
            };
            let now = clock::now();
            let mut input = &buffer[..length];
            while let Some(line) = session.lines.next(&mut input) {
                match line {
                    Line::Complete(line) => self.collector.line(key, &line, now, events),
                    Line::TooLong => self.collector.long_line(key, LINE_MAX, now, events),
                }
                if self.count.is_some_and(|count| self.collector.totals().reports >= count) {
                    return ReadOutcome::Open;
                }
            }
        }
        ReadOutcome::Open
    }
}
