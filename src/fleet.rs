//! `tapboard fleet`: many boards, each with its own MAC address, address, name and cable, on one switch.
//!
//! All of them run in one thread, each only when it has a frame or its time has come. The switch's uplink is a TAP, or
//! gateways on this machine's loopback addresses, or another process's fleet ([`Uplink::Join`]), or, in virtual time, nothing: then hosts on the same switch collect
//! telemetry and ask each board for an echo. A script or the console cuts the power of some, or harms their cables.
//!
//! | | |
//! |---|---|
//! | `network`, `switch`, `nic` | who runs when, and where a frame goes |
//! | `options` | what is asked for: how many, from which number on; who each is follows from that ([`crate::identity`]) |
//! | `machine` | a board while it has power |
//! | `boards` | the fleet as the driver sees it: commands, counters, the summary |
//! | `trunk`, `trunks` | several processes on one network |
//! | `gateways` | boards that are reached without a TAP |
//! | `real`, `simulated` | the two ways to run it; `visitor`: the hosts of virtual time |

mod boards;
#[cfg(target_os = "linux")]
mod gateways;
mod machine;
mod network;
mod nic;
mod options;
#[cfg(target_os = "linux")]
mod real;
mod simulated;
mod switch;
#[cfg(target_os = "linux")]
pub mod trunk;
#[cfg_attr(not(target_os = "linux"), path = "fleet/no_trunks.rs")]
mod trunks;
mod visitor;

pub use self::options::{BOARDS_MAX, BOARDS_PER_HOST, FleetOptions, GatewayUplink, Uplink, room};

/// Runs a fleet until a signal, `quit` or, in virtual time, its end.
pub fn run(options: &FleetOptions) -> Result<(), String> {
    match &options.uplink {
        Uplink::None { time } => simulated::run(options, *time),
        #[cfg(target_os = "linux")]
        uplink => real::run(options, uplink),
        #[cfg(not(target_os = "linux"))]
        _ => Err("a fleet in real time needs Linux; --virtual 60s runs everywhere".to_owned()),
    }
}
