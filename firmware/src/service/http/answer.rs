//! The head of an answer (RFC 9112 4), and answers that are little more.

use core::fmt::Write as _;

use super::Context;
use super::page::FIELDS as PAGE_FIELDS;
use super::request::Method;
use super::session::{Phase, Session};
use super::status::Status;
use crate::config::{HTTP_ANSWER_TIME, HTTP_REQUESTS, HTTP_TURN};

impl Session {
    /// An answer that is but its status.
    pub(super) fn answer<B>(&mut self, status: Status, context: &Context<'_, B>) {
        self.refuse(status, status.line(), context);
    }

    /// An answer that says why there is no other.
    pub(super) fn refuse<B>(
        &mut self,
        status: Status,
        text: &'static str,
        context: &Context<'_, B>,
    ) {
        let request = &self.reader.request;
        let head_only = request.method == Method::Head;
        let more = match status {
            Status::Unauthorized => "WWW-Authenticate: Bearer\r\n",
            Status::MethodNotAllowed if request.resource.takes_post() => "Allow: POST\r\n",
            Status::MethodNotAllowed => "Allow: GET, HEAD\r\n",
            Status::ServiceUnavailable => "Retry-After: 5\r\n",
            _ => "",
        };
        let text = if status.is_bare() { "" } else { text };
        let (kind, length) =
            if status.is_bare() { ("", None) } else { ("text/plain", Some(text.len())) };
        self.head(status, kind, length, more, context);
        self.phase = Phase::Bytes(if head_only { b"" } else { text.as_bytes() });
    }

    /// Writes an answer's head; its content has the type `kind`, unless that is empty, and if that is known a length.
    /// `more` are further fields, each with its end of line.
    #[inline(never)]
    pub(super) fn head<B>(
        &mut self,
        status: Status,
        kind: &str,
        length: Option<usize>,
        more: &str,
        context: &Context<'_, B>,
    ) {
        let request = &self.reader.request;
        self.requests += 1;
        // Who is told to end its connection does so at once; who is not, when it pleases.
        let now = context.facts.now;
        let others_turn = context.awaited && now >= self.since + HTTP_TURN;
        self.ends |= !request.persists() || self.requests >= HTTP_REQUESTS || others_turn;
        self.deadline = Some(now + HTTP_ANSWER_TIME);
        let connection = match (self.ends, request.modern) {
            (true, _) => "Connection: close\r\n",
            (false, true) => "",
            (false, false) => "Connection: keep-alive\r\n",
        };
        let mut written = write!(self.output, "HTTP/1.1 {}\r\n{connection}{more}", status.line());
        if !kind.is_empty() {
            let text = format_args!("Content-Type: {kind}\r\nX-Content-Type-Options: nosniff\r\n");
            written = written.and(self.output.write_fmt(text));
        }
        if let Some(length) = length {
            written = written.and(write!(self.output, "Content-Length: {length}\r\n"));
        }
        // What the page brings itself is kept, and asked about.
        let cache = if more == PAGE_FIELDS { "no-cache" } else { "no-store" };
        written = written.and(write!(self.output, "Cache-Control: {cache}\r\n\r\n"));
        debug_assert!(written.is_ok(), "HTTP_OUTPUT holds the longest head");
    }
}
