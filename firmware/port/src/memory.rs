//! All the RAM of a board but its call stack, in statics.
//!
//! They are within [`MCU_RAM`]: see [`ChipStorage`]. They are apart because the sockets borrow the buffers, and the
//! firmware both; all are zero, so that they cost no flash.

use static_cell::{ConstStaticCell, StaticCell};
use tapboard_firmware::config::{BOARD_RAM, MCU_RAM};
use tapboard_firmware::service::Services;
use tapboard_firmware::{BoardSockets, BootError, ChipStorage, Firmware, NetStack};

use crate::ethernet::Frame;

/// Where the firmware of a board with the hardware `H` and the services `V` lives. Make it a static.
#[expect(missing_debug_implementations, reason = "`StaticCell` has none")]
pub struct Home<H: 'static, V: 'static = Services<NetStack<'static>>>(
    pub(crate) StaticCell<Result<Firmware<'static, H, V>, BootError>>,
);

impl<H, V> Home<H, V> {
    /// Nobody lives there yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "for a static, which needs it to be const")]
    pub const fn new() -> Self {
        Self(StaticCell::new())
    }
}

pub(crate) static BUFFERS: ConstStaticCell<ChipStorage> = ConstStaticCell::new(ChipStorage::new());
pub(crate) static SOCKETS: ConstStaticCell<BoardSockets<'static>> =
    ConstStaticCell::new(BoardSockets::new());
static FRAMES: ConstStaticCell<[Frame; 2]> = ConstStaticCell::new([Frame::new(), Frame::new()]);

/// A buffer to receive a frame in, and one to make a frame in.
///
/// # Panics
/// If they were asked for before.
#[must_use]
pub fn frames() -> [&'static mut Frame; 2] {
    FRAMES.take().each_mut()
}

const _: () = {
    assert!(size_of::<[Frame; 2]>() < BOARD_RAM, "and there is some room for the rest");
    let firmware = size_of::<Firmware<'_, ()>>() + size_of::<BoardSockets<'_>>();
    assert!(firmware + size_of::<ChipStorage>() + BOARD_RAM <= MCU_RAM);
};
