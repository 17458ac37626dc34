//! The firmware on an M2S010 (`SmartFusion2`), a Cortex-M3 with 64 KiB of RAM whose Ethernet MAC moves frames to and from it by
//! itself.
//!
//! What a port with such a MAC changes: the chip ([`chip`]), its hardware ([`hardware`]) and serial line (`uart`), a
//! driver over two rings of buffers, and those buffers, which are in a static. Nothing is copied between the firmware and
//! the MAC.
#![no_std]
#![no_main]

mod chip;
mod hardware;
#[cfg(feature = "mutant")]
mod mutant;
#[cfg(feature = "log")]
mod uart;

use cortex_m_rt::entry;
use static_cell::ConstStaticCell;
use tapboard_port::boot::{Config, Parts, run};
use tapboard_port::clock::Clock;
use tapboard_port::cortex_m::{SysTick, Wfi};
use tapboard_port::ethernet::smartfusion2::{Buffers, SmartFusion2};
use tapboard_port::memory::Home;
#[cfg(not(feature = "mutant"))]
use tapboard_port::mmio::Block as MacRegisters;

use crate::chip::{CORE_HZ, Chip, Interrupt};
use crate::hardware::Hardware;
#[cfg(feature = "mutant")]
use crate::mutant::Mutant as MacRegisters;

type Port = Parts<Hardware, SmartFusion2<MacRegisters>, Clock<SysTick>, Wfi<Interrupt>>;

static HOME: Home<Hardware> = Home::new();
static BUFFERS: ConstStaticCell<Buffers> = ConstStaticCell::new(Buffers::new());

const NAME: &str = "emcraft-sf2";
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
    let mut hardware = Hardware::new(chip.gpio);
    let net = CONFIG.net(NAME, &mut hardware);
    let registers = chip.ethernet;
    #[cfg(feature = "mutant")]
    let registers = MacRegisters::new(registers);
    let multicast = cfg!(feature = "ipv6");
    Ok(Parts {
        net,
        telemetry: CONFIG.telemetry,
        #[cfg(feature = "http")]
        token: CONFIG.token,
        hardware,
        // The MAC has RAM where the processor has it.
        mac: SmartFusion2::new(registers, net.mac(), multicast, BUFFERS.take(), 0),
        clock: Clock::new(counter, CORE_HZ),
        sleeper: Wfi::new(Interrupt::Ethernet),
    })
}
