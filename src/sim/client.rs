//! A well-behaved client of one job: it connects, does its work, and tries again when something broke.
//!
//! It uses the socket calls as an application would and checks all that it hears. What may break is
//! decided by [`Calm`]: a connection may end, or be refused, only if there was a reason since it began.
//! A turn costs a few calls of its socket; a client that is not connected costs a comparison.

use embedded_nal::{TcpClientStack, UdpClientStack, nb};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::{Error, NetStack, TcpSocket, UdpSocket};

use super::calm::Calm;
use super::check::{SHELL, chargen, differs, greeting, pattern};
use super::plan::{Ending, Job, Pace, Work};

/// How soon to try again after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How long to wait for a datagram's answer.
const ANSWER: Duration = Duration::from_secs(1);
/// More than any answer of the shell.
const SHELL_MOST: usize = 8192;
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
    Connecting(TcpSocket),
    Open(TcpSocket),
    /// The next datagram's number, and when to give it up.
    Datagrams(UdpSocket, u16, Instant),
    Done,
}

/// What an exchange came to.
enum Turn {
    /// Nothing to do before a frame comes, or this moment.
    Wait(Option<Instant>),
    Close,
    Abort,
    Lost(Error),
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

    /// Begins anew on another machine: the sockets are gone.
    pub(super) fn restart(&mut self, now: Instant) {
        if !self.done() {
            self.state = State::Waiting(self.job.at.max(now));
        }
    }

    /// For a failure's report.
    pub(super) fn describe(&self) -> String {
        let Self { job, state, since, sent, received, .. } = self;
        format!("{job:?} {state:?} since {since}, {sent} bytes sent, {received} received")
    }

