//! The firmware on the U540 of `SiFive`, on its first core, as QEMU's machine `sifive_u` has it.
//!
//! The fifth port, to show another MAC that moves frames by itself, on a chip with several cores: the chip ([`chip`]), its
//! hardware ([`hardware`]) and serial line (`uart`), and another driver.
#![no_std]
#![no_main]

mod chip;
mod hardware;
#[cfg(feature = "log")]
mod uart;

use riscv_rt::entry;
use static_cell::ConstStaticCell;
use tapboard_port::boot::{Config, Parts, run};
use tapboard_port::clint::Clint;
use tapboard_port::ethernet::gem::{Buffers, Gem};
use tapboard_port::memory::Home;
use tapboard_port::mmio::Block;
use tapboard_port::plic::Plic;
use tapboard_port::riscv::{Wfi, on_reset};

use crate::chip::{Chip, INTERRUPT_ETHERNET, TIMER_HZ};
use crate::hardware::Hardware;

type Port = Parts<Hardware, Gem<Block>, Clint<Block>, Wfi<Block>>;

static HOME: Home<Hardware> = Home::new();
static BUFFERS: ConstStaticCell<Buffers> = ConstStaticCell::new(Buffers::new());

const NAME: &str = "sifive-u";
const CONFIG: Config = Config::EXAMPLE;

#[entry]
fn main() -> ! {
    run(NAME, &HOME, start())
}

/// Starts the chip.
fn start() -> Result<Port, &'static str> {
    on_reset(chip::reset);
    let mut chip = Chip::start()?;
    #[cfg(feature = "log")]
    uart::install(chip.uart);
    let mut hardware = Hardware::new(&mut chip.clint);
    let net = CONFIG.net(NAME, &mut hardware);
    let multicast = cfg!(any(feature = "ipv6", feature = "mdns"));
    Ok(Parts {
        net,
        telemetry: CONFIG.telemetry,
        hardware,
        mac: Gem::new(chip.ethernet, net.mac(), multicast, BUFFERS.take(), 0),
        clock: Clint::new(chip.clint, TIMER_HZ),
        sleeper: Wfi::new(Plic::new(chip.plic, INTERRUPT_ETHERNET)),
    })
}
