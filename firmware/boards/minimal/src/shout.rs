//! A board with one service of one's own and none of the stock ones: `examples/shout.rs`, on port 777.
//!
//! As the other program of this directory it has hardware that is a block of memory; the service is what to replace.
#![no_std]
#![no_main]

mod clock;
mod hardware;
#[cfg(feature = "log")]
mod itm;
mod mac;
#[path = "../../../examples/shout.rs"]
mod shout;
mod vectors;

use core::panic::PanicInfo;

use cortex_m::Peripherals;
use cortex_m::asm::wfi;
use cortex_m::peripheral::SCB;
use cortex_m_rt::entry;
use smoltcp::time::Instant;
use static_cell::{ConstStaticCell, StaticCell};
use tapboard_firmware::config::{DATAGRAM_SIZE, FRAME_SIZE};
use tapboard_firmware::service::server::Server;
use tapboard_firmware::{BOARD_NET, BootError, Firmware, Sockets, Storage, TcpSocket};

use crate::clock::Clock;
use crate::hardware::Hardware;
use crate::mac::Mac;
use crate::shout::{Shout, shout};

/// A slot for each of its clients, and one in reserve for connections of the board's own.
const SLOTS: usize = 4 + 1;

type Board = Firmware<'static, Hardware, Server<TcpSocket, Shout, 4>>;

static BUFFERS: ConstStaticCell<Storage<SLOTS, 2048, 0, DATAGRAM_SIZE>> =
    ConstStaticCell::new(Storage::new());
static SOCKETS: ConstStaticCell<Sockets<'static, SLOTS, 0>> = ConstStaticCell::new(Sockets::new());
static FIRMWARE: StaticCell<Result<Board, BootError>> = StaticCell::new();

#[entry]
fn main() -> ! {
    let Some(peripherals) = Peripherals::take() else {
        halt();
    };
    #[cfg(feature = "log")]
    itm::install(peripherals.ITM);
    let mut clock = Clock::start(peripherals.SYST);
    let mut mac = Mac::new();
    let firmware = match boot(&mut mac, clock.now()) {
        Ok(firmware) => firmware,
        Err(error) => {
            log::error!("{error}");
            halt();
        }
    };
    loop {
        let next = firmware.poll(clock.now(), &mut mac);
        while !mac.pending() && next.is_none_or(|next| clock.now() < next) {
            wfi();
        }
    }
}

/// A function of its own, never inlined: the firmware is made on the call stack before it moves to its static.
#[inline(never)]
fn boot(mac: &mut Mac, now: Instant) -> &'static mut Result<Board, BootError> {
    FIRMWARE.init_with(|| {
        let (buffers, sockets) = (BUFFERS.take(), SOCKETS.take());
        let (net, hardware) = (BOARD_NET, Hardware::default());
        Firmware::with_services(&net, shout(), hardware, mac, now, buffers, sockets)
    })
}

/// Sleeps for ever, but for a moment a tick: what stayed pending would end every `wfi` at once.
fn halt() -> ! {
    cortex_m::interrupt::disable();
    loop {
        SCB::clear_pendst();
        wfi();
    }
}

/// A panic is a bug of the firmware; a product would reset here.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    log::error!("{info}");
    halt()
}
