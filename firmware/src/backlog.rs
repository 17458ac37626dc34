//! Connection requests that found no slot, remembered until one is free.
//!
//! A SYN that cannot be served is answered with silence, and its sender asks again, but only after 1, 3
//! and 7 s (RFC 6298). So the stack keeps the essence of the last few such SYNs, some 50 bytes each,
//! and when a slot is free lets the oldest in again as if it had just arrived. To the peer it is a
//! SYN-ACK that took a while. Nothing depends on it: a request that finds no place here, or has become
//! too old, comes in with its sender's next SYN.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, IpEndpoint, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};

use crate::config::{BACKLOG, SYN_HELD};
use crate::crafted::Crafted;
use crate::ingress::packet;

/// The essence of a SYN.
#[derive(Clone, Copy, Debug)]
struct Held {
    at: Instant,
    remote: IpEndpoint,
    local: IpEndpoint,
    seq_number: TcpSeqNumber,
    window_len: u16,
    max_seg_size: Option<u16>,
    window_scale: Option<u8>,
    sack_permitted: bool,
}

/// The queue, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    held: heapless::Vec<Held, BACKLOG>,
}

impl Backlog {
    /// Remembers the SYN in `frame`, if it is whole. A request known already moves to the end; when the
    /// queue is full, the oldest makes room. Says whether none had to.
    pub(crate) fn hold(
        &mut self,
        frame: &[u8],
        local: IpEndpoint,
        remote: IpEndpoint,
        now: Instant,
        checksums: &ChecksumCapabilities,
    ) -> bool {
        let Some(held) = read(frame, local, remote, now, checksums) else {
            return false;
        };
        self.forget(local, remote);
        let room = !self.held.is_full();
        if !room {
            self.held.remove(0);
        }
        let _ = self.held.push(held);
        room
    }

    /// Forgets what is known of a connection request: it was served, or taken back.
    pub(crate) fn forget(&mut self, local: IpEndpoint, remote: IpEndpoint) {
        self.held.retain(|held| held.local != local || held.remote != remote);
    }

    /// Whether a request waits for a port that `ready` says has a slot.
    pub(crate) fn waits(&self, now: Instant, mut ready: impl FnMut(u16) -> bool) -> bool {
        self.held.iter().any(|held| now < held.at + SYN_HELD && ready(held.local.port))
    }

    /// Takes the oldest request for a port that `ready` says has a slot, as a frame to `mac`, and from it: where the
    /// sender is may have changed.
    pub(crate) fn next(
        &mut self,
        mac: EthernetAddress,
        now: Instant,
        mut ready: impl FnMut(u16) -> bool,
    ) -> Option<Crafted> {
        self.held.retain(|held| now < held.at + SYN_HELD);
        let index = self.held.iter().position(|held| ready(held.local.port))?;
        Some(write(&self.held.remove(index), mac))
    }
}

/// Reads a SYN that [`crate::ingress::classify`] found, and checks its checksum, if that is ours to do.
fn read(
    frame: &[u8],
    local: IpEndpoint,
    remote: IpEndpoint,
    at: Instant,
    checksums: &ChecksumCapabilities,
) -> Option<Held> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    // Without the padding of a short frame, which is none of the checksum's business.
    let tcp = TcpPacket::new_checked(packet(&ethernet).ok()?.payload).ok()?;
    let repr = TcpRepr::parse(&tcp, &remote.addr, &local.addr, checksums).ok()?;
    Some(Held {
        at,
        remote,
        local,
        seq_number: repr.seq_number,
        window_len: repr.window_len,
        max_seg_size: repr.max_seg_size,
        window_scale: repr.window_scale,
        sack_permitted: repr.sack_permitted,
    })
}

