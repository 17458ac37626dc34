//! The firmware on an nRF52840 that is an Ethernet adapter (CDC-NCM) of the computer at its USB: a network of the two. The
//! drivers are embassy's; what is here is how the adapter is called, the `Board`, and three tasks.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use embassy_executor::Spawner;
use embassy_nrf::config::{Config as ChipConfig, HfclkSource};
use embassy_nrf::gpio::{Level, Output, OutputDrive};
use embassy_nrf::mode::Blocking;
use embassy_nrf::peripherals::USBD;
use embassy_nrf::rng::Rng;
use embassy_nrf::usb::vbus_detect::{self, HardwareVbusDetect};
use embassy_nrf::usb::{self, Driver as Usb};
use embassy_nrf::{bind_interrupts, pac};
use embassy_usb::class::cdc_ncm::embassy_net::{Device, Runner, State as Frames};
use embassy_usb::class::cdc_ncm::{CdcNcmClass, State};
use embassy_usb::{Builder, Config, UsbDevice};
use static_cell::{ConstStaticCell, StaticCell};
use tapboard_embassy::{Adapter, Clock, EmbassyTime, run_firmware};
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{
    BOARD_NET, Board, BoardSockets, BootError, ChipStorage, EthernetAddress, Firmware, NetConfig,
};

/// The longest frame, and for how many the driver has room each way.
const FRAME: usize = 1514;
const RECEIVE: usize = 4;
const TRANSMIT: usize = 2;
/// A full-speed bulk endpoint's packet.
const PACKET: u16 = 64;
/// Vendor and product of USB: those that pid.codes has for tests. A product needs its own.
const USB_ID: (u16, u16) = (0x1209, 0x0001);

type Driver = Usb<'static, HardwareVbusDetect>;
type Home = Result<Firmware<'static, Hardware>, BootError>;

bind_interrupts!(struct Interrupts {
    USBD => usb::InterruptHandler<USBD>;
    CLOCK_POWER => vbus_detect::InterruptHandler;
});

static CONFIG_DESCRIPTOR: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);
static BOS_DESCRIPTOR: ConstStaticCell<[u8; 64]> = ConstStaticCell::new([0; 64]);
static CONTROL: ConstStaticCell<[u8; 128]> = ConstStaticCell::new([0; 128]);
static CLASS: StaticCell<State<'static>> = StaticCell::new();
static FRAMES: ConstStaticCell<Frames<FRAME, RECEIVE, TRANSMIT>> =
    ConstStaticCell::new(Frames::new());
static BUFFERS: ConstStaticCell<ChipStorage> = ConstStaticCell::new(ChipStorage::new());
static SOCKETS: ConstStaticCell<BoardSockets<'static>> = ConstStaticCell::new(BoardSockets::new());
static FIRMWARE: StaticCell<Home> = StaticCell::new();

/// The first LED of a development kit, which is on when its pin is low, and the chip's random generator.
struct Hardware {
    led: Output<'static>,
    rng: Rng<'static, Blocking>,
}

impl Board for Hardware {
    fn set_led(&mut self, on: bool) {
        self.led.set_level((!on).into());
    }

    fn led(&self) -> bool {
        self.led.is_set_low()
    }

    /// Room temperature: the sensor's driver waits for its interrupt.
    fn temperature_mc(&mut self) -> i32 {
        20_000
    }

    fn entropy(&mut self) -> Option<u64> {
        Some(self.rng.blocking_next_u64())
    }

    fn mac(&self) -> Option<EthernetAddress> {
        Some(EthernetAddress(local_mac(0x52)))
    }

    fn reset(&mut self) {
        SCB::sys_reset();
    }
}

/// A locally administered address of the chip's random number. One is the board's, another the computer's end.
fn local_mac(kind: u8) -> [u8; 6] {
    let [a, b, c, d] = pac::FICR.deviceid(0).read().to_le_bytes();
    [2, kind, a, b, c, d]
}

#[embassy_executor::task]
async fn bus(mut device: UsbDevice<'static, Driver>) -> ! {
    device.run().await
}

#[embassy_executor::task]
async fn adapter(runner: Runner<'static, Driver, FRAME>) -> ! {
    runner.run().await
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let mut config = ChipConfig::default();
    // USB needs the crystal.
    config.hfclk_source = HfclkSource::ExternalXtal;
    let p = embassy_nrf::init(config);
    let rng = Rng::new_blocking(p.RNG);
    rng.set_bias_correction(true);
    let led = Output::new(p.P0_13, Level::High, OutputDrive::Standard);
    let hardware = Hardware { led, rng };

    let mut config = Config::new(USB_ID.0, USB_ID.1);
    config.manufacturer = Some("tapboard");
    config.product = Some("tapboard on USB Ethernet");
    config.max_packet_size_0 = 64;
    let mut builder = Builder::new(
        Usb::new(p.USBD, Interrupts, HardwareVbusDetect::new(Interrupts)),
        config,
        CONFIG_DESCRIPTOR.take(),
        BOS_DESCRIPTOR.take(),
        &mut [],
        CONTROL.take(),
    );
    let class =
        CdcNcmClass::new(&mut builder, CLASS.init_with(State::new), local_mac(0x53), PACKET);
    let (runner, mut driver) = class.into_embassy_net_device(FRAMES.take(), local_mac(0x52));
    let (Ok(bus), Ok(adapter)) = (bus(builder.build()), adapter(runner)) else { return };
    spawner.spawn(bus);
    spawner.spawn(adapter);

    let net = BOARD_NET.with_mac(hardware.mac().unwrap_or(BOARD_NET.mac()));
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
    driver: &mut Device<'static, FRAME>,
    clock: &mut EmbassyTime,
) -> &'static mut Home {
    let config = ServiceConfig {
        name: "nrf52840-usb".try_into().unwrap_or_default(),
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
