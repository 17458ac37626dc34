//! Encapsulations: what is taken off, one after another, until there is something to be shown.

use smoltcp::wire::EthernetAddress;

use super::view::View;
use super::{link, names, tag};
use crate::capture::LinkType;

/// Layers of a frame that are taken off; what is deeper is not looked at.
pub(super) const LAYERS_MAX: usize = 16;

/// What comes next in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// A frame of that link.
    Link(LinkType),
    Ethernet,
    EtherType(u16),
    Llc,
    Ppp,
    /// IP of the version that its first byte says.
    Ip,
    Arp,
    /// A protocol that is known by name only.
    Named(String),
    Broken,
}

/// What was taken off.
#[derive(Clone, Debug, Default)]
pub(super) struct Peeled {
    /// The sender's MAC address.
    pub(super) from: Option<EthernetAddress>,
    /// The receiver's.
    pub(super) to: Option<EthernetAddress>,
    /// Encapsulations by name, from the outside.
    pub(super) layers: Vec<String>,
}

impl Peeled {
    /// Takes off what is between a link and IP. `Err` with what is left to be shown.
    pub(super) fn peel(&mut self, layer: Layer, view: &mut View<'_>) -> Result<Layer, Layer> {
        match layer {
            Layer::Link(link) => {
                Ok(link::first(link, view, self).unwrap_or_else(|| Layer::Named(link.to_string())))
            }
            Layer::Ethernet => Ok(self.ethernet(view)),
            Layer::EtherType(number) => self.ethertype(number, view),
            Layer::Llc => Ok(llc(view)),
            Layer::Ppp => Ok(ppp(view)),
            last => Err(last),
        }
    }

    fn ethernet(&mut self, view: &mut View<'_>) -> Layer {
        if let Some(vlan) = tag::isl(*view) {
            self.layers.push(format!("ISL vlan {vlan}"));
            *view = view.skip(tag::ISL_LEN);
            return Layer::Ethernet;
        }
        // A capture of loopback has zeros, which are nobody's.
        let address = |at| view.array(at).filter(|mac| *mac != [0; 6]).map(EthernetAddress);
        (self.to, self.from) = (address(0), address(6));
        link::ethertype(view, 12, 14)
    }

    fn ethertype(&mut self, number: u16, view: &mut View<'_>) -> Result<Layer, Layer> {
        Ok(match number {
            // A length, as IEEE 802.3 has it.
            0..=1500 => {
                *view = view.limit(number.into());
                Layer::Llc
            }
            0x0800 | 0x86dd => Layer::Ip,
            // ARP and RARP.
            0x0806 | 0x8035 => Layer::Arp,
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                let tag = view.u16(0).ok_or(Layer::Broken)?;
                self.layers.push(format!("vlan {}", tag & 0xfff));
                link::ethertype(view, 2, 4)
            }
            0x8847 | 0x8848 => self.mpls(view),
            0x8863 => Layer::Named(pppoe_discovery(*view)),
            0x8864 => {
                let session = view.u16(2).ok_or(Layer::Broken)?;
                let len = view.u16(4).ok_or(Layer::Broken)?;
                self.layers.push(format!("PPPoE session {session}"));
                *view = view.skip(6).limit(len.into());
                Layer::Ppp
            }
            0x880b => Layer::Ppp,
            0x6558 => Layer::Ethernet,
            0x88cc => Layer::Named(lldp(*view)),
            other => tag::tagged(other, view, self)
                .unwrap_or_else(|| Layer::Named(names::ethertype(other))),
        })
    }

    /// Labels up to the bottom of the stack (RFC 3032); what follows is told by its first bits.
    fn mpls(&mut self, view: &mut View<'_>) -> Layer {
        let mut labels = Vec::new();
        loop {
            let Some(entry) = view.u32(0) else { return Layer::Broken };
            *view = view.skip(4);
            labels.push((entry >> 12).to_string());
            if entry & 0x100 != 0 || labels.len() >= LAYERS_MAX {
                break;
            }
        }
        self.layers.push(format!("MPLS {}", labels.join(" ")));
        match view.u8(0).map(|byte| byte >> 4) {
            Some(4 | 6) => Layer::Ip,
            // A pseudowire's control word (RFC 4385).
            Some(0) => {
                *view = view.skip(4);
                Layer::Ethernet
            }
            Some(1) => Layer::Named("pseudowire associated channel".into()),
            Some(_) => Layer::Ethernet,
            None => Layer::Broken,
        }
    }
}

