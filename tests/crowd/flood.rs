//! A flood of requests: cookies, and who gives one back.

use embedded_nal::TcpFullStack;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpSeqNumber;

use super::common::frames::Segment;
use super::common::solo::{Client, ONE_PORT, Solo, SoloMemory};
use super::common::tcp;
use super::flood;

/// 400 forged requests a second for half a minute, and then ten seconds of ten times as many.
#[test]
fn in_a_flood_clients_of_each_port_are_served_at_once() {
    for version6 in [false, true] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let mut listeners = [7, 9].map(|port| (tcp::listener(&mut solo.board, port), port));
        flood(&mut solo, 50, version6);
        for round in 0..1200 {
            let many = if round < 900 { 13 } else { 130 };
            flood(&mut solo, many, version6);
            if round % 10 == 0 {
                let (listener, port) = &mut listeners[usize::from(round % 20 == 0)];
                let host = if version6 { "[2001:db8::2]" } else { "192.0.2.2" };
                let mut client = Client::new(&format!("{host}:{}", 2000 + round), *port);
                solo.send(client.syn());
                let syn_ack = solo.said_one();
                client.took(&syn_ack);
                // As long as it takes from somewhere far away.
                solo.pass(Duration::from_millis(20));
                flood(&mut solo, many, version6);
                solo.send(client.ack());
                solo.send(client.data(b"hello"));
                let mut socket = tcp::accept(&mut solo.board, listener).expect("in");
                let mut buffer = [0; 8];
                assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut buffer), Ok(5));
                assert_eq!(tcp::send(&mut solo.board, &mut socket, &buffer[..5]), Ok(5));
                solo.turn();
                let said = solo.said();
                assert!(said.iter().any(|segment| segment.payload == b"hello"), "{said:?}");
                solo.board.abort(socket);
                solo.turn();
            }
            solo.pass(Duration::from_millis(33));
            solo.heard.clear();
        }
        for (listener, _) in listeners {
            tcp::close(&mut solo.board, listener);
        }
        solo.pass(Duration::from_secs(65));
        solo.assert_clean();
    }
}

/// What a SYN said is in the number that comes back with the acknowledgement, and nothing else is needed: not the slot, and not the
/// acknowledgement by itself.
#[test]
fn a_cookie_brings_back_what_the_syn_said() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    for (number, first) in [b"first".as_slice(), &[], &[b'x'; 1000]].into_iter().enumerate() {
        for (options, size, shift) in [
            // MSS 1300, no operation, window scale 3; then SACK.
            ([2, 4, 5, 20, 1, 3, 3, 3, 4, 2, 1, 1].as_slice(), 1220, Some(3)),
            (&[2, 4, 5, 180], 1460, None),
            (&[], 536, None),
        ] {
            // Until no slot is free.
            flood(&mut solo, 50, false);
            let port = 2000 + number * 100 + size;
            let mut client = Client::new(&format!("192.0.2.2:{port}"), 7);
            solo.send(client.syn_with(options));
            let syn_ack = solo.said_one();
            assert_eq!(syn_ack.scale, shift.and(Some(0)));
            assert_eq!(syn_ack.window, 2048);
            client.took(&syn_ack);
            client.window = 4000 >> shift.unwrap_or(0);
            // More of the flood, and time: but for the number, all is forgotten.
            flood(&mut solo, 50, false);
            solo.pass(Duration::from_secs(60));
            flood(&mut solo, 50, false);
            let frame = match first {
                [] => client.ack(),
                first => client.data(first),
            };
            solo.send(frame);
            let mut socket = tcp::accept(&mut solo.board, &mut listener).expect("in");
            let mut buffer = [0; 2048];
            if !first.is_empty() {
                let count = tcp::receive(&mut solo.board, &mut socket, &mut buffer);
                assert_eq!(count.map(|count| &buffer[..count]), Ok(first));
            }
            solo.heard.clear();
            assert_eq!(tcp::send(&mut solo.board, &mut socket, &[1; 2000]), Ok(2000));
            solo.turn();
            let said: Vec<_> =
                solo.said().into_iter().filter(|it| !it.payload.is_empty()).collect();
            assert_eq!(said[0].payload.len(), size, "{options:?}");
            assert_eq!(said[0].seq, client.ack);
            let sent: usize = said.iter().map(|segment| segment.payload.len()).sum();
            assert_eq!(sent, 2000, "as the window is");
            client.ack += 2000;
            solo.send(client.ack());
            solo.send(client.fin());
            assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut buffer), Ok(0));
            solo.board.abort(socket);
            solo.turn();
        }
    }
    let counters = solo.board.counters();
    assert_eq!(counters.cookies_taken, 9);
    assert!(counters.cookies_sent > 9 * 50, "{}", counters.cookies_sent);
    tcp::close(&mut solo.board, listener);
    solo.pass(Duration::from_secs(65));
    solo.assert_clean();
}

