//! An answer: a status, a kind of content, and the content.

use serde_json::{Value, json};

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    status: u16,
    content_type: &'static str,
    body: String,
}

impl Reply {
    /// 200, with text of that kind.
    #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "metrics alone are such"))]
    pub(crate) const fn text(content_type: &'static str, body: String) -> Self {
        Self { status: 200, content_type, body }
    }

    /// 200, with what was asked for as JSON.
    pub(crate) fn json(value: &Value) -> Self {
        Self::of(200, value)
    }

    /// A failure, and what helps.
    pub(crate) fn error(status: u16, text: &str) -> Self {
        Self::of(status, &json!({ "error": text }))
    }

    fn of(status: u16, value: &Value) -> Self {
        Self { status, content_type: "application/json", body: format!("{value}\n") }
    }

    pub(crate) const fn is_ok(&self) -> bool {
        self.status == 200
    }

    #[cfg(test)]
    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    /// The whole message, after which the connection is closed; without the content if only its `head` is asked for.
    pub(super) fn bytes(&self, head: bool) -> Vec<u8> {
        let Self { status, content_type, body } = self;
        let (reason, length) = (reason(*status), body.len());
        let body = if head { "" } else { body };
        format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

/// The words that belong to a status (RFC 9110 15).
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        _ => "",
    }
}
