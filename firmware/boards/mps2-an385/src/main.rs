//! The firmware on Arm's MPS2+ board with the image AN385: a Cortex-M3 in an FPGA, and a LAN9118 beside it.
//!
//! The second port, to show what one changes: the chip ([`chip`]), its hardware ([`hardware`]) and serial line
//! ([`uart`]), and another Ethernet driver.
//!
//! A panic or a fault says what it was, if there is a log, and resets the board. A board that cannot boot
//! says so and halts: a reset would not help.
#![no_std]
#![no_main]

mod chip;
mod hardware;
#[cfg(feature = "log")]
mod uart;

use core::fmt::Display;
use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use cortex_m_rt::entry;
use static_cell::ConstStaticCell;
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{BoardSockets, Firmware, McuStorage, NetConfig};
use tapboard_port::clock::Clock;
use tapboard_port::cortex_m::{SysTick, Wfi, halt};
use tapboard_port::ethernet::Frame;
use tapboard_port::ethernet::lan9118::{self, Lan9118};
use tapboard_port::mmio::Block;
use tapboard_port::superloop;
use tapboard_port::watermark::Watermark;

use crate::chip::{CORE_HZ, Chip, Interrupt};
use crate::hardware::Hardware;

const NAME: &str = "mps2-an385";

type Mac = Lan9118<'static, Block>;

static BUFFERS: ConstStaticCell<McuStorage> = ConstStaticCell::new(McuStorage::new());
static SOCKETS: ConstStaticCell<BoardSockets<'static>> = ConstStaticCell::new(BoardSockets::new());
static FRAMES: ConstStaticCell<[Frame; 2]> = ConstStaticCell::new([Frame::new(), Frame::new()]);

/// The firmware itself lives here, on the stack, below all that is called: on its way to a static it would
/// be on the stack as well, and need its 4 KiB twice.
#[entry]
fn main() -> ! {
    let (hardware, mut mac, mut clock) = match start() {
        Ok(parts) => parts,
        Err(error) => give_up(error),
    };
    let mut booted = Firmware::new(
        &NetConfig::BOARD,
        ServiceConfig {
            name: NAME.try_into().unwrap_or_default(),
            telemetry: Some(([192, 0, 2, 2], 9000).into()),
        },
        hardware,
        &mut mac,
        clock.now(),
        BUFFERS.take(),
        SOCKETS.take(),
    );
    let firmware = match &mut booted {
        Ok(firmware) => firmware,
        Err(error) => give_up(error),
    };
    log::info!("{NAME} is up");
    let mut wfi = Wfi::new(Interrupt::Ethernet);
    let mut watermark = Watermark::new();
    loop {
        superloop::turn(firmware, &mut mac, &mut clock, &mut wfi);
        watermark.report(clock.now());
    }
}

/// Starts the chip. The entropy needs `SysTick`, and the time that it takes is none of the firmware's.
fn start() -> Result<(Hardware, Mac, Clock<SysTick>), &'static str> {
    let mut chip = Chip::start()?;
    #[cfg(feature = "log")]
    uart::install(chip.uart);
    let counter = SysTick::start(chip.syst);
    let hardware = Hardware::new(chip.leds, &mut chip.ethernet);
    let [receive, transmit] = FRAMES.take();
    let address = NetConfig::BOARD.mac;
    let mac = Lan9118::new(chip.ethernet, address, cfg!(feature = "ipv6"), receive, transmit)
        .map_err(lan9118::Error::message)?;
    Ok((hardware, mac, Clock::new(counter, CORE_HZ)))
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
