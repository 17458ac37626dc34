//! Where to connect: parsing, resolving, and errors that say what to do.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::clock;
use crate::output::Error;
use crate::units::show_seconds;

/// Addresses of one name that are tried at most.
const ADDRESSES_MAX: usize = 8;

/// The echo service of a simulated board, as `tapboard` in user mode forwards it.
pub const ECHO_DEFAULT: &str = "127.0.0.1:7007";

/// A host, by address or by name, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `127.0.0.1:7007`, `[::1]:7007`.
    Address(SocketAddr),
    /// `board.example:7`.
    Name(String, u16),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let remedy = "write ADDRESS:PORT, like 127.0.0.1:7007, [::1]:7007 or localhost:7007";
        let port_zero = || "port 0 cannot be connected to; ports are 1 to 65535".to_owned();
        if let Ok(address) = text.parse::<SocketAddr>() {
            return if address.port() == 0 { Err(port_zero()) } else { Ok(Self::Address(address)) };
        }
        let Some((name, port)) = text.rsplit_once(':') else {
            return Err(format!("`{text}` has no port; {remedy}"));
        };
        if name.is_empty() || name.contains(['[', ']', '/', ' ']) {
            return Err(format!("`{text}` is not a host and a port; {remedy}"));
        }
        if name.contains(':') {
            return Err(format!(
                "an IPv6 address needs brackets: [{name}]:{port} or [{text}]:PORT"
            ));
        }
        match port.parse::<u16>() {
            Ok(0) => Err(port_zero()),
            Ok(port) => Ok(Self::Name(name.to_owned(), port)),
            Err(_) => Err(format!("`{port}` is not a port; {remedy}")),
        }
    }
}

impl Target {
    /// The addresses to try, in order; at least one.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, Error> {
        let (name, port) = match self {
            Self::Address(address) => return Ok(vec![*address]),
            Self::Name(name, port) => (name, *port),
        };
        let unknown = |why: &dyn fmt::Display| {
            Error::Failed(format!(
                "cannot resolve `{name}`: {why}; give the address itself, like {ECHO_DEFAULT}"
            ))
        };
        let found = (name.as_str(), port).to_socket_addrs().map_err(|error| unknown(&error))?;
        let addresses: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
        if addresses.is_empty() {
            return Err(unknown(&"it has no address"));
        }
        log::debug!("{name} is {addresses:?}");
        Ok(addresses)
    }
}

/// Addresses of a range at most.
const RANGE_MAX: u32 = 16_384;

/// One host's port, or the same port of each IPv4 address of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// `127.0.0.1:7007`.
    One(Target),
    /// `198.18.0.1-198.18.3.232:7`.
    Range(RangeInclusive<Ipv4Addr>, u16),
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(target) => target.fmt(f),
            Self::Range(range, port) => write!(f, "{}-{}:{port}", range.start(), range.end()),
        }
    }
}

impl FromStr for Targets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('-').and_then(|(first, rest)| {
            let (last, port) = rest.rsplit_once(':')?;
            Some((first.parse::<Ipv4Addr>().ok()?, last, port))
        });
        // A name may have a hyphen too.
        let Some((first, last, port)) = parts else { return text.parse().map(Self::One) };
        let last = last.parse::<Ipv4Addr>().ok().filter(|last| *last >= first);
        let port = port.parse::<u16>().ok().filter(|port| *port > 0);
        let (Some(last), Some(port)) = (last, port) else {
            return Err(format!("`{text}` is not FIRST-LAST:PORT, like 198.18.0.1-198.18.3.232:7"));
        };
        let count = u64::from(last.to_bits() - first.to_bits()) + 1;
        if count > RANGE_MAX.into() {
            return Err(format!("`{text}` has {count} addresses; {RANGE_MAX} at most"));
        }
        Ok(Self::Range(first..=last, port))
    }
}

impl Targets {
    /// Of each target the addresses to try, in order; at least one.
    pub fn resolve(&self) -> Result<Vec<Vec<SocketAddr>>, Error> {
        Ok(match self {
            Self::One(target) => vec![target.resolve()?],
            Self::Range(range, port) => (range.start().to_bits()..=range.end().to_bits())
                .map(|bits| vec![SocketAddr::from((Ipv4Addr::from_bits(bits), *port))])
                .collect(),
        })
    }
}

