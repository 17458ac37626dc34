//! The NIC that a [`Driver`](super::Driver) drives, and the tokens under which events come.

use mio::Token;
use mio::event::Event;
use smoltcp::phy::Device;
use smoltcp::time::Instant;

use crate::gateway::ForwardCommand;
use crate::identity::Identity;
use crate::nic::{Offloads, Stat};
use crate::snapshot::SocketSnapshot;

/// The token of signals and of the console.
pub(super) const WAKE: Token = Token(0);
/// The token of an [`Endpoint`](super::Endpoint).
pub const ENDPOINT: Token = Token(1);
/// The first token a [`Nic`] may use for itself.
pub const NIC: Token = Token(2);

/// A NIC that real time drives, with whatever stands behind it.
pub trait Nic {
    /// The board's device.
    type Device<'a>: Device
    where
        Self: 'a;

    /// The board's device, for one poll.
    fn device(&mut self) -> Self::Device<'_>;

    /// Notes that a source registered under a token from [`NIC`] on is ready.
    fn ready(&mut self, event: &Event);

    /// Runs what stands behind the NIC after the board was polled. Returns when it, or the board because
    /// of it, has something to do again: `now` if a frame waits for the board.
    fn turn(&mut self, now: Instant) -> Result<Option<Instant>, String>;

    /// Leaves `offloads` to the NIC from now on, as far as it can; returns what it does. What it does not do of the
    /// checksums, the board's MAC does.
    fn set_offloads(&mut self, _offloads: Offloads) -> Offloads {
        Offloads::NONE
    }

    /// Whether the NIC itself is up.
    fn link(&self) -> bool {
        true
    }

    /// Shows the other end that the cable was taken out or put in; its frames are dropped in any case.
    fn plug(&mut self, _plugged: bool) {}

    /// What else is to be said when the cable is taken out.
    fn unplugged(&self) -> Option<&'static str> {
        None
    }

    /// Learns that the board boots as another than before: says what no longer works as one might think.
    fn moved(&self, _identity: &Identity) {}

    /// Learns whether the other end works at the same time as we do, on another core.
    fn set_concurrent(&mut self, _concurrent: bool) {}

    /// Whether what stands behind the NIC has passed on all that the board gave it.
    fn idle(&self) -> bool {
        true
    }

    /// Breaks off what stands behind the NIC, in a way that nobody can take for an orderly end.
    fn abort(&mut self) {}

    /// Carries out a command about forwarded ports, and returns what is to be said.
    fn forward(&mut self, _command: ForwardCommand) -> Result<String, String> {
        Err("no ports are forwarded here: the board has an address of its own on this network"
            .into())
    }

    /// The ports that are forwarded, as a command names them.
    fn forwarded(&self) -> Vec<String> {
        Vec::new()
    }

    /// What kind of NIC it is, in a word for the names of metrics.
    fn kind(&self) -> &'static str {
        "nic"
    }

    /// What the NIC, and what stands behind it, counts.
    fn stats(&self) -> Vec<Stat> {
        Vec::new()
    }

    /// Sockets behind the NIC.
    fn sockets(&self) -> Vec<SocketSnapshot> {
        Vec::new()
    }

    /// What to print at the end, beside the board's counters.
    fn summary(&self) -> String;
}
