//! What ends by itself: vanished clients, silent neighbours, dropped handles, and what a device that never
//! transmits costs.

mod common;

use common::frames::Segment;
use common::solo::{Client, ONE_PORT, SLOTS, Solo, SoloMemory, connected};
use common::{failed, tcp};
use embedded_nal::nb;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpControl;
use tapboard_firmware::Error;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_client_that_vanishes_is_given_up_after_100_s() {
    for in_flight in [false, true] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        solo.pass(SECOND);
        let (_, mut socket, listener) = connected(&mut solo);
        if in_flight {
            assert_eq!(tcp::send(&mut solo.board, &mut socket, b"anyone?"), Ok(7));
        }
        solo.turn();
        let mut ended = None;
        solo.pass_with(Duration::from_secs(110), &mut |board, now| {
            match tcp::receive(board, &mut socket, &mut [0; 1]) {
                Err(nb::Error::WouldBlock) => {}
                result => {
                    ended.get_or_insert((now, failed(result)));
                }
            }
            None
        });
        let (at, error) = ended.expect("still there");
        assert_eq!(error, Error::TimedOut);
        assert!((101..=102).contains(&at.secs()), "{at}");
        let probes = solo.said();
        assert!(probes.last().unwrap().is_rst());
        if !in_flight {
            // At 20 s, and from 40 s on each 5 s; the neighbour's address has expired by then and is asked for.
            assert_eq!(probes.len(), 14, "{probes:#?}");
        }
        assert_eq!(solo.board.counters().timeouts, 1);
        assert_eq!(failed(tcp::send(&mut solo.board, &mut socket, b"x")), Error::TimedOut);
        tcp::close(&mut solo.board, socket);
        tcp::close(&mut solo.board, listener);
        solo.turn();
        solo.assert_clean();
    }
}

#[test]
fn a_healthy_idle_connection_survives_two_hours_and_costs_only_its_probes() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, mut listener) = connected(&mut solo);
    let polls = solo.polls;
    for _ in 0..2 * 180 {
        solo.pass_with(Duration::from_secs(20), &mut |board, _| {
            assert!(tcp::accept(board, &mut listener).is_none());
            assert_eq!(tcp::receive(board, &mut socket, &mut [0; 1]), Err(nb::Error::WouldBlock));
            None
        });
        let probe = solo.said_one();
        assert_eq!((probe.seq, probe.ack), (client.ack - 1, Some(client.seq)));
        solo.send(client.ack());
    }
    let polls = solo.polls - polls;
    assert!(polls <= 2 * 360 + 2 * 12 + 2, "{polls} wake-ups for 360 probes");
    solo.send(client.data(b"still here"));
    assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut [0; 99]), Ok(10));
    assert_eq!(solo.board.counters().abandoned, 0);
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// Text alone says that a client lives.
#[test]
fn a_client_that_says_a_byte_every_10_s_and_nothing_else_lives_on() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, mut listener) = connected(&mut solo);
    for _ in 0..30 {
        solo.pass_with(Duration::from_secs(10), &mut |board, _| {
            assert!(tcp::accept(board, &mut listener).is_none());
            None
        });
        solo.send(client.data(b"x"));
        assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut [0; 9]), Ok(1));
    }
    assert_eq!(solo.board.counters().timeouts, 0);
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.said();
    solo.assert_clean();
}

/// A neighbour is asked for anew after the cable was out; when it then answers no ARP, neither FIN nor RST can leave.
#[test]
fn a_close_towards_a_neighbour_that_never_resolves_gives_the_slot_back() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (_, socket, listener) = connected(&mut solo);
    tcp::close(&mut solo.board, listener);
    solo.answers = |_| false;
    solo.board.link_up();
    tcp::close(&mut solo.board, socket);
    solo.turn();
    solo.pass(Duration::from_secs(99));
    assert_eq!(solo.board.free_slots(), SLOTS - 1);
    solo.pass(Duration::from_secs(3));
    assert_eq!(solo.said(), []);
    assert!(solo.asked > 10, "the board asked {} times", solo.asked);
    assert_eq!(solo.board.counters().orphans_expired, 1);
    assert_eq!(solo.board.counters().resets_unsent, 1);
    solo.assert_clean();
}

