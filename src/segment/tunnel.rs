//! Tunnels: packets and frames within an IP packet.

use super::Found;
use super::ip::Ip;
use super::layer::{LAYERS_MAX, Layer, Peeled};
use super::view::View;
use crate::capture::LinkType;

/// A tunnel's name, and what is in it.
type Inner<'a> = (String, Layer, View<'a>);

/// The packet within an IP packet, if it is a tunnel's.
pub(super) fn within_ip<'a>(ip: &Ip<'a>, peeled: &mut Peeled) -> Option<Found<'a>> {
    let view = ip.payload;
    let (name, layer, inner) = match ip.protocol {
        4 | 41 => ("IP in IP".to_string(), Layer::Ip, view),
        47 => gre(view)?,
        // RFC 3378.
        97 => ("EtherIP".to_string(), Layer::Ethernet, view.skip(2)),
        137 => ("MPLS in IP".to_string(), Layer::EtherType(0x8847), view),
        17 => within_udp(view)?,
        _ => return None,
    };
    peeled.layers.push(format!("{name} {} > {}", ip.from, ip.to));
    // The addresses within are of other hosts than the tunnel's.
    (peeled.from, peeled.to) = (None, None);
    Some(Found::Within(layer, inner))
}

/// RFC 1701, 2784 and 2890; of version 1, PPTP's (RFC 2637).
fn gre(view: View<'_>) -> Option<Inner<'_>> {
    const SEQUENCE: u16 = 0x1000;
    const ROUTING: u16 = 0x4000;
    let (flags, number) = (view.u16(0)?, view.u16(2)?);
    let version = flags & 7;
    let has = |bit: u16, len: usize| if flags & bit == 0 { 0 } else { len };
    let len = match version {
        0 => 4 + has(0x8000 | ROUTING, 4) + has(0x2000, 4) + has(SEQUENCE, 4),
        1 => 8 + has(SEQUENCE, 4) + has(0x0080, 4),
        _ => return None,
    };
    let mut inner = view.skip(len);
    if version == 0 && flags & ROUTING != 0 {
        // Source routes, up to the one without any length.
        for _ in 0..LAYERS_MAX {
            let route = usize::from(inner.u8(3)?);
            inner = inner.skip(4 + route);
            if route == 0 {
                break;
            }
        }
    }
    let layer = match number {
        // ERSPAN: type I has no header of its own, nor a sequence number; type III may have another part.
        0x88be => {
            inner = inner.skip(has(SEQUENCE, 8));
            Layer::Ethernet
        }
        0x22eb => {
            let more = inner.u16(10)? & 1 != 0;
            inner = inner.skip(if more { 20 } else { 12 });
            Layer::Ethernet
        }
        // WCCP, of which version 2 has a header.
        0x883e => {
            inner = inner.skip(if inner.u8(0)? >> 4 == 4 { 0 } else { 4 });
            Layer::Ip
        }
        // Aruba's access points.
        0x8200..=0x8210 => Layer::Link(LinkType::IEEE802_11),
        number => Layer::EtherType(number),
    };
    let name = if matches!(number, 0x88be | 0x22eb) { "ERSPAN" } else { "GRE" };
    // An acknowledgement alone carries nothing.
    (inner.len > 0).then(|| (name.to_string(), layer, inner))
}

/// Those over UDP, by port and by what their headers have to be.
fn within_udp(view: View<'_>) -> Option<Inner<'_>> {
    let (source, port, body) = (view.u16(0)?, view.u16(2)?, view.skip(8));
    match (source, port) {
        (_, 4789 | 8472 | 4790) => vxlan(port, body),
        (_, 6081) => geneve(body),
        (_, 2152) | (2152, _) => gtp(body),
        (_, 1701) | (1701, _) => l2tp(body),
        (_, 3544) | (3544, _) => teredo(body),
        // RFC 9300, 5.1.
        (_, 4341) => ip("LISP".to_string(), body.skip(8)),
        (_, 4754) => gre(body),
        (_, 5072) | (5072, _) => ayiya(body),
        (_, 6635) => Some(("MPLS in UDP".to_string(), Layer::EtherType(0x8847), body)),
        (_, 37008) => tzsp(body),
        _ => None,
    }
}

/// What has to be an IP packet.
fn ip(name: String, inner: View<'_>) -> Option<Inner<'_>> {
    matches!(inner.u8(0)? >> 4, 4 | 6).then_some((name, Layer::Ip, inner))
}

/// VXLAN (RFC 7348), with the bits of group policies or not, and its generic extension.
fn vxlan(port: u16, view: View<'_>) -> Option<Inner<'_>> {
    let (flags, network) = (view.u8(0)?, view.u32(4)? >> 8);
    let inner = view.skip(8);
    let layer = match (port, view.u8(3)?) {
        (4790, 1 | 2) => Layer::Ip,
        (4790, 3) => Layer::Ethernet,
        (4790, 4) => Layer::EtherType(0x894f),
        (4790, _) => return None,
        // Of the others, none matters to a receiver.
        _ if flags & 0x08 == 0 => return None,
        _ => Layer::Ethernet,
    };
    Some((format!("VXLAN {network}"), layer, inner))
}

/// RFC 8926, 3.4.
fn geneve(view: View<'_>) -> Option<Inner<'_>> {
    let (first, network) = (view.u32(0)?, view.u32(4)? >> 8);
    let options = (first >> 24 & 0x3f) as usize * 4;
    let layer = Layer::EtherType(first as u16);
    (first >> 30 == 0).then(|| (format!("Geneve {network}"), layer, view.skip(8 + options)))
}

/// A packet of GTP's user plane (3GPP TS 29.281, 5.1), behind its extension headers.
fn gtp(view: View<'_>) -> Option<Inner<'_>> {
    const PACKET: u8 = 255;
    let (flags, kind, tunnel) = (view.u8(0)?, view.u8(1)?, view.u32(4)?);
    if flags & 0xf0 != 0x30 || kind != PACKET {
        return None;
    }
    let mut inner = view.skip(8);
    if flags & 7 != 0 {
        let mut next = inner.u8(3)?;
        inner = inner.skip(4);
        for _ in 0..LAYERS_MAX {
            if flags & 4 == 0 || next == 0 {
                break;
            }
            let len = usize::from(inner.u8(0)?) * 4;
            next = inner.u8(len.checked_sub(1)?)?;
            inner = inner.skip(len);
        }
    }
    ip(format!("GTP {tunnel:#x}"), inner)
}

/// RFC 2661, 3.1.
fn l2tp(view: View<'_>) -> Option<Inner<'_>> {
    let flags = view.u16(0)?;
    let control = flags & 0x8000 != 0;
    if control || flags & 0xf != 2 {
        return None;
    }
    let at = if flags & 0x4000 == 0 { 2 } else { 4 };
    let (tunnel, session) = (view.u16(at)?, view.u16(at + 2)?);
    let mut inner = view.skip(at + 4 + if flags & 0x0800 == 0 { 0 } else { 4 });
    if flags & 0x0200 != 0 {
        let padding = usize::from(inner.u16(0)?);
        inner = inner.skip(2 + padding);
    }
    Some((format!("L2TP {tunnel}/{session}"), Layer::Ppp, inner))
}

/// RFC 4380, 5.1.1.
fn teredo(view: View<'_>) -> Option<Inner<'_>> {
    let mut inner = view;
    if inner.u16(0)? == 1 {
        let lengths = usize::from(inner.u8(2)?) + usize::from(inner.u8(3)?);
        inner = inner.skip(13 + lengths);
    }
    if inner.u16(0)? == 0 {
        inner = inner.skip(8);
    }
    ip("Teredo".to_string(), inner)
}

/// AYIYA (`draft-massar-v6ops-ayiya`): identity and signature of lengths that are said before them.
fn ayiya(view: View<'_>) -> Option<Inner<'_>> {
    const FORWARD: u8 = 1;
    let [identity, signature, operation, next] = view.array(0)?;
    let len = 8 + (1 << (identity >> 4)) + usize::from(signature >> 4) * 4;
    (operation & 0xf == FORWARD && matches!(next, 4 | 41)).then_some(())?;
    ip("AYIYA".to_string(), view.skip(len))
}

/// `TaZmen` Sniffer Protocol: tags up to an end, then a frame.
fn tzsp(view: View<'_>) -> Option<Inner<'_>> {
    const RECEIVED: [u8; 2] = [1, 0];
    (view.array(0)? == RECEIVED).then_some(())?;
    let layer = match view.u16(2)? {
        1 => Layer::Ethernet,
        18 => Layer::Link(LinkType::IEEE802_11),
        _ => return None,
    };
    let mut inner = view.skip(4);
    for _ in 0..64 {
        match inner.u8(0)? {
            0 => inner = inner.skip(1),
            1 => return Some(("TZSP".to_string(), layer, inner.skip(1))),
            _ => inner = inner.skip(2 + usize::from(inner.u8(1)?)),
        }
    }
    None
}
