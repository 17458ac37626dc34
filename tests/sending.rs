//! When the board does not send what it has: at first, and into windows that are small or closed (RFC 5681 3.1,
//! RFC 9293 3.8.6).

mod common;

use common::solo::{Client, Solo, SoloMemory, connected_from};
use common::tcp;
use smoltcp::time::Duration;
use tapboard_firmware::TcpSocket;

const SECOND: Duration = Duration::from_secs(1);
const PEERS: [&str; 2] = ["192.0.2.2:1000", "[2001:db8::2]:1000"];

/// Runs a test with a peer of either family, its connection, and the listener of that.
fn with_peers(test: impl Fn(&mut Solo<'_>, Client, &mut TcpSocket)) {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (client, mut socket, listener) = connected_from(&mut solo, own);
        test(&mut solo, client, &mut socket);
        solo.end(socket, listener);
    }
}

/// The lengths of what the board said.
fn lengths(solo: &mut Solo<'_>) -> Vec<usize> {
    solo.said().iter().map(|said| said.payload.len()).collect()
}

#[test]
fn before_an_acknowledgement_no_more_than_four_short_segments_are_under_way() {
    for own in PEERS {
        for (mss, first) in [(60, 4), (100, 4), (400, 4), (1200, 2)] {
            let mut memory = SoloMemory::new();
            let mut solo = Solo::new(&mut memory, 1);
            let mut listener = tcp::listener(&mut solo.board, 7);
            let mut client = Client::new(own, 7);
            let [high, low] = u16::to_be_bytes(mss);
            solo.send(client.syn_with(&[2, 4, high, low]));
            let syn_ack = solo.said_one();
            client.took(&syn_ack);
            solo.send(client.ack());
            let mut socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
            assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'x'; 2000]), Ok(2000));
            solo.turn();
            assert_eq!(solo.said().len(), first, "{own} {mss}");
            // From there on as fast as they arrive: slow start.
            client.ack += first * usize::from(mss);
            solo.send(client.ack());
            let more = solo.said().len();
            assert!(more <= 2 * first, "{own} {mss}: {more}");
            assert!(more > first || first * usize::from(mss) * 2 > 2000, "{own} {mss}: {more}");
            solo.end(socket, listener);
        }
    }
}

/// Or what joins a connection's segments, on an interface that segments or in the kernel, would have nothing to join.
#[test]
fn what_a_connection_has_to_send_leaves_in_a_row() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let open = |own: &str, solo: &mut Solo<'_>, listener: &mut TcpSocket| {
        let client = Client::new(own, 7).opened(solo);
        (client, tcp::accept(&mut solo.board, listener).expect("established"))
    };
    let (_, mut first) = open("192.0.2.2:1000", &mut solo, &mut listener);
    let (other, mut second) = open("192.0.2.2:1001", &mut solo, &mut listener);
    solo.said();
    for socket in [&mut first, &mut second] {
        assert_eq!(tcp::send(&mut solo.board, socket, &[b'x'; 1500]), Ok(1500));
    }
    solo.turn();
    let said = solo.said();
    let (to, each): (Vec<_>, _) = (said.iter().map(|said| said.to.port).collect(), said.len() / 2);
    assert!(each > 1, "{to:?}");
    assert!(to[..each].iter().all(|port| *port == to[0]), "{to:?}");
    assert!(to[each..].iter().all(|port| *port != to[0]), "{to:?}");
    solo.send(other.rst());
    tcp::close(&mut solo.board, second);
    solo.end(first, listener);
}

/// RFC 9293 3.8.6.2.1, MUST-38.
#[test]
fn a_window_that_is_not_worth_a_segment_waits_for_more_or_for_the_timer() {
    with_peers(|solo, mut client, socket| {
        client.window = 4000;
        solo.send(client.ack());
        client.window = 0;
        solo.send(client.ack());
        assert_eq!(tcp::send(&mut solo.board, socket, &[b'x'; 2000]), Ok(2000));
        solo.turn();
        let mut timed = 0;
        for window in [10, 100, 500] {
            client.window = window;
            solo.send(client.ack());
            solo.pass(SECOND / 12);
            assert_eq!(lengths(solo), [0; 0], "a window of {window} bytes");
            // The override timeout: 0.1 to 1 s.
            solo.pass(SECOND);
            let sent = lengths(solo);
            assert_eq!(sent.first(), Some(&usize::from(window)));
            timed += usize::from(window);
            client.ack += usize::from(window);
            client.window = 0;
            solo.send(client.ack());
            solo.said();
        }
        // All of the rest need not wait, nor a sixteenth of the largest window.
        for window in [512, 8192] {
            client.window = window;
            solo.send(client.ack());
            let sent = (2000 - timed).min(window.into());
            assert_eq!(lengths(solo), [sent]);
            timed += sent;
            client.ack += sent;
            client.window = 0;
            solo.send(client.ack());
        }
    });
}

/// smoltcp's timer would stay that of probes of the window, and there is nothing to probe it with.
#[test]
fn a_peer_that_has_all_and_whose_window_is_closed_is_asked_whether_it_lives() {
    with_peers(|solo, mut client, socket| {
        client.window = 0;
        solo.send(client.ack());
        assert_eq!(tcp::send(&mut solo.board, socket, b"xy"), Ok(2));
        solo.turn();
        // Both bytes are taken as those of probes.
        for _ in 0..2 {
            solo.pass(SECOND);
            assert_eq!(lengths(solo).first(), Some(&1), "{:?}\n{}", client.ack, solo.netstat());
            client.ack += 1;
            solo.send(client.ack());
        }
        for minute in 0..5 {
            let mut asked = 0;
            for _ in 0..60 {
                solo.pass(SECOND);
                for said in solo.said() {
                    assert!(!said.is_rst(), "minute {minute}\n{}", solo.netstat());
                    assert_eq!(said.seq, client.ack - 1, "{said:?}");
                    asked += 1;
                    solo.send(client.ack());
                }
            }
            assert!(asked >= 2, "minute {minute}: asked {asked} times");
        }
        // And it can be sent more, once there is room.
        assert_eq!(tcp::send(&mut solo.board, socket, b"z"), Ok(1));
        solo.turn();
        client.window = 10;
        solo.send(client.ack());
        let said: Vec<_> = solo.said().into_iter().filter(|said| said.seq == client.ack).collect();
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].payload, b"z");
        client.ack += 1;
        solo.send(client.ack());
    });
}
