//! What smoltcp cannot read and the stack can: IPv6 extension headers (RFC 8200 4, RFC 6946, RFC 6980), and VLAN tags that
//! only tell a priority (IEEE 802.1Q).

mod common;

use common::echo::{BOARD, BOARD6, Echo, PEER, PEER6, datagram, ping, solicitation};
use common::frames::{PEER_MAC, endpoint, fix_checksums, ip_frame};
use common::solo::{Client, SoloMemory};
use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, EthernetFrame, IpProtocol, Ipv6Packet};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const OPTIONS: u8 = 60;

/// An extension header: its number, and what it holds behind the number of the next.
type Header<'h> = (u8, &'h [u8]);

const PADDING: Header<'_> = (OPTIONS, &[0, 1, 4, 0, 0, 0, 0]);
const ATOMIC: Header<'_> = (FRAGMENT, &[0, 0, 0, 0, 0, 0, 0x99]);
const ROUTED: Header<'_> = (ROUTING, &[0, 0, 0, 0, 0, 0, 0]);
const HOPS: Header<'_> = (HOP_BY_HOP, &[0, 5, 2, 0, 0, 1, 0]);

/// The same packet behind these headers.
fn behind(frame: &[u8], headers: &[Header<'_>]) -> Vec<u8> {
    let mut next = frame[20];
    let mut chain = Vec::new();
    for &(number, rest) in headers.iter().rev() {
        chain.splice(0..0, [&[next], rest].concat());
        next = number;
    }
    let mut frame = [&frame[..54], &chain, &frame[54..]].concat();
    frame[20] = next;
    let len = (frame.len() - 54) as u16;
    Ipv6Packet::new_unchecked(&mut frame[14..]).set_payload_len(len);
    frame
}

/// `ICMPv6` errors that the board has sent since the last call: type, code, pointer, and what they quote.
fn problems(echo: &mut Echo<'_>) -> Vec<(u8, u8, u32, Vec<u8>)> {
    let frames = std::mem::take(&mut echo.solo.others);
    echo.answers();
    let errors = frames.into_iter().map(|(_, frame)| frame);
    let errors = errors.filter(|frame| frame[12..14] == [0x86, 0xdd] && frame[20] == 58);
    errors
        .filter(|frame| frame[54] < 128)
        .map(|frame| {
            let word = u32::from_be_bytes(frame[58..62].try_into().unwrap());
            (frame[54], frame[55], word, frame[62..].to_vec())
        })
        .collect()
}

#[test]
fn what_is_behind_extension_headers_is_taken() {
    let long = [&[1, 1, 12][..], &[0; 12]].concat();
    let chains: [&[Header<'_>]; 9] = [
        &[HOPS],
        &[PADDING],
        &[ROUTED],
        &[ATOMIC],
        &[HOPS, PADDING],
        &[PADDING, ATOMIC],
        &[HOPS, PADDING, ROUTED, ATOMIC, PADDING],
        // An option that may be skipped, and a longer header.
        &[(OPTIONS, &[0, 0x1e, 4, 9, 9, 9, 9])],
        &[(OPTIONS, &long)],
    ];
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    for headers in chains {
        echo.takes(PEER6, BOARD6, &|frame| behind(frame, headers));
    }
    // And a whole connection.
    let mut client = Client::new("[2001:db8::2]:6000", 7);
    echo.send(behind(&client.syn(), &[PADDING, ATOMIC]));
    let syn_ack = echo.solo.said_one();
    client.took(&syn_ack);
    echo.send(behind(&client.ack(), &[PADDING]));
    let data = client.data(b"hello");
    echo.send(behind(&data, &[ROUTED]));
    echo.solo.pass(Duration::from_millis(300));
    assert_eq!(echo.solo.said_one().ack, Some(client.seq));
}

#[test]
fn what_must_not_be_skipped_is_told_at_its_place() {
    let unknown = |number| -> Vec<u8> {
        let (from, to) = (endpoint(PEER6).addr, endpoint(BOARD6).addr);
        ip_frame(from, to, IpProtocol::Unknown(number), 16, |payload| payload.fill(b'x'))
    };
    let sound = datagram(PEER6, BOARD6).frame();
    let cases: [(Vec<u8>, (u8, u32)); 7] = [
        (behind(&unknown(253), &[HOPS]), (1, 40)),
        (behind(&unknown(253), &[HOPS, PADDING]), (1, 48)),
        (behind(&sound, &[(HOP_BY_HOP, &[0, 0x9e, 4, 0, 0, 0, 0])]), (2, 42)),
        (behind(&sound, &[PADDING, (OPTIONS, &[0, 1, 0, 0xde, 2, 0, 0])]), (2, 52)),
        // A route that goes on, and hop-by-hop options that do not come first.
        (behind(&sound, &[(ROUTING, &[0, 3, 1, 0, 0, 0, 0])]), (0, 42)),
        (behind(&sound, &[PADDING, HOPS]), (1, 40)),
        (behind(&sound, &[HOPS, HOPS]), (1, 40)),
    ];
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    for (frame, (code, pointer)) in cases {
        echo.answers();
        echo.send(frame.clone());
        assert_eq!(problems(&mut echo), [(4, code, pointer, frame[14..].to_vec())]);
    }
}

#[test]
fn what_is_for_many_is_told_only_if_its_option_wants_that() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    let to_all = |from, protocol, kind: u8| {
        let (from, to) = (endpoint(from).addr, endpoint("[ff02::1]:7").addr);
        let frame = ip_frame(from, to, protocol, 8, |payload| payload.fill(1));
        let mut frame = behind(&frame, &[(OPTIONS, &[0, kind, 4, 0, 0, 0, 0])]);
        let all = EthernetAddress([0x33, 0x33, 0, 0, 0, 1]);
        EthernetFrame::new_unchecked(&mut frame).set_dst_addr(all);
        frame
    };
    for (kind, told) in [(0x1e, 0), (0x5e, 0), (0xde, 0), (0x9e, 1)] {
        echo.answers();
        echo.send(to_all(PEER6, IpProtocol::Unknown(253), kind));
        assert_eq!(problems(&mut echo).len(), told, "{kind:#x}");
    }
    // Of what is for a group that we are not in, nothing.
    let mut frame = to_all(PEER6, IpProtocol::Unknown(253), 0x9e);
    frame[53] = 0x99;
    echo.send(frame);
    assert!(problems(&mut echo).is_empty());
    // Nobody is told (RFC 4443 2.4 e.6): who looks for an address of its own has none.
    for protocol in [IpProtocol::Icmpv6, IpProtocol::Udp, IpProtocol::Unknown(253)] {
        echo.answers();
        echo.send(to_all("[::]:7", protocol, 0x9e));
        assert!(problems(&mut echo).is_empty(), "{protocol}");
    }
}

/// RFC 4443 2.4 e.1, e.2.
#[test]
fn of_an_error_behind_headers_nothing_is_told() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    let unknown = (OPTIONS, &[0, 0x9e, 4, 0, 0, 0, 0][..]);
    let onwards = (ROUTING, &[0, 3, 1, 0, 0, 0, 0][..]);
    let chains = [&[unknown][..], &[onwards], &[PADDING, unknown], &[unknown, ATOMIC, ROUTED]];
    for headers in chains {
        for (kind, told) in [(1, 0), (4, 0), (127, 0), (137, 0), (128, 1), (136, 1)] {
            let mut frame = ping(PEER6, BOARD6);
            frame[54] = kind;
            fix_checksums(&mut frame);
            echo.answers();
            echo.send(behind(&frame, headers));
            assert_eq!(problems(&mut echo).len(), told, "{kind} behind {headers:?}");
            echo.solo.pass(Duration::from_millis(100));
        }
    }
}

