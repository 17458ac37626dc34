//! The firmware on a RISC-V with virtio devices: QEMU's machine `virt`, as an rv32imac.
//!
//! The third port, to show that neither the processor nor the kind of network interface matters to the firmware: the
//! chip ([`chip`]), its hardware ([`hardware`]) and serial line (`uart`), and another driver.
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
use tapboard_port::ethernet::Ethernet;
use tapboard_port::ethernet::virtio::{BUFFERS, Buffer, VirtioNet};
use tapboard_port::memory::{Home, frames};
use tapboard_port::mmio::Block;
use tapboard_port::plic::Plic;
use tapboard_port::riscv::{Wfi, on_reset};
use tapboard_port::virtio::{Error, Statics, entropy};
use virtio_drivers::transport::mmio::MmioTransport;

use crate::chip::{Chip, INTERRUPT_NET, TIMER_HZ};
use crate::hardware::Hardware;

type Mac = Ethernet<'static, VirtioNet<Statics, MmioTransport<'static>>>;
type Port = Parts<Hardware, Mac, Clint<Block>, Wfi<Block>>;

static HOME: Home<Hardware> = Home::new();
static RANDOM: ConstStaticCell<[u8; 8]> = ConstStaticCell::new([0; 8]);
static NET: ConstStaticCell<[[Buffer; BUFFERS]; 2]> =
    ConstStaticCell::new([const { [const { Buffer::new() }; BUFFERS] }; 2]);

const NAME: &str = "riscv-virt";
const CONFIG: Config = Config::EXAMPLE;

#[entry]
fn main() -> ! {
    run(NAME, &HOME, start())
}

/// Starts the chip; the devices that the machine was started without are its errors.
fn start() -> Result<Port, &'static str> {
    on_reset(chip::reset);
    let chip = Chip::start()?;
    #[cfg(feature = "log")]
    uart::install(chip.uart);
    let random = chip.rng.and_then(|device| entropy::<Statics>(device, RANDOM.take()));
    let mut hardware = Hardware::new(
        random.map_err(Error::message)?,
        #[cfg(feature = "settings")]
        chip.flash,
    );
    let net = CONFIG.net(NAME, &mut hardware);
    let device = chip.net.and_then(|device| VirtioNet::new(device, net.mac(), NET.take()));
    Ok(Parts {
        net,
        telemetry: CONFIG.telemetry,
        #[cfg(feature = "http")]
        token: CONFIG.token,
        hardware,
        mac: Ethernet::new(device.map_err(Error::message)?, frames()),
        clock: Clint::new(chip.clint, TIMER_HZ),
        sleeper: Wfi::new(Plic::new(chip.plic, INTERRUPT_NET)),
    })
}
