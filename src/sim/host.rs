//! The socket calls of a well-behaved host, whichever stack it has: ours, or bare smoltcp.
//!
//! [`HostStack`] is the stack, [`HostSockets`] what an application sees of it during a turn. A socket belongs to the
//! stack that made it, and calls on another one panic.

mod bare;
mod error;

use std::net::SocketAddr;

use embedded_nal::{TcpClientStack, TcpFullStack, UdpClientStack};
use smoltcp::phy::Device;
use smoltcp::time::Instant;
use tapboard_firmware::NetStack;

pub(super) use self::bare::{BUFFER as BARE_BUFFER, BareStack};
pub(super) use self::error::SocketError;
use self::error::{Call, nb_error};
use super::arena::PEER_SLOTS;
use crate::testbed::sockets_and_counters;

/// A host's stack.
pub(super) enum HostStack<'w> {
    Tapboard(Box<NetStack<'w>>),
    Smoltcp(Box<BareStack>),
}

/// The stack of a host while its application has its turn.
pub(super) enum HostSockets<'s, 'w> {
    Tapboard(&'s mut NetStack<'w>),
    Smoltcp(&'s mut BareStack),
}

/// A TCP socket, or a listener.
#[derive(Debug)]
pub(super) enum HostTcp {
    Tapboard(tapboard_firmware::TcpSocket),
    Smoltcp(bare::TcpSocket),
}

/// A UDP socket.
#[derive(Debug)]
pub(super) enum HostUdp {
    Tapboard(tapboard_firmware::UdpSocket),
    Smoltcp(bare::UdpSocket),
}

/// Makes the same call on either stack.
macro_rules! either {
    ($stack:expr, $socket:expr, $own:pat, $own_socket:pat => $own_call:expr, $bare:pat, $bare_socket:pat => $bare_call:expr) => {
        match ($stack, $socket) {
            (HostSockets::Tapboard($own), $own_socket) => $own_call,
            (HostSockets::Smoltcp($bare), $bare_socket) => $bare_call,
            _ => unreachable!("a socket of another stack"),
        }
    };
}

impl<'w> HostStack<'w> {
    /// One turn: the stack, and in it the application. Returns when it has to be polled again.
    pub(super) fn poll_with(
        &mut self,
        now: Instant,
        device: &mut (impl Device + ?Sized),
        mut turn: impl FnMut(&mut HostSockets<'_, 'w>, Instant) -> Option<Instant>,
    ) -> Option<Instant> {
        match self {
            Self::Tapboard(stack) => stack
                .poll_with(now, device, |stack, now| turn(&mut HostSockets::Tapboard(stack), now)),
            Self::Smoltcp(stack) => stack
                .poll_with(now, device, |stack, now| turn(&mut HostSockets::Smoltcp(stack), now)),
        }
    }

    /// The cable is in again. smoltcp has no word for that.
    pub(super) fn link_up(&mut self) {
        if let Self::Tapboard(stack) = self {
            stack.link_up();
        }
    }

    /// The calls, outside a turn.
    pub(super) fn sockets(&mut self) -> HostSockets<'_, 'w> {
        match self {
            Self::Tapboard(stack) => HostSockets::Tapboard(stack),
            Self::Smoltcp(stack) => HostSockets::Smoltcp(stack),
        }
    }

    /// TCP connections that exist in any state; listeners are none.
    pub(super) fn connections(&self) -> usize {
        match self {
            Self::Tapboard(stack) => PEER_SLOTS - stack.free_slots(),
            Self::Smoltcp(stack) => stack.connections(),
        }
    }

    /// All sockets, and counters that are not 0.
    pub(super) fn netstat(&self, name: &str) -> String {
        match self {
            Self::Tapboard(stack) => netstat(name, stack),
            Self::Smoltcp(stack) => stack.netstat(name),
        }
    }
}

impl HostSockets<'_, '_> {
    /// Whether it has ever ended a connection without progress, for others waited.
    pub(super) fn has_evicted(&self) -> bool {
        matches!(self, Self::Tapboard(stack) if stack.counters().evicted > 0)
    }

    pub(super) fn tcp(&mut self) -> Result<HostTcp, SocketError> {
        Ok(match self {
            Self::Tapboard(stack) => HostTcp::Tapboard(TcpClientStack::socket(*stack)?),
            Self::Smoltcp(_) => HostTcp::Smoltcp(bare::TcpSocket::New),
        })
    }

    /// Begins to connect, or looks how far that is.
    pub(super) fn connect(&mut self, socket: &mut HostTcp, remote: SocketAddr) -> Call<()> {
        either!(self, socket,
            stack, HostTcp::Tapboard(socket) =>
                TcpClientStack::connect(*stack, socket, remote).map_err(nb_error),
            stack, HostTcp::Smoltcp(socket) => stack.connect(socket, remote))
    }

    pub(super) fn send(&mut self, socket: &mut HostTcp, data: &[u8]) -> Call<usize> {
        either!(self, socket,
            stack, HostTcp::Tapboard(socket) =>
                TcpClientStack::send(*stack, socket, data).map_err(nb_error),
            stack, HostTcp::Smoltcp(socket) => stack.send(socket, data))
    }

