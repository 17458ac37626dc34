//! Who may change what the board does, over the network: whoever knows its token.
//!
//! Without the feature `http` there is no token, and whoever can reach the board may.
//!
//! One [`Access`] is asked by all services, so that the guesses of all clients together are bounded: of any two from one
//! address the second is judged no sooner than `LOGIN_DELAY` after the first, if that was wrong, and a right one waits as
//! long as others do. Otherwise who waits, and who does not, would tell one from the other.
//!
//! Whoever guesses keeps nobody out. Who comes from elsewhere does not wait for him; who comes from the same address, as
//! all do behind a gateway, is judged in the order of asking, and so waits no longer than for one guess of each other
//! connection. Of addresses, `LOGIN_GATES` are told apart while they wait, and what is beyond counts as one: so many
//! guesses a second there are at most, however many addresses somebody has.

#[cfg(feature = "http")]
mod token;

#[cfg(feature = "http")]
pub use self::token::Token;
#[cfg(feature = "http")]
pub(super) use self::token::{Access, Attempt, Credentials, Verdict};

/// No token is needed.
#[cfg(not(feature = "http"))]
#[derive(Debug)]
pub(super) struct Access;

#[cfg(not(feature = "http"))]
impl Access {
    pub(super) const fn new() -> Self {
        Self
    }

    pub(super) const fn begin_round(&mut self) {
        let _ = self;
    }
}
