//! What arrives on the wire: fragments, frames for others, garbage, and real frames with bits changed.
//!
//! Nothing that arrives may panic, be answered in a way that feeds on itself, or hold a slot.

mod common;

use common::frames::{BOARD_MAC, Datagram, PEER_MAC, endpoint, ip_frame, neighbor_answer};
use common::solo::{Client, Solo, SoloMemory};
use common::tcp;
use embedded_nal::{UdpClientStack, UdpFullStack, nb};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Duration;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv4Packet, Icmpv4Repr, Icmpv6Packet,
    Icmpv6Repr, IpAddress, IpProtocol, Ipv4Packet, Ipv6Address, Ipv6Packet, TcpControl, TcpPacket,
    UdpPacket,
};
use tapboard_firmware::config::FRAME_SIZE;
use tapboard_firmware::rng::Rng;
use tapboard_firmware::{Error, TcpSocket};

#[test]
fn fragments_are_dropped_and_counted() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let listener = tcp::listener(&mut solo.board, 7);
    let mut fragment = |more: bool, offset: u16| {
        // The payload of a later fragment that looks like a SYN must not be taken for one.
        let mut frame = Client::new("192.0.2.2:1000", 7).syn();
        let mut ip = Ipv4Packet::new_unchecked(&mut frame[14..]);
        ip.set_dont_frag(false);
        ip.set_more_frags(more);
        ip.set_frag_offset(offset);
        ip.fill_checksum();
        solo.send(frame);
        assert_eq!(solo.said(), []);
        assert_eq!(solo.board.free_slots(), 8);
    };
    fragment(true, 0);
    fragment(true, 1480);
    fragment(false, 2960);
    assert_eq!(solo.board.counters().fragments_dropped, 3);
    // smoltcp does not read an IPv6 fragment header at all.
    let from = endpoint("[2001:db8::2]:1").addr;
    let to = endpoint("[2001:db8::1]:1").addr;
    let syn = Client::new("[2001:db8::2]:1000", 7).syn();
    let frame = ip_frame(from, to, IpProtocol::Ipv6Frag, 8 + syn.len() - 54, |payload| {
        payload[0] = u8::from(IpProtocol::Tcp);
        payload[3] = 1;
        payload[8..].copy_from_slice(&syn[54..]);
    });
    solo.send(frame);
    assert_eq!(solo.said(), []);
    assert_eq!(solo.board.counters().fragments_dropped, 4);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

#[test]
fn a_segment_for_everybody_or_somebody_else_is_dropped_and_counted() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let listener = tcp::listener(&mut solo.board, 7);
    let mut sent = 0;
    for own in ["192.0.2.2:1000", "[2001:db8::2]:1000"] {
        let syn = Client::new(own, 7).syn();
        for mac in [[0xff; 6], [1, 0, 0x5e, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 1], [2, 0, 0, 0, 0, 9]]
        {
            let mut frame = syn.clone();
            EthernetFrame::new_unchecked(&mut frame).set_dst_addr(EthernetAddress(mac));
            solo.send(frame);
            sent += 1;
        }
        for to in ["192.0.2.255:7", "224.0.0.1:7", "192.0.2.9:7", "[ff02::1]:7", "[2001:db8::9]:7"]
        {
            let mut client = Client::new(own, 7);
            client.board = endpoint(to);
            if client.board.addr.version() == client.own.addr.version() {
                solo.send(client.syn());
                sent += 1;
            }
        }
    }
    assert_eq!(solo.said(), []);
    assert_eq!(solo.board.counters().not_ours_dropped, sent);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

#[test]
fn a_segment_with_a_wrong_checksum_or_impossible_flags_holds_nothing() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let listener = tcp::listener(&mut solo.board, 7);
    for own in ["192.0.2.2:1000", "[2001:db8::2]:1000"] {
        let client = Client::new(own, 7);
        let mut frame = client.syn();
        *frame.last_mut().unwrap() ^= 1;
        solo.send(frame);
        let flags = client.syn().len() - 24 + 13;
        for impossible in [0x03, 0x06, 0x07, 0x3f, 0x00] {
            let mut frame = client.syn();
            frame[flags] = impossible;
            fix_checksums(&mut frame);
            solo.send(frame);
        }
        assert_eq!(solo.board.free_slots(), 8);
        let resets = solo.said();
        assert!(resets.len() <= 1, "{resets:?}");
    }
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

#[test]
fn one_poll_takes_a_bounded_number_of_frames_and_asks_for_the_next_at_once() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    for _ in 0..200 {
        solo.put(neighbor_answer(endpoint("192.0.2.2:1").addr));
    }
    let polls = solo.polls;
    solo.turn();
    assert_eq!(solo.polls - polls, 200u64.div_ceil(64));
    assert_eq!(solo.board.counters().frames_in, 200);
    solo.assert_clean();
}

/// An echo of what it gets, on TCP and UDP; it gives nothing back that is not asked for.
struct Echo {
    listener: TcpSocket,
    datagrams: tapboard_firmware::UdpSocket,
    streams: Vec<TcpSocket>,
}

