//! What a frame begins with, by the capture's link type: addresses, and what comes next.

use smoltcp::wire::EthernetAddress;

use super::layer::{Layer, Peeled, ethertype};
use super::view::View;
use super::{llc, pseudo, wifi};
use crate::capture::LinkType;

/// Takes the link's header off. `None` for a link that is not read.
pub(super) fn first(link: LinkType, view: &mut View<'_>, peeled: &mut Peeled) -> Option<Layer> {
    Some(match link {
        LinkType::ETHERNET => Layer::Ethernet,
        LinkType::ATM_CLIP if view.array(0) == Some([0xaa, 0xaa, 3]) => Layer::Llc,
        LinkType::RAW
        | LinkType::ATM_CLIP
        | LinkType::RAW_BSD
        | LinkType::RAW_OPENBSD
        | LinkType::IPV4
        | LinkType::IPV6 => Layer::Ip,
        LinkType::NULL | LinkType::LOOP => loopback(view),
        LinkType::PPP | LinkType::PPP_HDLC | LinkType::C_HDLC => Layer::Ppp,
        // The direction, and in pppd's way the control field.
        LinkType::PPP_WITH_DIR | LinkType::C_HDLC_WITH_DIR => {
            *view = view.skip(1);
            Layer::Ppp
        }
        LinkType::PPP_PPPD => {
            *view = view.skip(2);
            Layer::Ppp
        }
        LinkType::FRELAY_WITH_DIR => {
            *view = view.skip(1);
            frame_relay(view)
        }
        LinkType::MPLS => Layer::EtherType(0x8847),
        LinkType::PPP_ETHER => Layer::EtherType(0x8864),
        LinkType::ATM_RFC1483 => Layer::Llc,
        // Behind the frame control.
        LinkType::FDDI => {
            (peeled.to, peeled.from) = (mac(view, 1), mac(view, 7));
            *view = view.skip(13);
            Layer::Llc
        }
        LinkType::SLIP => {
            // The direction, and the header as it was compressed (RFC 1144), which is put back in the packet.
            *view = view.skip(16);
            Layer::Ip
        }
        LinkType::FRELAY => frame_relay(view),
        LinkType::NFLOG => netfilter_log(view),
        LinkType::LINUX_SLL | LinkType::NETLINK => cooked(view, peeled, (2, 6, 4, 14), 16),
        LinkType::LINUX_SLL2 => cooked(view, peeled, (8, 12, 11, 0), 20),
        LinkType::APPLE_IP_OVER_IEEE1394 => ethertype(view, 16, 18),
        LinkType::IEEE802_11 => wifi::frame(view, peeled, false),
        LinkType::IEEE802_11_RADIOTAP => wifi::radiotap(view, peeled),
        LinkType::IEEE802_11_PRISM | LinkType::IEEE802_11_AVS => wifi::prism(view),
        other => return pseudo::first(other, view, peeled),
    })
}

/// The protocol family, whose number for IPv6 differs among the BSDs, in the byte order of who captured.
fn loopback(view: &mut View<'_>) -> Layer {
    let family =
        view.u32(0).map(|family| if family > 0xffff { family.swap_bytes() } else { family });
    *view = view.skip(4);
    match family {
        Some(2 | 10 | 23 | 24 | 28 | 30) => Layer::Ip,
        Some(7) => Layer::Named("OSI".into()),
        Some(family) => Layer::Named(format!("protocol family {family}")),
        None => Layer::Broken,
    }
}

fn mac(view: &View<'_>, at: usize) -> Option<EthernetAddress> {
    view.array(at).map(EthernetAddress)
}

/// Frame Relay (RFC 2427): an address of two bytes or four, and what is in it by ISO's number; in Cisco's way, by
/// the `EtherType`.
fn frame_relay(view: &mut View<'_>) -> Layer {
    // The last byte of an address has its first bit set (Q.922, 3.3).
    let Some(len) = (1..4).find(|&at| view.u8(at).is_some_and(|byte| byte & 1 == 1)) else {
        return Layer::Broken;
    };
    *view = view.skip(len + 1);
    if view.u8(0) != Some(3) {
        return ethertype(view, 0, 2);
    }
    // A byte of padding may be between the control field and the number.
    let padding = usize::from(view.u8(1) == Some(0));
    let Some(protocol) = view.u8(1 + padding) else { return Layer::Broken };
    *view = view.skip(2 + padding);
    llc::nlpid(protocol, view)
}

/// What netfilter logs: family, version and resource; then fields of length, type and value, in the byte order of
/// who captured. One of them is the packet.
fn netfilter_log(view: &mut View<'_>) -> Layer {
    const PACKET: u16 = 1;
    const PAYLOAD: u16 = 9;
    // Of IPv4, IPv6, and others', whose packets have their `EtherType` in a field of its own.
    let (family, mut ethertype) = (view.u8(0), None);
    *view = view.skip(4);
    let big = |view: &View<'_>| view.u16(0).is_some_and(|len| usize::from(len) <= view.len);
    let little =
        |view: &View<'_>| view.u16(0).is_some_and(|len| usize::from(len.swap_bytes()) <= view.len);
    let swap = little(view) && (!big(view) || view.u8(1) == Some(0));
    let number = |view: &View<'_>, at: usize| {
        view.u16(at).map(|value| if swap { value.swap_bytes() } else { value })
    };
    // Each field takes four bytes at least, so that this ends.
    while let (Some(len), Some(kind)) = (number(view, 0), number(view, 2)) {
        let len = usize::from(len);
        if len < 4 {
            break;
        }
        if kind == PACKET {
            ethertype = view.u16(4);
        }
        if kind == PAYLOAD {
            *view = view.skip(4).limit(len - 4);
            return match (family, ethertype) {
                (Some(2 | 10), _) => Layer::Ip,
                (_, Some(number)) if number > 1500 => Layer::EtherType(number),
                (Some(other), _) => Layer::Named(format!("netfilter family {other}")),
                (None, _) => Layer::Broken,
            };
        }
        *view = view.skip(len.next_multiple_of(4));
    }
    Layer::Broken
}

/// Linux cooked headers: the interface's kind at the first place, the sender's address at the second, its length's
/// last byte at the third, and the `EtherType`, in place of which some kinds have a number of their own.
fn cooked(
    view: &mut View<'_>,
    peeled: &mut Peeled,
    (kind, address, address_len, protocol): (usize, usize, usize, usize),
    len: usize,
) -> Layer {
    const RADIOTAP: u16 = 803;
    const NETLINK: u16 = 824;
    let kind = view.u16(kind);
    let address_len = match address_len {
        4 => view.u16(4),
        at => view.u8(at).map(u16::from),
    };
    if address_len == Some(6) {
        peeled.from = view.array(address).filter(|mac| *mac != [0; 6]).map(EthernetAddress);
    }
    match (kind, ethertype(view, protocol, len)) {
        (Some(NETLINK), Layer::EtherType(family)) => Layer::Named(netlink(family)),
        (Some(RADIOTAP), Layer::EtherType(_)) => Layer::Link(LinkType::IEEE802_11_RADIOTAP),
        (_, Layer::EtherType(1)) => Layer::Named("IPX".into()),
        (_, Layer::EtherType(4)) => Layer::Llc,
        (_, Layer::EtherType(0x0c | 0x0d)) => pseudo::can(*view),
        (_, other) => other,
    }
}

fn netlink(family: u16) -> String {
    let name = match family {
        0 => "route",
        4 => "socket diagnostics",
        12 => "netfilter",
        15 => "device events",
        16 => "generic",
        _ => return format!("netlink family {family}"),
    };
    format!("netlink {name}")
}
