//! The firmware on a bare Cortex-M3, with nothing around it: what it costs in flash and RAM.
//!
//! Everything a board needs is here - statics, superloop, clock, hardware - but the hardware is a
//! block of memory that the compiler cannot see through ([`mac`], [`hardware`]). So nothing of the
//! firmware can be optimised away, and nothing of one chip's drivers is in the sizes. It is the
//! template of a port: replace those two files.
//!
//! All RAM but the call stack is in three statics in `.bss`, whose sizes `nm` shows: `BUFFERS`, `SOCKETS` and
//! `FIRMWARE`.
#![no_std]
#![no_main]

mod clock;
mod hardware;
#[cfg(feature = "log")]
mod itm;
mod mac;
mod vectors;

use core::panic::PanicInfo;

use cortex_m::Peripherals;
use cortex_m::asm::wfi;
use cortex_m::peripheral::SCB;
use cortex_m_rt::entry;
use smoltcp::time::Instant;
use static_cell::{ConstStaticCell, StaticCell};
use tapboard_firmware::config::FRAME_SIZE;
#[cfg(feature = "mdns")]
use tapboard_firmware::service::SERVICES;
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{BOARD_NET, BoardSockets, BootError, ChipStorage, Firmware, NetConfig};

use crate::clock::Clock;
use crate::hardware::Hardware;
use crate::mac::Mac;

static BUFFERS: ConstStaticCell<ChipStorage> = ConstStaticCell::new(ChipStorage::new());
static SOCKETS: ConstStaticCell<BoardSockets<'static>> = ConstStaticCell::new(BoardSockets::new());
static FIRMWARE: StaticCell<Result<Firmware<'static, Hardware>, BootError>> = StaticCell::new();

/// Who the board is.
const NET: NetConfig = {
    let net = BOARD_NET;
    #[cfg(feature = "dhcp")]
    let net = net.with_dhcp().with_hostname("minimal");
    #[cfg(feature = "slaac")]
    let net = net.with_slaac();
    #[cfg(feature = "mdns")]
    let net = net.with_mdns(SERVICES);
    net
};

#[entry]
fn main() -> ! {
    let Some(peripherals) = Peripherals::take() else {
        halt();
    };
    #[cfg(feature = "log")]
    itm::install(peripherals.ITM);
    let mut clock = Clock::start(peripherals.SYST);
    let mut mac = Mac::new();
    let firmware = match boot(&mut mac, clock.now()) {
        Ok(firmware) => firmware,
        Err(error) => {
            log::error!("{error}");
            halt();
        }
    };
    loop {
        let next = firmware.poll(clock.now(), &mut mac);
        // An interrupt between the check and `wfi` costs at most the millisecond to the next tick.
        while !mac.pending() && next.is_none_or(|next| clock.now() < next) {
            wfi();
        }
    }
}

/// A function of its own, never inlined: the firmware is made on the call stack before it moves to its
/// static, and that stack is free again when this returns.
#[inline(never)]
fn boot(
    mac: &mut Mac,
    now: Instant,
) -> &'static mut Result<Firmware<'static, Hardware>, BootError> {
    FIRMWARE.init_with(|| {
        Firmware::new(
            &NET,
            ServiceConfig {
                name: "minimal".try_into().unwrap_or_default(),
                telemetry: Some(([192, 0, 2, 2], 9000).into()),
            },
            Hardware::default(),
            mac,
            now,
            BUFFERS.take(),
            SOCKETS.take(),
        )
    })
}

/// Sleeps for ever, but for a moment a tick: what stayed pending would end every `wfi` at once.
fn halt() -> ! {
    cortex_m::interrupt::disable();
    loop {
        SCB::clear_pendst();
        wfi();
    }
}

/// A panic is a bug of the firmware; a product would reset here.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    log::error!("{info}");
    halt()
}
