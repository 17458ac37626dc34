//! The `embedded-nal` traits over the stack's own calls.

use core::net::SocketAddr;

use embedded_nal::{TcpClientStack, TcpFullStack, nb};
#[cfg(feature = "udp")]
use embedded_nal::{UdpClientStack, UdpFullStack};

#[cfg(feature = "udp")]
use super::UdpSocket;
use super::{Error, NetStack, TcpSocket};

impl TcpClientStack for NetStack<'_> {
    type TcpSocket = TcpSocket;
    type Error = Error;

    fn socket(&mut self) -> Result<TcpSocket, Error> {
        Ok(TcpSocket::NEW)
    }

    /// The first call sends the SYN; `WouldBlock` until the peer has answered. After an error the socket
    /// is as new.
    fn connect(&mut self, socket: &mut TcpSocket, remote: SocketAddr) -> nb::Result<(), Error> {
        self.tcp_connect_socket(socket, remote)
    }

    fn send(&mut self, socket: &mut TcpSocket, buffer: &[u8]) -> nb::Result<usize, Error> {
        self.tcp_send(socket, buffer)
    }

    fn receive(&mut self, socket: &mut TcpSocket, buffer: &mut [u8]) -> nb::Result<usize, Error> {
        self.tcp_receive(socket, buffer)
    }

    fn close(&mut self, socket: TcpSocket) -> Result<(), Error> {
        self.tcp_close(socket);
        Ok(())
    }
}

impl TcpFullStack for NetStack<'_> {
    fn bind(&mut self, socket: &mut TcpSocket, local_port: u16) -> Result<(), Error> {
        self.tcp_bind_socket(socket, local_port)
    }

    fn listen(&mut self, socket: &mut TcpSocket) -> Result<(), Error> {
        self.tcp_listen_socket(socket)
    }

    fn accept(&mut self, socket: &mut TcpSocket) -> nb::Result<(TcpSocket, SocketAddr), Error> {
        self.tcp_accept(socket)
    }
}

#[cfg(feature = "udp")]
impl UdpClientStack for NetStack<'_> {
    type UdpSocket = UdpSocket;
    type Error = Error;

    fn socket(&mut self) -> Result<UdpSocket, Error> {
        Ok(UdpSocket::NEW)
    }

    /// Names the only peer; a socket that is not bound yet gets a random ephemeral port.
    fn connect(&mut self, socket: &mut UdpSocket, remote: SocketAddr) -> Result<(), Error> {
        self.udp_connect_socket(socket, remote)
    }

    fn send(&mut self, socket: &mut UdpSocket, buffer: &[u8]) -> nb::Result<(), Error> {
        self.udp_send(socket, buffer)
    }

    /// What of a datagram does not fit `buffer` is lost, as with BSD's `recvfrom`.
    fn receive(
        &mut self,
        socket: &mut UdpSocket,
        buffer: &mut [u8],
    ) -> nb::Result<(usize, SocketAddr), Error> {
        self.udp_receive(socket, buffer)
    }

    fn close(&mut self, socket: UdpSocket) -> Result<(), Error> {
        self.udp_close(socket);
        Ok(())
    }
}

#[cfg(feature = "udp")]
impl UdpFullStack for NetStack<'_> {
    fn bind(&mut self, socket: &mut UdpSocket, local_port: u16) -> Result<(), Error> {
        self.udp_bind_socket(socket, local_port)
    }

    fn send_to(
        &mut self,
        socket: &mut UdpSocket,
        remote: SocketAddr,
        buffer: &[u8],
    ) -> nb::Result<(), Error> {
        self.udp_send_to(socket, remote, buffer)
    }
}
