//! The gateway of `tapboard user` as a router, seen from the wire: a host of the test's own sends what boards may.

#![cfg(target_os = "linux")]

mod common;

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use common::frames::fix_checksums;
use common::ports::{free_port, local, local6};
use common::process::{PATIENCE, Process, finished};
use common::user::{Forwards, Shell, User};
use common::wire_guest::{MAC, WireGuest};
use smoltcp::socket::tcp;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, Icmpv6Packet, IpAddress, IpProtocol, Ipv4Address, Ipv6Address,
    Ipv6Packet, NdiscOption, NdiscOptionType,
};

const GATEWAY: IpAddress = IpAddress::Ipv4(Ipv4Address::new(192, 0, 2, 2));
const GATEWAY6: IpAddress = IpAddress::Ipv6(Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2));
const ADDRESSES: [&str; 3] = ["192.0.2.1/24", "2001:db8::1/64", "fe80::9/64"];

/// A gateway with these options, and the guest behind it.
fn gateway(options: &[&str]) -> (Process, WireGuest) {
    let wire = free_port();
    let at = format!("udp:{wire}");
    let process =
        Process::with_console(&Forwards::free().arguments(&["user", "--guest", &at], options));
    (process, WireGuest::new(local(wire), &ADDRESSES))
}

/// A server on a port of that address.
fn server(at: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(at).expect("the port is free");
    socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
    socket
}

/// What the gateway's `stats` has now.
fn stat(process: &mut Process, name: &str) -> String {
    let ends = |output: &str| output.matches("\napi_refused ").count();
    let before = ends(&process.output());
    process.command("stats", "");
    process.prints_until(|output| ends(output) > before);
    let output = process.output();
    let line = output.lines().rev().find_map(|line| line.strip_prefix(name)).expect(name);
    line.trim().into()
}

#[test]
fn the_gateway_answers_echo_requests_over_both() {
    let (_process, mut guest) = gateway(&[]);
    guest.ping(GATEWAY, 1);
    guest.ping(GATEWAY6, 2);
    // RFC 4291 appendix A: the address of 02:00:5e:00:00:02.
    guest.ping("fe80::5eff:fe00:2".parse().unwrap(), 3);
}

#[test]
fn datagrams_go_to_what_is_allowed_and_back() {
    let (v4, other, v6) = (free_port(), free_port(), free_port());
    let allow = [
        format!("--allow={v4}"),
        format!("--allow=udp:127.0.0.2:{other}"),
        format!("--allow=udp:[::1]:{v6}"),
    ];
    let options: Vec<_> = allow.iter().map(String::as_str).collect();
    let (mut process, mut guest) = gateway(&options);
    let socket = guest.udp(5000);
    let servers = [
        (local(v4), v4, GATEWAY),
        (SocketAddr::from(([127, 0, 0, 2], other)), other, GATEWAY6),
        (local6(v6), v6, GATEWAY),
    ];
    for (at, port, gateway) in servers {
        let server = server(at);
        guest.send(socket, (gateway, port), b"there");
        // It leaves with the next turn.
        let mut data = [0; 16];
        server.set_nonblocking(true).unwrap();
        let mut from = None;
        guest.until("the server has it", |_| {
            from = server.recv_from(&mut data).ok();
            from.is_some()
        });
        let (count, from) = from.unwrap();
        assert_eq!(&data[..count], b"there", "{at}");
        server.send_to(b"and back", from).unwrap();
        assert_eq!(guest.receive(socket), b"and back", "{at}");
    }
    assert_eq!(stat(&mut process, "gateway_udp_mappings"), "3 of 64");
    assert_eq!(stat(&mut process, "gateway_allowed"), "3 of 8");
}

