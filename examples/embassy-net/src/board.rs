//! The board: a future that is polled in virtual time, as an executor polls a task.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use smoltcp::time::Instant;
use tapboard::harness::Nic;
use tapboard::testbed::BoardEnd;

use crate::driver::Arrivals;
use crate::time;

/// Whether the task is to be polled again.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One task, its timers and its interface.
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
        Self { task: Box::pin(task), woken: Arc::new(Woken(AtomicBool::new(true))), arrivals }
    }
}

impl BoardEnd for EmbassyBoard {
    fn poll(&mut self, now: Instant, nic: &mut Nic) -> Option<Instant> {
        time::advance_to(now);
        if nic.next_arrival().is_some_and(|at| at <= now) {
            self.arrivals.wake();
        }
        let waker = Waker::from(Arc::clone(&self.woken));
        while self.woken.0.swap(false, Ordering::Relaxed) {
            if self.task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                return None;
            }
        }
        time::next().map(|at| at.max(now))
    }
}
