//! UDP sockets: what they receive, what they send, and what they refuse.

mod common;

use common::frames::{Datagram, endpoint};
use common::solo::{Solo, SoloMemory};
use common::{failed, ready};
use embedded_nal::nb;
use embedded_nal::{UdpClientStack, UdpFullStack};
use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, EthernetFrame, IpAddress};
use tapboard_firmware::config::{DATAGRAM_SIZE, INGRESS_BUDGET, UDP_PACKETS};
use tapboard_firmware::{Error, NetStack, UdpSocket};

fn bound(board: &mut NetStack<'_>, port: u16) -> UdpSocket {
    let mut socket = UdpClientStack::socket(board).unwrap();
    board.bind(&mut socket, port).unwrap();
    socket
}

fn datagram(from: &str, to: &str, payload: &[u8]) -> Datagram {
    Datagram { from: endpoint(from), to: endpoint(to), payload: payload.to_vec() }
}

/// Everything that waits in the socket.
fn drain(board: &mut NetStack<'_>, socket: &mut UdpSocket) -> Vec<Vec<u8>> {
    let mut buffer = [0; 2048];
    let mut all = Vec::new();
    while let Some((count, _)) = ready(board.receive(socket, &mut buffer)) {
        all.push(buffer[..count].to_vec());
    }
    all
}

#[test]
fn a_datagram_is_answered_to_its_sender_from_the_address_it_came_to() {
    for (peer, board) in
        [("192.0.2.2:4000", "192.0.2.1:7"), ("[2001:db8::2]:4000", "[2001:db8::1]:7")]
    {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let mut socket = bound(&mut solo.board, 7);
        for payload in [&b""[..], b"x", &[9; 1400]] {
            solo.send(datagram(peer, board, payload).frame());
            let mut buffer = [0; 1500];
            let (count, from) = ready(solo.board.receive(&mut socket, &mut buffer)).unwrap();
            assert_eq!((&buffer[..count], from.to_string()), (payload, peer.to_string()));
            let destination = solo.board.udp_destination(&socket).unwrap().unwrap();
            assert_eq!(IpAddress::from(destination), endpoint(board).addr);
            solo.board.send_to(&mut socket, from, payload).unwrap();
            solo.turn();
            assert_eq!(solo.datagrams.pop(), Some(datagram(board, peer, payload)));
        }
        solo.board.close(socket).unwrap();
        solo.assert_clean();
    }
}

#[test]
fn a_connected_socket_hears_its_peer_only() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut socket = UdpClientStack::socket(&mut solo.board).unwrap();
    solo.board.connect(&mut socket, "192.0.2.2:4000".parse().unwrap()).unwrap();
    solo.board.send(&mut socket, b"hello").unwrap();
    solo.turn();
    let sent = solo.datagrams.pop().unwrap();
    assert_eq!(sent.to, endpoint("192.0.2.2:4000"));
    assert!(sent.from.port >= 49152);
    let own = sent.from.to_string();
    solo.send(datagram("192.0.2.2:4001", &own, b"wrong port").frame());
    solo.send(datagram("192.0.2.3:4000", &own, b"wrong host").frame());
    assert_eq!(solo.board.receive(&mut socket, &mut [0; 8]), Err(nb::Error::WouldBlock));
    solo.send(datagram("192.0.2.3:4000", &own, b"wrong host").frame());
    solo.send(datagram("192.0.2.2:4000", &own, b"right").frame());
    assert_eq!(drain(&mut solo.board, &mut socket), [b"right"]);
    solo.board.close(socket).unwrap();
    solo.assert_clean();
}

