//! IPv6 extension headers (RFC 8200 4): what is behind them, and what is to be said of one that cannot be read.
//!
//! smoltcp knows the hop-by-hop header alone. So the others are read here, and a packet that has any is shown to it
//! without them. Cost: nothing for a packet without; else a copy of the frame on the call stack.

use smoltcp::wire::{IpProtocol, Ipv6Packet};

/// What an option asks of who does not know it (RFC 8200 4.2), in its two highest bits.
const DISCARD: u8 = 1;
const TELL: u8 = 2;

/// The options of one byte, and of many, that only take room.
const PAD_ONE: u8 = 0;
const PAD_MANY: u8 = 1;

/// A message of `ICMPv6` (RFC 4861 4.5).
const REDIRECT: u8 = 137;

/// Length of the IPv6 header.
const HEADER: usize = 40;

/// What is behind the extension headers of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chain {
    /// This protocol, with so many bytes before it, beyond the IPv6 header.
    Payload { protocol: IpProtocol, skipped: usize, named_at: u16 },
    /// A part of a packet.
    Fragment,
    /// Its sender is told (RFC 4443 3.4): code and pointer, and whether that is so for a packet to many, too.
    Problem { code: u8, pointer: u16, to_all: bool },
    /// It is broken, or is to be dropped in silence.
    Broken,
}

/// Whether an IPv6 packet with this protocol in its header has extension headers.
pub(crate) const fn is_extension(protocol: u8) -> bool {
    // Hop-by-hop options, routing, fragment, destination options.
    matches!(protocol, 0 | 43 | 44 | 60)
}

/// Follows the headers of an IPv6 packet. Each takes eight bytes at least, so that this ends.
pub(crate) fn follow(packet: &[u8]) -> Chain {
    let Ok(ip) = Ipv6Packet::new_checked(packet) else { return Chain::Broken };
    let payload = ip.payload();
    let (mut protocol, mut named_at) = (ip.next_header(), 6);
    let mut skipped = 0;
    loop {
        let header = &payload[skipped..];
        let begin = HEADER + skipped;
        if !is_extension(protocol.into()) {
            return Chain::Payload { protocol, skipped, named_at: named_at as u16 };
        }
        // RFC 8200 4.1: hop-by-hop options come first or not at all.
        if protocol == IpProtocol::HopByHop && skipped > 0 {
            return Chain::Problem { code: 1, pointer: named_at as u16, to_all: false };
        }
        let [next, len, third, fourth, ..] = *header else { return Chain::Broken };
        let mut end = (usize::from(len) + 1) * 8;
        match protocol {
            IpProtocol::Ipv6Frag => {
                // Offset, two reserved bits, and whether more follow. An atomic fragment is whole (RFC 6946).
                if third != 0 || fourth & !0b110 != 0 {
                    return Chain::Fragment;
                }
                end = 8;
            }
            IpProtocol::Ipv6Route if fourth != 0 => {
                let pointer = (begin + 2) as u16;
                return Chain::Problem { code: 0, pointer, to_all: false };
            }
            IpProtocol::Ipv6Route => {}
            _ => {
                let Some(options) = header.get(2..end) else { return Chain::Broken };
                if let Err(chain) = read_options(options, begin + 2) {
                    return chain;
                }
            }
        }
        if end > header.len() {
            return Chain::Broken;
        }
        (protocol, named_at) = (next.into(), begin);
        skipped += end;
    }
}

/// Whether a packet, whatever its extension headers are, carries an `ICMPv6` error or a redirect, of which no error may tell
/// (RFC 4443 2.4 e.1, e.2).
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn is_error(packet: &[u8]) -> bool {
    // Where the next header is, and where it is named.
    let (mut at, mut named_at) = (HEADER, 6);
    while let Some(&[first, len]) = packet.get(at..).and_then(|rest| rest.first_chunk()) {
        let protocol = packet[named_at];
        if !is_extension(protocol) {
            return protocol == u8::from(IpProtocol::Icmpv6) && matches!(first, 0..128 | REDIRECT);
        }
        named_at = at;
        // A fragment header has nothing there.
        at += usize::from(len) * 8 + 8;
    }
    false
}

/// Looks for what must be known and is not: `begin` is where in the packet the options are.
fn read_options(options: &[u8], begin: usize) -> Result<(), Chain> {
    let mut rest = options;
    while let [kind, after @ ..] = rest {
        if *kind == PAD_ONE {
            rest = after;
            continue;
        }
        let pointer = (begin + options.len() - rest.len()) as u16;
        let len = after.first().ok_or(Chain::Broken)?;
        rest = rest.get(2 + usize::from(*len)..).ok_or(Chain::Broken)?;
        match kind >> 6 {
            0 => {}
            DISCARD => return Err(Chain::Broken),
            action => {
                return Err(Chain::Problem { code: 2, pointer, to_all: action == TELL });
            }
        }
    }
    const { assert!(PAD_MANY >> 6 == 0) };
    Ok(())
}

