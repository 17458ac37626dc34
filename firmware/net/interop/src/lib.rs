//! What the tests share: a board on a TAP, and the host at its other end, in a network namespace of their own.

pub mod board;
pub mod host;
#[path = "../../../../tests/common/netns.rs"]
mod netns;

pub use board::{BOARD, Board, HOST};

/// Runs a test, `name`, in a user and network namespace of its own, in which there is nothing but a loopback. `tools`
/// are the programs it needs, each with its Debian package. Where there is none, the test says so and passes, but fails
/// if `CI` is set.
pub fn isolated(name: &str, tools: &[(&str, &str)], body: impl FnOnce()) {
    netns::run_within(150, name, tools, || {
        netns::sh("ip link set lo up");
        body();
    });
}
