//! What the echo service asks of the stack: received bytes sent back, a full segment in one call, and never more than
//! there is room for.

mod common;

use common::pair::{Memory, Pair};
use common::tcp;
use embedded_nal::nb;
use smoltcp::time::Duration;
use tapboard::world::Outcome;
use tapboard_firmware::config::{SEGMENT_SIZE, SERVICE_BUDGET};
use tapboard_firmware::{BufferAccess, Error, NetStack, TcpSocket};

/// Long enough for anything here.
const SOON: Duration = Duration::from_secs(30);

/// Bytes of a board's buffer, each way.
const BUFFER: usize = 2048;

fn send_back(board: &mut NetStack<'_>, socket: &mut TcpSocket) -> nb::Result<usize, Error> {
    board.send_back(socket, SERVICE_BUDGET).expect("this stack knows its room")
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index % 251) as u8).collect()
}

/// A connection to the board's port 7: the board's socket, and the peer's.
fn connection(pair: &mut Pair<'_>) -> (TcpSocket, TcpSocket) {
    let mut listener = tcp::listener(&mut pair.board, 7);
    let mut client = tcp::socket(&mut pair.peer);
    let mut accepted = None;
    let mut connected = false;
    let outcome = pair.run(SOON, |_, board, peer| {
        connected |= tcp::connect(peer, &mut client, "192.0.2.1:7").is_ok();
        accepted = accepted.take().or_else(|| tcp::accept(board, &mut listener));
        connected && accepted.is_some()
    });
    assert_eq!(outcome, Outcome::Done);
    tcp::close(&mut pair.board, listener);
    (accepted.expect("just seen"), client)
}

#[test]
fn a_full_segment_is_one_call_wherever_it_lies_in_the_buffers() {
    let mut memory = Memory::new();
    let mut pair = Pair::new(&mut memory, Duration::from_millis(1), 1);
    let (mut server, mut client) = connection(&mut pair);
    let segment = pattern(SEGMENT_SIZE);
    // 2048 and 1460 have but 4 in common, so that the segment begins at many places of the rings.
    for round in 0..20 {
        assert_eq!(tcp::send(&mut pair.peer, &mut client, &segment), Ok(SEGMENT_SIZE));
        let mut calls = Vec::new();
        let mut heard = Vec::new();
        let outcome = pair.run(SOON, |_, board, peer| {
            if let Ok(count) = send_back(board, &mut server) {
                calls.push(count);
            }
            tcp::read(peer, &mut client, &mut heard);
            // So that the next has all the room.
            heard.len() == SEGMENT_SIZE && board.unacknowledged(&server) == 0
        });
        assert_eq!((outcome, &calls[..]), (Outcome::Done, &[SEGMENT_SIZE][..]), "round {round}");
        assert!(heard == segment, "round {round}: not the same bytes");
    }
}

#[test]
fn it_takes_no_more_than_it_can_send_and_loses_none_of_the_rest() {
    let mut memory = Memory::new();
    let mut pair = Pair::new(&mut memory, Duration::from_millis(1), 2);
    let (mut server, mut client) = connection(&mut pair);
    let data = pattern(40_000);
    let (mut sent, mut taken) = (0, 0);
    // The peer sends and does not read: its 8 KiB and the board's 2 KiB each way fill up.
    let outcome = pair.run(SOON, |_, board, peer| {
        if let Ok(count @ 1..) = tcp::send(peer, &mut client, &data[sent..]) {
            sent += count;
        }
        while let Ok(count) = send_back(board, &mut server) {
            taken += count;
        }
        board.send_room(&server) == 0
            && board.peek(&server, &mut [0; BUFFER]) == Ok(BUFFER)
            && peer.send_room(&client) == 0
    });
    assert_eq!(outcome, Outcome::Done, "{}", pair.netstat());
    assert_eq!(send_back(&mut pair.board, &mut server), Err(nb::Error::WouldBlock));
    assert_eq!(pair.board.peek(&server, &mut [0; BUFFER]), Ok(BUFFER), "what waits is still there");
    let mut heard = Vec::new();
    let mut fin = false;
    let outcome = pair.run(SOON * 10, |_, board, peer| {
        if sent < data.len() {
            sent += tcp::send(peer, &mut client, &data[sent..]).unwrap_or(0);
        } else if !fin {
            peer.shutdown(&client).expect("connected");
            fin = true;
        }
        tcp::read(peer, &mut client, &mut heard);
        loop {
            match send_back(board, &mut server) {
                Ok(0) => return board.unacknowledged(&server) == 0,
                Ok(count) => taken += count,
                Err(nb::Error::WouldBlock) => return false,
                Err(nb::Error::Other(error)) => panic!("{error}"),
            }
        }
    });
    assert_eq!(outcome, Outcome::Done, "{}", pair.netstat());
    assert_eq!(taken, data.len());
    tcp::read(&mut pair.peer, &mut client, &mut heard);
    assert!(heard == data, "{} bytes came back, of {}", heard.len(), data.len());
}

#[test]
fn the_limit_holds() {
    let mut memory = Memory::new();
    let mut pair = Pair::new(&mut memory, Duration::from_millis(1), 3);
    let (mut server, mut client) = connection(&mut pair);
    assert_eq!(tcp::send(&mut pair.peer, &mut client, &[1; 250]), Ok(250));
    let outcome = pair.run(SOON, |_, board, _| board.peek(&server, &mut [0; 300]) == Ok(250));
    assert_eq!(outcome, Outcome::Done);
    let counts = [100; 4].map(|limit| pair.board.send_back(&mut server, limit).expect("it does"));
    assert_eq!(counts, [Ok(100), Ok(100), Ok(50), Err(nb::Error::WouldBlock)]);
}

#[test]
fn a_fin_is_told_although_there_is_no_room() {
    let mut memory = Memory::new();
    let mut pair = Pair::new(&mut memory, Duration::from_millis(1), 4);
    let (mut server, client) = connection(&mut pair);
    pair.tap = Box::new(|_, _, frame| (frame.len() < 500).then_some(Duration::ZERO));
    assert_eq!(tcp::send(&mut pair.board, &mut server, &[0; BUFFER]), Ok(BUFFER));
    pair.peer.shutdown(&client).expect("connected");
    let outcome = pair.run(SOON, |_, board, _| send_back(board, &mut server) == Ok(0));
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(pair.board.send_room(&server), 0);
}

#[test]
fn a_reset_is_told_although_bytes_wait_and_there_is_no_room() {
    let mut memory = Memory::new();
    let mut pair = Pair::new(&mut memory, Duration::from_millis(1), 5);
    let (mut server, mut client) = connection(&mut pair);
    assert_eq!(tcp::send(&mut pair.peer, &mut client, b"never answered"), Ok(14));
    let outcome = pair.run(SOON, |_, board, _| board.peek(&server, &mut [0; 20]) == Ok(14));
    assert_eq!(outcome, Outcome::Done);
    pair.peer.abort(client);
    let mut error = None;
    let outcome = pair.run(SOON, |_, board, _| {
        // The service is not called while the reset is under way.
        if board.state_name(&server) == "CLOSED" {
            error = Some(send_back(board, &mut server));
        }
        error.is_some()
    });
    assert_eq!(
        (outcome, error),
        (Outcome::Done, Some(Err(nb::Error::Other(Error::ConnectionReset))))
    );
}
