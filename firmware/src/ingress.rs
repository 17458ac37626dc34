//! Every frame's way in: looked at once, before smoltcp sees it, then passed on or dropped.
//!
//! smoltcp gives a segment to the first socket in its set that would take it, a listener before a live
//! connection. So the stack keeps no socket in LISTEN; instead [`classify`] tells it of each SYN, and it
//! puts one into LISTEN for exactly that frame. [`OneFrame`] is the device through which the frame then
//! goes on, in place, with the transmit token for the answer: no copy, no queue, a few dozen
//! instructions a frame.

use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpCidr, IpEndpoint, IpProtocol,
    Ipv4Packet, TcpPacket,
};
#[cfg(feature = "ipv6")]
use smoltcp::wire::{Ipv6ExtHeader, Ipv6Packet};

use crate::fin::Fin;
use crate::recovery::Heard;

/// What to do with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Nothing this stack needs to know; smoltcp validates it.
    Pass,
    /// A TCP segment with neither SYN nor RST, or with both ACK and SYN.
    Segment { local: IpEndpoint, remote: IpEndpoint, heard: Heard },
    /// A connection request (SYN without ACK).
    Syn { local: IpEndpoint, remote: IpEndpoint, heard: Heard },
    /// A reset.
    Rst { local: IpEndpoint, remote: IpEndpoint },
    /// A fragment: without reassembly, smoltcp would take any later IPv4 fragment's payload for a header,
    /// and it knows no IPv6 fragment header.
    Fragment,
    /// TCP or UDP to a broadcast or multicast destination, or to somebody else.
    NotOurs,
}

/// Classifies `frame`, which may hold anything; `own` are the interface's addresses.
pub(crate) fn classify(frame: &[u8], mac: EthernetAddress, own: &[IpCidr]) -> Class {
    let Ok(ethernet) = EthernetFrame::new_checked(frame) else {
        return Class::Pass;
    };
    let (source, destination, payload) = match ethernet.ethertype() {
        EthernetProtocol::Ipv4 => {
            let Ok(ip) = Ipv4Packet::new_checked(ethernet.payload()) else {
                return Class::Pass;
            };
            if ip.more_frags() || ip.frag_offset() != 0 {
                return Class::Fragment;
            }
            let (source, destination) = (ip.src_addr().into(), ip.dst_addr().into());
            (source, destination, (ip.next_header(), ip.payload()))
        }
        #[cfg(feature = "ipv6")]
        EthernetProtocol::Ipv6 => {
            let Ok(ip) = Ipv6Packet::new_checked(ethernet.payload()) else {
                return Class::Pass;
            };
            let Some(payload) = past_options(ip.next_header(), ip.payload()) else {
                return Class::Pass;
            };
            if payload.0 == IpProtocol::Ipv6Frag {
                return Class::Fragment;
            }
            (ip.src_addr().into(), ip.dst_addr().into(), payload)
        }
        _ => return Class::Pass,
    };
    let (protocol, payload) = payload;
    if !matches!(protocol, IpProtocol::Tcp | IpProtocol::Udp) {
        return Class::Pass;
    }
    let ours = own.iter().any(|cidr| cidr.address() == destination);
    if !ours || ethernet.dst_addr() != mac {
        return Class::NotOurs;
    }
    if protocol != IpProtocol::Tcp {
        return Class::Pass;
    }
    let at = payload.as_ptr().addr() - frame.as_ptr().addr();
    classify_tcp(at, payload, source, destination)
}

/// Protocol and payload behind a hop-by-hop options header, the only extension header that smoltcp reads
/// past (RFC 8200 4.3). `None`: it is broken.
#[cfg(feature = "ipv6")]
fn past_options(protocol: IpProtocol, payload: &[u8]) -> Option<(IpProtocol, &[u8])> {
    if protocol != IpProtocol::HopByHop {
        return Some((protocol, payload));
    }
    let options = Ipv6ExtHeader::new_checked(payload).ok()?;
    // In units of 8 bytes, the first not counted.
    let len = (usize::from(options.header_len()) + 1) * 8;
    Some((options.next_header(), payload.get(len..)?))
}