#[test]
fn an_abort_towards_a_neighbour_that_never_resolves_gives_the_slot_back_after_1_s() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (_, socket, listener) = connected(&mut solo);
    tcp::close(&mut solo.board, listener);
    solo.answers = |_| false;
    solo.board.link_up();
    solo.board.abort(socket);
    solo.turn();
    solo.pass(Duration::from_millis(990));
    assert_eq!(solo.board.free_slots(), SLOTS - 1);
    solo.pass(Duration::from_millis(20));
    assert_eq!(solo.board.counters().resets_unsent, 1);
    // Nor does the next connection inherit the wait.
    solo.answers = |_| true;
    let mut listener = tcp::listener(&mut solo.board, 7);
    Client::new("192.0.2.9:1000", 7).open(&mut solo);
    let socket = tcp::accept(&mut solo.board, &mut listener).expect("at once");
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// The user timeout wants to send a RST, which cannot leave either; the owner's close ends it.
#[test]
fn a_client_that_vanishes_with_its_neighbour_entry_is_given_up_and_its_slot_is_free_1_s_after_close()
 {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (_, mut socket, listener) = connected(&mut solo);
    solo.answers = |_| false;
    solo.board.link_up();
    solo.pass(Duration::from_secs(110));
    assert_eq!(failed(tcp::receive(&mut solo.board, &mut socket, &mut [0; 1])), Error::TimedOut);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    tcp::close(&mut solo.board, socket);
    solo.turn();
    solo.pass(Duration::from_millis(1100));
    assert_eq!(solo.board.counters().resets_unsent, 1, "{}", solo.netstat());
    solo.assert_clean();
}

/// It answers no ARP either. The SYN says where to answer it, if it comes from our link.
#[test]
fn a_syn_from_an_address_that_never_says_more_holds_its_slot_100_s() {
    for (own, on_link) in
        [("192.0.2.9:1000", true), ("[2001:db8::9]:1000", true), ("203.0.113.5:1000", false)]
    {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let listener = tcp::listener(&mut solo.board, 7);
        solo.answers = |_| false;
        solo.send(Client::new(own, 7).syn());
        assert_eq!(solo.board.free_slots(), SLOTS - 1);
        let polls = solo.polls;
        solo.pass(Duration::from_millis(100_100));
        let said = solo.said();
        assert!(said.iter().all(Segment::is_syn_ack), "{said:?}");
        // At 63 s, nobody knows any more where it is.
        assert_eq!(said.len(), if on_link { 6 } else { 0 }, "0, 1, 3, 7, 15 and 31 s");
        assert!(solo.polls - polls < 200, "{} polls", solo.polls - polls);
        assert_eq!(solo.board.counters().handshakes_expired, 1);
        tcp::close(&mut solo.board, listener);
        solo.assert_clean();
    }
}

#[test]
fn a_connect_to_an_address_that_never_answers_times_out_after_15_s() {
    for (remote, resolves) in
        [("192.0.2.9:9000", true), ("192.0.2.9:9000", false), ("[2001:db8::9]:9000", true)]
    {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        if !resolves {
            solo.answers = |_| false;
        }
        let mut socket = tcp::socket(&mut solo.board);
        let mut ended = None;
        solo.pass_with(Duration::from_secs(30), &mut |board, now| {
            if ended.is_none() {
                match tcp::connect(board, &mut socket, remote) {
                    Err(nb::Error::WouldBlock) => {}
                    result => ended = Some((now, failed(result))),
                }
            }
            None
        });
        assert_eq!(ended, Some((Instant::from_secs(15), Error::TimedOut)));
        let syns = solo.said();
        assert!(syns.iter().all(|syn| syn.control == TcpControl::Syn));
        assert_eq!(syns.len(), if resolves { 4 } else { 0 }, "0, 1, 3 and 7 s");
        assert_eq!(solo.board.counters().failed_connects, 1);
        tcp::close(&mut solo.board, socket);
        solo.assert_clean();
    }
}

#[test]
fn dropped_handles_are_reclaimed_after_10_minutes_and_counted() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (client, socket, listener) = connected(&mut solo);
    let mut datagram = embedded_nal::UdpClientStack::socket(&mut solo.board).unwrap();
    embedded_nal::UdpFullStack::bind(&mut solo.board, &mut datagram, 7).unwrap();
    drop((socket, listener, datagram));
    for _ in 0..29 {
        solo.pass(Duration::from_secs(20));
        solo.said();
        solo.send(client.ack());
    }
    assert_eq!(solo.board.counters().abandoned, 0);
    assert_eq!(solo.board.free_slots(), SLOTS - 1);
    solo.pass(Duration::from_secs(21));
    assert_eq!(solo.board.counters().abandoned, 3, "{}", solo.netstat());
    assert!(solo.said().last().is_some_and(Segment::is_rst));
    solo.assert_clean();
}

