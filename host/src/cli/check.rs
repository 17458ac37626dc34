//! The command line of `check`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;

use super::port_offset::port_offset;
use crate::check::plan::CheckPlan;
use crate::check::table;
use crate::net::Host;
use crate::output::Error;
use crate::token::Token;
use crate::units::{bytes_within, parse_seconds};

/// Bytes of the large echo at most.
const BYTES_MAX: u64 = 1 << 40;

/// What `--help` says of `check`.
pub(super) const ABOUT: &str = "\
    Decides whether a board is a good one: each service answers with the right bytes, an \
    unregistered port is refused, half-close is honoured, connections at once and in turn are \
    all served, an idle one is kept, a frame wakes the board at once and it sleeps otherwise, telemetry arrives, and with --reset the board comes back \
    from a reset.\n\n\
    Each check is PASS or FAIL, or SKIP with the reason, with what was seen and how long it \
    took; a FAIL says what was expected, and where to look first. Nothing is sent but to ADDR; \
    telemetry is listened for, over IPv4 and IPv6, see --listen.\n\n\
    On 127.0.0.1 and ::1 the ports are those of `tapboard` in user mode, 7000 higher than the \
    board's; see --port-offset. Higher ports are taken to be forwarded. What answers there in \
    the board's place is skipped: a refused datagram always, a refused connection unless the \
    port is forwarded as well, with `tapboard -p 7081:81`.";

/// What follows the options in `--help`.
fn help() -> String {
    format!(
        "Checks, in this order:\n{}\n\
         Exit codes:\n  \
         0  at least one check passed and none failed\n  \
         1  a check failed, nobody is there, or it was interrupted\n  \
         2  the command line is wrong\n\n\
         --json prints one object, at the end: `event` is \"summary\", `passed` and `interrupted` are \
         true or false, `address` and `port_offset` say what was checked, and `checks` has for each \
         check so far its `name`, its `outcome` (\"pass\", \"fail\" or \"skip\"), `expected`, `seen`, \
         `hint` and `seconds`. If nobody is there it is `event` \"error\" with a `message`.\n\n\
         Examples:\n  \
         tapboard-host check\n  \
         tapboard-host check 192.0.2.1 --reset\n  \
         tapboard-host check 192.0.2.1 --reset --token @token\n  \
         tapboard-host check 192.0.2.1 --skip telemetry --bytes 10M --timeout 60\n  \
         tapboard-host check 2001:db8::1\n  \
         tapboard-host check 192.0.2.1 --listen 192.0.2.2:9001\n  \
         tapboard-host check --json | jq '.checks[] | select(.outcome == \"fail\")'",
        table::list()
    )
}

/// Options of `check`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = help())]
pub struct CheckArgs {
    /// The board: address or name, without a port
    #[arg(value_name = "ADDR", default_value = "127.0.0.1", value_parser = parse_board)]
    pub host: Host,

    /// Leaves out these checks, separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = table::parse_name)]
    pub skip: Vec<&'static str>,

    /// Bytes of the large echo, like 1000000, 10M, 64k (64000) or 64Ki (65536)
    #[arg(short, long, value_name = "B", default_value = "1M",
          value_parser = |text: &str| bytes_within(text, 1, BYTES_MAX))]
    pub bytes: u64,

    /// How long the idle connection is left alone
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = parse_seconds)]
    pub idle: Duration,

    /// How long half of the pings of the round trip may take, like 0.02. Unless given: 10 ms longer than the quickest tenth,
    /// so that a network that is slow for all of them counts for nothing
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub round_trip: Option<Duration>,

    /// Resets the board too, and waits until it is back
    #[arg(long)]
    pub reset: bool,

    /// What the board asks for before its shell switches the LED or resets it, if it has a token. With @FILE it is the first
    /// line of that file, where other users do not see it
    #[arg(long, value_name = "TOKEN|@FILE", value_parser = Token::parse)]
    pub token: Option<Token>,

    /// Where the board's telemetry arrives. Unless given: port 9000 of this machine's address towards it, and with
    /// the other version of IP of all addresses, or of loopback alone if ADDR is that. It has to come from ADDR;
    /// with the other version of IP, from anywhere
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_listen)]
    pub listen: Option<SocketAddr>,

    /// What to add to the board's ports: 7000 for a loopback address, 0 for any other, unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=55_000))]
    pub port_offset: Option<u16>,

    /// Fails a check that takes longer; what it waits for on purpose is not counted
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = parse_seconds)]
    pub timeout: Duration,

    /// Prints one JSON object
    #[arg(long)]
    pub json: bool,
}

impl CheckArgs {
    /// The plan that these options make, once the name is resolved.
    pub fn plan(&self) -> Result<CheckPlan, Error> {
        let address = self.host.resolve()?;
        one_board(address).map_err(Error::Failed)?;
        let port_offset = port_offset(self.port_offset, address);
        Ok(CheckPlan {
            address,
            port_offset,
            forwarded: port_offset != 0,
            skip: self.skip.clone(),
            bytes: self.bytes,
            idle: self.idle,
            round_trip: self.round_trip,
            reset: self.reset,
            token: self.token.clone(),
            listen: self.listen,
            timeout: self.timeout,
        })
    }
}

/// Whether one machine alone can have this address.
fn one_board(address: IpAddr) -> Result<(), String> {
    if address.is_unspecified() || address.is_multicast() || address == Ipv4Addr::BROADCAST {
        return Err(format!("{address} is no address of one board; give its own, like 192.0.2.1"));
    }
    Ok(())
}

fn parse_board(text: &str) -> Result<Host, String> {
    let host: Host = text.parse()?;
    if let Host::Address(address) = &host {
        one_board(*address)?;
    }
    Ok(host)
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() == 0 => {
            Err("the board could not know port 0; name the port that it sends to".to_owned())
        }
        Ok(address) => Ok(address),
        Err(_) => Err(format!(
            "`{text}` is not an address of this machine and a port; write one like 192.0.2.2:9000 or \
             [2001:db8::2]:9000"
        )),
    }
}
