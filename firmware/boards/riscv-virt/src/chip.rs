//! Where the registers of QEMU's `virt` are.
//!
//! The only module with `unsafe`: it is what says that a block of registers is where it is.
#![allow(unsafe_code)]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use tapboard_port::Registers;
use tapboard_port::mmio::Block;
#[cfg(feature = "log")]
use tapboard_port::mmio::Bytes;
use tapboard_port::riscv::halt;
use tapboard_port::virtio::Error;
use virtio_drivers::transport::mmio::MmioTransport;

/// The timer's clock.
pub(crate) const TIMER_HZ: u32 = 10_000_000;

/// The interrupt of the first virtio device.
pub(crate) const INTERRUPT_NET: usize = 1;

const TEST: usize = 0x0010_0000;
const CLINT: usize = 0x0200_0000;
const PLIC: usize = 0x0c00_0000;
#[cfg(feature = "log")]
const UART: usize = 0x1000_0000;
#[cfg(feature = "settings")]
const FLASH: usize = 0x2200_0000;
const VIRTIO_NET: usize = 0x1000_1000;
const VIRTIO_RNG: usize = 0x1000_2000;
const VIRTIO_SIZE: usize = 0x1000;

/// Bytes of the flash, the second of the machine's.
#[cfg(feature = "settings")]
pub(crate) const FLASH_SIZE: u32 = 32 << 20;
/// Bytes of a block of it.
#[cfg(feature = "settings")]
pub(crate) const FLASH_BLOCK: usize = 256 << 10;
/// Its last two blocks.
#[cfg(feature = "settings")]
pub(crate) const SETTINGS: core::ops::Range<u32> = FLASH_SIZE - (512 << 10)..FLASH_SIZE;

/// What the test device takes for a reset.
const TEST_RESET: u32 = 0x7777;

/// What the board's parts need.
pub(crate) struct Chip {
    pub(crate) clint: Block,
    pub(crate) plic: Block,
    #[cfg(feature = "log")]
    pub(crate) uart: Bytes,
    #[cfg(feature = "settings")]
    pub(crate) flash: Block,
    pub(crate) net: Result<MmioTransport<'static>, Error>,
    pub(crate) rng: Result<MmioTransport<'static>, Error>,
}

impl Chip {
    /// Once; the error says what is missing.
    pub(crate) fn start() -> Result<Self, &'static str> {
        static STARTED: AtomicBool = AtomicBool::new(false);
        if STARTED.swap(true, Ordering::Relaxed) {
            return Err("the chip was started before");
        }
        // SAFETY: addresses of the machine's memory map. Who uses a block goes by its registers; none of them
        // makes the chip write to memory, but for the virtio devices, whose drivers say where. This is done once.
        unsafe {
            Ok(Self {
                clint: Block::at(CLINT),
                plic: Block::at(PLIC),
                #[cfg(feature = "log")]
                uart: Bytes::at(UART),
                #[cfg(feature = "settings")]
                flash: Block::at(FLASH),
                net: virtio(VIRTIO_NET),
                rng: virtio(VIRTIO_RNG),
            })
        }
    }
}

/// The device at `address`.
///
/// # Safety
///
/// There are a virtio device's registers, and nobody else's.
unsafe fn virtio(address: usize) -> Result<MmioTransport<'static>, Error> {
    let header = NonNull::new(core::ptr::without_provenance_mut(address)).ok_or(Error::Absent)?;
    // SAFETY: by this function's contract. It is aligned to a page.
    unsafe { MmioTransport::new(header, VIRTIO_SIZE) }.map_err(|_| Error::Absent)
}

/// Resets the machine. The processor may go on for a little while.
pub(crate) fn reset() -> ! {
    // SAFETY: the address of the machine's memory map. The register takes commands, and does not mind who else has
    // written one.
    let mut test = unsafe { Block::at(TEST) };
    test.write(0, TEST_RESET);
    halt()
}
