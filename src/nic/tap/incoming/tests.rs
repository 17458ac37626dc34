//! Splitting, against segments made one by one; and as the reader of superframes sees it.

use std::num::NonZeroU16;

use tapboard_firmware::rng::Rng;

use super::*;
use crate::nic::header_layout::{ACK, CWR, ECE, FIN, HeaderLayout, PSH, made::Made};
use crate::nic::tap::virtio::{Partial, Segments};

/// The superframe of `made` as the kernel gives it: with its header, its TCP checksum left to us.
fn superframe(made: &Made, size: u16) -> Vec<u8> {
    let mut frame = made.frame();
    let layout = HeaderLayout::of(&frame).expect("a segment");
    layout.leave_tcp_checksum(&mut frame);
    let size = NonZeroU16::new(size).expect("segments have data");
    let header = Header {
        checksum: Some(Partial { start: layout.tcp as u16, offset: 16 }),
        // The kernel's length of the headers is not to be relied on.
        segments: Some(Segments { ipv6: made.ipv6, size, headers: 3 }),
    };
    [&header.bytes()[..], &frame].concat()
}

/// What comes of one read.
fn read(incoming: &mut Incoming, bytes: &[u8]) -> Result<Vec<Vec<u8>>, Loss> {
    incoming.space()[..bytes.len()].copy_from_slice(bytes);
    incoming.filled(bytes.len())?;
    let frames = std::iter::from_fn(|| incoming.next().map(<[u8]>::to_vec)).collect();
    assert!(incoming.is_empty());
    Ok(frames)
}

fn frames(segments: &[Made]) -> Vec<Vec<u8>> {
    segments.iter().map(Made::frame).collect()
}

#[test]
fn segments_of_every_size_are_the_stacks_own() {
    let mut incoming = Incoming::new(Offloads::ALL);
    for ipv6 in [false, true] {
        let full: u16 = if ipv6 { 1440 } else { 1460 };
        for size in 1..=full {
            // One segment, two, three of which the last is short.
            for len in [size, 2 * size, 2 * size + size.div_ceil(2)] {
                let made = Made::new(ipv6, usize::from(len));
                let split = read(&mut incoming, &superframe(&made, size)).expect("well-formed");
                assert_eq!(split, frames(&made.segments(size.into())), "{len} bytes by {size}");
            }
        }
    }
}

#[test]
fn the_longest_superframe_is_split() {
    let mut incoming = Incoming::new(Offloads::ALL);
    for (ipv6, headers) in [(false, 40), (true, 20)] {
        let made = Made::new(ipv6, 65_535 - headers);
        let split = read(&mut incoming, &superframe(&made, 1400)).expect("well-formed");
        assert_eq!(split, frames(&made.segments(1400)));
    }
}

#[test]
fn flags_and_options_go_where_they_belong() {
    let mut incoming = Incoming::new(Offloads::ALL);
    for (ipv6, options) in [(false, (0, 12)), (false, (40, 40)), (true, (0, 40))] {
        for flags in [ACK, ACK | FIN, ACK | FIN | PSH, ACK | ECE | CWR | PSH] {
            let made = Made { options, flags, ..Made::new(ipv6, 5000) };
            let split = read(&mut incoming, &superframe(&made, 1000)).expect("well-formed");
            let expected = made.segments(1000);
            assert_eq!(split, frames(&expected));
            let seen: Vec<u8> = expected.iter().map(|segment| segment.flags).collect();
            let middle = flags & !(FIN | PSH | CWR);
            assert_eq!(seen, [flags & !(FIN | PSH), middle, middle, middle, flags & !CWR]);
        }
    }
}

#[test]
fn a_frame_is_left_as_it_is_but_for_its_checksum() {
    let made = Made::new(false, 100);
    let mut incoming = Incoming::new(Offloads::ALL);
    let plain = [&[0; HEADER_LEN][..], &made.frame()].concat();
    assert_eq!(read(&mut incoming, &plain), Ok(vec![made.frame()]));
    let mut partial = superframe(&made, 1460);
    partial[1] = 0;
    assert_eq!(read(&mut incoming, &partial), Ok(vec![made.frame()]));
    let mut without = Incoming::new(Offloads::NONE);
    assert_eq!(read(&mut without, &made.frame()), Ok(vec![made.frame()]));
}

