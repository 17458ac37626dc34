//! The firmware on a Stellaris LM3S6965: a Cortex-M3 with 256 KiB of flash, 64 KiB of RAM and an Ethernet
//! MAC of its own.
//!
//! Here is what a port consists of: the chip's clocks, pins and registers ([`chip`]), the hardware
//! beside the network ([`hardware`]), a serial line for log messages ([`uart`]), and this file, which puts
//! them, the drivers of [`tapboard_port`] and the firmware's memory together.
//!
//! A panic or a fault says what it was, if there is a log, and resets the board. A board that cannot boot
//! says so and halts: a reset would not help.
#![no_std]
#![no_main]

mod chip;
mod hardware;
#[cfg(feature = "log")]
mod uart;

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use cortex_m_rt::entry;
use static_cell::{ConstStaticCell, StaticCell};
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{BoardSockets, BootError, Firmware, McuStorage, NetConfig};
use tapboard_port::clock::Clock;
use tapboard_port::cortex_m::{SysTick, Wfi, halt};
use tapboard_port::ethernet::Frame;
use tapboard_port::ethernet::stellaris::Stellaris;
use tapboard_port::mmio::Block;
use tapboard_port::superloop;
use tapboard_port::watermark::Watermark;

use crate::chip::{CORE_HZ, Chip, Interrupt};
use crate::hardware::Hardware;

static BUFFERS: ConstStaticCell<McuStorage> = ConstStaticCell::new(McuStorage::new());
static SOCKETS: ConstStaticCell<BoardSockets<'static>> = ConstStaticCell::new(BoardSockets::new());
static FRAMES: ConstStaticCell<[Frame; 2]> = ConstStaticCell::new([Frame::new(), Frame::new()]);
/// With the error that it may be instead, so that it is made in its place: a copy on the way would cost
/// 4 KiB of stack.
static FIRMWARE: StaticCell<Result<Firmware<'static, Hardware>, BootError>> = StaticCell::new();

type Mac = Stellaris<'static, Block>;
type SystemClock = Clock<SysTick>;

#[entry]
fn main() -> ! {
    match boot() {
        Ok((firmware, mut mac, mut clock)) => {
            let mut wfi = Wfi::new(Interrupt::Ethernet);
            let mut watermark = Watermark::new();
            loop {
                superloop::turn(firmware, &mut mac, &mut clock, &mut wfi);
                watermark.report(clock.now());
            }
        }
        Err(error) => {
            log::error!("{error}");
            halt()
        }
    }
}

/// A function of its own, never inlined: the firmware is made on the call stack before it moves to its
/// static, and that stack is free again when this returns.
#[inline(never)]
fn boot() -> Result<(&'static mut Firmware<'static, Hardware>, Mac, SystemClock), &'static str> {
    let chip = Chip::start()?;
    #[cfg(feature = "log")]
    uart::install(chip.uart);
    let counter = SysTick::start(chip.syst);
    let hardware = Hardware::new(chip.led, chip.adc, chip.timer);
    let mut clock = Clock::new(counter, CORE_HZ);
    let net = NetConfig::BOARD;
    let [receive, transmit] = FRAMES.take();
    let mut mac = Stellaris::new(chip.ethernet, net.mac, cfg!(feature = "ipv6"), receive, transmit);
    let now = clock.now();
    let name = "lm3s6965evb".try_into().map_err(|_| "the name is too long")?;
    let services = ServiceConfig { name, telemetry: Some(([192, 0, 2, 2], 9000).into()) };
    let firmware = FIRMWARE.init_with(|| {
        Firmware::new(&net, services, hardware, &mut mac, now, BUFFERS.take(), SOCKETS.take())
    });
    let firmware = firmware.as_mut().map_err(|_| "the ADC has no noise to make entropy of")?;
    log::info!("lm3s6965evb is up");
    Ok((firmware, mac, clock))
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    log::error!("{info}");
    SCB::sys_reset()
}
