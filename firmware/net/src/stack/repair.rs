//! Frames that smoltcp 0.14 cannot read, but that are good, are copied without what it does not know: a VLAN tag that only
//! tells a priority (IEEE 802.1Q 9.6), IPv6 extension headers. Cost: a frame on the call stack, for those alone.

use smoltcp::phy::TxToken;
#[cfg(feature = "ipv6")]
use smoltcp::wire::IpProtocol;

use super::NetStack;
use super::refusal::IcmpError;
use super::transmit::MeteredToken;
use crate::frame::Medium;
#[cfg(feature = "ipv6")]
use crate::frame::extension::{self, Chain};
use crate::limits::FRAME_SIZE;

/// Where in a frame the type of its payload is.
const TYPE: usize = 12;
/// Behind that.
const HEADER: usize = 14;
const TAG: [u8; 2] = [0x81, 0];
#[cfg(feature = "ipv6")]
const IPV6: [u8; 2] = [0x86, 0xdd];
/// Type and tag.
const TAG_LEN: usize = 4;

/// What a frame was before it was repaired.
#[derive(Debug)]
pub(super) struct Before<'f> {
    /// From the IP header on.
    pub(super) packet: &'f [u8],
    /// Where in the packet its protocol is named.
    pub(super) named_at: u16,
    /// It had extension headers.
    extended: bool,
    problem: Option<Problem>,
}

/// What is to be said of a packet that cannot be read further.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem {
    pub(super) error: IcmpError,
    /// Even if it is for many.
    pub(super) to_all: bool,
}

impl Before<'_> {
    pub(super) const fn problem(&self) -> Option<Problem> {
        self.problem
    }

    /// Whether it may be a message about neighbours: RFC 6980 forbids fragments, and nobody has a use for other extension
    /// headers there.
    pub(super) const fn may_be_discovery(&self) -> bool {
        !self.extended
    }
}

/// Whether a frame is one of those.
pub(super) fn is_needed(bytes: &[u8], medium: Medium) -> bool {
    let begin = if medium == Medium::Ethernet { HEADER } else { 0 };
    (begin > 0 && is_priority_tagged(bytes)) || has_extensions(bytes, begin)
}

/// A tag with a priority and no VLAN. Those of a VLAN are not for us.
fn is_priority_tagged(bytes: &[u8]) -> bool {
    let tagged = bytes.get(TYPE..HEADER) == Some(&TAG);
    tagged && matches!(bytes.get(HEADER..HEADER + 2), Some([high, 0]) if high % 16 == 0)
}

#[cfg(feature = "ipv6")]
fn has_extensions(bytes: &[u8], begin: usize) -> bool {
    let is_ipv6 = match begin {
        0 => bytes.first().is_some_and(|first| first >> 4 == 6),
        _ => bytes.get(TYPE..HEADER) == Some(&IPV6),
    };
    is_ipv6 && bytes.get(begin + 6).is_some_and(|&protocol| extension::is_extension(protocol))
}

#[cfg(not(feature = "ipv6"))]
const fn has_extensions(_: &[u8], _: usize) -> bool {
    false
}

impl NetStack<'_> {
    /// Takes in a frame that has to be repaired first. Never inlined: nothing else needs its copy on the call stack.
    #[inline(never)]
    pub(super) fn repaired_frame<T: TxToken>(
        &mut self,
        bytes: &[u8],
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let begin = if self.medium == Medium::Ethernet { HEADER } else { 0 };
        let tag = if begin > 0 && is_priority_tagged(bytes) { TAG_LEN } else { 0 };
        let mut buffer = [0; FRAME_SIZE];
        let (addresses, rest) = bytes.split_at(if tag > 0 { TYPE } else { 0 });
        let rest = &rest[tag..];
        #[cfg_attr(not(feature = "ipv6"), allow(unused_mut, reason = "nothing else is taken out"))]
        let mut len = addresses.len() + rest.len();
        if len > FRAME_SIZE {
            self.drop_malformed();
            return;
        }
        buffer[..addresses.len()].copy_from_slice(addresses);
        buffer[addresses.len()..len].copy_from_slice(rest);
        #[cfg_attr(not(feature = "ipv6"), allow(unused_mut, reason = "there is no more to say"))]
        let mut before = Before {
            packet: bytes.get(begin + tag..).unwrap_or_default(),
            named_at: 6,
            extended: false,
            problem: None,
        };
        #[cfg(feature = "ipv6")]
        if has_extensions(&buffer[..len], begin) {
            match extension::follow(before.packet) {
                Chain::Payload { protocol, skipped, named_at } => {
                    len = begin + extension::take_out(&mut buffer[begin..len], protocol, skipped);
                    (before.named_at, before.extended) = (named_at, true);
                }
                Chain::Problem { code, pointer, to_all } => {
                    let error = IcmpError(4, code, pointer.into());
                    before.problem = Some(Problem { error, to_all });
                    // Not to be taken for a fragment.
                    buffer[begin + 6] = IpProtocol::Ipv6NoNxt.into();
                }
                Chain::Fragment => {
                    let dropped = &mut self.counters.fragments_dropped;
                    *dropped = dropped.wrapping_add(1);
                    return;
                }
                Chain::Broken => {
                    self.drop_malformed();
                    return;
                }
            }
        }
        self.plain_frame(&buffer[..len], Some(&before), transmit);
    }
}