/// A host, by address or by name, without a port: for commands that know the ports themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// `127.0.0.1`, `::1`, `[::1]`.
    Address(IpAddr),
    /// `board.example`.
    Name(String),
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self::Address(address));
        }
        if text.is_empty() || text.contains([':', '[', ']', '/', ' ']) {
            return Err(format!(
                "`{text}` is not a host alone; write its address or name, like 127.0.0.1 or ::1, \
                 without a port"
            ));
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Host {
    /// A port of this host.
    #[must_use]
    pub fn port(&self, port: u16) -> Target {
        match self {
            Self::Address(address) => Target::Address(SocketAddr::new(*address, port)),
            Self::Name(name) => Target::Name(name.clone(), port),
        }
    }

    /// Its first address.
    pub fn resolve(&self) -> Result<IpAddr, Error> {
        // Any port will do: it is resolved to itself.
        Ok(self.port(1).resolve()?[0].ip())
    }
}

/// Connects to the first address of `target` that answers; `timeout` is for all of them together. The
/// error is that of the last address tried.
pub fn connect(target: &Target, timeout: Duration) -> Result<TcpStream, Error> {
    let start = clock::now();
    let mut last = None;
    for address in target.resolve()? {
        let left = timeout.saturating_sub(clock::now() - start);
        if left.is_zero() {
            break;
        }
        log::info!("connecting to {address}");
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                log::info!("{address}: {error}");
                last = Some((address, error));
            }
        }
    }
    Err(Error::Failed(match last {
        Some((address, error)) => explain_connect(address, &error, timeout),
        None => format!("no answer from {target} within {}", show_seconds(timeout)),
    }))
}

/// The error of a `shutdown` as a read or a write would tell it; `pending` is what the socket's `take_error` says.
///
/// Of a connection that has broken, `shutdown` says only that there is none (`ENOTCONN`), whatever broke it. An error that is
/// no longer pending has been told to another thread, and was the peer's reset.
#[must_use]
pub fn explain_shutdown(error: io::Error, pending: io::Result<Option<io::Error>>) -> io::Error {
    match (error.kind(), pending) {
        (ErrorKind::NotConnected, Ok(Some(cause))) => cause,
        (ErrorKind::NotConnected, _) => ErrorKind::ConnectionReset.into(),
        _ => error,
    }
}

/// What a failed connect means, and what to do about it, in one line.
#[must_use]
pub fn explain_connect(address: SocketAddr, error: &io::Error, timeout: Duration) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused if address.ip().is_loopback() => {
            format!("nothing listens on {address}; is the board up? start it with: tapboard")
        }
        ErrorKind::ConnectionRefused => format!(
            "nothing listens on {address}; the host answers, but not on this port: is it the board, and \
             is the service built in?"
        ),
        // The operating system's own timeout (ETIMEDOUT) is the same to the user as ours.
        ErrorKind::TimedOut | ErrorKind::WouldBlock => format!(
            "no answer from {address} within {}; is the board up and its cable in? a board whose slots \
             are all taken answers when one frees: allow it more time",
            show_seconds(timeout)
        ),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => format!(
            "no route to {address} ({error}); is the interface up? for a simulated board, start: \
             tapboard tap"
        ),
        ErrorKind::ConnectionReset => {
            format!("{address} reset the connection as it was made; see what the board logs")
        }
        _ => format!("cannot connect to {address}: {error}"),
    }
}

