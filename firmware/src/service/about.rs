//! What the services know of the board they are on.

use smoltcp::time::Instant;
use tapboard_net::netstat::Count;

/// What a service may tell a peer about the board.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The board's name.
    pub name: &'a str,
    /// When the board booted.
    pub boot: Instant,
    /// What the services counted, for `stats`; the stack's own counters come from [`Introspect`](tapboard_net::netstat::Introspect).
    pub counters: &'a [(&'static str, Count)],
}
