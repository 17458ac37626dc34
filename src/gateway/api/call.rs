//! What the API can do, by the paths that gvproxy has for the same.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;

use crate::gateway::{Forward, HostPort, Protocol};
use crate::http::{Method, Reply, Request};

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

const ALL: &str = "/services/forwarder/all";
const EXPOSE: &str = "/services/forwarder/expose";
const UNEXPOSE: &str = "/services/forwarder/unexpose";
const LEASES: &str = "/services/dhcp/leases";
const STATS: &str = "/stats";

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
        let Request { method, path, body, .. } = request;
        let (wanted, word) = match path {
            ALL | LEASES | STATS => (Method::Get, "GET"),
            EXPOSE | UNEXPOSE => (Method::Post, "POST"),
            _ => return Err(Reply::error(404, PATHS)),
        };
        if method != wanted {
            return Err(Reply::error(405, &format!("use {word} for {path}")));
        }
        let call = match path {
            ALL => Ok(Self::All),
            LEASES => Ok(Self::Leases),
            STATS => Ok(Self::Stats),
            EXPOSE => Body::read(body).and_then(|body| body.forward(board)).map(Self::Expose),
            _ => Body::read(body).and_then(|body| body.host()).map(Self::Unexpose),
        };
        call.map_err(|error| Reply::error(400, &error))
    }
}

impl Body {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    fn forward(&self, own: Ipv4Addr) -> Result<Forward, String> {
        let host = self.host()?;
        let remote = self.remote.as_deref().unwrap_or("");
        let example = || format!("remote is {remote:?}, but has to be the board's, e.g. {own}:7");
        let port = remote.strip_prefix(':').map(str::parse);
        let board = if let Some(port) = port {
            port.map_err(|_| example())?
        } else {
            let remote: SocketAddr = remote.parse().map_err(|_| example())?;
            if remote.ip() == own { remote.port() } else { 0 }
        };
        if board == 0 { Err(example()) } else { Ok(Forward { host, board }) }
    }

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
        read(Method::Post, path, body)
    }

    fn read(method: Method, path: &'static str, body: &'static str) -> Result<Call, Reply> {
        let request = Request { method, path, accept: "", body: body.as_bytes() };
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
        assert_eq!(read(Method::Get, "/stats", ""), Ok(Call::Stats));
    }
}