/// A connection that its peer has reset after it sent `data`, as this machine knows and nobody has been told.
#[cfg(test)]
pub(crate) fn reset_connection(data: &[u8]) -> TcpStream {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let stream = TcpStream::connect(address).expect("it listens");
    let (mut peer, _) = listener.accept().expect("it has connected");
    io::Write::write_all(&mut peer, data).expect("it has room");
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
    drop(peer);
    let start = clock::now();
    while stream.peer_addr().is_ok() {
        assert!(clock::now() - start < Duration::from_mins(1), "the reset does not arrive");
        std::thread::yield_now();
    }
    stream
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shutdown_after_a_reset_tells_of_the_reset() {
        for told in [false, true] {
            let stream = reset_connection(b"");
            if told {
                let error = stream.take_error().unwrap().expect("the reset");
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            }
            let error = stream.shutdown(std::net::Shutdown::Write).expect_err("no connection");
            assert_eq!(error.kind(), ErrorKind::NotConnected);
            let explained = explain_shutdown(error, stream.take_error());
            assert_eq!(explained.kind(), ErrorKind::ConnectionReset, "told: {told}");
        }
        let other = explain_shutdown(ErrorKind::PermissionDenied.into(), Ok(None));
        assert_eq!(other.kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn targets_are_addresses_or_names_with_a_port() {
        assert_eq!("127.0.0.1:7007".parse(), Ok(Target::Address(([127, 0, 0, 1], 7007).into())));
        assert_eq!("[::1]:7".parse::<Target>().map(|t| t.to_string()), Ok("[::1]:7".to_owned()));
        assert_eq!("board:7".parse(), Ok(Target::Name("board".to_owned(), 7)));
        assert!(ECHO_DEFAULT.parse::<Target>().is_ok());
    }

    #[test]
    fn a_range_is_the_same_port_of_each_address() {
        let range = "198.18.0.255-198.18.1.1:7".parse::<Targets>().unwrap();
        assert_eq!(range.to_string(), "198.18.0.255-198.18.1.1:7");
        let services = range.resolve().unwrap();
        let expected = [[198, 18, 0, 255], [198, 18, 1, 0], [198, 18, 1, 1]];
        assert_eq!(services, expected.map(|address| vec![SocketAddr::from((address, 7))]));
        assert!(matches!("my-board:7".parse(), Ok(Targets::One(Target::Name(..)))));
        for (bad, why) in [
            ("10.0.0.2-10.0.0.1:7", "FIRST-LAST:PORT"),
            ("10.0.0.1-x:7", "FIRST-LAST:PORT"),
            ("10.0.0.1-10.0.0.2:0", "FIRST-LAST:PORT"),
            ("0.0.0.0-255.255.255.255:7", "16384 at most"),
        ] {
            let error = bad.parse::<Targets>().unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn a_wrong_target_says_how_to_write_it() {
        for (text, part) in [
            ("127.0.0.1", "no port"),
            ("", "no port"),
            ("::1:7007", "brackets"),
            (":7007", "not a host"),
            ("[::1]", "not a host and a port"),
            ("http://board:80", "not a host"),
            ("board/x:80", "not a host"),
            ("board:http", "not a port"),
            ("board:65536", "not a port"),
            ("board:0", "port 0"),
            ("127.0.0.1:0", "port 0"),
        ] {
            let error = text.parse::<Target>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn hosts_have_no_port() {
        let loopback = Host::Address([127, 0, 0, 1].into());
        assert_eq!("127.0.0.1".parse(), Ok(loopback.clone()));
        assert_eq!("[::1]".parse::<Host>(), "::1".parse());
        assert_eq!("board".parse(), Ok(Host::Name("board".to_owned())));
        assert_eq!(loopback.port(7).to_string(), "127.0.0.1:7");
        assert_eq!(loopback.resolve(), Ok([127, 0, 0, 1].into()));
        for text in ["127.0.0.1:7", "board:7", "[::1]:7", "", "http://board", "a b"] {
            let error = text.parse::<Host>().expect_err(text);
            assert!(error.contains("without a port"), "{text}: {error}");
        }
    }

    #[test]
    fn each_connect_error_has_a_remedy() {
        let explain = |address: &str, kind: ErrorKind| {
            explain_connect(address.parse().unwrap(), &kind.into(), Duration::from_secs(10))
        };
        assert_eq!(
            explain("127.0.0.1:7007", ErrorKind::ConnectionRefused),
            "nothing listens on 127.0.0.1:7007; is the board up? start it with: tapboard"
        );
        assert!(explain("192.0.2.1:7", ErrorKind::ConnectionRefused).contains("not on this port"));
        assert!(explain("192.0.2.1:7", ErrorKind::TimedOut).contains("within 10 s"));
        assert!(explain("192.0.2.1:7", ErrorKind::NetworkUnreachable).contains("tapboard tap"));
        for kind in [ErrorKind::ConnectionRefused, ErrorKind::TimedOut, ErrorKind::HostUnreachable]
        {
            assert!(!explain("[::1]:7", kind).contains('\n'));
        }
    }
}
