//! How a port of this machine is written: `[tcp:|udp:][ADDR:]PORT`, an IPv6 address in brackets.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Which of the two transport protocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// TCP and UDP.
    #[default]
    Both,
    /// TCP alone.
    Tcp,
    /// UDP alone.
    Udp,
}

impl Protocol {
    /// Whether TCP is among them.
    #[must_use]
    pub const fn tcp(self) -> bool {
        matches!(self, Self::Both | Self::Tcp)
    }

    /// Whether UDP is among them.
    #[must_use]
    pub const fn udp(self) -> bool {
        matches!(self, Self::Both | Self::Udp)
    }

    /// Whether some protocol is in both.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        (self.tcp() && other.tcp()) || (self.udp() && other.udp())
    }

    /// What precedes a port.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Both => "",
            Self::Tcp => "tcp:",
            Self::Udp => "udp:",
        }
    }
}

/// A port of this machine, or with an address of that machine's, TCP or UDP or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Which protocol.
    pub protocol: Protocol,
    /// Which address; the loopback ones unless given.
    pub address: Option<IpAddr>,
    /// Not 0.
    pub port: u16,
}

impl HostPort {
    /// That port of the loopback addresses, TCP and UDP.
    #[must_use]
    pub const fn new(port: u16) -> Self {
        Self { protocol: Protocol::Both, address: None, port }
    }
}

/// As it is read.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.protocol.prefix())?;
        match self.address {
            Some(address) => SocketAddr::new(address, self.port).fmt(f),
            None => self.port.fmt(f),
        }
    }
}

/// Why something is no [`HostPort`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPortError {
    /// The port is not a number from 1 to 65535.
    Port,
    /// What precedes it is neither `tcp` nor `udp` nor an address.
    Address,
    /// An IPv6 address without brackets.
    Brackets,
}

impl fmt::Display for HostPortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Port => "a port is from 1 to 65535",
            Self::Address => "a port is preceded by tcp: or udp:, and an IP address, or neither",
            Self::Brackets => "an IPv6 address is written in brackets, as in '[::1]:7'",
        })
    }
}

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, HostPortError> {
        let (protocol, rest) = [Protocol::Tcp, Protocol::Udp]
            .into_iter()
            .find_map(|protocol| Some((protocol, text.strip_prefix(protocol.prefix())?)))
            .unwrap_or((Protocol::Both, text));
        let (address, port) = match rest.rsplit_once(':') {
            None => (None, rest),
            Some((address, port)) => (Some(read_address(address)?), port),
        };
        let port = port.parse().ok().filter(|&port| port != 0).ok_or(HostPortError::Port)?;
        Ok(Self { protocol, address, port })
    }
}

fn read_address(text: &str) -> Result<IpAddr, HostPortError> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(ipv6) = bare {
        return ipv6.parse().map(IpAddr::V6).map_err(|_| HostPortError::Address);
    }
    text.parse().map(IpAddr::V4).map_err(|_| {
        if text.contains(':') { HostPortError::Brackets } else { HostPortError::Address }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_may_have_a_protocol_and_an_address() {
        let host = |protocol, address: Option<&str>, port| HostPort {
            protocol,
            address: address.map(|address| address.parse().unwrap()),
            port,
        };
        for (text, expected) in [
            ("9000", host(Protocol::Both, None, 9000)),
            ("udp:514", host(Protocol::Udp, None, 514)),
            ("tcp:127.0.0.2:80", host(Protocol::Tcp, Some("127.0.0.2"), 80)),
            ("[::1]:1883", host(Protocol::Both, Some("::1"), 1883)),
            ("udp:[2001:db8::9]:65535", host(Protocol::Udp, Some("2001:db8::9"), 65535)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
            assert_eq!(expected.to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_with_a_port_is_told() {
        for (text, error) in [
            ("", HostPortError::Port),
            ("0", HostPortError::Port),
            ("65536", HostPortError::Port),
            ("udp:", HostPortError::Port),
            ("127.0.0.1:", HostPortError::Port),
            ("::1:80", HostPortError::Brackets),
            ("[127.0.0.1]:80", HostPortError::Address),
            ("sctp:80", HostPortError::Address),
            ("localhost:80", HostPortError::Address),
        ] {
            assert_eq!(text.parse::<HostPort>(), Err(error), "{text}");
        }
    }

    #[test]
    fn protocols_overlap_in_what_they_share() {
        use Protocol::{Both, Tcp, Udp};
        assert!(Both.overlaps(Tcp) && Udp.overlaps(Both) && Tcp.overlaps(Tcp));
        assert!(!Tcp.overlaps(Udp) && !Udp.overlaps(Tcp));
    }
}
