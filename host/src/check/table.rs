//! The checks, in the order in which they run. All that is done or said of a check comes from here.

use crate::check::plan::Plan;
use crate::check::{services, tcp, udp};

/// What a check saw: `Ok` if it is what was expected.
pub type Seen = Result<String, String>;

/// One check.
#[derive(Debug)]
pub struct Check {
    /// Its name, in options and in JSON.
    pub name: &'static str,
    /// What a good board does.
    pub expected: &'static str,
    /// Whether it resets the board, which has to be allowed.
    pub resets: bool,
    /// Why the board cannot be asked this on the way to it, if so.
    pub hidden: fn(&Plan) -> Option<String>,
    /// Does it, in bounded time.
    pub run: fn(&Plan) -> Seen,
}

const fn check(name: &'static str, expected: &'static str, run: fn(&Plan) -> Seen) -> Check {
    Check { name, expected, resets: false, hidden: |_| None, run }
}

/// All checks.
pub static CHECKS: [Check; 14] = [
    check("echo", "every byte comes back", tcp::echo),
    check("discard", "takes bytes, sends none, closes after us", tcp::discard),
    check("chargen", "the pattern of RFC 864", tcp::chargen),
    check("shell", "help, led and netstat are answered", services::shell),
    Check {
        hidden: tcp::refusal_hidden,
        ..check("refused", "a connection to an unregistered port is refused", tcp::refused)
    },
    check("half-close", "after our FIN the rest comes back, then a FIN", tcp::half_close),
    check("at-once", "4 connections to one port are served at once", tcp::at_once),
    check("in-turn", "32 connections in turn, none refused", tcp::in_turn),
    check("large-echo", "every byte comes back, both ways at once", tcp::large_echo),
    check("idle", "an idle connection is kept", tcp::idle),
    check("udp-echo", "each datagram comes back whole", udp::echo),
    Check {
        hidden: udp::refusal_hidden,
        ..check(
            "udp-refused",
            "a datagram to an unregistered port: ICMP port unreachable",
            udp::refused,
        )
    },
    check("telemetry", "reports arrive, numbered without a gap", services::telemetry),
    Check {
        resets: true,
        ..check(
            "reset",
            "the board comes back from a reset, and so does its telemetry",
            services::reset,
        )
    },
];

/// The name of a check, as in `--skip`.
pub fn parse_name(text: &str) -> Result<&'static str, String> {
    CHECKS.iter().map(|check| check.name).find(|name| *name == text).ok_or_else(|| {
        let names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
        format!("there is no check `{text}`; there are {}", names.join(", "))
    })
}