/// A wrong number, one of another's, one that is too old. While somebody may have one whose first segments were lost, all that is
/// not ours is dropped; later it is reset.
#[test]
fn what_is_no_cookie_of_ours_is_nothing() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut other = Client::new("192.0.2.3:2000", 7);
    flood(&mut solo, 50, false);
    let mut client = Client::new("192.0.2.2:2000", 7);
    solo.send(client.syn());
    client.took(&solo.said_one());
    let given = client.ack;
    let dropped = |solo: &mut Solo<'_>, client: &Client| {
        solo.said();
        solo.send(client.ack());
        assert_eq!(solo.said(), []);
    };
    // The highest seven bits tell of other options.
    for flipped in [1, 1 << 7, 1 << 24] {
        client.ack = TcpSeqNumber(given.0 ^ flipped);
        dropped(&mut solo, &client);
    }
    client.ack = given;
    client.seq += 1;
    dropped(&mut solo, &client);
    client.seq = TcpSeqNumber(client.seq.0 - 1);
    (other.seq, other.ack) = (client.seq, given);
    dropped(&mut solo, &other);
    assert_eq!(solo.board.counters().unacceptable_dropped, 5);
    solo.pass(Duration::from_secs(270));
    solo.said();
    solo.send(client.ack());
    assert!(solo.said_one().is_rst());
    assert!(tcp::accept(&mut solo.board, &mut listener).is_none());
    tcp::close(&mut solo.board, listener);
    solo.pass(Duration::from_secs(65));
    solo.assert_clean();
}

/// Connections have taken all slots meanwhile: who has a cookie is not told that it has none, and gets the next that is free, with its
/// data or when it asks whether the board lives. And who was put out in the middle of its handshake is in after all.
#[test]
fn who_finds_no_slot_with_a_cookie_gets_one_later() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    flood(&mut solo, 50, false);
    let mut clients: Vec<_> = (0..ONE_PORT + 2)
        .map(|port| {
            let mut client = Client::new(&format!("192.0.2.2:{}", 2000 + port), 7);
            solo.send(client.syn());
            client.took(&solo.said_one());
            client
        })
        .collect();
    let mut sockets: Vec<_> = (clients[..usize::from(ONE_PORT)].iter())
        .map(|client| {
            solo.send(client.ack());
            tcp::accept(&mut solo.board, &mut listener).expect("in")
        })
        .collect();
    solo.said();
    let [.., writer, waiter] = &mut clients[..] else { unreachable!() };
    for frame in [writer.ack(), waiter.ack()] {
        solo.send(frame);
    }
    let first = writer.data(b"first");
    let second = writer.data(b"second");
    for frame in [&first, &second] {
        solo.send(frame.clone());
    }
    assert_eq!(solo.said(), [], "no reset");
    for _ in 0..2 {
        solo.board.abort(sockets.pop().unwrap());
    }
    solo.turn();
    for frame in [second.clone(), first, second] {
        solo.send(frame);
    }
    let mut buffer = [0; 16];
    let mut socket = tcp::accept(&mut solo.board, &mut listener).expect("in");
    assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut buffer), Ok(11));
    assert_eq!(&buffer[..11], b"firstsecond");
    sockets.push(socket);
    solo.said();
    let mut probe = waiter.clone();
    probe.seq = TcpSeqNumber(waiter.seq.0 - 1);
    solo.send(probe.ack());
    sockets.push(tcp::accept(&mut solo.board, &mut listener).expect("in"));
    solo.pass(Duration::from_secs(1));
    solo.said();
    solo.send(probe.ack());
    assert_eq!(solo.said_one().ack, Some(waiter.seq), "it lives");
    for socket in sockets {
        solo.board.abort(socket);
    }
    solo.turn();
    // Who comes now has a slot, and is put out by those whom it does not know.
    flood(&mut solo, ONE_PORT - 1, false);
    let mut slow = Client::new("192.0.2.2:3000", 7);
    solo.send(slow.syn());
    slow.took(&solo.said_one());
    solo.pass(Duration::from_secs(3));
    flood(&mut solo, 100, false);
    solo.send(slow.ack());
    let socket = tcp::accept(&mut solo.board, &mut listener).expect("in");
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.pass(Duration::from_secs(65));
    solo.assert_clean();
}

