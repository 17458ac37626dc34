//! The page: one document without anything from outside of it, compressed when it was made, not when it is asked for.
//!
//! `page.html` is what it is made of; `tests/page.rs` of the simulator sees to it that `page.html.gz` is that, and
//! within its budget.

/// The page as gzip (RFC 1952).
pub(super) static PAGE: &[u8] = include_bytes!("page.html.gz");

// A limit of the board's flash.
const _: () = assert!(PAGE.len() <= 12 * 1024);

/// The first bytes of [`FIELDS`]: the entity tag (RFC 9110 8.8.3), without quotes, the checksum and the length that gzip
/// ends with; and what is behind it. No other page may show this one in a frame and have it clicked.
const TAG_LENGTH: usize = 16;
const BEFORE: &[u8] = b"Content-Encoding: gzip\r\nX-Frame-Options: DENY\r\nETag: \"";
const BEHIND: &[u8] = b"\"\r\n";

/// The header fields that only the page has.
pub(super) const FIELDS: &str = {
    const BYTES: [u8; BEFORE.len() + TAG_LENGTH + BEHIND.len()] = {
        let mut bytes = [0; BEFORE.len() + TAG_LENGTH + BEHIND.len()];
        let (field, tail) = bytes.split_at_mut(BEFORE.len());
        field.copy_from_slice(BEFORE);
        let (tag, behind) = tail.split_at_mut(TAG_LENGTH);
        behind.copy_from_slice(BEHIND);
        let page: &[u8] = include_bytes!("page.html.gz");
        let mut index = 0;
        while index < TAG_LENGTH {
            let byte = page[page.len() - TAG_LENGTH / 2 + index / 2];
            let digit = if index % 2 == 0 { byte >> 4 } else { byte & 15 };
            tag[index] = if digit < 10 { b'0' + digit } else { b'a' - 10 + digit };
            index += 1;
        }
        bytes
    };
    match core::str::from_utf8(&BYTES) {
        Ok(fields) => fields,
        Err(_) => panic!("it is ASCII"),
    }
};

/// The entity tag.
pub(super) fn tag() -> &'static str {
    &FIELDS[BEFORE.len()..BEFORE.len() + TAG_LENGTH]
}
