//! Good frames of each kind, each cut at every length, with every byte changed, and rubbish: nothing panics, and what is
//! read lies within the frame.

use std::vec;
use std::vec::Vec;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpAddress, IpRepr, Ipv4Address, TcpControl, TcpRepr, UdpPacket, UdpRepr};

use super::discovery::{Kind, Message};
use super::*;
use crate::guard::{Newest, mend};
use crate::rng::Rng;

const PAYLOAD: &[u8] = b"some payload";
const MEDIA: &[Medium] = &[Medium::Ethernet, Medium::Ip];

/// Where a packet begins in a frame of `medium`.
fn header_len(medium: Medium) -> usize {
    if medium == Medium::Ethernet { 14 } else { 0 }
}

fn ends() -> Vec<(IpAddress, IpAddress)> {
    let v4 = |last| IpAddress::Ipv4(Ipv4Address::new(192, 0, 2, last));
    vec![
        (v4(1), v4(2)),
        #[cfg(feature = "ipv6")]
        (
            smoltcp::wire::Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
            smoltcp::wire::Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2).into(),
        ),
    ]
}

/// A frame around a transport's packet of `len` bytes.
fn frame(
    medium: Medium,
    (source, destination): (IpAddress, IpAddress),
    protocol: IpProtocol,
    len: usize,
    emit: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let begin = header_len(medium);
    let ip = IpRepr::new(source, destination, protocol, len, 64);
    let mut frame = vec![0; begin + ip.buffer_len()];
    if begin > 0 {
        frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
        let v4 = matches!(source, IpAddress::Ipv4(_));
        frame[12..14].copy_from_slice(if v4 { &[8, 0] } else { &[0x86, 0xdd] });
    }
    ip.emit(&mut frame[begin..], &ChecksumCapabilities::default());
    emit(&mut frame[begin + ip.header_len()..]);
    frame
}

fn tcp_repr(control: TcpControl) -> TcpRepr<'static> {
    let syn = control == TcpControl::Syn;
    TcpRepr {
        src_port: 50_000,
        dst_port: 7,
        control,
        seq_number: TcpSeqNumber(-7),
        ack_number: (!syn).then_some(TcpSeqNumber(77)),
        window_len: 1000,
        window_scale: syn.then_some(7),
        max_seg_size: syn.then_some(1460),
        sack_permitted: syn,
        sack_ranges: if syn { [None; 3] } else { [Some((80, 90)), Some((100, 110)), None] },
        timestamp: None,
        payload: if syn { &[] } else { PAYLOAD },
    }
}

fn tcp(medium: Medium, ends: (IpAddress, IpAddress), control: TcpControl) -> Vec<u8> {
    let repr = tcp_repr(control);
    frame(medium, ends, IpProtocol::Tcp, repr.buffer_len(), |bytes| {
        let mut packet = TcpPacket::new_unchecked(bytes);
        repr.emit(&mut packet, &ends.0, &ends.1, &ChecksumCapabilities::default());
    })
}

fn udp(medium: Medium, ends: (IpAddress, IpAddress)) -> Vec<u8> {
    let repr = UdpRepr { src_port: 9, dst_port: 69 };
    frame(medium, ends, IpProtocol::Udp, 8 + PAYLOAD.len(), |bytes| {
        let mut packet = UdpPacket::new_unchecked(bytes);
        let fill = |bytes: &mut [u8]| bytes.copy_from_slice(PAYLOAD);
        let checksums = ChecksumCapabilities::default();
        repr.emit(&mut packet, &ends.0, &ends.1, PAYLOAD.len(), fill, &checksums);
    })
}

/// A question and an answer for each family.
fn discovery() -> Vec<Vec<u8>> {
    let macs = [1, 2].map(|last| EthernetAddress([2, 0, 0, 0, 0, last]));
    let mut all = Vec::new();
    for (owner, target) in ends() {
        for kind in [Kind::Question, Kind::Answer] {
            let message = Message { kind, mac: macs[0], owner, target, to: macs[1] };
            let mut frame = vec![0; message.len()];
            message.emit(&mut frame);
            all.push(frame);
        }
    }
    all
}

/// A good frame of each kind.
fn good(medium: Medium) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for ends in ends() {
        for control in [TcpControl::Syn, TcpControl::Psh, TcpControl::Fin, TcpControl::Rst] {
            all.push(tcp(medium, ends, control));
        }
        all.push(udp(medium, ends));
    }
    if medium == Medium::Ethernet {
        all.extend(discovery());
    }
    all
}

/// Reads all that there is to read, and checks that it lies within the frame.
fn read(bytes: &[u8], medium: Medium) {
    let Some(frame) = Frame::parse(bytes, medium) else { return };
    assert_eq!(frame.link.is_some(), medium == Medium::Ethernet);
    let Content::Packet(packet) = &frame.content else { return };
    let bytes = &bytes[header_len(medium)..];
    let end = packet.offset + packet.payload.len();
    assert_eq!(&bytes[packet.offset..end], packet.payload);
    packet.is_sound(true);
    let Some(segment) = frame.segment() else { return };
    assert!(segment.len <= packet.payload.len());
    assert_eq!(segment.offset, packet.offset);
    let _ = (segment.window_scale(), segment.sack_ranges(), segment.packet());
    assert!(segment.is_sound(false));
    if segment.is_sound(true) && segment.fin && segment.ack.is_some() {
        let mut buffer = [0; crate::limits::FRAME_SIZE];
        let newest = Newest { ack: TcpSeqNumber(-2), window: 7 };
        let copy = mend(&segment, bytes, newest, &mut buffer).expect("it fits");
        let again = Content::parse(copy).segment().unwrap();
        assert!(!again.fin && again.is_sound(true));
        assert_eq!((again.ack, again.window, again.len), (Some(newest.ack), 7, segment.len));
    }
}

