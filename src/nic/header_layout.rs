//! A TCP segment in an Ethernet frame: where its headers are, its fields, its checksums.
//!
//! What the splitter and the coalescer have in common. A [`HeaderLayout`] is found once, with every length
//! checked; the functions below take it with the frame it was found in, or with a frame whose headers
//! are as long. A checksum costs one pass over the bytes, eight at a time.

use std::ops::Range;

use super::Offloads;

/// Bytes of an Ethernet header.
pub(super) const ETHERNET_LEN: usize = 14;
/// The longest headers: Ethernet, IPv4 with options, TCP with options, bytes.
pub(super) const HEADERS_LEN_MAX: usize = ETHERNET_LEN + 60 + 60;
/// The longest frame that is no superframe, Ethernet header included, without frame check sequence, bytes.
pub const FRAME_LEN_MAX: usize = 1514;
/// The longest frame that an IP header can describe, bytes; 40 less with IPv4, whose length counts its
/// header.
pub(super) const SUPERFRAME_LEN_MAX: usize = ETHERNET_LEN + 40 + 65_535;

/// TCP's protocol number.
const TCP: u8 = 6;
/// Where the checksum is in a TCP header (RFC 9293 3.1).
pub(super) const TCP_CHECKSUM: usize = 16;

pub(super) const FIN: u8 = 0x01;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;
pub(super) const ECE: u8 = 0x40;
pub(super) const CWR: u8 = 0x80;

/// Where the headers of a TCP segment are: an Ethernet header without tag, IPv4 or IPv6 without
/// extension headers, no fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeaderLayout {
    /// IPv6, not IPv4.
    pub(super) ipv6: bool,
    /// Where the TCP header begins.
    pub(super) tcp: usize,
    /// Where the payload begins, and all headers end; at most [`HEADERS_LEN_MAX`].
    pub(super) payload: usize,
}

impl HeaderLayout {
    /// The layout of `frame`, if it is such a segment and nothing follows it.
    pub(super) fn of(frame: &[u8]) -> Option<Self> {
        let packet = frame.get(ETHERNET_LEN..)?;
        let (ipv6, tcp) = match (u16_at(frame, 12)?, packet.first()? >> 4) {
            (0x0800, 4) => {
                let header_len = usize::from(packet[0] & 0x0f) * 4;
                let whole = usize::from(u16_at(packet, 2)?) == packet.len();
                // More fragments, or an offset (RFC 791 3.1).
                let fragment = u16_at(packet, 6)? & 0x3fff != 0;
                if header_len < 20 || !whole || fragment || *packet.get(9)? != TCP {
                    return None;
                }
                (false, ETHERNET_LEN + header_len)
            }
            (0x86dd, 6) => {
                let whole = usize::from(u16_at(packet, 4)?) + 40 == packet.len();
                if !whole || *packet.get(6)? != TCP {
                    return None;
                }
                (true, ETHERNET_LEN + 40)
            }
            _ => return None,
        };
        let header_len = usize::from(*frame.get(tcp + 12)? >> 4) * 4;
        let payload = tcp + header_len;
        (header_len >= 20 && payload <= frame.len()).then_some(Self { ipv6, tcp, payload })
    }

    /// The longest frame of this layout that IP can describe, bytes.
    pub(super) fn frame_len_max(&self) -> usize {
        if self.ipv6 { SUPERFRAME_LEN_MAX } else { SUPERFRAME_LEN_MAX - 40 }
    }

    /// Whether the headers of two frames are the same but for what differs from one segment to the next:
    /// lengths, identification, sequence number, checksums, FIN and PSH.
    pub(super) fn alike(&self, one: &[u8], other: &[u8]) -> bool {
        let same = |range: Range<usize>| one[range.clone()] == other[range];
        let tcp = self.tcp;
        let ip = if self.ipv6 {
            same(0..18) && same(20..tcp)
        } else {
            same(0..16) && same(20..24) && same(26..tcp)
        };
        let flags = (self.flags(one) ^ self.flags(other)) & !(FIN | PSH) == 0;
        ip && flags
            && same(tcp..tcp + 4)
            && same(tcp + 8..tcp + 13)
            && same(tcp + 14..tcp + 16)
            && same(tcp + 18..self.payload)
    }

    pub(super) fn flags(&self, frame: &[u8]) -> u8 {
        frame[self.tcp + 13]
    }

    pub(super) fn set_flags(&self, frame: &mut [u8], flags: u8) {
        frame[self.tcp + 13] = flags;
    }