#[test]
fn a_datagram_for_everybody_reaches_nobody() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut socket = bound(&mut solo.board, 7);
    let mut sent = 0;
    for to in ["192.0.2.255:7", "255.255.255.255:7", "224.0.0.1:7", "[ff02::1]:7", "192.0.2.9:7"] {
        let from = if to.starts_with('[') { "[2001:db8::2]:4000" } else { "192.0.2.2:4000" };
        solo.send(datagram(from, to, b"all of you").frame());
        sent += 1;
    }
    // Our IP address, but a MAC address of everybody, of a group, or of somebody else.
    for mac in [[0xff; 6], [1, 0, 0x5e, 0, 0, 1], [2, 0, 0, 0, 0, 9]] {
        let mut frame = datagram("192.0.2.2:4000", "192.0.2.1:7", b"all of you").frame();
        EthernetFrame::new_unchecked(&mut frame).set_dst_addr(EthernetAddress(mac));
        solo.send(frame);
        sent += 1;
    }
    assert_eq!(drain(&mut solo.board, &mut socket), Vec::<Vec<u8>>::new());
    assert_eq!(solo.board.counters().not_ours_dropped, sent);
    solo.send(datagram("192.0.2.2:4000", "192.0.2.1:7", b"you").frame());
    assert_eq!(drain(&mut solo.board, &mut socket), [b"you"]);
    solo.board.close(socket).unwrap();
    solo.assert_clean();
}

#[test]
fn a_datagram_that_does_not_fit_is_refused_or_cut() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut socket = bound(&mut solo.board, 7);
    for (to, most) in
        [("192.0.2.2:4000", DATAGRAM_SIZE), ("[2001:db8::2]:4000", DATAGRAM_SIZE - 20)]
    {
        let remote = to.parse().unwrap();
        let large = vec![5; most + 1];
        assert_eq!(failed(solo.board.send_to(&mut socket, remote, &large)), Error::MessageTooLong);
        solo.board.send_to(&mut socket, remote, &large[..most]).unwrap();
        // The stack asks for one neighbour a second.
        solo.turn();
        solo.pass(Duration::from_secs(1));
        assert_eq!(solo.datagrams.pop().unwrap().payload.len(), most);
    }
    solo.send(datagram("192.0.2.2:4000", "192.0.2.1:7", b"too long for the buffer").frame());
    solo.send(datagram("192.0.2.2:4000", "192.0.2.1:7", b"next").frame());
    let mut buffer = [0; 8];
    assert_eq!(ready(solo.board.receive(&mut socket, &mut buffer)).unwrap().0, 8);
    assert_eq!(&buffer, b"too long");
    assert_eq!(ready(solo.board.receive(&mut socket, &mut buffer)).unwrap().0, 4);
    solo.board.close(socket).unwrap();
    solo.assert_clean();
}

#[test]
fn a_full_queue_says_would_block_one_way_and_drops_the_other() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut socket = bound(&mut solo.board, 7);
    for number in 0..6u8 {
        solo.send(datagram("192.0.2.2:4000", "192.0.2.1:7", &[number]).frame());
    }
    assert_eq!(drain(&mut solo.board, &mut socket), [[0], [1], [2], [3]]);
    assert_eq!(solo.board.counters().udp_dropped, 2);
    let remote = "192.0.2.2:4000".parse().unwrap();
    for number in 0..4u8 {
        solo.board.send_to(&mut socket, remote, &[number]).unwrap();
    }
    let result = solo.board.send_to(&mut socket, remote, &[4]);
    assert_eq!(result, Err(nb::Error::WouldBlock));
    solo.turn();
    assert_eq!(solo.datagrams.len(), 4);
    solo.board.send_to(&mut socket, remote, &[4]).unwrap();
    solo.board.close(socket).unwrap();
    solo.turn();
    solo.assert_clean();
}

#[test]
fn a_burst_is_read_before_the_queue_is_full() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut socket = bound(&mut solo.board, 7);
    let burst: Vec<_> = (0..100_u8).map(|number| vec![number; usize::from(number) * 14]).collect();
    for payload in &burst {
        solo.put(datagram("192.0.2.2:4000", "192.0.2.1:7", payload).frame());
    }
    let mut all = Vec::new();
    solo.turn_with(&mut |board, _| {
        all.append(&mut drain(board, &mut socket));
        None
    });
    assert_eq!(all, burst);
    assert_eq!(solo.board.counters().udp_dropped, 0);
    solo.board.close(socket).unwrap();
    solo.assert_clean();
}

