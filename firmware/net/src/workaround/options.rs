//! TCP options that are broken are ignored (RFC 9293 3.1), and the segment is taken.
//!
//! smoltcp 0.14 (wire/tcp.rs:945, `Repr::parse`) drops a segment with an option whose length is not that of its kind, or leads
//! nowhere. So it is shown a copy in which such an option is room and nothing else. Cost: a look at each option; for a
//! broken one, a copy of the frame on the call stack.

use smoltcp::wire::{TCP_HEADER_LEN, TcpOption, TcpPacket};

use crate::frame::Segment;
use crate::limits::FRAME_SIZE;

/// Kinds of options that only take room (RFC 9293 3.2).
const END: u8 = 0;
const NO_OPERATION: u8 = 1;

/// Where in the header the flags are, and two of them (RFC 9293 3.1).
const FLAGS: usize = 13;
const SYN_AND_FIN: u8 = 0b11;

/// Whether smoltcp could not read all options.
pub(crate) fn are_broken(segment: &Segment<'_>) -> bool {
    first_broken(segment.packet().options()).is_some()
}

/// Whether smoltcp could not read a reset, which ends a connection whatever else it is (RFC 9293 3.10.7.4): it drops one
/// that has a SYN or a FIN (wire/tcp.rs:921).
pub(crate) const fn is_more_than_reset(segment: &Segment<'_>) -> bool {
    segment.rst && (segment.syn || segment.fin)
}

/// Where the first option is that smoltcp cannot read.
fn first_broken(options: &[u8]) -> Option<usize> {
    let mut rest = options;
    while !rest.is_empty() {
        match TcpOption::parse(rest) {
            Ok((_, TcpOption::EndOfList)) => break,
            Ok((next, _)) => rest = next,
            Err(_) => return Some(options.len() - rest.len()),
        }
    }
    None
}

