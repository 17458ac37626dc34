//! From the parts of a board to a board that runs, and what becomes of one that cannot.
//!
//! A panic or a fault says what it was, if there is a log, and resets the board. A board that cannot boot
//! says so and halts: a reset would not help.

use core::fmt::Display;
use core::panic::PanicInfo;

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::SCB;
use smoltcp::time::Instant;
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{Board, BootError, Firmware, NetConfig};

use crate::clock::{Clock, Counter};
use crate::cortex_m::{Wfi, halt};
use crate::ethernet::Mac;
use crate::memory::{BUFFERS, Home, SOCKETS};
use crate::superloop;
use crate::watermark::Watermark;

/// What of a board is unlike others, started.
#[derive(Debug)]
pub struct Parts<H, M, C, I> {
    /// LED, sensor, entropy, reset.
    pub hardware: H,
    /// The network interface, under the address of [`NetConfig::BOARD`].
    pub mac: M,
    /// Time since boot.
    pub clock: Clock<C>,
    /// The interface's interrupt.
    pub interrupt: I,
}

/// Boots the firmware of the board `name` at `home`, and runs it for ever; an error is why there are no parts.
pub fn run<H, M, C, I>(
    name: &str,
    home: &'static Home<H>,
    parts: Result<Parts<H, M, C, I>, &'static str>,
) -> !
where
    H: Board,
    M: Mac,
    C: Counter,
    I: InterruptNumber,
{
    let Parts { hardware, mut mac, mut clock, interrupt } = match parts {
        Ok(parts) => parts,
        Err(error) => give_up(error),
    };
    let firmware = match boot(name, home, hardware, &mut mac, clock.now()) {
        Ok(firmware) => firmware,
        Err(error) => give_up(error),
    };
    log::info!("{name} is up");
    let mut wfi = Wfi::new(interrupt);
    let mut watermark = Watermark::new();
    loop {
        superloop::turn(firmware, &mut mac, &mut clock, &mut wfi);
        watermark.report(clock.now());
    }
}

/// Never inlined: the firmware is made on the call stack before it moves to its static, and that stack is
/// free again when this returns.
#[inline(never)]
fn boot<H: Board>(
    name: &str,
    home: &'static Home<H>,
    hardware: H,
    mac: &mut impl Mac,
    now: Instant,
) -> &'static mut Result<Firmware<'static, H>, BootError> {
    home.0.init_with(|| {
        Firmware::new(
            &NetConfig::BOARD,
            ServiceConfig {
                name: name.try_into().unwrap_or_default(),
                telemetry: Some(([192, 0, 2, 2], 9000).into()),
            },
            hardware,
            mac,
            now,
            BUFFERS.take(),
            SOCKETS.take(),
        )
    })
}

fn give_up(error: impl Display) -> ! {
    log::error!("{error}");
    halt()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    log::error!("{info}");
    SCB::sys_reset()
}
