//! Neighbours: whom the board learns of from what comes in, whom it asks for, and who else uses its addresses.

mod common;

use std::collections::BTreeMap;

use common::frames::{BOARD_MAC, Datagram, Segment, asked_for, endpoint, neighbor_answer};
use common::solo::{Client, Solo, SoloMemory, connected};
use common::tcp;
use embedded_nal::{UdpClientStack, UdpFullStack, nb};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, IpAddress, IpProtocol, Ipv4Address,
    TcpControl, TcpSeqNumber,
};
use tapboard_firmware::NetConfig;
use tapboard_firmware::config::NEIGHBORS;

const SECOND: Duration = Duration::from_secs(1);

/// The MAC address of the host with this number.
fn mac(number: u8) -> EthernetAddress {
    EthernetAddress([2, 0, 0, 0, 1, number])
}

fn board(version6: bool) -> IpAddress {
    if version6 {
        NetConfig::BOARD.ipv6.expect("the board has one").address().into()
    } else {
        NetConfig::BOARD.ipv4.address().into()
    }
}

fn host(number: u8, version6: bool) -> IpAddress {
    let text = if version6 { format!("2001:db8::{number:x}") } else { format!("192.0.2.{number}") };
    text.parse().expect("an address")
}

/// `frame` as sent by this MAC address.
fn sent_by(sender: EthernetAddress, mut frame: Vec<u8>) -> Vec<u8> {
    EthernetFrame::new_unchecked(&mut frame).set_src_addr(sender);
    frame
}

fn ping(from: IpAddress, to: IpAddress) -> Vec<u8> {
    let data = b"anybody there";
    let v6 = Icmpv6Repr::EchoRequest { ident: 1, seq_no: 2, data };
    let v4 = Icmpv4Repr::EchoRequest { ident: 1, seq_no: 2, data };
    let checksums = ChecksumCapabilities::default();
    match (from, to) {
        (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) => {
            common::frames::ip_frame(from, to, IpProtocol::Icmpv6, v6.buffer_len(), |buffer| {
                let mut packet = Icmpv6Packet::new_unchecked(buffer);
                v6.emit(&source, &destination, &mut packet, &checksums);
            })
        }
        _ => common::frames::ip_frame(from, to, IpProtocol::Icmp, v4.buffer_len(), |buffer| {
            v4.emit(&mut Icmpv4Packet::new_unchecked(buffer), &checksums);
        }),
    }
}

fn arp(
    operation: ArpOperation,
    sender: EthernetAddress,
    source: Ipv4Address,
    target: Ipv4Address,
) -> Vec<u8> {
    let repr = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: sender,
        source_protocol_addr: source,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: target,
    };
    let mut buffer = vec![0; EthernetFrame::<&[u8]>::buffer_len(repr.buffer_len())];
    let mut frame = EthernetFrame::new_unchecked(&mut buffer);
    frame.set_src_addr(sender);
    frame.set_dst_addr(EthernetAddress::BROADCAST);
    frame.set_ethertype(EthernetProtocol::Arp);
    repr.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
    buffer
}

/// The MAC address that each frame since the last call went to, of those that are no questions.
fn answered(solo: &mut Solo<'_>) -> Vec<EthernetAddress> {
    let others: Vec<_> = solo.others.drain(..).map(|(_, frame)| frame).collect();
    let answers = others.iter().filter(|frame| asked_for(frame).is_none());
    answers.map(|frame| EthernetFrame::new_unchecked(frame).dst_addr()).collect()
}

/// When the board asked for each neighbour since the last call.
fn questions(solo: &mut Solo<'_>) -> BTreeMap<String, Vec<Instant>> {
    let mut asked = BTreeMap::<_, Vec<_>>::new();
    for (at, frame) in solo.others.drain(..) {
        if let Some(address) = asked_for(&frame) {
            asked.entry(address.to_string()).or_default().push(at);
        }
    }
    asked
}

fn reachable(address: IpAddress) -> bool {
    !["192.0.2.200", "192.0.2.201", "192.0.2.202", "2001:db8::c8", "2001:db8::c9", "2001:db8::ca"]
        .contains(&address.to_string().as_str())
}

