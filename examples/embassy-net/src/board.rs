//! The board: tasks that are polled in virtual time, as an executor polls them.
//!
//! Each has a waker of its own. With one for all, as `embassy_futures::join` has it, a socket that is asked wakes
//! embassy-net's runner, which is polled with the socket, which is asked.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use smoltcp::time::{Duration, Instant};
use tapboard::harness::Nic;
use tapboard::testbed::BoardEnd;

use crate::driver::Arrivals;
use crate::time;

/// Polls of a program that wakes itself, at one moment.
const TURNS: u32 = 16;
/// What so many polls take.
const TICK: Duration = Duration::from_micros(100);

/// Whether a task is to be polled again, and who polls it.
struct Woken {
    woken: AtomicBool,
    parent: Option<Waker>,
}

impl Woken {
    fn new(parent: Option<Waker>) -> Arc<Self> {
        Arc::new(Self { woken: AtomicBool::new(true), parent })
    }

    fn take(&self) -> bool {
        self.woken.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
        if let Some(parent) = &self.parent {
            parent.wake_by_ref();
        }
    }
}

/// Runs tasks side by side, each of which is polled when it was woken itself, until the first of them ends.
pub(crate) async fn run(tasks: &mut [Pin<&mut dyn Future<Output = ()>>]) {
    let mut wakers = Vec::new();
    poll_fn(|cx| {
        wakers.resize_with(tasks.len(), || Woken::new(Some(cx.waker().clone())));
        for (task, woken) in tasks.iter_mut().zip(&wakers) {
            let waker = Waker::from(Arc::clone(woken));
            if woken.take() && task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    })
    .await;
}

/// The program, its timers and its interface.
pub(crate) struct EmbassyBoard {
    task: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Woken>,
    arrivals: Arrivals,
}

impl fmt::Debug for EmbassyBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmbassyBoard")
    }
}

impl EmbassyBoard {
    /// Switches a board on, whose program is `task`; `arrivals` are its driver's.
    pub(crate) fn new(arrivals: Arrivals, task: impl Future<Output = ()> + 'static) -> Self {
        time::reset();
        Self { task: Box::pin(task), woken: Woken::new(None), arrivals }
    }
}

impl BoardEnd for EmbassyBoard {
    fn poll(&mut self, now: Instant, nic: &mut Nic) -> Option<Instant> {
        time::advance_to(now);
        if nic.next_arrival().is_some_and(|at| at <= now) {
            self.arrivals.wake();
        }
        let waker = Waker::from(Arc::clone(&self.woken));
        for _ in 0..TURNS {
            if !self.woken.take() {
                return time::next().map(|at| at.max(now));
            }
            if self.task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                return None;
            }
        }
        // It is never done: a chip's clock has moved on by now.
        Some(now + TICK)
    }
}
