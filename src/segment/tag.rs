//! Tags between Ethernet's header and what it carries, and Ethernet within Ethernet.

use super::layer::{Layer, Peeled, ethertype};
use super::view::View;
use super::wifi;

/// Bytes of Cisco's ISL before the frame.
pub(super) const ISL_LEN: usize = 26;

/// The VLAN of a frame in Cisco's ISL, which is told by its group address.
pub(super) fn isl(view: View<'_>) -> Option<u16> {
    let group = matches!(view.array(0)?, [1 | 3, 0, 0x0c, 0, 0]);
    let vlan = view.u16(20)? >> 1;
    (group && view.array(14)? == [0xaa, 0xaa, 3]).then_some(vlan)
}

/// Takes off what begins with this `EtherType`, if it is a tag's.
pub(super) fn tagged(number: u16, view: &mut View<'_>, peeled: &mut Peeled) -> Option<Layer> {
    // Bytes before the next `EtherType`.
    let (name, len) = match number {
        0x8926 => ("VN-tag", 4),
        // IEEE 802.1BR.
        0x893f => ("E-tag", 6),
        0x8909 => ("Cisco metadata", 6),
        // IEC 62439-3, and IEEE 802.1CB.
        0x892f => ("HSR", 4),
        0xf1c1 => ("R-tag", 4),
        0xdada => ("DSA", 6),
        _ => return within(number, view, peeled),
    };
    peeled.layers.push(name.into());
    Some(ethertype(view, len, len + 2))
}

/// What has more than an `EtherType` in it.
fn within(number: u16, view: &mut View<'_>, peeled: &mut Peeled) -> Option<Layer> {
    let (name, len, layer) = match number {
        0x22f3 => {
            // Options, in words (RFC 6325, 3).
            let options = view.u16(0)? >> 6 & 0x1f;
            ("TRILL".into(), 6 + usize::from(options) * 4, Layer::Ethernet)
        }
        0x4305 => {
            // A unicast packet of version 15; the others are the protocol's own.
            (view.array(0)? == [0x40, 15]).then_some(())?;
            ("B.A.T.M.A.N.".into(), 10, Layer::Ethernet)
        }
        // IEEE 802.1ah.
        0x88e7 => (format!("PBB {}", view.u32(0)? & 0xff_ffff), 4, Layer::Ethernet),
        0x88e5 => return Some(macsec(view, peeled)),
        0x8903 => ("FabricPath".into(), 2, Layer::Ethernet),
        0x894f => {
            // RFC 8300, 2.2.
            let layer = match view.u8(3)? {
                1 | 2 => Layer::Ip,
                3 => Layer::Ethernet,
                4 => Layer::EtherType(0x894f),
                5 => Layer::EtherType(0x8847),
                _ => return None,
            };
            let path = view.u32(4)? >> 8;
            (format!("NSH path {path}"), usize::from(view.u16(0)? & 0x3f) * 4, layer)
        }
        // A length that is too large to be one.
        0x8870 => return Some(Layer::Llc),
        // What a card makes of 802.11's frames.
        0x2452 => return Some(wifi::decrypted(view, peeled)),
        _ => return None,
    };
    peeled.layers.push(name);
    *view = view.skip(len);
    Some(layer)
}

/// IEEE 802.1AE: a tag of 6 or 14 bytes, and what it protects, if that is not encrypted.
fn macsec(view: &mut View<'_>, peeled: &mut Peeled) -> Layer {
    const ENCRYPTED: u8 = 0x0c;
    const CHANNEL: u8 = 0x20;
    match view.u8(0) {
        Some(flags) if flags & ENCRYPTED == 0 => {
            let len = if flags & CHANNEL == 0 { 6 } else { 14 };
            peeled.layers.push("MACsec".into());
            ethertype(view, len, len + 2)
        }
        Some(_) => Layer::Named("MACsec, encrypted".into()),
        None => Layer::Broken,
    }
}
