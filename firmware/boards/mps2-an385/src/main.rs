//! The firmware on Arm's MPS2+ board with the image AN385: a Cortex-M3 in an FPGA, and a LAN9118 beside it.
//!
//! The second port, to show what one changes: the chip ([`chip`]), its hardware ([`hardware`]) and serial line
//! (`uart`), and another Ethernet driver.
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
use tapboard_port::ethernet::lan9118::{self, Lan9118};
use tapboard_port::memory::{Home, frames};
use tapboard_port::mmio::Block;

use crate::chip::{CORE_HZ, Chip, Interrupt};
use crate::hardware::Hardware;

type Mac = Ethernet<'static, Lan9118<Block>>;
type Port = Parts<Hardware, Mac, Clock<SysTick>, Wfi<Interrupt>>;

static HOME: Home<Hardware> = Home::new();

const NAME: &str = "mps2-an385";
const CONFIG: Config = Config::EXAMPLE;

#[entry]
fn main() -> ! {
    run(NAME, &HOME, start())
}

/// Starts the chip. The entropy needs `SysTick`, and the time that it takes is none of the firmware's.
fn start() -> Result<Port, &'static str> {
    let mut chip = Chip::start()?;
    #[cfg(feature = "log")]
    uart::install(chip.uart);
    let counter = SysTick::start(chip.syst);
    let mut hardware = Hardware::new(chip.leds, &mut chip.ethernet);
    let net = CONFIG.net(NAME, &mut hardware);
    let fifo =
        Lan9118::new(chip.ethernet, net.mac(), cfg!(any(feature = "ipv6", feature = "mdns")))
            .map_err(lan9118::Error::message)?;
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
