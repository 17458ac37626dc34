//! What a capturing system puts before a frame, or has in place of a link's header.

use smoltcp::wire::EthernetAddress;

use super::layer::{LAYERS_MAX, Layer, Peeled, ethertype};
use super::view::View;
use crate::capture::LinkType;

fn little(view: View<'_>, at: usize) -> Option<u32> {
    view.array(at).map(u32::from_le_bytes)
}

/// Takes such a header off. `None` for a link that is not read.
pub(super) fn first(link: LinkType, view: &mut View<'_>, peeled: &mut Peeled) -> Option<Layer> {
    Some(match link {
        LinkType::TOKEN_RING => token_ring(view, peeled),
        LinkType::ARCNET => arcnet(view, 2),
        LinkType::ARCNET_LINUX => arcnet(view, 4),
        LinkType::IP_OVER_FC => {
            (peeled.to, peeled.from) = (mac(*view, 2), mac(*view, 10));
            *view = view.skip(16);
            Layer::Llc
        }
        LinkType::SUNATM => sun_atm(view),
        LinkType::DOCSIS => docsis(view),
        LinkType::ENC => skipped(view, 12, Layer::Ip),
        LinkType::PFLOG => {
            // The length does not count the padding.
            let len = view.u8(0).unwrap_or(0);
            skipped(view, usize::from(len).next_multiple_of(4), Layer::Ip)
        }
        LinkType::IPNET => skipped(view, 24, Layer::Ip),
        LinkType::IPOIB => ethertype(view, 40, 44),
        LinkType::NETANALYZER | LinkType::BROADCOM_PREPENDED => skipped(view, 4, Layer::Ethernet),
        LinkType::NETANALYZER_TRANSPARENT => skipped(view, 12, Layer::Ethernet),
        LinkType::MPACKET if view.u8(7) == Some(0xd5) => skipped(view, 8, Layer::Ethernet),
        LinkType::MPACKET => Layer::Named("Ethernet, preempted".into()),
        LinkType::DSA | LinkType::BROADCOM => tagged(view, peeled, 4),
        LinkType::EDSA => tagged(view, peeled, 8),
        LinkType::ERF => erf(view),
        LinkType::PPI => {
            let (len, link) = (view.array(2), little(*view, 4));
            inner(view, len.map(u16::from_le_bytes).map(usize::from), link)
        }
        LinkType::PKTAP | LinkType::USER2 => return pktap(link, view),
        LinkType::EXPORTED_PDU => exported(view),
        LinkType::CAN => can(*view),
        LinkType::IEEE802_15_4 | LinkType::IEEE802_15_4_WITHOUT_FCS => wpan(*view),
        LinkType::IEEE802_15_4_TAP => {
            let len = view.array(2).map_or(0, u16::from_le_bytes);
            wpan(view.skip(len.into()))
        }
        LinkType(number) => return juniper(number, view),
    })
}

fn mac(view: View<'_>, at: usize) -> Option<EthernetAddress> {
    view.array(at).map(EthernetAddress)
}

fn skipped(view: &mut View<'_>, len: usize, layer: Layer) -> Layer {
    *view = view.skip(len);
    layer
}

/// A frame of the link that is said, behind that many bytes.
fn inner(view: &mut View<'_>, len: Option<usize>, link: Option<u32>) -> Layer {
    let (Some(len), Some(link)) = (len, link.and_then(|link| u16::try_from(link).ok())) else {
        return Layer::Broken;
    };
    skipped(view, len, Layer::Link(LinkType(link)))
}

/// IEEE 802.5; where the sender's group bit is set, a route stands behind the addresses.
fn token_ring(view: &mut View<'_>, peeled: &mut Peeled) -> Layer {
    let (Some(control), Some(mut from)) = (view.u8(1), view.array::<6>(8)) else {
        return Layer::Broken;
    };
    let routed = from[0] & 0x80 != 0;
    from[0] &= 0x7f;
    (peeled.to, peeled.from) = (mac(*view, 2), Some(EthernetAddress(from)));
    let route = if routed { view.u8(14).unwrap_or(0) & 0x1f } else { 0 };
    let layer = if control >> 6 == 1 { Layer::Llc } else { Layer::Named("Token Ring MAC".into()) };
    skipped(view, 14 + usize::from(route), layer)
}