/// LLC, and SNAP within (RFC 1042).
fn llc(view: &mut View<'_>) -> Layer {
    let Some([to, from]) = view.array(0) else { return Layer::Broken };
    if (to, from) == (0x42, 0x42) {
        return Layer::Named(stp(view.skip(3)));
    }
    if (to, from) == (0x06, 0x06) {
        *view = view.skip(3);
        return Layer::Ip;
    }
    if (to, from) == (0xfe, 0xfe) && view.u8(2) == Some(3) {
        let protocol = view.u8(3);
        *view = view.skip(4);
        return protocol.map_or(Layer::Broken, |number| nlpid(number, view));
    }
    if (to & 0xfe, from & 0xfe) != (0xaa, 0xaa) {
        return Layer::Named(names::llc(to & 0xfe | u8::from(to == 0xff)));
    }
    *view = view.skip(3);
    // RFC 2684, 5.2: behind the header of a frame that is bridged over ATM stand two bytes of padding.
    snap(view, 2)
}

/// What ISO's number says (RFC 2427 and 2684).
pub(super) fn nlpid(number: u8, view: &mut View<'_>) -> Layer {
    match number {
        0xcc | 0x8e => Layer::Ip,
        0x80 => snap(view, 0),
        0xcf => Layer::Ppp,
        0x08 => Layer::Named("Q.933".into()),
        0x81 => Layer::Named("CLNP".into()),
        0x82 => Layer::Named("ES-IS".into()),
        0x83 => Layer::Named("IS-IS".into()),
        0xb1 => Layer::Named("Frame Relay fragment".into()),
        other => Layer::Named(format!("ISO protocol {other:#04x}")),
    }
}

/// SNAP: an organization and a number of its own; before a bridged frame stands that much padding.
fn snap(view: &mut View<'_>, padding: usize) -> Layer {
    let (Some(organization), Some(number)) = (view.array(0), view.u16(3)) else {
        return Layer::Broken;
    };
    *view = view.skip(5);
    match organization {
        // Encapsulated Ethernet, and Apple's and the bridge tunnel's of it.
        [0, 0, 0 | 0xf8] if number > 1500 => Layer::EtherType(number),
        // With its check sequence, and without.
        [0, 0x80, 0xc2] if number == 1 || number == 7 => {
            *view = view.skip(padding);
            Layer::Ethernet
        }
        organization => Layer::Named(names::snap(organization, number)),
    }
}

/// PPP (RFC 1661), with or without the framing of RFC 1662, and Cisco's HDLC in its place.
fn ppp(view: &mut View<'_>) -> Layer {
    match view.array(0) {
        Some([0xff, 0x03]) => *view = view.skip(2),
        Some([0x0f | 0x8f, 0]) => {
            return match link::ethertype(view, 2, 4) {
                Layer::EtherType(0x8035) => Layer::Named("Cisco SLARP".into()),
                other => other,
            };
        }
        _ => {}
    }
    let Some(first) = view.u8(0) else { return Layer::Broken };
    // A number whose first byte is odd is compressed to that byte.
    let (number, len) = if first & 1 == 1 {
        (u16::from(first), 1)
    } else {
        match view.u16(0) {
            Some(number) => (number, 2),
            None => return Layer::Broken,
        }
    };
    *view = view.skip(len);
    match number {
        0x0021 | 0x0057 => Layer::Ip,
        0x0281 | 0x0283 => Layer::EtherType(0x8847),
        0x0031 => Layer::Named("PPP bridged".into()),
        other => Layer::Named(names::ppp(other)),
    }
}

/// RFC 2516, 5.
fn pppoe_discovery(view: View<'_>) -> String {
    let name = match view.u8(1) {
        Some(0x09) => "PADI",
        Some(0x07) => "PADO",
        Some(0x19) => "PADR",
        Some(0x65) => "PADS",
        Some(0xa7) => "PADT",
        _ => "discovery",
    };
    format!("PPPoE {name}")
}

/// IEEE 802.1AB: the system's name and the port's, as far as they are text.
fn lldp(view: View<'_>) -> String {
    let (mut port, mut system) = (None, None);
    let mut rest = view;
    for _ in 0..LAYERS_MAX {
        let Some(header) = rest.u16(0) else { break };
        let (kind, len) = (header >> 9, usize::from(header & 0x1ff));
        let value = rest.skip(2).limit(len).bytes;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match (kind, value) {
            (0, _) => break,
            // Interface alias, name, and what is locally assigned.
            (2, [1 | 5 | 7, name @ ..]) => port = Some(text(name)),
            (5, name) => system = Some(text(name)),
            _ => {}
        }
        rest = rest.skip(2 + len);
    }
    let mut out = "LLDP".to_string();
    for part in [system, port].into_iter().flatten() {
        out.push(' ');
        out.push_str(&part);
    }
    out
}

/// IEEE 802.1D, 9.3.
fn stp(view: View<'_>) -> String {
    let name = match (view.u8(2), view.u8(3)) {
        (Some(0), Some(0x80)) => "STP topology change",
        (Some(2), _) => "RSTP",
        (Some(3), _) => "MSTP",
        _ => "STP",
    };
    name.to_string()
}