/// What an ICMP error says: type, code, and the ports of the datagram that it is about.
fn unreachable(frame: &[u8]) -> Option<(u8, u8, u16, u16)> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    let (protocol, inner, icmp) = match ethernet.ethertype() {
        EthernetProtocol::Ipv4 => (1, 20, &frame[14 + 20..]),
        EthernetProtocol::Ipv6 => (58, 40, &frame[14 + 40..]),
        _ => return None,
    };
    let at = if inner == 20 { 23 } else { 20 };
    if frame[at] != protocol || !matches!(icmp[0], 1 | 3) {
        return None;
    }
    let port = |at: usize| u16::from_be_bytes([icmp[8 + inner + at], icmp[8 + inner + at + 1]]);
    Some((icmp[0], icmp[1], port(0), port(2)))
}

#[test]
fn a_datagram_that_the_kernel_refuses_comes_back_as_icmp() {
    // Of 127.0.0.1, the port is held.
    let closed = free_port();
    let at = SocketAddr::from(([127, 0, 0, 3], closed));
    let (mut process, mut guest) = gateway(&[&format!("--allow=udp:{at}")]);
    let socket = guest.udp(5000);
    for (gateway, port, expected) in [
        (GATEWAY, closed, (3, 3, 5000, closed)),
        (GATEWAY6, closed, (1, 4, 5000, closed)),
        // Not allowed at all.
        (GATEWAY, 1, (3, 3, 5000, 1)),
    ] {
        guest.send(socket, (gateway, port), b"anybody?");
        guest.until("told that nobody is there", |guest| {
            let heard = guest.heard.borrow();
            heard.iter().any(|frame| unreachable(frame) == Some(expected))
        });
    }
    assert_eq!(stat(&mut process, "icmp_unreachable_out"), "2");
    // The kernel's word about one datagram does not cost the next.
    let server = server(at);
    guest.send(socket, (GATEWAY, closed), b"now?");
    server.set_nonblocking(true).unwrap();
    guest.until("the server has it", |_| server.recv(&mut [0; 16]).is_ok());
}

#[test]
fn tcp_is_refused_where_udp_alone_is_allowed() {
    let port = free_port();
    let _listener = TcpListener::bind(local(port)).unwrap();
    let (_process, mut guest) = gateway(&[&format!("--allow=udp:{port}")]);
    let handle = {
        let buffer = || tcp::SocketBuffer::new(vec![0; 512]);
        guest.add(tcp::Socket::new(buffer(), buffer()))
    };
    guest.start(handle, (GATEWAY, port));
    guest.until("refused", |guest| {
        guest.get::<tcp::Socket<'_>>(handle).state() == tcp::State::Closed
    });
}