    /// Does what can be done now. Returns when it has something to do even if no frame comes.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        stack: &mut NetStack<'_>,
        calm: &Calm,
        scratch: &mut Scratch,
    ) -> Result<Option<Instant>, Failure> {
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Ok(None),
                State::Waiting(at) if now < at => {
                    self.state = State::Waiting(at);
                    return Ok(Some(at));
                }
                State::Waiting(_) => self.begin(now, stack, calm)?,
                State::Connecting(socket) => {
                    if !self.connect(now, stack, calm, socket)? {
                        return Ok(None);
                    }
                }
                State::Open(socket) => match self.open(now, stack, calm, socket, scratch)? {
                    Some(wait) => return Ok(wait),
                    None => continue,
                },
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
        stack: &mut NetStack<'_>,
        calm: &Calm,
    ) -> Result<(), Failure> {
        (self.since, self.next, self.shut) = (now, now, false);
        (self.sent, self.received) = (0, 0);
        self.heard.clear();
        if let Work::Datagrams { .. } = self.job.work {
            let mut socket = UdpClientStack::socket(stack).map_err(|error| error.to_string())?;
            let remote = calm.address(self.job.board, self.job.ipv6, 7);
            self.state = match UdpClientStack::connect(stack, &mut socket, remote) {
                Ok(()) => State::Datagrams(socket, 0, now),
                Err(_) => State::Waiting(now + RETRY),
            };
        } else {
            let socket = TcpClientStack::socket(stack).map_err(|error| error.to_string())?;
            self.state = State::Connecting(socket);
        }
        Ok(())
    }

    /// Says whether there is more to do at once.
    fn connect(
        &mut self,
        now: Instant,
        stack: &mut NetStack<'_>,
        calm: &Calm,
        mut socket: TcpSocket,
    ) -> Result<bool, Failure> {
        let port = match self.job.work {
            Work::Echo { .. } | Work::Idle { .. } | Work::Datagrams { .. } => 7,
            Work::Discard { .. } => 9,
            Work::Chargen { .. } => 19,
            Work::Shell { .. } | Work::Reset => 23,
            Work::Refused { port } => port,
        };
        let remote = calm.address(self.job.board, self.job.ipv6, port);
        match TcpClientStack::connect(stack, &mut socket, remote) {
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
                let _ = TcpClientStack::close(stack, socket);
                self.state = match (self.job.work, error) {
                    (Work::Refused { .. }, Error::ConnectionRefused) => State::Done,
                    (_, Error::ConnectionRefused) => {
                        return Err(format!("{remote} refused a connection"));
                    }
                    _ => State::Waiting(now + RETRY),
                };
            }
        }
        Ok(true)
    }

    /// Returns how long to wait, or `None` if there is more to do at once.
    fn open(
        &mut self,
        now: Instant,
        stack: &mut NetStack<'_>,
        calm: &Calm,
        mut socket: TcpSocket,
        scratch: &mut Scratch,
    ) -> Result<Option<Option<Instant>>, Failure> {
        let turn = match self.job.work {
            Work::Echo { .. } => self.echo(now, stack, &mut socket, scratch)?,
            Work::Discard { bytes } => self.discard(stack, &mut socket, bytes, scratch)?,
            Work::Chargen { .. } => self.chargen(now, stack, &mut socket, scratch)?,
            Work::Shell { .. } | Work::Reset => self.shell(stack, &mut socket, scratch)?,
            Work::Idle { .. } => self.idle(now, stack, &mut socket)?,
            Work::Refused { .. } | Work::Datagrams { .. } => Turn::Abort,
        };
        match turn {
            Turn::Wait(until) => {
                self.state = State::Open(socket);
                return Ok(Some(until));
            }
            Turn::Close => {
                let _ = TcpClientStack::close(stack, socket);
            }
            Turn::Abort => stack.abort(socket),
            Turn::Lost(error) => {
                let _ = TcpClientStack::close(stack, socket);
                if !calm.explains(self.job.board, self.since, self.received == 0) {
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
        Ok(None)
    }

    /// Sends what `make` says up to `bytes`, as far as there is room.
    fn send(
        &mut self,
        stack: &mut NetStack<'_>,
        socket: &mut TcpSocket,
        chunk: &mut Scratch,
        bytes: u32,
        make: impl Fn(u32) -> u8,
    ) -> Result<(), Error> {
        while self.sent < bytes {
            let room = stack.send_room(socket).min(CHUNK).min((bytes - self.sent) as usize);
            if room == 0 {
                // The call says why.
                chunk[0] = make(self.sent);
            }
            let due = &mut chunk[..room.max(1)];
            for (at, byte) in (self.sent..).zip(&mut *due) {
                *byte = make(at);
            }
            match TcpClientStack::send(stack, socket, due) {
                Ok(count) => self.sent += count as u32,
                Err(nb::Error::WouldBlock) => return Ok(()),
                Err(nb::Error::Other(error)) => return Err(error),
            }
        }
        if !self.shut {
            self.shut = true;
            stack.shutdown(socket)?;
        }
        Ok(())
    }

    /// Reads what has come, at the pace given, and checks it. `None`: no FIN yet.
    fn read(
        &mut self,
        now: Instant,
        stack: &mut NetStack<'_>,
        socket: &mut TcpSocket,
        chunk: &mut Scratch,
        pace: Pace,
        expected: impl Fn(u32) -> u8,
    ) -> Result<Option<Turn>, Failure> {
        let mut left = usize::MAX;
        if let Some((most, every)) = pace {
            if now < self.next {
                return Ok(Some(Turn::Wait(Some(self.next))));
            }
            self.next = now + every;
            left = most;
        }
        while left > 0 {
            let room = left.min(CHUNK);
            match TcpClientStack::receive(stack, socket, &mut chunk[..room]) {
                Ok(0) => return Ok(None),
                Ok(count) => {
                    if let Some(at) = differs(&chunk[..count], self.received, &expected) {
                        return Err(format!("byte {at} of the stream is not what was sent"));
                    }
                    self.received += count as u32;
                    left -= count;
                }
                Err(nb::Error::WouldBlock) => return Ok(Some(Turn::Wait(None))),
                Err(nb::Error::Other(error)) => return Ok(Some(Turn::Lost(error))),
            }
        }
        Ok(Some(Turn::Wait(Some(self.next))))
    }

    fn echo(
        &mut self,
        now: Instant,
        stack: &mut NetStack<'_>,
        socket: &mut TcpSocket,
        scratch: &mut Scratch,
    ) -> Result<Turn, Failure> {
        let Work::Echo { bytes, pace, ending } = self.job.work else {
            return Ok(Turn::Abort);
        };
        let salt = self.job.salt;
        let stream = |at| pattern(salt, at);
        let sent = self.send(stack, socket, scratch, bytes, stream);
        let turn = self.read(now, stack, socket, scratch, pace, stream)?;
        if matches!(ending, Ending::Abort(after) if self.received >= after) {
            return Ok(Turn::Abort);
        }
        match (turn, sent) {
            (None, _) if self.received == bytes => Ok(Turn::Close),
            (None, _) => Err(format!("FIN after {} of {bytes} bytes", self.received)),
            (Some(Turn::Wait(_)), Err(error)) => Ok(Turn::Lost(error)),
            (Some(turn), _) => Ok(turn),
        }
    }

    fn discard(
        &mut self,
        stack: &mut NetStack<'_>,
        socket: &mut TcpSocket,
        bytes: u32,
        scratch: &mut Scratch,
    ) -> Result<Turn, Failure> {
        if let Err(error) = self.send(stack, socket, scratch, bytes, |at| at as u8) {
            return Ok(Turn::Lost(error));
        }
        match TcpClientStack::receive(stack, socket, &mut [0; 1]) {
            Ok(0) if self.sent < bytes || stack.unacknowledged(socket) > 0 => {
                Err(format!("discard: FIN before all of {bytes} bytes were acknowledged"))
            }
            Ok(0) => Ok(Turn::Close),
            Ok(_) => Err("discard answers".into()),
            Err(nb::Error::WouldBlock) => Ok(Turn::Wait(None)),
            Err(nb::Error::Other(error)) => Ok(Turn::Lost(error)),
        }
    }

    fn chargen(
        &mut self,
        now: Instant,
        stack: &mut NetStack<'_>,
        socket: &mut TcpSocket,
        scratch: &mut Scratch,
    ) -> Result<Turn, Failure> {
        let Work::Chargen { bytes, pace, ending } = self.job.work else {
            return Ok(Turn::Abort);
        };
        // Who has said FIN reads the rest at once.
        let pace = if self.shut { None } else { pace };
        let Some(turn) = self.read(now, stack, socket, scratch, pace, chargen)? else {
            let at = self.received;
            return if self.shut { Ok(Turn::Close) } else { Err(format!("chargen: FIN at {at}")) };
        };
        if matches!(turn, Turn::Lost(_)) || self.shut || self.received < bytes {
            return Ok(turn);
        }
        match ending {
            Ending::Abort(_) => Ok(Turn::Abort),
            Ending::Close => Ok(Turn::Close),
            Ending::Fin => {
                self.shut = true;
                match stack.shutdown(socket) {
                    // Once more, without the pace.
                    Ok(()) => Ok(Turn::Wait(Some(now))),
                    Err(error) => Ok(Turn::Lost(error)),
                }
            }
        }
    }

    /// What is to be said after `answers` prompts.
    fn line(&self, answers: u32) -> Option<&'static [u8]> {
        match (self.job.work, answers) {
            (Work::Reset, 1) => Some(b"reset\r\n"),
            (Work::Shell { lines }, 1..=3) => {
                Some(SHELL[usize::from(lines[answers as usize - 1])].line)
            }
            (Work::Shell { .. }, 4) => Some(b"exit\n"),
            _ => None,
        }
    }

    /// Whether `text` is what the shell has to say after `answers` prompts.
    fn answer(&self, answers: u32, text: &str) -> bool {
        match (self.job.work, answers) {
            (_, 0) => greeting(text),
            (Work::Shell { lines }, 1..=3) => {
                (SHELL[usize::from(lines[answers as usize - 1])].answer)(text)
            }
            _ => false,
        }
    }

    /// `received` counts prompts here, `sent` lines.
    fn shell(
        &mut self,
        stack: &mut NetStack<'_>,
        socket: &mut TcpSocket,
        chunk: &mut Scratch,
    ) -> Result<Turn, Failure> {
        loop {
            if self.sent < self.received
                && let Some(line) = self.line(self.received)
            {
                match TcpClientStack::send(stack, socket, line) {
                    Ok(count) if count == line.len() => self.sent = self.received,
                    Ok(_) => return Err("a send buffer that is empty takes no line".into()),
                    Err(nb::Error::WouldBlock) => {}
                    Err(nb::Error::Other(error)) => return Ok(Turn::Lost(error)),
                }
            }
            match TcpClientStack::receive(stack, socket, chunk) {
                Ok(0) => {
                    let last: &[u8] = match self.job.work {
                        Work::Reset => b"resetting\r\n",
                        _ => b"bye\r\n",
                    };
                    if self.heard == last {
                        return Ok(Turn::Close);
                    }
                    return Err(format!("shell: FIN after {:?}", self.heard_text()));
                }
                Ok(count) => self.heard.extend_from_slice(&chunk[..count]),
                Err(nb::Error::WouldBlock) => return Ok(Turn::Wait(None)),
                Err(nb::Error::Other(error)) => return Ok(Turn::Lost(error)),
            }
            if let Some(text) = self.heard.strip_suffix(b"\r\n> ") {
                let text = String::from_utf8_lossy(text) + "\r\n";
                if !self.answer(self.received, &text) {
                    return Err(format!("shell: answer {} is {text:?}", self.received));
                }
                self.received += 1;
                self.heard.clear();
            } else if self.heard.len() > SHELL_MOST {
                return Err(format!("shell: no end of {:?}", self.heard_text()));
            }
        }
    }

    fn heard_text(&self) -> String {
        String::from_utf8_lossy(&self.heard).into_owned()
    }

    fn idle(
        &mut self,
        now: Instant,
        stack: &mut NetStack<'_>,
        socket: &mut TcpSocket,
    ) -> Result<Turn, Failure> {
        match TcpClientStack::receive(stack, socket, &mut [0; 1]) {
            Err(nb::Error::WouldBlock) if now < self.next => Ok(Turn::Wait(Some(self.next))),
            Err(nb::Error::WouldBlock) => Ok(Turn::Close),
            Err(nb::Error::Other(error)) => Ok(Turn::Lost(error)),
            Ok(count) => Err(format!("{count} bytes on a connection that sent none")),
        }
    }

    /// Sends the next datagram, or the last one again. `None`: there is more to do at once.
    fn datagrams(
        &mut self,
        now: Instant,
        stack: &mut NetStack<'_>,
        (mut socket, mut number, mut until): (UdpSocket, u16, Instant),
        buffer: &mut Scratch,
    ) -> Result<Option<Instant>, Failure> {
        let Work::Datagrams { count, size } = self.job.work else {
            return Ok(None);
        };
        let salt = self.job.salt;
        // Each begins with its number.
        let content = |number: u16, at: u32| match at {
            0 | 1 => number.to_be_bytes()[at as usize],
            _ => pattern(salt ^ number as u8, at),
        };
        while let Ok((length, _)) = UdpClientStack::receive(stack, &mut socket, buffer) {
            let heard = &buffer[..length];
            let of = heard.first_chunk().map_or(u16::MAX, |bytes| u16::from_be_bytes(*bytes));
            let wrong = differs(heard, 0, |at| content(of, at));
            if of > number || length != usize::from(size) || wrong.is_some() {
                return Err(format!("a datagram of {length} bytes that was never sent"));
            }
            if of == number {
                number += 1;
                until = now;
            }
        }
        if number == count {
            let _ = UdpClientStack::close(stack, socket);
            return Ok(None);
        }
        if now >= until {
            let datagram = &mut buffer[..usize::from(size)];
            for (at, byte) in (0..).zip(&mut *datagram) {
                *byte = content(number, at);
            }
            // If there is no room, it is as good as lost.
            let _ = UdpClientStack::send(stack, &mut socket, datagram);
            until = now + ANSWER;
        }
        self.state = State::Datagrams(socket, number, until);
        Ok(Some(until))
    }
}
