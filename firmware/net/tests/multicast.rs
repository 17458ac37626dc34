//! Groups: what `join` and `leave` report, and whose the datagrams are.

#[cfg(feature = "ipv6")]
use std::net::Ipv6Addr;
use std::net::{IpAddr, Ipv4Addr};

use crate::common::{World, config, own_mac};
use tapboard_net::embedded_nal::nb;
use tapboard_net::smoltcp::iface::SocketHandle;
use tapboard_net::smoltcp::phy::ChecksumCapabilities;
use tapboard_net::smoltcp::socket::udp;
use tapboard_net::smoltcp::time::Duration;
use tapboard_net::smoltcp::wire::{
    EthernetAddress, EthernetFrame, IgmpPacket, IgmpRepr, IgmpVersion, IpProtocol, Ipv4Packet,
    Ipv4Repr,
};
#[cfg(feature = "ipv6")]
use tapboard_net::smoltcp::wire::{
    Icmpv6Message, Icmpv6Packet, Icmpv6Repr, Ipv6Cidr, Ipv6Packet, Ipv6Repr, MldRepr,
};
use tapboard_net::{Error, NetStack};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

fn udp_socket() -> udp::Socket<'static> {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 1024]);
    udp::Socket::new(buffer(), buffer())
}

/// A socket of the user's own on `port`.
fn add(stack: &mut NetStack<'static>, port: u16) -> SocketHandle {
    let mut socket = udp_socket();
    socket.bind(port).unwrap();
    stack.add_socket(socket).unwrap()
}

/// What IGMP says in the frames that the stack has sent.
fn igmp(world: &World) -> Vec<IgmpRepr> {
    let frames = world.nodes[0].port.take_sent();
    let igmp = frames.iter().filter_map(|frame| {
        let frame = EthernetFrame::new_checked(&frame[..]).ok()?;
        let ip = Ipv4Packet::new_checked(frame.payload()).ok()?;
        (ip.next_header() == IpProtocol::Igmp)
            .then(|| IgmpRepr::parse(&IgmpPacket::new_checked(ip.payload()).unwrap()).unwrap())
    });
    igmp.collect()
}

/// Sends a datagram from a plain host.
fn send(world: &mut World, sender: SocketHandle, group: Ipv4Addr, port: u16) {
    let socket = world.plain[0].sockets.get_mut::<udp::Socket<'_>>(sender);
    socket.send_slice(b"to all", (group, port)).unwrap();
    world.pass(Duration::from_millis(100));
}

fn received(world: &mut World, handle: SocketHandle) -> usize {
    let socket = world.stack(0).added_socket_mut::<udp::Socket<'_>>(handle);
    std::iter::from_fn(|| socket.recv().ok().map(|_| ())).count()
}

fn world() -> (World, SocketHandle) {
    let mut world = World::ethernet();
    world.add(&config(1));
    world.add_plain(2);
    let mut socket = udp_socket();
    socket.bind(5000).unwrap();
    let sender = world.plain[0].sockets.add(socket);
    (world, sender)
}

#[test]
fn a_group_is_reported_and_its_datagrams_go_to_the_sockets_that_were_added() {
    let (mut world, sender) = world();
    let added = add(world.stack(0), 5000);
    let own = world.stack(0).udp_bind(5001).unwrap();
    send(&mut world, sender, GROUP, 5000);
    assert_eq!(received(&mut world, added), 0, "not joined yet");
    igmp(&world);

    world.stack(0).join(GROUP.into()).unwrap();
    assert!(world.stack(0).wants_poll());
    world.pass(Duration::from_secs(1));
    let reports = igmp(&world);
    assert!(
        matches!(reports[..], [IgmpRepr::MembershipReport { group_addr, .. }] if group_addr == GROUP),
        "{reports:?}"
    );
    for _ in 0..3 {
        send(&mut world, sender, GROUP, 5000);
        send(&mut world, sender, GROUP, 5001);
    }
    assert_eq!(received(&mut world, added), 3);
    assert!(matches!(world.stack(0).udp_receive(&own, &mut [0; 8]), Err(nb::Error::WouldBlock)));
    // Nor does one to another group arrive.
    send(&mut world, sender, Ipv4Addr::new(239, 1, 2, 4), 5000);
    assert_eq!(received(&mut world, added), 0);

    world.stack(0).leave(GROUP.into()).unwrap();
    world.pass(Duration::from_secs(1));
    let left = igmp(&world);
    assert!(matches!(left[..], [IgmpRepr::LeaveGroup { group_addr }] if group_addr == GROUP));
    send(&mut world, sender, GROUP, 5000);
    assert_eq!(received(&mut world, added), 0);
}

