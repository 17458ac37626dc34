//! The firmware on an STM32H743 and its Ethernet MAC, as the Nucleo-H743ZI wires it. The driver is embassy's; what is here
//! is which pin is which, the `Board`, and a task.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use embassy_executor::Spawner;
use embassy_stm32::eth::{self, Ethernet, GenericPhy, PacketQueue, Sma};
use embassy_stm32::gpio::{Level, Output, Speed};
use embassy_stm32::peripherals::{ETH, ETH_SMA, RNG};
use embassy_stm32::rng::{self, Rng};
use embassy_stm32::{bind_interrupts, uid};
use static_cell::{ConstStaticCell, StaticCell};
use tapboard_embassy::{Adapter, Clock, EmbassyTime, run_firmware};
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{
    BOARD_NET, Board, BoardSockets, BootError, ChipStorage, EthernetAddress, Firmware, NetConfig,
};

/// Frames that the MAC has buffers for, each way.
const FRAMES: usize = 4;

type Driver = Ethernet<'static, ETH, GenericPhy<Sma<'static, ETH_SMA>>>;
type Home = Result<Firmware<'static, Hardware>, BootError>;

bind_interrupts!(struct Interrupts {
    ETH => eth::InterruptHandler;
    RNG => rng::InterruptHandler<RNG>;
});

/// In AXI SRAM, as all statics are by the crate's `memory.x`: the MAC does not reach the core's own RAM.
static QUEUE: ConstStaticCell<PacketQueue<FRAMES, FRAMES>> =
    ConstStaticCell::new(PacketQueue::new());
static BUFFERS: ConstStaticCell<ChipStorage> = ConstStaticCell::new(ChipStorage::new());
static SOCKETS: ConstStaticCell<BoardSockets<'static>> = ConstStaticCell::new(BoardSockets::new());
static FIRMWARE: StaticCell<Home> = StaticCell::new();

/// The green LED, the chip's random generator and its unique number.
struct Hardware {
    led: Output<'static>,
    rng: Rng<'static, RNG>,
}

impl Board for Hardware {
    fn set_led(&mut self, on: bool) {
        self.led.set_level(on.into());
    }

    fn led(&self) -> bool {
        self.led.is_set_high()
    }

    /// Room temperature: the sensor needs the ADC, which is not started.
    fn temperature_mc(&mut self) -> i32 {
        20_000
    }

    fn entropy(&mut self) -> Option<u64> {
        Some(self.rng.next_u64())
    }

    /// A locally administered address, of what two chips differ in most: the place on the wafer, and its number.
    fn mac(&self) -> Option<EthernetAddress> {
        let [x, _, y, _, wafer, lot, ..] = uid::uid();
        Some(EthernetAddress([2, 0x80, x, y, wafer, lot]))
    }

    fn reset(&mut self) {
        SCB::sys_reset();
    }
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let _ = spawner;
    let mut config = embassy_stm32::Config::default();
    // The random generator's clock.
    config.rcc.hsi48 = Some(embassy_stm32::rcc::Hsi48Config::default());
    let p = embassy_stm32::init(config);
    let led = Output::new(p.PB0, Level::Low, Speed::Low);
    let hardware = Hardware { led, rng: Rng::new(p.RNG, Interrupts) };
    let net = BOARD_NET.with_mac(hardware.mac().unwrap_or(BOARD_NET.mac()));
    let mut driver = Ethernet::new(
        QUEUE.take(),
        p.ETH,
        Interrupts,
        p.PA1,
        p.PA7,
        p.PC4,
        p.PC5,
        p.PG13,
        p.PB13,
        p.PG11,
        net.mac().0,
        p.ETH_SMA,
        p.PA2,
        p.PC1,
    );
    let mut clock = EmbassyTime;
    if let Ok(firmware) = boot(&net, hardware, &mut driver, &mut clock) {
        run_firmware(firmware, &mut driver, &mut clock).await;
    }
}

/// Never inlined: the firmware is made on the call stack before it moves to its static.
#[inline(never)]
fn boot(
    net: &NetConfig,
    hardware: Hardware,
    driver: &mut Driver,
    clock: &mut EmbassyTime,
) -> &'static mut Home {
    let config = ServiceConfig {
        name: "nucleo-h743zi".try_into().unwrap_or_default(),
        telemetry: Some(([192, 0, 2, 2], 9000).into()),
    };
    let now = clock.now();
    Adapter::with(driver, |device| {
        FIRMWARE.init_with(|| {
            let (buffers, sockets) = (BUFFERS.take(), SOCKETS.take());
            Firmware::new(net, config, hardware, device, now, buffers, sockets)
        })
    })
}

/// A panic is a bug of the firmware.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    SCB::sys_reset()
}
