//! Who a stack is: gateways, IPv6 alone, addresses that change.

use std::net::SocketAddr;

use crate::common::{SOON, World, at, config, mac, pattern, v4};
use tapboard_net::embedded_nal::nb;
use tapboard_net::smoltcp::socket::tcp::State;
use tapboard_net::smoltcp::time::Duration;
use tapboard_net::smoltcp::wire::{
    ArpOperation, ArpPacket, EthernetFrame, EthernetProtocol, IpAddress, IpCidr, Ipv4Address,
    Ipv4Cidr,
};
#[cfg(feature = "ipv6")]
use tapboard_net::smoltcp::wire::{Ipv6Address, Ipv6Cidr};
use tapboard_net::{Error, Limits, NetConfig};

/// Far away: only a gateway leads there.
const FAR: Ipv4Address = Ipv4Address::new(198, 51, 100, 7);

/// A stack, and a host of plain smoltcp with these addresses, one of them a gateway's and one far away, which listens
/// on port 7. An exchange with the far address, whose frames all go to the gateway's MAC address.
fn beyond(config: &NetConfig, addresses: &[IpCidr], far: SocketAddr) -> World {
    let mut world = World::ethernet();
    world.add(config);
    world.add_plain(2);
    world.plain[0].interface.update_ip_addrs(|own| {
        own.clear();
        own.extend(addresses.iter().copied());
    });
    let server = world.plain[0].add_tcp();
    world.plain[0].tcp(server).listen(7).unwrap();
    let mut client = world.stack(0).tcp_connect(far).unwrap();
    world.wait(|world| world.stack(0).tcp_connected(&mut client)).unwrap();
    world.stack(0).tcp_send(&client, b"to there").unwrap();
    world.until(SOON, |world| {
        let socket = world.plain[0].tcp(server);
        if let Ok(count @ 1..) = socket.recv_slice(&mut [0; 16]) {
            assert_eq!(count, 8);
            socket.send_slice(b"and back").unwrap();
        }
        let mut buffer = [0; 8];
        matches!(world.stack(0).tcp_receive(&client, &mut buffer), Ok(8)).then_some(())
    });
    for frame in world.nodes[0].port.take_sent() {
        let frame = EthernetFrame::new_checked(&frame).unwrap();
        let packet = matches!(frame.ethertype(), EthernetProtocol::Ipv4 | EthernetProtocol::Ipv6);
        if packet && frame.dst_addr().is_unicast() {
            assert_eq!(frame.dst_addr(), mac(2));
        }
    }
    world.stack(0).tcp_close(client);
    world
}

fn cidr(address: impl Into<IpAddress>, prefix: u8) -> IpCidr {
    IpCidr::new(address.into(), prefix)
}

#[test]
fn an_ipv4_gateway_inside_the_prefix() {
    let config = config(1).with_ipv4_gateway(v4(254));
    let world = beyond(&config, &[cidr(v4(254), 24), cidr(FAR, 24)], (FAR, 7).into());
    assert_eq!(world.nodes[0].stack.config().ipv4_gateway(), Some(v4(254)));
}

#[test]
fn an_ipv4_gateway_outside_the_prefix() {
    let outside = Ipv4Address::new(203, 0, 113, 1);
    let config = config(1).with_ipv4(Ipv4Cidr::new(v4(1), 32)).with_ipv4_gateway(outside);
    let addresses = [cidr(v4(254), 24), cidr(outside, 32), cidr(FAR, 24)];
    let mut world = beyond(&config, &addresses, (FAR, 7).into());
    // Somebody on the link, but outside of our prefix, is behind the gateway too.
    world.add(&crate::common::config(3));
    let udp = world.stack(0).udp_connect(at(3, 9)).unwrap();
    world.stack(0).udp_send(&udp, b"x").unwrap();
    world.pass(Duration::from_secs(1));
    let frames = world.nodes[0].port.take_sent();
    let last = EthernetFrame::new_checked(frames.last().unwrap()).unwrap();
    assert_eq!((last.dst_addr(), last.ethertype()), (mac(2), EthernetProtocol::Ipv4));
}

