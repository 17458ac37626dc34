//! What the calls of either stack come to.

use std::fmt;

use embedded_nal::nb;
use tapboard_firmware::Error;

/// Why a call came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum SocketError {
    Refused,
    Reset,
    /// This end gave up.
    TimedOut,
    /// Anything else that our stack has to say.
    Other(Error),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Reset => f.write_str("connection reset"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl From<Error> for SocketError {
    fn from(error: Error) -> Self {
        match error {
            Error::ConnectionRefused => Self::Refused,
            Error::ConnectionReset => Self::Reset,
            Error::TimedOut => Self::TimedOut,
            error => Self::Other(error),
        }
    }
}

pub(super) fn nb_error(error: nb::Error<Error>) -> nb::Error<SocketError> {
    match error {
        nb::Error::WouldBlock => nb::Error::WouldBlock,
        nb::Error::Other(error) => nb::Error::Other(error.into()),
    }
}

/// What a call comes to, or that it has to wait.
pub(super) type Call<T> = nb::Result<T, SocketError>;
