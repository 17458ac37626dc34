//! Ten thousand connections one after the other, on a wire that loses frames, ended in every way there
//! is.
//!
//! The client begins the next connection as soon as it has done with the last; what the board still has
//! to do for the last goes on beside it. A failure names the connection; the seed is fixed, so that it
//! replays exactly.

mod common;

use common::pair::{Memory, PEER_SLOTS, Pair};
use common::tcp;
use embedded_nal::nb;
use smoltcp::time::Duration;
use tapboard::world::Outcome;
use tapboard_firmware::config::TCP_SLOTS;
use tapboard_firmware::rng::Rng;
use tapboard_firmware::{Error, NetStack, TcpSocket};

const CONNECTIONS: u32 = 10_000;
/// One frame of so many is lost, at random.
const LOSS: u32 = 50;
const REQUEST: usize = 100;

/// Who ends the connection, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    ClientFin,
    BoardFin,
    ClientReset,
    BoardReset,
    /// The client ends its direction at once, and a reply of several segments follows.
    HalfClose,
}

const ENDINGS: [Ending; 5] = [
    Ending::ClientFin,
    Ending::BoardFin,
    Ending::ClientReset,
    Ending::BoardReset,
    Ending::HalfClose,
];

impl Ending {
    fn of(request: u8) -> Self {
        ENDINGS[usize::from(request) % ENDINGS.len()]
    }

    fn reply_len(self) -> usize {
        match self {
            Self::HalfClose => 5000,
            _ => REQUEST,
        }
    }
}

/// One connection of the board: it echoes the request, whose bytes say how to end.
struct Served {
    socket: TcpSocket,
    request: Vec<u8>,
    sent: usize,
}

