//! Echo, discard, chargen, and what they share: the server and the UDP port.

use smoltcp::time::Duration;
use std::vec::Vec;

use super::Bench;
use crate::config::{
    DATAGRAM_BUDGET, DATAGRAM_SIZE, ECHO_CARRY, LISTEN_RETRY, SERVICE_BUDGET, TCP_SLOTS,
};
use crate::service::datagram::UdpPort;
use crate::service::fake::Fault;
use crate::service::{answers_by_itself, chargen, discard, echo};

/// Bytes in which no two neighbouring 251-byte stretches are the same.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8 ^ (index / 251) as u8).collect()
}

/// The text of RFC 864 by its own description: a ring of the printing characters, one step a line.
fn rfc_864(length: usize) -> Vec<u8> {
    let ring: Vec<u8> = (b' '..=b'~').collect();
    let lines = (0..).flat_map(|line: usize| {
        let start = line % ring.len();
        let text: Vec<u8> = ring.iter().cycle().skip(start).take(72).copied().collect();
        [text, b"\r\n".to_vec()].concat()
    });
    lines.take(length).collect()
}

#[test]
fn echo_returns_every_byte_then_closes_on_fin() {
    let mut bench = Bench::new();
    let data = pattern(10_000);
    let peer = bench.client(echo::PORT, &data, false);
    assert_eq!(peer.pipe().output, data);
    assert!(!peer.is_closed());
    peer.pipe().fin = true;
    assert_eq!(bench.settle(), None, "idle, only the network can give it work");
    assert_eq!(peer.pipe().closed, Some(0));
}

#[test]
fn echo_works_a_byte_at_a_time() {
    let mut bench = Bench::new();
    let peer = bench.stack.client(echo::PORT);
    peer.pipe().chunk = 1;
    peer.send(&pattern(1000));
    peer.pipe().fin = true;
    bench.settle();
    assert_eq!(peer.pipe().output, pattern(1000));
    assert!(peer.is_closed());
}

#[test]
fn echo_takes_no_more_than_its_carry_from_a_peer_that_does_not_read() {
    let mut bench = Bench::new();
    let data = pattern(10 * ECHO_CARRY);
    let peer = bench.stack.client(echo::PORT);
    peer.pipe().room = 0;
    peer.send(&data);
    peer.pipe().fin = true;
    assert_eq!(bench.settle(), None);
    assert_eq!(peer.pipe().input.len(), 9 * ECHO_CARRY);
    for _ in 0..data.len() {
        assert!(!peer.is_closed(), "the FIN must wait for the data before it");
        peer.pipe().room = 1;
        bench.settle();
    }
    assert_eq!(peer.pipe().output, data);
    assert!(peer.is_closed());
}

#[test]
fn echo_stops_for_its_budget_and_says_so() {
    let mut bench = Bench::new();
    let peer = bench.stack.client(echo::PORT);
    peer.send(&pattern(2 * SERVICE_BUDGET));
    for polls in 1..=2 {
        assert_eq!(bench.poll(), Some(bench.now));
        assert_eq!(peer.pipe().output.len(), polls * SERVICE_BUDGET);
    }
    assert_eq!(bench.poll(), None);
}

#[test]
fn a_send_of_nothing_is_no_reason_to_spin() {
    let mut bench = Bench::new();
    let peer = bench.stack.client(echo::PORT);
    peer.pipe().room = 0;
    bench.stack.sends_nothing = true;
    peer.send(b"stuck");
    let calls = bench.stack.calls;
    assert_eq!(bench.poll(), None);
    assert!(bench.stack.calls - calls < 20);
    peer.pipe().room = 5;
    bench.settle();
    assert_eq!(peer.text(), "stuck");
}

#[test]
fn echo_closes_what_was_reset() {
    let mut bench = Bench::new();
    for room in [0, usize::MAX] {
        let peer = bench.stack.client(echo::PORT);
        peer.pipe().room = room;
        peer.send(b"lost");
        bench.settle();
        peer.pipe().reset = true;
        bench.settle();
        assert!(peer.is_closed());
    }
}

#[test]
fn discard_swallows_everything_and_closes_on_fin() {
    let mut bench = Bench::new();
    let peer = bench.stack.client(discard::PORT);
    peer.send(&pattern(SERVICE_BUDGET + 1));
    assert_eq!(bench.poll(), Some(bench.now), "stopped for its budget");
    assert_eq!(peer.pipe().input.len(), 1);
    bench.settle();
    assert!(peer.pipe().input.is_empty() && peer.pipe().output.is_empty());
    assert!(!peer.is_closed());
    peer.pipe().fin = true;
    bench.settle();
    assert!(peer.is_closed());
}