/// As many requests a second as handshakes become old enough to give way, so that there is none such whenever somebody else asks,
/// and all that are remembered are too few for a flood. Who asks again is served before the next of them.
#[test]
fn in_a_slow_flood_a_client_is_in_soon_after_it_has_asked_again() {
    for period in [100, 150, 200, 250, 300].map(Duration::from_millis) {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let mut listener = tcp::listener(&mut solo.board, 7);
        let mut forged = 0;
        // Time passes until then, with its share of the flood.
        let mut until = |solo: &mut Solo<'_>, end: Instant| {
            while Instant::ZERO + period * forged <= end {
                solo.pass(Instant::ZERO + period * forged - solo.clock.now());
                let (host, port) = (10 + forged % 200, 1000 + forged);
                solo.send(Client::new(&format!("192.0.2.{host}:{port}"), 7).syn());
                forged += 1;
            }
            solo.pass(end - solo.clock.now());
        };
        until(&mut solo, Instant::from_secs(30));
        for port in 2000..2020 {
            let mut client = Client::new(&format!("192.0.2.2:{port}"), 7);
            solo.heard.clear();
            let start = solo.clock.now();
            // As TCP asks: again after a second, and after three, which it need not.
            let own = |said: &Segment| said.to == client.own && said.is_syn_ack();
            let syn_ack = (0..300).find_map(|turn| {
                until(&mut solo, start + Duration::from_millis(turn * 10));
                if turn % 100 == 0 && turn < 200 {
                    solo.send(client.syn());
                }
                solo.said().into_iter().find(own)
            });
            client.took(&syn_ack.unwrap_or_else(|| panic!("{period}: {}", solo.netstat())));
            solo.send(client.ack());
            let socket = tcp::accept(&mut solo.board, &mut listener).expect("in");
            solo.board.abort(socket);
            until(&mut solo, start + Duration::from_millis(3111));
        }
        assert_eq!(solo.board.counters().cookies_sent, 0, "{period}");
        tcp::close(&mut solo.board, listener);
        solo.pass(Duration::from_secs(65));
        solo.assert_clean();
    }
}

/// Where each peer is to be admitted, a number that one of them was given once does not let it in again by itself.
#[test]
fn a_cookie_is_no_way_past_who_admits_each_peer() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::socket(&mut solo.board);
    TcpFullStack::bind(&mut solo.board, &mut listener, 7).unwrap();
    solo.board.listen_deferred(&listener).unwrap();
    flood(&mut solo, 50, false);
    let mut client = Client::new("192.0.2.2:2000", 7);
    solo.send(client.syn());
    // The others are refused, until it is its turn.
    let socket = loop {
        let (socket, from) = solo.board.accept_deferred(&listener).expect("somebody waits");
        if from.port() == client.own.port {
            break socket;
        }
        solo.board.abort(socket);
        solo.turn();
    };
    solo.board.admit(&socket).unwrap();
    solo.said();
    solo.turn();
    let own = |said: &Segment| said.to == client.own;
    client.took(&solo.said().into_iter().find(own).expect("a SYN-ACK"));
    solo.send(client.ack());
    assert!(solo.netstat().contains("ESTABLISHED"));
    solo.board.abort(socket);
    solo.turn();
    solo.said();
    solo.send(client.ack());
    assert!(solo.said_one().is_rst(), "there is no connection");
    assert!(!solo.netstat().contains("ESTABLISHED"), "{}", solo.netstat());
    tcp::close(&mut solo.board, listener);
    solo.pass(Duration::from_secs(65));
    solo.assert_clean();
}

/// A SYN in the name of somebody who has a cookie takes a slot, as does his own if it comes a second time when cookies are others:
/// he is in all the same.
#[test]
fn who_has_a_cookie_is_not_reset_for_another_syn() {
    for (before, other) in [(0, TcpSeqNumber(5)), (133, TcpSeqNumber(1000))] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let mut listener = tcp::listener(&mut solo.board, 7);
        solo.pass(Duration::from_secs(before));
        flood(&mut solo, 50, false);
        let mut client = Client::new("192.0.2.2:2000", 7);
        solo.send(client.syn());
        client.took(&solo.said_one());
        // Its acknowledgement is lost.
        solo.pass(Duration::from_secs(3));
        solo.said();
        solo.send(Client { seq: other, ack: TcpSeqNumber(0), ..client.clone() }.syn());
        let syn_ack = solo.said_one();
        assert!(syn_ack.is_syn_ack() && syn_ack.seq + 1 != client.ack);
        let guess = Client { ack: client.ack + 1000, ..client.clone() };
        solo.send(guess.ack());
        assert_eq!(solo.said(), []);
        solo.send(client.data(b"hello"));
        let mut socket = tcp::accept(&mut solo.board, &mut listener).expect("in");
        assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut [0; 9]), Ok(5));
        solo.pass(Duration::from_secs(1));
        assert_eq!(solo.netstat().matches(":2000").count(), 1, "{}", solo.netstat());
        let own = solo.said().into_iter().find(|said| said.to == client.own).expect("an answer");
        assert_eq!((own.seq, own.ack), (client.ack, Some(client.seq)));
        solo.board.abort(socket);
        tcp::close(&mut solo.board, listener);
        solo.pass(Duration::from_secs(65));
        solo.assert_clean();
    }
}
