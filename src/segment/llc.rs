//! Logical link control: what is in a frame by IEEE 802's numbers, SNAP's and ISO's.

use super::layer::Layer;
use super::names;
use super::view::View;

/// LLC, and SNAP within (RFC 1042).
pub(super) fn llc(view: &mut View<'_>) -> Layer {
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