#[test]
fn a_socket_that_nobody_reads_costs_no_turns() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let socket = bound(&mut solo.board, 7);
    let (before, sent) = (solo.polls, 10 * INGRESS_BUDGET);
    for _ in 0..sent {
        solo.put(datagram("192.0.2.2:4000", "192.0.2.1:7", b"unread").frame());
    }
    solo.turn();
    assert_eq!(solo.board.counters().udp_dropped as usize, sent - UDP_PACKETS);
    // One for each datagram that was taken, then whole budgets.
    assert!(solo.polls - before <= 16, "{} polls", solo.polls - before);
    solo.board.close(socket).unwrap();
    solo.assert_clean();
}

#[test]
fn sockets_and_ports_run_out_with_an_error_each() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let board = &mut solo.board;
    let mut sockets = vec![bound(board, 7)];
    let mut extra = UdpClientStack::socket(board).unwrap();
    assert_eq!(board.bind(&mut extra, 7), Err(Error::AddressInUse));
    assert_eq!(board.bind(&mut extra, 0), Err(Error::Unaddressable));
    assert_eq!(failed(board.send(&mut extra, b"x")), Error::InvalidState);
    assert_eq!(failed(board.receive(&mut extra, &mut [0; 1])), Error::InvalidState);
    let remote = "192.0.2.2:4000".parse().unwrap();
    assert_eq!(failed(board.send_to(&mut extra, remote, b"x")), Error::InvalidState);
    assert_eq!(failed(board.send(&mut sockets[0], b"to whom?")), Error::InvalidState);
    for nowhere in ["192.0.2.2:0", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "192.0.2.255:1"]
    {
        let nowhere = nowhere.parse().unwrap();
        assert_eq!(board.connect(&mut extra, nowhere), Err(Error::Unaddressable), "{nowhere}");
        let result = board.send_to(&mut sockets[0], nowhere, b"x");
        assert_eq!(failed(result), Error::Unaddressable, "{nowhere}");
    }
    board.connect(&mut extra, remote).unwrap();
    sockets.push(extra);
    let mut third = UdpClientStack::socket(board).unwrap();
    assert_eq!(board.bind(&mut third, 11), Err(Error::NoBufferSpace));
    assert_eq!(board.connect(&mut third, remote), Err(Error::NoBufferSpace));
    board.close(sockets.remove(0)).unwrap();
    board.bind(&mut third, 7).expect("port and socket are free again");
    sockets.push(third);
    for socket in sockets {
        board.close(socket).unwrap();
    }
    solo.turn();
    solo.assert_clean();
}

#[test]
fn whichever_socket_is_closed_the_other_is_still_known() {
    for closed in [0, 1] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let mut sockets = vec![bound(&mut solo.board, 7), bound(&mut solo.board, 9)];
        let kept = [9, 7][closed];
        solo.board.close(sockets.remove(closed)).unwrap();
        let rows = solo.netstat();
        assert!(rows.contains(&format!("*:{kept} ")) && rows.matches("udp").count() == 1, "{rows}");
        let mut another = UdpClientStack::socket(&mut solo.board).unwrap();
        assert_eq!(solo.board.bind(&mut another, kept), Err(Error::AddressInUse));
        solo.board.close(sockets.remove(0)).unwrap();
        solo.assert_clean();
    }
}

