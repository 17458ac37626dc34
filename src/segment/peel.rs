//! Encapsulations: what is taken off, one after another, until there is something to be shown.

use smoltcp::wire::EthernetAddress;

use super::layer::{self, LAYERS_MAX, Layer, Peeled};
use super::view::View;
use super::{link, llc, names, tag};

impl Peeled {
    /// Takes off what is between a link and IP. `Err` with what is left to be shown.
    pub(super) fn peel(&mut self, layer: Layer, view: &mut View<'_>) -> Result<Layer, Layer> {
        match layer {
            Layer::Link(link) => {
                Ok(link::first(link, view, self).unwrap_or_else(|| Layer::Named(link.to_string())))
            }
            Layer::Ethernet => Ok(self.ethernet(view)),
            Layer::EtherType(number) => self.ethertype(number, view),
            Layer::Llc => Ok(llc::llc(view)),
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
        layer::ethertype(view, 12, 14)
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
                layer::ethertype(view, 2, 4)
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

/// PPP (RFC 1661), with or without the framing of RFC 1662, and Cisco's HDLC in its place.
fn ppp(view: &mut View<'_>) -> Layer {
    match view.array(0) {
        Some([0xff, 0x03]) => *view = view.skip(2),
        Some([0x0f | 0x8f, 0]) => {
            return match layer::ethertype(view, 2, 4) {
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
