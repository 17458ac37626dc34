//! Datagrams of the stack's own, without a socket: written into the frame, and read where they came in.
//!
//! Names are asked for with them, and told. They need no buffers; what the device has no room for is written anew.

use crate::ethernet::EthernetAddress;
#[cfg(feature = "_datagram")]
use smoltcp::phy::Device;
use smoltcp::phy::TxToken;
#[cfg(any(feature = "dns", feature = "mdns"))]
use smoltcp::wire::Ipv4Address;
use smoltcp::wire::{IpAddress, IpEndpoint, IpProtocol, IpRepr};

#[cfg(all(feature = "ipv6", any(feature = "dns", feature = "mdns")))]
use smoltcp::wire::Ipv6Address;

use super::NetStack;
#[cfg(any(feature = "dns", feature = "mdns"))]
use crate::dns_message::FAMILIES;
use crate::frame::datagram::{HEADER, frame_len, put_datagram, put_headers};
use crate::frame::{Link, Packet};

/// The port of multicast DNS (RFC 6762 3).
#[cfg(any(feature = "dns", feature = "mdns"))]
pub(super) const MDNS_PORT: u16 = 5353;

/// Its groups.
#[cfg(any(feature = "dns", feature = "mdns"))]
const MDNS_IPV4: Ipv4Address = Ipv4Address::new(224, 0, 0, 251);
#[cfg(all(feature = "ipv6", any(feature = "dns", feature = "mdns")))]
pub(super) const MDNS_IPV6: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

/// A datagram to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing<'p> {
    /// Our port.
    pub(super) from: u16,
    pub(super) to: IpEndpoint,
    pub(super) hop_limit: u8,
    pub(super) payload: &'p [u8],
}

impl NetStack<'_> {
    /// The group of multicast DNS of a family, the first one IPv4, if this stack has an address beside it.
    #[cfg(any(feature = "dns", feature = "mdns"))]
    #[inline(never)]
    pub(super) fn names_group(&self, family: usize) -> Option<IpAddress> {
        #[cfg(feature = "ipv6")]
        if family > 0 {
            return self.config.ipv6().map(|_| MDNS_IPV6.into());
        }
        self.interface.ipv4_addr().filter(|_| family == 0).map(|_| MDNS_IPV4.into())
    }

    /// All of them.
    #[cfg(any(feature = "dns", feature = "mdns"))]
    pub(super) fn names_groups(&self) -> impl Iterator<Item = IpAddress> {
        (0..FAMILIES).filter_map(|family| self.names_group(family))
    }

    /// Sends a datagram. `None`: it is not known where to; the caller asks for it with
    /// [`NetStack::want`]. `Some(false)`: the device refused.
    #[cfg(feature = "_datagram")]
    #[inline(never)]
    pub(super) fn send_datagram<D: Device + ?Sized>(
        &mut self,
        device: &mut D,
        datagram: &Outgoing<'_>,
    ) -> Option<bool> {
        let mac = self.way_to(&datagram.to.addr)?;
        let Some(token) = device.transmit(self.now) else { return Some(false) };
        self.emit_datagram(token, datagram, mac);
        Some(true)
    }

    /// Sends a datagram to `mac`, where the medium has some, if there is an address that it may be from.
    #[cfg(feature = "_datagram")]
    pub(super) fn emit_datagram(
        &mut self,
        token: impl TxToken,
        datagram: &Outgoing<'_>,
        mac: EthernetAddress,
    ) {
        if let Some(source) = self.source_for(&datagram.to.addr) {
            self.emit_datagram_of(token, source, datagram, mac);
        }
    }

    /// Sends a datagram from `source` to `mac`, where the medium has some.
    pub(super) fn emit_datagram_of(
        &mut self,
        token: impl TxToken,
        source: IpAddress,
        datagram: &Outgoing<'_>,
        mac: EthernetAddress,
    ) {
        let &Outgoing { from, to, hop_limit, payload } = datagram;
        let link = self.mac().map(|own| Link { source: own, destination: mac });
        let ip = IpRepr::new(source, to.addr, IpProtocol::Udp, HEADER + payload.len(), hop_limit);
        let (len, checksums) = (frame_len(link, &ip), &self.capabilities.checksum);
        token.consume(len, |frame| {
            if let Some(room) = put_headers(frame, link, &ip, checksums) {
                put_datagram(room, &ip, [from, to.port], payload, checksums.udp.tx());
            }
        });
        self.counters.count_frame(len);
        if link.is_some_and(|link| !link.destination.is_unicast()) {
            self.spoke();
        }
    }

    /// What is in a datagram that is whole. One that is not is counted.
    pub(super) fn open_datagram<'p>(&mut self, packet: &Packet<'p>) -> Option<&'p [u8]> {
        let datagram = packet.datagram(&self.capabilities.checksum);
        if datagram.is_none() {
            self.drop_malformed();
        }
        datagram
    }
}
