//! Why a gateway cannot open, or do what it is told while it runs, and what helps.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::{error, fmt, io};

use super::api_address::ApiAddress;
use super::forward::Forward;
use super::host_port::HostPort;
use super::limits::{ALLOWED, FORWARDS};
use crate::http::other_port;

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
        host: SocketAddr,
        /// What it was to be as well.
        forward: Forward,
        /// The board port to which it leads.
        first: u16,
    },
    /// More addresses and ports are to be listened on than the gateway can hold.
    TooManyForwards(usize),
    /// That port is not forwarded.
    NotForwarded(HostPort),
    /// More ports are allowed than the gateway can hold.
    TooManyAllowed(usize),
    /// Two hosts are allowed on one port, of which the board sees one.
    AllowedTwice(HostPort, HostPort),
    /// The port for names is allowed as any other.
    NamesAllowed(HostPort),
    /// There is no resolver.
    Resolver(String),
    /// The API cannot listen.
    Api {
        /// Where.
        address: ApiAddress,
        /// What the system says.
        error: io::Error,
    },
    /// The system refuses to tell when sockets are ready.
    Register(io::Error),
}

impl GatewayError {
    /// The sentence for who names other ports by `option` and a forward.
    #[must_use]
    pub fn text(&self, option: &str) -> String {
        match self {
            Self::Listen { forwards, error } => listen(forwards, error, option),
            Self::Twice { host, forward, first } if forward.board == *first => {
                format!("{host} leads to board port {first} already; leave it at that")
            }
            Self::Twice { host, forward, first } => format!(
                "{host} cannot lead to both board port {first} and board port {}; \
                 move one of them with: {option} {}",
                forward.board,
                elsewhere(forward)
            ),
            Self::TooManyForwards(count) => format!(
                "{count} addresses and ports would be forwarded, but the gateway holds {FORWARDS}; forward fewer"
            ),
            Self::NotForwarded(host) => {
                format!("{host} is not forwarded; `forwards` lists what is")
            }
            Self::TooManyAllowed(count) => {
                format!("{count} ports are allowed, but the gateway holds {ALLOWED}; allow fewer")
            }
            Self::AllowedTwice(first, second) => format!(
                "the board sees one port {}, which cannot lead to both {first} and {second}; allow one of them",
                first.port
            ),
            Self::NamesAllowed(host) => {
                let to = host.address.map_or_else(|| "127.0.0.1".into(), |to| to.to_string());
                format!("port 53 is the gateway's own, for names; use --allow-dns={to}")
            }
            Self::Resolver(error) => error.clone(),
            Self::Api { address, error } => {
                let remedy = match address {
                    ApiAddress::Tcp(address) => {
                        let port = other_port(address.port());
                        format!(
                            "choose another port with: --api {}",
                            SocketAddr::new(address.ip(), port)
                        )
                    }
                    ApiAddress::Unix(_) => "choose another path".into(),
                };
                format!("cannot listen on {address} for the API: {error}; {remedy}")
            }
            Self::Register(error) => format!("cannot watch sockets: {error}"),
        }
    }
}

fn listen(forwards: &[(IpAddr, Forward)], error: &io::Error, option: &str) -> String {
    let at = |&(address, forward): &(IpAddr, Forward)| {
        SocketAddr::new(address, forward.host.port).to_string()
    };
    let all: Vec<_> = forwards.iter().map(at).collect();
    let mut text = format!("cannot listen on {}: {error}; ", all.join(", "));
    if error.kind() == io::ErrorKind::AddrInUse {
        text += "is another tapboard running? ";
    }
    if error.kind() == io::ErrorKind::AddrNotAvailable {
        return text + "`ip address` lists the addresses of this machine";
    }
    if rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::MFILE) {
        return text + "let it have more of them with `ulimit -n`, or forward fewer ports";
    }
    text += "choose another port with:";
    for (_, forward) in forwards {
        let _ = write!(text, " {option} {}", elsewhere(forward));
    }
    text
}

impl fmt::Display for GatewayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text("-p"))
    }
}

impl error::Error for GatewayError {}

/// The same from another port.
fn elsewhere(forward: &Forward) -> Forward {
    let host = HostPort { port: other_port(forward.host.port), ..forward.host };
    Forward { host, ..*forward }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_port_is_no_remedy_where_files_are_short() {
        let forwards = vec![(IpAddr::from([127, 18, 0, 1]), Forward::DEFAULT[0])];
        let error = io::Error::from(rustix::io::Errno::MFILE);
        let text = GatewayError::Listen { forwards, error }.to_string();
        assert!(text.contains("`ulimit -n`") && !text.contains("choose another port"), "{text}");
    }
}