impl Echo {
    fn new(solo: &mut Solo<'_>) -> Self {
        let listener = tcp::listener(&mut solo.board, 7);
        let mut datagrams = UdpClientStack::socket(&mut solo.board).unwrap();
        solo.board.bind(&mut datagrams, 7).unwrap();
        Self { listener, datagrams, streams: Vec::new() }
    }

    fn turn(&mut self, solo: &mut Solo<'_>) {
        let board = &mut solo.board;
        self.streams.extend(tcp::accept(board, &mut self.listener));
        for mut stream in std::mem::take(&mut self.streams) {
            let mut buffer = [0; 600];
            match tcp::receive(board, &mut stream, &mut buffer) {
                Ok(0) | Err(nb::Error::Other(_)) => tcp::close(board, stream),
                Ok(count) => {
                    let _ = tcp::send(board, &mut stream, &buffer[..count]);
                    self.streams.push(stream);
                }
                Err(nb::Error::WouldBlock) => self.streams.push(stream),
            }
        }
        let mut buffer = [0; 1500];
        while let Ok((count, from)) = board.receive(&mut self.datagrams, &mut buffer) {
            match board.send_to(&mut self.datagrams, from, &buffer[..count]) {
                Ok(()) | Err(nb::Error::WouldBlock | nb::Error::Other(Error::Unaddressable)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        solo.turn();
    }

    fn end(self, solo: &mut Solo<'_>) {
        for stream in self.streams {
            solo.board.abort(stream);
        }
        tcp::close(&mut solo.board, self.listener);
        solo.board.close(self.datagrams).unwrap();
        solo.turn();
        // The longest any slot may live on without its owner.
        solo.pass(Duration::from_secs(60));
        solo.assert_clean();
    }
}

#[test]
fn garbage_of_every_length_never_panics_and_holds_nothing() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut echo = Echo::new(&mut solo);
    let mut rng = Rng::new(7);
    for len in 0..=FRAME_SIZE {
        for kind in 0..8 {
            let mut frame: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8).collect();
            // Garbage, then garbage that gets further and further in.
            let head = match kind {
                0 => vec![],
                1 => header(0x0806, &[]),
                2 => header(0x0800, &[0x45, 0]),
                3 => header(0x86dd, &[0x60]),
                4 => header(
                    0x0800,
                    &[0x4f, 0, (len.saturating_sub(14) >> 8) as u8, len.saturating_sub(14) as u8],
                ),
                5 => header(
                    0x0800,
                    &[&[
                        0x45,
                        0,
                        (len.saturating_sub(14) >> 8) as u8,
                        len.saturating_sub(14) as u8,
                        0,
                        0,
                        0x40,
                        0,
                        64,
                        [1, 6, 17][rng.below(3) as usize],
                        0,
                        0,
                        192,
                        0,
                        2,
                        2,
                        192,
                        0,
                        2,
                        1,
                    ][..]]
                    .concat(),
                ),
                6 => header(0x0806, &[0, 1, 8, 0, 6, 4, 0, 1]),
                _ => header(
                    0x86dd,
                    &[
                        &[
                            0x60,
                            0,
                            0,
                            0,
                            (len.saturating_sub(54) >> 8) as u8,
                            len.saturating_sub(54) as u8,
                            [58, 6, 17, 0, 44, 43][rng.below(6) as usize],
                            255,
                        ],
                        &octets("2001:db8::2")[..],
                        &octets("2001:db8::1")[..],
                    ]
                    .concat(),
                ),
            };
            let shared = head.len().min(len);
            frame[..shared].copy_from_slice(&head[..shared]);
            if kind >= 4 {
                fix_checksums(&mut frame);
            }
            solo.put(frame);
        }
        echo.turn(&mut solo);
        assert!(solo.deadline().is_none_or(|deadline| deadline > solo.clock.now()));
    }
    echo.end(&mut solo);
}

fn header(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&BOARD_MAC.0[..], &PEER_MAC.0[..], &ethertype.to_be_bytes()[..], payload].concat()
}

fn octets(address: &str) -> [u8; 16] {
    address.parse::<Ipv6Address>().unwrap().octets()
}

/// Makes the checksums of a frame right as far as its headers make sense.
fn fix_checksums(frame: &mut [u8]) {
    let Ok(ethernet) = EthernetFrame::new_checked(&mut frame[..]) else {
        return;
    };
    let ethertype = ethernet.ethertype();
    let payload = &mut frame[14..];
    let (from, to, protocol, payload): (IpAddress, IpAddress, _, _) = match ethertype {
        EthernetProtocol::Ipv4 => {
            let Ok(mut ip) = Ipv4Packet::new_checked(&mut *payload) else {
                return;
            };
            ip.fill_checksum();
            let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
            let (start, end) = (usize::from(ip.header_len()), usize::from(ip.total_len()));
            (from, to, ip.next_header(), &mut payload[start..end])
        }
        EthernetProtocol::Ipv6 => {
            let Ok(ip) = Ipv6Packet::new_checked(&mut *payload) else {
                return;
            };
            let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
            let (protocol, end) = (ip.next_header(), ip.total_len());
            (from, to, protocol, &mut payload[40..end])
        }
        _ => return,
    };
    match (protocol, from, to) {
        (IpProtocol::Tcp, ..) => {
            if let Ok(mut packet) = TcpPacket::new_checked(payload) {
                packet.fill_checksum(&from, &to);
            }
        }
        (IpProtocol::Udp, ..) => {
            if let Ok(mut packet) = UdpPacket::new_checked(payload) {
                packet.fill_checksum(&from, &to);
            }
        }
        (IpProtocol::Icmp, ..) => {
            if let Ok(mut packet) = Icmpv4Packet::new_checked(payload) {
                packet.fill_checksum();
            }
        }
        (IpProtocol::Icmpv6, IpAddress::Ipv6(from), IpAddress::Ipv6(to)) => {
            if let Ok(mut packet) = Icmpv6Packet::new_checked(payload) {
                packet.fill_checksum(&from, &to);
            }
        }
        _ => {}
    }
}

