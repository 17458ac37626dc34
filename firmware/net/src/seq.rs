//! Sequence numbers, which wrap (RFC 9293 3.4).

use smoltcp::wire::TcpSeqNumber;

/// How much later in the stream `a` is than `b`; negative if it is earlier.
pub(crate) const fn distance(a: TcpSeqNumber, b: TcpSeqNumber) -> i32 {
    a.0.wrapping_sub(b.0)
}

/// The number `len` bytes later. smoltcp's own `+` panics at half of the space, which no buffer and no segment
/// is as long as.
pub(crate) const fn later(seq: TcpSeqNumber, len: usize) -> TcpSeqNumber {
    TcpSeqNumber(seq.0.wrapping_add((len as u32).cast_signed()))
}