/// A router asks who is in a group: the answer comes within the time that it gives, though nothing else happens.
#[test]
fn a_query_is_answered_in_time() {
    let (mut world, _) = world();
    world.stack(0).join(GROUP.into()).unwrap();
    world.pass(Duration::from_secs(10));
    igmp(&world);
    for group in [GROUP, Ipv4Addr::UNSPECIFIED] {
        let query = IgmpRepr::MembershipQuery {
            max_resp_time: Duration::from_secs(2),
            group_addr: group,
            version: IgmpVersion::Version2,
        };
        let destination = if group.is_unspecified() { Ipv4Addr::new(224, 0, 0, 1) } else { group };
        let ip = Ipv4Repr {
            src_addr: crate::common::v4(9),
            dst_addr: destination,
            next_header: IpProtocol::Igmp,
            payload_len: query.buffer_len(),
            hop_limit: 1,
        };
        let mut frame = vec![0; 14 + 20 + query.buffer_len()];
        frame[..6].copy_from_slice(&[1, 0, 0x5e, 0, 0, 1]);
        frame[6..12].copy_from_slice(EthernetAddress([2, 0, 0, 0, 0, 9]).as_bytes());
        frame[12..14].copy_from_slice(&[8, 0]);
        ip.emit(&mut Ipv4Packet::new_unchecked(&mut frame[14..]), &ChecksumCapabilities::default());
        query.emit(&mut IgmpPacket::new_unchecked(&mut frame[34..]));
        world.probe.send(world.now, &frame);
        world.pass(Duration::from_secs(2));
        let reports = igmp(&world);
        assert!(
            matches!(reports[..], [IgmpRepr::MembershipReport { group_addr, .. }] if group_addr == GROUP),
            "{group}: {reports:?}"
        );
    }
}

#[test]
fn what_is_no_group_or_one_too_many_is_refused() {
    let (mut world, _) = world();
    let stack = world.stack(0);
    assert_eq!(stack.join(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))), Err(Error::Unaddressable));
    let most = smoltcp::config::IFACE_MAX_MULTICAST_GROUP_COUNT;
    let mut joined = 0;
    while stack.join(IpAddr::V4(Ipv4Addr::new(239, 0, 0, joined))).is_ok() {
        joined += 1;
        assert!(usize::from(joined) <= most);
    }
    assert!(joined > 0);
    assert_eq!(stack.join(GROUP.into()), Err(Error::NoBufferSpace));
    #[cfg(not(feature = "ipv6"))]
    assert_eq!(stack.join("ff02::1:3".parse().unwrap()), Err(Error::Unaddressable));
}

#[cfg(feature = "ipv6")]
#[test]
fn an_ipv6_group_is_reported_too_and_a_query_for_it_answered() {
    let mut world = World::ethernet();
    let address = Ipv6Cidr::new("2001:db8::1".parse().unwrap(), 64);
    world.add(&tapboard_net::NetConfig::new(own_mac(1)).with_ipv6(address));
    world.pass(Duration::from_secs(10));
    world.nodes[0].port.take_sent();
    let group: Ipv6Addr = "ff05::1:3".parse().unwrap();
    world.stack(0).join(group.into()).unwrap();
    world.pass(Duration::from_secs(1));
    assert!(is_reported(&world, group));
    world.pass(Duration::from_secs(10));
    assert!(!is_reported(&world, group));
    world.probe.send(world.now, &mld_query(Duration::from_secs(4)));
    world.pass(Duration::from_secs(4));
    assert!(is_reported(&world, group), "within the time that the router gives");
    let added = add(world.stack(0), 5000);
    world.stack(0).leave(group.into()).unwrap();
    assert_eq!(received(&mut world, added), 0);
}

