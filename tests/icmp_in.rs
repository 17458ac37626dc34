//! ICMP errors about the board's own segments: which are believed, and what they do (RFC 1191, RFC 8201, RFC 5927,
//! RFC 9293 3.9.2.2). And redirects (`icmp_in/redirects.rs`).

mod common;
#[path = "icmp_in/redirect.rs"]
mod redirect;
#[path = "icmp_in/redirects.rs"]
mod redirects;

use common::frames::{Segment, fix_checksums, ip_frame};
use common::solo::{Client, Solo, SoloMemory, connected_from, connecting};
use common::{failed, tcp};
use embedded_nal::nb;
use smoltcp::time::Duration;
use smoltcp::wire::{IpAddress, IpProtocol, IpRepr, TcpSeqNumber};
use tapboard_firmware::Error;

const PEERS: [&str; 2] = ["192.0.2.2:1000", "[2001:db8::2]:1000"];
const SECOND: Duration = Duration::from_secs(1);

/// Type and code of an error, for each family.
#[derive(Clone, Copy, Debug)]
struct Kind(u8, u8);

fn is_v4(segment: &Segment) -> bool {
    matches!(segment.from.addr, IpAddress::Ipv4(_))
}

/// Nobody takes a packet of that length.
fn too_big(segment: &Segment, mtu: u32) -> Vec<u8> {
    error(segment, if is_v4(segment) { Kind(3, 4) } else { Kind(2, 0) }, mtu)
}

/// Nobody listens.
fn port_unreachable(segment: &Segment) -> Vec<u8> {
    error(segment, if is_v4(segment) { Kind(3, 3) } else { Kind(1, 4) }, 0)
}

/// Nobody is there.
fn host_unreachable(segment: &Segment) -> Vec<u8> {
    error(segment, if is_v4(segment) { Kind(3, 1) } else { Kind(1, 3) }, 0)
}

/// The error about a segment of the board's, from whom it was for.
fn error(segment: &Segment, Kind(kind, code): Kind, word: u32) -> Vec<u8> {
    let (own, peer) = (segment.from.addr, segment.to.addr);
    let len = 20 + segment.payload.len();
    let ip = IpRepr::new(own, peer, IpProtocol::Tcp, len, 64);
    let mut quote = vec![0; ip.header_len() + 8];
    ip.emit(&mut quote[..], &smoltcp::phy::ChecksumCapabilities::default());
    let tcp = &mut quote[ip.header_len()..];
    tcp[..2].copy_from_slice(&segment.from.port.to_be_bytes());
    tcp[2..4].copy_from_slice(&segment.to.port.to_be_bytes());
    tcp[4..].copy_from_slice(&segment.seq.0.to_be_bytes());
    let protocol = if is_v4(segment) { IpProtocol::Icmp } else { IpProtocol::Icmpv6 };
    let mut frame = ip_frame(peer, own, protocol, 8 + quote.len(), |icmp| {
        icmp[..2].copy_from_slice(&[kind, code]);
        icmp[4..8].copy_from_slice(&word.to_be_bytes());
        icmp[8..].copy_from_slice(&quote);
    });
    fix_checksums(&mut frame);
    frame
}

/// The most data of a segment in packets of `mtu` bytes.
fn data_of(segment: &Segment, mtu: usize) -> usize {
    mtu - if is_v4(segment) { 40 } else { 60 }
}

/// Acknowledges what comes in order, until the board has no more to send; what it was, and the longest segment.
fn take_all(solo: &mut Solo<'_>, client: &mut Client) -> (Vec<u8>, usize) {
    let (mut bytes, mut longest) = (Vec::new(), 0);
    for _ in 0..100 {
        for segment in solo.said() {
            longest = longest.max(segment.payload.len());
            if segment.seq == client.ack {
                client.ack += segment.payload.len();
                bytes.extend(segment.payload);
            }
        }
        solo.send(client.ack());
        solo.pass(SECOND / 20);
    }
    (bytes, longest)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index % 251) as u8).collect()
}

#[test]
fn a_packet_too_big_for_its_path_is_sent_again_in_smaller_ones() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, mut listener) = connected_from(&mut solo, own);
        let mut bystander = Client::new(own, 7);
        bystander.own.port += 1;
        let mut bystander = bystander.opened(&mut solo);
        let mut other = tcp::accept(&mut solo.board, &mut listener).expect("established");
        solo.said();
        let data = pattern(2048);
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &data), Ok(2048));
        solo.turn();
        let first = solo.said().remove(0);
        assert!(first.payload.len() > 1400, "{first:?}");
        let mtu = if is_v4(&first) { 576 } else { 1280 };
        solo.send(too_big(&first, mtu));
        let (bytes, longest) = take_all(&mut solo, &mut client);
        assert_eq!(bytes, data, "{}", solo.netstat());
        assert_eq!(longest, data_of(&first, mtu as usize));
        // What follows is no longer, nor is it after another error that names more.
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &data), Ok(2048));
        solo.turn();
        let again = solo.heard[0].1.clone();
        assert_eq!(again.payload.len(), longest);
        solo.send(too_big(&Segment { payload: vec![0; 1400], ..again }, 1300));
        assert_eq!(take_all(&mut solo, &mut client), (data.clone(), longest));
        // Nobody else's are smaller.
        assert_eq!(tcp::send(&mut solo.board, &mut other, &data), Ok(2048));
        solo.turn();
        let (bytes, longest) = take_all(&mut solo, &mut bystander);
        assert_eq!((bytes, longest), (data, first.payload.len()));
        solo.board.abort(other);
        solo.end(socket, listener);
    }
}

