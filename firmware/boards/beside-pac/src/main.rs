//! The parts of `tapboard-port` beside a chip's own crate: that brings the table of interrupts, the product its handlers of
//! panics and faults, and the port no symbol that a program has once.
//!
//! It is here to be linked: it has no entropy, and so does not come up.
#![no_std]
#![no_main]
#![allow(unsafe_code)]

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, entry, exception};
use lm3s6965::Interrupt;
use tapboard_firmware::Board;
use tapboard_port::boot::{Config, Parts, run};
use tapboard_port::clock::Clock;
use tapboard_port::cortex_m::{SysTick, Wfi, halt};
use tapboard_port::ethernet::Ethernet;
use tapboard_port::ethernet::stellaris::Stellaris;
use tapboard_port::memory::{Home, frames};
use tapboard_port::mmio::Block;

/// What the LM3S6965 runs at after reset.
const CORE_HZ: u32 = 12_000_000;
const NAME: &str = "beside-pac";

/// LED, sensor and random generator are the product's.
#[derive(Debug)]
struct Hardware;

impl Board for Hardware {
    fn set_led(&mut self, _on: bool) {}

    fn led(&self) -> bool {
        false
    }

    fn temperature_mc(&mut self) -> i32 {
        20_000
    }

    fn entropy(&mut self) -> Option<u64> {
        core::hint::black_box(None)
    }

    fn reset(&mut self) {
        SCB::sys_reset();
    }
}

static HOME: Home<Hardware> = Home::new();

#[entry]
fn main() -> ! {
    let parts = cortex_m::Peripherals::take().ok_or("the chip was started before").map(|core| {
        let net = Config::EXAMPLE.net(NAME, &mut Hardware);
        // SAFETY: the address of the data sheet's memory map; the MAC does not access memory.
        let ethernet = unsafe { Block::at(0x4004_8000) };
        Parts {
            net,
            telemetry: Config::EXAMPLE.telemetry,
            hardware: Hardware,
            mac: Ethernet::new(Stellaris::new(ethernet, net.mac(), false), frames()),
            clock: Clock::new(SysTick::start(core.SYST), CORE_HZ),
            sleeper: Wfi::new(Interrupt::ETHERNET),
        }
    });
    run(NAME, &HOME, parts)
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    halt()
}

/// `unsafe` is the runtime's word for a handler that could be called from elsewhere; it does nothing unsafe.
#[exception]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    SCB::sys_reset()
}