#[test]
fn chargen_sends_the_pattern_of_rfc_864_whatever_the_room() {
    let mut bench = Bench::new();
    let length = 95 * 74 * 2 + 100;
    for room in [1, 73, 74, 75, 255, 256, 257, 7030] {
        let peer = bench.stack.client(chargen::PORT);
        peer.send(b"this is thrown away");
        while peer.pipe().output.len() < length {
            peer.pipe().room = room;
            assert_eq!(bench.settle(), None);
        }
        assert!(peer.pipe().input.is_empty());
        let output = peer.pipe().output.clone();
        assert!(output == rfc_864(output.len()), "with room for {room}");
        assert!(output.starts_with(b" !\"#$%&'()*+,-./0123456789"));
        peer.pipe().fin = true;
        bench.settle();
        assert!(peer.is_closed());
    }
}

#[test]
fn chargen_stops_for_its_budget_and_says_so() {
    let mut bench = Bench::new();
    let peer = bench.stack.client(chargen::PORT);
    assert_eq!(bench.poll(), Some(bench.now));
    assert_eq!(peer.pipe().output.len(), SERVICE_BUDGET);
    // No room, but more input than one poll may read: still work to do.
    peer.pipe().room = 0;
    peer.send(&pattern(SERVICE_BUDGET + 1));
    assert_eq!(bench.poll(), Some(bench.now));
    assert_eq!(bench.poll(), None);
    assert!(peer.pipe().input.is_empty());
}

#[test]
fn a_connection_beyond_the_last_place_waits_for_one() {
    let mut bench = Bench::new();
    let held: Vec<_> = (0..TCP_SLOTS).map(|_| bench.client(echo::PORT, b"a", false)).collect();
    assert!(held.iter().all(|peer| peer.text() == "a"));
    let waiting = bench.client(echo::PORT, b"b", false);
    assert_eq!(waiting.text(), "");
    held[3].pipe().fin = true;
    bench.settle();
    assert_eq!(waiting.text(), "b");
}

#[test]
fn a_backlog_of_finished_connections_is_worked_off_without_another_wake_up() {
    let mut bench = Bench::new();
    let peers: Vec<_> = (0..=5 * TCP_SLOTS)
        .map(|_| {
            let peer = bench.stack.client(echo::PORT);
            peer.send(b"done");
            peer.pipe().fin = true;
            peer
        })
        .collect();
    bench.settle();
    assert!(peers.iter().all(|peer| peer.text() == "done" && peer.is_closed()));
}

#[test]
fn an_empty_backlog_needs_no_second_look() {
    let mut bench = Bench::new();
    let peer = bench.stack.client(discard::PORT);
    peer.pipe().fin = true;
    assert_eq!(bench.poll(), None);
    assert!(peer.is_closed());
}

#[test]
fn a_listener_that_cannot_be_had_is_tried_again_at_a_bounded_rate() {
    let mut bench = Bench::with("bench", None);
    bench.stack.deaf = true;
    for _ in 0..3 {
        assert_eq!(bench.settle(), Some(bench.now + LISTEN_RETRY));
        assert_eq!(bench.stack.open(), 0);
        let calls = bench.stack.calls;
        bench.pass(LISTEN_RETRY - Duration::from_micros(1));
        assert_eq!(bench.stack.calls, calls, "tried before its time");
        bench.pass(Duration::from_micros(1));
    }
    bench.stack.deaf = false;
    assert_eq!(bench.pass(LISTEN_RETRY), None);
    let peer = bench.client(echo::PORT, b"here", false);
    assert_eq!(peer.text(), "here");
}

#[test]
fn a_listener_that_fails_is_replaced_and_its_connections_live_on() {
    let mut bench = Bench::new();
    let before = bench.client(echo::PORT, b"one ", false);
    // The echo port's calls in a poll: UDP receive, the connection's receive, accept.
    bench.stack.fault = Some((bench.stack.calls + 3, Fault::Fail));
    assert_eq!(bench.settle(), Some(bench.now + LISTEN_RETRY));
    before.send(b"two");
    bench.settle();
    assert_eq!(before.text(), "one two");
    let after = bench.stack.client(echo::PORT);
    after.send(b"late");
    assert_eq!(bench.pass(LISTEN_RETRY), None);
    assert_eq!(after.text(), "late");
}

#[test]
fn a_connection_taken_just_before_the_listener_failed_goes_on() {
    let mut bench = Bench::new();
    let peer = bench.stack.client(echo::PORT);
    peer.send(&pattern(SERVICE_BUDGET + 1));
    // UDP receive, accept, a receive and a send for each carry, and the accept that fails.
    let calls = 3 + 2 * SERVICE_BUDGET.div_ceil(ECHO_CARRY);
    bench.stack.fault = Some((bench.stack.calls + calls, Fault::Fail));
    assert_eq!(bench.poll(), Some(bench.now), "there is a byte left to echo");
    assert_eq!(bench.poll(), Some(bench.now + LISTEN_RETRY));
    assert_eq!(peer.pipe().output.len(), SERVICE_BUDGET + 1);
}

