//! The SYN that smoltcp is shown: with the segment size that is to be used (RFC 9293 3.7.1).
//!
//! smoltcp 0.14 (socket/tcp.rs, `process`) takes the MSS option of a SYN for the segment size, although its own MTU allows less, and counts
//! its congestion window in it: a peer that can take 65,535 bytes is never sent less after a loss. Without the option it uses 536
//! bytes, which is right for IPv4 alone (MUST-15). So such a SYN is made anew, with the smaller of both.

use smoltcp::wire::{IpAddress, TCP_HEADER_LEN, TcpRepr};

use crate::frame::Segment;

/// The size of segments to a peer that names none: what every host takes, without headers.
const DEFAULT_MSS: u16 = 536;
#[cfg(feature = "ipv6")]
const DEFAULT_MSS_IPV6: u16 = 1220;

/// What smoltcp is to be shown in the place of a SYN that is sound; `None`: the SYN itself. `ip_mtu` is the longest packet,
/// with its IP header, that the device sends.
#[inline(never)]
pub(crate) fn with_segment_size(syn: &Segment<'_>, ip_mtu: usize) -> Option<TcpRepr<'static>> {
    let mut repr = syn.repr()?;
    let (header, default) = match syn.source.addr {
        IpAddress::Ipv4(_) => (20, DEFAULT_MSS),
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(_) => (40, DEFAULT_MSS_IPV6),
        #[allow(unreachable_patterns, reason = "smoltcp's own features may be wider than ours")]
        _ => return None,
    };
    let most = ip_mtu.saturating_sub(header + TCP_HEADER_LEN).min(u16::MAX.into()) as u16;
    // As Linux, a size of nothing is none.
    let size = repr.max_seg_size.filter(|&size| size > 0).unwrap_or(default).min(most);
    if repr.max_seg_size == Some(size) {
        return None;
    }
    repr.max_seg_size = Some(size);
    Some(TcpRepr { payload: &[], sack_ranges: [None; 3], ..repr })
}

#[cfg(test)]
mod tests {
    use smoltcp::wire::{IpEndpoint, Ipv4Address, TcpControl, TcpSeqNumber, TcpTimestampRepr};

    use super::*;
    use crate::frame::FourTuple;
    use crate::workaround::inject::{InjectedSegment, bare};

    #[test]
    fn a_size_is_never_more_than_can_be_sent_and_all_else_stays() {
        let end = |last, port| IpEndpoint::new(Ipv4Address::new(192, 0, 2, last).into(), port);
        let ends = FourTuple { local: end(1, 7), remote: end(2, 50_000) };
        for (given, shown) in [
            (Some(65_535), Some(1460)),
            (Some(1461), Some(1460)),
            (Some(1460), None),
            (Some(100), None),
            (Some(0), Some(536)),
            (None, Some(536)),
        ] {
            for ack in [None, Some(TcpSeqNumber(77))] {
                let syn = TcpRepr {
                    max_seg_size: given,
                    window_scale: Some(9),
                    sack_permitted: true,
                    timestamp: Some(TcpTimestampRepr { tsval: 1, tsecr: 2 }),
                    ..bare(TcpControl::Syn, &ends, TcpSeqNumber(-7), ack, 1000)
                };
                let frame = InjectedSegment::new(&syn, &ends);
                let segment = frame.segment().unwrap();
                let copy = with_segment_size(&segment, 1500);
                assert_eq!(copy.is_some(), shown.is_some(), "{given:?}");
                let Some(copy) = copy else { continue };
                assert_eq!(copy, TcpRepr { max_seg_size: shown, ..syn });
            }
        }
    }
}