/// ARCNET with its protocol at `at`: of RFC 1051, or with the fragments' header of RFC 1201.
fn arcnet(view: &mut View<'_>, at: usize) -> Layer {
    let (Some(protocol), flag) = (view.u8(at), view.u8(at + 1)) else {
        return Layer::Broken;
    };
    let old = matches!(protocol, 0xf0 | 0xf1);
    let len = match flag {
        _ if old => 1,
        // Four bytes that only fill up a frame of a length that there is not.
        Some(0xff) => 8,
        _ => 4,
    };
    *view = view.skip(at + len);
    match protocol {
        0xd4 | 0xf0 => Layer::Ip,
        0xc4 => Layer::EtherType(0x86dd),
        0xd5 | 0xf1 => Layer::Arp,
        0xcd => Layer::Named("BACnet".into()),
        other => Layer::Named(format!("ARCNET protocol {other:#04x}")),
    }
}

fn sun_atm(view: &mut View<'_>) -> Layer {
    let kind = view.u8(0).map(|byte| byte & 0x0f);
    match kind {
        // LAN emulation: a control frame, or the client's number.
        Some(1) if view.u16(4) == Some(0xff00) => Layer::Named("ATM LANE".into()),
        Some(1) => skipped(view, 6, Layer::Ethernet),
        Some(2) => skipped(view, 4, Layer::Llc),
        Some(_) => Layer::Named("ATM".into()),
        None => Layer::Broken,
    }
}

/// Frames of Ethernet behind a header, which may be extended.
fn docsis(view: &mut View<'_>) -> Layer {
    let (Some(control), Some(parameter)) = (view.u8(0), view.u8(1)) else {
        return Layer::Broken;
    };
    let extension = if control & 1 == 0 { 0 } else { usize::from(parameter) };
    match control >> 6 {
        0 => skipped(view, 6 + extension, Layer::Ethernet),
        _ => Layer::Named("DOCSIS MAC".into()),
    }
}

/// A switch's tag of that many bytes between the addresses and the `EtherType`.
fn tagged(view: &mut View<'_>, peeled: &mut Peeled, len: usize) -> Layer {
    (peeled.to, peeled.from) = (mac(*view, 0), mac(*view, 6));
    ethertype(view, 12 + len, 14 + len)
}

/// Endace's format: a header of 16 bytes, others of 8 as long as their first bits say, and two bytes more before
/// Ethernet.
fn erf(view: &mut View<'_>) -> Layer {
    const MORE: u8 = 0x80;
    let Some(kind) = view.u8(8) else { return Layer::Broken };
    let (mut len, mut more) = (16, kind & MORE != 0);
    for _ in 0..LAYERS_MAX {
        if !more {
            break;
        }
        more = view.u8(len).is_some_and(|byte| byte & MORE != 0);
        len += 8;
    }
    match kind & !MORE {
        1 | 5 | 10 | 12 | 15 | 17 => skipped(view, len, Layer::Ppp),
        2 | 11 | 16 | 20 => skipped(view, len + 2, Layer::Ethernet),
        22 | 23 => skipped(view, len, Layer::Ip),
        21 => Layer::Named("InfiniBand".into()),
        other => Layer::Named(format!("ERF type {other}")),
    }
}

/// Apple's: its header's length and the link, in the byte order of who captured. It was a private number's, which
/// may be somebody else's.
fn pktap(link: LinkType, view: &mut View<'_>) -> Option<Layer> {
    const HEADER: std::ops::RangeInclusive<u32> = 108..=1024;
    let (len, below) = (little(*view, 0), little(*view, 8));
    if len.is_some_and(|len| HEADER.contains(&len)) {
        return Some(inner(view, len.map(|len| len as usize), below));
    }
    let len = view.u32(0);
    if len.is_some_and(|len| HEADER.contains(&len)) {
        let below = view.u32(8);
        return Some(inner(view, len.map(|len| len as usize), below));
    }
    (link == LinkType::PKTAP).then_some(Layer::Broken)
}