#[test]
fn udp_echo_answers_the_sender_with_the_same_datagram() {
    let mut bench = Bench::new();
    let longest = pattern(DATAGRAM_SIZE);
    bench.stack.datagram(echo::PORT, "192.0.2.2:4000", b"one");
    bench.stack.datagram(echo::PORT, "[2001:db8::2]:4001", &[]);
    bench.stack.datagram(echo::PORT, "192.0.2.3:4002", &longest);
    bench.settle();
    let expected = [
        ("192.0.2.2:4000".parse().unwrap(), b"one".to_vec()),
        ("[2001:db8::2]:4001".parse().unwrap(), Vec::new()),
        ("192.0.2.3:4002".parse().unwrap(), longest),
    ];
    assert_eq!(bench.stack.sent, expected);
}

#[test]
fn udp_echo_never_answers_a_port_that_would_answer_back() {
    let mut bench = Bench::new();
    for port in [0, 7, 9, 13, 17, 19] {
        assert!(answers_by_itself(port));
        bench.stack.datagram(echo::PORT, &std::format!("192.0.2.2:{port}"), b"loop");
    }
    bench.settle();
    assert_eq!(bench.stack.sent, []);
    assert_eq!(bench.services.echo.refused(), 6);
    assert!(!answers_by_itself(49_152) && !answers_by_itself(8));
}

#[test]
fn udp_echo_drops_and_counts_what_it_cannot_send_back() {
    let mut bench = Bench::new();
    bench.stack.datagram(echo::PORT, "192.0.2.2:4000", &pattern(DATAGRAM_SIZE + 1));
    bench.settle();
    bench.stack.full = true;
    bench.stack.datagram(echo::PORT, "192.0.2.2:4000", b"no room");
    bench.settle();
    assert_eq!(bench.stack.sent, []);
    assert_eq!(bench.services.echo.dropped(), 2);
    bench.stack.full = false;
    bench.stack.datagram(echo::PORT, "192.0.2.2:4000", b"room");
    assert_eq!(bench.settle(), None, "the socket is as good as before");
    assert_eq!(bench.stack.sent.len(), 1);
}

#[test]
fn a_udp_port_sends_what_the_answer_says() {
    let (mut bench, mut port) = (Bench::new(), UdpPort::new(777));
    let longest = pattern(DATAGRAM_SIZE);
    for datagram in [&b"shorter"[..], b"ab", b"", b"none", &longest, &pattern(DATAGRAM_SIZE + 1)] {
        bench.stack.datagram(777, "192.0.2.2:4000", datagram);
    }
    let mut asked = Vec::new();
    let deadline = port.poll(bench.now, &mut bench.stack, |remote, datagram, length| {
        asked.push((remote.port(), length));
        if datagram.starts_with(b"none") {
            return None;
        }
        datagram[..3].make_ascii_uppercase();
        // One answer is longer than any.
        Some(if length == DATAGRAM_SIZE { length + 1 } else { length.max(3) })
    });
    assert_eq!(deadline, None);
    assert_eq!(asked, [7, 2, 0, 4, DATAGRAM_SIZE].map(|length| (4000, length)), "the last is cut");
    let sent: Vec<_> = bench.stack.sent.iter().map(|(_, datagram)| &datagram[..]).collect();
    assert_eq!(sent, [b"SHOrter", &b"AB\0"[..], b"\0\0\0"], "nothing of a datagram before");
    assert_eq!(port.dropped(), 2);
    port.close(&mut bench.stack);
}

#[test]
fn udp_stops_for_its_budget_and_discard_answers_nothing() {
    let mut bench = Bench::new();
    for port in [echo::PORT, discard::PORT] {
        for _ in 0..=DATAGRAM_BUDGET {
            bench.stack.datagram(port, "192.0.2.2:4000", b"x");
        }
    }
    assert_eq!(bench.poll(), Some(bench.now));
    assert_eq!(bench.stack.sent.len(), DATAGRAM_BUDGET);
    assert_eq!(bench.stack.arrived[&discard::PORT].len(), 1);
    bench.settle();
    assert_eq!(bench.stack.sent.len(), DATAGRAM_BUDGET + 1);
    assert!(bench.stack.arrived[&discard::PORT].is_empty());
}

#[test]
fn a_udp_socket_that_fails_is_replaced() {
    let mut bench = Bench::new();
    // The first call of a poll is the echo port's UDP receive.
    bench.stack.fault = Some((bench.stack.calls + 1, Fault::Fail));
    assert_eq!(bench.settle(), Some(bench.now + LISTEN_RETRY));
    bench.stack.datagram(echo::PORT, "192.0.2.2:4000", b"x");
    assert_eq!(bench.pass(LISTEN_RETRY), None);
    assert_eq!(bench.stack.sent.len(), 1);
}