fn write(held: &Held, mac: EthernetAddress) -> Crafted {
    let tcp = TcpRepr {
        src_port: held.remote.port,
        dst_port: held.local.port,
        control: TcpControl::Syn,
        seq_number: held.seq_number,
        ack_number: None,
        window_len: held.window_len,
        window_scale: held.window_scale,
        max_seg_size: held.max_seg_size,
        sack_permitted: held.sack_permitted,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    Crafted::new(&tcp, (held.remote, held.local), (mac, mac))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use smoltcp::wire::{IpAddress, Ipv4Address};

    use super::*;

    const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);

    fn endpoint(last: u8, port: u16) -> IpEndpoint {
        IpEndpoint::new(IpAddress::Ipv4(Ipv4Address::new(192, 0, 2, last)), port)
    }

    fn syn(remote_port: u16) -> (Vec<u8>, IpEndpoint, IpEndpoint) {
        let (local, remote) = (endpoint(1, 7), endpoint(2, remote_port));
        let held = Held {
            at: Instant::ZERO,
            remote,
            local,
            seq_number: TcpSeqNumber(-5),
            window_len: 64240,
            max_seg_size: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
        };
        (write(&held, MAC).bytes().to_vec(), local, remote)
    }

    fn hold(backlog: &mut Backlog, frame: &[u8], local: IpEndpoint, remote: IpEndpoint) -> bool {
        backlog.hold(frame, local, remote, Instant::ZERO, &ChecksumCapabilities::default())
    }

    #[test]
    fn a_request_comes_back_as_it_went_in() {
        let mut backlog = Backlog::default();
        let (frame, local, remote) = syn(50_000);
        assert!(hold(&mut backlog, &frame, local, remote));
        assert!(backlog.next(MAC, Instant::ZERO, |port| port == 9).is_none());
        let again = backlog.next(MAC, Instant::ZERO, |port| port == 7).unwrap();
        assert_eq!(again.bytes(), frame);
        assert!(backlog.next(MAC, Instant::ZERO, |_| true).is_none());
    }

    #[test]
    fn the_padding_of_a_short_frame_is_no_part_of_a_request() {
        // With the MSS as its only option it has 58 bytes, and Ethernet carries 60 at least.
        let (mut frame, local, remote) = syn(50_000);
        let mut held =
            read(&frame, local, remote, Instant::ZERO, &ChecksumCapabilities::default()).unwrap();
        (held.window_scale, held.sack_permitted) = (None, false);
        frame = write(&held, MAC).bytes().to_vec();
        assert_eq!(frame.len(), 58);
        let short = frame.clone();
        frame.resize(60, 0);
        let mut backlog = Backlog::default();
        assert!(hold(&mut backlog, &frame, local, remote));
        assert_eq!(backlog.next(MAC, Instant::ZERO, |_| true).unwrap().bytes(), short);
    }

    #[test]
    fn the_oldest_comes_first_repeats_move_back_and_the_full_queue_forgets_the_oldest() {
        let mut backlog = Backlog::default();
        for port in 0..BACKLOG as u16 {
            let (frame, local, remote) = syn(50_000 + port);
            assert!(hold(&mut backlog, &frame, local, remote));
        }
        let (frame, local, remote) = syn(50_000);
        assert!(hold(&mut backlog, &frame, local, remote), "a repeat needs no room");
        let (frame, local, remote) = syn(60_000);
        assert!(!hold(&mut backlog, &frame, local, remote));
        let first = backlog.next(MAC, Instant::ZERO, |_| true).unwrap();
        assert_eq!(first.bytes(), syn(50_002).0);
    }

    #[test]
    fn old_taken_back_and_broken_requests_do_not_come_back() {
        let mut backlog = Backlog::default();
        let (mut frame, local, remote) = syn(50_000);
        hold(&mut backlog, &frame, local, remote);
        assert!(!backlog.waits(Instant::ZERO + SYN_HELD, |_| true));
        assert!(backlog.next(MAC, Instant::ZERO + SYN_HELD, |_| true).is_none());
        hold(&mut backlog, &frame, local, remote);
        backlog.forget(local, remote);
        assert!(backlog.next(MAC, Instant::ZERO, |_| true).is_none());
        *frame.last_mut().unwrap() ^= 1;
        assert!(!hold(&mut backlog, &frame, local, remote));
        assert!(backlog.next(MAC, Instant::ZERO, |_| true).is_none());
    }
}
