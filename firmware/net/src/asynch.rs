//! The sockets for `async` code: no executor, no heap, no task of its own.
//!
//! [`Async`] is, like [`Shared`], one of many owners of a stack; its sockets are [`TcpStream`], [`TcpListener`] and
//! [`UdpSocket`]. They have the traits of `edge-nal` and `embedded-nal-async`, and those of `embedded-io-async`, so
//! that servers and clients written for these run on them. A socket that is dropped is closed, whoever has the stack
//! borrowed at that moment; a future that is dropped gives back what it held.
//!
//! **Who waits for what.** Each direction of a socket has one waker, and all listeners together as many as TCP slots
//! ([`Error::NoBufferSpace`] for one more at a time). A task is woken by [`Async::poll`] or [`Shared::poll`], after the
//! turn and outside of the borrow, once its call would not block any more; no other task is. So poll through one of
//! these two, or [`Shared::with`]: [`NetStack::poll`] alone wakes nobody.
//!
//! A task that waits uses its socket, so that [`Limits::with_abandoned`](crate::Limits::with_abandoned) does not take it
//! back.
//!
//! **Who polls the stack.** A call may leave something to send. In a superloop, poll again when [`Async::wants_poll`]
//! says so:
//!
//! ```no_run
//! use core::cell::RefCell;
//! use core::pin::pin;
//! use core::task::{Context, Waker};
//! use tapboard_net::smoltcp::{phy::Device, time::Instant};
//! use tapboard_net::{Async, Error, NetStack};
//!
//! async fn echo(net: Async<'_, '_>) -> Result<(), Error> {
//!     let listener = net.tcp_listen(7)?;
//!     loop {
//!         let (mut stream, _) = listener.accept().await?;
//!         let mut buffer = [0; 256];
//!         while let Ok(count @ 1..) = stream.read(&mut buffer).await {
//!             let _ = stream.write_all(&buffer[..count]).await;
//!         }
//!     }
//! }
//!
//! fn superloop(
//!     stack: NetStack<'_>,
//!     mut device: impl Device,
//!     now: impl Fn() -> Instant,
//!     sleep: impl Fn(Option<Instant>),
//! ) {
//!     let stack = RefCell::new(stack);
//!     let net = Async::new(&stack);
//!     // Looked at in each turn; with more than a few tasks, use an executor that knows which were woken.
//!     let mut tasks = pin!(echo(net));
//!     loop {
//!         let next = net.poll(now(), &mut device);
//!         let _ = tasks.as_mut().poll(&mut Context::from_waker(Waker::noop()));
//!         if !net.wants_poll() {
//!             // Until then, or a frame.
//!             sleep(next);
//!         }
//!     }
//! }
//! ```
//!
//! Under an executor, one task drives the stack, with [`Async::run`] or a loop of its own over [`Async::changed`].
//!
//! It costs a look at each slot after each turn, and at all of them for each connection that nobody has accepted; and
//! RAM for the wakers, on a 32-bit machine about 50 bytes a TCP slot and 30 a UDP socket.

mod error;
mod listener;
mod nal;
mod tcp;
mod udp;

use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::net::SocketAddr;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_nal::nb;
use smoltcp::phy::Device;
use smoltcp::time::Instant;

use crate::error::Error;
use crate::shared::Shared;
use crate::stack::NetStack;
use crate::wake::Dropped;

pub use embedded_io_async;
pub use listener::TcpListener;
pub use tcp::{ReadHalf, TcpStream, WriteHalf};
pub use udp::{ReceiveHalf, SendHalf, UdpSocket};
pub use {edge_nal, embedded_nal_async};

/// One of many owners of a stack, for `async` code; copies are the same stack. See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub struct Async<'s, 'a> {
    shared: Shared<'s, 'a>,
    dropped: Dropped<'a>,
}

impl<'s, 'a> Async<'s, 'a> {
    /// A further owner of `stack`.
    ///
    /// # Panics
    /// If the stack is borrowed meanwhile. So does each call but the drop of a socket or future.
    #[must_use]
    pub fn new(stack: &'s RefCell<NetStack<'a>>) -> Self {
        let dropped = stack.borrow().dropped();
        Self { shared: Shared::new(stack), dropped }
    }

    /// An owner for calls that do not wait.
    #[must_use]
    pub const fn shared(&self) -> Shared<'s, 'a> {
        self.shared
    }

