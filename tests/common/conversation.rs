//! One conversation of two stacks on a bad wire, frame by frame: for captures and ladders.
//!
//! A client connects to port 7 of the board, sends, is answered and closes. The first SYN-ACK and the
//! first segment with data are lost, the client's FIN is delayed; then a datagram and a refused
//! connection. All in virtual time, so that every run is the same.

use std::cell::RefCell;
use std::rc::Rc;

use embedded_nal::{UdpClientStack, UdpFullStack, nb};
use smoltcp::time::{Duration, Instant};
use tapboard::capture::Direction;
use tapboard::nic::wire::Side;
use tapboard::world::Outcome;
use tapboard_firmware::NetStack;
use tapboard_firmware::config::TCP_SLOTS;

use super::frames::Segment;
use super::pair::{Memory, Pair};
use super::{ready, tcp};

/// A frame as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) direction: Direction,
    pub(crate) frame: Vec<u8>,
    pub(crate) notes: String,
}

/// What the wire does: the seconds' first of each kind of segment is hit.
#[derive(Default)]
struct Faults {
    syn_ack_lost: bool,
    data_lost: bool,
}

impl Faults {
    fn hit(&mut self, side: Side, frame: &[u8]) -> (Option<Duration>, String) {
        let dropped = || (None, "dropped by loss 5%".to_string());
        match Segment::parse(frame) {
            Some(segment) if segment.is_syn_ack() && !self.syn_ack_lost => {
                self.syn_ack_lost = true;
                dropped()
            }
            Some(segment) if !segment.payload.is_empty() && !self.data_lost => {
                self.data_lost = true;
                dropped()
            }
            Some(segment) if segment.is_fin() && side == Side::Board => {
                (Some(Duration::from_millis(43)), "delayed 43 ms".to_string())
            }
            _ => (Some(Duration::ZERO), String::new()),
        }
    }
}

/// The whole conversation.
pub(crate) fn conversation() -> Vec<Sent> {
    let mut memory = Memory::new();
    let mut pair = Pair::new(&mut memory, Duration::from_millis(2), 5);
    let sent = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&sent);
    let mut faults = Faults::default();
    pair.tap = Box::new(move |at, side, frame| {
        let (fate, notes) = faults.hit(side, frame);
        let direction = match side {
            Side::Board => Direction::ToBoard,
            Side::Peer => Direction::ToPeer,
        };
        log.borrow_mut().push(Sent { at, direction, frame: frame.to_vec(), notes });
        fate
    });
    echo(&mut pair);
    datagram(&mut pair);
    refused(&mut pair);
    drop(pair);
    Rc::try_unwrap(sent).expect("the tap is gone").into_inner()
}

fn echo(pair: &mut Pair<'_>) {
    let mut listener = Some(tcp::listener(&mut pair.board, 7));
    let mut client = Some(tcp::socket(&mut pair.peer));
    let (mut served, mut sent, mut heard) = (None, 0, Vec::new());
    let outcome = pair.run(Duration::from_secs(60), |_, board, peer| {
        if let Some(listener) = &mut listener {
            served = served.take().or_else(|| tcp::accept(board, listener));
        }
        if let Some(mut socket) = served.take() {
            let mut data = Vec::new();
            let end = tcp::read(board, &mut socket, &mut data);
            if !data.is_empty() {
                assert_eq!(ready(tcp::send(board, &mut socket, &data)), Some(data.len()));
            }
            if end {
                tcp::close(board, socket);
            } else {
                served = Some(socket);
            }
        }
        let Some(mut socket) = client.take() else {
            return board.free_slots() == TCP_SLOTS;
        };
        if ready(tcp::connect(peer, &mut socket, "192.0.2.1:7")).is_some() && sent == 0 {
            sent = ready(tcp::send(peer, &mut socket, b"hello")).unwrap_or(0);
        }
        if sent > 0 {
            tcp::read(peer, &mut socket, &mut heard);
        }
        if heard == b"hello" {
            tcp::close(peer, socket);
        } else {
            client = Some(socket);
        }
        false
    });
    assert_eq!(outcome, Outcome::Done, "{}", pair.netstat());
    tcp::close(&mut pair.board, listener.take().expect("it is still there"));
}

fn datagram(pair: &mut Pair<'_>) {
    let bound = |stack: &mut NetStack<'_>, port| {
        let mut socket = UdpClientStack::socket(stack).expect("a socket");
        UdpFullStack::bind(stack, &mut socket, port).expect("a free port");
        socket
    };
    let mut socket = bound(&mut pair.peer, 4000);
    let to = "192.0.2.1:9".parse().expect("a literal");
    pair.peer.send_to(&mut socket, to, b"ping").expect("room for one");
    // Nobody listens there: an ICMP message comes back.
    pair.settle(Duration::from_secs(1));
    UdpClientStack::close(&mut pair.peer, socket).expect("close never fails");
}

fn refused(pair: &mut Pair<'_>) {
    let mut client = tcp::socket(&mut pair.peer);
    let outcome = pair.run(Duration::from_secs(10), |_, _, peer| {
        matches!(tcp::connect(peer, &mut client, "192.0.2.1:4242"), Err(nb::Error::Other(_)))
    });
    assert_eq!(outcome, Outcome::Done, "{}", pair.netstat());
    tcp::close(&mut pair.peer, client);
}