/// Takes the extension headers out of a packet; says how long it is then.
pub(crate) fn take_out(packet: &mut [u8], protocol: IpProtocol, skipped: usize) -> usize {
    let len = packet.len();
    packet.copy_within(HEADER + skipped.., HEADER);
    let mut ip = Ipv6Packet::new_unchecked(&mut *packet);
    ip.set_next_header(protocol);
    let payload = ip.payload_len();
    ip.set_payload_len(payload - skipped as u16);
    len - skipped
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;

    /// A header's number, its bytes behind the number of the next, and what comes of it: the place in it of what is wrong, or
    /// nothing.
    type Kind = (u8, &'static [u8], Outcome);

    #[derive(Clone, Copy, Debug)]
    enum Outcome {
        Follow,
        Fragment,
        Broken,
        Problem(u8, u16, bool),
    }
    use Outcome::{Broken, Follow, Fragment, Problem};

    /// RFC 8200 4.2 to 4.6, RFC 6946.
    const KINDS: [Kind; 17] = [
        (0, &[0, 1, 4, 0, 0, 0, 0], Follow),
        // One byte of padding each, and an option that nobody has to know, of two lengths.
        (0, &[0, 0, 0, 0, 0x1e, 1, 9], Follow),
        (60, &[1, 0x1e, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], Follow),
        (60, &[0, 1, 4, 0, 0, 0, 0], Follow),
        // Unknown options: to be dropped in silence, with an error, with an error unless it was for many.
        (60, &[0, 0, 0x5e, 2, 0, 0, 0], Broken),
        (60, &[0, 0, 0x9e, 2, 0, 0, 0], Problem(2, 3, true)),
        (0, &[0, 0xde, 4, 0, 0, 0, 0], Problem(2, 2, false)),
        // The first that is wrong counts.
        (60, &[0, 1, 0, 0x9e, 0, 0xde, 0], Problem(2, 4, true)),
        // Options that are longer than their header, and a header that is longer than the packet.
        (60, &[0, 1, 5, 0, 0, 0, 0], Broken),
        (0, &[0, 0, 0, 0, 0, 0, 0x1e], Broken),
        (60, &[9, 1, 4, 0, 0, 0, 0], Broken),
        (43, &[0, 2, 0, 0, 0, 0, 0], Follow),
        (43, &[0, 2, 1, 0, 0, 0, 0], Problem(0, 2, false)),
        (43, &[9, 2, 0, 0, 0, 0, 0], Broken),
        // An atomic fragment, whose reserved bits may be anything; one with an offset, and one that more follow.
        (44, &[0xff, 0, 0b110, 1, 2, 3, 4], Follow),
        (44, &[0, 1, 0, 1, 2, 3, 4], Fragment),
        (44, &[0, 0, 1, 1, 2, 3, 4], Fragment),
    ];

    const PAYLOAD: [u8; 12] = *b"text of text";

    /// A packet with these headers before a protocol.
    fn packet(chain: &[Kind], last: u8) -> Vec<u8> {
        let mut packet = vec![0; HEADER];
        packet[0] = 0x60;
        let numbers = chain.iter().map(|kind| kind.0).chain([last]);
        let mut numbers = numbers.collect::<Vec<_>>().into_iter();
        packet[6] = numbers.next().unwrap();
        for ((_, bytes, _), next) in chain.iter().zip(numbers) {
            packet.push(next);
            packet.extend_from_slice(bytes);
        }
        packet.extend(PAYLOAD);
        set_len(&mut packet);
        packet
    }

    fn set_len(packet: &mut [u8]) {
        let len = packet.len() - HEADER;
        Ipv6Packet::new_unchecked(packet).set_payload_len(len as u16);
    }

    /// What has to come of it.
    fn wanted(chain: &[Kind], last: u8) -> Chain {
        let (mut at, mut named_at) = (0, 6);
        for (index, &(number, bytes, outcome)) in chain.iter().enumerate() {
            if number == 0 && index > 0 {
                return Chain::Problem { code: 1, pointer: named_at, to_all: false };
            }
            match outcome {
                Follow => {}
                Fragment => return Chain::Fragment,
                Broken => return Chain::Broken,
                Problem(code, place, to_all) => {
                    let pointer = (HEADER + at) as u16 + place;
                    return Chain::Problem { code, pointer, to_all };
                }
            }
            named_at = (HEADER + at) as u16;
            at += 1 + bytes.len();
        }
        Chain::Payload { protocol: last.into(), skipped: at, named_at }
    }

    /// Each chain of up to three headers, whole, and cut everywhere.
    #[test]
    fn every_chain_of_headers_leads_where_it_has_to() {
        let mut chains: Vec<Vec<Kind>> = vec![vec![]];
        let mut whole = 0;
        for _ in 0..3 {
            let longer = |chain: &Vec<Kind>| KINDS.map(|kind| [&chain[..], &[kind]].concat());
            chains = [vec![vec![]], chains.iter().flat_map(longer).collect()].concat();
        }
        for chain in chains {
            for last in [6, 17, 59] {
                let sound = packet(&chain, last);
                let wanted = wanted(&chain, last);
                assert_eq!(follow(&sound), wanted, "{chain:?}");
                for len in 0..sound.len() - PAYLOAD.len() {
                    let mut cut = sound[..len].to_vec();
                    if len >= HEADER {
                        set_len(&mut cut);
                    }
                    let followed = follow(&cut);
                    let told = followed == wanted && !matches!(wanted, Chain::Payload { .. });
                    assert!(followed == Chain::Broken || told, "{len} of {chain:?}: {followed:?}");
                }
                let Chain::Payload { protocol, skipped, .. } = wanted else { continue };
                let mut taken = sound.clone();
                let len = take_out(&mut taken, protocol, skipped);
                assert_eq!(taken[..len], packet(&[], last), "{chain:?}");
                whole += 1;
            }
        }
        assert!(whole > 3 * 100, "{whole}");
    }
}
