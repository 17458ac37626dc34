//! The command line of `connect`.

use std::time::Duration;

use clap::Args;

use crate::net::{ECHO_DEFAULT, Target};
use crate::units::parse_seconds;

/// What `--help` says of `connect`.
pub(super) const ABOUT: &str = "\
    Connects to a TCP port, sends it what standard input holds, and writes what comes back \
    to standard output, which carries the peer's bytes and nothing else (so there is no \
    --json here).\n\n\
    At the end of standard input our side is closed (FIN) and the peer's answer is read to \
    its end. When the peer closes its side, everything it sent is written out and the \
    program ends, whether or not standard input is at its end.";

/// Options of `connect`.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
                       printf hello | tapboard-host connect 127.0.0.1:7007\n  \
                       printf 'netstat\\n' | tapboard-host connect 127.0.0.1:7023\n  \
                       tapboard-host connect '[::1]:7007' --timeout 2")]
pub struct ConnectArgs {
    /// Where to connect: address or name, and port; an IPv6 address in brackets. Or as for nc: HOST PORT
    #[arg(value_name = "ADDR:PORT", default_value = ECHO_DEFAULT)]
    pub target: Target,

    /// Gives up connecting after this time
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub timeout: Duration,
}
