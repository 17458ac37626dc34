//! How to bring the firmware to a chip: five things, in the order in which one writes them.
//!
//! The worked example is `boards/lm3s6965evb` in this crate's directory, a Cortex-M3 with its own Ethernet MAC;
//! QEMU runs it, so every step can be tried before there is a board. What it shares with other ports -
//! drivers, clock, superloop - is the crate `tapboard-port` beside this one. `boards/riscv-virt` is the same on another
//! architecture, with the interface of a virtual machine. No step needs a change here.
//!
//! # 1. A program that starts
//!
//! Copy the example's directory and put the chip's sizes into `memory.x`. In `chip.rs`, start the clocks and
//! connect the pins: this is the one file with `unsafe`, which says where the registers are. Then a serial line
//! for log messages (`uart.rs`): it is how the next steps report.
//!
//! *Done when* the board says that it is up, and a panic says where.
//!
//! # 2. A clock
//!
//! [`Firmware::poll`](crate::Firmware::poll) wants the time since boot as an argument, at least to the
//! millisecond, and returns when it wants to be called next. `tapboard_port::clock` makes both of any counter of
//! 24 bits; on a Cortex-M that is `SysTick`, and nothing is left to do but to state its frequency. On a RISC-V
//! `tapboard_port::clint` makes them of the machine timer. Any other is a `Timer`, of two functions. Do not make a
//! periodic tick: it costs power, and latency when the loop waits for it.
//!
//! *Done when* the shell's `uptime` agrees with a watch after an hour.
//!
//! # 3. A network interface
//!
//! A [`smoltcp::phy::Device`] that moves whole Ethernet frames of up to [`FRAME_SIZE`](crate::config::FRAME_SIZE)
//! bytes, without their checksum. Four rules make a good driver:
//!
//! - Whatever comes in, it delivers whole frames or nothing: a length that cannot be is not believed.
//! - With no room to transmit, it answers `None` to `transmit`, and to `receive` too: a frame comes with room
//!   for its answer. It does not wait.
//! - It gives the FIN of a connection in an ordinary frame, should the MAC put segments together (few do).
//! - It can be asked, after its interrupt was acknowledged, whether there is something to do. That is
//!   `tapboard_port::ethernet::Mac`, and what makes a sleep safe.
//!
//! `tapboard_port::ethernet::Ethernet` keeps them for any chip whose FIFOs the processor moves words from and to, or
//! whose buffers it copies (`ethernet::virtio`, where what the device says of them is not believed either): what is
//! left to write is a `Fifo` of six functions. Write it over `tapboard_port::Registers`, with a model of the chip
//! beside it, and `conformance!` tries it on the host: every length, every state of the transmitter, and an event
//! between any two accesses.
//!
//! *Done when* those tests pass, and `ping` is answered.
//!
//! # 4. A board
//!
//! [`Board`](crate::Board) is the hardware beside the network: LED, temperature, reset - and entropy, which
//! matters most. It seeds what a stranger must not guess (RFC 6528), so it comes from a hardware random
//! generator. A chip without one gathers noise (`tapboard_port::entropy`) and says `None` when there is none: the
//! board then does not come up, and says why. A chip with a MAC address of its own, or a unique number to make one
//! of, gives it in [`Board::mac`](crate::Board::mac). `tapboard_port::boot::Config` is where a product says which
//! addresses a board has; with the feature `dhcp`, a server's, with `mdns` a name too. With `dns`, telemetry may go to a
//! name (`Target::Name`); with `sntp`, it has the time of day.
//!
//! *Done when* two boots show different ports in `netstat`, and `reset` in the shell restarts the board.
//!
//! # 5. Memory, and a loop that sleeps
//!
//! Three statics - [`ChipStorage`](crate::ChipStorage), [`BoardSockets`](crate::BoardSockets), and the firmware
//! itself, which is made on the call stack, in a function that returns before the loop begins:
//!
//! ```text
//! loop {
//!     let next = firmware.poll(clock.now(), &mut mac);
//!     // clear the interrupts, then look:
//!     if !mac.pending() && clock.arm(next) {
//!         wfi();
//!     }
//! }
//! ```
//!
//! `tapboard_port::superloop::turn` is that, with the order that loses no wake-up: interrupts are masked, cleared,
//! then the hardware is looked at, then the processor sleeps; one that comes after the look ends the sleep.
//! `tapboard_port::boot::run` is all of this step: `main` hands it the parts of the four before. The processor's own
//! side is there for Cortex-M and RISC-V (`tapboard_port::cortex_m`, `riscv`).
//!
//! *Done when* an idle board sleeps - in QEMU, below 3 % of a CPU - and `tapboard-host echo` measures less than a
//! millisecond. Watch the deepest call stack in the log: 8 KiB are enough.
//!
//! The port is done when `tapboard-host check ADDR --reset` says so: every service, refusals, many connections, an
//! idle one, datagrams, telemetry and a reset. What fails says where to look.
