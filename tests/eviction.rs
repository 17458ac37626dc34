//! Who gives way when somebody waits for a slot: the connection that has made no progress for longest.

mod common;

use common::solo::{Client, ONE_PORT, Solo, SoloMemory};
use common::{failed, tcp};
use smoltcp::time::Duration;
use tapboard_firmware::{Error, TcpSocket};

/// Every connection is alive and answers its probes, but has moved next to nothing for minutes. While nobody waits, they may.
#[test]
fn the_longest_idle_connection_gives_way_to_who_waits() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut clients = Vec::new();
    let mut sockets = Vec::new();
    for port in 1000..1000 + ONE_PORT {
        let client = Client::new(&format!("192.0.2.2:{port}"), 7).opened(&mut solo);
        sockets.push(tcp::accept(&mut solo.board, &mut listener).unwrap());
        clients.push(client);
        solo.pass(Duration::from_millis(100));
    }
    // The first of them talks once more, so that the second is the longest idle.
    let mut late = Client::new("192.0.2.3:1000", 7);
    for second in (20..=640).step_by(20) {
        solo.pass_with(Duration::from_secs(20), &mut |board, _| {
            for socket in &sockets {
                board.state_name(socket);
            }
            None
        });
        solo.said();
        if second >= 620 {
            for (client, socket) in clients.iter_mut().zip(&mut sockets) {
                // The others say a byte, which is no progress.
                let len = if client.own.port == 1000 { 64 } else { 1 };
                let talk = client.data(&[b'x'; 64][..len]);
                solo.send(talk);
                let read = tcp::receive(&mut solo.board, socket, &mut [0; 64]);
                assert_eq!(read, Ok(len));
            }
        }
        for client in &clients {
            solo.send(client.ack());
        }
        solo.said();
    }
    // Who asks but once may be nobody, and a link may duplicate.
    solo.send(late.syn());
    solo.send(late.syn());
    solo.pass(Duration::from_millis(900));
    assert_eq!(solo.board.counters().evicted, 0);
    // Another request from there.
    let mut forged = late.clone();
    forged.seq += 1;
    solo.send(forged.syn());
    solo.pass(Duration::from_millis(600));
    solo.send(late.syn());
    solo.pass(Duration::from_secs(1));
    assert_eq!(solo.board.counters().evicted, 0);
    solo.said();
    solo.send(late.syn());
    // The reset first; then the slot is free for the request that needed it.
    let said = solo.said();
    let [rst, syn_ack] = &said[..] else { panic!("{said:#?}") };
    assert!(rst.is_rst() && rst.to == clients[1].own, "{rst:?}");
    assert!(syn_ack.is_syn_ack() && syn_ack.to == late.own, "{syn_ack:?}");
    assert_eq!(
        failed(tcp::receive(&mut solo.board, &mut sockets[1], &mut [0; 1])),
        Error::ConnectionAborted
    );
    late.took(syn_ack);
    solo.send(late.ack());
    assert_eq!(solo.board.counters().evicted, 1);
    sockets.push(tcp::accept(&mut solo.board, &mut listener).expect("in its place"));
    for socket in sockets {
        solo.board.abort(socket);
    }
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// The board has closed, and its peers, who have a pool of connections, do not look at them.
#[test]
fn who_has_only_not_closed_gives_way_to_who_waits() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut clients = Vec::new();
    for port in 1000..1000 + ONE_PORT {
        let mut client = Client::new(&format!("192.0.2.2:{port}"), 7).opened(&mut solo);
        let socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
        tcp::close(&mut solo.board, socket);
        solo.turn();
        client.ack += 1;
        solo.send(client.ack());
        clients.push(client);
    }
    solo.pass(Duration::from_secs(30));
    let waiting = |solo: &Solo<'_>| solo.netstat().matches("FIN-WAIT-2").count();
    assert_eq!(waiting(&solo), usize::from(ONE_PORT), "while nobody waits, they may");
    solo.said();
    let late = Client::new("192.0.2.3:1000", 7);
    solo.send(late.syn());
    let syn_ack = solo.said_one();
    assert!(syn_ack.is_syn_ack() && syn_ack.to == late.own, "{syn_ack:?}");
    assert_eq!(solo.board.counters().evicted, 1);
    // Whose it was closes at last.
    let fin = clients[0].fin();
    solo.send(fin);
    assert!(solo.said_one().is_rst());
    solo.send(late.rst());
    for client in &clients[1..] {
        solo.send(client.rst());
    }
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// What somebody does who holds a connection and makes no use of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Squatter {
    Idles,
    Drips,
    Vanishes,
    NeverReads,
}

