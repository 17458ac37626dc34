//! A host of a fleet in virtual time: it collects telemetry of some boards, and asks each of them for an echo in turn.
//!
//! It is a machine as the boards are, on the same switch, with the firmware's own stack. What it has seen of each board is
//! in [`Seen`], which it shares with who runs the fleet.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use embedded_nal::nb;
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::config::{DATAGRAM_SIZE, NEIGHBORS};
use tapboard_firmware::{Backlog, Buffers, NetConfig, NetStack, Sockets, TcpSocket, earliest};

use crate::identity::Identity;

use super::machine::{Ask, Mailbox, Running, next_turn};
use super::options::BOARDS_PER_HOST as BOARDS;

const _: () = assert!(BOARDS <= NEIGHBORS, "its stack remembers all its boards");
/// TCP slots of a host: for its boards, for as many connections whose board lost its power, and for visits.
const SLOTS: usize = 2 * BOARDS + 2 * VISITS;
/// Visits at a time.
const VISITS: usize = 4;
/// From one visit of a board to the next.
const ROUND: Duration = Duration::from_secs(5);
/// How long a visit may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// Where telemetry goes.
pub(super) const TELEMETRY: u16 = 9000;
/// Where the echo is.
const ECHO: u16 = 7;
/// Bytes of each buffer.
const BUFFER: usize = 2048;
/// Bytes of a visit.
const PAYLOAD: usize = 64;
/// Bytes of telemetry read at a time; a line is shorter.
const READ: usize = 512;

/// What a host has seen of a board.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Its address.
    pub(super) address: IpAddr,
    /// How each line of its telemetry begins.
    pub(super) prefix: String,
    /// Lines of telemetry.
    pub(super) reports: u64,
    /// When the last came.
    pub(super) heard: Option<Instant>,
    /// Visits whose every byte came back.
    pub(super) echoes: u64,
    /// When the last of them ended.
    pub(super) echoed: Option<Instant>,
    /// Visits that came to nothing.
    pub(super) unanswered: u64,
    /// What it said and should not have.
    pub(super) wrong: Option<String>,
}

impl Seen {
    /// Nothing yet of that board.
    pub(super) fn new(board: &Identity) -> Self {
        Self {
            address: IpAddr::V4(board.ipv4().address()),
            prefix: format!("{{\"board\":\"{}\",", board.name),
            reports: 0,
            heard: None,
            echoes: 0,
            echoed: None,
            unanswered: 0,
            wrong: None,
        }
    }
}

/// The boards of one host.
pub(super) type Notes = Rc<RefCell<Vec<Seen>>>;

/// A board's telemetry connection.
struct Report {
    socket: TcpSocket,
    board: usize,
    line: Vec<u8>,
}

/// One visit.
struct Visit {
    socket: TcpSocket,
    board: usize,
    until: Instant,
    connected: bool,
    sent: usize,
    back: usize,
}

/// A host with that address.
pub(super) fn host(net: NetConfig, entropy: u64, notes: Notes, mailbox: Rc<Mailbox>) -> Running {
    Running::new(run(net, entropy, notes, mailbox))
}

async fn run(net: NetConfig, entropy: u64, notes: Notes, mailbox: Rc<Mailbox>) {
    let mut tcp = vec![[[0; BUFFER]; 2]; SLOTS];
    let mut udp = vec![[[0; DATAGRAM_SIZE]; 2]; 1];
    let (mut backlog, mut sockets) = (Backlog::<BOARDS>::new(), Sockets::<SLOTS, 1>::new());
    let buffers = Buffers {
        tcp: tcp.as_mut_slice(),
        udp: udp.as_mut_slice(),
        backlog: (&mut backlog).into(),
    };
    let mut stack = {
        let device = &mut *mailbox.nic.borrow_mut();
        NetStack::new(&net, device, mailbox.now.get(), entropy, buffers, &mut sockets)
    };
    let listener = stack.tcp_listen(TELEMETRY).expect("a stack without a port has room for one");
    let (mut reports, mut visits): (Vec<Report>, Vec<Visit>) = (Vec::new(), Vec::new());
    let (mut next_board, mut next_visit) = (0, mailbox.now.get() + Duration::from_secs(2));
    loop {
        if mailbox.ask.take() == Ask::Poll {
            let now = mailbox.now.get();
            let device = &mut *mailbox.nic.borrow_mut();
            let next = stack.poll_with(now, device, |stack, now| {
                let notes = &mut *notes.borrow_mut();
                while let Ok((socket, peer)) = stack.tcp_accept(&listener) {
                    match notes.iter().position(|seen| seen.address == peer.ip()) {
                        Some(board) => reports.push(Report { socket, board, line: Vec::new() }),
                        None => stack.abort(socket),
                    }
                }
                read_all(now, stack, &mut reports, notes);
                visit_all(now, stack, &mut visits, notes);
                if now >= next_visit && visits.len() < VISITS && !notes.is_empty() {
                    if let Ok(socket) =
                        stack.tcp_connect(SocketAddr::new(notes[next_board].address, ECHO))
                    {
                        let until = now + PATIENCE;
                        let (connected, sent, back) = (false, 0, 0);
                        visits.push(Visit {
                            socket,
                            board: next_board,
                            until,
                            connected,
                            sent,
                            back,
                        });
                        next_board = (next_board + 1) % notes.len();
                    }
                    next_visit = now + ROUND / notes.len() as u32;
                }
                let visit = (visits.len() < VISITS && !notes.is_empty()).then_some(next_visit);
                let patience = visits.iter().map(|visit| visit.until).min();
                earliest(visit, patience)
            });
            mailbox.next.set(next);
            mailbox.idle.set(true);
        }
        next_turn().await;
    }
}

