//! A stack for several owners: crates that want one of their own, such as MQTT clients, get a copy of this.
//!
//! Each call borrows the stack for as long as it takes. It never blocks, and no call of the stack calls back into the
//! application but [`NetStack::poll_with`], so that a borrow is never taken twice: poll with [`Shared::poll`], outside of
//! any other borrow. With the feature `async` that also wakes the tasks that need not wait any more.

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
        self.with(|stack| stack.poll(now, device))
    }

    /// As [`NetStack::wants_poll`].
    ///
    /// # Panics
    /// As [`Shared::poll`].
    #[must_use]
    pub fn wants_poll(&self) -> bool {
        self.call(NetStack::wants_poll)
    }

    /// Uses the stack itself.
    ///
    /// # Panics
    /// If it is borrowed already, as within another such call.
    pub fn with<R>(&self, call: impl FnOnce(&mut NetStack<'a>) -> R) -> R {
        let result = self.call(call);
        #[cfg(feature = "async")]
        self.wake();
        result
    }

    /// One borrow, of a call that makes nobody ready. Who polls the stack is told, after it, if it has to.
    pub(crate) fn call<R>(self, call: impl FnOnce(&mut NetStack<'a>) -> R) -> R {
        let mut stack = self.0.borrow_mut();
        #[cfg(feature = "async")]
        stack.close_dropped();
        let result = call(&mut stack);
        #[cfg(feature = "async")]
        let driver = stack.take_driver();
        drop(stack);
        #[cfg(feature = "async")]
        if let Some(driver) = driver {
            driver.wake();
        }
        result
    }

    /// Wakes the tasks whose calls would not block any more, each while the stack is not borrowed.
    #[cfg(feature = "async")]
    pub(crate) fn wake(self) {
        let mut from = 0;
        loop {
            // Its borrow ends before the waker is used.
            let ready = self.0.borrow_mut().take_ready(&mut from);
            let Some(waker) = ready else { return };
            waker.wake();
        }
    }

    /// The stack, if it is not borrowed.
    #[cfg(feature = "async")]
    pub(crate) fn try_borrow(self) -> Option<core::cell::RefMut<'s, NetStack<'a>>> {
        self.0.try_borrow_mut().ok()
    }
}

impl TcpClientStack for Shared<'_, '_> {
    type TcpSocket = TcpSocket;
    type Error = Error;

    fn socket(&mut self) -> Result<TcpSocket, Error> {
        self.call(TcpClientStack::socket)
    }

    fn connect(&mut self, socket: &mut TcpSocket, remote: SocketAddr) -> nb::Result<(), Error> {
        self.call(|stack| TcpClientStack::connect(stack, socket, remote))
    }

    fn send(&mut self, socket: &mut TcpSocket, buffer: &[u8]) -> nb::Result<usize, Error> {
        self.call(|stack| stack.tcp_send(socket, buffer))
    }

    fn receive(&mut self, socket: &mut TcpSocket, buffer: &mut [u8]) -> nb::Result<usize, Error> {
        self.call(|stack| stack.tcp_receive(socket, buffer))
    }

    fn close(&mut self, socket: TcpSocket) -> Result<(), Error> {
        self.call(|stack| stack.tcp_close(socket));
        Ok(())
    }
}

impl TcpFullStack for Shared<'_, '_> {
    fn bind(&mut self, socket: &mut TcpSocket, local_port: u16) -> Result<(), Error> {
        self.call(|stack| TcpFullStack::bind(stack, socket, local_port))
    }

    fn listen(&mut self, socket: &mut TcpSocket) -> Result<(), Error> {
        self.call(|stack| TcpFullStack::listen(stack, socket))
    }

    fn accept(&mut self, socket: &mut TcpSocket) -> nb::Result<(TcpSocket, SocketAddr), Error> {
        self.call(|stack| stack.tcp_accept(socket))
    }
}

#[cfg(feature = "udp")]
impl UdpClientStack for Shared<'_, '_> {
    type UdpSocket = UdpSocket;
    type Error = Error;

    fn socket(&mut self) -> Result<UdpSocket, Error> {
        self.call(UdpClientStack::socket)
    }

    fn connect(&mut self, socket: &mut UdpSocket, remote: SocketAddr) -> Result<(), Error> {
        self.call(|stack| UdpClientStack::connect(stack, socket, remote))
    }

    fn send(&mut self, socket: &mut UdpSocket, buffer: &[u8]) -> nb::Result<(), Error> {
        self.call(|stack| stack.udp_send(socket, buffer))
    }

    fn receive(
        &mut self,
        socket: &mut UdpSocket,
        buffer: &mut [u8],
    ) -> nb::Result<(usize, SocketAddr), Error> {
        self.call(|stack| stack.udp_receive(socket, buffer))
    }

    fn close(&mut self, socket: UdpSocket) -> Result<(), Error> {
        self.call(|stack| stack.udp_close(socket));
        Ok(())
    }
}

#[cfg(feature = "udp")]
impl UdpFullStack for Shared<'_, '_> {
    fn bind(&mut self, socket: &mut UdpSocket, local_port: u16) -> Result<(), Error> {
        self.call(|stack| UdpFullStack::bind(stack, socket, local_port))
    }

    fn send_to(
        &mut self,
        socket: &mut UdpSocket,
        remote: SocketAddr,
        buffer: &[u8],
    ) -> nb::Result<(), Error> {
        self.call(|stack| stack.udp_send_to(socket, remote, buffer))
    }
}
