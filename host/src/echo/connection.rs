//! One connection of the echo check: a state machine that is turned whenever its socket may move.
//!
//! What is sent is one [`Pattern`] stream: first the pings, each of which waits for its echo, then the
//! bulk, sent as fast as the peer takes it while its echo is read, then our FIN. Reading and writing take
//! turns on a non-blocking socket and neither waits for the other, so no size of the peer's buffers can
//! lock the two up. Every byte that comes back is compared with the one sent at the same offset, and after
//! the last one the peer's FIN must follow.
//!
//! A connection owns no buffer: what it sends is recomputed from the offset.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::clock;
use crate::echo::outcome::{Fault, Outcome};
use crate::echo::plan::{EchoPlan, PING};
use crate::net::{explain_connect, explain_shutdown};
use crate::pattern::Pattern;
use crate::stats::Samples;

/// Reads and writes that one turn makes at most, before the other connections have theirs.
const TURN_MAX: usize = 16;

/// Memory that all connections share, since only one is turned at a time.
#[derive(Debug)]
pub struct Scratch {
    /// Written from; its length is the most that one write sends.
    pub send: Vec<u8>,
    /// Read into.
    pub receive: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Connecting(TcpStream),
    Open(TcpStream),
    Over(Outcome),
}

/// One connection, from connect to the peer's FIN.
#[derive(Debug)]
pub struct Connection {
    state: State,
    /// Addresses not tried yet.
    untried: VecDeque<SocketAddr>,
    peer: SocketAddr,
    pattern: Pattern,
    readable: bool,
    writable: bool,
    sent: u64,
    verified: u64,
    fin_sent: bool,
    started: Instant,
    /// When something moved last: the connect, a byte sent, a byte verified.
    moved: Instant,
    ping_sent: Instant,
    /// From the first SYN to the end of the handshake, if it came to that. A forward may have ended it in the
    /// board's place.
    pub handshake_time: Option<Duration>,
    /// From the first SYN until something came back, so with every wait for a slot of the board.
    pub connect_time: Option<Duration>,
    /// When the first byte of the bulk was sent, if it was.
    pub bulk_start: Option<Instant>,
    /// Round trips of the pings.
    pub round_trips: Samples,
}

/// How a step of the state machine ends when it does not go on.
type Step = Result<(), Outcome>;

impl Connection {
    /// Starts to connect; the socket is registered under `token`.
    #[must_use]
    pub fn start(plan: &EchoPlan, stream: u64, registry: &Registry, token: Token) -> Self {
        let now = clock::now();
        let mut connection = Self {
            state: State::Over(Outcome::Unfinished),
            untried: plan.addresses(stream).iter().copied().collect(),
            peer: plan.addresses(stream)[0],
            pattern: Pattern::new(plan.seed, stream),
            readable: false,
            writable: false,
            sent: 0,
            verified: 0,
            fin_sent: false,
            started: now,
            moved: now,
            ping_sent: now,
            handshake_time: None,
            connect_time: None,
            bulk_start: None,
            round_trips: Samples::default(),
        };
        connection.try_next(plan, registry, token, None);
        connection
    }

