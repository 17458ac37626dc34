//! The stack's sockets between two boards on a wire, in virtual time.

mod common;

use common::pair::{Memory, Pair};
use embedded_nal::nb;
use embedded_nal::{TcpClientStack, TcpFullStack};
use smoltcp::time::Duration;
use tapboard::world::Outcome;
use tapboard_firmware::config::TCP_SLOTS;

#[test]
fn bytes_go_there_and_back_and_all_slots_are_free_again() {
    let mut memory = Memory::new();
    let mut pair = Pair::new(&mut memory, Duration::from_millis(1), 1);
    let mut listener = TcpClientStack::socket(&mut pair.board).unwrap();
    pair.board.bind(&mut listener, 7).unwrap();
    pair.board.listen(&mut listener).unwrap();
    let mut client = TcpClientStack::socket(&mut pair.peer).unwrap();
    let mut served = None;
    let mut sent = 0;
    let mut heard = Vec::new();
    let outcome = pair.run(Duration::from_secs(20), |_, board, peer| {
        match TcpClientStack::connect(peer, &mut client, "192.0.2.1:7".parse().unwrap()) {
            Err(nb::Error::WouldBlock) => return false,
            result => result.unwrap(),
        }
        let data = [0x5a; 10_000];
        if sent < data.len() {
            sent += TcpClientStack::send(peer, &mut client, &data[sent..]).unwrap_or(0);
            if sent == data.len() {
                peer.shutdown(&client).unwrap();
            }
        }
        if served.is_none() {
            served = board.accept(&mut listener).ok().map(|(socket, _)| socket);
        }
        let Some(socket) = &mut served else {
            return false;
        };
        let mut buffer = [0; 700];
        loop {
            match TcpClientStack::receive(board, socket, &mut buffer) {
                Ok(0) => return true,
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
                Err(nb::Error::WouldBlock) => return false,
                Err(error) => panic!("{error:?}"),
            }
        }
    });
    assert_eq!(outcome, Outcome::Done, "{}", pair.netstat());
    assert_eq!(heard, [0x5a; 10_000]);
    TcpClientStack::close(&mut pair.board, served.unwrap()).unwrap();
    pair.settle(Duration::from_secs(1));
    let mut buffer = [0; 1];
    assert_eq!(TcpClientStack::receive(&mut pair.peer, &mut client, &mut buffer), Ok(0));
    TcpClientStack::close(&mut pair.peer, client).unwrap();
    pair.settle(Duration::from_secs(20));
    assert_eq!(pair.board.free_slots(), TCP_SLOTS, "{}", pair.netstat());
    assert_eq!(pair.peer.free_slots(), 64, "{}", pair.netstat());
    assert_eq!(pair.board.counters().stalls, 0, "{}", pair.netstat());
}
