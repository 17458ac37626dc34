//! Redirects: which are believed, and where packets go then (RFC 792, RFC 1122 3.2.2.2, RFC 4861 8).

use std::net::IpAddr;

use embedded_nal::{AddrType, nb};
use smoltcp::time::Duration;
use smoltcp::wire::{
    ArpOperation, EthernetAddress, EthernetFrame, IpAddress, IpCidr, IpProtocol, Ipv4Address,
    TcpControl,
};
use tapboard_firmware::{BOARD_NET, NetConfig};

use crate::common::frames::{PEER_MAC, Segment, fix_checksums, ip_parts, neighbor_answer};
use crate::common::hosts::{arp, board, host, mac, ping, questions, sent_by};
use crate::common::solo::{Client, Solo, SoloMemory, connecting};
use crate::common::tcp;
use crate::redirect::{Redirect, address, config, far, gateway, nearer};

const SECOND: Duration = Duration::from_secs(1);
/// Redirects that the board remembers.
const REDIRECTS: u8 = 4;

/// A board whose gateway is known, for it has answered somebody beyond it.
fn solo<'a>(memory: &'a mut SoloMemory<'a>) -> Solo<'a> {
    solo_of(&config(), memory)
}

fn solo_of<'a>(config: &NetConfig, memory: &'a mut SoloMemory<'a>) -> Solo<'a> {
    let mut solo = Solo::with(config, memory, 1);
    solo.answers = |_| false;
    solo.turn();
    for version6 in [false, true] {
        assert_eq!(way(&mut solo, far(7, version6)), PEER_MAC);
    }
    solo
}

/// The board's answer to a ping that comes by the gateway.
fn pong(solo: &mut Solo<'_>, from: IpAddress) -> Vec<u8> {
    solo.others.clear();
    solo.put(ping(from, board(matches!(from, IpAddress::Ipv6(_)))));
    solo.turn();
    let (_, pong) = solo
        .others
        .iter()
        .find(|(_, frame)| ip_parts(frame).is_some_and(|(_, to, ..)| to == from))
        .expect("an answer");
    pong.clone()
}

/// Where that goes.
fn way(solo: &mut Solo<'_>, to: IpAddress) -> EthernetAddress {
    EthernetFrame::new_unchecked(pong(solo, to)).dst_addr()
}

fn put(solo: &mut Solo<'_>, redirect: &Redirect) {
    solo.put(redirect.frame());
    solo.turn();
}

/// A neighbour's answer to the board's question.
fn is_at(solo: &mut Solo<'_>, address: IpAddress, at: EthernetAddress) {
    solo.put(match address {
        IpAddress::Ipv4(address) => arp(ArpOperation::Reply, at, address, BOARD_NET.ipv4_address()),
        IpAddress::Ipv6(_) => {
            let mut frame = neighbor_answer(address);
            let option = frame.len() - 6;
            frame[option..].copy_from_slice(&at.0);
            fix_checksums(&mut frame);
            sent_by(at, frame)
        }
    });
    solo.turn();
}

/// Has packets to `to` go by the nearer one.
fn follow(solo: &mut Solo<'_>, to: IpAddress) {
    let redirect = Redirect::of(&pong(solo, to));
    put(solo, &redirect);
    is_at(solo, redirect.hop, mac(253));
    assert_eq!(way(solo, to), mac(253));
}

/// Redirects that were believed, and that were not.
fn counts(solo: &Solo<'_>) -> (u64, u64) {
    let counters = solo.board.counters();
    (counters.redirects_believed, counters.redirects_disbelieved)
}

#[test]
fn packets_go_where_the_gateway_says_once_that_is_found() {
    for version6 in [false, true] {
        let mut memory = SoloMemory::new();
        let mut solo = solo(&mut memory);
        let (to, other) = (far(7, version6), far(8, version6));
        let redirect = Redirect::of(&pong(&mut solo, to));
        solo.others.clear();
        put(&mut solo, &redirect);
        assert_eq!(counts(&solo), (1, 0));
        assert!(questions(&mut solo).contains_key(&redirect.hop.to_string()), "asked for at once");
        assert_eq!(way(&mut solo, to), PEER_MAC, "nothing waits for it");
        is_at(&mut solo, redirect.hop, mac(253));
        assert_eq!(way(&mut solo, to), mac(253));
        assert_eq!(way(&mut solo, other), PEER_MAC, "and nobody else's packets go there");
        // That one knows a nearer one yet, and the gateway has no say any more.
        put(&mut solo, &redirect);
        assert_eq!(counts(&solo), (1, 1));
        let back = Redirect {
            from: nearer(version6),
            sender: mac(253),
            hop: gateway(version6),
            ..redirect
        };
        put(&mut solo, &back);
        assert_eq!(counts(&solo), (2, 1));
        assert_eq!(way(&mut solo, to), PEER_MAC);
    }
}

