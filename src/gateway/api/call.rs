//! What the API can do, by the paths that gvproxy has for the same.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;

use super::reply::Reply;
use super::request::{Method, Request};
use crate::gateway::{Forward, HostPort, Protocol};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Call {
    /// List what is forwarded.
    All,
    Expose(Forward),
    Unexpose(HostPort),
    Leases,
    Stats,
}

/// What is said of another path.
const PATHS: &str = "there are GET /stats, /services/forwarder/all and /services/dhcp/leases, and \
                     POST /services/forwarder/expose and /services/forwarder/unexpose";

/// The body of `expose` and `unexpose`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// `:8080`, `127.0.0.1:8080` or `[::1]:8080`; without an address, all loopback addresses.
    local: String,
    /// `192.0.2.1:80`, or `:80`, for the board has one address.
    remote: Option<String>,
    /// `tcp` unless given, or `udp`.
    protocol: Option<String>,
}

impl Call {
    /// What a request asks for; the error is the answer. `board` is the board's address.
    pub(super) fn read(request: Request<'_>, board: Ipv4Addr) -> Result<Self, Reply> {
        let (wanted, call): (_, fn(&[u8], Ipv4Addr) -> Result<Self, String>) = match request.path {
            "/services/forwarder/all" => (Method::Get, |_, _| Ok(Self::All)),
            "/services/dhcp/leases" => (Method::Get, |_, _| Ok(Self::Leases)),
            "/stats" => (Method::Get, |_, _| Ok(Self::Stats)),
            "/services/forwarder/expose" => (Method::Post, expose),
            "/services/forwarder/unexpose" => (Method::Post, |body, _| {
                let body: Body = serde_json::from_slice(body).map_err(|error| error.to_string())?;
                body.host().map(Self::Unexpose)
            }),
            _ => {
                return Err(Reply::error(404, PATHS));
            }
        };
        if request.method != wanted {
            let word = if wanted == Method::Get { "GET" } else { "POST" };
            return Err(Reply::error(405, &format!("use {word} for {}", request.path)));
        }
        call(request.body, board).map_err(|error| Reply::error(400, &error))
    }
}

fn expose(body: &[u8], own: Ipv4Addr) -> Result<Call, String> {
    let body: Body = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let host = body.host()?;
    let remote = body.remote.as_deref().unwrap_or("");
    let example = || format!("remote is {remote:?}, but has to be the board's, e.g. {own}:7");
    let board = match remote.strip_prefix(':') {
        Some(port) => port.parse().map_err(|_| example())?,
        None => {
            let remote: SocketAddr = remote.parse().map_err(|_| example())?;
            if remote.ip() != own {
                return Err(example());
            }
            remote.port()
        }
    };
    if board == 0 { Err(example()) } else { Ok(Call::Expose(Forward { host, board })) }
}

impl Body {
    fn host(&self) -> Result<HostPort, String> {
        let protocol = match self.protocol.as_deref() {
            None | Some("tcp") => Protocol::Tcp,
            Some("udp") => Protocol::Udp,
            Some(other) => return Err(format!("protocol is {other:?}, but has to be tcp or udp")),
        };
        let local = self.local.strip_prefix(':').unwrap_or(&self.local);
        let host: HostPort = local.parse().map_err(|error| format!("local: {error}"))?;
        if host.protocol == Protocol::Both {
            Ok(HostPort { protocol, ..host })
        } else {
            Err("local has no protocol; give that as protocol".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(path: &'static str, body: &'static str) -> Result<Call, Reply> {
        let request = Request { method: Method::Post, path, body: body.as_bytes() };
        Call::read(request, Ipv4Addr::new(192, 0, 2, 1))
    }

    #[test]
    fn ports_are_named_as_gvproxy_does() {
        const PATH: &str = "/services/forwarder/expose";
        let forward = |text: &str| Ok(Call::Expose(text.parse().unwrap()));
        for (body, expected) in [
            (r#"{"local":":8080","remote":"192.0.2.1:80"}"#, "tcp:8080:80"),
            (
                r#"{"local":"127.0.0.1:8080","remote":":80","protocol":"udp"}"#,
                "udp:127.0.0.1:8080:80",
            ),
            (r#"{"local":"[::1]:8080","remote":":80","protocol":"tcp"}"#, "tcp:[::1]:8080:80"),
        ] {
            assert_eq!(post(PATH, body), forward(expected), "{body}");
        }
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"local":":8080"}"#,
            r#"{"local":":8080","remote":":0"}"#,
            r#"{"local":":0","remote":":80"}"#,
            r#"{"local":":8080","remote":"192.0.2.9:80"}"#,
            r#"{"local":"udp:8080","remote":":80"}"#,
            r#"{"local":":8080","remote":":80","protocol":"unix"}"#,
            r#"{"local":":8080","remote":":80","more":1}"#,
        ] {
            assert_eq!(post(PATH, bad).unwrap_err().status(), 400, "{bad}");
        }
        let gone = post("/services/forwarder/unexpose", r#"{"local":":8080"}"#);
        assert_eq!(gone, Ok(Call::Unexpose("tcp:8080".parse().unwrap())));
    }

    #[test]
    fn paths_have_their_method() {
        assert_eq!(post("/stats", "").unwrap_err().status(), 405);
        assert_eq!(post("/", "").unwrap_err().status(), 404);
        let get = Request { method: Method::Get, path: "/stats", body: b"" };
        assert_eq!(Call::read(get, Ipv4Addr::LOCALHOST), Ok(Call::Stats));
    }
}
