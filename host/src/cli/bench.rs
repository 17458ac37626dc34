//! The command line of `bench`.

use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::port_offset::port_offset;
use crate::bench::plan::{BenchPlan, PING, Test};
use crate::net::Host;
use crate::output::Error;
use crate::units::{bytes_within, parse_seconds};

/// Bytes of one bulk run at most, a pebibyte.
const BYTES_MAX: u64 = 1 << 50;

/// Connections of one bulk run at once, at most.
const PARALLEL_MAX: u8 = 32;

/// What `--help` says of `bench`.
pub(super) const ABOUT: &str = "\
    Measures a board by its services, one connection at a time unless --parallel says so: bulk to \
    it (discard, port 9), bulk from it (chargen, port 19), bulk both ways at once (echo, port 7), round trips of 64 \
    bytes, and connections that echo 64 bytes and close.\n\n\
    Each test has several runs, and the tests take turns. The result is the median of the \
    runs; the smallest and the largest are beside it. A run ends when its time is over or its \
    bytes are moved, whichever is first, and counts until everything has arrived.\n\n\
    What the board sends is verified byte for byte: chargen's pattern is that of RFC 864. A \
    wrong byte, a byte too many, a reset or a stall is an error, and then there is no result.\n\n\
    On 127.0.0.1 and ::1 the ports are those of `tapboard` in user mode, 7000 higher than the \
    board's; see --port-offset.";

/// Options of `bench`.
#[derive(Clone, Debug, Args)]
#[command(
    after_long_help = "Exit codes: 0 if every run came to its end with the right bytes, else 1.\n\n\
                       Examples:\n  \
                       tapboard-host bench\n  \
                       tapboard-host bench 192.0.2.1 --runs 9 --seconds 2\n  \
                       tapboard-host bench 192.0.2.1 --only to,from --bytes 1G --seconds 60\n  \
                       tapboard-host bench 192.0.2.1 --only to,from,duplex --parallel 4\n  \
                       tapboard-host bench --json | jq 'select(.event == \"summary\")'"
)]
pub struct BenchArgs {
    /// The board: address or name, without a port
    #[arg(value_name = "ADDR", default_value = "127.0.0.1")]
    pub host: Host,

    /// Only these tests, separated by commas
    #[arg(long, value_enum, value_name = "TEST", value_delimiter = ',')]
    pub only: Vec<Test>,

    /// Runs of each test
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,

    /// Time of one run
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    pub seconds: Duration,

    /// Bytes of one bulk run at most, each way and of each of its connections, like 1000000, 10M,
    /// 64k (64000) or 64Ki (65536); no limit but the time unless given
    #[arg(short, long, value_name = "B",
          value_parser = |text: &str| bytes_within(text, 1, BYTES_MAX))]
    pub bytes: Option<u64>,

    /// Connections of one bulk run, all at once; what they move is added up
    #[arg(short, long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=i64::from(PARALLEL_MAX)))]
    pub parallel: u8,

    /// Connections of one run of that test at most, one after the other: each keeps a local port for a minute
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub connections: u32,

    /// Bytes of one read or write at most
    #[arg(long, value_name = "B", default_value = "64Ki",
          value_parser = |text: &str| bytes_within(text, PING as u64, 1 << 20))]
    pub chunk: u64,

    /// What to add to the board's ports: 7000 for a loopback address, 0 for any other, unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=65_000))]
    pub port_offset: Option<u16>,

    /// Fails a run in which nothing moves for this time
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub timeout: Duration,

    /// Fails a connection that does not come about within this time
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub connect_timeout: Duration,

    /// Prints one JSON object for each run, then one with the medians
    #[arg(long)]
    pub json: bool,
}

impl BenchArgs {
    /// The plan that these options make, once the name is resolved.
    pub fn plan(&self) -> Result<BenchPlan, Error> {
        let address = self.host.resolve()?;
        let wanted = |test: &Test| self.only.is_empty() || self.only.contains(test);
        Ok(BenchPlan {
            address,
            port_offset: port_offset(self.port_offset, address),
            tests: Test::ALL.into_iter().filter(wanted).collect(),
            runs: self.runs,
            time: self.seconds,
            bytes: self.bytes.unwrap_or(BYTES_MAX),
            parallel: self.parallel.into(),
            connections: self.connections,
            chunk: self.chunk as usize,
            connect_timeout: self.connect_timeout,
            stall_timeout: self.timeout,
        })
    }
}

impl ValueEnum for Test {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::To => "Bulk to the board: discard, port 9",
            Self::From => "Bulk from the board: chargen, port 19",
            Self::Duplex => "Bulk both ways at once: echo, port 7",
            Self::Trip => "64 bytes there and back, one at a time: echo, port 7",
            Self::Connect => "Connect, 64 bytes there and back, close: echo, port 7",
        };
        Some(PossibleValue::new(self.word()).help(help))
    }
}
