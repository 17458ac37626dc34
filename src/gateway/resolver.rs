//! To whom the gateway passes questions for names on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::dns::PORT;

/// Where the host's resolvers are listed (resolv.conf(5)).
const LIST: &str = "/etc/resolv.conf";

/// The resolver that the board may ask through the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolver {
    /// The first that the host itself asks.
    Host,
    /// This one.
    At(SocketAddr),
}

impl Resolver {
    /// Where it is. The error has a remedy.
    pub fn address(self) -> Result<SocketAddr, String> {
        match self {
            Self::At(address) => Ok(address),
            Self::Host => std::fs::read_to_string(LIST)
                .and_then(|text| first(&text).ok_or_else(|| io::Error::other("it names none")))
                .map_err(|error| {
                    format!(
                        "cannot find a resolver in {LIST}: {error}; name one with --allow-dns=ADDR:PORT"
                    )
                }),
        }
    }
}

/// The first nameserver of a list.
fn first(text: &str) -> Option<SocketAddr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|&word| word == "nameserver")?;
        words.next()?.parse::<IpAddr>().ok()
    });
    servers.map(|address| SocketAddr::new(address, PORT)).next()
}

impl FromStr for Resolver {
    type Err = String;

    /// Nothing is the host's.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::Host);
        }
        let bare = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT));
        let address: SocketAddr = text.parse().or(bare).map_err(|_| {
            format!("{text:?} is not an address, perhaps with a port, e.g. 127.0.0.1:5353")
        })?;
        if address.port() == 0 {
            return Err(format!("{text:?} has no port from 1 to 65535, e.g. 127.0.0.1:5353"));
        }
        Ok(Self::At(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_server_of_a_list_is_asked() {
        let text = "# nameserver 192.0.2.1\nsearch example\nnameserver fe80::1%eth0\n\
                    nameserver\t127.0.0.53 # local\nnameserver ::1\n";
        assert_eq!(first(text), Some("127.0.0.53:53".parse().unwrap()));
        assert_eq!(first("options edns0\nnameserver\n"), None);
    }

    #[test]
    fn a_resolver_may_be_given() {
        assert_eq!("".parse(), Ok(Resolver::Host));
        for (text, address) in
            [("127.0.0.1", "127.0.0.1:53"), ("::1", "[::1]:53"), ("[::1]:5353", "[::1]:5353")]
        {
            assert_eq!(text.parse(), Ok(Resolver::At(address.parse().unwrap())), "{text}");
        }
        for bad in ["localhost", "127.0.0.1:0", "127.0.0.1:"] {
            assert!(bad.parse::<Resolver>().unwrap_err().contains("e.g."), "{bad}");
        }
    }
}
