//! What every connection of the echo check is to do: the same for all but the pattern's stream number.

use std::net::SocketAddr;
use std::time::Duration;

/// Bytes of one ping.
pub const PING: u64 = 64;

/// What every connection does.
#[derive(Clone, Debug)]
pub struct EchoPlan {
    /// The services, at least one; of each the addresses in the order of trying, at least one too.
    pub services: Vec<Vec<SocketAddr>>,
    /// Seed of the patterns.
    pub seed: u64,
    /// Pings before the bulk.
    pub pings: u32,
    /// Bytes of the bulk.
    pub bytes: u64,
    /// Time for the connect, all addresses together.
    pub connect_timeout: Duration,
    /// Time without progress after which a connection has stalled.
    pub stall_timeout: Duration,
}

impl EchoPlan {
    /// The addresses that this connection tries in turn: services take turns.
    #[must_use]
    pub fn addresses(&self, stream: u64) -> &[SocketAddr] {
        &self.services[(stream % self.services.len() as u64) as usize]
    }

    /// Bytes of all pings: the offset of the first byte of the bulk.
    #[must_use]
    pub fn ping_bytes(&self) -> u64 {
        u64::from(self.pings) * PING
    }

    /// Bulk bytes of so many connections together; `None` if a `u64` cannot count them.
    #[must_use]
    pub fn bytes_of(&self, count: usize) -> Option<u64> {
        self.bytes.checked_mul(count as u64)
    }

    /// Bytes of one connection, pings and bulk.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.ping_bytes() + self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_take_turns() {
        let services: Vec<Vec<SocketAddr>> =
            (1..=3).map(|last| vec![([127, 0, 0, last], 7).into()]).collect();
        let timeout = Duration::from_secs(1);
        let (seed, pings, bytes) = (1, 0, 0);
        let (connect_timeout, stall_timeout) = (timeout, timeout);
        let plan = EchoPlan {
            services: services.clone(),
            seed,
            pings,
            bytes,
            connect_timeout,
            stall_timeout,
        };
        for stream in 0..7 {
            assert_eq!(plan.addresses(stream), services[stream as usize % 3]);
        }
    }
}
