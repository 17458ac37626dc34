//! smoltcp sockets of the user's own on the stack's interface: DNS, ICMP, raw, and UDP for broadcasts.

use std::net::{IpAddr, SocketAddr};

use crate::common::{SOON, World, at, config, pattern, v4};
use tapboard_net::Error;
use tapboard_net::smoltcp::phy::{ChecksumCapabilities, Medium};
use tapboard_net::smoltcp::socket::{Socket, dhcpv4, dns, icmp, raw, tcp, udp};
use tapboard_net::smoltcp::time::Duration;
use tapboard_net::smoltcp::wire::{
    DnsQueryType, Icmpv4Packet, Icmpv4Repr, IpAddress, IpProtocol, IpVersion, Ipv4Address,
    Ipv4Packet, Ipv4Repr,
};

fn udp_socket(port: u16) -> udp::Socket<'static> {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 2048]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(port).unwrap();
    socket
}

#[test]
fn smoltcps_dhcp_client_is_refused() {
    let mut world = World::ethernet();
    world.add(&config(1));
    let stack = world.stack(0);
    let refused = stack.add_socket(dhcpv4::Socket::new());
    assert_eq!(refused, Err(Error::InvalidState), "it would panic");
    for socket in [Socket::Dhcpv4(dhcpv4::Socket::new()), Socket::Udp(udp_socket(1))] {
        assert_eq!(stack.add_socket(socket), Err(Error::InvalidState), "it may be that");
    }
    stack.add_socket(udp_socket(1)).expect("its place is free");
}

/// Answers a question for a name with one address record.
fn dns_answer(query: &[u8], address: Ipv4Address) -> Vec<u8> {
    let mut answer = query.to_vec();
    // A response, recursion available; one answer.
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    answer[6..8].copy_from_slice(&[0, 1]);
    // The name of the question, type A, class IN, 60 s, 4 bytes.
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    answer.extend(address.octets());
    answer
}

#[test]
fn dns() {
    let mut world = World::pair();
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let server = world.stack(0).udp_bind(53).unwrap();
    let resolver = dns::Socket::new(&[v4(1).into()], vec![None]);
    let handle = world.stack(1).add_socket(resolver).unwrap();
    let (socket, context) = world.stack(1).added_socket_and_context::<dns::Socket<'_>>(handle);
    let query = socket.start_query(context, "board.example", DnsQueryType::A).unwrap();
    assert!(world.stack(1).wants_poll());
    let addresses = world.until(SOON, |world| {
        let mut buffer = [0; 512];
        if let Ok((count, peer)) = world.stack(0).udp_receive(&server, &mut buffer) {
            assert!(buffer[..count].windows(7).any(|name| name == b"\x05board\x07"));
            let answer = dns_answer(&buffer[..count], v4(1));
            world.stack(0).udp_send_to(&server, peer, &answer).unwrap();
        }
        let socket = world.stack(1).added_socket_mut::<dns::Socket<'_>>(handle);
        match socket.get_query_result(query) {
            Err(dns::GetQueryResultError::Pending) => None,
            result => Some(result.expect("the name is known")),
        }
    });
    assert_eq!(addresses[..], [IpAddress::Ipv4(v4(1))]);
    let address = IpAddr::from(addresses[0]);
    let _ = world.connect(1, SocketAddr::from((address, 7)), (0, &listener));
}

#[test]
fn icmp() {
    let mut world = World::pair();
    let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 2], vec![0; 256]);
    let mut socket = icmp::Socket::new(buffer(), buffer());
    socket.bind(icmp::Endpoint::Ident(0x1234)).unwrap();
    let handle = world.stack(1).add_socket(socket).unwrap();
    for seq_no in 0..3 {
        let request = Icmpv4Repr::EchoRequest { ident: 0x1234, seq_no, data: b"anybody?" };
        let socket = world.stack(1).added_socket_mut::<icmp::Socket<'_>>(handle);
        let bytes = socket.send(request.buffer_len(), v4(1).into()).unwrap();
        request.emit(&mut Icmpv4Packet::new_unchecked(bytes), &ChecksumCapabilities::default());
        assert!(world.stack(1).wants_poll());
        let start = world.now;
        let answer = world.until(SOON, |world| {
            let socket = world.stack(1).added_socket_mut::<icmp::Socket<'_>>(handle);
            socket.recv().ok().map(|(bytes, from)| (bytes.to_vec(), from))
        });
        let packet = Icmpv4Packet::new_checked(&answer.0[..]).unwrap();
        let reply = Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()).unwrap();
        assert_eq!(reply, Icmpv4Repr::EchoReply { ident: 0x1234, seq_no, data: b"anybody?" });
        assert_eq!(answer.1, v4(1).into());
        // The first had to ask for the neighbour.
        assert!(world.now - start < Duration::from_secs(2), "{}", world.now - start);
    }
    // To nobody: it costs no busy loop.
    let request = Icmpv4Repr::EchoRequest { ident: 0x1234, seq_no: 9, data: b"" };
    let socket = world.stack(1).added_socket_mut::<icmp::Socket<'_>>(handle);
    let bytes = socket.send(request.buffer_len(), v4(99).into()).unwrap();
    request.emit(&mut Icmpv4Packet::new_unchecked(bytes), &ChecksumCapabilities::default());
    let before = world.stack(1).counters().polls;
    world.pass(Duration::from_secs(100));
    let polls = world.stack(1).counters().polls - before;
    assert!(polls <= 1000, "{polls} polls in 100 s");
}

