//! The tapboard simulator: a microcontroller's TCP firmware on a virtual NIC.
//!
//! As a library it puts that firmware, or code of your own on its sockets, on a network that fails as you say
//! and as often as you like: a [`testbed`] is a board, a host and a bad cable in virtual time, inside a `#[test]`.
//!
//! ```
//! use embedded_nal::TcpClientStack;
//! use tapboard::link::{Link, Setting};
//! use tapboard::testbed::{Testbed, TestbedMemory, at};
//! use tapboard_firmware::service::{Service, echo::Echo};
//!
//! // What the cable does follows from the seed, run after run.
//! let mut cable = Link::new(7);
//! cable.set(None, Setting::parse("loss", "30%")?);
//! cable.set(None, Setting::parse("delay", "40ms")?);
//!
//! // The board: what its superloop runs.
//! let mut echo = Echo::new();
//! let mut memory = TestbedMemory::default();
//! let mut net = Testbed::new(&mut memory, cable, |now, board| echo.poll(now, board, &mut ()));
//!
//! // The host: the test itself.
//! let mut socket = net.host.socket()?;
//! net.until(|host| host.connect(&mut socket, at(7)))?;
//! net.send_all(&mut socket, b"hello")?;
//! let mut buffer = [0; 5];
//! let count = net.until(|host| host.receive(&mut socket, &mut buffer))?;
//! assert_eq!(&buffer[..count], b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! From top to bottom; a module imports from those below it only:
//!
//! | module | what it does |
//! |---|---|
//! | `cli` | what a user asks for on the command line |
//! | [`fleet`] | many boards on one switch, in real and in virtual time |
//! | [`user`], `tap`, [`guest`] | the board in real time, and what is at the other end of its cable |
//! | [`replay`] | a capture once more, and what the board says of it now |
//! | [`sim`], [`walk`] | whole networks from seeds; one connection, step by step |
//! | [`testbed`] | a board, or anybody's stack, and a host on one cable, in virtual time |
//! | [`harness`] | seeds, networks and faults for tests, and what is left of one that failed |
//! | [`run`], [`world`] | the drivers of time, real and virtual |
//! | `tui`, [`console`] | the dashboard; what a user types while a board runs |
//! | [`metrics`], [`snapshot`] | all that is counted, for Prometheus; all that can be told of a run at one moment |
//! | [`ladder`], [`segment`], [`capture`] | sequence diagrams, what a frame says, pcapng files |
//! | [`gateway`] | from 127.0.0.1 to the board and back, without rights |
//! | [`nic`] | network interfaces: a wire in memory, a loopback, a TAP, sockets |
//! | [`link`](mod@link) | the bad cable: faults, each from a seed |
//! | [`board`], [`settings`], [`identity`] | the simulated hardware; what its user chose; who board N is: MAC address, addresses, name |
//! | `http`, `local_socket` | a server, and where it listens |
//! | `progress`, [`output`], [`clock`], `buffers`, `slab` | what a user sees, time, memory |
//!
//! Without the feature `cli`, which is on by default, there is no command line, and nothing catches Ctrl-C, shows progress
//! or logs: what a test of one's own depends on, with `default-features = false`.

pub mod board;
mod buffers;
pub mod capture;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod console;
pub mod fleet;
pub mod gateway;
pub mod guest;
pub mod harness;
mod http;
pub mod identity;
pub mod ladder;
pub mod link;
mod local_socket;
#[cfg_attr(not(feature = "cli"), path = "no_metrics.rs")]
pub mod metrics;
pub mod nic;
pub mod output;
#[cfg_attr(not(feature = "cli"), path = "no_progress.rs")]
mod progress;
pub mod replay;
pub mod run;
pub mod segment;
pub mod settings;
pub mod sim;
mod slab;
pub mod snapshot;
#[cfg(target_os = "linux")]
pub mod tap;
pub mod testbed;
#[cfg_attr(not(feature = "cli"), path = "no_dashboard.rs")]
mod tui;
pub mod user;
pub mod walk;
pub mod world;

#[cfg(test)]
#[path = "../tests/common/ports.rs"]
mod ports;
#[cfg(test)]
#[path = "../tests/common/scratch.rs"]
mod scratch;