#[test]
fn without_a_gateway_far_away_is_unaddressable() {
    let mut world = World::ethernet();
    world.add(&config(1));
    let far = (FAR, 7).into();
    assert_eq!(world.stack(0).tcp_connect(far).unwrap_err(), Error::Unaddressable);
    assert_eq!(world.stack(0).udp_connect(far).unwrap_err(), Error::Unaddressable);
    let config = config(1).with_ipv4_gateway(v4(254));
    world.stack(0).reconfigure(&config);
    let connect = world.stack(0).tcp_connect(far).unwrap();
    world.stack(0).tcp_close(connect);
    world.stack(0).reconfigure(&config.without_ipv4());
    assert_eq!(world.stack(0).tcp_connect(far).unwrap_err(), Error::Unaddressable);
    assert_eq!(world.stack(0).tcp_connect(at(2, 7)).unwrap_err(), Error::Unaddressable);
    assert_eq!(world.stack(0).ipv4(), None);
}

#[cfg(feature = "ipv6")]
fn v6(net: u16, last: u16) -> Ipv6Address {
    Ipv6Address::new(0x2001, 0xdb8, net, 0, 0, 0, 0, last)
}

#[cfg(feature = "ipv6")]
#[test]
fn an_ipv6_gateway_link_local_or_inside_the_prefix() {
    let link_local = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xfe);
    let config = NetConfig::new(crate::common::own_mac(1)).with_ipv6(Ipv6Cidr::new(v6(0, 1), 64));
    for gateway in [link_local, v6(0, 254)] {
        let config = config.with_ipv6_gateway(gateway);
        let addresses = [cidr(v6(0, 254), 64), cidr(link_local, 64), cidr(v6(1, 7), 64)];
        beyond(&config, &addresses, (v6(1, 7), 7).into());
    }
    let mut world = World::ethernet();
    world.add(&config);
    let far = (v6(1, 7), 7).into();
    assert_eq!(world.stack(0).tcp_connect(far).unwrap_err(), Error::Unaddressable);
}

/// Two stacks without any IPv4 address; no frame of theirs is ARP or IPv4.
#[cfg(feature = "ipv6")]
#[test]
fn ipv6_alone() {
    let mut world = World::ethernet();
    for last in [1, 2] {
        let address = Ipv6Cidr::new(v6(0, u16::from(last)), 64);
        world.add(&NetConfig::new(crate::common::own_mac(last)).with_ipv6(address));
    }
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let link_local = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0x5eff, 0xfe00, 1);
    for address in [v6(0, 1), link_local] {
        let (client, server) = world.connect(1, (address, 7).into(), (0, &listener));
        world.transfer((1, &client), (0, &server), &pattern(20_000));
        world.transfer((0, &server), (1, &client), &pattern(20_000));
    }
    let udp = world.stack(0).udp_bind(69).unwrap();
    let sender = world.stack(1).udp_connect((v6(0, 1), 69).into()).unwrap();
    world.stack(1).udp_send(&sender, b"x").unwrap();
    world.wait(|world| world.stack(0).udp_receive(&udp, &mut [0; 1])).unwrap();
    world.pass(SOON);
    assert_eq!(world.stack(0).ipv4(), None);
    for node in &world.nodes {
        let frames = node.port.take_sent();
        assert!(frames.len() > 30);
        for frame in frames {
            let ethertype = EthernetFrame::new_checked(&frame).unwrap().ethertype();
            assert_eq!(ethertype, EthernetProtocol::Ipv6);
        }
    }
}

/// What comes from a peer has no scope: that it was named with one is no reason to take nothing from it.
#[cfg(feature = "ipv6")]
#[test]
fn a_udp_peer_that_is_named_with_a_scope_is_heard() {
    let mut world = World::ethernet();
    for last in [1, 2] {
        let address = Ipv6Cidr::new(v6(0, u16::from(last)), 64);
        world.add(&NetConfig::new(crate::common::own_mac(last)).with_ipv6(address));
    }
    let server = world.stack(0).udp_bind(69).unwrap();
    let named = core::net::SocketAddrV6::new(v6(0, 1), 69, 0, 3);
    let client = world.stack(1).udp_connect(named.into()).unwrap();
    world.stack(1).udp_send(&client, b"x").unwrap();
    let (_, from) = world.wait(|world| world.stack(0).udp_receive(&server, &mut [0; 1])).unwrap();
    world.stack(0).udp_send_to(&server, from, b"y").unwrap();
    let (count, from) =
        world.wait(|world| world.stack(1).udp_receive(&client, &mut [0; 1])).unwrap();
    assert_eq!((count, from), (1, (v6(0, 1), 69).into()));
}

#[cfg(not(feature = "ipv6"))]
#[test]
fn without_the_feature_ipv6_is_unaddressable() {
    let mut world = World::pair();
    let remote = "[2001:db8::1]:7".parse().unwrap();
    assert_eq!(world.stack(0).tcp_connect(remote).unwrap_err(), Error::Unaddressable);
}

