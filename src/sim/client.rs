//! A well-behaved client of one job: it connects, does its work, and tries again when something broke.
//!
//! It uses the socket calls as an application would and checks all that it hears. What may break is
//! decided by [`FaultHistory`]: a connection may end, or be refused, only if there was a reason since it began.
//! A turn costs a few calls of its socket; a client that is not connected costs a comparison.

mod datagrams;
mod shell;
mod streams;

use std::ops::ControlFlow;

use embedded_nal::nb;
use smoltcp::time::{Duration, Instant};

use super::arena::PEER;
use super::fault_history::FaultHistory;
use super::host::{HostSockets, HostTcp, HostUdp, SocketError};
use super::plan::{Job, Work};
use crate::output::counted;

/// How soon to try again after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// Bytes handed to `send` or `receive` at a time.
const CHUNK: usize = 2048;

/// What goes to `send` or comes from `receive`: one for all clients, for it means nothing between two
/// calls.
pub(super) type Scratch = [u8; CHUNK];

/// An empty one.
pub(super) const SCRATCH: Scratch = [0; CHUNK];

/// How far a client is.
#[derive(Debug)]
enum State {
    Waiting(Instant),
    Connecting(HostTcp),
    Open(HostTcp),
    /// The next datagram's number, and when to give it up.
    Datagrams(HostUdp, u16, Instant),
    Done,
}

/// What an exchange came to.
enum Exchange {
    /// Nothing to do before a frame comes, or this moment.
    Wait(Option<Instant>),
    Close,
    Abort,
    Lost(SocketError),
}

/// A job and how far it is.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) job: Job,
    state: State,
    /// When this attempt began.
    since: Instant,
    sent: u32,
    received: u32,
    shut: bool,
    /// When a slow reader reads again, or an idle client goes.
    next: Instant,
    heard: Vec<u8>,
}

type Failure = String;

impl Client {
    pub(super) const fn new(job: Job) -> Self {
        Self {
            job,
            state: State::Waiting(job.at),
            since: Instant::ZERO,
            sent: 0,
            received: 0,
            shut: false,
            next: Instant::ZERO,
            heard: Vec::new(),
        }
    }

    pub(super) const fn done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Whether a transfer is under way: more has moved than any first flight, so that its sender knows the round trip.
    pub(super) const fn has_begun(&self) -> bool {
        let moved =
            if let Work::Discard { .. } = self.job.work { self.sent } else { self.received };
        matches!(self.state, State::Open(_)) && moved as usize > PEER
    }

    /// Whether all it is to send is sent or on its way, if it is done with nothing else.
    pub(super) const fn has_moved_all(&self) -> bool {
        match self.job.work {
            Work::Discard { bytes } if self.sent == bytes => true,
            _ => self.done(),
        }
    }

    /// Begins anew on another machine: the sockets are gone.
    pub(super) fn restart(&mut self, now: Instant) {
        if !self.done() {
            self.state = State::Waiting(self.job.at.max(now));
        }
    }

    /// For a failure's report.
    pub(super) fn describe(&self) -> String {
        let Self { job, state, since, sent, received, .. } = self;
        let Job { at, board, ipv6, work, .. } = job;
        let ip = if *ipv6 { "IPv6" } else { "IPv4" };
        let state = match state {
            State::Waiting(_) => "waiting",
            State::Connecting(_) => "connecting",
            State::Open(_) => "connected",
            State::Datagrams(..) => "exchanging datagrams",
            State::Done => "done",
        };
        format!(
            "{work:?} with board {board} over {ip}, begun at {at}: {state} since {since}, \
             {} sent, {received} received",
            counted(*sent, "byte")
        )
    }

