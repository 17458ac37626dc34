//! The check of telemetry: the board connects to this machine, which only listens.
//!
//! A board that is asked over one version of IP may report over the other, for it has one target. So both are
//! listened for: this machine's address towards the board, and with the other version all addresses.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Instant;

use mio::{Events, Poll, Token};

use crate::check::failure::{CheckFailure, Seen};
use crate::check::plan::{CheckPlan, ECHO, TELEMETRY};
use crate::check::wire::{Wire, deadline, left, lost};
use crate::lines::{Line, Lines};
use crate::listen::{self, Listeners};
use crate::telemetry::{History, LINE_MAX, Report};
use crate::units::counted;

/// Reports to wait for.
const REPORTS: usize = 2;

/// A port of this machine to which the board connects.
#[derive(Debug)]
pub(super) struct Collector {
    listeners: Listeners,
    poll: Poll,
    /// Where it listens.
    addresses: Vec<SocketAddr>,
    /// Where it cannot, and why, although the board may report there.
    closed: Option<String>,
    /// The board, as far as its address can be compared.
    board: IpAddr,
    /// Whether the user has said where telemetry comes to, and so perhaps over how many corners.
    chosen: bool,
    /// The last who connected and is not the board.
    stranger: Option<IpAddr>,
}

/// This machine's address towards the board.
fn towards(plan: &CheckPlan) -> io::Result<SocketAddr> {
    let any = if plan.address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    // A datagram socket that connects sends nothing: it asks for the route.
    socket.connect(plan.at(ECHO))?;
    Ok(SocketAddr::new(socket.local_addr()?.ip(), TELEMETRY))
}

/// Where a board may report that is asked over the other version of IP, if this machine has that.
fn other_version(board: IpAddr) -> Option<SocketAddr> {
    let ip = match (board.is_ipv4(), board.is_loopback()) {
        (true, _) if !listen::has_ipv6() => return None,
        (true, true) => Ipv6Addr::LOCALHOST.into(),
        (true, false) => Ipv6Addr::UNSPECIFIED.into(),
        (false, true) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        (false, false) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    Some(SocketAddr::new(ip, TELEMETRY))
}

/// Whether `peer` may be the board, asked at `board`. One that reports over the other version of IP is whoever does
/// so from the same side: from this machine, or from without; or from anywhere, if the user has `chosen` where
/// telemetry comes to.
fn is_board(peer: IpAddr, board: IpAddr, chosen: bool) -> bool {
    let other = peer.is_ipv4() != board.is_ipv4();
    let same_side = peer.is_loopback() == board.is_loopback();
    peer == board || other && (chosen || same_side)
}

impl Collector {
    /// Listens from now on, where the plan says, or on this machine's address towards the board and for the
    /// other version of IP.
    pub(super) fn open(plan: &CheckPlan) -> Result<Self, String> {
        let board = plan.address.to_canonical();
        let address = plan.listen.map_or_else(|| towards(plan), Ok);
        let address = address.map_err(|error| format!("no route to {}: {error}", plan.address))?;
        let poll = Poll::new().map_err(|error| format!("cannot watch {address}: {error}"))?;
        let mut collector = Self {
            listeners: Listeners::default(),
            poll,
            addresses: Vec::new(),
            closed: None,
            board,
            chosen: plan.listen.is_some(),
            stranger: None,
        };
        collector.listen(address)?;
        if !collector.chosen
            && let Some(other) = other_version(board)
        {
            collector.closed = collector.listen(other).err();
        }
        Ok(collector)
    }

    fn listen(&mut self, address: SocketAddr) -> Result<(), String> {
        let socket = listen::bind(address, !self.chosen).map_err(|error| {
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
        let token = Token(self.addresses.len());
        self.listeners
            .add(socket, self.poll.registry(), token)
            .map_err(|error| format!("cannot watch {address}: {error}"))?;
        self.addresses.push(address);
        Ok(())
    }

    /// Waits for the board's connection; others are closed unread.
    pub(super) fn accept(&mut self, deadline: Instant) -> Result<(Wire, IpAddr), CheckFailure> {
        let failed = |error: io::Error| format!("cannot accept telemetry: {error}");
        let mut events = Events::with_capacity(2);
        loop {
            match self.listeners.accept() {
                Ok((stream, peer)) => {
                    let peer = peer.ip().to_canonical();
                    if is_board(peer, self.board, self.chosen) {
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
                            return Err(failed(error).into());
                        }
                        _ => {}
                    }
                    for event in &events {
                        self.listeners.ready(event.token());
                    }
                }
                // Also who has gone again before it was taken.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => return Err(failed(error).into()),
            }
        }
    }

    /// Nobody came: the board's fault, unless it may have gone where this machine could not listen.
    fn nobody(&self) -> CheckFailure {
        let Self { addresses, board, .. } = self;
        let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        let addresses = addresses.join(" or ");
        let but = self.stranger.map_or_else(String::new, |peer| format!(", but {peer} did"));
        let seen = format!("{board} did not connect to {addresses}{but}");
        match &self.closed {
            None => CheckFailure::Wrong(seen),
            Some(closed) => {
                CheckFailure::Unseen(format!("{seen}; it may report elsewhere, but {closed}"))
            }
        }
    }
}

/// Reads reports, and returns the last.
pub(super) fn reports(wire: &mut Wire) -> Result<Report, String> {
    let (mut lines, mut history) = (Lines::new(LINE_MAX), History::default());
    let (mut buffer, mut count) = ([0; 1024], 0);
    loop {
        let length = wire
            .read(&mut buffer)
            .map_err(|error| format!("{} after {}", lost(&error), counted(count, "report")))?;
        if length == 0 {
            return Err(format!("it closed (FIN) after {}", counted(count, "report")));
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

pub(super) fn telemetry(plan: &CheckPlan) -> Seen {
    let (mut wire, peer) = Collector::open(plan)?.accept(deadline(plan))?;
    let report = reports(&mut wire)?;
    let name = report.board().unwrap_or_else(|| "a board without a name".to_owned());
    Ok(format!("{REPORTS} reports of {name}, from {peer}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_the_other_version_of_ip_the_board_is_on_its_own_side() {
        for (peer, board, is, is_if_chosen) in [
            ("192.0.2.1", "192.0.2.1", true, true),
            ("192.0.2.3", "192.0.2.1", false, false),
            ("192.0.2.1", "2001:db8::1", true, true),
            ("127.0.0.1", "2001:db8::1", false, true),
            ("::1", "192.0.2.1", false, true),
            ("127.0.0.1", "::1", true, true),
            ("127.0.0.2", "127.0.0.1", false, false),
            ("192.0.2.1", "::1", false, true),
        ] {
            let [peer_ip, board_ip] = [peer, board].map(|text| text.parse().expect("an address"));
            let found = [false, true].map(|chosen| is_board(peer_ip, board_ip, chosen));
            assert_eq!(found, [is, is_if_chosen], "{peer} for {board}");
        }
    }
}
