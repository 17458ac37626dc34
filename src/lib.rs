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
//! What is seen is decided in one file:
//!
//! | what | file |
//! |---|---|
//! | an option that does nothing beside another; a word that is none | `cli/pairs.rs`; `cli/misplaced.rs` |
//! | what is said when the board is up, or why it cannot be | `user.rs`, `tap.rs`, `guest.rs` |
//! | a cable that loses, delays, reorders other frames than it should | `link/model.rs`; how a fault is written, `link/setting.rs`; which direction it is for, `cli/faults.rs`, `console/command.rs` |
//! | a frame that a TAP brings: its checksum, superframes; one that goes out there | `nic/tap/incoming.rs`; `nic/tap/coalesce.rs` |
//! | a TAP that is not opened, or has no address | `nic/tap/open.rs`, and what is said of it, `nic/tap/error.rs` |
//! | checksums that the board leaves to its MAC | `nic/mac.rs` |
//! | frames of a guest, or of another process, that are lost | `nic/dgram.rs`, `nic/stream.rs`; of a fleet, `fleet/trunk.rs` |
//! | a port that is not forwarded: taken, given twice, one of many | `gateway/listener.rs`; what is said of it, `gateway/error.rs` |
//! | a connection through a forwarded port; a datagram | `gateway/flows.rs`; `gateway/datagrams.rs` |
//! | ports that change while it runs | `gateway/control.rs`; over HTTP, `gateway/api.rs` |
//! | what the gateway is to the board: server of addresses, of names, router | `gateway/dhcp.rs`, `gateway/dns.rs`, `gateway/router.rs` |
//! | a board that sleeps too long, or wakes late; that looks for the next event too long before it sleeps | `run/sleep.rs`; `run/busy_poll.rs` |
//! | Ctrl-C, a reset, the cable that comes in again | `run/power_cycle.rs` |
//! | what a command does to a running board; which ones there are; the prompt | `run/control.rs`; `console/command.rs`; `console/editor.rs` |
//! | a world that fails: what must hold of boards; of streams; which excuse a broken connection has; how fast it has to be | `sim/world/oracles.rs`; `sim/check.rs`; `sim/fault_history.rs`; `sim/goodput.rs` |
//! | what happens in a world, and when it is looked at: one step after the other | `sim/world.rs` |
//! | what a seed draws; what an event of the plan does | `sim/plan/draw.rs`; `sim/world/events.rs` |
//! | what a host does there, and what an adversary | `sim/client.rs`; `sim/adversary.rs` |
//! | what `tapboard sim` prints | `sim/report.rs`; while it runs, `sim/command.rs` |
//! | a replay whose peer speaks too soon, or never; says the wrong thing | `replay/cause.rs`; `replay/actor.rs` |
//! | a replay that differs, of TCP; of the rest; whether that matters | `replay/compare.rs`; `replay/datagrams.rs`; `replay/difference.rs` |
//! | a segment that the ladder calls a retransmission, a duplicate, out of order | `ladder/half.rs` |
//! | a host in the wrong column; a conversation that is two, or half of one | `ladder/hosts.rs`; `ladder/conversation.rs` |
//! | what a filter chooses, and how it is read | `ladder/filter.rs`; `ladder/filter/parser.rs` |
//! | how a ladder is laid out: in a terminal; as a picture | `ladder/text.rs`; `ladder/svg/layout.rs` |
//! | the numbers that a graph draws; its round trips | `ladder/graph/connection.rs`; `ladder/roundtrip.rs` |
//! | what is said of a frame, and the number that its numbers are relative to | `segment/tcp.rs`, `segment/udp.rs`, `segment/icmp.rs`; of ARP, and all together, `segment.rs`; encapsulations, `segment/peel.rs` |
//! | a capture that is not read, or not as it is written | `capture/reader.rs`; `capture/writer.rs` |
//! | the simulator's metrics: names, units, help; a number in them that is wrong | `metrics/exposition.rs`; `snapshot.rs`; those that the board itself serves are the firmware's |
//! | a board of a fleet that does not run in time; a frame that goes astray among them | `fleet/network.rs`; `fleet/switch.rs` |
//! | what is done to some of a fleet's boards; one that cannot be reached without a TAP | `fleet/boards.rs`; `fleet/gateways.rs` |
//! | which addresses board N has, and which name | `identity.rs` |
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