    /// 0 is the end of the stream.
    pub(super) fn receive(&mut self, socket: &mut HostTcp, buffer: &mut [u8]) -> Call<usize> {
        either!(self, socket,
            stack, HostTcp::Tapboard(socket) =>
                TcpClientStack::receive(*stack, socket, buffer).map_err(nb_error),
            stack, HostTcp::Smoltcp(socket) => stack.receive(socket, buffer))
    }

    /// Bytes that [`Self::send`] would take.
    pub(super) fn send_room(&mut self, socket: &HostTcp) -> usize {
        either!(self, socket,
            stack, HostTcp::Tapboard(socket) => stack.send_room(socket),
            stack, HostTcp::Smoltcp(socket) => stack.send_room(socket))
    }

    /// Bytes that were sent, or wait to be, and are not acknowledged.
    pub(super) fn unacknowledged(&mut self, socket: &HostTcp) -> usize {
        either!(self, socket,
            stack, HostTcp::Tapboard(socket) => stack.unacknowledged(socket),
            stack, HostTcp::Smoltcp(socket) => stack.unacknowledged(socket))
    }

    /// Ends the own direction.
    pub(super) fn shutdown(&mut self, socket: &HostTcp) -> Result<(), SocketError> {
        either!(self, socket,
            stack, HostTcp::Tapboard(socket) => Ok(stack.shutdown(socket)?),
            stack, HostTcp::Smoltcp(socket) => { stack.shutdown(socket); Ok(()) })
    }

    pub(super) fn close(&mut self, socket: HostTcp) {
        either!(self, socket,
            stack, HostTcp::Tapboard(socket) => { let _ = TcpClientStack::close(*stack, socket); },
            stack, HostTcp::Smoltcp(socket) => stack.close(&socket));
    }

    pub(super) fn abort(&mut self, socket: HostTcp) {
        either!(self, socket,
            stack, HostTcp::Tapboard(socket) => stack.abort(socket),
            stack, HostTcp::Smoltcp(socket) => stack.abort(&socket));
    }

    pub(super) fn listen(&mut self, port: u16) -> Result<HostTcp, SocketError> {
        match self {
            Self::Tapboard(stack) => {
                let mut socket = TcpClientStack::socket(*stack)?;
                TcpFullStack::bind(*stack, &mut socket, port)?;
                TcpFullStack::listen(*stack, &mut socket)?;
                Ok(HostTcp::Tapboard(socket))
            }
            Self::Smoltcp(stack) => Ok(HostTcp::Smoltcp(stack.listen(port))),
        }
    }

    /// The next connection that waits, if any.
    pub(super) fn accept(&mut self, listener: &mut HostTcp) -> Option<HostTcp> {
        either!(self, listener,
            stack, HostTcp::Tapboard(listener) => {
                let (socket, _) = TcpFullStack::accept(*stack, listener).ok()?;
                Some(HostTcp::Tapboard(socket))
            },
            stack, HostTcp::Smoltcp(listener) => stack.accept(listener).map(HostTcp::Smoltcp))
    }

    /// A UDP socket that exchanges datagrams with `remote`.
    pub(super) fn udp(&mut self, remote: SocketAddr) -> Result<HostUdp, SocketError> {
        Ok(match self {
            Self::Tapboard(stack) => {
                let mut socket = UdpClientStack::socket(*stack)?;
                UdpClientStack::connect(*stack, &mut socket, remote)?;
                HostUdp::Tapboard(socket)
            }
            Self::Smoltcp(stack) => HostUdp::Smoltcp(stack.udp(remote)),
        })
    }

    /// Sends a datagram; if there is no room, it is as good as lost.
    pub(super) fn send_datagram(&mut self, socket: &mut HostUdp, data: &[u8]) {
        either!(self, socket,
            stack, HostUdp::Tapboard(socket) => {
                let _ = UdpClientStack::send(*stack, socket, data);
            },
            stack, HostUdp::Smoltcp(socket) => stack.send_datagram(socket, data));
    }

    /// The length of the next datagram, if one is there.
    pub(super) fn receive_datagram(
        &mut self,
        socket: &mut HostUdp,
        buffer: &mut [u8],
    ) -> Option<usize> {
        either!(self, socket,
            stack, HostUdp::Tapboard(socket) =>
                UdpClientStack::receive(*stack, socket, buffer).ok().map(|(count, _)| count),
            stack, HostUdp::Smoltcp(socket) => stack.receive_datagram(socket, buffer))
    }

    pub(super) fn close_udp(&mut self, socket: HostUdp) {
        either!(self, socket,
            stack, HostUdp::Tapboard(socket) => {
                let _ = UdpClientStack::close(*stack, socket);
            },
            stack, HostUdp::Smoltcp(socket) => stack.close_udp(&socket));
    }
}

/// All sockets of a stack and its counters that are not 0.
pub(super) fn netstat(name: &str, stack: &NetStack<'_>) -> String {
    format!("-- {name}\n{}", sockets_and_counters(stack))
}