/// RFC 4861 8.3: then its target is its destination.
#[test]
fn a_destination_that_is_on_the_link_is_found_there() {
    for told in [None, Some(mac(7))] {
        let mut memory = SoloMemory::new();
        let mut solo = solo(&mut memory);
        let to = far(7, true);
        let redirect = Redirect { hop: to, mac: told, ..Redirect::of(&pong(&mut solo, to)) };
        solo.others.clear();
        put(&mut solo, &redirect);
        if told.is_none() {
            assert!(questions(&mut solo).contains_key(&to.to_string()));
            assert_eq!(way(&mut solo, to), PEER_MAC);
            is_at(&mut solo, to, mac(7));
        }
        // What still comes by the router, does not say that it is there.
        for _ in 0..2 {
            assert_eq!(way(&mut solo, to), mac(7), "{told:?}");
        }
        assert_eq!(counts(&solo), (1, 0));
    }
}

#[test]
fn a_redirect_is_believed_only_of_the_next_hop_in_use_and_to_a_neighbour() {
    for version6 in [false, true] {
        let mut memory = SoloMemory::new();
        let mut solo = solo(&mut memory);
        let to = far(7, version6);
        let good = Redirect::of(&pong(&mut solo, to));
        let local = if version6 { 8..24 } else { 12..16 };
        let remote = local.end..local.end + local.len();
        let mut bad = vec![
            Redirect { from: nearer(version6), sender: mac(253), ..good.clone() },
            // Who has not the gateway's MAC address.
            Redirect { sender: mac(66), ..good.clone() },
            Redirect { hop: good.from, ..good.clone() },
            good.with_quote(|quote| quote[local.clone()][local.len() - 1] ^= 3),
        ];
        if version6 {
            let own = link_local(&solo);
            bad.extend([
                Redirect { hop: own, ..good.clone() },
                Redirect { to: host(9, true), ..good.clone() },
                good.with_quote(|quote| quote[remote][15] ^= 1),
                Redirect { quote: Vec::new(), ..good.clone() },
            ]);
        } else {
            let hops = ["192.0.2.1", "192.0.2.0", "192.0.2.255", "255.255.255.255", "224.0.0.1"];
            let hops = hops.into_iter().chain(["203.0.113.1", "0.0.0.0", "198.51.100.7"]);
            bad.extend(hops.map(|hop| Redirect { hop: address(hop), ..good.clone() }));
            for remote_is in [[192, 0, 2, 254], [192, 0, 2, 9], [224, 0, 0, 9]] {
                bad.push(
                    good.with_quote(|quote| quote[remote.clone()].copy_from_slice(&remote_is)),
                );
            }
        }
        for (number, bad) in bad.iter().enumerate() {
            put(&mut solo, bad);
            assert_eq!(counts(&solo), (0, number as u64 + 1), "{bad:?}");
            // As it is not confirmed yet, its place was the other's for a moment.
            solo.put(ping(good.from, good.to));
            solo.turn();
        }
        put(&mut solo, &good);
        assert_eq!(counts(&solo), (1, bad.len() as u64));
    }
}

/// The board's own link-local address.
fn link_local(solo: &Solo<'_>) -> IpAddress {
    let mut all = solo.board.interface().ip_addrs().iter().map(IpCidr::address);
    all.next_back().filter(|own| own.to_string().starts_with("fe80")).expect("the last one")
}