#[test]
fn raw() {
    const PROTOCOL: IpProtocol = IpProtocol::Unknown(253);
    let mut world = World::pair();
    let handles = [0, 1].map(|node| {
        let buffer = || raw::PacketBuffer::new(vec![raw::PacketMetadata::EMPTY; 2], vec![0; 256]);
        let socket = raw::Socket::new(Some(IpVersion::Ipv4), Some(PROTOCOL), buffer(), buffer());
        world.stack(node).add_socket(socket).unwrap()
    });
    let ip = Ipv4Repr {
        src_addr: v4(2),
        dst_addr: v4(1),
        next_header: PROTOCOL,
        payload_len: 4,
        hop_limit: 64,
    };
    let mut packet = vec![0; 24];
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut packet[..]), &ChecksumCapabilities::default());
    packet[20..].copy_from_slice(b"odd!");
    let socket = world.stack(1).added_socket_mut::<raw::Socket<'_>>(handles[1]);
    socket.send_slice(&packet).unwrap();
    let received = world.until(SOON, |world| {
        let socket = world.stack(0).added_socket_mut::<raw::Socket<'_>>(handles[0]);
        socket.recv().ok().map(<[u8]>::to_vec)
    });
    assert_eq!(&received[20..], b"odd!");
}

#[test]
fn a_broadcast_arrives_at_a_socket_that_was_added_and_at_no_other() {
    let mut world = World::pair();
    let own = world.stack(0).udp_bind(5001).unwrap();
    let added = world.stack(0).add_socket(udp_socket(5000)).unwrap();
    let sender = world.stack(1).add_socket(udp_socket(9)).unwrap();
    for to in [Ipv4Address::BROADCAST, v4(255)] {
        for port in [5000, 5001] {
            let socket = world.stack(1).added_socket_mut::<udp::Socket<'_>>(sender);
            socket.send_slice(b"all", (to, port)).unwrap();
            world.pass(Duration::from_millis(1));
        }
        let socket = world.stack(0).added_socket_mut::<udp::Socket<'_>>(added);
        assert!(socket.recv().is_ok(), "{to}");
        assert!(!socket.can_recv());
        assert!(world.stack(0).udp_receive(&own, &mut [0; 4]).is_err());
    }
    // To us alone it arrives too.
    let socket = world.stack(1).added_socket_mut::<udp::Socket<'_>>(sender);
    socket.send_slice(b"you", (v4(1), 5000)).unwrap();
    world.until(SOON, |world| {
        let socket = world.stack(0).added_socket_mut::<udp::Socket<'_>>(added);
        socket.recv().is_ok().then_some(())
    });
}

#[test]
fn a_burst_is_read_before_the_queue_is_full() {
    let mut world = World::pair();
    let reader = world.stack(0).add_socket(udp_socket(69)).unwrap();
    let buffer =
        |count| udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; count], vec![0; 512]);
    let mut sender = udp::Socket::new(buffer(1), buffer(20));
    sender.bind(8).unwrap();
    let sender = world.stack(1).add_socket(sender).unwrap();
    // The first asks for its neighbour.
    for burst in [0..1, 1..21_u8] {
        for number in burst.clone() {
            let socket = world.stack(1).added_socket_mut::<udp::Socket<'_>>(sender);
            socket.send_slice(&[number], (v4(1), 69)).unwrap();
        }
        for number in burst {
            let read = world.until(SOON, |world| {
                let socket = world.stack(0).added_socket_mut::<udp::Socket<'_>>(reader);
                Some(socket.recv().ok()?.0.to_vec())
            });
            assert_eq!(read, [number]);
        }
    }
}

