//! Programs of bytes that drive the firmware through whatever a network can do to it.
//!
//! A program is read one choice at a time: frames that fit the state of a conversation, ones that are wrong by a little,
//! and rubbish; time; neighbours that do not answer; a NIC that refuses. Any bytes are a program. So libFuzzer can change
//! them as it likes (`fuzz_targets/`, run by `.ci/fuzz` or `cargo fuzz`), and a test can draw them from a seed
//! (`tests/fuzz.rs`). Time is virtual, and a program does the same each time.
//!
//! [`firmware::run`] drives the whole firmware, whose telemetry connects. [`sockets::run`] makes the calls of
//! [`NetStack`] in any order. Either fails
//! - if something panics, overflow checks and debug assertions included;
//! - if the firmware asks to be polled in the past, or never has enough;
//! - if it sends a frame that is not sound;
//! - if a connection's socket is left in LISTEN, where a stranger's SYN would find it;
//! - if a slot is still held when all peers have been silent for long enough.
//!
//! [`dhcp::run`] has a board that asks for its addresses, IPv4 and IPv6; [`names::run`] one that looks up names, has one, and
//! asks for the time of day; [`http::run`] one whose page is asked for.
//!
//! Either of the first two returns in which [`states`] sockets were when segments met them.
//!
//! A module imports from those below it only: `firmware`, `sockets`, `network`, `tcp`, `dhcp`, `names`, `packet`, `address`,
//! `alone`, `edit`, `http`, `peers`, `router`, `states`, `nic`, `memory`, `frames`, `input`.
//!
//! [`NetStack`]: tapboard_firmware::NetStack

mod address;
mod alone;
pub mod dhcp;
mod edit;
pub mod firmware;
#[allow(dead_code, reason = "tests use the rest")]
#[path = "../../tests/common/frames.rs"]
mod frames;
pub mod http;
mod input;
mod memory;
pub mod names;
mod network;
mod nic;
mod packet;
mod peers;
mod router;
pub mod sockets;
pub mod states;
mod tcp;
