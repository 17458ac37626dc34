//! A turn of a task that polls a stack, and the wait for the next one.
//!
//! Nothing is lost between the two: a turn leaves the task's waker with the driver, and the wait begins in the same poll
//! of the task. Who wakes it in between has it polled again, which ends the wait.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_net_driver::{Driver, LinkState};
use tapboard_net::smoltcp::time::Instant;

use crate::adapter::Adapter;
use crate::clock::Clock;

/// Whether the link was up in the last turn; unknown before the first.
#[derive(Debug, Default)]
pub(crate) struct Link(Option<bool>);

impl Link {
    /// Whether it has come up since the last turn.
    fn came_up(&mut self, up: bool) -> bool {
        self.0.replace(up) == Some(false) && up
    }
}

/// Calls `poll` once, with the driver under the task's waker, and whether the link has come up.
pub(crate) async fn turn<D: Driver, R>(
    driver: &mut D,
    link: &mut Link,
    mut poll: impl FnMut(&mut Adapter<'_, '_, D>, bool) -> R,
) -> R {
    poll_fn(|context| {
        let came_up = link.came_up(driver.link_state(context) == LinkState::Up);
        Poll::Ready(poll(&mut Adapter::new(driver, context), came_up))
    })
    .await
}

/// Waits until the task is woken, until `until`, or until `ready` is; but in any case until the other tasks have had their
/// turn.
pub(crate) async fn wait(
    clock: &mut impl Clock,
    until: Option<Instant>,
    mut ready: impl FnMut(&mut Context<'_>) -> bool,
) {
    let due = until.is_some_and(|at| at <= clock.now());
    let mut alarm = pin!(async {
        match until {
            Some(at) if !due => clock.until(at).await,
            Some(_) => {}
            None => core::future::pending().await,
        }
    });
    let mut waits = false;
    poll_fn(|context| {
        if core::mem::replace(&mut waits, true) {
            return Poll::Ready(());
        }
        if alarm.as_mut().poll(context).is_ready() || ready(context) {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}
