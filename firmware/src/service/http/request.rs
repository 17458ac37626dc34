//! A request's head, byte by byte: what of it this server has a use for.
//!
//! A head is not kept: each line is read when it ends (RFC 9112 2 to 5), and of a line that is longer than
//! [`HTTP_LINE`], such as a browser's cookies, only the beginning, if nothing is asked of it. So a connection takes a line
//! of RAM for heads of up to [`HTTP_HEAD`] bytes.

use heapless::Vec;
use tapboard_net::netstat::Introspect;

use super::authority::{Authority, authority, is_ours};
use super::field::{Field, decimal, field, is_token};
use super::status::Status;
use crate::config::{HTTP_HEAD, HTTP_LINE};
use crate::service::access::{Access, Credentials};

/// What is to be done (RFC 9110 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Post,
    #[default]
    Other,
}

/// What it is to be done to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Resource {
    Page,
    Status,
    Events,
    Metrics,
    Led,
    Login,
    #[default]
    Unknown,
}

impl Resource {
    fn at(path: &[u8]) -> Self {
        let path = path.split(|&byte| byte == b'?').next().unwrap_or_default();
        match path {
            b"/" | b"/index.html" => Self::Page,
            b"/api/status" => Self::Status,
            b"/events" => Self::Events,
            b"/metrics" => Self::Metrics,
            b"/api/led" => Self::Led,
            b"/api/login" => Self::Login,
            _ => Self::Unknown,
        }
    }

    /// Whether it is there to be changed, and not to be read.
    pub(super) const fn takes_post(self) -> bool {
        matches!(self, Self::Led | Self::Login)
    }
}

/// What becomes of the connection (RFC 9112 9.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Persistence {
    /// HTTP/1.1 goes on, HTTP/1.0 does not.
    #[default]
    OfVersion,
    KeepAlive,
    Close,
}

/// Where it says to whom a request was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Addressed {
    /// Nowhere yet.
    #[default]
    No,
    /// In its target, whatever `Host` says (RFC 9112 3.2.2).
    InTarget,
    /// In `Host`.
    InHost,
}

/// Whose page sent a request (RFC 6454 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Origin {
    /// None says so: it was no page, or one that was gone to.
    #[default]
    None,
    /// It came before `Host`, and is to be compared with it.
    Pending,
    /// The host's that it was sent to.
    Same,
    Other,
}

/// What a request asks for.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) resource: Resource,
    /// HTTP/1.1 or a later 1.x, and not 1.0.
    pub(super) modern: bool,
    persistence: Persistence,
    /// Bytes of content.
    pub(super) length: Option<usize>,
    /// To whom it was sent. Until that is known, the origin, without its scheme, if it came before.
    authority: Authority,
    addressed: Addressed,
    origin: Origin,
    pub(super) credentials: Credentials,
    /// Whether the client has the page that has this entity tag.
    pub(super) has_page: bool,
}

impl Request {
    /// Whether the client would send another one on this connection.
    pub(super) const fn persists(&self) -> bool {
        match self.persistence {
            Persistence::OfVersion => self.modern,
            Persistence::KeepAlive => true,
            Persistence::Close => false,
        }
    }

    /// Whether it is for this board, or why not, as far as another web page is concerned: one that a browser shows of
    /// somebody else is of another origin, and one whose name was made to point here (DNS rebinding) asks for that name, and
    /// could read all that the board answers. `name` is the board's, and `stack` may know another. HTTP/1.0, which no
    /// browser speaks, need not say to whom it is sent.
    pub(super) fn is_of_this_board(
        &self,
        name: &str,
        stack: &impl Introspect,
    ) -> Result<(), &'static str> {
        let to_us = match self.addressed {
            Addressed::No => !self.modern,
            Addressed::InTarget | Addressed::InHost => is_ours(&self.authority, name, stack),
        };
        match self.origin {
            _ if !to_us => Err(OTHER_HOST),
            Origin::None | Origin::Same => Ok(()),
            Origin::Pending | Origin::Other => Err(OTHER_ORIGIN),
        }
    }

    /// It was sent to `host`.
    fn address(&mut self, host: &[u8], by: Addressed) {
        let host = authority(host);
        if self.origin == Origin::Pending {
            self.origin = compare(&self.authority, &host);
        }
        (self.authority, self.addressed) = (host, by);
    }

    /// It was sent by a page of `origin`, without the scheme, which is ours. Of two, neither counts.
    fn come_from(&mut self, origin: &[u8]) {
        self.origin = match (self.origin, self.addressed) {
            (Origin::None, Addressed::No) => {
                self.authority = authority(origin);
                Origin::Pending
            }
            (Origin::None, _) => compare(&authority(origin), &self.authority),
            _ => Origin::Other,
        };
    }
}

