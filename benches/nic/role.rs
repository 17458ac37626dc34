//! The parts that this program plays in processes of their own, each of which dies with its parent.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use clap::Parser;
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::sched_setaffinity;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::process::only;
use crate::{bridge, frames, kernel, plain};

/// The first argument of a program that has a part to play.
pub(crate) const WORD: &str = "role";

/// `tapboard`, with its arguments.
pub(crate) const TAPBOARD: &str = "tapboard";
/// `tapboard-host` on one core: the core, then its arguments.
pub(crate) const CLIENT: &str = "client";
/// The services on smoltcp's own TAP: see [`plain::direct`].
pub(crate) const PLAIN: &str = "plain";
/// The services on the kernel's sockets: see [`kernel::serve`].
pub(crate) const KERNEL: &str = "kernel";
/// It sends as fast as windows allow. In place of this: its congestion control, on a bad link.
pub(crate) const UNPACED: &str = "unpaced";
/// Two TAPs and a bad link between them: see [`bridge::run`].
pub(crate) const BRIDGE: &str = "bridge";

/// A board that is given frames of one kind: see [`frames::play`].
pub(crate) const FRAMES: &str = "frames";

/// The event by which a client says what it used of its CPU, after all others.
pub(crate) const CPU: &str = "cpu";

/// What a part prints once it is up; `tapboard` ends its greeting with the same words.
pub(crate) const UP: &str = "Ctrl-C ends it.";

/// What a part in another namespace prints once that is there.
pub(crate) const UP_APART: &str = "The namespace is there.";

/// Plays a part to its end.
pub(crate) fn play(role: &str, arguments: &[String]) -> Result<ExitCode, String> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| format!("cannot end with the parent: {error}"))?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match (role, &arguments[..]) {
        (TAPBOARD, arguments) => {
            let error = Command::new(env!("CARGO_BIN_EXE_tapboard")).args(arguments).exec();
            Err(format!("cannot start tapboard: {error}"))
        }
        (CLIENT, [core, arguments @ ..]) => {
            if let Ok(core) = core.parse() {
                sched_setaffinity(None, &only(core))
                    .map_err(|error| format!("cannot stay on core {core}: {error}"))?;
            }
            let words = ["tapboard-host"].iter().chain(arguments);
            let code = tapboard_host::run(&tapboard_host::cli::Cli::parse_from(words));
            let cpu = clock_gettime(ClockId::ProcessCPUTime);
            let seconds = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
            say(&json!({ "event": CPU, "seconds": seconds }).to_string());
            Ok(code)
        }
        (PLAIN, [tap, subnet, buffer]) => {
            plain::direct(tap, number(subnet)?, number(buffer)?).map(|()| ExitCode::SUCCESS)
        }
        (KERNEL, [device, subnet, control]) => {
            kernel::serve(device, number(subnet)?, control).map(|()| ExitCode::SUCCESS)
        }
        (BRIDGE, [near, far, subnet, seed, faults @ ..]) => {
            bridge::run((near, far), number(subnet)?, number(seed)?, faults)
                .map(|()| ExitCode::SUCCESS)
        }
        (FRAMES, [kind, turns]) => frames::play(kind, number(turns)?).map(|()| ExitCode::SUCCESS),
        _ => Err(format!("{role:?} with {arguments:?} is no part of this program")),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number that fits"))
}

/// Says that a part is up.
pub(crate) fn say_up() {
    say(UP);
}

/// Prints a line that the parent waits for.
pub(crate) fn say(line: &str) {
    let mut stdout = std::io::stdout();
    // If nobody is left to read it, this process is about to be killed.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
