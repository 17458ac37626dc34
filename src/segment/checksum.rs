//! The Internet checksum (RFC 1071), and what a field that holds it says.

use std::net::IpAddr;

use super::view::View;

/// What can be said of a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    /// It is right, is left to a NIC by the one who captured, or cannot be verified: the frame was cut.
    Right,
    /// It is 0: none was made, or it is left to a NIC.
    None,
    /// It is wrong.
    Wrong,
}

/// The sum of 16-bit words, not yet folded: two at a time, which comes to the same (RFC 1071, 2).
pub(super) fn words(bytes: &[u8]) -> u64 {
    let (fours, rest) = bytes.as_chunks::<4>();
    let (pairs, last) = rest.as_chunks::<2>();
    let sum: u64 = fours.iter().map(|&four| u64::from(u32::from_be_bytes(four))).sum();
    let sum = pairs.iter().fold(sum, |sum, &pair| sum + u64::from(u16::from_be_bytes(pair)));
    sum + last.first().map_or(0, |&byte| u64::from(byte) << 8)
}

pub(super) fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The sum of the pseudo-header (RFC 9293 3.1, RFC 8200 8.1).
fn pseudo_header(from: IpAddr, to: IpAddr, protocol: u8, len: usize) -> u64 {
    let address = |address: IpAddr| match address {
        IpAddr::V4(v4) => words(&v4.octets()),
        IpAddr::V6(v6) => words(&v6.octets()),
    };
    address(from) + address(to) + u64::from(protocol) + len as u64
}

/// The checksum of TCP, UDP or `ICMPv6`, whose field is at `at`.
pub(super) fn transport(
    (from, to): (IpAddr, IpAddr),
    protocol: u8,
    payload: View<'_>,
    at: usize,
) -> Checksum {
    let header = pseudo_header(from, to, protocol, payload.len);
    match payload.u16(at) {
        Some(0) => Checksum::None,
        // What a sender that leaves the rest of the sum to its NIC has in the field.
        Some(field) if field == fold(header) => Checksum::Right,
        _ => plain(payload, header),
    }
}

/// A checksum over these bytes, and what was summed before them.
pub(super) fn plain(payload: View<'_>, before: u64) -> Checksum {
    if !payload.whole() || fold(before + words(payload.bytes)) == 0xffff {
        Checksum::Right
    } else {
        Checksum::Wrong
    }
}
