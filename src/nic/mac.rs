//! The board's MAC, as far as checksums go: a chip's may compute and verify those of TCP and UDP.
//!
//! A [`Mac`] stands between the board and its cable; what a kernel leaves to a TAP is the TAP's (`nic/tap/incoming.rs`).
//! What the board sends has its checksum before the cable sees it; what arrives is verified behind the cable. So the cable and its observers see ordinary frames, and
//! a bit that the cable flipped is found, whoever does the sums. The board learns from the capabilities what
//! is left to it; IP's header and ICMP always are, as on Linux's devices.
//!
//! A chip's MAC may make TCP's segments as well, of superframes of up to 64 KiB ([`Offloads::segmentation`]). It says so
//! to the board, and passes on how long they are to be; whoever is behind it makes them, cable or NIC.
//!
//! **Contract.** A frame whose checksum is wrong comes to the board as a frame of no bytes, which every stack
//! drops. A frame that is no whole TCP segment or UDP datagram passes as it is: the board finds no more in it.
//!
//! **Cost.** The same sums over the same bytes as in the board; none where the NIC behind does without.

use std::num::NonZeroUsize;
use std::ops::Range;

use smoltcp::phy::{Checksum, Device, DeviceCapabilities, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, Ipv6ExtHeader, Ipv6Packet,
    TcpPacket, UdpPacket,
};

use super::Offloads;
use super::header_layout::SUPERFRAME_LEN_MAX;

/// A NIC, or the cable to it, behind a MAC.
#[derive(Debug)]
pub struct Mac<D> {
    device: D,
    /// What the board leaves to this MAC.
    board: Offloads,
    /// This MAC computes and verifies checksums.
    active: bool,
}

impl<D> Mac<D> {
    /// The MAC in front of `device`, for one poll. The board leaves `board` to it; what of the checksums is in
    /// `nic` as well nobody computes, for the NIC behind takes frames without, and vouches for what it gives.
    /// Superframes the board only sends if it leaves the checksums too.
    pub const fn new(device: D, board: Offloads, nic: Offloads) -> Self {
        Self { device, board, active: board.checksum && !nic.checksum }
    }
}

impl<D: Device> Device for Mac<D> {
    type RxToken<'a>
        = MacRx<D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = MacTx<D::TxToken<'a>>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let active = self.active;
        let (rx, tx) = self.device.receive(now)?;
        Some((MacRx { token: rx, verify: active }, MacTx { token: tx, fill: active }))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        let fill = self.active;
        self.device.transmit(now).map(|token| MacTx { token, fill })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = self.device.capabilities();
        if self.board.checksum {
            capabilities.checksum.tcp = Checksum::None;
            capabilities.checksum.udp = Checksum::None;
        }
        if self.board.checksum && self.board.segmentation {
            // As long as IPv4 can say. Over IPv6, smoltcp 0.14 would drop each for being longer than the MTU.
            capabilities.segmentation.tcpv4 = NonZeroUsize::new(SUPERFRAME_LEN_MAX - 40);
        }
        capabilities
    }
}

/// A frame that has arrived.
#[derive(Debug)]
pub struct MacRx<T> {
    token: T,
    verify: bool,
}

impl<T: RxToken> RxToken for MacRx<T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        self.token.consume(|frame| {
            if self.verify && !sound(frame) {
                log::debug!("the NIC drops a frame of {} bytes: wrong checksum", frame.len());
                return f(&[]);
            }
            f(frame)
        })
    }
}

/// Room for one frame.
#[derive(Debug)]
pub struct MacTx<T> {
    token: T,
    fill: bool,
}

impl<T: TxToken> TxToken for MacTx<T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.token.consume(len, |frame| {
            let result = f(frame);
            if self.fill {
                fill(frame);
            }
            result
        })
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        // Its segments get their checksums where they are made.
        self.fill &= meta.segmentation_offload_size.is_none();
        self.token.set_meta(meta);
    }
}

/// A TCP segment or UDP datagram in a frame.
struct Transport {
    protocol: IpProtocol,
    source: IpAddress,
    destination: IpAddress,
    at: Range<usize>,
}

impl Transport {
    /// Finds it where the board would, behind IPv6's hop-by-hop options too (RFC 8200 4.3). The board takes no
    /// fragment.
    fn of(frame: &[u8]) -> Option<Self> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        let (protocol, source, destination, payload) = match ethernet.ethertype() {
            EthernetProtocol::Ipv4 => {
                let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
                if ip.more_frags() || ip.frag_offset() != 0 {
                    return None;
                }
                let addresses: (IpAddress, IpAddress) =
                    (ip.src_addr().into(), ip.dst_addr().into());
                (ip.next_header(), addresses.0, addresses.1, ip.payload())
            }
            EthernetProtocol::Ipv6 => {
                let ip = Ipv6Packet::new_checked(ethernet.payload()).ok()?;
                let (mut protocol, mut payload) = (ip.next_header(), ip.payload());
                if protocol == IpProtocol::HopByHop {
                    let options = Ipv6ExtHeader::new_checked(payload).ok()?;
                    protocol = options.next_header();
                    // In units of 8 bytes, the first not counted.
                    payload = payload.get((usize::from(options.header_len()) + 1) * 8..)?;
                }
                (protocol, ip.src_addr().into(), ip.dst_addr().into(), payload)
            }
            _ => return None,
        };
        let whole = match protocol {
            IpProtocol::Tcp => TcpPacket::new_checked(payload).is_ok(),
            IpProtocol::Udp => UdpPacket::new_checked(payload).is_ok(),
            _ => false,
        };
        let start = payload.as_ptr().addr() - frame.as_ptr().addr();
        let at = start..start + payload.len();
        whole.then_some(Self { protocol, source, destination, at })
    }
}

