//! Which port of this machine leads to which of the board, as it is written: `HOST:BOARD`. The connections through it are
//! in `flows`, its datagrams in `datagrams`.

use std::fmt;

use super::host_port::{HostPort, HostPortError};

/// A host port and the board port it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Port of this machine.
    pub host: HostPort,
    /// Port on the board.
    pub board: u16,
}

impl Forward {
    /// What is forwarded unless told otherwise: the board's services, 7000 higher.
    pub const DEFAULT: [Self; 5] =
        [Self::high(7), Self::high(9), Self::high(19), Self::high(23), Self::high(80)];

    const fn high(board: u16) -> Self {
        Self { host: HostPort::new(7000 + board), board }
    }
}

/// As it is read.
impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.board)
    }
}

impl std::str::FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let forward = |(host, board): (&str, &str)| {
            let board = board.parse().ok().filter(|&port| port != 0).ok_or(HostPortError::Port)?;
            Ok(Self { host: host.parse()?, board })
        };
        let read = text.rsplit_once(':').ok_or(HostPortError::Port).and_then(forward);
        read.map_err(|error| {
            let more = match error {
                HostPortError::Port => String::new(),
                error => format!("; {error}"),
            };
            format!(
                "{text:?} is not HOST:BOARD, two ports from 1 to 65535, e.g. 8007:7 or udp:127.0.0.1:8007:7{more}"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::host_port::Protocol;
    use super::*;

    #[test]
    fn a_forward_is_two_ports_and_perhaps_more() {
        assert_eq!("8007:7".parse(), Ok(Forward { host: HostPort::new(8007), board: 7 }));
        let host =
            HostPort { protocol: Protocol::Udp, address: Some("::1".parse().unwrap()), port: 8007 };
        let forward = Forward { host, board: 7 };
        assert_eq!("udp:[::1]:8007:7".parse(), Ok(forward));
        assert_eq!(forward.to_string(), "udp:[::1]:8007:7");
        for bad in ["", "7", "7:", ":7", "0:7", "7:0", "65536:7", "a:7", "1:2:3", "udp:7"] {
            let error = bad.parse::<Forward>().unwrap_err();
            assert!(error.contains("HOST:BOARD"), "{error}");
        }
    }
}