/// Under pressure, and only then, the one that has made no progress for longest goes after 15 s.
#[test]
fn a_newcomer_is_in_within_15_s_whatever_the_others_do() {
    let kinds = [Squatter::Idles, Squatter::Drips, Squatter::Vanishes, Squatter::NeverReads];
    for (kind, arrival) in kinds.into_iter().flat_map(|kind| [(kind, 5), (kind, 44)]) {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let mut listener = tcp::listener(&mut solo.board, 7);
        let (mut clients, mut sockets) = (Vec::new(), Vec::new());
        for port in 0..ONE_PORT {
            let mut client = Client::new(&format!("192.0.2.2:{}", 1000 + port), 7);
            client.window = if kind == Squatter::NeverReads { 0 } else { 8192 };
            client.open(&mut solo);
            let mut socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
            assert_eq!(tcp::send(&mut solo.board, &mut socket, b"hello"), Ok(5));
            solo.turn();
            if kind != Squatter::NeverReads {
                client.ack += 5;
                solo.send(client.ack());
            }
            clients.push(client);
            sockets.push(socket);
        }
        let mut newcomer = Client::new("192.0.2.3:1000", 7);
        for second in 0..=arrival + 15 {
            for (client, socket) in clients.iter_mut().zip(&mut sockets) {
                match kind {
                    Squatter::Vanishes => {}
                    Squatter::Idles | Squatter::NeverReads => solo.send(client.ack()),
                    Squatter::Drips => {
                        let byte = client.data(b"x");
                        solo.send(byte);
                        let _ = tcp::receive(&mut solo.board, socket, &mut [0; 8]);
                    }
                }
            }
            if second < arrival {
                assert_eq!(solo.board.counters().evicted, 0, "{kind:?}: nobody waits");
                solo.said();
            }
            // As often as a host does (RFC 6298).
            if [0, 1, 3, 7].contains(&(second - arrival)) {
                solo.send(newcomer.syn());
            }
            let said = solo.said();
            if let Some(syn_ack) = said.iter().find(|it| it.is_syn_ack() && it.to == newcomer.own) {
                newcomer.took(syn_ack);
                solo.send(newcomer.ack());
                break;
            }
            solo.pass(Duration::from_secs(1));
        }
        let socket = tcp::accept(&mut solo.board, &mut listener);
        assert!(socket.is_some(), "{kind:?}\n{}", solo.netstat());
        assert_eq!(solo.board.counters().evicted, 1);
        for socket in sockets.into_iter().chain(socket) {
            solo.board.abort(socket);
        }
        tcp::close(&mut solo.board, listener);
        solo.turn();
        solo.assert_clean();
    }
}

/// A board whose slots for port 7 are all taken, by clients that have been quiet for a minute.
fn full_of_quiet_clients(solo: &mut Solo<'_>) -> (TcpSocket, Vec<TcpSocket>) {
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut clients = Vec::new();
    let mut sockets = Vec::new();
    for port in 0..ONE_PORT {
        clients.push(Client::new(&format!("192.0.2.2:{}", 1000 + port), 7).opened(solo));
        sockets.push(tcp::accept(&mut solo.board, &mut listener).expect("established"));
    }
    for _ in 0..4 {
        solo.pass(Duration::from_secs(15));
        for client in &clients {
            solo.send(client.ack());
        }
    }
    solo.said();
    (listener, sockets)
}

/// Forged requests name a sender each, none of whom asks again.
#[test]
fn a_flood_of_requests_costs_no_quiet_connection() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (listener, sockets) = full_of_quiet_clients(&mut solo);
    for number in 0..4000 {
        let own = format!("192.0.2.{}:{}", 3 + number % 200, 1024 + number);
        solo.put(Client::new(&own, 7).syn());
        solo.turn();
        solo.pass(Duration::from_millis(5));
    }
    assert_eq!(solo.board.counters().evicted, 0, "{}", solo.netstat());
    for socket in sockets {
        assert_eq!(solo.board.state_name(&socket), "ESTABLISHED");
        solo.board.abort(socket);
    }
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// Those who have to give way come back and wait in their turn: were all evicted at once, none would have longer than 15 s.
#[test]
fn of_a_crowd_that_waits_one_in_15_s_is_let_in_at_the_cost_of_others() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (listener, sockets) = full_of_quiet_clients(&mut solo);
    let waiting = |port| Client::new(&format!("192.0.2.3:{}", 1000 + port), 7);
    let mut waiting: Vec<_> = (0..3).map(|port| (waiting(port), false)).collect();
    let mut served_at = Vec::new();
    for second in 0..40 {
        for (client, served) in &mut waiting {
            if !*served {
                solo.put(client.syn());
            }
        }
        solo.turn();
        for segment in solo.said() {
            let one = waiting.iter_mut().find(|(client, _)| segment.to == client.own);
            if let Some((client, served)) = one.filter(|_| segment.is_syn_ack()) {
                client.took(&segment);
                solo.send(client.ack());
                *served = true;
                served_at.push(second);
            }
        }
        solo.pass(Duration::from_secs(1));
    }
    assert_eq!(served_at, [1, 16, 31]);
    assert_eq!(solo.board.counters().evicted, 3);
    for socket in sockets {
        solo.board.abort(socket);
    }
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// Its peer may be nobody, or want nothing; the other has at least begun.
#[test]
fn who_has_never_said_anything_goes_before_who_has_been_quiet_for_longer() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut sockets = Vec::new();
    for port in 0..ONE_PORT {
        let mut client = Client::new(&format!("192.0.2.2:{}", 1000 + port), 7).opened(&mut solo);
        let mut socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
        solo.pass(Duration::from_millis(1));
        if port < ONE_PORT - 1 {
            solo.send(client.data(&[b'x'; 64]));
            assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut [0; 64]), Ok(64));
        }
        sockets.push(socket);
    }
    solo.pass(Duration::from_secs(16));
    let newcomer = Client::new("192.0.2.3:1000", 7);
    solo.send(newcomer.syn());
    solo.pass(Duration::from_secs(1));
    solo.send(newcomer.syn());
    let last = sockets.pop().unwrap();
    assert_eq!(solo.board.state_name(&last), "CLOSED");
    for socket in &sockets {
        assert_eq!(solo.board.state_name(socket), "ESTABLISHED");
    }
}
