//! The LM3S6965's registers, clocks and pins, as the EK-LM3S6965 board wires them: a crystal of 8 MHz,
//! the LED on PF0, the Ethernet jack's LEDs on PF2 and PF3.
//!
//! The only module with `unsafe`: it is what says that a block of registers is where it is.
#![allow(unsafe_code)]

use cortex_m::Peripherals;
use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::SYST;
use tapboard_firmware::EthernetAddress;
use tapboard_port::Registers;
use tapboard_port::mmio::Block;

/// The core's clock: 200 MHz from the PLL, divided by 4.
pub(crate) const CORE_HZ: u32 = 50_000_000;

/// The interrupts that end a sleep.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interrupt {
    AdcSequencer3 = 17,
    Ethernet = 42,
}

// SAFETY: the data sheet's numbers of these interrupts.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self as u16
    }
}

/// What the board's parts need of the chip, clocked and connected to its pins.
pub(crate) struct Chip {
    pub(crate) syst: SYST,
    pub(crate) ethernet: Block,
    #[cfg(feature = "log")]
    pub(crate) uart: Block,
    pub(crate) led: Block,
    pub(crate) adc: Block,
    pub(crate) timer: Block,
    /// Written at manufacture.
    pub(crate) mac: Option<EthernetAddress>,
}

/// System control: raw interrupt status, run-mode clock configuration, clock gates.
const RIS: usize = 0x050;
const RCC: usize = 0x060;
const RCGC0: usize = 0x100;
const RCGC1: usize = 0x104;
const RCGC2: usize = 0x108;

/// Flash control: what was written at manufacture.
const USER_REG0: usize = 0x1e0;
const USER_REG1: usize = 0x1e4;

const RIS_PLL_LOCKED: u32 = 1 << 6;

const RCC_MAIN_OFF: u32 = 1 << 0;
const RCC_SOURCE: u32 = 3 << 4;
const RCC_CRYSTAL: u32 = 0xf << 6;
const RCC_CRYSTAL_8_MHZ: u32 = 0xe << 6;
const RCC_BYPASS_PLL: u32 = 1 << 11;
const RCC_PLL_OFF: u32 = 1 << 13;
const RCC_USE_DIVISOR: u32 = 1 << 22;
const RCC_DIVISOR: u32 = 0xf << 23;
const RCC_DIVIDE_BY_4: u32 = 3 << 23;

const GATE_ADC: u32 = 1 << 16;
const GATE_TIMER0: u32 = 1 << 16;
const GATE_UART0: u32 = 1 << 0;
const GATE_GPIO_A: u32 = 1 << 0;
const GATE_GPIO_F: u32 = 1 << 5;
const GATE_ETHERNET: u32 = 1 << 28 | 1 << 30;

/// GPIO: direction, alternate function, digital enable.
const GPIO_DIRECTION: usize = 0x400;
const GPIO_ALTERNATE: usize = 0x420;
const GPIO_DIGITAL: usize = 0x51c;

const LED: u32 = 1 << 0;
const JACK_LEDS: u32 = 1 << 2 | 1 << 3;
const UART0_PINS: u32 = 1 << 0 | 1 << 1;

/// Cycles that a crystal needs to settle, with a wide margin, and readings until the PLL has locked.
const CRYSTAL_CYCLES: u32 = 1 << 19;
const PLL_READINGS: u32 = 1 << 16;

impl Chip {
    /// Starts the clocks and connects the pins. Once; the error says what is missing.
    pub(crate) fn start() -> Result<Self, &'static str> {
        let core = Peripherals::take().ok_or("the chip was started before")?;
        // SAFETY: addresses of the data sheet's memory map. Who uses a block goes by its registers; none
        // of them makes the chip write to memory. `take` allows one of each.
        let [mut system, mut gpio_a, mut gpio_f, ethernet, uart, adc, timer] = unsafe {
            [
                Block::at(0x400f_e000),
                Block::at(0x4000_4000),
                Block::at(0x4002_5000),
                Block::at(0x4004_8000),
                Block::at(0x4000_c000),
                Block::at(0x4003_8000),
                Block::at(0x4003_0000),
            ]
        };
        start_pll(&mut system)?;
        set(&mut system, RCGC0, GATE_ADC);
        set(&mut system, RCGC1, GATE_TIMER0 | GATE_UART0);
        set(&mut system, RCGC2, GATE_GPIO_A | GATE_GPIO_F | GATE_ETHERNET);
        // A gate takes a few cycles to open.
        system.read(RCGC2);
        set(&mut gpio_a, GPIO_ALTERNATE, UART0_PINS);
        set(&mut gpio_a, GPIO_DIGITAL, UART0_PINS);
        set(&mut gpio_f, GPIO_DIRECTION, LED);
        set(&mut gpio_f, GPIO_ALTERNATE, JACK_LEDS);
        set(&mut gpio_f, GPIO_DIGITAL, LED | JACK_LEDS);
        #[cfg(not(feature = "log"))]
        let _ = uart;
        Ok(Self {
            syst: core.SYST,
            ethernet,
            #[cfg(feature = "log")]
            uart,
            led: gpio_f,
            adc,
            timer,
            mac: manufacturers_mac(&mut system),
        })
    }
}

/// The MAC address, if one was written: three bytes in each of the registers that are for it, the first lowest.
fn manufacturers_mac(system: &mut Block) -> Option<EthernetAddress> {
    let [low, high] = [USER_REG0, USER_REG1].map(|register| system.read(register).to_le_bytes());
    let mac = EthernetAddress([low[0], low[1], low[2], high[0], high[1], high[2]]);
    // What was not written is all ones.
    (mac.is_unicast() && mac.0 != [0; 6]).then_some(mac)
}

/// From the oscillator of about 12 MHz that the chip boots with to the crystal and the PLL, in the order
/// that the data sheet prescribes.
fn start_pll(system: &mut Block) -> Result<(), &'static str> {
    let mut rcc = system.read(RCC);
    rcc = rcc & !RCC_USE_DIVISOR | RCC_BYPASS_PLL;
    system.write(RCC, rcc);
    rcc &= !RCC_MAIN_OFF;
    system.write(RCC, rcc);
    cortex_m::asm::delay(CRYSTAL_CYCLES);
    rcc = rcc & !(RCC_CRYSTAL | RCC_SOURCE | RCC_PLL_OFF) | RCC_CRYSTAL_8_MHZ;
    system.write(RCC, rcc);
    rcc = rcc & !RCC_DIVISOR | RCC_DIVIDE_BY_4 | RCC_USE_DIVISOR;
    system.write(RCC, rcc);
    if !(0..PLL_READINGS).any(|_| system.read(RIS) & RIS_PLL_LOCKED != 0) {
        return Err("the PLL does not lock; is there a crystal of 8 MHz?");
    }
    system.write(RCC, rcc & !RCC_BYPASS_PLL);
    Ok(())
}

fn set(block: &mut Block, register: usize, bits: u32) {
    let value = block.read(register);
    block.write(register, value | bits);
}
