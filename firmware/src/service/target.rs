//! Where a client connects to: an address, or a host's name.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// A host and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The address of a host, and a port.
    Address(SocketAddr),
    /// The name of a host, which is looked up for each connection, and a port.
    #[cfg(feature = "dns")]
    Name(&'static str, u16),
}

impl Target {
    /// Port `port` of the host `name`. `None`: no host can have that name.
    #[cfg(feature = "dns")]
    #[must_use]
    pub fn named(name: &'static str, port: u16) -> Option<Self> {
        tapboard_net::dns::is_name(name).then_some(Self::Name(name, port))
    }

    /// The address, unless it is to be looked up.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address(address) => Some(*address),
            #[cfg(feature = "dns")]
            Self::Name(..) => None,
        }
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self {
            Self::Address(address) => address.port(),
            #[cfg(feature = "dns")]
            Self::Name(_, port) => *port,
        }
    }
}

impl<I: Into<IpAddr>> From<(I, u16)> for Target {
    fn from(end: (I, u16)) -> Self {
        Self::Address(end.into())
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

/// As it is written: `192.0.2.2:9000`, `[2001:db8::2]:9000`, `desk.example:9000`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            #[cfg(feature = "dns")]
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}