/// Whether the stack has sent a report of `group` (MLD, RFC 3810).
#[cfg(feature = "ipv6")]
fn is_reported(world: &World, group: Ipv6Addr) -> bool {
    let frames = world.nodes[0].port.take_sent();
    frames.iter().any(|frame| {
        let frame = EthernetFrame::new_checked(&frame[..]).unwrap();
        let ip = Ipv6Packet::new_checked(frame.payload()).unwrap();
        if ip.next_header() != IpProtocol::HopByHop {
            return false;
        }
        // Behind a header with a router alert.
        let icmp = Icmpv6Packet::new_checked(&ip.payload()[8..]).unwrap();
        let text = icmp.payload().windows(16).any(|bytes| bytes == group.octets());
        icmp.msg_type() == Icmpv6Message::MldReport && text
    })
}

/// A router asks everybody for all groups (RFC 3810 5.1).
#[cfg(feature = "ipv6")]
fn mld_query(limit: Duration) -> Vec<u8> {
    let (source, all) = (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9), "ff02::1".parse().unwrap());
    let query = Icmpv6Repr::Mld(MldRepr::Query {
        max_resp_code: limit.total_millis() as u16,
        mcast_addr: Ipv6Addr::UNSPECIFIED,
        s_flag: false,
        qrv: 2,
        qqic: 125,
        num_srcs: 0,
        data: &[],
    });
    let ip = Ipv6Repr {
        src_addr: source,
        dst_addr: all,
        next_header: IpProtocol::HopByHop,
        payload_len: 8 + query.buffer_len(),
        hop_limit: 1,
    };
    let mut frame = vec![0; 14 + 40 + 8 + query.buffer_len()];
    frame[..6].copy_from_slice(&[0x33, 0x33, 0, 0, 0, 1]);
    frame[6..12].copy_from_slice(EthernetAddress([2, 0, 0, 0, 0, 9]).as_bytes());
    frame[12..14].copy_from_slice(&[0x86, 0xdd]);
    ip.emit(&mut Ipv6Packet::new_unchecked(&mut frame[14..]));
    // ICMPv6 follows; an alert for MLD, and padding.
    frame[54..62].copy_from_slice(&[58, 0, 5, 2, 0, 0, 1, 0]);
    let mut icmp = Icmpv6Packet::new_unchecked(&mut frame[62..]);
    query.emit(&source, &all, &mut icmp, &ChecksumCapabilities::default());
    frame
}

/// Neighbours ask for each address in its solicited-node group (RFC 4861 7.2.1): it is reported when the address comes and
/// when it goes, and an address that stays says nothing.
#[cfg(feature = "ipv6")]
#[test]
fn the_groups_in_which_neighbours_ask_are_reported() {
    use tapboard_net::NetConfig;
    use tapboard_net::smoltcp::wire::Ipv6Address;

    let address = |last| Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0x12, last);
    let config = |last| NetConfig::new(own_mac(1)).with_ipv6(Ipv6Cidr::new(address(last), 64));
    let mut world = World::ethernet();
    world.add(&config(0x3456));
    // Which of the two groups are in reports to all routers, as they must be (RFC 3810 5.2.14).
    let reported = |world: &mut World| {
        world.pass(Duration::from_secs(3));
        let sent = world.nodes[0].port.take_sent();
        let all: Vec<_> =
            sent.iter().filter(|frame| frame[..6] == [0x33, 0x33, 0, 0, 0, 0x16]).collect();
        [[0x12, 0x34, 0x56], [0x12, 0x34, 0x57]].map(|last| {
            let group = [&[0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff][..], &last].concat();
            all.iter().filter(|frame| frame.windows(16).any(|window| window == group)).count()
        })
    };
    assert_eq!(reported(&mut world), [1, 0]);
    world.stack(0).reconfigure(&config(0x3456));
    assert_eq!(reported(&mut world), [0, 0]);
    world.stack(0).reconfigure(&config(0x3457));
    assert_eq!(reported(&mut world), [1, 1], "one is left, one is joined");
}
