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
