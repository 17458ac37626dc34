//! The check of telemetry: the board connects to this machine, which only listens.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Instant;

use mio::{Events, Interest, Poll, Token};

use crate::check::plan::{ECHO, Plan, TELEMETRY};
use crate::check::table::Seen;
use crate::check::wire::{Wire, deadline, left, lost};
use crate::lines::{Line, Lines};
use crate::serve::LINE_MAX;
use crate::telemetry::{History, Report};

/// Reports to wait for.
const REPORTS: usize = 2;

/// A port of this machine to which the board connects.
#[derive(Debug)]
pub(super) struct Collector {
    listener: mio::net::TcpListener,
    poll: Poll,
    address: SocketAddr,
    /// The board, as far as its address can be compared.
    board: IpAddr,
    /// The last who connected and is not the board.
    stranger: Option<IpAddr>,
}

/// This machine's address towards the board.
fn towards(plan: &Plan) -> io::Result<SocketAddr> {
    let any = if plan.address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    // A datagram socket that connects sends nothing: it asks for the route.
    socket.connect(plan.at(ECHO))?;
    Ok(SocketAddr::new(socket.local_addr()?.ip(), TELEMETRY))
}

impl Collector {
    /// Listens from now on, where the plan says or on this machine's address towards the board.
    pub(super) fn open(plan: &Plan) -> Result<Self, String> {
        let address = plan.listen.map_or_else(|| towards(plan), Ok);
        let address = address.map_err(|error| format!("no route to {}: {error}", plan.address))?;
        let listener = TcpListener::bind(address).map_err(|error| {
            let remedy = match error.kind() {
                ErrorKind::AddrInUse => "end the program that does, or name another port",
                ErrorKind::AddrNotAvailable => "name an address that this machine has",
                _ => "name another address",
            };
            format!(
                "cannot listen on {address}: {error}; {remedy} with --listen, or leave it out with \
                 --skip telemetry"
            )
        })?;
        let watch = || {
            listener.set_nonblocking(true)?;
            let mut listener = mio::net::TcpListener::from_std(listener);
            let poll = Poll::new()?;
            poll.registry().register(&mut listener, Token(0), Interest::READABLE)?;
            Ok((listener, poll))
        };
        let (listener, poll) =
            watch().map_err(|error: io::Error| format!("cannot watch {address}: {error}"))?;
        let board = plan.address.to_canonical();
        Ok(Self { listener, poll, address, board, stranger: None })
    }

    /// Whether this may be the board. One that has an address of the other family too is whoever connects
    /// from there.
    fn is_board(&self, peer: IpAddr) -> bool {
        peer == self.board || peer.is_ipv4() != self.board.is_ipv4()
    }

    /// Waits for the board's connection; others are closed unread.
    pub(super) fn accept(&mut self, deadline: Instant) -> Result<(Wire, IpAddr), String> {
        let failed = |error: io::Error| format!("cannot accept telemetry: {error}");
        let mut events = Events::with_capacity(1);
        loop {
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    let peer = peer.ip().to_canonical();
                    if self.is_board(peer) {
                        let stream = TcpStream::from(stream);
                        stream.set_nonblocking(false).map_err(failed)?;
                        return Ok((Wire::over(stream, deadline), peer));
                    }
                    log::info!("{peer} is not the board");
                    self.stranger = Some(peer);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let time = left(deadline).map_err(|_| self.nobody())?;
                    match self.poll.poll(&mut events, Some(time)) {
                        Err(error) if error.kind() != ErrorKind::Interrupted => {
                            return Err(failed(error));
                        }
                        _ => {}
                    }
                }
                // Also who has gone again before it was taken.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    fn nobody(&self) -> String {
        let Self { address, board, .. } = self;
        let but = self.stranger.map_or_else(String::new, |peer| format!(", but {peer} did"));
        format!("{board} did not connect to {address}{but}")
    }
}

/// Reads reports, and returns the last.
pub(super) fn reports(wire: &mut Wire) -> Result<Report, String> {
    let (mut lines, mut history) = (Lines::new(LINE_MAX), History::default());
    let (mut buffer, mut count) = ([0; 1024], 0);
    loop {
        let length = wire
            .read(&mut buffer)
            .map_err(|error| format!("{} after {count} reports", lost(&error)))?;
        if length == 0 {
            return Err(format!("it closed (FIN) after {count} reports"));
        }
        let mut rest = &buffer[..length];
        while let Some(line) = lines.next(&mut rest) {
            let Line::Complete(line) = line else {
                return Err(format!("a report is longer than {LINE_MAX} bytes"));
            };
            let report = Report::parse(&line).map_err(|why| format!("not a report: {why}"))?;
            if let Some(finding) = history.observe(&report) {
                return Err(finding.to_string());
            }
            count += 1;
            if count == REPORTS {
                return Ok(report);
            }
        }
    }
}

pub(super) fn telemetry(plan: &Plan) -> Seen {
    let (mut wire, peer) = Collector::open(plan)?.accept(deadline(plan))?;
    let report = reports(&mut wire)?;
    let name = report.board().unwrap_or_else(|| "a board without a name".to_owned());
    Ok(format!("{REPORTS} reports of {name}, from {peer}"))
}