#[test]
fn places_are_as_many_as_their_parameter_says_and_tcp_is_the_stacks_own() {
    let mut world = World::ethernet();
    world.add_sized::<1, 2, 0, 3, 0>(&config(1));
    let stack = world.stack(0);
    let buffer = || tcp::SocketBuffer::new(vec![0; 64]);
    let refused = stack.add_socket(tcp::Socket::new(buffer(), buffer()));
    assert_eq!(refused, Err(Error::InvalidState));
    let first = stack.add_socket(udp_socket(1)).expect("the third place");
    assert_eq!(stack.add_socket(udp_socket(2)), Err(Error::NoBufferSpace));
    let refused = stack.add_socket(tcp::Socket::new(buffer(), buffer()));
    assert_eq!(refused, Err(Error::NoBufferSpace));
    assert_eq!(stack.added_socket::<udp::Socket<'_>>(first).endpoint().port, 1);
    stack.remove_socket(first);
    stack.add_socket(udp_socket(2)).expect("it was given back");
    // The stack's own are not touched by that.
    for port in [1, 3] {
        let _ = stack.udp_bind(port).unwrap();
    }
}

/// smoltcp makes what its device takes, and there is no room here for more than a frame.
#[test]
fn a_device_of_long_frames_gets_no_longer_ones() {
    for medium in [Medium::Ethernet, Medium::Ip] {
        let mut world = World::new(medium);
        world.probe.set_mtu(9014);
        for config in [1, 2].map(config) {
            world.add(&if medium == Medium::Ip { config.with_medium_ip() } else { config });
        }
        let receiver = world.stack(0).udp_bind(69).unwrap();
        let buffer =
            || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 20_000]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(8).unwrap();
        let handle = world.stack(1).add_socket(socket).unwrap();
        for len in [1473, 8900, 1472] {
            let socket = world.stack(1).added_socket_mut::<udp::Socket<'_>>(handle);
            socket.send_slice(&vec![7; len], (v4(1), 69)).unwrap();
            world.pass(Duration::from_millis(50));
            // What is longer than a place to wait is lost while its neighbour is asked for.
            let socket = world.stack(1).added_socket_mut::<udp::Socket<'_>>(handle);
            socket.send_slice(&vec![7; len], (v4(1), 69)).unwrap();
            world.pass(Duration::from_millis(50));
            let received = world.stack(0).udp_receive(&receiver, &mut [0; 9000]);
            assert_eq!(received.ok().map(|(count, _)| count), (len == 1472).then_some(len));
        }
        let listener = world.stack(0).tcp_listen(7).unwrap();
        let (client, server) = world.connect(1, at(1, 7), (0, &listener));
        world.probe.set_loss(5, 7);
        world.transfer((1, &client), (0, &server), &pattern(50_000));
        let longest = world.nodes[1].port.take_sent().iter().map(Vec::len).max();
        assert_eq!(longest, Some(if medium == Medium::Ethernet { 1514 } else { 1500 }));
    }
}

/// What goes to a neighbour that is asked for waits for it, the latest packet of all; what goes elsewhere does not.
#[test]
fn a_packet_for_an_absent_neighbour_holds_up_nobody_and_ends() {
    let mut world = World::pair();
    let receiver = world.stack(0).udp_bind(69).unwrap();
    let handles = [8, 9].map(|port| world.stack(1).add_socket(udp_socket(port)).unwrap());
    let send = |world: &mut World, which: usize, last, bytes: &[u8]| {
        let socket = world.stack(1).added_socket_mut::<udp::Socket<'_>>(handles[which]);
        socket.send_slice(bytes, (v4(last), 69)).unwrap();
    };
    let heard = |world: &mut World| {
        let mut buffer = [0; 200];
        let received = world.stack(0).udp_receive(&receiver, &mut buffer);
        received.ok().map(|(count, _)| buffer[..count].to_vec())
    };
    // The way is not known yet, and there is room for the question's time.
    send(&mut world, 0, 1, b"first");
    assert_eq!(world.until(SOON, heard), b"first");
    send(&mut world, 0, 99, b"to nobody");
    send(&mut world, 1, 1, b"to somebody");
    let start = world.now;
    assert_eq!(world.until(SOON, heard), b"to somebody");
    assert!(world.now - start < Duration::from_millis(100), "{}", world.now - start);
    let unsent = |world: &mut World| world.stack(1).counters().datagrams_unsent;
    assert_eq!(unsent(&mut world), 0);
    // The latest takes the place of what waits, and one that is too long for it is lost at once.
    send(&mut world, 0, 98, b"to nobody either");
    world.pass(Duration::from_millis(1));
    assert_eq!(unsent(&mut world), 1);
    send(&mut world, 0, 97, &[0; 150]);
    world.pass(Duration::from_millis(1));
    assert_eq!(unsent(&mut world), 3);
    send(&mut world, 0, 99, b"to nobody");
    world.pass(Duration::from_secs(4));
    assert_eq!(unsent(&mut world), 4);
    // One whose socket is gone ends too, and costs no busy loop.
    send(&mut world, 0, 99, b"to nobody");
    world.pass(Duration::from_millis(1));
    for handle in handles {
        world.stack(1).remove_socket(handle);
    }
    let polls = world.stack(1).counters().polls;
    world.pass(Duration::from_secs(10));
    assert_eq!(unsent(&mut world), 5);
    let polls = world.stack(1).counters().polls - polls;
    assert!(polls < 100, "{polls} polls in 10 s");
}
