//! An executor of a few lines that counts.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

/// What is known of a task beside its future.
#[derive(Default)]
pub(crate) struct Flag {
    woken: AtomicBool,
    wakes: AtomicUsize,
    done: AtomicBool,
}

impl Flag {
    /// How often the task was woken, not counting its start.
    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::Relaxed)
    }

    pub(crate) fn done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    /// Whether it has been woken and has not run since.
    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        self.woken.store(true, Ordering::Relaxed);
    }
}

type BoxedFuture<'t> = Pin<Box<dyn Future<Output = ()> + 't>>;

struct Task<'t> {
    flag: Arc<Flag>,
    future: Option<BoxedFuture<'t>>,
}

/// Runs what was woken, and nothing else.
#[derive(Default)]
pub(crate) struct Executor<'t> {
    tasks: Vec<Task<'t>>,
}

impl<'t> Executor<'t> {
    pub(crate) fn spawn(&mut self, future: impl Future<Output = ()> + 't) -> Arc<Flag> {
        let flag = Arc::new(Flag::default());
        flag.woken.store(true, Ordering::Relaxed);
        self.tasks.push(Task { flag: Arc::clone(&flag), future: Some(Box::pin(future)) });
        flag
    }

    /// Likewise, with the task's result.
    pub(crate) fn result<T: 't>(
        &mut self,
        future: impl Future<Output = T> + 't,
    ) -> (Arc<Flag>, Rc<RefCell<Option<T>>>) {
        let result = Rc::new(RefCell::new(None));
        let to = Rc::clone(&result);
        (self.spawn(async move { *to.borrow_mut() = Some(future.await) }), result)
    }

    /// Drops a task's future where it stands.
    pub(crate) fn cancel(&mut self, flag: &Arc<Flag>) {
        let task = self.tasks.iter_mut().find(|task| Arc::ptr_eq(&task.flag, flag));
        assert!(task.expect("one of ours").future.take().is_some(), "it has ended");
    }

    /// Polls what was woken until nothing is. Says whether anything was.
    pub(crate) fn run(&mut self) -> bool {
        let mut any = false;
        for _ in 0..10_000 {
            let mut ran = false;
            for Task { flag, future } in &mut self.tasks {
                if !flag.woken.swap(false, Ordering::Relaxed) {
                    continue;
                }
                let Some(pinned) = future.as_mut() else { continue };
                ran = true;
                let waker = Waker::from(Arc::clone(flag));
                if pinned.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                    *future = None;
                    flag.done.store(true, Ordering::Relaxed);
                }
            }
            if !ran {
                return any;
            }
            any = true;
        }
        panic!("the tasks wake each other for ever");
    }

    /// Whether no task is left.
    pub(crate) fn is_done(&self) -> bool {
        self.tasks.iter().all(|task| task.future.is_none())
    }
}