/// smoltcp keeps a datagram until its neighbour answers, for ever if need be, and everything behind it.
#[test]
fn a_datagram_that_cannot_be_delivered_does_not_block_the_socket() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    solo.answers = |address| address == endpoint("192.0.2.2:1").addr;
    let mut socket = bound(&mut solo.board, 7);
    let nobody = "192.0.2.66:4000".parse().unwrap();
    solo.board.send_to(&mut socket, nobody, b"to nobody").unwrap();
    solo.turn();
    solo.pass(Duration::from_secs(5));
    let polls = solo.polls;
    solo.pass(Duration::from_secs(60));
    assert_eq!(solo.polls, polls, "still trying");
    assert_eq!(solo.board.counters().datagrams_unsent, 1);
    let remote = "192.0.2.2:4000".parse().unwrap();
    solo.board.send_to(&mut socket, remote, b"to somebody").unwrap();
    solo.turn();
    solo.pass(Duration::from_secs(2));
    assert_eq!(solo.datagrams.len(), 1);
    // An empty one, which no count of bytes shows, does not block it either.
    solo.board.send_to(&mut socket, nobody, b"").unwrap();
    solo.turn();
    solo.pass(Duration::from_secs(5));
    solo.board.send_to(&mut socket, remote, b"again").unwrap();
    solo.turn();
    solo.pass(Duration::from_secs(2));
    assert_eq!(solo.datagrams.pop().unwrap().payload, b"again");
    // And one whose answer is only slow gets its datagram.
    solo.answers = |_| false;
    let remote = "192.0.2.5:4000".parse().unwrap();
    solo.board.send_to(&mut socket, remote, b"slow").unwrap();
    solo.turn();
    solo.pass(Duration::from_millis(900));
    solo.answers = |_| true;
    solo.pass(Duration::from_millis(300));
    assert_eq!(solo.datagrams.len(), 2);
    solo.board.close(socket).unwrap();
    solo.assert_clean();
}

/// One waits for its neighbour as long as any, whatever its length; then it is lost, by itself, and the next one waits.
#[test]
fn empty_datagrams_leave_once_their_neighbour_is_back_whatever_is_unread() {
    for (ms, left) in [(500, UDP_PACKETS), (10_000, UDP_PACKETS - 3)] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        solo.answers = |address| address == endpoint("192.0.2.2:1").addr;
        let mut socket = bound(&mut solo.board, 7);
        solo.send(datagram("192.0.2.2:4000", "192.0.2.1:7", b"unread").frame());
        let away = "192.0.2.66:4000".parse().unwrap();
        let mut count = 0;
        while ready(solo.board.send_to(&mut socket, away, b"")).is_some() {
            count += 1;
        }
        assert_eq!(count, UDP_PACKETS);
        solo.turn();
        solo.pass(Duration::from_millis(ms));
        assert_eq!(solo.datagrams, []);
        solo.answers = |_| true;
        solo.pass(Duration::from_secs(5));
        assert_eq!(solo.datagrams.len(), left, "after {ms} ms");
        assert_eq!(drain(&mut solo.board, &mut socket), [b"unread"]);
        solo.board.close(socket).unwrap();
        solo.assert_clean();
    }
}

#[test]
fn an_address_that_no_route_leads_to_is_refused_at_once() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut socket = bound(&mut solo.board, 7);
    for far in ["203.0.113.5:4000", "[2001:db8:1::5]:4000"] {
        let result = solo.board.send_to(&mut socket, far.parse().unwrap(), b"x");
        assert_eq!(failed(result), Error::Unaddressable, "{far}");
    }
    solo.board.close(socket).unwrap();
    solo.assert_clean();
}

/// What is overdue cannot leave while the device takes nothing, and wakes the board no more often than that is tried.
#[test]
fn a_datagram_that_waited_too_long_wakes_nobody_while_the_device_refuses() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    solo.answers = |_| false;
    let mut socket = bound(&mut solo.board, 7);
    solo.board.send_to(&mut socket, "192.0.2.66:4000".parse().unwrap(), b"away").unwrap();
    solo.turn();
    solo.pass(Duration::from_millis(2500));
    solo.room = 0;
    solo.clock.advance_to(solo.clock.now() + Duration::from_secs(2));
    solo.turn();
    assert!(solo.deadline().is_some_and(|at| at > solo.clock.now()), "{:?}", solo.deadline());
    solo.room = usize::MAX;
    solo.pass(Duration::from_secs(2));
    solo.board.close(socket).unwrap();
    solo.assert_clean();
}
