//! The firmware on a Stellaris LM3S6965: a Cortex-M3 with 256 KiB of flash, 64 KiB of RAM and an Ethernet
//! MAC of its own.
//!
//! Here is what a port consists of: the chip's clocks, pins and registers ([`chip`]), the hardware
//! beside the network ([`hardware`]), a serial line for log messages (`uart`), and this file, which puts
//! them and a driver together. All else is in [`tapboard_port`].
#![no_std]
#![no_main]

mod chip;
mod hardware;
#[cfg(feature = "log")]
mod uart;

use cortex_m_rt::entry;
use tapboard_port::boot::{Config, Parts, run};
use tapboard_port::clock::Clock;
use tapboard_port::cortex_m::{SysTick, Wfi};
use tapboard_port::ethernet::Ethernet;
use tapboard_port::ethernet::stellaris::Stellaris;
use tapboard_port::memory::{Home, frames};
use tapboard_port::mmio::Block;

use crate::chip::{CORE_HZ, Chip, Interrupt};
use crate::hardware::Hardware;

type Mac = Ethernet<'static, Stellaris<Block>>;
type Port = Parts<Hardware, Mac, Clock<SysTick>, Wfi<Interrupt>>;

static HOME: Home<Hardware> = Home::new();

const NAME: &str = "lm3s6965evb";
const CONFIG: Config = Config::EXAMPLE;

#[entry]
fn main() -> ! {
    run(NAME, &HOME, start())
}

/// Starts the chip. The entropy needs `SysTick`, and the time that it takes is none of the firmware's.
fn start() -> Result<Port, &'static str> {
    let chip = Chip::start()?;
    #[cfg(feature = "log")]
    uart::install(chip.uart);
    let counter = SysTick::start(chip.syst);
    let mut hardware = Hardware::new(chip.led, chip.adc, chip.timer, chip.mac);
    let net = CONFIG.net(NAME, &mut hardware);
    let fifo =
        Stellaris::new(chip.ethernet, net.mac(), cfg!(any(feature = "ipv6", feature = "mdns")));
    Ok(Parts {
        net,
        telemetry: CONFIG.telemetry,
        #[cfg(feature = "http")]
        token: CONFIG.token,
        hardware,
        mac: Ethernet::new(fifo, frames()),
        clock: Clock::new(counter, CORE_HZ),
        sleeper: Wfi::new(Interrupt::Ethernet),
    })
}
