//! Frames as a peer would have sent them, for the stack to show to smoltcp: TCP segments, and answers of neighbours.
//!
//! smoltcp 0.14 has no call for what they bring about: to send again what is lost (its fast retransmit, socket/tcp.rs
//! `process`, needs three duplicate acknowledgements), to take a connection request that was remembered, to know a
//! neighbour's MAC address (iface/neighbor.rs, `fill`, is private to it).

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};

use crate::frame::discovery::{MESSAGE_SIZE, Message};
use crate::frame::{ETHERNET_HEADER, FourTuple, Link, ethertype, put_link};
use crate::limits::SYN_SIZE;

const _: () = assert!(MESSAGE_SIZE <= SYN_SIZE);

/// A segment without payload, or a neighbour's message, as a whole frame.
pub(crate) struct InjectedSegment {
    buffer: [u8; SYN_SIZE],
    len: usize,
}

impl InjectedSegment {
    /// The segment `tcp` of the remote end, to and from this MAC address, if the medium has any.
    #[inline(never)]
    pub(crate) fn new(
        tcp: &TcpRepr<'_>,
        &FourTuple { local, remote }: &FourTuple,
        mac: Option<EthernetAddress>,
    ) -> Self {
        let ip = IpRepr::new(remote.addr, local.addr, IpProtocol::Tcp, tcp.buffer_len(), 64);
        let mut frame = Self { buffer: [0; SYN_SIZE], len: 0 };
        let begin = if let Some(mac) = mac {
            let link = Link { source: mac, destination: mac };
            put_link(&mut frame.buffer, link, ethertype(&remote.addr));
            ETHERNET_HEADER
        } else {
            0
        };
        frame.len = begin + ip.buffer_len();
        let checksums = ChecksumCapabilities::default();
        let packet = &mut frame.buffer[begin..frame.len];
        ip.emit(&mut *packet, &checksums);
        let mut segment = TcpPacket::new_unchecked(&mut packet[ip.header_len()..]);
        tcp.emit(&mut segment, &remote.addr, &local.addr, &checksums);
        frame
    }

    /// The frame of a neighbour's message.
    pub(crate) fn message(message: &Message) -> Self {
        let mut frame = Self { buffer: [0; SYN_SIZE], len: message.len() };
        message.emit(&mut frame.buffer[..frame.len]);
        frame
    }

    /// What the parser says of it.
    #[cfg(test)]
    pub(crate) fn segment(
        &self,
        medium: smoltcp::phy::Medium,
    ) -> Option<crate::frame::Segment<'_>> {
        crate::frame::Frame::parse(self.bytes(), medium)?.segment()
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