#[test]
fn handles_in_use_are_never_reclaimed_however_idle_the_board() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut datagram = embedded_nal::UdpClientStack::socket(&mut solo.board).unwrap();
    embedded_nal::UdpFullStack::bind(&mut solo.board, &mut datagram, 7).unwrap();
    let polls = solo.polls;
    // Nothing arrives and the application asks for no time: only the stack's own deadlines wake it.
    solo.turn();
    solo.pass_with(Duration::from_secs(7200), &mut |board, _| {
        assert!(tcp::accept(board, &mut listener).is_none());
        let result = embedded_nal::UdpClientStack::receive(board, &mut datagram, &mut [0; 1]);
        assert_eq!(result, Err(nb::Error::WouldBlock));
        None
    });
    assert_eq!(solo.board.counters().abandoned, 0);
    assert!(solo.polls - polls <= 14, "{} wake-ups in 2 h", solo.polls - polls);
    Client::new("192.0.2.2:1000", 7).open(&mut solo);
    let socket = tcp::accept(&mut solo.board, &mut listener).expect("still listening");
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    embedded_nal::UdpClientStack::close(&mut solo.board, datagram).unwrap();
    solo.turn();
    solo.assert_clean();
}

#[test]
fn a_device_that_never_transmits_costs_fewer_than_10_polls_a_second() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, mut listener) = connected(&mut solo);
    let mut orphan = Client::new("192.0.2.2:1001", 7);
    orphan.open(&mut solo);
    let closed = tcp::accept(&mut solo.board, &mut listener).unwrap();
    let mut reset = Client::new("192.0.2.2:1002", 7);
    reset.open(&mut solo);
    let aborted = tcp::accept(&mut solo.board, &mut listener).unwrap();
    solo.said();
    solo.room = 0;
    assert_eq!(tcp::send(&mut solo.board, &mut socket, &[1; 2000]), Ok(2000));
    tcp::close(&mut solo.board, closed);
    solo.board.abort(aborted);
    let mut outgoing = tcp::socket(&mut solo.board);
    let _ = tcp::connect(&mut solo.board, &mut outgoing, "192.0.2.2:9000");
    solo.send(client.data(b"to be acknowledged"));
    let before = solo.polls;
    let mut last = before;
    for second in 0..300 {
        solo.pass(SECOND);
        assert!(solo.polls - last < 10, "{} in second {second}", solo.polls - last);
        last = solo.polls;
    }
    assert_eq!(solo.said(), []);
    assert!(solo.board.counters().tx_refused > 0);
    // What nobody owns any more is gone by then.
    assert!(solo.board.free_slots() >= SLOTS - 2, "{}", solo.netstat());
    assert_eq!(solo.board.counters().resets_unsent, 2, "the abort, the orphan");
    tcp::close(&mut solo.board, socket);
    tcp::close(&mut solo.board, outgoing);
    tcp::close(&mut solo.board, listener);
    solo.pass(Duration::from_secs(30));
    solo.assert_clean();
}

/// The peer may not send, the board has nothing to send; both know that the other is there.
#[test]
fn a_connection_whose_owner_does_not_read_for_10_minutes_lives_on() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected(&mut solo);
    solo.send(client.data(&[1; 1024]));
    solo.send(client.data(&[2; 1024]));
    for _ in 0..120 {
        solo.pass_with(Duration::from_secs(5), &mut |board, _| {
            assert_eq!(board.state_name(&socket), "ESTABLISHED");
            // The listener's own socket is looked at as well, or it would count as dropped.
            board.state_name(&listener);
            None
        });
        for segment in solo.said() {
            assert!(!segment.is_rst(), "given up");
            if segment.payload.len() == 1 {
                // A keep-alive probe has an answer.
                solo.send(client.ack());
            }
        }
        // A window probe as Linux sends it: empty, and one before what is next.
        let mut probe = client.segment(TcpControl::None, &[]);
        probe.seq.0 -= 1;
        solo.send(probe.frame());
    }
    let mut heard = Vec::new();
    tcp::read(&mut solo.board, &mut socket, &mut heard);
    assert_eq!(heard.len(), 2048);
    solo.said();
    solo.turn();
    assert_eq!(solo.said_one().window, 2048, "the window is open again");
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// A request waits, its slot is free, and the NIC gives no token that it could be let in with.
#[test]
fn a_request_that_waits_on_a_device_that_never_transmits_costs_few_polls() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut sockets = Vec::new();
    for port in 1000..1000 + ONE_PORT {
        Client::new(&format!("192.0.2.2:{port}"), 7).open(&mut solo);
        sockets.push(tcp::accept(&mut solo.board, &mut listener).expect("a slot"));
    }
    solo.said();
    solo.send(Client::new("192.0.2.3:1000", 7).syn());
    assert_eq!(solo.said(), [], "the last slot is the client side's");
    solo.room = 0;
    solo.board.abort(sockets.pop().expect("all but one"));
    let polls = solo.polls;
    solo.turn();
    solo.pass(Duration::from_secs(10));
    assert!(solo.polls - polls < 100, "{} polls in 10 s", solo.polls - polls);
    solo.room = usize::MAX;
    for socket in sockets {
        solo.board.abort(socket);
    }
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.pass(Duration::from_secs(2));
    solo.assert_clean();
}
