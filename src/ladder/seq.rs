//! Sequence numbers, which wrap (RFC 9293 3.4): which of two comes after the other, and how graphs count on beyond 4 GiB.

/// `a - b` of sequence numbers that are less than 2 GiB apart.
fn difference(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

/// Whether `a` is after `b`.
pub(super) fn after(a: u32, b: u32) -> bool {
    difference(a, b) > 0
}

/// Sequence numbers that go on beyond 4 GiB: each is placed by the highest before it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extended(i64);

impl Extended {
    /// They begin at `number`.
    pub(super) fn new(number: u32) -> Self {
        Self(number.into())
    }

    /// Where that number is, nearest to the highest so far.
    pub(super) fn place(&mut self, number: u32) -> i64 {
        let at = self.0 + i64::from(difference(number, self.0 as u32));
        self.0 = self.0.max(at);
        at
    }
}