/// Reads what boards have sent.
fn read_all(now: Instant, stack: &mut NetStack<'_>, reports: &mut Vec<Report>, notes: &mut [Seen]) {
    let mut index = 0;
    while let Some(report) = reports.get_mut(index) {
        if read(now, stack, report, &mut notes[report.board]) {
            index += 1;
        } else {
            stack.tcp_close(reports.swap_remove(index).socket);
        }
    }
}

/// Reads one board's telemetry. False when it is over.
fn read(now: Instant, stack: &mut NetStack<'_>, report: &mut Report, seen: &mut Seen) -> bool {
    let mut buffer = [0; READ];
    loop {
        let count = match stack.tcp_receive(&report.socket, &mut buffer) {
            Err(nb::Error::WouldBlock) => return true,
            Ok(0) | Err(nb::Error::Other(_)) => return false,
            Ok(count) => count,
        };
        for &byte in &buffer[..count] {
            if byte != b'\n' {
                report.line.push(byte);
                continue;
            }
            if report.line.starts_with(seen.prefix.as_bytes()) {
                seen.reports += 1;
                seen.heard = Some(now);
            } else {
                seen.wrong = Some(String::from_utf8_lossy(&report.line).into_owned());
            }
            report.line.clear();
        }
    }
}

/// Goes on with the visits.
fn visit_all(now: Instant, stack: &mut NetStack<'_>, visits: &mut Vec<Visit>, notes: &mut [Seen]) {
    let mut index = 0;
    while let Some(visit) = visits.get_mut(index) {
        let seen = &mut notes[visit.board];
        let over = match go_on(stack, visit) {
            Ok(false) if now < visit.until => None,
            Ok(false) | Err(None) => {
                seen.unanswered += 1;
                Some(false)
            }
            Ok(true) => {
                seen.echoes += 1;
                seen.echoed = Some(now);
                Some(true)
            }
            Err(Some(wrong)) => {
                seen.wrong = Some(wrong);
                Some(false)
            }
        };
        match over {
            None => index += 1,
            Some(true) => stack.tcp_close(visits.swap_remove(index).socket),
            Some(false) => stack.abort(visits.swap_remove(index).socket),
        }
    }
}

/// A byte of what is sent to a board.
const fn payload(board: usize, index: usize) -> u8 {
    (board.wrapping_mul(31) ^ index) as u8
}

/// One step of a visit. True once all has come back; an error with what came in its place, or with nothing if the board
/// is not there.
fn go_on(stack: &mut NetStack<'_>, visit: &mut Visit) -> Result<bool, Option<String>> {
    if !visit.connected {
        match stack.tcp_connected(&mut visit.socket) {
            Ok(()) => visit.connected = true,
            Err(nb::Error::WouldBlock) => return Ok(false),
            Err(nb::Error::Other(_)) => return Err(None),
        }
    }
    let bytes: [u8; PAYLOAD] = std::array::from_fn(|index| payload(visit.board, index));
    if visit.sent < PAYLOAD {
        match stack.tcp_send(&visit.socket, &bytes[visit.sent..]) {
            Ok(count) => visit.sent += count,
            Err(nb::Error::WouldBlock) => {}
            Err(nb::Error::Other(_)) => return Err(None),
        }
    }
    let mut buffer = [0; PAYLOAD];
    match stack.tcp_receive(&visit.socket, &mut buffer) {
        Err(nb::Error::WouldBlock) => Ok(false),
        Ok(0) | Err(nb::Error::Other(_)) => Err(None),
        Ok(count) => {
            let due = bytes.get(visit.back..visit.back + count);
            if due != Some(&buffer[..count]) {
                return Err(Some(format!("an echo of {:?} in place of {due:?}", &buffer[..count])));
            }
            visit.back += count;
            Ok(visit.back == PAYLOAD)
        }
    }
}
