//! `connect`: standard input and output joined to a TCP port, as `nc` does, with half-close done right.
//!
//! One thread carries standard input to the socket, the main thread carries the socket to standard
//! output; each blocks where it must and keeps one buffer. The two directions end on their own:
//! - end of standard input becomes our FIN (`shutdown`), and what the peer still sends is written out;
//! - the peer's FIN ends the program once everything is written out, even with standard input open: a
//!   terminal or a pipe that nobody closes must not keep a finished conversation alive. Input that was
//!   already read is still delivered, for [`DRAIN_MAX`] at most.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::net::{self, ECHO_DEFAULT, Target};
use crate::output::{Error, Verdict};
use crate::units::parse_seconds;

/// Buffer for each direction, in bytes.
const BUFFER: usize = 64 * 1024;

/// How long the peer's FIN may be outlived by input that was read before it.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Options of `connect`.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Connects to a TCP port, sends it what standard input holds, and writes what comes back \
                  to standard output, which carries the peer's bytes and nothing else (so there is no \
                  --json here).\n\n\
                  At the end of standard input our side is closed (FIN) and the peer's answer is read to \
                  its end. When the peer closes its side, everything it sent is written out and the \
                  program ends, whether or not standard input is at its end.",
    after_long_help = "Examples:\n  \
                       printf hello | tapboard-host connect 127.0.0.1:7007\n  \
                       printf 'netstat\\n' | tapboard-host connect 127.0.0.1:7023\n  \
                       tapboard-host connect '[::1]:7007' --timeout 2"
)]
pub struct Args {
    /// Where to connect: address or name, and port; an IPv6 address in brackets
    #[arg(value_name = "ADDR:PORT", default_value = ECHO_DEFAULT)]
    pub target: Target,

    /// Gives up connecting after this time
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub timeout: Duration,
}

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

#[derive(Debug)]
struct Shared {
    state: Mutex<Upstream>,
    changed: Condvar,
}

impl Shared {
    fn set(&self, state: Upstream) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.changed.notify_all();
    }

    /// Waits until nothing that was read is still to be sent, for `limit` at most.
    fn settle(&self, limit: Duration) -> Upstream {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let sending = |state: &mut Upstream| matches!(state, Upstream::Sending);
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, limit, sending)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut state, Upstream::Waiting)
    }
}

/// Runs `connect` until one of the ends that the module describes.
pub fn run(args: &Args) -> Result<Verdict, Error> {
    let stream = net::connect(&args.target, args.timeout)?;
    let peer = args.target.to_string();
    log::info!("connected to {peer}");
    // What a user types should leave at once; bulk input fills whole segments all the same.
    if let Err(error) = stream.set_nodelay(true) {
        log::debug!("cannot set TCP_NODELAY: {error}");
    }
    let stream = Arc::new(stream);
    let shared = Arc::new(Shared {
        state: Mutex::new(Upstream::Waiting),
        changed: Condvar::new(),
    });
    let upstream = (Arc::clone(&stream), Arc::clone(&shared));
    // Never joined: it may be blocked in a read of standard input that only the end of the process ends.
    thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            let end = carry_up(&upstream.0, &upstream.1);
            log::debug!("sending ended: {end:?}");
            upstream.1.set(end);
        })
        .map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;

    carry_down(&stream, &peer)?;
    log::debug!("the peer closed its side");
    match shared.settle(DRAIN_MAX) {
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
        Upstream::InputFailed(error) => Err(Error::Failed(format!(
            "cannot read standard input: {error}"
        ))),
        Upstream::Waiting | Upstream::Sending | Upstream::Closed => Ok(Verdict::Passed),
    }
}

fn reset(peer: &str) -> Error {
    Error::Failed(format!(
        "{peer} reset the connection; the board may have restarted, or given the slot to another: try again"
    ))
}

/// Standard input to the socket, then our FIN.
fn carry_up(stream: &TcpStream, shared: &Shared) -> Upstream {
    let mut input = io::stdin().lock();
    let mut socket = stream;
    let mut buffer = vec![0; BUFFER];
    let end = loop {
        let length = match input.read(&mut buffer) {
            Ok(0) => break Upstream::Closed,
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => break Upstream::InputFailed(error),
        };
        shared.set(Upstream::Sending);
        if let Err(error) = socket.write_all(&buffer[..length]) {
            return Upstream::SendFailed(error);
        }
        shared.set(Upstream::Waiting);
    };
    // Fails only if the connection is gone, which the reading side finds out with a better error.
    if let Err(error) = stream.shutdown(Shutdown::Write) {
        log::debug!("cannot close our side: {error}");
    }
    end
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