#[test]
fn what_the_board_cannot_take_is_refused() {
    let mut incoming = Incoming::new(Offloads::ALL);
    let made = Made::new(false, 6000);
    // As on a TAP with an MTU of 9000.
    assert_eq!(read(&mut incoming, &superframe(&made, 1461)), Err(Loss::TooLong(5)));
    let mut long = superframe(&made, 1460);
    long[1] = 0;
    assert_eq!(read(&mut incoming, &long), Err(Loss::TooLong(1)));
    let whole = incoming.space().len();
    assert_eq!(incoming.filled(whole), Err(Loss::TooLong(1)));
    for len in 0..HEADER_LEN {
        incoming.space().fill(0);
        assert_eq!(incoming.filled(len), Err(Loss::Malformed));
    }
    let mut without = Incoming::new(Offloads::NONE);
    assert_eq!(read(&mut without, &[0; FRAME_LEN_MAX + 1]), Err(Loss::TooLong(1)));
    // IPv6 it says, IPv4 it is; nothing to split; not TCP.
    let mut wrong = superframe(&made, 1460);
    wrong[1] = 4;
    assert_eq!(read(&mut incoming, &wrong), Err(Loss::Malformed));
    assert_eq!(read(&mut incoming, &superframe(&Made::new(false, 0), 9)), Err(Loss::Malformed));
    let mut udp = superframe(&made, 1460);
    udp[HEADER_LEN + 23] = 17;
    assert_eq!(read(&mut incoming, &udp), Err(Loss::Malformed));
}

/// Whatever a read brings, there is no panic, no endless row of frames, none too long.
#[test]
fn malformed_superframes_do_no_harm() {
    let mut rng = Rng::new(4);
    let mut incoming = Incoming::new(Offloads::ALL);
    let (mut split, mut refused) = (0, 0);
    for _ in 0..4000 {
        let mut made = Made::new(rng.below(2) == 0, rng.below(5000) as usize);
        made.options.1 = rng.below(11) as usize * 4;
        let mut bytes = superframe(&made, 1 + rng.below(1460) as u16);
        for _ in 0..=rng.below(4) {
            let within = if rng.below(8) == 0 { bytes.len() } else { bytes.len().min(90) };
            bytes[rng.below(within as u32) as usize] = rng.next_u64() as u8;
        }
        if rng.below(4) == 0 {
            bytes.truncate(rng.below(bytes.len() as u32 + 1) as usize);
        }
        match read(&mut incoming, &bytes) {
            Ok(frames) => {
                split += 1;
                assert!(frames.len() <= 5000);
                assert!(frames.iter().all(|frame| frame.len() <= FRAME_LEN_MAX));
            }
            Err(_) => refused += 1,
        }
    }
    assert!(split > 500 && refused > 500, "{split} split, {refused} refused");
}

/// What the kernel made is not looked at; what came from elsewhere is, as the board no longer does.
#[test]
fn checksums_that_nobody_looks_at_are_answered_for() {
    let mut incoming = Incoming::new(Offloads::ALL);
    incoming.set_offloads(Offloads::CHECKSUM);
    let made = Made::new(false, 5000);
    let mut expected = frames(&made.segments(1000));
    let layout = HeaderLayout::of(&expected[0]).expect("a segment");
    let mut split = read(&mut incoming, &superframe(&made, 1000)).expect("well-formed");
    assert_ne!(split, expected);
    for frame in split.iter_mut().chain(&mut expected) {
        frame[layout.tcp + 16..][..2].fill(0);
    }
    assert_eq!(split, expected, "the same but for the checksums");

    let made = Made::new(false, 100);
    let alone = |frame: &[u8]| [&[0; HEADER_LEN][..], frame].concat();
    assert_eq!(read(&mut incoming, &alone(&made.frame())), Ok(vec![made.frame()]));
    let mut wrong = made.frame();
    wrong[100] ^= 1;
    assert_eq!(read(&mut incoming, &alone(&wrong)), Err(Loss::Unsound));
    incoming.set_offloads(Offloads::NONE);
    assert_eq!(read(&mut incoming, &alone(&wrong)), Ok(vec![wrong]));
}

/// A board that leaves segmentation to the NIC gets all but the last segment as one frame, whose checksum nobody
/// looks at.
#[test]
fn a_superframe_is_two_frames_for_who_takes_it() {
    let mut incoming = Incoming::new(Offloads::ALL);
    for ipv6 in [false, true] {
        for flags in [ACK, ACK | PSH, ACK | PSH | FIN] {
            for len in [1500, 3000, 65_000] {
                let made = Made { flags, ..Made::new(ipv6, len) };
                let bytes = superframe(&made, 1000);
                incoming.set_offloads(Offloads { checksum: false, ..Offloads::ALL });
                let segments = frames(&made.segments(1000));
                assert_eq!(read(&mut incoming, &bytes).expect("well-formed"), segments);

                incoming.set_offloads(Offloads::ALL);
                let mut expected = frames(&made.segments((len - 1) / 1000 * 1000));
                let mut whole = read(&mut incoming, &bytes).expect("well-formed");
                for frame in whole.iter_mut().chain(&mut expected) {
                    let layout = HeaderLayout::of(frame).expect("a segment");
                    frame[layout.tcp + 16..][..2].fill(0);
                    // It counts segments, and nobody looks at it.
                    layout.set_identification(frame, 0);
                    layout.fill_ipv4_checksum(frame);
                }
                assert!(whole == expected, "{len} bytes, flags {flags:#x}");
            }
        }
    }
}