/// The ARP packets among what a node sent: operation, sender's and target's address.
fn arp(world: &World, node: usize) -> Vec<(ArpOperation, [u8; 4], [u8; 4])> {
    let frames = world.nodes[node].port.take_sent();
    let arp = frames.iter().filter_map(|frame| {
        let frame = EthernetFrame::new_checked(&frame[..]).unwrap();
        (frame.ethertype() == EthernetProtocol::Arp).then(|| {
            let arp = ArpPacket::new_checked(frame.payload()).unwrap();
            let address = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).unwrap();
            let (source, target) = (arp.source_protocol_addr(), arp.target_protocol_addr());
            (arp.operation(), address(source), address(target))
        })
    });
    arp.collect()
}

#[test]
fn another_address() {
    let mut world = World::ethernet();
    world.add(&config(1));
    let limits = Limits::new().with_connect(Duration::from_secs(10));
    world.add(&config(2).with_limits(limits));
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let own = world.stack(1).tcp_listen(8).unwrap();
    let (client, server) = world.connect(1, at(1, 7), (0, &listener));
    let (there, here) = world.connect(0, at(2, 8), (1, &own));
    world.pass(Duration::from_secs(10));
    arp(&world, 1);

    let new = config(3).with_mac(crate::common::own_mac(77));
    world.stack(1).reconfigure(&new);
    let config = *world.stack(1).config();
    assert_eq!(
        (config.ipv4_address(), config.mac()),
        (v4(3), crate::common::own_mac(2)),
        "the MAC address stays"
    );
    assert_eq!(*config.limits(), limits);
    assert_eq!(world.stack(1).ipv4(), Some(v4(3)));
    for socket in [&client, &here] {
        let error =
            world.wait(|world| world.stack(1).tcp_receive(socket, &mut [0; 1])).unwrap_err();
        assert_eq!(error, Error::ConnectionReset);
    }
    world.pass(Duration::from_secs(1));
    let announced = arp(&world, 1);
    let new = v4(3).octets();
    assert_eq!(
        announced,
        [(ArpOperation::Request, new, new), (ArpOperation::Request, [0; 4], new),]
    );
    for socket in [client, here] {
        world.stack(1).tcp_close(socket);
    }
    assert_eq!(world.stack(1).free_slots(), 4, "nobody could tell their peers");

    // New ones work both ways, the listener is still there, and the neighbour is asked for anew.
    let (client, _server) = world.connect(1, at(1, 7), (0, &listener));
    let asked = arp(&world, 1);
    assert!(asked.contains(&(ArpOperation::Request, new, v4(1).octets())), "{asked:?}");
    let (outgoing, here) = world.connect(0, at(3, 8), (1, &own));
    world.transfer((1, &here), (0, &outgoing), &pattern(100));
    // The old ones' peers notice by themselves, within 100 s and a probe.
    for socket in [&server, &there] {
        let error = world.until(Duration::from_secs(150), |world| {
            match world.stack(0).tcp_receive(socket, &mut [0; 1]) {
                Err(nb::Error::Other(error)) => Some(error),
                _ => None,
            }
        });
        assert_eq!(error, Error::TimedOut);
    }
    assert_eq!(world.stack(1).state_name(&client), "ESTABLISHED");
}

#[test]
fn the_same_address_again_costs_no_connection() {
    let mut world = World::pair();
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let (client, server) = world.connect(1, at(1, 7), (0, &listener));
    let gateway = config(2).with_ipv4_gateway(v4(254));
    world.stack(1).reconfigure(&gateway);
    world.transfer((1, &client), (0, &server), &pattern(5000));
}

/// A connection that nobody has accepted, a handshake and a connect under way lose their address too.
#[test]
fn what_is_not_complete_ends_with_its_address() {
    let mut world = World::ethernet();
    world.add(&config(1));
    world.add_plain(2);
    let _listener = world.stack(0).tcp_listen(7).unwrap();
    let queued = world.plain[0].add_tcp();
    world.plain[0].connect(queued, 1, 7, 50_000);
    world.until(SOON, |world| {
        (world.plain[0].tcp(queued).state() == State::Established).then_some(())
    });
    let mut connecting = world.stack(0).tcp_connect(at(99, 7)).unwrap();
    world.pass(Duration::from_millis(100));
    assert_eq!(world.stack(0).free_slots(), 2);
    world.stack(0).reconfigure(&config(3));
    let error = world.wait(|world| world.stack(0).tcp_connected(&mut connecting)).unwrap_err();
    assert_eq!(error, Error::ConnectionRefused);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.stack(0).free_slots(), 4);
}