/// A frame as a well-behaved neighbour sends it, most often in the middle of a connection.
fn seed(client: &Client, choice: u32) -> Vec<u8> {
    match choice {
        0 => client.syn(),
        1 => client.rst(),
        2 => client.ack(),
        3 => client.segment(TcpControl::Fin, b"last").frame(),
        4 => neighbor_answer(client.own.addr),
        5 => echo_request(client),
        6 => {
            let (from, to) = (client.own, client.board);
            let payload = vec![1; 100];
            Datagram { from, to, payload }.frame()
        }
        7 => client.segment(TcpControl::None, &[3; 1000]).frame(),
        _ => client.segment(TcpControl::Psh, b"data").frame(),
    }
}

fn echo_request(client: &Client) -> Vec<u8> {
    let (ident, seq_no, data) = (1, 2, &[5; 40][..]);
    let checksums = ChecksumCapabilities::default();
    match (client.own.addr, client.board.addr) {
        (IpAddress::Ipv6(from), IpAddress::Ipv6(to)) => {
            let repr = Icmpv6Repr::EchoRequest { ident, seq_no, data };
            let len = repr.buffer_len();
            ip_frame(from.into(), to.into(), IpProtocol::Icmpv6, len, |payload| {
                let mut packet = Icmpv6Packet::new_unchecked(payload);
                repr.emit(&from, &to, &mut packet, &checksums);
            })
        }
        (from, to) => {
            let repr = Icmpv4Repr::EchoRequest { ident, seq_no, data };
            ip_frame(from, to, IpProtocol::Icmp, repr.buffer_len(), |payload| {
                repr.emit(&mut Icmpv4Packet::new_unchecked(payload), &checksums);
            })
        }
    }
}

/// Changes a frame in a few places, headers far more often than payload; four times of five its checksums
/// are right afterwards.
fn mutate(frame: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..rng.below(4) + u32::from(rng.below(8) > 0) {
        let reach = if rng.below(8) == 0 { frame.len() } else { frame.len().min(80) };
        let place = rng.below(reach as u32) as usize;
        frame[place] = match rng.below(3) {
            0 => frame[place] ^ (1 << rng.below(8)),
            1 => [0, 1, 0x7f, 0x80, 0xff][rng.below(5) as usize],
            _ => rng.next_u64() as u8,
        };
    }
    if rng.below(20) == 0 {
        frame.truncate(rng.below(frame.len() as u32 + 1) as usize);
    }
    if rng.below(5) > 0 {
        fix_checksums(frame);
    }
}

/// 200,000 frames. The client follows the board's sequence numbers, so that what is left whole of a
/// segment falls into the window.
#[test]
fn real_frames_with_bits_changed_never_panic_and_hold_nothing() {
    const FRAMES: u32 = 200_000;
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut echo = Echo::new(&mut solo);
    let mut rng = Rng::new(42);
    let mut client = Client::new("192.0.2.2:1000", 7);
    for number in 0..FRAMES {
        if number % 50 == 0 {
            let (host, port) = (2 + rng.below(5), 1024 + rng.below(40));
            client = Client::new(
                &match rng.below(2) {
                    0 => format!("192.0.2.{host}:{port}"),
                    _ => format!("[2001:db8::{host}]:{port}"),
                },
                7,
            );
            client.seq.0 = rng.next_u64() as i32;
            solo.send(client.syn());
        } else {
            let mut frame = seed(&client, rng.below(16));
            mutate(&mut frame, &mut rng);
            solo.put(frame);
        }
        echo.turn(&mut solo);
        for segment in solo.said() {
            if segment.to == client.own && !segment.is_rst() {
                client.seq = segment.ack.unwrap_or(client.seq);
                client.ack =
                    segment.seq + segment.payload.len() + usize::from(segment.control.len() > 0);
                if segment.is_syn_ack() {
                    solo.put(client.ack());
                }
            }
        }
        solo.datagrams.clear();
        if number % 10 == 0 {
            solo.pass(Duration::from_millis(u64::from(rng.below(3000))));
        }
    }
    let counters = solo.board.counters();
    assert!(counters.passive_opens > 1000, "{}", solo.netstat());
    echo.end(&mut solo);
}
