//! Frames that go no further: fragments, frames for others, frames that are wrong.

mod common;

use common::frames::{endpoint, fix_checksums, ip_frame, neighbor_answer};
use common::solo::{Client, SLOTS, Solo, SoloMemory, connected};
use common::tcp;
use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, IpProtocol, Ipv4Packet, Ipv6Packet, TcpControl, TcpSeqNumber,
};

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
        assert_eq!(solo.board.free_slots(), SLOTS);
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

/// smoltcp reads past a hop-by-hop options header (RFC 8200 4.3); so must what looks first.
#[test]
fn a_header_in_between_hides_nothing() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let listener = tcp::listener(&mut solo.board, 7);
    let client = Client::new("[2001:db8::2]:1000", 7);
    solo.send(behind_options(&client.syn(), IpProtocol::Tcp));
    assert!(solo.said_one().is_syn_ack());
    assert_eq!(solo.board.free_slots(), SLOTS - 1);
    // A reset takes the request back at once.
    let mut client = client;
    client.seq += 1;
    solo.send(behind_options(&client.rst(), IpProtocol::Tcp));
    assert_eq!(solo.board.free_slots(), SLOTS);
    // Everybody is not this board alone, and a fragment is a fragment.
    let mut everybody = Client::new("[2001:db8::2]:1000", 7);
    everybody.board = endpoint("[ff02::1]:7");
    solo.send(behind_options(&everybody.syn(), IpProtocol::Tcp));
    assert_eq!(solo.board.counters().not_ours_dropped, 1);
    solo.send(behind_options(&client.syn(), IpProtocol::Ipv6Frag));
    assert_eq!(solo.board.counters().fragments_dropped, 1);
    assert_eq!(solo.said(), []);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// The IPv6 packet in `frame`, its payload told to be `next`, behind a hop-by-hop options header.
fn behind_options(frame: &[u8], next: IpProtocol) -> Vec<u8> {
    let (_, payload) = frame.split_at(14 + 40);
    let ip = Ipv6Packet::new_unchecked(&frame[14..]);
    let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
    ip_frame(from, to, IpProtocol::HopByHop, 8 + payload.len(), |buffer| {
        // A length of 8 bytes, and PadN over the rest (RFC 8200 4.2).
        buffer[..8].copy_from_slice(&[next.into(), 0, 1, 4, 0, 0, 0, 0]);
        buffer[8..].copy_from_slice(payload);
    })
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
        assert_eq!(solo.board.free_slots(), SLOTS);
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

/// A NIC with the same frame over and over.
struct Flood<'f> {
    frame: &'f [u8],
    left: u64,
}

struct Frame<'f>(&'f [u8]);

impl RxToken for Frame<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

struct Nowhere;

impl TxToken for Nowhere {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        f(&mut vec![0; len])
    }
}

impl Device for Flood<'_> {
    type RxToken<'a>
        = Frame<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Nowhere
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Frame<'_>, Nowhere)> {
        self.left = self.left.checked_sub(1)?;
        Some((Frame(self.frame), Nowhere))
    }

    fn transmit(&mut self, _: Instant) -> Option<Nowhere> {
        Some(Nowhere)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        DeviceCapabilities::default()
    }
}

#[test]
fn bytes_are_counted_beyond_32_bits() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let frames = 100_000;
    let mut flood = Flood { frame: &vec![0; 60_000], left: frames };
    while flood.left > 0 {
        solo.board.poll_with(Instant::ZERO, &mut flood, |_, _| None);
    }
    assert_eq!(solo.board.counters().frames_in, frames);
    assert_eq!(solo.board.counters().bytes_in, 60_000 * frames);
}

/// smoltcp compares modulo 2^32. Behind a FIN that comes in while the window is closed its window ends before it begins,
/// and half the sequence space away is both later and earlier: it panics.
#[test]
fn a_segment_from_half_the_sequence_space_away_is_dropped() {
    for control in
        [TcpControl::None, TcpControl::Psh, TcpControl::Fin, TcpControl::Rst, TcpControl::Syn]
    {
        for payload in [&b""[..], b"text"] {
            let mut memory = SoloMemory::new();
            let mut solo = Solo::new(&mut memory, 1);
            let (mut client, mut socket, listener) = connected(&mut solo);
            for _ in 0..2 {
                let data = client.data(&[b'x'; 1024]);
                solo.send(data);
            }
            assert_eq!(solo.said().last().map(|segment| segment.window), Some(0));
            // In one go with the FIN, so that this has not been acknowledged.
            let fin = client.fin();
            solo.put(fin);
            let next = client.seq;
            let distances = (-3..=3).map(|close| i32::MAX.wrapping_add(close));
            for distance in distances.clone() {
                client.seq = TcpSeqNumber(next.0.wrapping_add(distance));
                solo.put(client.segment(control, payload).frame());
            }
            solo.turn();
            let dropped = distances.count() as u64;
            assert_eq!(solo.board.counters().unacceptable_dropped, dropped, "{control:?}");
            let mut buffer = [0; 4096];
            assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut buffer), Ok(2048));
            assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut buffer), Ok(0));
            solo.end(socket, listener);
        }
    }
}
