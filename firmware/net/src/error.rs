//! What a socket call can fail with.

/// Why a socket call failed. Nothing here is fatal to the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The port is taken.
    AddressInUse,
    /// No slot, listener or UDP socket is free, or the reserves of the ports leave none: ports x `reserve` +
    /// `client_reserve` are at most the slots. Close one, try again later, or change the [`Limits`](crate::Limits).
    NoBufferSpace,
    /// The call does not fit the socket's state, e.g. `listen` before `bind` or `send` before `connect`.
    InvalidState,
    /// Port 0, an unspecified, broadcast or multicast address, one that no route leads to, or an address
    /// family this stack does not have.
    Unaddressable,
    /// A datagram larger than a frame or the socket's buffer.
    MessageTooLong,
    /// This side's direction of the connection has been closed.
    PipeClosed,
    /// The peer refused the connection.
    ConnectionRefused,
    /// The peer reset the connection.
    ConnectionReset,
    /// The peer did not answer in time.
    TimedOut,
    /// The stack ended the connection to make room, or because nobody used its handle.
    ConnectionAborted,
    /// Not among what a socket of the stack's own can do: groups.
    #[cfg(feature = "async")]
    Unsupported,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::AddressInUse => "address in use",
            Self::NoBufferSpace => "no socket free",
            Self::InvalidState => "call does not fit the socket's state",
            Self::Unaddressable => "address not usable",
            Self::MessageTooLong => "datagram too long",
            Self::PipeClosed => "sending side already closed",
            Self::ConnectionRefused => "connection refused",
            Self::ConnectionReset => "connection reset by peer",
            Self::TimedOut => "timed out",
            Self::ConnectionAborted => "connection aborted",
            #[cfg(feature = "async")]
            Self::Unsupported => "not supported",
        })
    }
}

impl core::error::Error for Error {}

/// Why a name has not become an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LookupError {
    /// No host can have it: labels of letters, digits and hyphens, with dots between them, of at most
    /// [`HOST_NAME`](crate::limits::HOST_NAME) bytes, and no address.
    BadName,
    /// No server for names is known, or no route leads to one.
    NoServer,
    /// There is no such name.
    NotFound,
    /// There is, but it has no address of the kind that was asked for.
    NoAddress,
    /// Nobody answered.
    TimedOut,
    /// The server cannot or will not tell.
    Refused,
    /// The answer was too long for a datagram.
    Truncated,
}

impl core::fmt::Display for LookupError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::BadName => "not a host's name",
            Self::NoServer => "no DNS server is known",
            Self::NotFound => "no such name",
            Self::NoAddress => "the name has no address",
            Self::TimedOut => "no answer",
            Self::Refused => "the DNS server cannot tell",
            Self::Truncated => "the answer is too long",
        })
    }
}

impl core::error::Error for LookupError {}

impl embedded_nal::TcpError for Error {
    /// `PipeClosed` for all that ends a connection, so that a client connects again.
    fn kind(&self) -> embedded_nal::TcpErrorKind {
        match self {
            Self::PipeClosed
            | Self::ConnectionRefused
            | Self::ConnectionReset
            | Self::ConnectionAborted
            | Self::TimedOut => embedded_nal::TcpErrorKind::PipeClosed,
            _ => embedded_nal::TcpErrorKind::Other,
        }
    }
}