/// Computes the checksum of the TCP segment or UDP datagram in `frame`, if there is one.
pub(super) fn fill(frame: &mut [u8]) {
    let Some(Transport { protocol, source, destination, at }) = Transport::of(frame) else {
        return;
    };
    let packet = &mut frame[at];
    if protocol == IpProtocol::Tcp {
        TcpPacket::new_unchecked(packet).fill_checksum(&source, &destination);
    } else {
        UdpPacket::new_unchecked(packet).fill_checksum(&source, &destination);
    }
}

/// Whether `frame` is anything but a TCP segment or UDP datagram with a wrong checksum.
pub(super) fn sound(frame: &[u8]) -> bool {
    let Some(Transport { protocol, source, destination, at }) = Transport::of(frame) else {
        return true;
    };
    let packet = &frame[at];
    if protocol == IpProtocol::Tcp {
        TcpPacket::new_unchecked(packet).verify_checksum(&source, &destination)
    } else {
        UdpPacket::new_unchecked(packet).verify_checksum(&source, &destination)
    }
}

#[cfg(test)]
mod tests {
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        IpRepr, Ipv4Address, Ipv6Address, TcpControl, TcpRepr, TcpSeqNumber, UdpRepr,
    };

    use super::*;
    use crate::nic::wire::{Side, Wire};

    const ETHERNET: usize = 14;

    /// A frame as the board makes it, with the checksums that are its own to compute.
    fn frame(
        protocol: IpProtocol,
        ipv6: bool,
        payload: &[u8],
        sums: &ChecksumCapabilities,
    ) -> Vec<u8> {
        let (source, destination): (IpAddress, IpAddress) = if ipv6 {
            let address = |last| Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
            (address(1).into(), address(2).into())
        } else {
            (Ipv4Address::new(192, 0, 2, 1).into(), Ipv4Address::new(192, 0, 2, 2).into())
        };
        let tcp = TcpRepr {
            src_port: 7,
            dst_port: 40_000,
            control: TcpControl::None,
            seq_number: TcpSeqNumber(5),
            ack_number: Some(TcpSeqNumber(6)),
            window_len: 4096,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload,
        };
        let is_tcp = protocol == IpProtocol::Tcp;
        let len = if is_tcp { tcp.buffer_len() } else { 8 + payload.len() };
        let ip = IpRepr::new(source, destination, protocol, len, 64);
        let at = ETHERNET + ip.header_len();
        let mut frame = vec![0; at + len];
        let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
        let ethertype = if ipv6 { EthernetProtocol::Ipv6 } else { EthernetProtocol::Ipv4 };
        ethernet.set_ethertype(ethertype);
        ip.emit(ethernet.payload_mut(), sums);
        if is_tcp {
            let mut packet = TcpPacket::new_unchecked(&mut frame[at..]);
            tcp.emit(&mut packet, &source, &destination, sums);
        } else {
            let udp = UdpRepr { src_port: 7, dst_port: 40_000 };
            let mut packet = UdpPacket::new_unchecked(&mut frame[at..]);
            let emit = |space: &mut [u8]| space.copy_from_slice(payload);
            udp.emit(&mut packet, &source, &destination, payload.len(), emit, sums);
        }
        frame
    }

    /// What is left to the board behind an active MAC.
    fn left_to_board() -> ChecksumCapabilities {
        Mac::new(Wire::default().end(Side::Board), Offloads::CHECKSUM, Offloads::NONE)
            .capabilities()
            .checksum
    }

    /// Each kind of frame: as the board would make it alone, and as it makes it for a MAC.
    fn kinds() -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        let sizes = [0, 1, 2, 64, 1440];
        sizes.into_iter().flat_map(|len| {
            let payload: Vec<u8> = (0..len).map(|at| (at * 7 + at / 251) as u8).collect();
            let kind = move |(protocol, ipv6)| {
                let make = |sums| frame(protocol, ipv6, &payload, sums);
                (make(&ChecksumCapabilities::default()), make(&left_to_board()))
            };
            let (tcp, udp) = (IpProtocol::Tcp, IpProtocol::Udp);
            [(tcp, false), (tcp, true), (udp, false), (udp, true)].map(kind)
        })
    }

    /// Behind options that every hop looks at.
    fn with_options(frame: &[u8]) -> Vec<u8> {
        let mut long = frame.to_vec();
        let mut ip = Ipv6Packet::new_unchecked(&mut long[ETHERNET..]);
        let (protocol, len) = (ip.next_header(), ip.payload_len());
        ip.set_next_header(IpProtocol::HopByHop);
        ip.set_payload_len(len + 8);
        // Next header, length, six bytes of padding (RFC 8200 4.2).
        let options = [protocol.into(), 0, 1, 4, 0, 0, 0, 0];
        long.splice(ETHERNET + 40..ETHERNET + 40, options);
        long
    }

    #[test]
    fn what_the_mac_fills_in_is_what_the_board_would_have() {
        for (whole, mut left) in kinds() {
            assert!(sound(&whole) && whole != left);
            fill(&mut left);
            assert_eq!(left, whole);
            if whole[12] == 0x86 {
                let whole = with_options(&whole);
                let mut again = whole.clone();
                assert!(sound(&whole));
                fill(&mut again);
                assert_eq!(again, whole);
            }
        }
    }

    /// Segments are made only by who makes their checksums as well.
    #[test]
    fn segmentation_is_offered_with_the_checksums_alone() {
        for nic in [Offloads::NONE, Offloads::CHECKSUM] {
            for checksum in [false, true] {
                for segmentation in [false, true] {
                    let mut wire = Wire::default();
                    let board = Offloads { checksum, segmentation, receive: false };
                    let mac = Mac::new(wire.end(Side::Board), board, nic);
                    let offered = mac.capabilities().segmentation;
                    assert_eq!(offered.tcpv4.is_some(), segmentation && checksum);
                    assert_eq!(offered.tcpv6, None);
                }
            }
        }
    }

    #[test]
    fn any_flipped_bit_is_found() {
        for (whole, _) in kinds().filter(|(whole, _)| whole.len() < 200) {
            let ipv6 = whole[12] == 0x86;
            for frame in [Some(whole.clone()), ipv6.then(|| with_options(&whole))] {
                let Some(frame) = frame else { continue };
                let addresses = if ipv6 { 22..54 } else { 26..34 };
                let transport = Transport::of(&frame).expect("it is one").at;
                for bit in addresses.chain(transport).flat_map(|at| at * 8..at * 8 + 8) {
                    let mut flipped = frame.clone();
                    flipped[bit / 8] ^= 1 << (bit % 8);
                    // Of wrong lengths it is none any more, to the board either.
                    let found = !sound(&flipped) || Transport::of(&flipped).is_none();
                    assert!(found, "bit {bit} of {frame:02x?}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_segment_and_no_datagram_passes_untouched() {
        let (tcp, _) = kinds().next().expect("some");
        let mut fragment = tcp.clone();
        fragment[20] |= 0x20;
        let mut other = tcp.clone();
        other[23] = 1;
        for frame in [&[][..], &[0xff; 60], &tcp[..tcp.len() - 1], &fragment, &other] {
            let mut filled = frame.to_vec();
            fill(&mut filled);
            assert!(filled == frame && sound(frame));
        }
    }

    /// What the board leaves to the MAC, and what the NIC behind does.
    type Left = (Offloads, Offloads);

    const BOARD: Left = (Offloads::NONE, Offloads::NONE);
    const MAC: Left = (Offloads::CHECKSUM, Offloads::NONE);
    const NIC: Left = (Offloads::CHECKSUM, Offloads::CHECKSUM);

    fn send(wire: &mut Wire, from: Side, (board, nic): Left, frame: &[u8]) {
        let mut mac = Mac::new(wire.end(from), board, nic);
        let token = mac.transmit(Instant::ZERO).expect("room");
        token.consume(frame.len(), |space| space.copy_from_slice(frame));
    }

    fn receive(wire: &mut Wire, at: Side, (board, nic): Left) -> Option<Vec<u8>> {
        let mut mac = Mac::new(wire.end(at), board, nic);
        let (token, _) = mac.receive(Instant::ZERO)?;
        Some(token.consume(<[u8]>::to_vec))
    }

    #[test]
    fn only_an_active_mac_fills_in_and_verifies() {
        let mut wire = Wire::default();
        for (whole, left) in kinds() {
            for (left_out, seen) in [(BOARD, &left), (NIC, &left), (MAC, &whole)] {
                send(&mut wire, Side::Board, left_out, &left);
                assert_eq!(receive(&mut wire, Side::Peer, BOARD).as_ref(), Some(seen));
                send(&mut wire, Side::Peer, BOARD, &whole);
                assert_eq!(receive(&mut wire, Side::Board, left_out).as_ref(), Some(&whole));
            }
            let mut wrong = whole.clone();
            *wrong.last_mut().expect("not empty") ^= 1;
            for (left_out, seen) in [(BOARD, &wrong[..]), (NIC, &wrong), (MAC, &[])] {
                send(&mut wire, Side::Peer, BOARD, &wrong);
                assert_eq!(receive(&mut wire, Side::Board, left_out).as_deref(), Some(seen));
            }
        }
    }
}
