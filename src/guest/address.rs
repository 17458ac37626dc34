//! Where a guest's frames arrive.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::http::other_port;

/// A socket of this machine to which a guest sends its frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestAddress {
    /// `udp:7100`: datagrams to that port of 127.0.0.1.
    Udp(u16),
    /// `unix:/tmp/wire`: datagrams to the UNIX socket of that name.
    Unix(PathBuf),
    /// `stream:7100`: a TCP connection to that port of 127.0.0.1, in which each frame follows its length.
    Tcp(u16),
    /// `stream:unix:/tmp/wire`: likewise, a connection to the UNIX socket of that name.
    UnixStream(PathBuf),
}

impl GuestAddress {
    /// It as the banner and errors have it.
    #[must_use]
    pub fn described(&self) -> String {
        match self {
            Self::Udp(port) => format!("UDP 127.0.0.1:{port}"),
            Self::Unix(path) => format!("the datagram socket {}", path.display()),
            Self::Tcp(port) => format!("TCP 127.0.0.1:{port}"),
            Self::UnixStream(path) => format!("the stream socket {}", path.display()),
        }
    }

    /// The loopback address of a port.
    pub(super) const fn tcp(port: u16) -> SocketAddr {
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
    }

    /// Another of the same kind, for who cannot have this one.
    pub(super) fn other(&self) -> Self {
        let beside = |path: &PathBuf| {
            let mut name = path.clone().into_os_string();
            name.push("-2");
            PathBuf::from(name)
        };
        match self {
            Self::Udp(port) => Self::Udp(other_port(*port)),
            Self::Tcp(port) => Self::Tcp(other_port(*port)),
            Self::Unix(path) => Self::Unix(beside(path)),
            Self::UnixStream(path) => Self::UnixStream(beside(path)),
        }
    }
}

/// As it is read.
impl fmt::Display for GuestAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(port) => write!(f, "udp:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(port) => write!(f, "stream:{port}"),
            Self::UnixStream(path) => write!(f, "stream:unix:{}", path.display()),
        }
    }
}

impl FromStr for GuestAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = |path: &str| {
            let named = !path.is_empty();
            named
                .then(|| path.into())
                .ok_or_else(|| format!("{text:?} has no name for its UNIX socket"))
        };
        let port = |port: &str| {
            port.parse().ok().filter(|&port| port != 0).ok_or_else(|| {
                format!(
                    "{text:?} has no port from 1 to 65535, e.g. {}7100",
                    text.trim_end_matches(port)
                )
            })
        };
        match text.split_once(':') {
            Some(("udp", rest)) => port(rest).map(Self::Udp),
            Some(("unix", rest)) => path(rest).map(Self::Unix),
            Some(("stream", rest)) => match rest.strip_prefix("unix:") {
                Some(rest) => path(rest).map(Self::UnixStream),
                None => port(rest).map(Self::Tcp),
            },
            _ => Err(format!(
                "{text:?} is none of udp:PORT, unix:PATH, stream:PORT and stream:unix:PATH, e.g. udp:7100"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_is_shown_and_what_is_wrong_is_told_with_a_remedy() {
        for text in ["udp:7100", "unix:/tmp/a", "stream:7100", "stream:unix:b"] {
            let address: GuestAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            let other = address.other().to_string();
            assert!(other != text && other.parse::<GuestAddress>().is_ok(), "{other}");
        }
        for (bad, remedy) in [
            ("7100", "e.g. udp:7100"),
            ("tcp:7100", "stream:PORT"),
            ("udp:0", "e.g. udp:7100"),
            ("udp:", "e.g. udp:7100"),
            ("udp:70000", "e.g. udp:7100"),
            ("stream:0", "e.g. stream:7100"),
            ("stream:/tmp/a", "e.g. stream:7100"),
            ("unix:", "no name"),
            ("stream:unix:", "no name"),
        ] {
            let error = bad.parse::<GuestAddress>().unwrap_err();
            assert!(error.contains(remedy), "{bad}: {error}");
        }
    }
}