/// RFC 792, RFC 4861 8.1.
#[test]
fn a_redirect_that_is_not_valid_is_none() {
    for version6 in [false, true] {
        let mut memory = SoloMemory::new();
        let mut solo = solo(&mut memory);
        let good = Redirect::of(&pong(&mut solo, far(7, version6)));
        let frame = good.frame();
        let patched = |at: usize, by: u8, fix: bool| {
            let mut frame = frame.clone();
            frame[at] ^= by;
            if fix {
                fix_checksums(&mut frame);
            }
            frame
        };
        let mut bad = vec![patched(frame.len() - 1, 1, false)];
        if version6 {
            // Behind a hop-by-hop options header (RFC 8200 4.3).
            let mut hidden = frame.clone();
            hidden[14 + 5] += 8;
            hidden[14 + 6] = 0;
            hidden.splice(54..54, [58, 0, 1, 4, 0, 0, 0, 0]);
            bad.push(hidden);
            bad.extend([
                Redirect { hop_limit: 254, ..good.clone() }.frame(),
                Redirect { code: 1, ..good.clone() }.frame(),
                Redirect { from: host(254, true), ..good.clone() }.frame(),
                Redirect { hop: host(253, true), ..good.clone() }.frame(),
                Redirect { destination: address("ff0e::7"), ..good.clone() }.frame(),
                // An option without a length; one that is longer than what is left.
                patched(14 + 40 + 40 + 1, 7, true),
                patched(14 + 40 + 40 + 1, 15, true),
                Redirect { quote: vec![0; 4], ..good.clone() }.frame(),
            ]);
        } else {
            bad.extend([
                Redirect { code: 4, ..good.clone() }.frame(),
                // The header's checksum.
                patched(14 + 10, 1, false),
                // What is quoted is no IPv4, or no first fragment.
                patched(14 + 28, 0x20, true),
                patched(14 + 28 + 7, 1, true),
                Redirect { quote: good.quote[..19].to_vec(), ..good.clone() }.frame(),
            ]);
        }
        for bad in &bad {
            solo.put(bad.clone());
            solo.turn();
            assert_eq!(counts(&solo), (0, 0), "{bad:02x?}");
        }
        let dropped = if version6 { bad.len() as u64 } else { 0 };
        assert_eq!(solo.board.counters().discovery_dropped, dropped);
        // To all, it is none to us.
        let mut to_all = good.frame();
        EthernetFrame::new_unchecked(&mut to_all).set_dst_addr(EthernetAddress::BROADCAST);
        solo.put(to_all);
        put(&mut solo, &good);
        assert_eq!(counts(&solo), (1, 0));
    }
}

/// As RFC 5927 4.1 has it for errors.
#[test]
fn a_redirect_is_believed_only_about_what_was_sent() {
    for version6 in [false, true] {
        let mut memory = SoloMemory::new();
        let server = IpAddr::V4([198, 51, 100, 53].into());
        let mut solo = solo_of(&config().with_dns_server(server), &mut memory);
        let port = solo.board.udp_bind(4000).unwrap();
        let asking = solo.board.resolve("example.org", AddrType::IPv4);
        assert_eq!(asking, Err(nb::Error::WouldBlock));
        solo.turn();
        let name = solo.datagrams.pop().expect("the question").from.port;
        let to = far(7, version6);
        let peer = if version6 { format!("[{to}]:80") } else { format!("{to}:80") };
        let (socket, syn) = connecting(&mut solo, &peer);
        let pong = Redirect::of(&pong(&mut solo, to));
        let transport = if version6 { 40 } else { 20 };
        let named_at = if version6 { 6 } else { 9 };
        let quoting = |protocol: IpProtocol, bytes: [u8; 8]| {
            pong.with_quote(|quote| {
                quote[named_at] = protocol.into();
                quote[transport..].copy_from_slice(&bytes);
            })
        };
        let segment = |port: u16, remote: u16, seq: i32| {
            let bytes = [&port.to_be_bytes()[..], &remote.to_be_bytes(), &seq.to_be_bytes()];
            quoting(IpProtocol::Tcp, bytes.concat().try_into().unwrap())
        };
        let datagram = |port: u16| {
            let [high, low] = port.to_be_bytes();
            quoting(IpProtocol::Udp, [high, low, 0, 9, 0, 8, 0, 0])
        };
        let (own, seq) = (syn.from.port, syn.seq.0);
        let bad = [
            segment(own, 80, seq.wrapping_sub(1)),
            segment(own, 80, seq.wrapping_add(2)),
            segment(own, 80, seq.wrapping_add(i32::MIN)),
            segment(own, 81, seq),
            segment(own ^ 1, 80, seq),
            datagram(4001),
            // Questions are not sent.
            pong.with_quote(|quote| quote[transport] = if version6 { 128 } else { 8 }),
            quoting(IpProtocol::Igmp, [0; 8]),
        ];
        for (number, bad) in bad.iter().enumerate() {
            put(&mut solo, bad);
            assert_eq!(counts(&solo), (0, number as u64 + 1), "{number}");
        }
        // What has no text has the number behind all that was sent.
        let behind = segment(own, 80, seq.wrapping_add(1));
        let good = [segment(own, 80, seq), behind, datagram(4000), datagram(name), pong];
        for (number, good) in good.iter().enumerate() {
            put(&mut solo, good);
            assert_eq!(counts(&solo).0, number as u64 + 1, "{number}");
        }
        solo.board.udp_close(port);
        solo.board.abort(socket);
        solo.turn();
    }
}

