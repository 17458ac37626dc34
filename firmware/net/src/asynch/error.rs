//! Our errors, in the words of `embedded-io`.

use embedded_io_async::ErrorKind;

use crate::error::Error;

impl embedded_io_async::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::AddressInUse => ErrorKind::AddrInUse,
            Self::NoBufferSpace => ErrorKind::OutOfMemory,
            Self::InvalidState => ErrorKind::NotConnected,
            Self::Unaddressable => ErrorKind::AddrNotAvailable,
            Self::MessageTooLong => ErrorKind::InvalidInput,
            Self::PipeClosed => ErrorKind::BrokenPipe,
            Self::ConnectionRefused => ErrorKind::ConnectionRefused,
            Self::ConnectionReset => ErrorKind::ConnectionReset,
            Self::TimedOut => ErrorKind::TimedOut,
            Self::ConnectionAborted => ErrorKind::ConnectionAborted,
            Self::Unsupported => ErrorKind::Unsupported,
        }
    }
}
