//! Where the API is.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::local_socket::Listener;

/// A port of a loopback address, or the path of a UNIX socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiAddress {
    /// `127.0.0.1:7070`
    Tcp(SocketAddr),
    /// `unix:/run/user/1000/tapboard.sock`
    Unix(PathBuf),
}

impl ApiAddress {
    /// Listens there.
    pub(super) fn listen(&self) -> io::Result<Listener> {
        match self {
            Self::Tcp(address) => Listener::tcp(*address),
            Self::Unix(path) => Listener::unix(path),
        }
    }
}

/// As it is read.
impl fmt::Display for ApiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for ApiAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        let address: SocketAddr = text.parse().map_err(|_| {
            format!("{text:?} is neither an address and a port nor unix:PATH, e.g. 127.0.0.1:7070")
        })?;
        if !address.ip().is_loopback() {
            return Err(format!(
                "{text:?} is for others to reach, and the API asks nobody who it is; use 127.0.0.1:{}",
                address.port()
            ));
        }
        if address.port() == 0 {
            return Err(format!("{text:?} has no port from 1 to 65535, e.g. 127.0.0.1:7070"));
        }
        Ok(Self::Tcp(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_on_this_machine_alone() {
        for text in ["127.0.0.1:7070", "[::1]:7070", "unix:/tmp/a.sock", "unix:b"] {
            assert_eq!(text.parse::<ApiAddress>().unwrap().to_string(), text);
        }
        for (bad, remedy) in [
            ("0.0.0.0:7070", "use 127.0.0.1:7070"),
            ("192.0.2.2:80", "use 127.0.0.1:80"),
            ("127.0.0.1:0", "e.g."),
            ("7070", "e.g. 127.0.0.1:7070"),
            ("unix:", "unix:PATH"),
        ] {
            let error = bad.parse::<ApiAddress>().unwrap_err();
            assert!(error.contains(remedy), "{bad}: {error}");
        }
    }
}
