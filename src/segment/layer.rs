//! What comes next in a frame, and what was taken off before it.

use smoltcp::wire::EthernetAddress;

use super::view::View;
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

/// The next layer by the `EtherType` at `at`, behind a header of `len` bytes.
pub(super) fn ethertype(view: &mut View<'_>, at: usize, len: usize) -> Layer {
    let next = view.u16(at).map_or(Layer::Broken, Layer::EtherType);
    *view = view.skip(len);
    next
}
