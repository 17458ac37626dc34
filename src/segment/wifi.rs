//! IEEE 802.11 (IEEE 802.11-2020, 9.2), as far as data frames go; the others by name.

use smoltcp::wire::EthernetAddress;

use super::layer::{Layer, Peeled};
use super::view::View;
use crate::capture::LinkType;

const MANAGEMENT: [&str; 14] = [
    "association request",
    "association response",
    "reassociation request",
    "reassociation response",
    "probe request",
    "probe response",
    "timing advertisement",
    "management",
    "beacon",
    "ATIM",
    "disassociation",
    "authentication",
    "deauthentication",
    "action",
];
/// From subtype 8 on.
const CONTROL: [&str; 8] =
    ["block ACK request", "block ACK", "PS-Poll", "RTS", "CTS", "ACK", "CF-End", "CF-End + CF-ACK"];

/// Behind a radiotap header, whose length is in it; of its fields, whether a frame's header is padded matters.
pub(super) fn radiotap(view: &mut View<'_>, peeled: &mut Peeled) -> Layer {
    const TIME: u32 = 1;
    const FLAGS: u32 = 2;
    const MORE: u32 = 1 << 31;
    let little = |view: View<'_>, at| view.array(at).map(u32::from_le_bytes);
    let Some(len) = view.array(2).map(u16::from_le_bytes) else {
        return Layer::Broken;
    };
    let present = little(*view, 4).unwrap_or(0);
    let mut at = 8;
    let mut word = present;
    while word & MORE != 0 && at < usize::from(len) {
        word = little(*view, at).unwrap_or(0);
        at += 4;
    }
    if present & TIME != 0 {
        at = at.next_multiple_of(8) + 8;
    }
    let flags = if present & FLAGS == 0 { None } else { view.u8(at) };
    *view = view.skip(len.into());
    frame(view, peeled, flags.is_some_and(|flags| flags & 0x20 != 0))
}

/// Behind Prism's header, which is as long as it says in either byte order, or AVS's in its place.
pub(super) fn prism(view: &mut View<'_>) -> Layer {
    let (Some(magic), Some(len)) = (view.u32(0), view.u32(4)) else { return Layer::Broken };
    let len = if magic >> 12 == 0x80211 { len } else { len.min(len.swap_bytes()) };
    *view = view.skip(len as usize);
    Layer::Link(LinkType::IEEE802_11)
}

pub(super) fn frame(view: &mut View<'_>, peeled: &mut Peeled, padded: bool) -> Layer {
    read(view, peeled, padded, false)
}

/// A frame that its card has decrypted, whatever it says of itself.
pub(super) fn decrypted(view: &mut View<'_>, peeled: &mut Peeled) -> Layer {
    read(view, peeled, false, true)
}

fn read(view: &mut View<'_>, peeled: &mut Peeled, padded: bool, decrypted: bool) -> Layer {
    let (Some(first), Some(flags)) = (view.u8(0), view.u8(1)) else {
        return Layer::Broken;
    };
    let (kind, subtype) = (first >> 2 & 3, usize::from(first >> 4));
    let address = |at| view.array(at).map(EthernetAddress);
    let (to_ds, from_ds) = (flags & 1 != 0, flags & 2 != 0);
    peeled.to = address(if to_ds { 16 } else { 4 });
    peeled.from = address(match (to_ds, from_ds) {
        (true, true) => 24,
        (false, true) => 16,
        _ => 10,
    });
    let name = match kind {
        0 => MANAGEMENT.get(subtype).unwrap_or(&"management"),
        1 => subtype.checked_sub(8).and_then(|at| CONTROL.get(at)).unwrap_or(&"control"),
        2 if subtype & 4 != 0 => &"data without data",
        2 if flags & 0x40 != 0 && !decrypted => &"data, encrypted",
        2 => {
            let quality = subtype & 8 != 0;
            let mut len = if to_ds && from_ds { 30 } else { 24 };
            if quality {
                // Its own field, and with the order flag the one for high throughput.
                len += if flags & 0x80 == 0 { 2 } else { 6 };
            }
            // What encryption puts before the data: longer, if the bit for that is set.
            if flags & 0x40 != 0 {
                len += if view.u8(len + 3).is_some_and(|key| key & 0x20 != 0) { 8 } else { 4 };
            }
            // Several of them in one: the first.
            let aggregated = quality
                && view
                    .u8(if to_ds && from_ds { 30 } else { 24 })
                    .is_some_and(|control| control & 0x80 != 0);
            if padded {
                len = usize::next_multiple_of(len, 4);
            }
            *view = view.skip(len);
            if aggregated {
                (peeled.to, peeled.from) =
                    (view.array(0).map(EthernetAddress), view.array(6).map(EthernetAddress));
                let Some(len) = view.u16(12) else { return Layer::Broken };
                *view = view.skip(14).limit(len.into());
                peeled.layers.push("A-MSDU".into());
            }
            return Layer::Llc;
        }
        _ => &"extension",
    };
    // Of a control frame only the receiver is sure.
    if kind == 1 {
        peeled.from = if subtype < 12 { peeled.from } else { None };
    }
    Layer::Named(format!("802.11 {name}"))
}
