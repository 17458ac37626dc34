//! How to bring the firmware to a chip: five things, in the order in which one writes them.
//!
//! The worked example is `boards/lm3s6965evb` in this crate's directory, a Cortex-M3 with its own Ethernet MAC;
//! QEMU runs it, so every step can be tried before there is a board. What it shares with other ports -
//! drivers, clock, superloop - is the crate `tapboard-port` beside this one. No step needs a change there or here.
//!
//! | your chip has | begin with |
//! |---|---|
//! | a driver of embassy's (STM32, RP2040 and W5500, ESP32, nRF ...) | the crate `tapboard-embassy`: steps 4 and 5 only |
//! | a MAC whose words the processor moves | `boards/lm3s6965evb`, or `boards/mps2-an385`, which asks its PHY |
//! | a MAC that moves frames to and from RAM by itself | `boards/emcraft-sf2` (chained descriptors), `boards/sifive-u` (an array of them) |
//! | Cadence's GEM, as in the Zynq, SAM E5x and many others | `tapboard_port::ethernet::gem`; `boards/sifive-u` |
//! | RISC-V of 32 bits, or buffers that are copied | `boards/riscv-virt` |
//! | RISC-V with several cores | `boards/sifive-u`: the feature `rt-harts` in place of `rt`, and what the other cores do |
//! | a HAL or PAC with vectors and handlers | `boards/beside-pac`: `tapboard-port` without its default features |
//!
//! # 1. A program that starts
//!
//! Copy the example's directory and put the chip's sizes into `memory.x`. In `chip.rs`, start the clocks and
//! connect the pins: this is the one file with `unsafe`, which says where the registers are and which number an
//! interrupt has. Then a serial line for log messages (`uart.rs`): it is how the next steps report, in a program that is
//! built with `--no-default-features --features log`. Without the log, a board is silent, panics included.
//!
//! The other cores of a RISC-V begin where the first does. `riscv-rt` has them spin, unless the program has a `_mp_hook`; and
//! `memory.x` says how many there are (`_max_hart_id`), and what of the stack is theirs (`_hart_stack_size`).
//!
//! For QEMU, add the machine to `boards/qemu`, which is the boards' runner, unless its name is the board's; it gives the
//! machine its network.
//!
//! *Done when* such a board says that it is up, and a panic says where.
//!
//! # 2. A clock
//!
//! [`Firmware::poll`](crate::Firmware::poll) wants the time since boot as an argument, at least to the
//! millisecond, and returns when it wants to be called next. A `tapboard_port::clock::Timer` is both, of two functions:
//!
//! | there is | use |
//! |---|---|
//! | `SysTick` of a Cortex-M: 24 bits, counts down, at whole MHz | `clock::Clock`; nothing is left but to state its frequency |
//! | a timer that counts up and has a comparator, of 16 to 32 bits, at any rate | `up::UpClock`, over three functions |
//! | the machine timer of a RISC-V | `clint::Clint` |
//!
//! An idle board is woken at the end of each round at the latest: every 335 ms by a `SysTick` at 50 MHz, every 35 ms at
//! 480 MHz, every 36 minutes by 32 bits at 1 MHz. Do not make a periodic tick: it costs power, and latency when the
//! loop waits for it.
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
//! left to write is a `Fifo` of six functions, in the board's directory or anywhere. If a frame that waits is a level and
//! not an event, `enable_interrupt` leaves it out while `room` is waited for: the frame cannot be taken before, and would
//! end each sleep.
//!
//! For a MAC that moves frames by itself, `tapboard_port::dma::Ring` is the descriptors and buffers, without `unsafe`: a
//! driver is a `Device` and a `Mac` over two of them, as `ethernet::smartfusion2` and `ethernet::gem`. A `Format` for each
//! direction says what the MAC's descriptors look like: chained or an array (`STRIDE`, `placed`), which word says whose one is, and
//! which how long the frame is. Mind the four things that such a MAC
//! does: it stops when it is full, and has to be started again where it stopped; it stops behind the last frame; its
//! counters wrap; and it may reach only a part of the RAM, where the static of the buffers has to be. Where a cache lies
//! between, the rings are in memory that bypasses it, or are told of it (`Ring::with_cache`; `tapboard_port::cortex_m::DataCache`
//! is that of a Cortex-M7).
//!
//! Write either over `tapboard_port::Registers`, with a model of the chip beside it, and `conformance!` tries it on the
//! host (the feature `test-support`; `firmware/port/tests/outside.rs` is an example from the outside): every length,
//! every state of the transmitter, more frames than there is room for, and an event between any two accesses.
//!
//! *Done when* those tests pass, and `ping` is answered.
//!
//! # 4. A board
//!
//! [`Board`](crate::Board) is the hardware beside the network: LED, temperature, reset - and entropy, which
//! matters most. It seeds what a stranger must not guess (RFC 6528), so it comes from a hardware random
//! generator. A chip without one gathers noise (`tapboard_port::entropy`; two clocks that drift are a source, as in
//! `boards/mps2-an385` and `boards/sifive-u`) and says `None` when there is none: the
//! board then does not come up, and says why. A chip with a MAC address of its own, or a unique number to make one
//! of, gives it in [`Board::mac`](crate::Board::mac). `tapboard_port::boot::Config` is where a product says which
//! addresses a board has; with the feature `dhcp`, a server's, with `slaac` those that follow from what routers say, with `mdns` a name too. With `dns`, telemetry may go to a
//! name (`Target::Name`); with `sntp`, it has the time of day.
//!
//! Where the chip has flash to spare, [`Board::settings`](crate::Board::settings) keeps what a user chooses in the shell over a
//! reset: `tapboard_port::settings::FlashSettings` over two pages and any driver with the traits of `embedded-storage`,
//! as HALs have them (`boards/riscv-virt`, feature `settings`). Leave those pages out of `memory.x`. `boot` puts the settings in
//! the place of what the product decided.
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
//! It also tells the firmware how long that slept ([`Firmware::slept`](crate::Firmware::slept)), which the acceptance test
//! reads in `stats`. It returns after each sleep, whatever has ended that: a product with work of its own in the loop names its
//! interrupts too (`Wfi::of`, `Plic::of`), and does that work between two turns. `tapboard_port::boot::run` is all of this step: `main` hands it the parts of the four before. The processor's own
//! side is there for Cortex-M and RISC-V (`tapboard_port::cortex_m`, `riscv`).
//!
//! *Done when* an idle board sleeps - in QEMU, below 3 % of a CPU - and `tapboard-host echo` measures less than a
//! millisecond. Watch the deepest call stack in the log: 6.5 KiB with IPv4, 8 with IPv6.
//!
//! The port is done when `tapboard-host check ADDR --reset` says so: every service, refusals, many connections, an
//! idle one, whether a frame wakes the board and whether it sleeps, datagrams and a burst of them, telemetry and a reset.
//! What fails says where to look.
