//! A stack for several owners: crates that want one of their own, such as MQTT clients, get a copy of this.
//!
//! Each call borrows the stack for as long as it takes. It never blocks, and no call of the stack calls back into the
//! application but [`NetStack::poll_with`], so that a borrow is never taken twice: poll with [`Shared::poll`], outside of
//! any other borrow.

use core::cell::RefCell;
use core::net::SocketAddr;

use embedded_nal::{TcpClientStack, TcpFullStack, nb};
#[cfg(feature = "udp")]
use embedded_nal::{UdpClientStack, UdpFullStack};
use smoltcp::phy::Device;
use smoltcp::time::Instant;

use crate::error::Error;
#[cfg(feature = "udp")]
use crate::stack::UdpSocket;
use crate::stack::{NetStack, TcpSocket};

/// One of many owners of a stack; copies are the same stack.
///
/// ```no_run
/// # use core::cell::RefCell;
/// # fn example(stack: tapboard_net::NetStack<'static>) {
/// use tapboard_net::Shared;
///
/// let stack = RefCell::new(stack);
/// let (mine, theirs) = (Shared::new(&stack), Shared::new(&stack));
/// # let _ = (mine, theirs);
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Shared<'s, 'a>(&'s RefCell<NetStack<'a>>);

impl<'s, 'a> Shared<'s, 'a> {
    /// A further owner of `stack`.
    #[must_use]
    pub const fn new(stack: &'s RefCell<NetStack<'a>>) -> Self {
        Self(stack)
    }

    /// As [`NetStack::poll`].
    ///
    /// # Panics
    /// If the stack is borrowed meanwhile, as within [`Shared::with`].
    pub fn poll<D: Device + ?Sized>(&self, now: Instant, device: &mut D) -> Option<Instant> {
        self.0.borrow_mut().poll(now, device)
    }

    /// As [`NetStack::wants_poll`].
    ///
    /// # Panics
    /// As [`Shared::poll`].
    #[must_use]
    pub fn wants_poll(&self) -> bool {
        self.0.borrow_mut().wants_poll()
    }

    /// Uses the stack itself.
    ///
    /// # Panics
    /// If it is borrowed already, as within another such call.
    pub fn with<R>(&self, call: impl FnOnce(&mut NetStack<'a>) -> R) -> R {
        call(&mut self.0.borrow_mut())
    }
}

impl TcpClientStack for Shared<'_, '_> {
    type TcpSocket = TcpSocket;
    type Error = Error;

    fn socket(&mut self) -> Result<TcpSocket, Error> {
        TcpClientStack::socket(&mut *self.0.borrow_mut())
    }

    fn connect(&mut self, socket: &mut TcpSocket, remote: SocketAddr) -> nb::Result<(), Error> {
        TcpClientStack::connect(&mut *self.0.borrow_mut(), socket, remote)
    }

    fn send(&mut self, socket: &mut TcpSocket, buffer: &[u8]) -> nb::Result<usize, Error> {
        self.0.borrow_mut().tcp_send(socket, buffer)
    }

    fn receive(&mut self, socket: &mut TcpSocket, buffer: &mut [u8]) -> nb::Result<usize, Error> {
        self.0.borrow_mut().tcp_receive(socket, buffer)
    }

    fn close(&mut self, socket: TcpSocket) -> Result<(), Error> {
        self.0.borrow_mut().tcp_close(socket);
        Ok(())
    }
}

impl TcpFullStack for Shared<'_, '_> {
    fn bind(&mut self, socket: &mut TcpSocket, local_port: u16) -> Result<(), Error> {
        TcpFullStack::bind(&mut *self.0.borrow_mut(), socket, local_port)
    }

    fn listen(&mut self, socket: &mut TcpSocket) -> Result<(), Error> {
        TcpFullStack::listen(&mut *self.0.borrow_mut(), socket)
    }

    fn accept(&mut self, socket: &mut TcpSocket) -> nb::Result<(TcpSocket, SocketAddr), Error> {
        self.0.borrow_mut().tcp_accept(socket)
    }
}

#[cfg(feature = "udp")]
impl UdpClientStack for Shared<'_, '_> {
    type UdpSocket = UdpSocket;
    type Error = Error;

    fn socket(&mut self) -> Result<UdpSocket, Error> {
        UdpClientStack::socket(&mut *self.0.borrow_mut())
    }

    fn connect(&mut self, socket: &mut UdpSocket, remote: SocketAddr) -> Result<(), Error> {
        UdpClientStack::connect(&mut *self.0.borrow_mut(), socket, remote)
    }

    fn send(&mut self, socket: &mut UdpSocket, buffer: &[u8]) -> nb::Result<(), Error> {
        self.0.borrow_mut().udp_send(socket, buffer)
    }

    fn receive(
        &mut self,
        socket: &mut UdpSocket,
        buffer: &mut [u8],
    ) -> nb::Result<(usize, SocketAddr), Error> {
        self.0.borrow_mut().udp_receive(socket, buffer)
    }

    fn close(&mut self, socket: UdpSocket) -> Result<(), Error> {
        self.0.borrow_mut().udp_close(socket);
        Ok(())
    }
}

#[cfg(feature = "udp")]
impl UdpFullStack for Shared<'_, '_> {
    fn bind(&mut self, socket: &mut UdpSocket, local_port: u16) -> Result<(), Error> {
        UdpFullStack::bind(&mut *self.0.borrow_mut(), socket, local_port)
    }

    fn send_to(
        &mut self,
        socket: &mut UdpSocket,
        remote: SocketAddr,
        buffer: &[u8],
    ) -> nb::Result<(), Error> {
        self.0.borrow_mut().udp_send_to(socket, remote, buffer)
    }
}
