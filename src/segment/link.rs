//! What a frame begins with, by the capture's link type: addresses, and what comes next.

use smoltcp::wire::EthernetAddress;

use super::layer::{Layer, Peeled};
use super::view::View;
use super::wifi;
use crate::capture::LinkType;

/// Takes the link's header off. `None` for a link that is not read.
pub(super) fn first(link: LinkType, view: &mut View<'_>, peeled: &mut Peeled) -> Option<Layer> {
    Some(match link {
        LinkType::ETHERNET => Layer::Ethernet,
        LinkType::RAW
        | LinkType::RAW_BSD
        | LinkType::RAW_OPENBSD
        | LinkType::IPV4
        | LinkType::IPV6 => Layer::Ip,
        LinkType::NULL | LinkType::LOOP => loopback(view),
        LinkType::PPP | LinkType::PPP_HDLC | LinkType::C_HDLC => Layer::Ppp,
        LinkType::PPP_WITH_DIR => {
            *view = view.skip(1);
            Layer::Ppp
        }
        LinkType::PPP_ETHER => Layer::EtherType(0x8864),
        LinkType::ATM_RFC1483 => Layer::Llc,
        LinkType::LINUX_SLL => cooked(view, peeled, (6, 4, 14), 16),
        LinkType::LINUX_SLL2 => cooked(view, peeled, (12, 11, 0), 20),
        LinkType::APPLE_IP_OVER_IEEE1394 => ethertype(view, 16, 18),
        LinkType::IEEE802_11 => wifi::frame(view, peeled, false),
        LinkType::IEEE802_11_RADIOTAP => wifi::radiotap(view, peeled),
        _ => return None,
    })
}

/// The next layer by the `EtherType` at `at`, behind a header of `len` bytes.
pub(super) fn ethertype(view: &mut View<'_>, at: usize, len: usize) -> Layer {
    let next = view.u16(at).map_or(Layer::Broken, Layer::EtherType);
    *view = view.skip(len);
    next
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

/// Linux cooked headers: the sender's address at the first place, its length's last byte before it or as given,
/// and the `EtherType`; a frame that is not of Ethernet's kind has a number that is no `EtherType`.
fn cooked(
    view: &mut View<'_>,
    peeled: &mut Peeled,
    (address, address_len, protocol): (usize, usize, usize),
    len: usize,
) -> Layer {
    let address_len = match address_len {
        4 => view.u16(4),
        at => view.u8(at).map(u16::from),
    };
    if address_len == Some(6) {
        peeled.from = view.array(address).map(EthernetAddress);
    }
    match ethertype(view, protocol, len) {
        Layer::EtherType(1) => Layer::Named("IPX".into()),
        Layer::EtherType(4) => Layer::Llc,
        other => other,
    }
}
