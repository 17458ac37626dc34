//! An answer of the API: a status and JSON.

use serde_json::{Value, json};

/// Status and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    status: u16,
    body: Value,
}

impl Reply {
    /// 200, with what was asked for.
    pub(super) const fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    /// A failure, and what helps.
    pub(super) fn error(status: u16, text: &str) -> Self {
        Self { status, body: json!({ "error": text }) }
    }

    pub(super) const fn is_ok(&self) -> bool {
        self.status == 200
    }

    #[cfg(test)]
    pub(super) const fn status(&self) -> u16 {
        self.status
    }

    /// The whole message, after which the connection is closed.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let Self { status, body } = self;
        let (reason, body) = (reason(*status), body.to_string() + "\n");
        format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{body}",
            body.len()
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
        501 => "Not Implemented",
        _ => "",
    }
}