/// Twenty hosts that never asked for the board, and do not answer its questions either, are answered at once, while
/// it asks in vain for three that it connects to.
#[test]
fn hosts_that_never_asked_are_answered_at_once_while_three_targets_are_absent() {
    for version6 in [false, true] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        solo.answers = |_| false;
        let mut listener = tcp::listener(&mut solo.board, 7);
        let mut datagrams = UdpClientStack::socket(&mut solo.board).unwrap();
        solo.board.bind(&mut datagrams, 7).unwrap();
        let absent = [200, 201, 202].map(|number| host(number, version6));
        let mut sockets = absent.map(|target| {
            let mut socket = tcp::socket(&mut solo.board);
            let target = core::net::SocketAddr::new(target.into(), 9000).to_string();
            let result = tcp::connect(&mut solo.board, &mut socket, &target);
            assert_eq!(result, Err(nb::Error::WouldBlock));
            socket
        });
        solo.turn();
        for number in 10..30 {
            solo.pass(Duration::from_millis(137));
            let (own, sender) = (host(number, version6), mac(number));
            let peer = core::net::SocketAddr::new(own.into(), 1000);

            let mut frames = questions(&mut solo);
            frames.retain(|address, _| !absent.iter().any(|a| a.to_string() == *address));
            assert!(frames.is_empty(), "asked for {frames:?}");
            solo.put(sent_by(sender, ping(own, board(version6))));
            solo.turn();
            assert_eq!(answered(&mut solo), [sender], "ping of {own}");

            let datagram = Datagram {
                from: endpoint(&peer.to_string()),
                to: (board(version6), 7).into(),
                payload: b"hello".to_vec(),
            };
            solo.put(sent_by(sender, datagram.frame()));
            solo.turn();
            let mut buffer = [0; 8];
            let (len, from) =
                UdpClientStack::receive(&mut solo.board, &mut datagrams, &mut buffer).unwrap();
            solo.board.send_to(&mut datagrams, from, &buffer[..len]).unwrap();
            solo.turn();
            assert_eq!(solo.datagrams.drain(..).count(), 1, "datagram of {own}");

            let mut client = Client::new(&peer.to_string(), 7);
            solo.put(sent_by(sender, client.syn()));
            solo.turn();
            let syn_ack = solo.said_one();
            client.took(&syn_ack);
            solo.put(sent_by(sender, client.ack()));
            solo.turn();
            let socket = tcp::accept(&mut solo.board, &mut listener).expect("at once");
            solo.board.abort(socket);
            solo.turn();
            assert!(solo.said_one().is_rst());
        }
        for socket in sockets.each_mut() {
            let target = core::net::SocketAddr::new(absent[0].into(), 9000).to_string();
            assert_eq!(tcp::connect(&mut solo.board, socket, &target), Err(nb::Error::WouldBlock));
        }
        for socket in sockets {
            tcp::close(&mut solo.board, socket);
        }
        tcp::close(&mut solo.board, listener);
        UdpClientStack::close(&mut solo.board, datagrams).unwrap();
        solo.turn();
        solo.assert_clean();
    }
}

/// RFC 1122 2.3.2.1: once a second for each destination, and all of them.
#[test]
fn each_absent_target_is_asked_for_once_a_second_and_found_as_soon_as_it_answers() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    solo.answers = reachable;
    let mut sockets = Vec::new();
    for target in ["192.0.2.200:9", "192.0.2.201:9", "[2001:db8::c8]:9", "192.0.2.10:9"] {
        let mut socket = tcp::socket(&mut solo.board);
        let result = tcp::connect(&mut solo.board, &mut socket, target);
        assert_eq!(result, Err(nb::Error::WouldBlock));
        sockets.push(socket);
    }
    solo.turn();
    let syn = solo.said_one();
    assert_eq!((syn.control, syn.to), (TcpControl::Syn, endpoint("192.0.2.10:9")), "at once");
    solo.pass(SECOND * 6 - Duration::from_millis(1));
    let asked = questions(&mut solo);
    let each: Vec<_> = (0..6).map(Instant::from_secs).collect();
    assert_eq!(asked["192.0.2.200"], each);
    assert_eq!(asked["192.0.2.201"], each);
    assert_eq!(asked["2001:db8::c8"], each);
    assert_eq!(asked["192.0.2.10"], [Instant::ZERO]);
    assert_eq!(asked.len(), 4);

    solo.said();
    solo.put(neighbor_answer(host(200, false)));
    solo.turn();
    let syn = solo.said_one();
    assert_eq!((syn.control, syn.to), (TcpControl::Syn, endpoint("192.0.2.200:9")));
    for socket in sockets {
        tcp::close(&mut solo.board, socket);
    }
    solo.pass(SECOND * 3);
    assert!(questions(&mut solo).is_empty(), "nobody is wanted any more");
    solo.assert_clean();
}

