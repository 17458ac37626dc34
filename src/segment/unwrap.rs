//! The packet in a frame, without the encapsulations around it: for who acts on packets and does not show them.

use std::net::IpAddr;

use smoltcp::wire::EthernetAddress;

use super::checksum::{self, Checksum};
use super::ip::Ip;
use super::layer::{LAYERS_MAX, Layer, Peeled};
use super::link;
use super::view::View;
use crate::capture::LinkType;

/// A frame's ends, and what is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unwrapped<'a> {
    /// The sender's MAC address, if the link has one.
    pub(crate) from: Option<EthernetAddress>,
    /// The receiver's.
    pub(crate) to: Option<EthernetAddress>,
    pub(crate) inner: Inner<'a>,
}

/// What a frame carries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Inner<'a> {
    /// From ARP's header on.
    Arp(&'a [u8]),
    Ip(IpPacket<'a>),
}

/// An IP packet whose payload begins behind all headers of IP's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IpPacket<'a> {
    /// IPv4's with its options, or the 40 bytes of IPv6's.
    pub(crate) header: &'a [u8],
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    /// IANA's number of the payload.
    pub(crate) protocol: u8,
    /// As far as it was captured.
    pub(crate) payload: &'a [u8],
    /// All of the payload was captured.
    pub(crate) whole: bool,
    /// It is a part of a packet.
    pub(crate) fragment: bool,
    /// No checksum is wrong, as far as that can be told.
    pub(crate) sound: bool,
}

/// The packet in a frame of that link, of which `frame` was captured of `len` bytes. `None` for what is neither ARP nor IP.
/// Tunnels within IP are not entered.
pub(crate) fn unwrap(link: LinkType, frame: &[u8], len: usize) -> Option<Unwrapped<'_>> {
    let mut view = View::new(frame, len);
    let mut peeled = Peeled::default();
    let mut layer = link::first(link, &mut view, &mut peeled)?;
    for _ in 0..LAYERS_MAX {
        match peeled.peel(layer, &mut view) {
            Ok(next) => layer = next,
            Err(Layer::Arp) => {
                let inner = Inner::Arp(view.bytes);
                return Some(Unwrapped { from: peeled.from, to: peeled.to, inner });
            }
            Err(Layer::Ip) => {
                let inner = Inner::Ip(packet(view)?);
                return Some(Unwrapped { from: peeled.from, to: peeled.to, inner });
            }
            Err(_) => return None,
        }
    }
    None
}

fn packet(view: View<'_>) -> Option<IpPacket<'_>> {
    let ip = Ip::read(view)?;
    let header_len = if ip.from.is_ipv4() { usize::from(view.u8(0)? & 0xf) * 4 } else { 40 };
    let ends = (ip.from, ip.to);
    let sum = match ip.protocol {
        _ if ip.fragment.is_some() => Checksum::Right,
        6 => checksum::transport(ends, 6, ip.payload, 16),
        17 => checksum::transport(ends, 17, ip.payload, 6),
        58 => checksum::transport(ends, 58, ip.payload, 2),
        1 => checksum::plain(ip.payload, 0),
        _ => Checksum::Right,
    };
    Some(IpPacket {
        header: view.bytes.get(..header_len)?,
        from: ip.from,
        to: ip.to,
        protocol: ip.protocol,
        payload: ip.payload.bytes,
        whole: ip.payload.whole(),
        fragment: ip.fragment.is_some(),
        sound: ip.checksum != Checksum::Wrong && sum != Checksum::Wrong,
    })
}
