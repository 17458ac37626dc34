//! The firmware on an ESP32-C3, as a station of a Wi-Fi network. The driver is esp-radio's; what is here is which network, the
//! `Board`, and a task that connects again.
#![no_std]
#![no_main]

extern crate alloc;

use core::panic::PanicInfo;

use alloc::string::String;

use embassy_executor::Spawner;
use embassy_time::{Duration, Timer};
use esp_hal::efuse::{InterfaceMacAddress, interface_mac_address};
use esp_hal::gpio::{Level, Output, OutputConfig};
use esp_hal::interrupt::software::SoftwareInterruptControl;
use esp_hal::rng::Trng;
use esp_hal::system::software_reset;
use esp_hal::timer::timg::TimerGroup;
use esp_radio::wifi::sta::StationConfig;
use esp_radio::wifi::{Config, ControllerConfig, Interface, WifiController};
use static_cell::{ConstStaticCell, StaticCell};
use tapboard_embassy::{Adapter, Clock, EmbassyTime, run_firmware};
use tapboard_firmware::service::{SERVICES, ServiceConfig};
use tapboard_firmware::{
    Board, BoardSockets, BootError, ChipStorage, EthernetAddress, Firmware, NetConfig,
};

/// The network, and its password, as they are in the environment of the build.
const SSID: &str = match option_env!("SSID") {
    Some(ssid) => ssid,
    None => "tapboard",
};
const PASSWORD: &str = match option_env!("PASSWORD") {
    Some(password) => password,
    None => "",
};
/// Between two attempts to connect.
const RETRY: Duration = Duration::from_secs(2);

type Home = Result<Firmware<'static, Hardware>, BootError>;

static BUFFERS: ConstStaticCell<ChipStorage> = ConstStaticCell::new(ChipStorage::new());
static SOCKETS: ConstStaticCell<BoardSockets<'static>> = ConstStaticCell::new(BoardSockets::new());
static FIRMWARE: StaticCell<Home> = StaticCell::new();

/// What the chip's boot loader reads of an image, and the heap of the radio's own code: macros with `unsafe` in them.
#[allow(unsafe_code, reason = "each is used once, and the heap's memory by nobody else")]
mod image {
    esp_bootloader_esp_idf::esp_app_desc!();

    /// As much as the boot loader leaves behind, and some of what is free.
    pub(crate) fn make_heap() {
        esp_alloc::heap_allocator!(#[esp_hal::ram(reclaimed)] size: 64 * 1024);
        esp_alloc::heap_allocator!(size: 36 * 1024);
    }
}

/// A LED at GPIO 8 that is on when that is low, and the chip's random generator.
struct Hardware(Output<'static>);

impl Board for Hardware {
    fn set_led(&mut self, on: bool) {
        self.0.set_level((!on).into());
    }

    fn led(&self) -> bool {
        self.0.is_set_low()
    }

    /// Room temperature: the chip's sensor is not started.
    fn temperature_mc(&mut self) -> i32 {
        20_000
    }

    /// Random while the radio is on; without it there is none.
    fn entropy(&mut self) -> Option<u64> {
        let generator = Trng::try_new().ok()?;
        Some(u64::from(generator.random()) << 32 | u64::from(generator.random()))
    }

    fn mac(&self) -> Option<EthernetAddress> {
        let mac = interface_mac_address(InterfaceMacAddress::Station);
        mac.as_bytes().try_into().ok().map(EthernetAddress)
    }

    fn reset(&mut self) {
        software_reset();
    }
}

/// Connects, and again each time that the connection is lost; the driver tells the firmware.
#[embassy_executor::task]
async fn station(mut controller: WifiController<'static>) {
    loop {
        if controller.connect_async().await.is_ok() {
            let _ = controller.wait_for_disconnect_async().await;
        }
        Timer::after(RETRY).await;
    }
}

#[esp_rtos::main]
async fn main(spawner: Spawner) {
    let p = esp_hal::init(esp_hal::Config::default());
    image::make_heap();
    let interrupts = SoftwareInterruptControl::new(p.SW_INTERRUPT);
    esp_rtos::start(TimerGroup::new(p.TIMG0).timer0, interrupts.software_interrupt0);
    let network = StationConfig::default().with_ssid(SSID).with_password(String::from(PASSWORD));
    let config = ControllerConfig::default().with_initial_config(Config::Station(network));
    let Ok((controller, interfaces)) = esp_radio::wifi::new(p.WIFI, config) else { return };
    let Ok(task) = station(controller) else { return };
    spawner.spawn(task);

    let hardware = Hardware(Output::new(p.GPIO8, Level::High, OutputConfig::default()));
    let mut driver = interfaces.station;
    let mut clock = EmbassyTime;
    if let Ok(firmware) = boot(hardware, &mut driver, &mut clock) {
        run_firmware(firmware, &mut driver, &mut clock).await;
    }
}

/// Never inlined: the firmware is made on the call stack before it moves to its static.
#[inline(never)]
fn boot(
    hardware: Hardware,
    driver: &mut Interface<'static>,
    clock: &mut EmbassyTime,
) -> &'static mut Home {
    let config = ServiceConfig { name: "esp32c3".try_into().unwrap_or_default(), telemetry: None };
    // The driver's frames are of this address.
    let mac = hardware.mac().unwrap_or(EthernetAddress([0; 6]));
    let net = NetConfig::new(mac).with_dhcp().with_hostname("esp32c3").with_mdns(SERVICES);
    let now = clock.now();
    Adapter::with(driver, |device| {
        FIRMWARE.init_with(|| {
            let (buffers, sockets) = (BUFFERS.take(), SOCKETS.take());
            Firmware::new(&net, config, hardware, device, now, buffers, sockets)
        })
    })
}

/// A panic is a bug of the firmware.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    software_reset()
}