    pub(super) fn sequence(&self, frame: &[u8]) -> u32 {
        let at = self.tcp + 4;
        u32::from_be_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]])
    }

    pub(super) fn set_sequence(&self, frame: &mut [u8], sequence: u32) {
        frame[self.tcp + 4..self.tcp + 8].copy_from_slice(&sequence.to_be_bytes());
    }

    /// IPv4's identification (RFC 791 3.1); IPv6 has none.
    pub(super) fn identification(&self, frame: &[u8]) -> Option<u16> {
        if self.ipv6 { None } else { u16_at(frame, ETHERNET_LEN + 4) }
    }

    pub(super) fn set_identification(&self, frame: &mut [u8], identification: u16) {
        if !self.ipv6 {
            set_u16(frame, ETHERNET_LEN + 4, identification);
        }
    }

    /// Whether routers may not fragment it, so that its identification means nothing (RFC 6864 4.1).
    pub(super) fn atomic(&self, frame: &[u8]) -> bool {
        self.ipv6 || frame[ETHERNET_LEN + 6] & 0x40 != 0
    }

    /// Writes the length that IP says, for a frame that ends where `frame` does.
    pub(super) fn set_len(&self, frame: &mut [u8]) {
        let (at, before) =
            if self.ipv6 { (ETHERNET_LEN + 4, self.tcp) } else { (ETHERNET_LEN + 2, ETHERNET_LEN) };
        let len = u16::try_from(frame.len() - before).expect("no longer than IP can say");
        set_u16(frame, at, len);
    }

    /// Whether the checksum of IPv4's header is right, and that of TCP unless it is left out.
    pub(super) fn sound(&self, frame: &[u8], offloads: Offloads) -> bool {
        let ip = self.ipv6 || fold(sum(self.ipv4_header(frame))) == 0xffff;
        ip && (offloads.checksum
            || fold(self.pseudo_header(frame) + sum(&frame[self.tcp..])) == 0xffff)
    }

    /// Computes the checksum of IPv4's header.
    pub(super) fn fill_ipv4_checksum(&self, frame: &mut [u8]) {
        if !self.ipv6 {
            set_u16(frame, ETHERNET_LEN + 10, 0);
            let checksum = !fold(sum(self.ipv4_header(frame)));
            set_u16(frame, ETHERNET_LEN + 10, checksum);
        }
    }

    /// Computes the checksum of TCP.
    pub(super) fn fill_tcp_checksum(&self, frame: &mut [u8]) {
        set_u16(frame, self.tcp + TCP_CHECKSUM, 0);
        let checksum = !fold(self.pseudo_header(frame) + sum(&frame[self.tcp..]));
        set_u16(frame, self.tcp + TCP_CHECKSUM, checksum);
    }

    /// Puts the sum of the pseudo-header alone in the checksum's place: whoever adds the rest and
    /// complements it has the checksum.
    pub(super) fn leave_tcp_checksum(&self, frame: &mut [u8]) {
        let partial = fold(self.pseudo_header(frame));
        set_u16(frame, self.tcp + TCP_CHECKSUM, partial);
    }

    fn ipv4_header<'f>(&self, frame: &'f [u8]) -> &'f [u8] {
        &frame[ETHERNET_LEN..self.tcp]
    }

    /// The sum over TCP's pseudo-header (RFC 9293 3.1, RFC 8200 8.1).
    fn pseudo_header(&self, frame: &[u8]) -> u64 {
        let addresses = if self.ipv6 { &frame[22..54] } else { &frame[26..34] };
        let len = u16::try_from(frame.len() - self.tcp).expect("no longer than IP can say");
        let [high, low] = len.to_be_bytes();
        sum(addresses) + sum(&[0, TCP, high, low])
    }
}

/// The sum of `bytes` as 16-bit words, for [`fold`]. Sums of parts may be added, as long as all but the
/// last have an even length.
///
/// The words are the machine's own: the sum is right in any byte order if it is written back in the
/// same (RFC 1071 2 B). A carry out of the lower half is a carry into the upper one, so that words may
/// be added four at a time; by turns to two sums, of which neither waits for the carry of the other.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let mut sums = [0_u128; 2];
    let mut add = |block: &[u8; 32]| {
        for (index, words) in block.as_chunks().0.iter().enumerate() {
            sums[index % 2] += u128::from(u64::from_ne_bytes(*words));
        }
    };
    let (blocks, rest) = bytes.as_chunks();
    blocks.iter().for_each(&mut add);
    let mut last = [0; 32];
    last[..rest.len()].copy_from_slice(rest);
    add(&last);
    let sum = sums[0] + sums[1];
    // Narrow enough to be added to others.
    let pairs = |words: u64| (words & 0xffff_ffff) + (words >> 32);
    pairs(sum as u64) + pairs((sum >> 64) as u64)
}

/// The one's complement sum of 16 bits, as a number.
pub(super) fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::from_be(sum as u16)
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn set_u16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

