//! `connect`: standard input and output joined to a TCP port, as `nc` does, with half-close done right.
//!
//! One thread carries standard input to the socket, the main thread carries the socket to standard
//! output; each blocks where it must and keeps one buffer. The two directions end on their own:
//! - end of standard input becomes our FIN (`shutdown`), and what the peer still sends is written out;
//! - the peer's FIN ends the program once everything is written out, even with standard input open: a
//!   terminal or a pipe that nobody closes must not keep a finished conversation alive. Input that is
//!   being sent at that moment is still delivered, if the peer takes it within 5 s.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::net::{self, Target};
use crate::output::{Error, Verdict};

/// Buffer for each direction, in bytes.
const BUFFER: usize = 64 * 1024;

/// How long the peer's FIN may be outlived by input that was read before it.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// What the thread that carries standard input is doing.
#[derive(Debug)]
enum Upstream {
    /// Waiting for input; nothing is owed to the peer.
    Waiting,
    /// Delivering input to the socket.
    Sending,
    /// Done: the input ended, and so did our side of the connection.
    Closed,
    /// Done: the input could not be read.
    InputFailed(io::Error),
    /// Done: the peer does not take it.
    SendFailed(io::Error),
}

/// What the two threads know of each other.
#[derive(Debug)]
struct Shared {
    upstream: Upstream,
    /// The peer's FIN has come: no further input is taken.
    stop: bool,
}

#[derive(Debug)]
struct Handover {
    shared: Mutex<Shared>,
    changed: Condvar,
}

impl Handover {
    fn new() -> Self {
        let shared = Shared { upstream: Upstream::Waiting, stop: false };
        Self { shared: Mutex::new(shared), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, upstream: Upstream) {
        self.lock().upstream = upstream;
        self.changed.notify_all();
    }

    /// Input is about to be sent. `false` if it is too late for that.
    fn begin(&self) -> bool {
        let mut shared = self.lock();
        if !shared.stop {
            shared.upstream = Upstream::Sending;
        }
        !shared.stop
    }

    /// Stops the taking of input, waits for what is being sent, for `limit` at most, and returns how it
    /// went.
    fn settle(&self, limit: Duration) -> Upstream {
        let mut shared = self.lock();
        shared.stop = true;
        let sending = |shared: &mut Shared| matches!(shared.upstream, Upstream::Sending);
        let (mut shared, _) = self
            .changed
            .wait_timeout_while(shared, limit, sending)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut shared.upstream, Upstream::Waiting)
    }
}

/// Connects within `timeout`, and runs until one of the ends that the module describes.
pub fn run(target: &Target, timeout: Duration) -> Result<Verdict, Error> {
    let stream = net::connect(target, timeout)?;
    let peer = target.to_string();
    log::info!("connected to {peer}");
    // What a user types should leave at once; bulk input fills whole segments all the same.
    if let Err(error) = stream.set_nodelay(true) {
        log::debug!("cannot set TCP_NODELAY: {error}");
    }
    let stream = Arc::new(stream);
    let handover = Arc::new(Handover::new());
    let upstream = (Arc::clone(&stream), Arc::clone(&handover));
    // Never joined: it may be blocked in a read of standard input that only the end of the process ends.
    thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            carry_up(&upstream.0, &upstream.1);
        })
        .map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;

    carry_down(&stream, &peer)?;
    log::debug!("the peer closed its side");
    match handover.settle(DRAIN_MAX) {
        // A write may find the reset before our read does, and then the read sees an ordinary end.
        Upstream::SendFailed(error) if error.kind() == ErrorKind::ConnectionReset => {
            Err(reset(&peer))
        }
        Upstream::SendFailed(error) if error.kind() == ErrorKind::BrokenPipe => {
            log::info!("the peer closed the connection before it took all the input");
            Ok(Verdict::Passed)
        }
        Upstream::SendFailed(error) => {
            Err(Error::Failed(format!("cannot send to {peer}: {error}")))
        }
        Upstream::InputFailed(error) => {
            Err(Error::Failed(format!("cannot read standard input: {error}")))
        }
        Upstream::Waiting | Upstream::Sending | Upstream::Closed => Ok(Verdict::Passed),
    }
}

fn reset(peer: &str) -> Error {
    Error::Failed(format!(
        "{peer} reset the connection; the board may have restarted, or given the slot to another: try again"
    ))
}

/// Standard input to the socket, then our FIN.
fn carry_up(stream: &TcpStream, handover: &Handover) {
    let end = send_input(stream, handover);
    log::debug!("sending ended: {end:?}");
    let finished = matches!(end, Upstream::Closed | Upstream::InputFailed(_));
    // Before our FIN: the peer may answer it with its own, after which this is asked for.
    handover.set(end);
    // Fails only if the connection is gone, which the reading side finds out with a better error.
    if finished && let Err(error) = stream.shutdown(Shutdown::Write) {
        log::debug!("cannot close our side: {error}");
    }
}

/// Standard input to the socket, for as long as both go on.
fn send_input(mut socket: &TcpStream, handover: &Handover) -> Upstream {
    let mut input = io::stdin().lock();
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = match input.read(&mut buffer) {
            Ok(0) => return Upstream::Closed,
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Upstream::InputFailed(error),
        };
        if !handover.begin() {
            return Upstream::Waiting;
        }
        if let Err(error) = socket.write_all(&buffer[..length]) {
            return Upstream::SendFailed(error);
        }
        handover.set(Upstream::Waiting);
    }
}

/// The socket to standard output, up to the peer's FIN.
fn carry_down(stream: &TcpStream, peer: &str) -> Result<(), Error> {
    let mut output = io::stdout().lock();
    let mut socket = stream;
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = match socket.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => continue,
                ErrorKind::ConnectionReset => return Err(reset(peer)),
                _ => return Err(Error::Failed(format!("connection to {peer} lost: {error}"))),
            },
        };
        output
            .write_all(&buffer[..length])
            .and_then(|()| output.flush())
            .map_err(|error| Error::from_stdout(&error))?;
    }
}
