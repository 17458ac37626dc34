//! The hardware beside the network: LED, temperature sensor, entropy and reset.
//!
//! **Entropy** is the noise in the low bits of the chip's temperature sensor, which is all this chip has:
//! see [`tapboard_port::entropy`] for what is made of it, and for when it is refused. A product uses a
//! hardware random generator, which later chips have; on this one, a secret written at manufacture and a
//! boot counter in flash, hashed together with the noise.
//!
//! A timer starts each conversion: the data sheet offers the processor that too, but QEMU does not.

use cortex_m::peripheral::{SCB, SYST};
use tapboard_firmware::{Board, EthernetAddress};
use tapboard_port::cortex_m::Wfi;
use tapboard_port::mmio::Block;
use tapboard_port::superloop::Sleeper;
use tapboard_port::{Registers, entropy};

use crate::chip::Interrupt;

/// GPIO data, of which the address selects pin 0.
const LED: usize = 1 << 2;

/// ADC: active sequencers; raw interrupt status, mask and what clears it; trigger of each; control and
/// result of sequencer 3.
const ADC_ACTIVE: usize = 0x00;
const ADC_RIS: usize = 0x04;
const ADC_MASK: usize = 0x08;
const ADC_CLEAR: usize = 0x0c;
const ADC_TRIGGERS: usize = 0x14;
const ADC_CONTROL: usize = 0xa4;
const ADC_FIFO: usize = 0xa8;

const SEQUENCER_3: u32 = 1 << 3;
const TRIGGER_3_TIMER: u32 = 5 << 12;
/// One sample, which is the last, says when it is done, and is of the temperature sensor.
const CONTROL_TEMPERATURE: u32 = 1 << 1 | 1 << 2 | 1 << 3;
const SAMPLE: u32 = 0x3ff;

/// Timer: configuration, mode of timer A, control, and what it counts from.
const TIMER_CONFIGURATION: usize = 0x00;
const TIMER_MODE: usize = 0x04;
const TIMER_CONTROL: usize = 0x0c;
const TIMER_LOAD: usize = 0x28;

const CONFIGURATION_32_BIT: u32 = 0;
const MODE_ONE_SHOT: u32 = 1;
/// Start, and trigger the ADC at the end.
const CONTROL_START_TRIGGER: u32 = 1 << 0 | 1 << 5;

/// Ticks to a conversion: 2 us.
const TICKS: u32 = 100;
/// Sleeps until a sample is there. Most end with it; the clock's rounds end the others.
const SLEEPS: u32 = 8;

/// LED, sensor and reset line.
#[derive(Debug)]
pub(crate) struct Hardware {
    led: Block,
    adc: Block,
    timer: Block,
    entropy: Option<u64>,
    lit: bool,
    temperature_mc: i32,
    mac: Option<EthernetAddress>,
}

impl Hardware {
    /// Gathers the entropy, which takes some milliseconds and needs `SysTick` to run.
    pub(crate) fn new(
        led: Block,
        mut adc: Block,
        mut timer: Block,
        mac: Option<EthernetAddress>,
    ) -> Self {
        adc.write(ADC_TRIGGERS, TRIGGER_3_TIMER);
        adc.write(ADC_CONTROL, CONTROL_TEMPERATURE);
        adc.write(ADC_ACTIVE, SEQUENCER_3);
        timer.write(TIMER_CONFIGURATION, CONFIGURATION_32_BIT);
        timer.write(TIMER_MODE, MODE_ONE_SHOT);
        timer.write(TIMER_LOAD, TICKS);
        let mut hardware =
            Self { led, adc, timer, entropy: None, lit: false, temperature_mc: 0, mac };
        hardware.adc.write(ADC_MASK, SEQUENCER_3);
        let mut sleeper = Wfi::new(Interrupt::AdcSequencer3);
        // The counter adds when each sample was there, to what it was.
        hardware.entropy =
            entropy::gather(|| hardware.wait_for_sample(&mut sleeper), SYST::get_current);
        hardware.adc.write(ADC_MASK, 0);
        hardware
    }

    fn start_sample(&mut self) {
        self.adc.write(ADC_CLEAR, SEQUENCER_3);
        self.timer.write(TIMER_CONTROL, 0);
        self.timer.write(TIMER_CONTROL, CONTROL_START_TRIGGER);
    }

    /// The sample that was started, 0 to 1023, if it is there.
    fn sample(&mut self) -> Option<u32> {
        let done = self.adc.read(ADC_RIS) & SEQUENCER_3 != 0;
        done.then(|| self.adc.read(ADC_FIFO) & SAMPLE)
    }

    fn wait_for_sample(&mut self, sleeper: &mut impl Sleeper) -> Option<u32> {
        self.start_sample();
        sleeper.clear();
        (0..SLEEPS).find_map(|_| {
            let sample = self.sample();
            if sample.is_none() {
                sleeper.sleep();
                sleeper.clear();
            }
            sample
        })
    }
}

impl Board for Hardware {
    fn set_led(&mut self, on: bool) {
        self.led.write(LED, on.into());
        self.lit = on;
    }

    fn led(&self) -> bool {
        self.lit
    }

    /// As of the last call, which is what the conversion was started at: nothing is waited for. By the data
    /// sheet, 147.5 - 225 * sample / 1023 degrees.
    fn temperature_mc(&mut self) -> i32 {
        if let Some(sample) = self.sample() {
            self.temperature_mc = 147_500 - 225_000 * sample.cast_signed() / 1023;
        }
        self.start_sample();
        self.temperature_mc
    }

    fn entropy(&mut self) -> Option<u64> {
        self.entropy.take()
    }

    fn mac(&self) -> Option<EthernetAddress> {
        self.mac
    }

    fn reset(&mut self) {
        SCB::sys_reset();
    }
}
