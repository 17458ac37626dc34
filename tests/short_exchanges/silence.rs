//! How long one end of a connection has heard nothing of the other: what the cable has kept from it, and it may give up for.

use std::collections::HashMap;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, TcpPacket};
use tapboard::nic::wire::Side;
use tapboard_firmware::PEER_NET;

/// What one end has heard of a connection.
#[derive(Clone, Copy, Debug)]
struct Hearing {
    last: Instant,
    /// The longest time between two segments.
    longest: Duration,
}

/// What each end has heard of each connection between the board and the client, which are told apart by the client's port.
#[derive(Debug, Default)]
pub(crate) struct Silences(HashMap<(bool, u16), Hearing>);

impl Silences {
    /// A frame arrives at that end.
    pub(crate) fn hear(&mut self, now: Instant, at: Side, frame: &[u8]) {
        let Ok(frame) = EthernetFrame::new_checked(frame) else { return };
        if frame.ethertype() != EthernetProtocol::Ipv4 {
            return;
        }
        let packet = Ipv4Packet::new_checked(frame.payload()).expect("the cable changes nothing");
        if packet.next_header() != IpProtocol::Tcp {
            return;
        }
        let segment = TcpPacket::new_checked(packet.payload()).expect("the cable changes nothing");
        let from_client = Some(packet.src_addr()) == PEER_NET.ipv4().map(|own| own.address());
        let port = if from_client { segment.src_port() } else { segment.dst_port() };
        let hearing = self
            .0
            .entry((at == Side::Board, port))
            .or_insert(Hearing { last: now, longest: Duration::ZERO });
        if segment.syn() {
            // It is another one's.
            hearing.longest = Duration::ZERO;
        } else {
            hearing.longest = hearing.longest.max(now - hearing.last);
        }
        hearing.last = now;
    }

    /// The longest time, up to `now`, in which that end has heard nothing of the client's `port`.
    pub(crate) fn longest(&self, at: Side, port: u16, now: Instant) -> Duration {
        let hearing = self.0.get(&(at == Side::Board, port));
        hearing.map_or(Duration::ZERO, |hearing| hearing.longest.max(now - hearing.last))
    }
}