/// Classifies the TCP segment that begins at offset `at` of its frame.
fn classify_tcp(at: usize, payload: &[u8], source: IpAddress, destination: IpAddress) -> Class {
    let Ok(tcp) = TcpPacket::new_checked(payload) else {
        return Class::Pass;
    };
    let local = IpEndpoint::new(destination, tcp.dst_port());
    let remote = IpEndpoint::new(source, tcp.src_port());
    let len = tcp.payload().len();
    // The checksum is looked at only where it matters here; smoltcp does it in any case.
    let sound = || tcp.verify_checksum(&source, &destination);
    let heard = Heard {
        seq: tcp.seq_number(),
        ack: tcp.ack().then(|| tcp.ack_number()),
        window: tcp.window_len(),
        bare: len == 0 && sound(),
        fin: (len > 0 && tcp.fin() && sound()).then_some(Fin { at, len }),
    };
    if tcp.rst() {
        Class::Rst { local, remote }
    } else if tcp.syn() && !tcp.ack() {
        Class::Syn { local, remote, heard }
    } else {
        Class::Segment { local, remote, heard }
    }
}

/// A device that holds one received frame and, until it is used, one transmit token.
#[derive(Debug)]
pub(crate) struct OneFrame<'f, T> {
    pub(crate) frame: Option<&'f [u8]>,
    pub(crate) transmit: Option<T>,
    pub(crate) capabilities: &'f DeviceCapabilities,
}

/// The received frame, in place.
#[derive(Debug)]
pub(crate) struct FrameToken<'f>(&'f [u8]);

impl RxToken for FrameToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl<T: TxToken> Device for OneFrame<'_, T> {
    type RxToken<'a>
        = FrameToken<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = T
    where
        Self: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(FrameToken<'_>, T)> {
        Some((FrameToken(self.frame.take()?), self.transmit.take()?))
    }

    fn transmit(&mut self, _now: Instant) -> Option<T> {
        self.transmit.take()
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

/// A device seen through a counter: how many frames and bytes left, and whether one was refused.
#[derive(Debug)]
pub(crate) struct Metered<'d, D: ?Sized> {
    pub(crate) device: &'d mut D,
    pub(crate) sent: Sent,
}

/// What left through a [`Metered`] device.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) frames: u32,
    pub(crate) bytes: u32,
    pub(crate) refused: bool,
}

/// A transmit token that counts its frame; `None` swallows it. One type for all that smoltcp sends, so
/// that its way out is there once.
#[derive(Debug)]
pub(crate) struct MeteredToken<'s, T> {
    pub(crate) token: Option<T>,
    pub(crate) sent: &'s mut Sent,
}

impl<T: TxToken> TxToken for MeteredToken<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Some(token) = self.token else {
            // The answer to a segment of our own making: an ACK, never longer than its headers.
            let mut buffer = [0; 14 + 40 + 60];
            let len = len.min(buffer.len());
            return f(&mut buffer[..len]);
        };
        self.sent.frames = self.sent.frames.wrapping_add(1);
        self.sent.bytes = self.sent.bytes.wrapping_add(len as u32);
        token.consume(len, f)
    }

    fn set_meta(&mut self, meta: smoltcp::phy::PacketMeta) {
        if let Some(token) = &mut self.token {
            token.set_meta(meta);
        }
    }
}

impl<D: Device + ?Sized> Device for Metered<'_, D> {
    type RxToken<'a>
        = D::RxToken<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = MeteredToken<'a, D::TxToken<'a>>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let (rx, token) = self.device.receive(now)?;
        Some((rx, MeteredToken { token: Some(token), sent: &mut self.sent }))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        if let Some(token) = self.device.transmit(now) {
            Some(MeteredToken { token: Some(token), sent: &mut self.sent })
        } else {
            self.sent.refused = true;
            None
        }
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}
