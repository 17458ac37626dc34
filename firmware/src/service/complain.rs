//! The log's line for a socket that a service cannot have.

use core::fmt;

/// Logs what a service cannot do. One function, as each message is dear in flash.
#[inline(never)]
pub(super) fn complain(protocol: &str, port: u16, what: &str, error: &dyn fmt::Debug) {
    log::error!("{protocol} port {port}: cannot {what}: {error:?}");
}