/// Whether two authorities are the same; those that were too long are none.
fn compare(origin: &Authority, host: &Authority) -> Origin {
    if !origin.is_empty() && origin.eq_ignore_ascii_case(host) {
        Origin::Same
    } else {
        Origin::Other
    }
}

/// Why a request to another name is refused,
const OTHER_HOST: &str = "Host is no address, and no name of this board's\n";

/// and one of another page.
const OTHER_ORIGIN: &str = "another web page asks (Origin)\n";

/// What has come of a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more to come.
    Partial,
    /// That was the head.
    Complete,
    /// It is none.
    Invalid(Status),
}

/// Reads one head after another.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "what has come, each by itself")]
pub(super) struct Reader {
    pub(super) request: Request,
    line: Vec<u8, HTTP_LINE>,
    /// The line is longer than that, and its end is of no account.
    overlong: bool,
    /// The last byte was a carriage return.
    returned: bool,
    /// The request line has come.
    begun: bool,
    /// `Host` has come.
    hosted: bool,
    /// Bytes so far.
    size: usize,
}

impl Reader {
    /// Whether no request has begun.
    pub(super) fn is_empty(&self) -> bool {
        !self.begun && self.line.is_empty()
    }

    /// Bytes so far, those of blank lines before the request among them.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Keeps a byte of content, which is behind the head.
    pub(super) fn keep(&mut self, byte: u8) {
        // There is room: longer ones were refused.
        let _ = self.line.push(byte);
    }

    /// The content.
    pub(super) fn content(&self) -> &[u8] {
        &self.line
    }

    /// Takes the next byte.
    pub(super) fn feed(&mut self, byte: u8, access: &Access) -> Progress {
        match self.take(byte, access) {
            Ok(true) => Progress::Complete,
            Ok(false) => Progress::Partial,
            Err(status) => Progress::Invalid(status),
        }
    }

    /// Says whether that was the end.
    fn take(&mut self, byte: u8, access: &Access) -> Result<bool, Status> {
        self.size += 1;
        if self.size > HTTP_HEAD {
            return Err(Status::HeadTooLarge);
        }
        if byte == b'\n' {
            self.returned = false;
            return self.end_of_line(access);
        }
        // A carriage return by itself, or a control character (RFC 9112 2.2, RFC 9110 5.5).
        if self.returned || byte != b'\r' && byte != b'\t' && byte.is_ascii_control() {
            return Err(Status::BadRequest);
        }
        if byte == b'\r' {
            self.returned = true;
        } else if !self.overlong && self.line.push(byte).is_err() {
            self.cut()?;
        }
        Ok(false)
    }

    /// The line has no more room: nothing may be asked of it.
    fn cut(&mut self) -> Result<(), Status> {
        if !self.begun {
            return Err(Status::UriTooLong);
        }
        let (name, _) = field(&self.line)?;
        if Field::of(name) != Field::Other {
            return Err(Status::HeadTooLarge);
        }
        self.overlong = true;
        Ok(())
    }

