//! A request (RFC 9112), and whether it may be one of a page in a browser.
//!
//! A page of any site can have a browser send requests to 127.0.0.1. So `Host` has to name this machine, or a page
//! whose name was made to lead here (DNS rebinding) could read the answers; an `Origin` has to be the same; and a body
//! has to be declared as JSON, which a page cannot do elsewhere without asking first.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::reply::Reply;

/// Longest request line and headers, bytes.
const HEAD_MAX: usize = 8 * 1024;
/// Longest body, bytes.
const BODY_MAX: usize = 4 * 1024;
/// Headers at most.
const HEADERS_MAX: usize = 32;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
}

/// A request that may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request<'b> {
    pub(crate) method: Method,
    pub(crate) path: &'b str,
    /// What kinds of content are understood, as `Accept` has them; empty unless it is there once.
    pub(crate) accept: &'b str,
    pub(crate) body: &'b [u8],
}

/// Who may be named as the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hosts {
    /// This address, or a loopback name with its port.
    Loopback(SocketAddr),
    /// Any address, or `localhost`, with any port: what reaches this machine from others may have come by another address
    /// than its own. No name leads elsewhere then than it says.
    Addresses,
    /// Anybody: no browser comes there.
    Any,
}

impl Hosts {
    fn has(self, host: &str) -> bool {
        let own = match self {
            Self::Loopback(own) => own,
            Self::Addresses => return is_address(host),
            Self::Any => return true,
        };
        let port = own.port();
        if host == own.to_string() {
            return true;
        }
        let name = host.strip_suffix(&format!(":{port}")).or_else(|| (port == 80).then_some(host));
        name.is_some_and(|name| {
            ["127.0.0.1", "[::1]"].contains(&name) || name.eq_ignore_ascii_case("localhost")
        })
    }

    /// The answer to who names another.
    fn refusal(self) -> Reply {
        let text = match self {
            Self::Loopback(own) => &format!("Host does not name this machine: use {own}"),
            Self::Addresses => "Host is no address: ask by an address in place of a name",
            Self::Any => "Host is missing",
        };
        Reply::error(403, text)
    }
}

/// Whether that is an address or `localhost`, with a port or without.
fn is_address(host: &str) -> bool {
    let port = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let name = port.map_or(host, |(name, _)| name);
    let v6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<Ipv4Addr>().is_ok()
        || v6.is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok())
}

/// Whether only the head of the answer is asked for, be that an error (RFC 9110 9.3.2).
pub(super) fn is_head(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"HEAD ")
}

