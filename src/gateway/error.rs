//! Why a gateway cannot open, and what helps.

use std::net::{IpAddr, SocketAddr};
use std::{error, fmt, io};

use super::forward::Forward;
use super::limits::ALLOWED;

/// Why the gateway cannot open.
#[derive(Debug)]
pub enum GatewayError {
    /// Host ports cannot be listened on.
    Listen {
        /// Which ports, each with the first of its addresses that will not do: all of them, so that one remedy
        /// is enough. Not empty.
        forwards: Vec<(IpAddr, Forward)>,
        /// What the system says of the first.
        error: io::Error,
    },
    /// One host port is to lead to two board ports.
    Twice {
        /// The host port.
        host: u16,
        /// Where it would lead.
        boards: [u16; 2],
    },
    /// More ports are allowed than the gateway can hold.
    TooManyAllowed(usize),
    /// The system refuses to tell when sockets are ready.
    Register(io::Error),
}

impl fmt::Display for GatewayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { forwards, error } => {
                write!(f, "cannot listen on ")?;
                for (index, &(address, forward)) in forwards.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{}", SocketAddr::new(address, forward.host))?;
                }
                write!(f, ": {error}; ")?;
                if error.kind() == io::ErrorKind::AddrInUse {
                    write!(f, "is another tapboard running? ")?;
                }
                write!(f, "choose another port with:")?;
                for &(_, Forward { host, board }) in forwards {
                    write!(f, " -p {}:{board}", other_port(host))?;
                }
                Ok(())
            }
            Self::Twice { host, boards: [first, second] } => write!(
                f,
                "127.0.0.1:{host} cannot lead to both board port {first} and board port {second}; \
                 move one of them with: -p {}:{second}",
                other_port(*host)
            ),
            Self::TooManyAllowed(count) => {
                write!(f, "{count} ports are allowed, but the gateway holds {ALLOWED}; allow fewer")
            }
            Self::Register(error) => write!(f, "cannot watch sockets: {error}"),
        }
    }
}

impl error::Error for GatewayError {}

/// A port to propose in place of one that will not do.
const fn other_port(port: u16) -> u16 {
    if port < 64_000 { port + 1000 } else { port - 1000 }
}
