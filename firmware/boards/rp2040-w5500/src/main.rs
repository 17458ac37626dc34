//! The firmware on an RP2040 with a W5500 on SPI 0: a W5500-EVB-Pico. Both drivers are embassy's; what is here is which pin
//! is which, the `Board`, and two tasks.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use embassy_executor::Spawner;
use embassy_net_wiznet::chip::W5500;
use embassy_net_wiznet::{Device, Runner, State};
use embassy_rp::clocks::RoscRng;
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::peripherals::{DMA_CH0, DMA_CH1, SPI0};
use embassy_rp::spi::{Async, Config, Spi};
use embassy_rp::{bind_interrupts, dma};
use embassy_time::Delay;
use embedded_hal_bus::spi::ExclusiveDevice;
use static_cell::{ConstStaticCell, StaticCell};
use tapboard_embassy::{Adapter, Clock, EmbassyTime, run_firmware};
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{BOARD_NET, Board, BoardSockets, BootError, ChipStorage, Firmware};
use tapboard_port::entropy;

/// Frames that the W5500's driver has room for, each way.
const RECEIVE: usize = 4;
const TRANSMIT: usize = 2;
/// As fast as the W5500 is in any case.
const SPI_HZ: u32 = 33_000_000;

type Bus = ExclusiveDevice<Spi<'static, SPI0, Async>, Output<'static>, Delay>;
type Home = Result<Firmware<'static, Hardware>, BootError>;

bind_interrupts!(struct Interrupts {
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>, dma::InterruptHandler<DMA_CH1>;
});

static FRAMES: ConstStaticCell<State<RECEIVE, TRANSMIT>> = ConstStaticCell::new(State::new());
static BUFFERS: ConstStaticCell<ChipStorage> = ConstStaticCell::new(ChipStorage::new());
static SOCKETS: ConstStaticCell<BoardSockets<'static>> = ConstStaticCell::new(BoardSockets::new());
static FIRMWARE: StaticCell<Home> = StaticCell::new();

/// The LED of a Pico, and nothing else.
struct Hardware(Output<'static>);

impl Board for Hardware {
    fn set_led(&mut self, on: bool) {
        self.0.set_level(on.into());
    }

    fn led(&self) -> bool {
        self.0.is_set_high()
    }

    /// Room temperature: the sensor needs the ADC, which is not started.
    fn temperature_mc(&mut self) -> i32 {
        20_000
    }

    /// The noise of the ring oscillator, sampled against the crystal's clock.
    fn entropy(&mut self) -> Option<u64> {
        let ticks = || {
            let [low @ .., _, _, _, _] = embassy_time::Instant::now().as_ticks().to_le_bytes();
            u32::from_le_bytes(low)
        };
        entropy::gather(|| Some(RoscRng::next_u8().into()), ticks)
    }

    fn reset(&mut self) {
        SCB::sys_reset();
    }
}

#[embassy_executor::task]
async fn chip(runner: Runner<'static, W5500, Bus, Input<'static>, Output<'static>>) -> ! {
    runner.run().await
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let p = embassy_rp::init(embassy_rp::config::Config::default());
    let mut config = Config::default();
    config.frequency = SPI_HZ;
    let spi =
        Spi::new(p.SPI0, p.PIN_18, p.PIN_19, p.PIN_16, p.DMA_CH0, p.DMA_CH1, Interrupts, config);
    let Ok(bus) = ExclusiveDevice::new(spi, Output::new(p.PIN_17, Level::High), Delay);
    let (interrupt, reset) = (Input::new(p.PIN_21, Pull::Up), Output::new(p.PIN_20, Level::High));
    let mac = BOARD_NET.mac().0;
    let wiznet = embassy_net_wiznet::new(mac, FRAMES.take(), bus, interrupt, reset).await;
    let Ok((mut driver, runner)) = wiznet else { return };
    let Ok(task) = chip(runner) else { return };
    spawner.spawn(task);

    let hardware = Hardware(Output::new(p.PIN_25, Level::Low));
    let mut clock = EmbassyTime;
    if let Ok(firmware) = boot(hardware, &mut driver, &mut clock) {
        run_firmware(firmware, &mut driver, &mut clock).await;
    }
}

/// Never inlined: the firmware is made on the call stack before it moves to its static.
#[inline(never)]
fn boot(
    hardware: Hardware,
    driver: &mut Device<'static>,
    clock: &mut EmbassyTime,
) -> &'static mut Home {
    let config = ServiceConfig {
        name: "rp2040-w5500".try_into().unwrap_or_default(),
        telemetry: Some(([192, 0, 2, 2], 9000).into()),
    };
    let now = clock.now();
    Adapter::with(driver, |device| {
        FIRMWARE.init_with(|| {
            let (buffers, sockets) = (BUFFERS.take(), SOCKETS.take());
            Firmware::new(&BOARD_NET, config, hardware, device, now, buffers, sockets)
        })
    })
}

/// A panic is a bug of the firmware.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    SCB::sys_reset()
}