/// Copies the frame of a segment, whose checksum is right, to `buffer` without what is broken; `None` if it is no ordinary
/// frame.
pub(crate) fn without_broken<'b>(
    segment: &Segment<'_>,
    frame: &[u8],
    buffer: &'b mut [u8; FRAME_SIZE],
) -> Option<&'b [u8]> {
    let copy = buffer.get_mut(..frame.len())?;
    copy.copy_from_slice(frame);
    let end = segment.offset + segment.packet().into_inner().len();
    let tcp = copy.get_mut(segment.offset..end)?;
    let options = tcp.get_mut(TCP_HEADER_LEN..usize::from(segment.packet().header_len()))?;
    // Each turn takes two bytes of them at least.
    while let Some(begin) = first_broken(options) {
        let broken = &mut options[begin..];
        match broken.get(1).map(|&len| usize::from(len)) {
            Some(len) if (2..=broken.len()).contains(&len) => broken[..len].fill(NO_OPERATION),
            _ => broken.fill(END),
        }
    }
    if segment.rst {
        tcp[FLAGS] &= !SYN_AND_FIN;
    }
    TcpPacket::new_unchecked(tcp).fill_checksum(&segment.source.addr, &segment.destination.addr);
    Some(copy)
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        IpAddress, IpEndpoint, IpProtocol, IpRepr, Ipv4Address, TcpControl, TcpRepr, TcpSeqNumber,
        TcpTimestampRepr,
    };

    use super::*;
    use crate::frame::{Content, FourTuple};
    use crate::rng::Rng;
    use crate::workaround::inject::{InjectedSegment, bare};

    /// What the options of a segment say.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    struct Said {
        size: Option<u16>,
        scale: Option<u8>,
        sack: bool,
        blocks: [Option<(u32, u32)>; 3],
        times: Option<(u32, u32)>,
    }

    /// Another reader of options (RFC 9293 3.2, RFC 7323, RFC 2018), which goes over what is broken. Returns whether anything
    /// was.
    fn read(options: &[u8]) -> (Said, bool) {
        let (mut said, mut broken, mut at) = (Said::default(), false, 0);
        let u32_at = |at: usize| u32::from_be_bytes(options[at..at + 4].try_into().unwrap());
        while at < options.len() && options[at] != 0 {
            if options[at] == 1 {
                at += 1;
                continue;
            }
            // Without a length that can be, nobody knows where the next one is.
            let Some(len) = options.get(at + 1).map(|&len| usize::from(len)) else {
                return (said, true);
            };
            if len < 2 || at + len > options.len() {
                return (said, true);
            }
            match (options[at], len) {
                (2, 4) => said.size = Some(u16::from_be_bytes([options[at + 2], options[at + 3]])),
                (3, 3) => said.scale = Some(options[at + 2].min(14)),
                (4, 2) => said.sack = true,
                (5, 10 | 18 | 26 | 34) => {
                    said.blocks = [0, 1, 2].map(|block| {
                        let begin = at + 2 + block * 8;
                        (block * 8 + 2 < len).then(|| (u32_at(begin), u32_at(begin + 4)))
                    });
                }
                (8, 10) => said.times = Some((u32_at(at + 2), u32_at(at + 6))),
                // Smoltcp takes a timestamp of another length for an option that it does not know.
                (2..=5, _) => broken = true,
                _ => {}
            }
            at += len;
        }
        (said, broken)
    }

    fn said(repr: &TcpRepr<'_>) -> Said {
        Said {
            size: repr.max_seg_size,
            scale: repr.window_scale,
            sack: repr.sack_permitted,
            blocks: repr.sack_ranges,
            times: repr.timestamp.map(|times| (times.tsval, times.tsecr)),
        }
    }

    const PAYLOAD: &[u8] = b"text";

    /// A packet with a segment that has these options, a multiple of four bytes.
    fn packet(options: &[u8]) -> Vec<u8> {
        let address = |last| IpAddress::Ipv4(Ipv4Address::new(192, 0, 2, last));
        let (from, to) = (address(2), address(1));
        let len = TCP_HEADER_LEN + options.len() + PAYLOAD.len();
        let ip = IpRepr::new(from, to, IpProtocol::Tcp, len, 64);
        let mut packet = vec![0; ip.buffer_len()];
        ip.emit(&mut packet[..], &ChecksumCapabilities::default());
        let segment = &mut packet[ip.header_len()..];
        segment[TCP_HEADER_LEN..][..options.len()].copy_from_slice(options);
        segment[TCP_HEADER_LEN + options.len()..].copy_from_slice(PAYLOAD);
        let mut tcp = TcpPacket::new_unchecked(segment);
        tcp.set_src_port(50_000);
        tcp.set_dst_port(7);
        tcp.set_header_len((TCP_HEADER_LEN + options.len()) as u8);
        tcp.set_ack(true);
        tcp.fill_checksum(&from, &to);
        packet
    }

    /// Holds for any options: what is good of them is read, by whichever reader, and with the rest gone nothing is broken.
    /// Returns whether anything was.
    fn check(options: &[u8]) -> bool {
        let bytes = packet(options);
        let segment = Content::parse(&bytes).segment().expect("a segment");
        let (wanted, broken) = read(options);
        assert_eq!(are_broken(&segment), broken, "{options:?}");
        assert_eq!(segment.repr().as_ref().map(said), (!broken).then_some(wanted), "{options:?}");
        let mut buffer = [0; FRAME_SIZE];
        let copy = without_broken(&segment, &bytes, &mut buffer).expect("an ordinary frame");
        let mended = Content::parse(copy).segment().expect("a segment");
        assert!(!are_broken(&mended) && mended.is_sound(true), "{options:?}");
        assert_eq!(said(&mended.repr().expect("it can be read")), wanted, "{options:?}");
        assert_eq!(mended.packet().payload(), PAYLOAD, "{options:?}");
        if !broken {
            assert_eq!(copy, bytes, "{options:?}");
        }
        broken
    }

    /// All four bytes in a row that mean something, or nearly; and longer ones at random.
    #[test]
    fn whatever_the_options_are_what_is_good_of_them_is_read_and_nothing_else() {
        const BYTES: [u8; 12] = [0, 1, 2, 3, 4, 5, 8, 10, 15, 18, 40, 0xff];
        const GOOD: [&[u8]; 7] = [
            &[1],
            &[2, 4, 5, 180],
            &[3, 3, 7, 4, 2],
            &[8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
            &[5, 10, 0, 0, 0, 3, 0, 0, 0, 9],
            &[5, 18, 0, 0, 0, 4, 0, 0, 0, 8, 0xff, 0, 0, 0, 0, 0, 0, 1],
            &[254, 5, 1, 2, 3],
        ];
        let (mut broken, mut all) = (0, 0);
        let mut count = |options: &[u8]| {
            broken += u32::from(check(options));
            all += 1;
        };
        count(&[]);
        for index in 0..12_usize.pow(4) {
            count(&[0, 1, 2, 3].map(|place| BYTES[index / 12_usize.pow(place) % 12]));
        }
        // Good ones, and now and then a byte of something else.
        let mut rng = Rng::new(9);
        for _ in 0..40_000 {
            let mut options = Vec::new();
            for _ in 0..rng.below(6) {
                match rng.below(16) {
                    0 => options.push(rng.next_u64() as u8),
                    1 => options.push(BYTES[rng.below(12) as usize]),
                    _ => options.extend(GOOD[rng.below(7) as usize]),
                }
            }
            options.resize(options.len().next_multiple_of(4).min(40), 0);
            count(&options);
        }
        assert!(broken > all / 4 && broken < all * 3 / 4, "{broken} of {all}");
    }

    /// All that a SYN can say, and an acknowledgement.
    #[test]
    fn what_is_written_is_read() {
        let end = |last, port| IpEndpoint::new(Ipv4Address::new(192, 0, 2, last).into(), port);
        let ends = FourTuple { local: end(1, 7), remote: end(2, 50_000) };
        let check = |repr: TcpRepr<'_>| {
            let written = InjectedSegment::new(&repr, &ends);
            let segment = written.segment().expect("a segment");
            assert!(segment.is_sound(true) && !are_broken(&segment));
            assert_eq!(segment.repr(), Some(repr));
            let options = segment.packet().options().to_vec();
            assert_eq!(read(&options), (said(&repr), false), "{options:?}");
        };
        for size in [None, Some(1), Some(536), Some(u16::MAX)] {
            for scale in (0..=14).map(Some).chain([None]) {
                for (sack, times) in [(false, false), (false, true), (true, false), (true, true)] {
                    check(TcpRepr {
                        max_seg_size: size,
                        window_scale: scale,
                        sack_permitted: sack,
                        timestamp: times.then_some(TcpTimestampRepr { tsval: 1, tsecr: u32::MAX }),
                        ..bare(TcpControl::Syn, &ends, TcpSeqNumber(-1), None, 500)
                    });
                }
            }
        }
        for blocks in 0..=2 {
            let numbers = [(1, 2), (u32::MAX, 5)];
            let sack_ranges =
                [0, 1, 2].map(|block| numbers.get(block).copied().filter(|_| block < blocks));
            let ack = Some(TcpSeqNumber(i32::MIN));
            check(TcpRepr {
                sack_ranges,
                ..bare(TcpControl::None, &ends, TcpSeqNumber(0), ack, 0)
            });
        }
    }
}