/// RFC 1191 5: a router that is older than that names none.
#[test]
fn a_router_that_names_no_size_is_taken_to_have_the_next_smaller_usual_one() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected_from(&mut solo, PEERS[0]);
    for mtu in [1492, 1006, 508, 296, 296] {
        let data = pattern(2048);
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &data), Ok(2048));
        solo.turn();
        let first = solo.heard[0].1.clone();
        solo.send(too_big(&first, 0));
        solo.heard.retain(|(_, segment)| segment.payload.len() <= mtu - 40);
        assert_eq!(take_all(&mut solo, &mut client), (data, mtu - 40));
    }
    solo.end(socket, listener);
}

#[test]
fn no_error_is_believed_that_is_not_about_what_is_in_flight() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, listener) = connected_from(&mut solo, own);
        let data = pattern(2048);
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &data), Ok(2048));
        solo.turn();
        let first = solo.heard[0].1.clone();
        let full = first.payload.len();
        let mut port = first.clone();
        port.to.port += 1;
        let mut own_port = first.clone();
        own_port.from.port += 1;
        let before = Segment { seq: first.seq - 1, ..first.clone() };
        let behind = Segment { seq: first.seq + 2048, ..first.clone() };
        let far =
            Segment { seq: TcpSeqNumber(first.seq.0.wrapping_add(i32::MIN)), ..first.clone() };
        for (number, quoted) in [port, own_port, before, behind, far].iter().enumerate() {
            solo.send(too_big(quoted, 1280));
            solo.send(port_unreachable(quoted));
            assert_eq!(solo.board.counters().errors_disbelieved, 2 * (number as u64 + 1));
        }
        // Nor one that contradicts itself, or is broken.
        let mut broken = too_big(&first, 1280);
        *broken.last_mut().unwrap() ^= 1;
        solo.send(broken);
        solo.send(too_big(&first, if is_v4(&first) { 1500 } else { 1279 }));
        // Nor one about a datagram, which tells of no connection.
        let disbelieved = solo.board.counters().errors_disbelieved;
        let mut datagram = port_unreachable(&first);
        datagram[14 + if is_v4(&first) { 20 + 8 + 9 } else { 40 + 8 + 6 }] = 17;
        fix_checksums(&mut datagram);
        solo.send(datagram);
        assert_eq!(solo.board.counters().errors_disbelieved, disbelieved);
        assert_eq!(solo.board.counters().errors_believed, 0);
        let (bytes, longest) = take_all(&mut solo, &mut client);
        assert_eq!((bytes, longest), (data, full));
        // It has arrived.
        solo.send(too_big(&first, 1280));
        assert_eq!(solo.board.counters().errors_believed, 0);
        solo.end(socket, listener);
    }
}

#[test]
fn a_connect_fails_at_once_if_nobody_listens_and_goes_on_if_that_may_pass() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut socket, syn) = connecting(&mut solo, own);
        solo.send(host_unreachable(&syn));
        solo.send(error(&syn, if is_v4(&syn) { Kind(11, 0) } else { Kind(3, 0) }, 0));
        solo.send(port_unreachable(&Segment { seq: syn.seq + 1, ..syn.clone() }));
        solo.send(port_unreachable(&Segment { seq: syn.seq - 1, ..syn.clone() }));
        let connecting = tcp::connect(&mut solo.board, &mut socket, own);
        assert_eq!(connecting, Err(nb::Error::WouldBlock));
        solo.send(port_unreachable(&syn));
        let connecting = tcp::connect(&mut solo.board, &mut socket, own);
        assert_eq!(failed(connecting), Error::ConnectionRefused);
        solo.pass(SECOND * 10);
        assert_eq!(solo.said(), [], "no further SYN");
        solo.assert_clean();
    }
}

/// RFC 5927 5.2: a hard error is a soft one then.
#[test]
fn no_error_ends_what_is_established() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, listener) = connected_from(&mut solo, own);
        let data = pattern(100);
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &data), Ok(100));
        solo.turn();
        let first = solo.heard[0].1.clone();
        solo.send(port_unreachable(&first));
        solo.send(host_unreachable(&first));
        solo.send(error(&first, if is_v4(&first) { Kind(3, 2) } else { Kind(1, 1) }, 0));
        assert_eq!(solo.board.counters().errors_believed, 3);
        // Source quench is no error any more (RFC 9293, MUST-55).
        if is_v4(&first) {
            solo.send(error(&first, Kind(4, 0), 0));
        }
        assert_eq!(solo.board.counters().errors_believed, 3);
        assert_eq!(solo.board.counters().errors_disbelieved, 0);
        assert_eq!(take_all(&mut solo, &mut client).0, data);
        assert!(solo.netstat().contains("ESTABLISHED"), "{}", solo.netstat());
        solo.end(socket, listener);
    }
}
