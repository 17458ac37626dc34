//! The NICs that `tapboard tap` can be on: what each does for the board.

use std::net::SocketAddr;

#[cfg(target_os = "linux")]
use super::process::Process;

/// Options for each: many segments in a system call or one; checksums made by the firmware or not, segments too.
pub(crate) const NICS: [&[&str]; 5] = [
    &[],
    &["--checksum-offload"],
    &["--segmentation-offload"],
    &["--offload=off"],
    &["--offload=off", "--checksum-offload"],
];

/// Whether many segments take one system call.
pub(crate) fn segments(nic: &[&str]) -> bool {
    !nic.contains(&"--offload=off")
}

/// A port of the board on a TAP.
pub(crate) fn board(port: u16) -> SocketAddr {
    ([192, 0, 2, 1], port).into()
}

/// `tapboard tap` on one of the [`NICS`], quiet, with further options.
#[cfg(target_os = "linux")]
pub(crate) fn on_tap(nic: &[&str], options: &[&str]) -> Process {
    Process::with_console(&[&["tap", "--no-telemetry"], nic, options].concat())
}
