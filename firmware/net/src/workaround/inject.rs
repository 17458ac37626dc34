//! Segments as a peer would have sent them, for the stack to show to smoltcp.
//!
//! smoltcp 0.14 has no call for what they bring about: to send again what is lost (its fast retransmit, socket/tcp.rs
//! `process`, needs three duplicate acknowledgements), to take a connection request that was remembered.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};

use crate::frame::FourTuple;
use crate::limits::SYN_SIZE;

/// A segment without payload, as a whole packet.
pub(crate) struct InjectedSegment {
    buffer: [u8; SYN_SIZE],
    len: usize,
}

impl InjectedSegment {
    /// The segment `tcp` of the remote end.
    #[inline(never)]
    pub(crate) fn new(tcp: &TcpRepr<'_>, &FourTuple { local, remote }: &FourTuple) -> Self {
        let ip = IpRepr::new(remote.addr, local.addr, IpProtocol::Tcp, tcp.buffer_len(), 64);
        let mut this = Self { buffer: [0; SYN_SIZE], len: ip.buffer_len() };
        let checksums = ChecksumCapabilities::default();
        let packet = &mut this.buffer[..this.len];
        ip.emit(&mut *packet, &checksums);
        let mut segment = TcpPacket::new_unchecked(&mut packet[ip.header_len()..]);
        tcp.emit(&mut segment, &remote.addr, &local.addr, &checksums);
        this
    }

    /// What the parser says of it.
    #[cfg(test)]
    pub(crate) fn segment(&self) -> Option<crate::frame::Segment<'_>> {
        crate::frame::Content::parse(self.bytes()).segment()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

/// A segment of the remote end without payload or options.
#[inline(never)]
pub(crate) const fn bare(
    control: TcpControl,
    ends: &FourTuple,
    seq: TcpSeqNumber,
    ack: Option<TcpSeqNumber>,
    window: u16,
) -> TcpRepr<'static> {
    TcpRepr {
        src_port: ends.remote.port,
        dst_port: ends.local.port,
        control,
        seq_number: seq,
        ack_number: ack,
        window_len: window,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    }
}
