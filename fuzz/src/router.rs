//! What routers and neighbours say of IPv6 addresses: as they should, nearly so, or not at all.

use smoltcp::wire::{Ipv6Address, Ipv6Packet};
use tapboard_firmware::config::FRAME_SIZE;

use super::frames::fix_checksums;
use super::input::Input;

const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The frame of an `ICMPv6` message.
fn frame(last: u8, source: Ipv6Address, to: Ipv6Address, hop_limit: u8, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x33, 0x33, 0, 0, 0, 1, 2, 0, 0x5e, 0, 0, last, 0x86, 0xdd, 0x60];
    frame.resize(14 + 40, 0);
    let mut ip = Ipv6Packet::new_unchecked(&mut frame[14..]);
    ip.set_payload_len(message.len() as u16);
    ip.set_next_header(58.into());
    ip.set_hop_limit(hop_limit);
    ip.set_src_addr(source);
    ip.set_dst_addr(to);
    frame.extend(message);
    fix_checksums(&mut frame);
    frame
}

/// Flips a bit of some frames, which is seen or not.
fn damaged(input: &mut Input<'_>, mut frame: Vec<u8>) -> Vec<u8> {
    if input.one_in(16) {
        let at = usize::from(input.word()) % frame.len();
        frame[at] ^= 1 << input.below(8);
        if input.one_in(2) {
            fix_checksums(&mut frame);
        }
    }
    frame
}

fn router(last: u8) -> Ipv6Address {
    Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0x5eff, 0xfe00, last.into())
}

/// A router's advertisement.
pub(crate) fn advertisement(input: &mut Input<'_>) -> Vec<u8> {
    let last = input.pick(&[9, 9, 10, 11, 1]);
    let [high, low] = input.pick::<u16>(&[1800, 1800, 0, 1, 30, u16::MAX]).to_be_bytes();
    let flags = input.byte();
    let mut message = vec![134, 0, 0, 0, 64, flags, high, low, 0, 0, 0, 0, 0, 0, 0, 0];
    let times = [3600, 1800, 0, 1, 7200, 7201, u32::MAX, 60];
    for _ in 0..input.below(6) {
        match input.below(6) {
            0..=2 => {
                let len = input.pick(&[64, 64, 64, 64, 0, 63, 128, 255]);
                message.extend([3, 4, len, input.pick(&[0xc0, 0xc0, 0x40, 0x80, 0])]);
                message.extend(input.pick(&times).to_be_bytes());
                message.extend(input.pick(&times).to_be_bytes());
                let net = input.pick::<u16>(&[1, 1, 2, 3, 4]);
                let prefixes = [0x2001, 0x2001, 0x2001, 0xfe80, 0xff02, 0];
                let prefix = Ipv6Address::new(input.pick(&prefixes), 0xdb8, 0, net, 0, 0, 0, 0);
                message.extend([0; 4]);
                message.extend(prefix.octets());
            }
            3 => {
                message.extend([5, 1, 0, 0]);
                let mtu: u32 = input.pick(&[1280, 1279, 1500, 0, u32::MAX, 65_536]);
                message.extend(mtu.to_be_bytes());
            }
            4 => {
                let count = input.below(4);
                message.extend([25, 1 + 2 * count as u8, 0, 0]);
                message.extend(input.pick(&times).to_be_bytes());
                for _ in 0..count {
                    let server = input.pick::<u16>(&[1, 2, 3]);
                    let high = input.pick(&[0x2001, 0xff02, 0]);
                    message.extend(Ipv6Address::new(high, 0, 0, 0, 0, 0, 0, server).octets());
                }
            }
            _ => {
                let len = input.below(4);
                message.extend([input.byte(), len as u8]);
                message.extend(input.take(len * 8));
            }
        }
    }
    if input.one_in(16) {
        message.truncate(usize::from(input.word()) % message.len());
    }
    message.truncate(FRAME_SIZE - 54);
    message.resize(message.len().max(4), 0);
    let source = if input.one_in(16) { Ipv6Address::UNSPECIFIED } else { router(last) };
    let hop_limit = if input.one_in(16) { input.byte() } else { 255 };
    let frame = frame(last, source, ALL_NODES, hop_limit, &message);
    damaged(input, frame)
}

/// A neighbour's question for, or word about, an address that the board has or may want.
pub(crate) fn neighbor(input: &mut Input<'_>) -> Vec<u8> {
    let net = input.pick::<u16>(&[1, 2, 3]);
    let own = Ipv6Address::new(0x2001, 0xdb8, 0, net, 0, 0x5eff, 0xfe00, 1);
    let address = if input.one_in(2) { router(1) } else { own };
    let last = input.pick(&[9, 9, 1]);
    let claims = input.one_in(2);
    let mut message = vec![if claims { 136 } else { 135 }, 0, 0, 0, 0, 0, 0, 0];
    if claims {
        message[4] = input.pick(&[0x20, 0, 0xa0, 0x60]);
    }
    message.extend(address.octets());
    if claims {
        message.extend([2, 1, 2, 0, 0x5e, 0, 0, last]);
    }
    let source = if claims { address } else { Ipv6Address::UNSPECIFIED };
    let group = Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1);
    let to = if claims { ALL_NODES } else { group };
    let frame = frame(last, source, to, 255, &message);
    damaged(input, frame)
}
