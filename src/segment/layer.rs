//! Encapsulations: what is taken off, one after another, until there is something to be shown.

use smoltcp::wire::EthernetAddress;

use super::ip::Ip;
use super::view::View;
use super::{Found, link, names};

/// Layers of a frame that are taken off; what is deeper is not looked at.
pub(super) const LAYERS_MAX: usize = 16;

/// What comes next in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layer {
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
            Layer::Ethernet => Ok(self.ethernet(view)),
            Layer::EtherType(number) => self.ethertype(number, view),
            Layer::Llc => Ok(llc(view)),
            Layer::Ppp => Ok(ppp(view)),
            last => Err(last),
        }
    }

    fn ethernet(&mut self, view: &mut View<'_>) -> Layer {
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
            0x0806 => Layer::Arp,
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
            other => Layer::Named(names::ethertype(other)),
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
    if (to & 0xfe, from & 0xfe) != (0xaa, 0xaa) {
        return Layer::Named(names::llc(to & 0xfe | u8::from(to == 0xff)));
    }
    *view = view.skip(3);
    snap(view)
}

/// SNAP: an organization and a number of its own.
pub(super) fn snap(view: &mut View<'_>) -> Layer {
    let (Some(organization), Some(number)) = (view.array(0), view.u16(3)) else {
        return Layer::Broken;
    };
    *view = view.skip(5);
    match organization {
        // Encapsulated Ethernet, and Apple's and the bridge tunnel's of it.
        [0, 0, 0 | 0xf8] if number > 1500 => Layer::EtherType(number),
        [0, 0x80, 0xc2] if number == 7 => {
            *view = view.skip(2);
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

/// The packet within an IP packet, if it is a tunnel's.
pub(super) fn within_ip<'a>(ip: &Ip<'a>, peeled: &mut Peeled) -> Option<Found<'a>> {
    let view = ip.payload;
    let (name, layer, inner) = match ip.protocol {
        4 | 41 => ("IP in IP".to_string(), Layer::Ip, view),
        47 => gre(view)?,
        137 => ("MPLS in IP".to_string(), Layer::EtherType(0x8847), view),
        17 => within_udp(view)?,
        _ => return None,
    };
    peeled.layers.push(format!("{name} {} > {}", ip.from, ip.to));
    // The addresses within are of other hosts than the tunnel's.
    (peeled.from, peeled.to) = (None, None);
    Some(Found::Within(layer, inner))
}

/// RFC 2784 and 2890; of version 1, PPTP's (RFC 2637).
fn gre(view: View<'_>) -> Option<(String, Layer, View<'_>)> {
    let (flags, number) = (view.u16(0)?, view.u16(2)?);
    let has = |bit: u16, len: usize| if flags & bit == 0 { 0 } else { len };
    let len = match flags & 7 {
        0 => 4 + has(0x8000, 4) + has(0x2000, 4) + has(0x1000, 4),
        1 => 8 + has(0x1000, 4) + has(0x0080, 4),
        _ => return None,
    };
    let inner = view.skip(len);
    // An acknowledgement alone carries nothing.
    (inner.len > 0).then(|| ("GRE".to_string(), Layer::EtherType(number), inner))
}

/// VXLAN (RFC 7348) and Geneve (RFC 8926), by port and by what their headers have to be.
fn within_udp(view: View<'_>) -> Option<(String, Layer, View<'_>)> {
    let (port, first, network) = (view.u16(2)?, view.u32(8)?, view.u32(12)? >> 8);
    match port {
        4789 | 8472 if first == 0x0800_0000 => {
            Some((format!("VXLAN {network}"), Layer::Ethernet, view.skip(16)))
        }
        6081 if first >> 30 == 0 => {
            let options = (first >> 24 & 0x3f) as usize * 4;
            let layer = Layer::EtherType(first as u16);
            Some((format!("Geneve {network}"), layer, view.skip(16 + options)))
        }
        _ => None,
    }
}