    fn end_of_line(&mut self, access: &Access) -> Result<bool, Status> {
        let line = core::mem::take(&mut self.line);
        if core::mem::take(&mut self.overlong) {
            return Ok(false);
        }
        if !self.begun {
            // Some clients send an empty line behind a request's content (RFC 9112 2.2).
            if !line.is_empty() {
                self.request_line(&line)?;
                self.begun = true;
            }
            return Ok(false);
        }
        if !line.is_empty() {
            return self.header_field(&line, access).map(|()| false);
        }
        // RFC 9112 3.2.
        if self.request.modern && !self.hosted {
            return Err(Status::BadRequest);
        }
        Ok(true)
    }

    /// RFC 9112 3: method, target and version, with one space between two of them.
    fn request_line(&mut self, line: &[u8]) -> Result<(), Status> {
        let mut words = line.split(|&byte| byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Status::BadRequest);
        };
        if !is_token(method) || target.is_empty() {
            return Err(Status::BadRequest);
        }
        match version {
            b"HTTP/1.0" => {}
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => self.request.modern = true,
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
                return Err(Status::VersionNotSupported);
            }
            _ => return Err(Status::BadRequest),
        }
        self.request.method = match method {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            _ => Method::Other,
        };
        let mut path = target;
        // As proxies are asked, and servers have to understand too (RFC 9112 3.2.2); then `Host` is of no account.
        if let Some((scheme, rest)) = target.split_at_checked(HTTP.len())
            && scheme.eq_ignore_ascii_case(HTTP)
        {
            let end = rest.iter().position(|&byte| matches!(byte, b'/' | b'?'));
            let end = end.unwrap_or(rest.len());
            self.request.address(&rest[..end], Addressed::InTarget);
            path = if end == rest.len() { b"/" } else { &rest[end..] };
        }
        self.request.resource = Resource::at(path);
        Ok(())
    }

    /// RFC 9112 5: a name, a colon at once behind it, and a value with white space around it.
    fn header_field(&mut self, line: &[u8], access: &Access) -> Result<(), Status> {
        let (name, value) = field(line)?;
        let request = &mut self.request;
        match Field::of(name) {
            Field::Host => {
                if core::mem::replace(&mut self.hosted, true) {
                    return Err(Status::BadRequest);
                }
                // The target's own stands.
                if request.addressed == Addressed::No {
                    request.address(value, Addressed::InHost);
                }
            }
            Field::Origin => {
                let (scheme, rest) = value.split_at_checked(HTTP.len()).unwrap_or_default();
                // Another scheme is nobody's here, and the same as no host.
                request.come_from(if scheme.eq_ignore_ascii_case(HTTP) { rest } else { b"" });
            }
            Field::ContentLength => {
                let length = decimal(value).ok_or(Status::BadRequest)?;
                if request.length.is_some_and(|before| before != length) {
                    return Err(Status::BadRequest);
                }
                request.length = Some(length);
            }
            // Only chunks are usual, and of those nobody sends few.
            Field::TransferEncoding => return Err(Status::NotImplemented),
            Field::Connection => {
                for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                    if option.eq_ignore_ascii_case(b"close") {
                        request.persistence = Persistence::Close;
                    } else if option.eq_ignore_ascii_case(b"keep-alive")
                        && request.persistence == Persistence::OfVersion
                    {
                        request.persistence = Persistence::KeepAlive;
                    }
                }
            }
            Field::Authorization => {
                // A second one would be a second guess.
                if request.credentials != Credentials::None {
                    return Err(Status::BadRequest);
                }
                let (scheme, guess) = value.split_at_checked(BEARER.len()).unwrap_or_default();
                request.credentials = if scheme.eq_ignore_ascii_case(BEARER) {
                    access.examine(guess.trim_ascii_start())
                } else {
                    Credentials::Wrong
                };
            }
            Field::IfNoneMatch => {
                let tag = super::page::tag().as_bytes();
                request.has_page = value.windows(tag.len()).any(|part| part == tag);
            }
            Field::Other => {}
        }
        Ok(())
    }
}

/// What begins a target or an origin of this server's.
const HTTP: &[u8] = b"http://";

/// What begins credentials (RFC 6750 2.1).
const BEARER: &[u8] = b"Bearer ";
