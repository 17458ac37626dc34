//! The firmware on a TAP, as embassy's own driver of one gives it: what a board with an embassy HAL does, on a desk.
//!
//!     sudo ip tuntap add tap0 mode tap user $USER
//!     sudo ip addr add 192.0.2.2/24 dev tap0
//!     sudo ip link set tap0 up
//!     cargo run --release -p tapboard-embassy --features firmware --example tap -- tap0
//!
//! The board is 192.0.2.1 then; `tapboard-host check 192.0.2.1 --reset` says whether it is a good one.

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("TAPs are Linux's");
}

#[cfg(target_os = "linux")]
mod board {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::task::Poll;

    use embassy_futures::select::select;
    use embassy_net_tuntap::TunTapDevice;
    use tapboard_embassy::{Adapter, Clock, EmbassyTime, run_firmware};
    use tapboard_firmware::service::ServiceConfig;
    use tapboard_firmware::{BOARD_NET, Board, BoardSockets, ChipStorage, Firmware};

    /// The hardware beside the network; on a chip, pins and a random generator.
    struct Hardware<'r> {
        led: bool,
        reset: &'r Cell<bool>,
    }

    impl Board for Hardware<'_> {
        fn set_led(&mut self, on: bool) {
            self.led = on;
        }

        fn led(&self) -> bool {
            self.led
        }

        fn temperature_mc(&mut self) -> i32 {
            23_500
        }

        fn entropy(&mut self) -> Option<u64> {
            getrandom::u64().ok()
        }

        /// On a chip this does not return.
        fn reset(&mut self) {
            self.reset.set(true);
        }
    }

    /// Runs the board on `driver` until it is reset.
    pub(crate) async fn boot(driver: &mut TunTapDevice) {
        let reset = Cell::new(false);
        let hardware = Hardware { led: false, reset: &reset };
        let (mut memory, mut sockets) =
            (Box::new(ChipStorage::new()), Box::new(BoardSockets::new()));
        let mut clock = EmbassyTime;
        let services = ServiceConfig {
            name: "embassy-tap".try_into().unwrap_or_default(),
            telemetry: Some(([192, 0, 2, 2], 9000).into()),
        };
        let now = clock.now();
        let firmware = Adapter::with(driver, |device| {
            Firmware::new(&BOARD_NET, services, hardware, device, now, &mut *memory, &mut *sockets)
        });
        let mut firmware = firmware.expect("this machine has entropy");
        println!("The board is up: 192.0.2.1");
        // It is reset in a turn of its own, after which this is looked at.
        let reset = poll_fn(|_| if reset.get() { Poll::Ready(()) } else { Poll::Pending });
        select(run_firmware(&mut firmware, driver, &mut clock), reset).await;
        println!("The board is reset.");
    }
}

#[cfg(target_os = "linux")]
#[embassy_executor::main]
async fn main(spawner: embassy_executor::Spawner) {
    let _ = spawner;
    let name = std::env::args().nth(1).unwrap_or_else(|| "tap0".to_owned());
    let mut driver = match embassy_net_tuntap::TunTapDevice::new(&name) {
        Ok(driver) => driver,
        Err(error) => {
            eprintln!("{name} cannot be opened: {error}; is there such a TAP, and is it yours?");
            std::process::exit(1);
        }
    };
    driver.set_hardware_address(tapboard_firmware::BOARD_NET.mac().0);
    loop {
        board::boot(&mut driver).await;
    }
}
