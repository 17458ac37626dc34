//! The grammar of a header field (RFC 9110 5), and which of them matter.

use super::status::Status;

/// A header field that this server has a use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Host,
    Origin,
    ContentLength,
    TransferEncoding,
    Connection,
    Authorization,
    IfNoneMatch,
    Other,
}

impl Field {
    pub(super) fn of(name: &[u8]) -> Self {
        const NAMES: [(&str, Field); 7] = [
            ("host", Field::Host),
            ("origin", Field::Origin),
            ("content-length", Field::ContentLength),
            ("transfer-encoding", Field::TransferEncoding),
            ("connection", Field::Connection),
            ("authorization", Field::Authorization),
            ("if-none-match", Field::IfNoneMatch),
        ];
        let known = NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        known.map_or(Self::Other, |&(_, field)| field)
    }
}

/// Name and value of a line.
pub(super) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Status> {
    let colon = line.iter().position(|&byte| byte == b':').ok_or(Status::BadRequest)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if is_token(name) { Ok((name, value.trim_ascii())) } else { Err(Status::BadRequest) }
}

/// RFC 9110 5.6.2.
pub(super) fn is_token(text: &[u8]) -> bool {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_tchar)
}

/// A number of digits alone; a larger one than can be is as large as can be.
pub(super) fn decimal(text: &[u8]) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_usize, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| usize::from(byte - b'0'))?;
        Some(number.saturating_mul(10).saturating_add(digit))
    })
}
