//! What redirects are made of: the routers that send them, and their frames.

use smoltcp::wire::{EthernetAddress, IpAddress, IpProtocol};
use tapboard_firmware::{BOARD_NET, NetConfig};

use crate::common::frames::{PEER_MAC, fix_checksums, ip_frame, ip_parts};
use crate::common::hosts::{host, sent_by};

pub(crate) fn address(text: &str) -> IpAddress {
    text.parse().unwrap()
}

/// The gateway, which is at the peer's MAC address.
pub(crate) fn gateway(version6: bool) -> IpAddress {
    if version6 { address("fe80::fe") } else { host(254, false) }
}

/// A nearer one, which is at `mac(253)` if it is there.
pub(crate) fn nearer(version6: bool) -> IpAddress {
    if version6 { address("fe80::fd") } else { host(253, false) }
}

/// A host beyond both.
pub(crate) fn far(number: u8, version6: bool) -> IpAddress {
    address(&if version6 {
        format!("2001:db8:1::{number:x}")
    } else {
        format!("198.51.100.{number}")
    })
}

pub(crate) fn config() -> NetConfig {
    let (IpAddress::Ipv4(v4), IpAddress::Ipv6(v6)) = (gateway(false), gateway(true)) else {
        unreachable!()
    };
    BOARD_NET.with_ipv4_gateway(v4).with_ipv6_gateway(v6)
}

/// A redirect, and whom it is said to be from.
#[derive(Clone, Debug)]
pub(crate) struct Redirect {
    pub(crate) sender: EthernetAddress,
    pub(crate) from: IpAddress,
    pub(crate) to: IpAddress,
    pub(crate) code: u8,
    pub(crate) hop_limit: u8,
    /// Told in so many words only with IPv6.
    pub(crate) destination: IpAddress,
    pub(crate) hop: IpAddress,
    pub(crate) mac: Option<EthernetAddress>,
    /// The packet that it is about, from its IP header on.
    pub(crate) quote: Vec<u8>,
}

impl Redirect {
    /// What the gateway says of a frame of the board's.
    pub(crate) fn of(frame: &[u8]) -> Self {
        let (own, destination, ..) = ip_parts(frame).unwrap();
        let version6 = frame[14] >> 4 == 6;
        let len = if version6 { 48 } else { 28 };
        Self {
            sender: PEER_MAC,
            from: gateway(version6),
            to: own,
            code: 1 - u8::from(version6),
            hop_limit: 255,
            destination,
            hop: nearer(version6),
            mac: None,
            quote: frame[14..14 + len].to_vec(),
        }
    }

    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut icmp = match (self.hop, self.destination) {
            (IpAddress::Ipv4(hop), _) => [&[5, self.code, 0, 0][..], &hop.octets()].concat(),
            (IpAddress::Ipv6(hop), IpAddress::Ipv6(destination)) => {
                let icmp = [137, self.code, 0, 0, 0, 0, 0, 0];
                [&icmp[..], &hop.octets(), &destination.octets()].concat()
            }
            _ => unreachable!(),
        };
        if let Some(mac) = self.mac {
            icmp.extend([2, 1]);
            icmp.extend(mac.0);
        }
        let version6 = matches!(self.hop, IpAddress::Ipv6(_));
        if version6 && !self.quote.is_empty() {
            icmp.extend([4, 1 + (self.quote.len() / 8) as u8, 0, 0, 0, 0, 0, 0]);
        }
        icmp.extend(&self.quote);
        let protocol = if version6 { IpProtocol::Icmpv6 } else { IpProtocol::Icmp };
        let mut frame = ip_frame(self.from, self.to, protocol, icmp.len(), |payload| {
            payload.copy_from_slice(&icmp);
        });
        if version6 {
            frame[14 + 7] = self.hop_limit;
        }
        fix_checksums(&mut frame);
        sent_by(self.sender, frame)
    }

    pub(crate) fn with_quote(&self, f: impl FnOnce(&mut [u8])) -> Self {
        let mut this = self.clone();
        f(&mut this.quote);
        this
    }
}