    /// The outcome, once there is one.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Over(outcome) => Some(outcome),
            State::Connecting(_) | State::Open(_) => None,
        }
    }

    /// The address it is, or was last, connected to.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Bytes of the bulk that came back right.
    #[must_use]
    pub fn bulk_verified(&self, plan: &EchoPlan) -> u64 {
        self.verified.saturating_sub(plan.ping_bytes())
    }

    /// Whether a turn would have something to do right now, without waiting for the socket.
    #[must_use]
    pub fn is_hot(&self, plan: &EchoPlan) -> bool {
        match self.state {
            State::Connecting(_) => self.writable,
            State::Open(_) => self.readable || (self.writable && self.wants_to_send(plan)),
            State::Over(_) => false,
        }
    }

    /// When this connection has waited too long. A connection that nothing has come back on yet may be
    /// queued behind others for a slot of the board, so while any of them moves (`others_moved`), it
    /// has not stalled.
    #[must_use]
    pub fn deadline(&self, plan: &EchoPlan, others_moved: Instant) -> Option<Instant> {
        match self.state {
            State::Connecting(_) => Some(self.started + plan.connect_timeout),
            State::Open(_) if self.verified == 0 => {
                Some(self.moved.max(others_moved) + plan.stall_timeout)
            }
            State::Open(_) => Some(self.moved + plan.stall_timeout),
            State::Over(_) => None,
        }
    }

    /// When something moved last.
    #[must_use]
    pub fn moved(&self) -> Instant {
        self.moved
    }

    /// Ends the connection because its deadline is over.
    pub fn expire(&mut self, plan: &EchoPlan) {
        let fault = match self.state {
            State::Connecting(_) => Fault::Connect(explain_connect(
                self.peer,
                &ErrorKind::TimedOut.into(),
                plan.connect_timeout,
            )),
            State::Open(_) => Fault::Stalled {
                sent: self.sent,
                verified: self.verified,
                total: plan.total(),
                timeout: plan.stall_timeout,
            },
            State::Over(_) => return,
        };
        self.end(Outcome::Failed(fault));
    }

    /// Notes what the poll says about the socket.
    pub fn wake(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// Does what can be done without waiting, up to a limit that is fair to the others.
    pub fn turn(
        &mut self,
        plan: &EchoPlan,
        scratch: &mut Scratch,
        registry: &Registry,
        token: Token,
    ) {
        if matches!(self.state, State::Connecting(_)) {
            self.finish_connect(plan, registry, token);
        }
        for _ in 0..TURN_MAX {
            if !matches!(self.state, State::Open(_)) || !self.is_hot(plan) {
                return;
            }
            let step = self.receive(plan, &mut scratch.receive).and_then(|()| {
                let sent = self.send(plan, &mut scratch.send);
                sent.map_err(|lost| self.broken(plan, &mut scratch.receive, lost))
            });
            if let Err(outcome) = step {
                self.end(outcome);
            }
        }
    }

    fn end(&mut self, outcome: Outcome) {
        log::debug!("{}: {outcome:?}", self.peer);
        // The old state holds the socket: closing it takes it out of the poll too.
        self.state = State::Over(outcome);
    }

    /// Tries the next address; without one, `error` of the last is the outcome.
    fn try_next(
        &mut self,
        plan: &EchoPlan,
        registry: &Registry,
        token: Token,
        mut error: Option<io::Error>,
    ) {
        while let Some(address) = self.untried.pop_front() {
            self.peer = address;
            (self.readable, self.writable) = (false, false);
            let attempt = TcpStream::connect(address).and_then(|mut stream| {
                registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
                Ok(stream)
            });
            match attempt {
                Ok(stream) => {
                    self.state = State::Connecting(stream);
                    return;
                }
                Err(failed) => error = Some(failed),
            }
        }
        let error = error.unwrap_or_else(|| io::Error::other("no address to connect to"));
        let text = explain_connect(self.peer, &error, plan.connect_timeout);
        self.end(if error.kind() == ErrorKind::ConnectionRefused {
            Outcome::Refused(text)
        } else {
            Outcome::Failed(Fault::Connect(text))
        });
    }

    fn finish_connect(&mut self, plan: &EchoPlan, registry: &Registry, token: Token) {
        let State::Connecting(stream) = &self.state else {
            return;
        };
        // The order that mio documents: an error first, then whether there is a peer.
        let result = match stream.take_error() {
            Ok(Some(error)) | Err(error) => Err(error),
            Ok(None) => stream.peer_addr(),
        };
        match result {
            Ok(_) => {
                let now = clock::now();
                // Pings must leave at once; without the option they still do, unless one waits for an ACK.
                if let Err(error) = stream.set_nodelay(true) {
                    log::debug!("cannot set TCP_NODELAY: {error}");
                }
                self.handshake_time = Some(now - self.started);
                self.moved = now;
                self.readable = true;
                let over = State::Over(Outcome::Unfinished);
                if let State::Connecting(stream) = std::mem::replace(&mut self.state, over) {
                    self.state = State::Open(stream);
                }
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => self.writable = false,
            Err(error) => self.try_next(plan, registry, token, Some(error)),
        }
    }

    /// The offset up to which may be sent now: one ping at a time, then everything.
    fn send_limit(&self, plan: &EchoPlan) -> u64 {
        if self.verified < plan.ping_bytes() {
            (self.verified / PING + 1) * PING
        } else {
            plan.total()
        }
    }

    fn wants_to_send(&self, plan: &EchoPlan) -> bool {
        self.sent < self.send_limit(plan) || (self.sent == plan.total() && !self.fin_sent)
    }

    fn send(&mut self, plan: &EchoPlan, buffer: &mut [u8]) -> Step {
        let limit = self.send_limit(plan);
        let State::Open(stream) = &mut self.state else {
            return Ok(());
        };
        if self.writable && self.sent < limit {
            let length = (limit - self.sent).min(buffer.len() as u64) as usize;
            let data = &mut buffer[..length];
            self.pattern.fill(self.sent, data);
            let now = clock::now();
            match stream.write(data) {
                Ok(length) => {
                    if self.sent >= plan.ping_bytes() {
                        self.bulk_start.get_or_insert(now);
                    } else if self.sent.is_multiple_of(PING) {
                        self.ping_sent = now;
                    }
                    self.sent += length as u64;
                    self.moved = now;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(plan, &error)),
            }
        }
        if self.writable && self.sent == plan.total() && !self.fin_sent {
            let State::Open(stream) = &mut self.state else {
                return Ok(());
            };
            if let Err(error) = stream.shutdown(Shutdown::Write) {
                let error = explain_shutdown(error, stream.take_error());
                return Err(self.lost(plan, &error));
            }
            self.fin_sent = true;
        }
        Ok(())
    }

    fn receive(&mut self, plan: &EchoPlan, buffer: &mut [u8]) -> Step {
        let State::Open(stream) = &mut self.state else {
            return Ok(());
        };
        if !self.readable {
            return Ok(());
        }
        let length = match stream.read(buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(self.lost(plan, &error)),
        };
        let now = clock::now();
        self.connect_time.get_or_insert(now - self.started);
        if length == 0 {
            return Err(if self.fin_sent && self.verified == plan.total() {
                Outcome::Verified
            } else {
                Outcome::Failed(Fault::EarlyEnd { verified: self.verified, total: plan.total() })
            });
        }
        self.verify(plan, &buffer[..length], now)
    }

    /// The outcome of a connection that broke while we sent: what came before that and was wrong says more.
    fn broken(&mut self, plan: &EchoPlan, buffer: &mut [u8], lost: Outcome) -> Outcome {
        self.readable = true;
        while self.readable {
            match self.receive(plan, buffer) {
                Ok(()) => {}
                Err(wrong @ Outcome::Failed(Fault::Mismatch { .. } | Fault::Excess { .. })) => {
                    return wrong;
                }
                Err(_) => break,
            }
        }
        lost
    }

    /// Compares what came back with what was sent at the same place.
    fn verify(&mut self, plan: &EchoPlan, data: &[u8], now: Instant) -> Step {
        let in_flight = self.sent - self.verified;
        let (data, extra) = data.split_at(data.len().min(in_flight as usize));
        if let Some(difference) = self.pattern.first_difference(self.verified, data) {
            self.verified += difference.index as u64;
            return Err(Outcome::Failed(Fault::Mismatch {
                offset: self.verified,
                expected: difference.expected,
                received: difference.received,
            }));
        }
        self.verified += data.len() as u64;
        self.moved = now;
        if !extra.is_empty() {
            return Err(Outcome::Failed(Fault::Excess { sent: self.sent, extra: extra.len() }));
        }
        if self.verified <= plan.ping_bytes() && self.verified.is_multiple_of(PING) {
            self.round_trips.push(now - self.ping_sent);
        }
        Ok(())
    }

    fn lost(&self, plan: &EchoPlan, error: &io::Error) -> Outcome {
        Outcome::Failed(Fault::Lost {
            verified: self.verified,
            total: plan.total(),
            reason: match error.kind() {
                ErrorKind::ConnectionReset => "the peer reset the connection".to_owned(),
                ErrorKind::BrokenPipe => "the peer stopped receiving".to_owned(),
                _ => error.to_string(),
            },
        })
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
