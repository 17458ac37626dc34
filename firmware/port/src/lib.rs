//! What a port of the firmware to a chip is made of, apart from the chip's own pins and clocks.
//!
//! - [`ethernet`]: drivers of Ethernet MACs, a file for each, as [`smoltcp::phy::Device`]s over [`Registers`];
//! - [`dma`]: rings of buffers for a MAC that moves frames by itself;
//! - [`clock`]: time and one-shot alarms from a 24-bit counter such as `SysTick`;
//! - [`up`]: the same from a counter of up to 32 bits that counts up;
//! - [`clint`], [`plic`]: the same from a RISC-V's timer, and the interrupts that wake it;
//! - [`entropy`]: a seed from a noisy source;
//! - `settings` (a feature): a board's settings in its flash; `flash`, a driver of one kind of that;
//! - `virtio` (a feature): what a virtio device and its driver share, and one that gives entropy;
//! - [`superloop`]: poll, arm, sleep;
//! - `cortex_m` or `riscv`, `uart`, `watermark`, `mmio` (bare metal only): the processor's side of them;
//! - `memory`, `boot` (bare metal only): the statics, and the one function that a board's `main` calls.
//!
//! What a board does is decided in one file:
//!
//! | what | file |
//! |---|---|
//! | a frame is lost, cut or wrong on its way in or out of the MAC; receiving stalls after a burst | the MAC's own, `ethernet/stellaris.rs`, `ethernet/lan9118.rs`, `ethernet/smartfusion2.rs`, `ethernet/gem.rs`, `ethernet/virtio.rs`; what they share, `ethernet/mod.rs`; the order of descriptors and barriers, `dma.rs` |
//! | the cable is out, or in again, and the board does or does not know | `link_came_up` in the MAC's file; `ethernet/mod.rs` for one that is never told |
//! | the clock is slow, jumps, or stops; an alarm comes late | `clock.rs`, `up.rs`, `clint.rs`, by the counter that the chip has |
//! | it sleeps through a frame, or never sleeps | `superloop.rs`; on a RISC-V, `plic.rs` |
//! | two boots are alike; it halts for want of entropy | `entropy.rs`; of a virtio device, `virtio.rs` |
//! | settings are lost, or not taken | `settings.rs`; the flash under them, `flash.rs` |
//! | it halts at boot, or starts anew after a panic or a fault | `boot.rs` |
//! | its log: lines that are missing or slow; how deep the call stack was | `uart.rs`; `watermark.rs` |
//! | RAM, and what is in it | `memory.rs` |
//!
//! A module imports from those below it only: `boot`, `uart`, `processor`, `cortex_m`, `riscv`, `memory`, `superloop`,
//! `watermark`, `clint`, `ethernet`, `flash`, `mmio`, `plic`, `up`, `virtio`, `dma`, `clock`, `entropy`, `settings`, `registers`.
//!
//! Nothing of that is a symbol that a program has once, but for the features of `rt`, which is on by default: the
//! handlers of panics and faults, the table of interrupts, the paint on the stack, a section without interrupts. Beside
//! a HAL's or an executor's, turn off the default features and name those that are missing.
//!
//! Of the chip itself little is left to write. Three functions make a clock of a 24-bit counter, for example:
//!
//! ```
//! use smoltcp::time::Instant;
//! use tapboard_port::clock::{Clock, Counter, Timer};
//!
//! /// A counter at 1 MHz that counts down; on a chip, these are accesses to its registers.
//! struct Down(u32);
//!
//! impl Counter for Down {
//!     fn left(&mut self) -> u32 {
//!         self.0 -= 1000; // a millisecond passes between two readings
//!         self.0
//!     }
//!     fn ended(&mut self) -> bool {
//!         false
//!     }
//!     fn restart(&mut self, ticks: u32) {
//!         self.0 = ticks;
//!     }
//! }
//!
//! let mut clock = Clock::new(Down(0), 1_000_000);
//! assert_eq!(clock.now(), Instant::from_millis(1));
//! assert_eq!(clock.now(), Instant::from_millis(2));
//! // The deadline is still to come: it is safe to sleep until the interrupt.
//! assert!(clock.arm(Some(Instant::from_millis(100))));
//! ```
//!
//! A driver knows its registers by offset and does nothing but read and write them, so that its tests
//! run on the host, against a model of the chip. Volatile accesses of registers are all in `mmio`; the little else that
//! the compiler cannot check is there too, in `dma` and `virtio`, and in the handler of a RISC-V's traps.
#![no_std]

#[cfg(any(test, feature = "test-support"))]
extern crate std;

#[cfg(target_os = "none")]
pub mod boot;
pub mod clint;
pub mod clock;
#[cfg(all(target_os = "none", target_arch = "arm"))]
pub mod cortex_m;
pub mod dma;
pub mod entropy;
pub mod ethernet;
#[cfg(any(test, feature = "settings"))]
pub mod flash;
#[cfg(target_os = "none")]
pub mod memory;
#[cfg(target_os = "none")]
pub mod mmio;
pub mod plic;
#[cfg(target_os = "none")]
mod processor;
mod registers;
#[cfg(all(target_os = "none", target_arch = "riscv32"))]
pub mod riscv;
#[cfg(any(test, feature = "settings"))]
pub mod settings;
pub mod superloop;
#[cfg(target_os = "none")]
pub mod uart;
pub mod up;
#[cfg(any(test, feature = "virtio"))]
pub mod virtio;
#[cfg(all(target_os = "none", feature = "paint-stack"))]
pub mod watermark;

pub use registers::Registers;
