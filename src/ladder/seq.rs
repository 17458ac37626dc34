//! Sequence numbers, which wrap (RFC 9293 3.4).

/// `a - b` of sequence numbers that are less than 2 GiB apart.
fn difference(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

/// Whether `a` is after `b`.
pub(super) fn after(a: u32, b: u32) -> bool {
    difference(a, b) > 0
}
