//! The board: a stack on a TAP, and the loop that drives it and one future.

use std::cell::RefCell;
use std::future::Future;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use mio::unix::SourceFd;
use mio::{Events, Interest, Token};
use smoltcp::phy::{Medium, TunTapInterface};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Cidr};
use tapboard_net::{Async, NetConfig, NetStack, Sockets, Storage};

use crate::netns::sh;

/// The board's address.
pub const BOARD: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The host's address.
pub const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// How long anything may take: far longer than it does on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The loop's waker, for this thread and others.
struct Alarm {
    rung: AtomicBool,
    waker: mio::Waker,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.waker.wake().expect("an event file");
    }
}

/// A stack with the memory of a large microcontroller on `tap0`, at the other end of which is the host.
pub struct Board {
    stack: &'static RefCell<NetStack<'static>>,
    tap: TunTapInterface,
    poll: mio::Poll,
    alarm: Arc<Alarm>,
}

impl Board {
    /// Brings both ends up.
    #[must_use]
    pub fn up() -> Self {
        let mut tap = TunTapInterface::new("tap0", Medium::Ethernet).expect("a TAP");
        sh("ip addr add 192.0.2.2/24 dev tap0 && ip link set tap0 up");
        let poll = mio::Poll::new().expect("epoll");
        poll.registry()
            .register(&mut SourceFd(&tap.as_raw_fd()), Token(0), Interest::READABLE)
            .expect("a TAP can be waited for");
        let waker = mio::Waker::new(poll.registry(), Token(1)).expect("an event file");
        let config = NetConfig::new(EthernetAddress([2, 0, 0x5e, 0, 0, 1]))
            .with_ipv4(Ipv4Cidr::new(BOARD, 24));
        // A process of its own runs each test: nothing is leaked that would be used again.
        let storage = Box::leak(Box::new(Storage::<8, 4096, 2, 2048>::new()));
        let sockets = Box::leak(Box::new(Sockets::<8, 2>::new()));
        let stack = NetStack::new(&config, &mut tap, Instant::now(), 1, storage, sockets);
        Self {
            stack: Box::leak(Box::new(RefCell::new(stack))),
            tap,
            poll,
            alarm: Arc::new(Alarm { rung: AtomicBool::new(true), waker }),
        }
    }

    /// The stack, for tasks.
    #[must_use]
    pub fn net(&self) -> Async<'static, 'static> {
        Async::new(self.stack)
    }

    /// One turn of the stack, then waits for a frame, its next deadline or `limit`, whichever is first.
    pub fn turn(&mut self, limit: Duration) {
        let now = Instant::now();
        let next = Async::new(self.stack).poll(now, &mut self.tap);
        let wait = next.map_or(limit, |next| limit.min(next - now));
        self.wait(wait);
    }

    fn wait(&mut self, time: Duration) {
        // Rounded up, so that a deadline is over after it.
        let time = Duration::from_millis(time.total_micros().div_ceil(1000));
        let result = self.poll.poll(&mut Events::with_capacity(4), Some(time.into()));
        match result {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => panic!("{error}"),
            _ => {}
        }
    }

    /// The superloop, until `task` is done, which it must be in time.
    pub fn run<T>(&mut self, task: impl Future<Output = T>) -> T {
        let net = self.net();
        let mut task = pin!(task);
        let limit = Instant::now() + PATIENCE;
        self.alarm.rung.store(true, Ordering::Release);
        loop {
            let deadline = net.poll(Instant::now(), &mut self.tap);
            if self.alarm.rung.swap(false, Ordering::Acquire) {
                let waker = Waker::from(Arc::clone(&self.alarm));
                if let Poll::Ready(value) = task.as_mut().poll(&mut Context::from_waker(&waker)) {
                    // What it has left to send.
                    net.poll(Instant::now(), &mut self.tap);
                    return value;
                }
            }
            let now = Instant::now();
            assert!(now < limit, "it has not come to an end: {:?}", self.stack.borrow().counters());
            if !net.wants_poll() {
                let until = deadline.map_or(limit, |deadline| deadline.min(limit)).max(now);
                self.wait(until - now);
            }
        }
    }
}