/// Whatever comes from the peer of a connection whose own SYN waits for a neighbour, or for the device, is no part of
/// it: smoltcp 0.14 panics at a SYN then (`last_scaled_window`).
#[test]
fn a_segment_before_our_own_syn_has_left_is_dropped() {
    for (control, acknowledges) in [
        (TcpControl::Syn, false),
        (TcpControl::Syn, true),
        (TcpControl::None, true),
        (TcpControl::Psh, true),
        (TcpControl::Fin, true),
        (TcpControl::Rst, true),
        (TcpControl::Rst, false),
    ] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        solo.turn();
        (solo.answers, solo.transmits) = (|_| false, false);
        let mut socket = tcp::socket(&mut solo.board);
        let result = tcp::connect(&mut solo.board, &mut socket, "192.0.2.9:9000");
        assert_eq!(result, Err(nb::Error::WouldBlock));
        let (local, remote) = solo.board.endpoints(&socket).unwrap();
        // Any number may be the one that was drawn.
        for ack in [0, 1, u32::MAX / 3, u32::MAX] {
            let segment = Segment {
                from: endpoint(&remote.to_string()),
                to: endpoint(&local.to_string()),
                control,
                seq: TcpSeqNumber(1000),
                ack: acknowledges.then_some(TcpSeqNumber(ack.cast_signed())),
                window: 100,
                scale: None,
                sacked: [None; 3],
                payload: if control == TcpControl::Psh { b"x".to_vec() } else { Vec::new() },
            };
            solo.put(segment.frame());
            solo.turn();
        }
        assert_eq!(solo.board.counters().early_dropped, 4);
        assert_eq!(solo.board.state_name(&socket), "SYN-SENT");
        // Now it leaves, to the address that those told of; and two ends that open at once come together.
        solo.transmits = true;
        solo.pass(SECOND * 2);
        let syn = solo.said().remove(0);
        assert_eq!((syn.control, syn.ack), (TcpControl::Syn, None));
        let peer = Segment {
            from: syn.to,
            to: syn.from,
            control: TcpControl::Syn,
            seq: TcpSeqNumber(5000),
            ack: Some(syn.seq + 1),
            window: 8192,
            scale: None,
            sacked: [None; 3],
            payload: Vec::new(),
        };
        solo.put(peer.frame());
        solo.turn();
        assert_eq!(solo.board.state_name(&socket), "ESTABLISHED");
        solo.board.abort(socket);
        solo.turn();
        solo.assert_clean();
    }
}

/// Nobody's questions, however many, put the peer of a live connection out.
#[test]
fn a_hundred_hosts_that_ask_do_not_disturb_a_live_connection() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected(&mut solo);
    solo.answers = |_| false;
    let own = NetConfig::BOARD.ipv4.address();
    for round in 0..5 {
        for number in 100..200 {
            let Ok(source) = host(number, false).to_string().parse() else { unreachable!() };
            solo.put(arp(ArpOperation::Request, mac(number), source, own));
            solo.turn();
            assert_eq!(answered(&mut solo).last(), Some(&mac(number)));
        }
        assert_eq!(tcp::send(&mut solo.board, &mut socket, b"live"), Ok(4));
        solo.turn();
        assert_eq!(solo.said_one().payload, b"live", "round {round}");
        client.ack += 4;
        solo.put(client.ack());
        solo.turn();
        assert_eq!(solo.asked, 0);
        solo.pass(SECOND);
    }
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// What smoltcp does not promise: a cache with room for [`NEIGHBORS`], that loses none of them to another.
#[test]
fn smoltcp_remembers_as_many_neighbours_as_the_stack_tells_it_of() {
    for version6 in [false, true] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        solo.answers = |_| false;
        solo.turn();
        solo.others.clear();
        for round in 0..3 {
            for number in 10..10 + u8::try_from(NEIGHBORS).unwrap() {
                solo.put(sent_by(mac(number), ping(host(number, version6), board(version6))));
                solo.turn();
                assert_eq!(answered(&mut solo), [mac(number)], "round {round}");
            }
            // Beyond what smoltcp remembers anything for.
            solo.pass(SECOND * (15 + round * 50));
        }
    }
}

