//! The command line of `serve`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use crate::serve::ServeOptions;
use crate::units::parse_seconds;

/// What `--help` says of `serve`.
pub(super) const ABOUT: &str = "\
    Listens for boards, reads the JSON lines they send, and prints one line for each \
    report: time since the start, peer, name, and the fields of the report, all of which \
    are optional. On a terminal it draws a table in place of these: of each board its name and \
    address, how long ago it was heard, reports a second, reports that are missing by their \
    numbers, and restarts. It listens on all addresses of this machine, for a board knows it by \
    one of them: 192.0.2.2 on a TAP, 127.0.0.1 behind `tapboard` in user mode. It sends \
    nothing.\n\n\
    It says when a board vanishes and why, when one is silent and when it is back, when \
    reports were lost (a gap in `seq`), and when a board rebooted (`uptime_ms` went back). A \
    board is known by its name, on whichever connection it reports. If all places are taken, \
    a silent board gives way to a new one.\n\n\
    With --json a report is the board's own object with `peer` added; everything else has \
    an `event` field: listening (one for each address), gap, backwards, reboot, malformed, \
    long_line, silent, back, gone, shared_name, turned_away, totals, error. --count counts \
    the reports alone.\n\n\
    Ctrl-C or SIGTERM ends it: it prints its totals and exits 0.";

/// Options of `serve`.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
                       tapboard-host serve\n  \
                       tapboard-host serve --listen 127.0.0.1:9000\n  \
                       tapboard-host serve --json --count 10 | jq 'select(.event == null).temp_mc'")]
pub struct ServeArgs {
    /// Listens on this address alone, and not on port 9000 of all; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_listen)]
    pub listen: Option<SocketAddr>,

    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=20_000))]
    pub max_boards: u16,

    /// Reports a board as silent when it is not heard for this time
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub silence: Duration,

    /// Ends after this many reports
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Prints one JSON object for each report and event
    #[arg(long)]
    pub json: bool,

    /// Prints one line for each report on a terminal too, in place of a table of boards
    #[arg(long, conflicts_with = "json")]
    pub lines: bool,
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "`{text}` is not an address and a port; write one like 127.0.0.1:9000 or [::1]:9000"
        )
    })
}

impl ServeArgs {
    /// What they come to.
    #[must_use]
    pub const fn options(&self) -> ServeOptions {
        let Self { listen, max_boards, silence, count, json, lines } = *self;
        ServeOptions { listen, max_boards, silence, count, json, lines }
    }
}
