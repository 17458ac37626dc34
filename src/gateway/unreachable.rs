//! What the kernel says of a datagram that the board sent, told to the board as ICMP (RFC 792, RFC 4443 3.1).
//!
//! The kernel tells that there was an error, not which datagram it was about: that is the mapping's last one. Its
//! headers are made anew, as if it had had no data, for smoltcp sends no error that quotes less than all of a packet
//! (socket/icmp.rs): who reads it finds the ports. What the board refuses is not told to clients: nobody but the kernel can say
//! that to them.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use smoltcp::iface::SocketHandle;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::icmp;
use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, Icmpv6DstUnreachable, Icmpv6Packet, Icmpv6Repr,
    IpProtocol, Ipv4Repr, Ipv6Address, Ipv6Repr, UdpPacket,
};
use tapboard_firmware::{NetConfig, NetStack};

use crate::identity::link_local;

/// Errors that can wait.
const QUEUE: usize = 16;
/// Longest of them: an ICMP header, an IPv6 header, a UDP header.
const SIZE: usize = 8 + 40 + UDP_HEADER;
const UDP_HEADER: usize = 8;

/// A datagram, as far as an error is about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagram {
    pub(super) from: SocketAddr,
    /// Port of the gateway.
    pub(super) port: u16,
}

/// The socket that sends the errors.
#[derive(Debug)]
pub(super) struct Unreachable {
    /// The gateway's addresses.
    own: NetConfig,
    socket: SocketHandle,
    /// How many were sent.
    pub(super) sent: u64,
}

impl Unreachable {
    pub(super) fn open(stack: &mut NetStack<'_>, own: NetConfig) -> Self {
        let buffer = |len: usize| {
            icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; len], vec![0; len * SIZE])
        };
        // It is bound to nothing, and so receives nothing.
        let socket = icmp::Socket::new(buffer(0), buffer(QUEUE));
        let socket = stack.add_socket(socket).expect("it has a place of its own");
        Self { own, socket, sent: 0 }
    }

    /// Tells the sender of a datagram what the kernel said of it, if there is a word for that.
    pub(super) fn tell(&mut self, stack: &mut NetStack<'_>, about: Datagram, error: ErrorKind) {
        let Some(message) = message(&self.own, about, error) else { return };
        let socket = stack.added_socket_mut::<icmp::Socket<'_>>(self.socket);
        // A full socket loses it, as ICMP may.
        if socket.send_slice(&message, about.from.ip().into()).is_ok() {
            self.sent += 1;
        }
    }
}

/// The error, with the header that it quotes.
fn message(own: &NetConfig, about: Datagram, error: ErrorKind) -> Option<Vec<u8>> {
    let Datagram { from, port } = about;
    let mut quoted = [0; UDP_HEADER];
    let mut udp = UdpPacket::new_unchecked(&mut quoted[..]);
    udp.set_src_port(from.port());
    udp.set_dst_port(port);
    udp.set_len(UDP_HEADER as u16);
    let checksums = ChecksumCapabilities::default();
    match from.ip() {
        IpAddr::V4(board) => {
            let reason = match error {
                ErrorKind::ConnectionRefused => Icmpv4DstUnreachable::PortUnreachable,
                ErrorKind::HostUnreachable => Icmpv4DstUnreachable::HostUnreachable,
                ErrorKind::NetworkUnreachable => Icmpv4DstUnreachable::NetUnreachable,
                _ => return None,
            };
            let own = own.ipv4_address();
            let header = Ipv4Repr {
                src_addr: board,
                dst_addr: own,
                next_header: IpProtocol::Udp,
                payload_len: UDP_HEADER,
                hop_limit: 64,
            };
            let repr = Icmpv4Repr::DstUnreachable { reason, header, data: &quoted };
            let mut bytes = vec![0; repr.buffer_len()];
            repr.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes[..]), &checksums);
            Some(bytes)
        }
        IpAddr::V6(board) => {
            let reason = match error {
                ErrorKind::ConnectionRefused => Icmpv6DstUnreachable::PortUnreachable,
                ErrorKind::HostUnreachable => Icmpv6DstUnreachable::AddrUnreachable,
                ErrorKind::NetworkUnreachable => Icmpv6DstUnreachable::NoRoute,
                _ => return None,
            };
            let own = own_ipv6(own, board);
            let header = Ipv6Repr {
                src_addr: board,
                dst_addr: own,
                next_header: IpProtocol::Udp,
                payload_len: UDP_HEADER,
                hop_limit: 64,
            };
            let repr = Icmpv6Repr::DstUnreachable { reason, header, data: &quoted };
            let mut bytes = vec![0; repr.buffer_len()];
            let mut packet = Icmpv6Packet::new_unchecked(&mut bytes[..]);
            repr.emit(&own, &board, &mut packet, &checksums);
            Some(bytes)
        }
    }
}

/// The gateway's address of the scope that `board` has.
fn own_ipv6(own: &NetConfig, board: Ipv6Address) -> Ipv6Address {
    match own.ipv6() {
        Some(own) if !board.is_unicast_link_local() => own.address(),
        _ => link_local(own.mac()),
    }
}

#[cfg(test)]
mod tests {
    use tapboard_firmware::PEER_NET;

    use super::*;

    #[test]
    fn what_has_no_word_in_icmp_is_not_told() {
        let about = Datagram { from: "192.0.2.1:4000".parse().unwrap(), port: 9000 };
        let kinds = [ErrorKind::ConnectionRefused, ErrorKind::HostUnreachable];
        let codes = kinds.map(|kind| message(&PEER_NET, about, kind).unwrap()[..2].to_vec());
        assert_eq!(codes, [[3, 3], [3, 1]]);
        assert_eq!(message(&PEER_NET, about, ErrorKind::PermissionDenied), None);
        let about = Datagram { from: "[2001:db8::1]:4000".parse().unwrap(), ..about };
        let codes = kinds.map(|kind| message(&PEER_NET, about, kind).unwrap()[..2].to_vec());
        assert_eq!(codes, [[1, 4], [1, 3]]);
    }
}