    /// Does what can be done now. Returns when it has something to do even if no frame comes.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        stack: &mut HostSockets<'_, '_>,
        history: &FaultHistory,
        scratch: &mut Scratch,
    ) -> Result<Option<Instant>, Failure> {
        // Most turns are of these, and nothing is to be moved for them.
        match self.state {
            State::Done => return Ok(None),
            State::Waiting(at) if now < at => return Ok(Some(at)),
            _ => {}
        }
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Ok(None),
                State::Waiting(at) if now < at => {
                    self.state = State::Waiting(at);
                    return Ok(Some(at));
                }
                State::Waiting(_) => self.begin(now, stack, history)?,
                State::Connecting(socket) => {
                    if !self.connect(now, stack, history, socket)? {
                        return Ok(None);
                    }
                }
                State::Open(socket) => {
                    let open = self.open(now, stack, history, socket, scratch)?;
                    if let ControlFlow::Break(wait) = open {
                        return Ok(wait);
                    }
                }
                State::Datagrams(socket, number, until) => {
                    let wait = self.datagrams(now, stack, (socket, number, until), scratch)?;
                    if wait.is_some() {
                        return Ok(wait);
                    }
                }
            }
        }
    }

    fn begin(
        &mut self,
        now: Instant,
        stack: &mut HostSockets<'_, '_>,
        history: &FaultHistory,
    ) -> Result<(), Failure> {
        (self.since, self.next, self.shut) = (now, now, false);
        (self.sent, self.received) = (0, 0);
        self.heard.clear();
        if let Work::Datagrams { .. } = self.job.work {
            let remote = history.address(self.job.board, self.job.ipv6, 7);
            self.state = match stack.udp(remote) {
                Ok(socket) => State::Datagrams(socket, 0, now),
                Err(_) => State::Waiting(now + RETRY),
            };
        } else {
            let socket = stack.tcp().map_err(|error| error.to_string())?;
            self.state = State::Connecting(socket);
        }
        Ok(())
    }

    /// Says whether there is more to do at once.
    fn connect(
        &mut self,
        now: Instant,
        stack: &mut HostSockets<'_, '_>,
        history: &FaultHistory,
        mut socket: HostTcp,
    ) -> Result<bool, Failure> {
        let port = match self.job.work {
            Work::Echo { .. } | Work::Idle { .. } | Work::Datagrams { .. } => 7,
            Work::Discard { .. } => 9,
            Work::Chargen { .. } => 19,
            Work::Shell { .. } | Work::Reset => 23,
            Work::Refused { port } => port,
        };
        let remote = history.address(self.job.board, self.job.ipv6, port);
        match stack.connect(&mut socket, remote) {
            Err(nb::Error::WouldBlock) => {
                self.state = State::Connecting(socket);
                return Ok(false);
            }
            Ok(()) if matches!(self.job.work, Work::Refused { .. }) => {
                return Err(format!("{remote}, which nobody registered, took a connection"));
            }
            Ok(()) => {
                if let Work::Idle { hold } = self.job.work {
                    self.next = now + hold;
                }
                self.state = State::Open(socket);
            }
            Err(nb::Error::Other(error)) => {
                stack.close(socket);
                self.state = match (self.job.work, error) {
                    (Work::Refused { .. }, SocketError::Refused) => State::Done,
                    (_, SocketError::Refused) => {
                        return Err(format!("{remote} refused a connection"));
                    }
                    _ => State::Waiting(now + RETRY),
                };
            }
        }
        Ok(true)
    }

    /// Breaks with how long to wait, unless there is more to do at once.
    fn open(
        &mut self,
        now: Instant,
        stack: &mut HostSockets<'_, '_>,
        history: &FaultHistory,
        mut socket: HostTcp,
        scratch: &mut Scratch,
    ) -> Result<ControlFlow<Option<Instant>>, Failure> {
        let turn = match self.job.work {
            Work::Echo { .. } => self.echo(now, stack, &mut socket, scratch)?,
            Work::Discard { bytes } => self.discard(stack, &mut socket, bytes, scratch)?,
            Work::Chargen { .. } => self.chargen(now, stack, &mut socket, scratch)?,
            Work::Shell { .. } | Work::Reset => self.shell(stack, &mut socket, scratch)?,
            Work::Idle { .. } => self.idle(now, stack, &mut socket)?,
            Work::Refused { .. } | Work::Datagrams { .. } => Exchange::Abort,
        };
        match turn {
            Exchange::Wait(until) => {
                self.state = State::Open(socket);
                return Ok(ControlFlow::Break(until));
            }
            Exchange::Close => {
                stack.close(socket);
            }
            Exchange::Abort => stack.abort(socket),
            Exchange::Lost(error) => {
                stack.close(socket);
                let fresh = self.received == 0;
                // Connects to a board that has no address may have left no slot to others.
                let evicted = fresh && stack.has_evicted();
                if !evicted && !history.explains(self.job.board, self.since, now, fresh) {
                    let since = self.since;
                    return Err(format!("{error}, without a reason since {since}"));
                }
                self.state = State::Waiting(now + RETRY);
                // The reset is why it was lost; nobody wants a second one.
                if self.job.work == Work::Reset && self.sent > 0 {
                    self.state = State::Done;
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