/// RFC 9293 3.8.5, from the board: the gateway has no word for urgent data to the kernel's side, so it comes in line.
#[test]
fn urgent_bytes_of_the_board_come_where_they_were() {
    let listener = TcpListener::bind(local(free_port())).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (_process, mut guest) = gateway(&[&format!("--allow=tcp:{port}")]);
    // The last byte of each segment is urgent.
    *guest.change.borrow_mut() = Box::new(|frame| {
        let is_tcp = frame[12..14] == [8, 0] && frame[23] == 6;
        let header = 14 + 20;
        if is_tcp && frame[header + 13] & 8 != 0 {
            let len = frame.len() - header - usize::from(frame[header + 12] >> 4) * 4;
            frame[header + 13] |= 0x20;
            frame[header + 18..header + 20].copy_from_slice(&(len as u16).to_be_bytes());
            fix_checksums(frame);
        }
    });
    let handle = guest.connect((GATEWAY, port));
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut read: Vec<u8> = Vec::new();
    for data in [&b"abc"[..], b"de"] {
        guest.get::<tcp::Socket<'_>>(handle).send_slice(data).unwrap();
        let want = read.len() + data.len();
        guest.until("all has come", |_| {
            let mut buffer = [0; 16];
            if let Ok(count) = stream.read(&mut buffer) {
                read.extend(&buffer[..count]);
            }
            read.len() >= want
        });
    }
    assert_eq!(read, b"abcde");
    stream.write_all(b"f").unwrap();
    guest.until("answered", |guest| guest.get::<tcp::Socket<'_>>(handle).can_recv());
}

/// A router solicitation from that address, with our MAC address if it may have one.
fn solicitation(from: Ipv6Addr) -> Vec<u8> {
    let mut frame = [0x33, 0x33, 0, 0, 0, 2].to_vec();
    frame.extend(MAC.0);
    frame.extend([0x86, 0xdd]);
    let mut message = vec![133, 0, 0, 0, 0, 0, 0, 0];
    if !from.is_unspecified() {
        message.extend([1, 1]);
        message.extend(MAC.0);
    }
    frame.extend([0x60, 0, 0, 0, 0, message.len() as u8, 58, 255]);
    frame.extend(from.octets());
    frame.extend(Ipv6Addr::from([0xff02, 0, 0, 0, 0, 0, 0, 2]).octets());
    frame.extend(message);
    fix_checksums(&mut frame);
    frame
}

/// The options of a router advertisement, if a frame is one, and to whom it goes.
fn advertisement(frame: &[u8]) -> Option<(Ipv6Address, u16, Vec<NdiscOptionType>)> {
    let packet = Ipv6Packet::new_checked(frame.get(14..)?).ok()?;
    if packet.next_header() != IpProtocol::Icmpv6 || packet.payload()[0] != 134 {
        return None;
    }
    let message = Icmpv6Packet::new_checked(packet.payload()).ok()?;
    assert!(message.verify_checksum(&packet.src_addr(), &packet.dst_addr()));
    assert!(packet.src_addr().is_unicast_link_local() && packet.hop_limit() == 255);
    let (mut kinds, mut rest) = (Vec::new(), &packet.payload()[16..]);
    while !rest.is_empty() {
        let option = NdiscOption::new_checked(rest).expect("a whole option");
        kinds.push(option.option_type());
        rest = &rest[8 * usize::from(option.data_len())..];
    }
    Some((packet.dst_addr(), message.router_lifetime().secs() as u16, kinds))
}

#[test]
fn who_looks_for_a_router_finds_the_gateway() {
    use NdiscOptionType::{PrefixInformation, SourceLinkLayerAddr, Unknown};
    let own: Ipv6Addr = "fe80::9".parse().unwrap();
    for names in [false, true] {
        let options: &[_] = if names { &["--allow-dns=127.0.0.1:9"] } else { &[] };
        let (mut process, mut guest) = gateway(options);
        let mut expected = vec![SourceLinkLayerAddr, PrefixInformation];
        if names {
            // RFC 8106: RDNSS and DNSSL.
            expected.extend([Unknown(25), Unknown(31)]);
        }
        for (from, to) in
            [(own, own), (Ipv6Addr::UNSPECIFIED, Ipv6Addr::from([0xff02, 0, 0, 0, 0, 0, 0, 1]))]
        {
            guest.send_frame(&solicitation(from));
            let expected = Some((to, 1800, expected.clone()));
            guest.until("advertised", |guest| {
                guest.heard.borrow().iter().any(|frame| advertisement(frame) == expected)
            });
        }
        assert_eq!(stat(&mut process, "router_adverts_out"), "2");
    }
}

fn question(name: &str, kind: u8) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.extend([0, 0, kind, 0, 1]);
    message
}

#[test]
fn questions_for_names_are_refused_unless_they_are_allowed() {
    let (mut process, mut guest) = gateway(&[]);
    let socket = guest.udp(5000);
    for gateway in [GATEWAY, GATEWAY6] {
        let asked = question("example.com", 1);
        guest.send(socket, (gateway, 53), &asked);
        let answer = guest.receive(socket);
        assert_eq!(answer[..4], [0x12, 0x34, 0x81, 5], "REFUSED");
        assert_eq!(answer[12..], asked[12..]);
    }
    assert_eq!(stat(&mut process, "dns_refused"), "2");
    assert_eq!(stat(&mut process, "gateway_udp_mappings"), "0 of 64");
}

