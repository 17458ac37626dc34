//! What `check` is to do: the board's address, the ports of its services, and the limits.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::token::Token;

/// Echo (RFC 862).
pub const ECHO: u16 = 7;
/// Discard (RFC 863).
pub const DISCARD: u16 = 9;
/// The character generator (RFC 864).
pub const CHARGEN: u16 = 19;
/// The shell.
pub const SHELL: u16 = 23;
/// A port that no board registers.
pub const UNREGISTERED: u16 = 81;
/// Where boards send their telemetry.
pub const TELEMETRY: u16 = 9000;

/// What is to be checked.
#[derive(Clone, Debug)]
pub struct CheckPlan {
    /// The board.
    pub address: IpAddr,
    /// Added to the port of each service.
    pub port_offset: u16,
    /// Whether something forwards those ports to the board, and answers in its place: it takes connections
    /// before it has asked the board, and keeps ICMP to itself.
    pub forwarded: bool,
    /// Names of the checks that are left out.
    pub skip: Vec<&'static str>,
    /// Bytes of the large echo.
    pub bytes: u64,
    /// How long the idle connection is left alone.
    pub idle: Duration,
    /// The longest that half of the pings of the round trip may take; unless given, a little longer than the quickest
    /// tenth of them, which stands for the network.
    pub round_trip: Option<Duration>,
    /// Whether the board may be reset.
    pub reset: bool,
    /// What it asks for before its shell changes something, if it does.
    pub token: Option<Token>,
    /// Where telemetry arrives, if not on [`TELEMETRY`] of the address towards the board, or of any with the other
    /// version of IP.
    pub listen: Option<SocketAddr>,
    /// The longest that one check may take.
    pub timeout: Duration,
}

impl CheckPlan {
    /// Where this port of the board is. The offset was checked to fit.
    #[must_use]
    pub fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port.saturating_add(self.port_offset))
    }
}