#[test]
fn a_good_segment_is_read_as_it_was_written() {
    for &medium in MEDIA {
        for (source, destination) in ends() {
            let bytes = tcp(medium, (source, destination), TcpControl::Fin);
            let frame = Frame::parse(&bytes, medium).unwrap();
            if let Some(link) = frame.link {
                assert_eq!(link.source, EthernetAddress([2, 0, 0, 0, 0, 1]));
                assert_eq!(link.destination, EthernetAddress([2, 0, 0, 0, 0, 2]));
            }
            let segment = frame.segment().unwrap();
            let received = segment.received_on();
            assert_eq!(received.remote, IpEndpoint::new(source, 50_000));
            assert_eq!(received.local, IpEndpoint::new(destination, 7));
            let sent = segment.sent_on();
            assert_eq!((sent.local, sent.remote), (received.remote, received.local));
            assert_eq!((segment.seq, segment.ack), (TcpSeqNumber(-7), Some(TcpSeqNumber(77))));
            assert_eq!((segment.syn, segment.fin, segment.rst), (false, true, false));
            assert_eq!((segment.len, segment.window), (PAYLOAD.len(), 1000));
            assert_eq!(segment.sack_ranges()[..2], [Some((80, 90)), Some((100, 110))]);
            assert!(segment.is_sound(true) && !segment.is_request());
            assert_eq!(segment.packet().payload(), PAYLOAD);
            let syn = tcp(medium, (source, destination), TcpControl::Syn);
            let syn = Frame::parse(&syn, medium).unwrap().segment().unwrap();
            assert!(syn.is_request());
            assert_eq!(syn.window_scale(), 7);
        }
    }
}

/// However the packet goes on: what is taken out and what is left lie within it.
#[cfg(feature = "ipv6")]
#[test]
fn extension_headers_are_followed_and_taken_out() {
    use super::extension::{Chain, follow, take_out};
    let sound = tcp(Medium::Ethernet, ends()[1], TcpControl::Psh);
    let mut packet = sound[14..].to_vec();
    packet[4..6].copy_from_slice(&(sound.len() as u16 - 54 + 16).to_be_bytes());
    packet[6] = 0;
    packet.splice(40..40, [60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0]);
    let protocol = IpProtocol::Tcp;
    assert_eq!(follow(&packet), Chain::Payload { protocol, skipped: 16, named_at: 48 });
    let mut rng = Rng::new(8);
    for _ in 0..100_000 {
        let mut bytes = packet.clone();
        for _ in 0..rng.below(4) {
            let index = rng.below(64) as usize;
            bytes[index] = rng.next_u64() as u8;
        }
        bytes.truncate(rng.below(bytes.len() as u32 + 1) as usize);
        if let Chain::Payload { protocol, skipped, .. } = follow(&bytes) {
            let len = take_out(&mut bytes, protocol, skipped);
            assert_eq!(len, bytes.len() - skipped);
        }
    }
    let len = take_out(&mut packet, protocol, 16);
    assert_eq!(packet[..len], sound[14..]);
}

#[test]
fn what_is_behind_the_packet_is_padding() {
    for &medium in MEDIA {
        for mut bytes in good(medium) {
            let len = Frame::parse(&bytes, medium).unwrap().segment().map(|segment| segment.len);
            bytes.extend([0xa5; 40]);
            let frame = Frame::parse(&bytes, medium).unwrap();
            assert_eq!(frame.segment().map(|segment| segment.len), len);
            let found = matches!(frame.content, Content::Packet(_) | Content::Discovery(_));
            assert!(found, "{frame:?}");
        }
    }
}

#[test]
fn cut_at_every_length_it_is_no_packet_any_more() {
    for &medium in MEDIA {
        for bytes in good(medium) {
            let whole = Frame::parse(&bytes, medium).unwrap();
            let whole = matches!(whole.content, Content::Packet(_) | Content::Discovery(_));
            assert!(whole);
            for len in 0..bytes.len() {
                read(&bytes[..len], medium);
                let cut = Frame::parse(&bytes[..len], medium);
                let packet = |frame: &Frame<'_>| {
                    matches!(frame.content, Content::Packet(_) | Content::Discovery(_))
                };
                assert!(!cut.as_ref().is_some_and(packet), "{len} of {}: {cut:?}", bytes.len());
            }
        }
    }
}

#[test]
fn with_any_byte_changed_it_is_read_without_a_panic() {
    for &medium in MEDIA {
        for bytes in good(medium) {
            for index in 0..bytes.len() {
                for value in 0..=u8::MAX {
                    let mut changed = bytes.clone();
                    changed[index] = value;
                    read(&changed, medium);
                }
            }
        }
    }
}

#[test]
fn rubbish_is_read_without_a_panic() {
    let mut rng = Rng::new(20_261_130);
    let models: Vec<_> = MEDIA.iter().map(|&medium| good(medium)).collect();
    for round in 0..200_000_u32 {
        let which = round as usize % MEDIA.len();
        let mut bytes: Vec<u8> = (0..rng.below(120)).map(|_| rng.below(256) as u8).collect();
        // Most of it would not come further than its first header: give it one.
        let all = &models[which];
        let model = &all[rng.below(all.len() as u32) as usize];
        let kept = rng.below(60).min(rng.below(60)) as usize;
        if round % 4 > 0 {
            let kept = kept.min(model.len()).min(bytes.len());
            bytes[..kept].copy_from_slice(&model[..kept]);
        }
        read(&bytes, MEDIA[which]);
    }
}