/// Wireshark's: tags up to an end, of which one is the protocol's name.
fn exported(view: &mut View<'_>) -> Layer {
    const PROTOCOL: u16 = 12;
    let mut name = None;
    for _ in 0..64 {
        let (Some(tag), Some(len)) = (view.u16(0), view.u16(2)) else { break };
        let value = view.skip(4).limit(len.into()).bytes;
        *view = view.skip(4 + usize::from(len));
        match tag {
            0 => break,
            PROTOCOL => {
                let text = String::from_utf8_lossy(value);
                name = Some(text.trim_end_matches('\0').to_string());
            }
            _ => {}
        }
    }
    match name.as_deref() {
        Some("ip" | "ipv6") => Layer::Ip,
        Some("eth" | "eth_withoutfcs") => Layer::Ethernet,
        Some(name) if !name.is_empty() => Layer::Named(name.to_string()),
        _ => Layer::Broken,
    }
}

/// Linux's CAN frames.
pub(super) fn can(view: View<'_>) -> Layer {
    let (Some(id), Some(len)) = (view.u32(0), view.u8(4)) else { return Layer::Broken };
    let name = match id >> 29 {
        flags if flags & 1 != 0 => "CAN error".to_string(),
        flags if flags & 4 != 0 => format!("CAN {:#010x}", id & 0x1fff_ffff),
        _ => format!("CAN {:#05x}", id & 0x7ff),
    };
    let request = if id & 0x4000_0000 == 0 { "" } else { " request" };
    let len = crate::output::counted(len, "byte");
    Layer::Named(format!("{name}{request} {len}"))
}

/// IEEE 802.15.4-2020, 7.2: what it is, and from whom to whom.
fn wpan(view: View<'_>) -> Layer {
    const KINDS: [&str; 4] = ["beacon", "data", "ACK", "command"];
    let Some(control) = view.array(0).map(u16::from_le_bytes) else { return Layer::Broken };
    let kind = KINDS.get(usize::from(control & 7)).unwrap_or(&"frame");
    let (compressed, numbered) =
        (control & 0x40 != 0, control & 0x100 == 0 || control >> 12 & 3 < 2);
    let mut at = if numbered { 3 } else { 2 };
    let mut address = |mode: u16, network: bool| {
        at += if network && mode > 1 { 2 } else { 0 };
        let text = match mode {
            2 => format!("{:#06x}", u16::from_le_bytes(view.array(at)?)),
            3 => format!("{:016x}", u64::from_le_bytes(view.array(at)?)),
            _ => return None,
        };
        at += if mode == 2 { 2 } else { 8 };
        Some(text)
    };
    let to = address(control >> 10 & 3, true);
    let from = address(control >> 14, !compressed);
    let ends = match (from, to) {
        (Some(from), Some(to)) => format!(" {from} > {to}"),
        (Some(from), None) => format!(" from {from}"),
        (None, Some(to)) => format!(" to {to}"),
        (None, None) => String::new(),
    };
    Layer::Named(format!("802.15.4 {kind}{ends}"))
}

/// Juniper's: three bytes by which it is told, flags, and perhaps a list; the link is in the link type.
fn juniper(number: u16, view: &mut View<'_>) -> Option<Layer> {
    const MAGIC: [u8; 3] = *b"MGC";
    const LIST: u8 = 0x80;
    const WITHOUT_LINK: u8 = 0x02;
    let layer = match LinkType(number) {
        LinkType::JUNIPER_ETHER => Layer::Ethernet,
        LinkType::JUNIPER_PPP | LinkType::JUNIPER_CHDLC => Layer::Ppp,
        LinkType::JUNIPER_FRELAY => Layer::Link(LinkType::FRELAY),
        LinkType(130..=137 | 164 | 167 | 168 | 182 | 183 | 194 | 200) => {
            Layer::Named(format!("Juniper {}", LinkType(number)))
        }
        _ => return None,
    };
    let (Some(magic), Some(flags)) = (view.array(0), view.u8(3)) else {
        return Some(Layer::Broken);
    };
    if magic != MAGIC {
        return Some(Layer::Broken);
    }
    let list = if flags & LIST == 0 { 0 } else { 2 + usize::from(view.u16(4).unwrap_or(0)) };
    *view = view.skip(4 + list);
    // The protocol's number, and the packet.
    Some(if flags & WITHOUT_LINK == 0 { layer } else { skipped(view, 4, Layer::Ip) })
}
