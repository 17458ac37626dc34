//! The checks, in the order in which they run. All that is done or said of a check comes from here.

use std::fmt::Write as _;

use crate::check::failure::Seen;
use crate::check::plan::CheckPlan;
use crate::check::{reset, shell, tcp, telemetry, udp, wake};

/// One check.
#[derive(Debug)]
pub struct Check {
    /// Its name, in options and in JSON.
    pub name: &'static str,
    /// What a good board does.
    pub expected: &'static str,
    /// Where to look first when the board does something else.
    pub hint: &'static str,
    /// Whether it resets the board, which has to be allowed.
    pub resets: bool,
    /// Does it, in bounded time.
    pub run: fn(&CheckPlan) -> Seen,
}

const fn check(
    name: &'static str,
    expected: &'static str,
    hint: &'static str,
    run: fn(&CheckPlan) -> Seen,
) -> Check {
    Check { name, expected, hint, resets: false, run }
}

/// All checks.
pub static CHECKS: [Check; 18] = [
    check(
        "echo",
        "what is sent to port 7 comes back",
        "is the service built in, and does the driver give each frame its true length?",
        tcp::echo,
    ),
    check(
        "discard",
        "port 9 takes bytes, sends none, and closes after us",
        "a service reads to the end, where `receive` gives 0, and closes then",
        tcp::discard,
    ),
    check(
        "chargen",
        "port 19 sends the pattern of RFC 864",
        "bulk from the board: whole frames, in order, and a wake-up when there is room again",
        tcp::chargen,
    ),
    check(
        "shell",
        "on port 23, help, led on, led off and netstat are answered, each with a prompt",
        "the prompt is a new line, `>` and a space; what comes before it is the answer",
        shell::shell,
    ),
    check(
        "refused",
        "a connection to port 81, which nobody registered, is refused",
        "the stack answers with RST by itself, unless the frame never gets there",
        tcp::refused,
    ),
    check(
        "half-close",
        "after our FIN, what was sent before it comes back, and then a FIN",
        "data and FIN may come in one segment: send what is due, then close",
        tcp::half_close,
    ),
    check(
        "at-once",
        "4 connections to one port are served at once",
        "are there so many slots (CONNECTIONS and SERVICES in the firmware's config.rs: each port that listens has \
         one in reserve), and does the port listen on when one is taken?",
        tcp::at_once,
    ),
    check(
        "in-turn",
        "32 connections one after the other are served, none refused",
        "slots that stay taken after a close: see the board's netstat",
        tcp::in_turn,
    ),
    check(
        "large-echo",
        "every byte comes back, with both directions busy",
        "a driver that loses or repeats frames under load: a ring that wraps, a receiver that stopped when it was full, \
         an interrupt that is acknowledged too late",
        tcp::large_echo,
    ),
    check(
        "idle",
        "a connection on which nothing happens for a while is kept",
        "a timeout that counts from the last data, or a sleep that no frame ends",
        tcp::idle,
    ),
    check(
        "round-trip",
        "half of the lone pings to port 7 take at most 10 ms more than the quickest tenth",
        "does a frame end the board's sleep, or does it wait for a timer? The receive interrupt has to be enabled \
         in the MAC and in the interrupt controller, and a MAC that stopped because it was full started again. If \
         it is the network, --round-trip says how slow that may be",
        wake::round_trip,
    ),
    check(
        "asleep",
        "with nothing to do, the board sleeps for three quarters of the time",
        "what keeps it awake: an interrupt that is never cleared in the MAC and comes again at once, a tick, or a \
         MAC that always has something pending",
        wake::asleep,
    ),
    check(
        "udp-echo",
        "datagrams come back whole, up to the largest that fits a frame",
        "is the service built in for UDP, and does the driver take and send frames of 1514 bytes?",
        udp::echo,
    ),
    check(
        "udp-discard",
        "port 9 takes a datagram and sends nothing",
        "is the service built in for UDP too?",
        udp::discard,
    ),
    check(
        "udp-refused",
        "a datagram to port 81, which nobody registered: ICMP port unreachable",
        "the stack answers by itself, unless the frame never gets there",
        udp::refused,
    ),
    check(
        "burst",
        "after more datagrams at once than it has room for, it is there as before",
        "a MAC that stops when all its buffers are full says so, and has to be started again; a ring that has lost count",
        udp::burst,
    ),
    check(
        "telemetry",
        "the board connects and sends reports, numbered without a gap",
        "where does the board send it, and does this machine's firewall let it in? --listen says where \
         it arrives",
        telemetry::telemetry,
    ),
    Check {
        name: "reset",
        expected: "after `reset` in the shell old connections are gone, and the board serves and reports \
                   anew",
        hint: "what outlives a reset: a MAC that still runs, an interrupt that is pending, RAM that is \
               taken for zero",
        resets: true,
        run: reset::reset,
    },
];

/// The name of a check, as in `--skip`.
pub fn parse_name(text: &str) -> Result<&'static str, String> {
    CHECKS.iter().map(|check| check.name).find(|name| *name == text).ok_or_else(|| {
        let names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
        format!("there is no check `{text}`; there are {}", names.join(", "))
    })
}

/// The table as `--help` shows it.
#[must_use]
pub fn list() -> String {
    CHECKS.iter().fold(String::new(), |mut list, Check { name, expected, .. }| {
        let _ = writeln!(list, "  {name:<11}  {expected}");
        list
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_has_a_name_of_its_own_and_says_what_is_expected() {
        for (index, check) in CHECKS.iter().enumerate() {
            assert_eq!(parse_name(check.name), Ok(check.name));
            assert!(CHECKS[..index].iter().all(|other| other.name != check.name), "{}", check.name);
            assert!(list().contains(&format!("  {:<11}  {}\n", check.name, check.expected)));
            assert!(!check.hint.is_empty() && check.name.len() <= 11, "{}", check.name);
        }
    }
}
