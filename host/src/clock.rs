//! The only place of this crate that reads the operating system's clock.
//!
//! Everything else takes an [`Instant`] as an argument or asks here, so that what depends on time can be
//! found, and tested with times of the test's choosing.

use std::time::Instant;

/// The monotonic time of this moment.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this module is where the host tool reads the clock")]
pub fn now() -> Instant {
    Instant::now()
}