#[test]
fn what_is_broken_or_in_parts_is_dropped_and_counted() {
    let sound = datagram(PEER6, BOARD6).frame();
    let broken: [&[Header<'_>]; 5] = [
        // To be dropped in silence.
        &[(OPTIONS, &[0, 0x5e, 4, 0, 0, 0, 0])],
        // An option longer than its header, one cut off, a header longer than the packet.
        &[(OPTIONS, &[0, 1, 5, 0, 0, 0, 0])],
        &[(OPTIONS, &[0, 1, 3, 0, 0, 0, 1])],
        &[(OPTIONS, &[200, 1, 4, 0, 0, 0, 0])],
        &[(ROUTING, &[200, 0, 0, 0, 0, 0, 0])],
    ];
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    for (count, headers) in (1..).zip(broken) {
        echo.refuses("broken", behind(&sound, headers));
        assert_eq!(echo.solo.board.counters().malformed_dropped, count, "{headers:?}");
    }
    // Nothing at all behind a header.
    let (from, to) = (endpoint(PEER6).addr, endpoint(BOARD6).addr);
    for len in 0..8 {
        let frame = ip_frame(from, to, IpProtocol::Ipv6Opts, len, |payload| payload.fill(0));
        echo.refuses("short", frame);
    }
    for fragment in [[0, 0, 1, 0, 0, 0, 1], [0, 0, 8, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0, 1]] {
        echo.refuses("fragment", behind(&sound, &[(FRAGMENT, &fragment)]));
    }
    assert_eq!(echo.solo.board.counters().fragments_dropped, 3);
    // Behind extension headers is no neighbour discovery, least of all in a fragment (RFC 6980).
    let frame = solicitation(BOARD6);
    echo.send(frame.clone());
    assert_eq!(echo.answers(), 1, "a solicitation");
    for header in [ATOMIC, PADDING] {
        echo.refuses("a solicitation behind a header", behind(&frame, &[header]));
    }
}

/// The same frame with a VLAN tag.
fn tagged(frame: &[u8], tag: u16) -> Vec<u8> {
    [&frame[..12], &[0x81, 0], &tag.to_be_bytes(), &frame[12..]].concat()
}

#[test]
fn a_priority_is_no_vlan() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    for tag in [0, 0x2000, 0xe000, 0xf000] {
        for (from, to) in [(PEER, BOARD), (PEER6, BOARD6)] {
            echo.takes(from, to, &|frame| tagged(frame, tag));
        }
        echo.send(tagged(&behind(&ping(PEER6, BOARD6), &[PADDING]), tag));
        assert_eq!(echo.answers(), 1);
        // As long as can be.
        let mut long = datagram(PEER, BOARD);
        long.payload = vec![1; 1472];
        echo.send(tagged(&long.frame(), tag));
        assert_eq!(echo.solo.datagrams[0].payload, long.payload);
        echo.answers();
    }
    for tag in [1, 0x2001, 0x0fff, 0x0100] {
        echo.refuses("a VLAN", tagged(&ping(PEER, BOARD), tag));
    }
    // One tag, not two; and nothing behind it.
    echo.refuses("two", tagged(&tagged(&ping(PEER, BOARD), 0), 0));
    let ping = ping(PEER, BOARD);
    for len in 12..20 {
        echo.refuses("short", tagged(&ping[..len], 0));
    }
    assert_eq!(ping[6..12], PEER_MAC.0);
}
