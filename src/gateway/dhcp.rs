//! The gateway's DHCP server (RFC 2131 4.3): each MAC address has one lease, for an address that stays the same.
//!
//! The board's own MAC address has the board's own IPv4 address, to where the forwarded ports lead. A guest in another
//! process may have any MAC address: whoever asks first has the board's, as long as the board has not. Others have the
//! addresses of a range. At most [`LEASES`](super::limits::LEASES) are known at once; then the one that ended first makes room, and while none
//! has ended nobody else is answered. Who says its name has it in the gateway's DNS as long as the lease is known.

mod leases;
mod range;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::udp;
use smoltcp::time::Instant;
use smoltcp::wire::{DHCP_CLIENT_PORT, DHCP_SERVER_PORT, Ipv4Address};
use tapboard_firmware::NetStack;
use tapboard_firmware::config::DATAGRAM_SIZE;

use self::leases::Leases;
pub use self::range::DhcpRange;
use super::names::Names;
use crate::identity::Identity;

/// Messages that can wait.
const QUEUE: usize = 16;

/// The server.
#[derive(Debug)]
pub(super) struct DhcpServer {
    socket: SocketHandle,
    pub(super) leases: Leases,
}

impl DhcpServer {
    /// A server at `own` that gives `board` its address, and others those of `range`. `names`: the gateway answers questions
    /// for names.
    pub(super) fn open(
        stack: &mut NetStack<'_>,
        own: Ipv4Address,
        board: &Identity,
        range: DhcpRange,
        names: bool,
    ) -> Self {
        let buffer = || {
            let metadata = vec![udp::PacketMetadata::EMPTY; QUEUE];
            udp::PacketBuffer::new(metadata, vec![0; QUEUE * DATAGRAM_SIZE])
        };
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(DHCP_SERVER_PORT).expect("a new socket takes any port");
        let socket = stack.add_socket(socket).expect("it has a place of its own");
        Self { socket, leases: Leases::new(own, board, range, names) }
    }

    /// Answers what has come in.
    pub(super) fn poll(&mut self, stack: &mut NetStack<'_>, names: &mut Names, now: Instant) {
        let Self { socket, leases } = self;
        if !stack.added_socket::<udp::Socket<'_>>(*socket).can_recv() {
            return;
        }
        let socket = stack.added_socket_mut::<udp::Socket<'_>>(*socket);
        while let Ok((message, _)) = socket.recv() {
            if let Some((answer, to)) = leases.answer(message, names, now) {
                // A full socket loses it, as UDP may.
                let _ = socket.send_slice(&answer, (to, DHCP_CLIENT_PORT));
            }
        }
    }
}
