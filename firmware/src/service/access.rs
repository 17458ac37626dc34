//! Who may change what the board does, over the network: whoever knows its token.
//!
//! Without the feature `http` there is no token, and whoever can reach the board may.
//!
//! One [`Access`] is asked by all services, so that the guesses of all clients together are bounded: of any two of them
//! the second is judged no sooner than `LOGIN_DELAY` after the first, if that was wrong, and a right one waits as
//! long as others do. Otherwise who waits, and who does not, would tell one from the other.

#[cfg(feature = "http")]
mod token;

#[cfg(feature = "http")]
pub use self::token::Token;
#[cfg(feature = "http")]
pub(super) use self::token::{Access, Credentials, Verdict};

/// No token is needed.
#[cfg(not(feature = "http"))]
#[derive(Debug)]
pub(super) struct Access;

#[cfg(not(feature = "http"))]
impl Access {
    pub(super) const fn new() -> Self {
        Self
    }
}
