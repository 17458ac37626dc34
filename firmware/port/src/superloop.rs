//! Poll, arm, sleep: the loop that drives the firmware on a chip.
//!
//! Interrupts stay masked for good (`PRIMASK` of a Cortex-M, `mstatus.MIE` of a RISC-V): none has a handler, each
//! only ends `wfi`, which a pending interrupt does in spite of the mask. So no state is shared with a handler, and
//! no wake-up is lost: one that becomes pending between the last look at the hardware and `wfi` makes `wfi` return
//! at once.
//!
//! A product has work of its own in the same loop: [`turn`] sleeps once at most, and returns whatever ended the sleep, a
//! deadline, a frame, or an interrupt that is the product's. Either the sleeper is told of that one too (`Wfi::of`), and the
//! product looks at its hardware after each turn; or it has a handler, and the product unmasks interrupts between two turns,
//! when the handler runs. One that stays pending ends each sleep at once, as it should.
//!
//! Cost: latency is that of the interrupt; there is no tick and no minimum sleep. The end of a timer's round is a turn too.

use smoltcp::time::Duration;
use tapboard_firmware::service::Service;
use tapboard_firmware::{Board, Firmware, NetStack};

use crate::clock::Timer;
use crate::ethernet::Mac;

/// The processor's sleep, and the interrupts that end it.
pub trait Sleeper {
    /// Forgets the interrupts that are pending. Those whose source is still asserted stay.
    fn clear(&mut self);

    /// Sleeps until an interrupt is pending; returns at once if one is.
    fn sleep(&mut self);
}

/// One turn: polls `firmware`, and sleeps until it is to be polled again, or until any other interrupt. Never inlined: while
/// the firmware is made, which goes deepest, the call stack need not hold what a turn needs.
#[inline(never)]
pub fn turn<'a, B: Board, V: Service<NetStack<'a>, B>>(
    firmware: &mut Firmware<'a, B, V>,
    mac: &mut impl Mac,
    clock: &mut impl Timer,
    sleeper: &mut impl Sleeper,
) {
    let next = firmware.poll(clock.now(), mac);
    let mut slept = Duration::ZERO;
    mac.acknowledge();
    sleeper.clear();
    if mac.link_came_up() {
        log::info!("the cable is in");
        firmware.link_up();
    } else if !mac.pending() && clock.arm(next) {
        let begun = clock.now();
        sleeper.sleep();
        slept = clock.now() - begun;
    }
    firmware.slept(slept);
}

#[cfg(test)]
mod tests;