/// A connection goes on over the nearer one, and back over the gateway when that is gone.
#[test]
fn a_next_hop_that_does_not_answer_is_given_up() {
    for version6 in [false, true] {
        let mut memory = SoloMemory::new();
        let mut solo = solo(&mut memory);
        let to = far(7, version6);
        let redirect = Redirect::of(&pong(&mut solo, to));
        solo.others.clear();
        put(&mut solo, &redirect);
        for _ in 0..8 {
            solo.pass(SECOND / 2);
            assert_eq!(way(&mut solo, to), PEER_MAC);
        }
        let mut asked = 0;
        put(&mut solo, &redirect);
        for _ in 0..100 {
            solo.pass(SECOND);
            asked +=
                questions(&mut solo).remove(&redirect.hop.to_string()).map_or(0, |at| at.len());
        }
        assert_eq!(asked, 3);
        assert_eq!(solo.deadline(), None, "and nobody is asked for any more");

        solo.answers = |address| address == gateway(false) || address == gateway(true);
        follow(&mut solo, to);
        let mut listener = tcp::listener(&mut solo.board, 7);
        let own = if version6 { format!("[{to}]:1000") } else { format!("{to}:1000") };
        let mut client = Client::new(&own, 7);
        solo.frames = Some(Vec::new());
        client.open(&mut solo);
        let mut socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
        let mut ways = Vec::new();
        for second in 0..40 {
            assert_eq!(tcp::send(&mut solo.board, &mut socket, b"live"), Ok(4));
            solo.turn();
            for frame in solo.frames.replace(Vec::new()).unwrap() {
                if Segment::parse(&frame.1).is_some() {
                    ways.push((second, EthernetFrame::new_unchecked(frame.1).dst_addr()));
                }
            }
            client.ack += 4;
            solo.put(client.segment(TcpControl::None, &[]).frame());
            solo.turn();
            solo.pass(SECOND);
        }
        let away: Vec<_> = ways.iter().filter(|way| way.1 == PEER_MAC).map(|way| way.0).collect();
        // Half a minute after its last word, and three questions.
        assert!((33..36).contains(&away[0]), "{away:?}");
        assert_eq!(away, (away[0]..40).collect::<Vec<_>>());
        solo.said();
        solo.end(socket, listener);
    }
}

#[test]
fn redirects_are_forgotten_with_the_gateway_the_address_and_the_link() {
    for version6 in [false, true] {
        let mut memory = SoloMemory::new();
        let mut solo = solo(&mut memory);
        let to = far(7, version6);
        let again = |solo: &mut Solo<'_>| {
            // It is known where the nearer one is.
            solo.put(sent_by(mac(253), ping(nearer(version6), board(version6))));
            solo.turn();
            way(solo, to)
        };
        for link in [true, false] {
            follow(&mut solo, to);
            assert_eq!(again(&mut solo), mac(253));
            if link {
                solo.board.link_up();
            } else {
                let other = Ipv4Address::new(192, 0, 2, 252);
                solo.board.reconfigure(&config().with_ipv4_gateway(other));
            }
            assert_eq!(again(&mut solo), PEER_MAC, "{link}");
        }
    }
}

#[test]
fn a_few_are_remembered_and_the_oldest_goes() {
    let mut memory = SoloMemory::new();
    let mut solo = solo(&mut memory);
    for number in 1..=REDIRECTS {
        follow(&mut solo, far(number, false));
    }
    // Told again, it is not the oldest any more.
    let again = Redirect {
        from: nearer(false),
        sender: mac(253),
        hop: host(252, false),
        ..Redirect::of(&pong(&mut solo, far(1, false)))
    };
    put(&mut solo, &again);
    is_at(&mut solo, again.hop, mac(252));
    follow(&mut solo, far(100, false));
    let ways: Vec<_> = (1..=REDIRECTS).map(|number| way(&mut solo, far(number, false))).collect();
    assert_eq!(ways[..3], [mac(252), PEER_MAC, mac(253)]);
}