/// A packet tells where to answer it; but it takes nobody's place who has answered for himself.
#[test]
fn a_packet_from_elsewhere_does_not_move_a_confirmed_neighbour_but_its_own_announcement_does() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (client, socket, listener) = connected(&mut solo);
    let IpAddress::Ipv4(peer) = client.own.addr else { unreachable!() };
    let goes_to = |solo: &mut Solo<'_>, sender: EthernetAddress| {
        solo.answers = |_| false;
        solo.others.clear();
        solo.put(sent_by(sender, ping(peer.into(), board(false))));
        solo.turn();
        answered(solo)
    };
    let true_mac = NetConfig::PEER.mac;
    assert_eq!(goes_to(&mut solo, true_mac), [true_mac]);
    assert_eq!(goes_to(&mut solo, mac(66)), [true_mac]);
    // RFC 826: what is known is updated, whoever was asked for.
    for (operation, new) in [(ArpOperation::Request, mac(1)), (ArpOperation::Reply, mac(2))] {
        solo.put(arp(operation, new, peer, peer));
        assert_eq!(goes_to(&mut solo, new), [new]);
    }
    // Nobody is learned of who speaks to others.
    solo.put(arp(ArpOperation::Reply, mac(99), Ipv4Address::new(192, 0, 2, 99), peer));
    assert_eq!(goes_to(&mut solo, mac(2)), [mac(2)]);
    // After half a minute of silence, whoever speaks next is believed.
    solo.pass(SECOND * 31);
    assert_eq!(goes_to(&mut solo, true_mac), [true_mac]);
    solo.said();
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// A neighbour that goes quiet is still written to while it is asked for anew; then nothing is sent into the void.
#[test]
fn a_quiet_neighbour_is_asked_for_while_its_address_is_still_used() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (_, mut socket, listener) = connected(&mut solo);
    solo.answers = |_| false;
    solo.pass(SECOND * 65);
    solo.said();
    solo.others.clear();
    assert_eq!(tcp::send(&mut solo.board, &mut socket, b"hello"), Ok(5));
    solo.turn();
    assert_eq!(solo.said_one().payload, b"hello", "at once, whether or not it is still there");
    solo.pass(SECOND * 3 - Duration::from_millis(1));
    assert!(solo.said().iter().any(|segment| segment.payload == b"hello"), "sent again");
    solo.pass(Duration::from_millis(7500));
    assert_eq!(solo.said(), [], "three questions were not answered");
    let asked = questions(&mut solo);
    assert_eq!(asked["192.0.2.2"].len(), 11, "{asked:?}");
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.pass(SECOND * 2);
    solo.assert_clean();
}

/// RFC 5227 2.4: somebody else says that our address is his.
#[test]
fn another_board_with_our_address_is_noticed_and_told() {
    let own = NetConfig::BOARD.ipv4.address();
    let v6 = board(true);
    let other = mac(77);
    let announcements = |solo: &Solo<'_>| {
        let broadcast = solo.others.iter().filter(|(_, frame)| {
            EthernetFrame::new_unchecked(frame).dst_addr() == EthernetAddress::BROADCAST
        });
        broadcast.count()
    };
    let mut advert = neighbor_answer(v6);
    advert = sent_by(other, advert);
    for (frame, address) in [
        (arp(ArpOperation::Request, other, own, own), Some(own.into())),
        (arp(ArpOperation::Request, other, own, Ipv4Address::new(192, 0, 2, 2)), Some(own.into())),
        (arp(ArpOperation::Reply, other, own, own), Some(own.into())),
        (advert, Some(v6)),
        // The same MAC address as well.
        (arp(ArpOperation::Request, BOARD_MAC, own, Ipv4Address::new(192, 0, 2, 2)), None),
    ] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        solo.answers = |_| false;
        solo.pass(SECOND);
        assert_eq!(solo.board.conflict(), None);
        assert_eq!(solo.others.len(), 3, "IPv4, IPv6, and its link-local address");
        let first = solo.clock.now();
        solo.put(frame.clone());
        solo.turn();
        // A bit may have flipped. So the board speaks up; another one answers.
        assert_eq!(solo.board.conflict(), None);
        solo.pass(Duration::from_millis(300));
        assert_eq!(announcements(&solo), 2);
        solo.put(frame.clone());
        solo.turn();
        let (at, conflict) = solo.board.conflict().expect("noticed");
        assert_eq!((at, conflict.address), (first, address));
        assert_eq!(solo.board.counters().address_conflicts, 2);
        // Once more for the other side, and not in answer to each frame.
        for _ in 0..20 {
            solo.pass(Duration::from_millis(300));
            solo.put(frame.clone());
            solo.turn();
        }
        assert_eq!(announcements(&solo), 3);
        assert_eq!(solo.board.counters().address_conflicts, 22);
    }
}

/// Those who only look whether an address is free are answered, and no conflict (RFC 5227 2.1.1, RFC 4862 5.4.3).
#[test]
fn a_probe_for_our_address_is_answered_and_no_conflict() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    solo.pass(SECOND);
    solo.others.clear();
    let own = NetConfig::BOARD.ipv4.address();
    solo.put(arp(ArpOperation::Request, mac(5), Ipv4Address::UNSPECIFIED, own));
    solo.turn();
    assert_eq!(answered(&mut solo), [mac(5)]);
    // The other board's own: what this one sent at boot, from somebody else.
    let mut memory = SoloMemory::new();
    let mut twin = Solo::new(&mut memory, 2);
    twin.turn();
    let probes: Vec<_> = twin.others.drain(1..).map(|(_, frame)| sent_by(mac(5), frame)).collect();
    assert_eq!(probes.len(), 2);
    for probe in probes {
        solo.put(probe);
        solo.turn();
        // RFC 4861 7.2.4: to all nodes.
        assert_eq!(answered(&mut solo), [EthernetAddress([0x33, 0x33, 0, 0, 0, 1])]);
    }
    assert_eq!(solo.board.conflict(), None);
}
