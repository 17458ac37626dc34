//! Frames as a peer would have sent them, for the stack to show to smoltcp: TCP segments, and answers of neighbours.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpEndpoint, IpProtocol, IpRepr, IpVersion,
    TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};

use crate::config::SYN_SIZE;
use crate::neighbors::{MESSAGE_SIZE, Message};

const _: () = assert!(MESSAGE_SIZE <= SYN_SIZE);

/// A segment without payload, or a neighbour's message, as a whole Ethernet frame.
pub(crate) struct Crafted {
    buffer: [u8; SYN_SIZE],
    len: usize,
}

impl Crafted {
    /// The segment `tcp` from `remote` to `local`, between these MAC addresses.
    #[inline(never)]
    pub(crate) fn new(
        tcp: &TcpRepr<'_>,
        (remote, local): (IpEndpoint, IpEndpoint),
        (source, mac): (EthernetAddress, EthernetAddress),
    ) -> Self {
        let ip = IpRepr::new(remote.addr, local.addr, IpProtocol::Tcp, tcp.buffer_len(), 64);
        let len = EthernetFrame::<&[u8]>::header_len() + ip.buffer_len();
        let mut buffer = [0; SYN_SIZE];
        let mut ethernet = EthernetFrame::new_unchecked(&mut buffer[..len]);
        ethernet.set_src_addr(source);
        ethernet.set_dst_addr(mac);
        ethernet.set_ethertype(if ip.version() == IpVersion::Ipv4 {
            EthernetProtocol::Ipv4
        } else {
            EthernetProtocol::Ipv6
        });
        let checksums = ChecksumCapabilities::default();
        ip.emit(ethernet.payload_mut(), &checksums);
        let payload = &mut ethernet.payload_mut()[ip.header_len()..];
        let mut packet = TcpPacket::new_unchecked(payload);
        tcp.emit(&mut packet, &remote.addr, &local.addr, &checksums);
        Self { buffer, len }
    }

    /// The frame of a neighbour's message.
    pub(crate) fn message(message: &Message) -> Self {
        let mut buffer = [0; SYN_SIZE];
        let len = message.len();
        message.emit(&mut buffer[..len]);
        Self { buffer, len }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

/// A segment without payload or options.
pub(crate) const fn bare(
    control: TcpControl,
    (source, destination): (u16, u16),
    seq: TcpSeqNumber,
    ack: Option<TcpSeqNumber>,
    window: u16,
) -> TcpRepr<'static> {
    TcpRepr {
        src_port: source,
        dst_port: destination,
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
