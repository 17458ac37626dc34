//! The command line of `echo`.

use std::time::Duration;

use clap::Args;

use crate::echo::plan::EchoPlan;
use crate::net::{ECHO_DEFAULT, Targets};
use crate::output::Error;
use crate::units::{bytes_within, parse_seconds};

/// Connections to one service at most.
const CONNECTIONS_MAX: i64 = 1000;

/// Bulk bytes of one connection at most, a pebibyte; those of all together have a limit
/// of their own ([`EchoPlan::bytes_of`]).
const BYTES_MAX: u64 = 1 << 50;

/// Largest `--chunk`, in bytes.
const CHUNK_MAX: u64 = 1 << 20;

/// What `--help` says of `echo`.
pub(super) const ABOUT: &str = "\
    Opens N connections at once to an echo service. Each sends pings of 64 bytes, one at a \
    time, to measure the round trip; then a pseudo-random pattern that is different for each \
    connection, reading the echo while it writes; then it closes its side (FIN). Every byte \
    that comes back is compared with the one that was sent, and the peer must close after \
    the last.\n\n\
    Offsets in the report count from the first byte of the connection, pings included: they \
    are the relative sequence number in Wireshark, minus one. The same seed sends the same \
    bytes.\n\n\
    A board with fewer slots than connections answers the others when slots free, so a \
    connect may take seconds; see --connect-timeout. The time of a connect is that from its \
    first SYN until its first byte is back: behind a forwarded port the handshake alone tells \
    nothing of the board. --json has both, `handshake_us` and `connect_us`.";

/// Options of `echo`.
#[derive(Debug, Args)]
#[command(after_long_help = "Exit codes: 0 if every connection was verified, else 1.\n\n\
                       Examples:\n  \
                       tapboard-host echo\n  \
                       tapboard-host echo 127.0.0.1:7007 --connections 32 --bytes 1M\n  \
                       tapboard-host echo 192.0.2.1:7 --bytes 10M --chunk 100 --seed 7\n  \
                       tapboard-host echo 198.18.0.1-198.18.3.232:7 --bytes 1k --pings 1\n  \
                       tapboard-host echo --json | jq 'select(.event == \"summary\")'")]
pub struct EchoArgs {
    /// The echo service: address or name, and port; an IPv6 address in brackets. FIRST-LAST:PORT is that port of
    /// each IPv4 address from the first to the last
    #[arg(value_name = "ADDR:PORT", default_value = ECHO_DEFAULT)]
    pub target: Targets,

    /// Connections at once, to each address of a range
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=CONNECTIONS_MAX))]
    pub connections: u16,

    /// Bytes that each connection sends, like 1000000, 10M, 64k (64000) or 64Ki (65536)
    #[arg(short, long, value_name = "B", default_value = "1000000",
          value_parser = |text: &str| bytes_within(text, 0, BYTES_MAX))]
    pub bytes: u64,

    /// Bytes of one write at most: small ones make small segments
    #[arg(long, value_name = "B", default_value = "16Ki",
          value_parser = |text: &str| bytes_within(text, 1, CHUNK_MAX))]
    pub chunk: u64,

    /// Pings on each connection, before the bulk; 0 for none
    #[arg(long, value_name = "COUNT", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub pings: u32,

    /// Seed of the pattern
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,

    /// Fails a connection on which nothing moves for this time
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub timeout: Duration,

    /// Fails a connection that does not come about within this time
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    pub connect_timeout: Duration,

    /// Prints one JSON object for each connection, then one with the totals
    #[arg(long)]
    pub json: bool,
}

impl EchoArgs {
    /// The plan that these options make, once the name is resolved.
    pub fn plan(&self) -> Result<EchoPlan, Error> {
        Ok(EchoPlan {
            services: self.target.resolve()?,
            seed: self.seed,
            pings: self.pings,
            bytes: self.bytes,
            connect_timeout: self.connect_timeout,
            stall_timeout: self.timeout,
        })
    }
}
