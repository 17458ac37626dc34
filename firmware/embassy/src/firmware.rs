//! A board with its services.

use embassy_net_driver::Driver;
use tapboard_firmware::service::Service;
use tapboard_firmware::{Board, Firmware};
use tapboard_net::NetStack;

use crate::clock::Clock;
use crate::turn::{Link, turn, wait};

/// Polls `firmware` with `driver`, for ever. The time between two turns counts as asleep ([`Firmware::slept`]), whatever
/// other tasks do meanwhile.
///
/// When the link comes up, the firmware is told ([`Firmware::link_up`]).
///
/// # Panics
/// As [`Adapter::new`](crate::Adapter::new).
pub async fn run_firmware<'a, B: Board, V: Service<NetStack<'a>, B>, D: Driver>(
    firmware: &mut Firmware<'a, B, V>,
    driver: &mut D,
    clock: &mut impl Clock,
) -> ! {
    let mut link = Link::default();
    loop {
        let now = clock.now();
        let next = turn(driver, &mut link, |device, came_up| {
            if came_up {
                firmware.link_up();
            }
            firmware.poll(now, device)
        })
        .await;
        let begun = clock.now();
        wait(clock, next, |_| false).await;
        firmware.slept(clock.now() - begun);
    }
}
