//! Addresses and ports that matter to the board: its own, its neighbours', and those that nobody may have.

use smoltcp::wire::{IpAddress, Ipv4Address, Ipv6Address};
use tapboard_firmware::BOARD_NET;
use tapboard_firmware::config::EPHEMERAL_FIRST;

use super::input::Input;

/// A host on the board's link.
pub(crate) fn host(input: &mut Input<'_>) -> IpAddress {
    let number = input.pick(&[2, 2, 3, 4]);
    if input.one_in(2) {
        Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number).into()
    } else {
        Ipv4Address::new(192, 0, 2, number as u8).into()
    }
}

/// The board's address of the same version as `other`.
pub(crate) fn board(other: IpAddress) -> IpAddress {
    match other {
        IpAddress::Ipv4(_) => BOARD_NET.ipv4_address().into(),
        IpAddress::Ipv6(_) => BOARD_NET.ipv6().expect("it has one").address().into(),
    }
}

/// An address of the same version as `other` that has a meaning of its own: the board's, an absent host's, one off the
/// link, everybody's, nobody's.
pub(crate) fn special(other: IpAddress, input: &mut Input<'_>) -> IpAddress {
    match other {
        IpAddress::Ipv4(_) => input
            .pick(&[
                BOARD_NET.ipv4_address(),
                Ipv4Address::new(192, 0, 2, 77),
                Ipv4Address::new(192, 0, 2, 0),
                Ipv4Address::new(192, 0, 2, 255),
                Ipv4Address::new(198, 51, 100, 1),
                Ipv4Address::LOCALHOST,
                Ipv4Address::new(224, 0, 0, 1),
                Ipv4Address::new(240, 0, 0, 1),
                Ipv4Address::BROADCAST,
                Ipv4Address::UNSPECIFIED,
            ])
            .into(),
        IpAddress::Ipv6(_) => input
            .pick(&[
                Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
                Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 77),
                Ipv6Address::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1),
                // The board's link-local one, and another's.
                Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0x5eff, 0xfe00, 1),
                Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 2),
                // All nodes, the board's solicited-node group, and a group of others.
                Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
                Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1),
                Ipv6Address::new(0xff05, 0, 0, 0, 0, 0, 0, 2),
                Ipv6Address::LOCALHOST,
                Ipv6Address::UNSPECIFIED,
            ])
            .into(),
    }
}

/// Source and destination of a packet: a host and the board, and one in four of either is [`special`].
pub(crate) fn pair(input: &mut Input<'_>) -> (IpAddress, IpAddress) {
    let host = host(input);
    let from = if input.one_in(4) { special(host, input) } else { host };
    let to = if input.one_in(4) { special(host, input) } else { board(host) };
    (from, to)
}

/// A service's port, nobody's, a peer's, an ephemeral one, or any.
pub(crate) fn port(input: &mut Input<'_>) -> u16 {
    match input.below(4) {
        0 => input.pick(&[7, 9, 19, 23, 80, 9000, 0]),
        1 => 1000 + u16::from(input.byte() % 16),
        2 => EPHEMERAL_FIRST + input.word() % (u16::MAX - EPHEMERAL_FIRST),
        _ => input.word(),
    }
}
