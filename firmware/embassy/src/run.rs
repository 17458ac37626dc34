//! A stack that `async` sockets share.

use core::future::Future;
use core::pin::pin;

use embassy_net_driver::Driver;
use tapboard_net::Async;

use crate::clock::Clock;
use crate::turn::{Link, turn, wait};

/// Polls the stack of `net` with `driver`, for ever: one task of an executor, beside those that use the sockets.
///
/// When the link comes up, neighbours are asked for anew ([`NetStack::link_up`](tapboard_net::NetStack::link_up)).
///
/// # Panics
/// As [`Adapter::new`](crate::Adapter::new); if the stack is borrowed across an `await`.
pub async fn run<D: Driver>(net: Async<'_, '_>, driver: &mut D, clock: &mut impl Clock) -> ! {
    let mut link = Link::default();
    loop {
        let now = clock.now();
        let next = turn(driver, &mut link, |device, came_up| {
            if came_up {
                net.shared().with(tapboard_net::NetStack::link_up);
            }
            net.poll(now, device)
        })
        .await;
        let mut changed = pin!(net.changed());
        wait(clock, next, |context| changed.as_mut().poll(context).is_ready()).await;
    }
}
