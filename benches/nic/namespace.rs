//! A user and network namespace for the benchmark alone: root in there, and gone with its processes.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

#[path = "../../tests/common/netns.rs"]
mod netns;

/// Set inside the namespace, to the namespace it was made from.
const INSIDE: &str = "TAPBOARD_BENCH_NETNS";

/// Becomes this program once more, in a namespace of its own: returns there, with the namespace ready, and
/// here only if that cannot be.
pub(crate) fn enter(arguments: &[String]) -> Result<(), String> {
    let namespace = fs::read_link("/proc/self/ns/net")
        .map_err(|error| format!("cannot read /proc/self/ns/net: {error}"))?;
    if let Some(outside) = env::var_os(INSIDE) {
        if namespace == outside {
            return Err(format!("{INSIDE} is set, and this is no namespace of its own; unset it"));
        }
        run("ip", "link set lo up")?;
        // So that connections in TIME-WAIT leave ports for the next, all through a long benchmark. A
        // short one does without, should /proc/sys be read-only.
        let _ = fs::write("/proc/sys/net/ipv4/ip_local_port_range", "10000 65000");
        return Ok(());
    }
    let flags = netns::unshare_flags(&[])?;
    let program = this_program()?;
    let mut command = Command::new("unshare");
    // In place of this process, not under it: then a signal that ends this one ends all.
    let error = command.arg(flags).arg(program).args(arguments).env(INSIDE, namespace).exec();
    Err(format!("cannot start unshare: {error}"))
}

const CONGESTION_CONTROL: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// What this namespace's kernel does about congestion.
pub(crate) fn congestion_control() -> String {
    let name = fs::read_to_string(CONGESTION_CONTROL);
    name.map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

/// Has this namespace's kernel send as fast as windows allow. BBR, which may be a machine's choice, paces what
/// it sends by timers: that would be measured in place of the peer. Where it cannot be set, it stays as it is.
pub(crate) fn send_unpaced() {
    let _ = fs::write(CONGESTION_CONTROL, "reno");
}

/// Where this program is.
pub(crate) fn this_program() -> Result<std::path::PathBuf, String> {
    env::current_exe().map_err(|error| format!("cannot find this program: {error}"))
}

/// Runs a program, which must succeed, with arguments that have no spaces.
pub(crate) fn run(program: &str, arguments: &str) -> Result<(), String> {
    let output = Command::new(program).args(arguments.split_whitespace()).output();
    let output = output.map_err(|error| format!("cannot start {program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program} {arguments}` failed: {}", errors.trim()))
}