impl Served {
    /// Gives the connection back unless it is over.
    fn turn(mut self, board: &mut NetStack<'_>) -> Option<Self> {
        let mut buffer = [0; 256];
        let mut fin = false;
        loop {
            match tcp::receive(board, &mut self.socket, &mut buffer) {
                Ok(0) => {
                    fin = true;
                    break;
                }
                Ok(count) => self.request.extend_from_slice(&buffer[..count]),
                Err(nb::Error::WouldBlock) => break,
                Err(nb::Error::Other(Error::ConnectionReset | Error::TimedOut)) => {
                    tcp::close(board, self.socket);
                    return None;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        if self.request.len() < REQUEST {
            assert!(!fin, "FIN after {} bytes", self.request.len());
            return Some(self);
        }
        let ending = Ending::of(self.request[0]);
        if ending == Ending::HalfClose && !fin {
            return Some(self);
        }
        let reply = vec![self.request[0]; ending.reply_len()];
        if self.sent < reply.len() {
            match tcp::send(board, &mut self.socket, &reply[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(nb::Error::WouldBlock) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        let replied = self.sent == reply.len();
        match ending {
            // Its RST overtakes the reply, which may be lost with it.
            Ending::BoardReset if replied => board.abort(self.socket),
            Ending::BoardFin | Ending::HalfClose if replied => tcp::close(board, self.socket),
            _ if replied && fin => tcp::close(board, self.socket),
            _ => return Some(self),
        }
        None
    }
}

/// The client's side of one connection.
struct Client {
    socket: TcpSocket,
    number: u32,
    asked: bool,
    heard: Vec<u8>,
}

impl Client {
    fn new(peer: &mut NetStack<'_>, number: u32) -> Self {
        Self { socket: tcp::socket(peer), number, asked: false, heard: Vec::new() }
    }

    /// Gives the connection back unless it is over, and then how it ended.
    fn turn(mut self, peer: &mut NetStack<'_>) -> Result<Self, Option<Ending>> {
        let request = [self.number as u8; REQUEST];
        let ending = Ending::of(request[0]);
        if !self.asked {
            match tcp::connect(peer, &mut self.socket, "192.0.2.1:7") {
                Ok(()) => {}
                Err(nb::Error::WouldBlock | nb::Error::Other(Error::TimedOut)) => return Ok(self),
                Err(error) => panic!("connection {}: {error:?}", self.number),
            }
            assert_eq!(tcp::send(peer, &mut self.socket, &request), Ok(REQUEST));
            if ending == Ending::HalfClose {
                peer.shutdown(&self.socket).unwrap();
            }
            self.asked = true;
        }
        let mut buffer = [0; 2048];
        loop {
            match tcp::receive(peer, &mut self.socket, &mut buffer) {
                Ok(0) => break,
                Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
                Err(nb::Error::WouldBlock) if self.heard.len() == ending.reply_len() => {
                    match ending {
                        Ending::ClientFin => {
                            let _ = peer.shutdown(&self.socket);
                            return Ok(self);
                        }
                        Ending::ClientReset => {
                            peer.abort(self.socket);
                            return Err(Some(ending));
                        }
                        _ => return Ok(self),
                    }
                }
                Err(nb::Error::WouldBlock) => return Ok(self),
                Err(nb::Error::Other(Error::ConnectionReset)) if ending == Ending::BoardReset => {
                    tcp::close(peer, self.socket);
                    return Err(Some(ending));
                }
                // The last ACK of the handshake was lost with all that followed, and the board forgot.
                Err(nb::Error::Other(Error::ConnectionReset | Error::TimedOut)) => {
                    tcp::close(peer, self.socket);
                    return Err(None);
                }
                Err(error) => panic!("connection {}: {error:?}", self.number),
            }
        }
        assert!(
            self.heard == vec![request[0]; ending.reply_len()],
            "connection {}, {ending:?}: {} bytes",
            self.number,
            self.heard.len()
        );
        tcp::close(peer, self.socket);
        Err(Some(ending))
    }
}

#[test]
fn ten_thousand_connections_on_a_lossy_wire_leave_nothing_behind() {
    let mut memory = Memory::new();
    let mut pair = Pair::new(&mut memory, Duration::from_millis(1), 5);
    let mut rng = Rng::new(2026);
    pair.tap = Box::new(move |_, _, _| (rng.below(LOSS) > 0).then_some(Duration::ZERO));
    let mut listener = tcp::listener(&mut pair.board, 7);
    let mut served = Vec::new();
    let mut endings = [0; ENDINGS.len()];
    let mut lost = 0;
    for thousand in 0..CONNECTIONS / 1000 {
        let mut number = thousand * 1000;
        let end = number + 1000;
        let mut client = Some(Client::new(&mut pair.peer, number));
        let outcome = pair.run(Duration::from_secs(100_000), |_, board, peer| {
            while let Some(socket) = tcp::accept(board, &mut listener) {
                served.push(Served { socket, request: Vec::new(), sent: 0 });
            }
            served = std::mem::take(&mut served)
                .into_iter()
                .filter_map(|served| served.turn(board))
                .collect();
            // The next one has its first turn at once, or nothing would happen any more.
            while let Some(turned) = client.take() {
                client = match turned.turn(peer) {
                    Ok(same) => {
                        client = Some(same);
                        break;
                    }
                    Err(ended) => {
                        match ended {
                            Some(ending) => endings[ending as usize] += 1,
                            None => lost += 1,
                        }
                        number += 1;
                        (number < end).then(|| Client::new(peer, number))
                    }
                };
            }
            // The board may still be busy with the last ones.
            client.is_none() && served.is_empty() && board.free_slots() == TCP_SLOTS
        });
        assert_eq!(outcome, Outcome::Done, "connection {number}\n{}", pair.netstat());
        // Time enough for every TIME-WAIT and orphan of the peer.
        pair.settle(Duration::from_secs(60));
        assert_eq!(pair.board.free_slots(), TCP_SLOTS, "{}", pair.netstat());
        assert_eq!(pair.peer.free_slots(), PEER_SLOTS, "{}", pair.netstat());
    }
    let all: u32 = endings.iter().sum();
    assert_eq!(all + lost, CONNECTIONS);
    assert!(endings.iter().all(|&count| count > 1900), "{endings:?}, {lost} lost");
    tcp::close(&mut pair.board, listener);
    pair.settle(Duration::from_secs(1));
    pair.assert_clean();
}