impl<'b> Request<'b> {
    /// Reads what has come. `None`: more is to come; an error is the answer.
    pub(crate) fn read(bytes: &'b [u8], hosts: Hosts) -> Result<Option<Self>, Reply> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Request::new(&mut headers);
        let body = match head.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => &bytes[length..],
            Ok(httparse::Status::Partial) if bytes.len() <= HEAD_MAX => return Ok(None),
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return Err(Reply::error(431, "the headers are too long"));
            }
            Err(error) => return Err(Reply::error(400, &format!("this is no HTTP: {error}"))),
        };
        let one = |name: &str| -> Result<Option<&str>, Reply> {
            let mut all = head.headers.iter().filter(|known| known.name.eq_ignore_ascii_case(name));
            let first = all.next().map(|header| str::from_utf8(header.value));
            if all.next().is_some() || matches!(first, Some(Err(_))) {
                return Err(Reply::error(400, &format!("there may be one {name}, in ASCII")));
            }
            Ok(first.and_then(Result::ok))
        };
        let host = one("Host")?.filter(|host| hosts.has(host)).ok_or_else(|| hosts.refusal())?;
        if one("Origin")?.is_some_and(|origin| origin.strip_prefix("http://") != Some(host)) {
            return Err(Reply::error(403, "pages of other sites may not use this"));
        }
        let method = match head.method {
            Some("GET" | "HEAD") => Method::Get,
            Some("POST") => Method::Post,
            _ => return Err(Reply::error(405, "use GET or POST")),
        };
        if one("Transfer-Encoding")?.is_some() {
            return Err(Reply::error(501, "give the body at once, with its Content-Length"));
        }
        let len = match one("Content-Length")? {
            None if method == Method::Post => {
                return Err(Reply::error(411, "a POST needs a Content-Length"));
            }
            None => 0,
            Some(len) => match len.parse() {
                Ok(len) if len <= BODY_MAX => len,
                Ok(_) => return Err(Reply::error(413, "the body is too long")),
                Err(_) => return Err(Reply::error(400, "Content-Length is no number")),
            },
        };
        let json = |kind: &str| kind.split(';').next().map(str::trim) == Some("application/json");
        if method == Method::Post && !one("Content-Type")?.is_some_and(json) {
            return Err(Reply::error(415, "a POST needs Content-Type: application/json"));
        }
        let accept = one("Accept").ok().flatten().unwrap_or_default();
        let path = head.path.unwrap_or("/");
        Ok(body.get(..len).map(|body| Self { method, path, accept, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    const HOSTS: Hosts =
        Hosts::Loopback(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 7070));

    fn status(text: &str) -> u16 {
        Request::read(text.as_bytes(), HOSTS).unwrap_err().status()
    }

    #[test]
    fn a_request_is_read_when_all_of_it_is_there() {
        let text = "POST /a HTTP/1.1\r\nHost: localhost:7070\r\nContent-Type: application/json; charset=utf-8\r\n\
                    Content-Length: 2\r\n\r\n{}";
        for len in 0..text.len() {
            assert_eq!(Request::read(&text.as_bytes()[..len], HOSTS), Ok(None), "{len}");
        }
        let request = Request { method: Method::Post, path: "/a", accept: "", body: b"{}" };
        assert_eq!(Request::read(text.as_bytes(), HOSTS), Ok(Some(request)));
    }

    #[test]
    fn what_is_understood_is_told() {
        let read = |text: &'static str| Request::read(text.as_bytes(), HOSTS).unwrap().unwrap();
        let host = "HTTP/1.1\r\nHost: localhost:7070\r\n";
        let get = format!("GET /m {host}Accept: text/plain, */*\r\n\r\n").leak();
        let get = read(get);
        assert_eq!((get.method, get.accept), (Method::Get, "text/plain, */*"));
        let head = format!("HEAD /m {host}Accept: a/b\r\nAccept: c/d\r\n\r\n").leak();
        let head = read(head);
        assert_eq!((head.method, head.accept), (Method::Get, ""));
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let get = |more: &str| format!("GET / HTTP/1.1\r\n{more}\r\n");
        for host in ["127.0.0.1:7070", "localhost:7070", "[::1]:7070", "127.0.0.2:7070"] {
            let own = get(&format!("Host: {host}\r\nOrigin: http://{host}\r\n"));
            assert!(Request::read(own.as_bytes(), HOSTS).unwrap().is_some(), "{host}");
            let other = get(&format!("Host: {host}\r\nOrigin: http://example.com\r\n"));
            assert_eq!(status(&other), 403, "{host}");
        }
        for more in [
            "",
            "Host: example.com:7070\r\n",
            "Host: 127.0.0.1\r\n",
            "Host: 127.0.0.1:7081\r\n",
            "Host: 127.0.0.1:7070\r\nOrigin: null\r\n",
        ] {
            assert_eq!(status(&get(more)), 403, "{more}");
        }
        let twice = get("Host: 127.0.0.1:7070\r\nHost: 127.0.0.1:7070\r\n");
        assert_eq!(status(&twice), 400);
        let post = |kind: &str| {
            format!("POST / HTTP/1.1\r\nHost: [::1]:7070\r\nContent-Length: 0\r\n{kind}\r\n")
        };
        assert_eq!(status(&post("Content-Type: text/plain\r\n")), 415);
        assert_eq!(status(&post("")), 415);
        // What is reached from other machines is asked by addresses: those of a name may change.
        let reached = |host: &str| {
            let text = get(&format!("Host: {host}\r\n"));
            Request::read(text.as_bytes(), Hosts::Addresses).map(|request| request.is_some())
        };
        for host in ["192.0.2.7:9100", "192.0.2.7", "[2001:db8::7]:9100", "[::1]", "LocalHost:80"] {
            assert_eq!(reached(host), Ok(true), "{host}");
        }
        for host in ["example.com:9100", "example.com", "localhost.example.com", "[example]", ""] {
            assert_eq!(reached(host).unwrap_err().status(), 403, "{host}");
        }
        let other = get("Host: 192.0.2.7:9100\r\nOrigin: http://example.com\r\n");
        assert!(Request::read(other.as_bytes(), Hosts::Addresses).is_err());
        // No browser comes to a UNIX socket.
        let any = get("Host: tapboard\r\n");
        assert!(Request::read(any.as_bytes(), Hosts::Any).unwrap().is_some());
    }

    #[test]
    fn what_is_too_much_or_no_http_is_refused() {
        let line = "Host: 127.0.0.1:7070\r\n";
        assert_eq!(status("hello\r\n\r\n"), 400);
        assert_eq!(status(&format!("PUT / HTTP/1.1\r\n{line}\r\n")), 405);
        assert_eq!(status(&format!("POST / HTTP/1.1\r\n{line}\r\n")), 411);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
        assert_eq!(status(&many), 431);
        assert_eq!(status(&format!("GET /{}", "a".repeat(HEAD_MAX))), 431);
        for (len, expected) in [("4097", 413), ("-1", 400), ("99999999999999999999", 400)] {
            let text = format!("POST / HTTP/1.1\r\n{line}Content-Length: {len}\r\n\r\n");
            assert_eq!(status(&text), expected, "{len}");
        }
        let chunked = format!("POST / HTTP/1.1\r\n{line}Transfer-Encoding: chunked\r\n\r\n");
        assert_eq!(status(&chunked), 501);
    }
}