#[cfg(test)]
pub(super) mod made;

#[cfg(test)]
mod tests {
    use super::made::Made;
    use super::*;

    #[test]
    fn a_sum_is_that_of_rfc_1071() {
        // Its own example (3): whole, in parts, and without its last byte.
        let words = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(sum(&words)), 0xddf2);
        for at in [0, 2, 4, 6, 8] {
            assert_eq!(fold(sum(&words[..at]) + sum(&words[at..])), 0xddf2);
        }
        assert_eq!(fold(sum(&words[..7])), 0xddf2 - 0xf7);
        assert_eq!(fold(sum(&vec![0xff; 65_536])), 0xffff);
    }

    /// A word at a time (RFC 1071 1), of any length and from any place; and both zeros, of which only bytes that are all
    /// zero have the first (RFC 1624 3).
    #[test]
    fn a_sum_is_that_of_its_words_whatever_they_are() {
        let noise: Vec<u8> = (0..200_u32).map(|at| (at * at * 37 + at / 3) as u8).collect();
        let almost: Vec<u8> = (0..200).map(|at| if at % 2 == 0 { 0xff } else { 0xfe }).collect();
        for bytes in [noise, almost, vec![0xff; 200], vec![0; 200]] {
            for begin in 0..9 {
                for part in (begin..=200).map(|end| &bytes[begin..end]) {
                    let words = part.chunks(2).map(|pair| match *pair {
                        [high, low] => u16::from_be_bytes([high, low]),
                        _ => u16::from_be_bytes([pair[0], 0]),
                    });
                    let wanted = words.fold(0, |sum: u16, word| {
                        let (sum, carry) = sum.overflowing_add(word);
                        sum + u16::from(carry)
                    });
                    assert_eq!(fold(sum(part)), wanted, "{begin}, {} bytes", part.len());
                    assert_eq!(wanted == 0, part.iter().all(|&byte| byte == 0));
                }
            }
        }
    }

    #[test]
    fn checksums_are_those_of_the_stack() {
        for (ipv6, len) in [(false, 0), (false, 1), (false, 1460), (true, 3), (true, 1440)] {
            for options in [(0, 0), (if ipv6 { 0 } else { 40 }, 40), (0, 12)] {
                let frame = Made { options, ..Made::new(ipv6, len) }.frame();
                let layout = HeaderLayout::of(&frame).expect("a segment");
                assert!(layout.sound(&frame, Offloads::NONE));
                let mut filled = frame.clone();
                filled[24..26].copy_from_slice(if ipv6 { &frame[24..26] } else { &[0xee; 2] });
                layout.leave_tcp_checksum(&mut filled);
                assert!(!layout.sound(&filled, Offloads::NONE));
                layout.fill_ipv4_checksum(&mut filled);
                layout.fill_tcp_checksum(&mut filled);
                assert_eq!(filled, frame);
            }
        }
    }

    #[test]
    fn any_flipped_bit_is_found() {
        for ipv6 in [false, true] {
            let frame = Made::new(ipv6, 5).frame();
            let layout = HeaderLayout::of(&frame).expect("a segment");
            // IPv6's header, but for the addresses, has no checksum.
            for at in if ipv6 { 22 } else { ETHERNET_LEN }..frame.len() {
                let mut changed = frame.clone();
                changed[at] ^= 0x10;
                let sound = HeaderLayout::of(&changed) == Some(layout)
                    && layout.sound(&changed, Offloads::NONE);
                assert!(!sound, "byte {at}");
            }
        }
    }

    #[test]
    fn what_is_no_whole_plain_segment_has_no_shape() {
        for ipv6 in [false, true] {
            let frame = Made::new(ipv6, 5).frame();
            for len in 0..frame.len() {
                assert_eq!(HeaderLayout::of(&frame[..len]), None, "cut to {len}");
            }
            let mut padded = frame.clone();
            padded.push(0);
            assert_eq!(HeaderLayout::of(&padded), None);
            let tcp = HeaderLayout::of(&frame).expect("a segment").tcp;
            let mut changes = vec![(12, 0x81), (tcp + 12, 0x40), (tcp + 12, 0xf0)];
            if ipv6 {
                changes.extend([(14, 0x40), (20, 17), (20, 0)]);
            } else {
                changes.extend([(14, 0x65), (14, 0x44), (14, 0x4f), (23, 17)]);
                // More fragments; the last of several.
                changes.extend([(20, 0x20), (21, 1)]);
            }
            for (at, value) in changes {
                let mut changed = frame.clone();
                changed[at] = value;
                assert_eq!(HeaderLayout::of(&changed), None, "byte {at} = {value:#x}");
            }
        }
    }
}