#[test]
fn questions_for_names_go_to_the_resolver_if_they_are_allowed() {
    let resolver = server(local(0));
    let at = resolver.local_addr().unwrap();
    let tcp = TcpListener::bind(at).unwrap();
    resolver.set_nonblocking(true).unwrap();
    let (mut process, mut guest) = gateway(&[&format!("--allow-dns={at}")]);
    let socket = guest.udp(5000);
    // What is of the wire does not leave it.
    guest.send(socket, (GATEWAY, 53), &question("gateway.tapboard.internal", 1));
    assert!(guest.receive(socket).ends_with(&[0, 4, 192, 0, 2, 2]));
    guest.send(socket, (GATEWAY, 53), &question("nobody.tapboard.internal", 1));
    assert_eq!(guest.receive(socket)[3] & 15, 3, "NXDOMAIN");
    let asked = question("example.com", 1);
    guest.send(socket, (GATEWAY, 53), &asked);
    let mut heard = None;
    guest.until("the resolver is asked", |_| {
        let mut buffer = [0; 512];
        heard = resolver.recv_from(&mut buffer).ok().map(|(n, from)| (buffer[..n].to_vec(), from));
        heard.is_some()
    });
    let (message, from) = heard.unwrap();
    assert_eq!(message, asked, "the first that it hears");
    resolver.send_to(b"the resolver's answer", from).unwrap();
    assert_eq!(guest.receive(socket), b"the resolver's answer");
    // What was cut is asked for over TCP.
    guest.connect((GATEWAY, 53));
    tcp.accept().unwrap();
    assert_eq!(stat(&mut process, "dns_forwarded"), "1");
    assert_eq!(stat(&mut process, "dns_answered"), "2");
}

#[test]
fn the_board_asks_the_gateway_for_names_with_and_without_dhcp() {
    let (resolver, collector) = (server(local(0)), TcpListener::bind(local(free_port())).unwrap());
    let at = format!("--allow-dns={}", resolver.local_addr().unwrap());
    let port = collector.local_addr().unwrap().port().to_string();
    let to = format!("gateway.tapboard.internal:{port}");
    for more in [&[][..], &["--ip", "dhcp"]] {
        let options = [&[&at[..], "--telemetry", &to, "--allow", &port], more].concat();
        let user = User::start(&options, common::process::tapboard);
        let mut shell = user.shell();
        let own = shell.ask("host tapboard-02005e000001.tapboard.internal");
        assert!(own.contains("192.0.2.1"), "{own}");
        let (telemetry, _) = collector.accept().unwrap();
        telemetry.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut first = [0; 10];
        (&telemetry).read_exact(&mut first).unwrap();
        assert_eq!(&first, b"{\"board\":\"");
        let _ = Shell::new(common::process::connect(user.shell));
    }
}

#[test]
fn what_dhcp_leases_is_within_its_range() {
    let output = finished(&["user", "--dhcp-range", "192.0.2.1-192.0.2.9"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("is the gateway's own; leave it out"), "{errors}");
}

#[test]
fn the_board_makes_its_address_of_what_the_gateway_advertises() {
    let port = free_port();
    let (to, allow) = (format!("[2001:db8::2]:{port}"), port.to_string());
    let collector = TcpListener::bind(local(port)).unwrap();
    let options =
        ["--ip6", "auto", "--allow-dns=127.0.0.1:9", "--telemetry", &to, "--allow", &allow];
    let user = User::start(&options, common::process::tapboard);
    user.process.prints("board: address 2001:db8::5eff:fe00:1/64, by router fe80::5eff:fe00:2\n");
    let (mut telemetry, from) = collector.accept().unwrap();
    assert!(from.ip().is_loopback());
    telemetry.set_read_timeout(Some(PATIENCE)).unwrap();
    telemetry.read_exact(&mut [0; 10]).unwrap();
    let ip = user.shell().ask("ip");
    assert!(ip.contains("dns      2001:db8::2\r\n"), "{ip}");
    assert!(!user.process.output().contains("Telemetry cannot reach"));
}