    /// As [`NetStack::poll`]; then wakes the tasks that need not wait any more.
    pub fn poll<D: Device + ?Sized>(&self, now: Instant, device: &mut D) -> Option<Instant> {
        self.shared.poll(now, device)
    }

    /// As [`NetStack::wants_poll`]; also when a socket was dropped while the stack was borrowed.
    #[must_use]
    pub fn wants_poll(&self) -> bool {
        self.shared.wants_poll()
    }

    /// Waits until [`Async::wants_poll`] is true. For the one task that polls the stack.
    pub async fn changed(&self) {
        poll_fn(|context| {
            if self.wants_poll() {
                return Poll::Ready(());
            }
            let _before = self.shared.call(|stack| stack.wait_driver(context.waker()));
            Poll::Pending
        })
        .await;
    }

    /// Polls the stack for ever, as a task of its own. `now` reads the clock. `wait` waits until a frame has come in, the
    /// device has room again after it had none, or that time has come; it is dropped when a call leaves something to send.
    pub async fn run<D: Device + ?Sized>(
        &self,
        device: &mut D,
        mut now: impl FnMut() -> Instant,
        mut wait: impl AsyncFnMut(&mut D, Option<Instant>),
    ) -> ! {
        loop {
            let next = self.poll(now(), device);
            // First those whom that has woken, even if the next frame is there already.
            yield_now().await;
            let (mut waited, mut changed) = (pin!(wait(device, next)), pin!(self.changed()));
            poll_fn(|context| {
                let changed = changed.as_mut().poll(context).is_ready();
                if changed || waited.as_mut().poll(context).is_ready() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        }
    }

    /// A connection to `remote`, once the peer has answered. Until then, dropping the future takes the request back.
    pub async fn tcp_connect(&self, remote: SocketAddr) -> Result<TcpStream<'s, 'a>, Error> {
        let socket = self.shared.call(|stack| stack.tcp_connect(remote))?;
        TcpStream::connecting(*self, socket).await
    }

    /// A listener on `port`.
    pub fn tcp_listen(&self, port: u16) -> Result<TcpListener<'s, 'a>, Error> {
        let socket = self.shared.call(|stack| stack.tcp_listen(port))?;
        Ok(TcpListener::new(*self, socket))
    }

    /// A UDP socket on `port`; 0 is a random one.
    pub fn udp_bind(&self, port: u16) -> Result<UdpSocket<'s, 'a>, Error> {
        let socket = self.shared.call(|stack| stack.udp_bind_any(port))?;
        Ok(UdpSocket::new(*self, socket))
    }

    /// A UDP socket on a random port whose only peer is `remote`.
    pub fn udp_connect(&self, remote: SocketAddr) -> Result<UdpSocket<'s, 'a>, Error> {
        let socket = self.shared.call(|stack| stack.udp_connect(remote))?;
        Ok(UdpSocket::new(*self, socket))
    }

    /// One attempt at a call that may block; then the task is registered.
    fn attempt<R>(
        &self,
        context: &Context<'_>,
        call: impl FnOnce(&mut NetStack<'a>) -> nb::Result<R, Error>,
        register: impl FnOnce(&mut NetStack<'a>, &Waker) -> Option<Waker>,
    ) -> Poll<Result<R, Error>> {
        let (result, _before) = self.shared.call(|stack| match call(stack) {
            Ok(value) => (Poll::Ready(Ok(value)), None),
            Err(nb::Error::Other(error)) => (Poll::Ready(Err(error)), None),
            Err(nb::Error::WouldBlock) => (Poll::Pending, register(stack, context.waker())),
        });
        result
    }

    /// Closes something at the end of its life: at once, or if the stack is borrowed, as soon as it is not.
    fn close<T, R>(
        &self,
        what: T,
        close: impl FnOnce(&mut NetStack<'a>, T) -> R,
        note: impl FnOnce(&Dropped<'a>, T),
    ) -> Option<R> {
        let Some(mut stack) = self.shared.try_borrow() else {
            note(&self.dropped, what);
            return None;
        };
        let result = close(&mut stack, what);
        let driver = stack.take_driver();
        drop(stack);
        if let Some(driver) = driver {
            driver.wake();
        }
        Some(result)
    }
}

/// Lets the other tasks run.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
