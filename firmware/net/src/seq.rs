//! Sequence numbers, which wrap (RFC 9293 3.4).

use smoltcp::wire::TcpSeqNumber;

/// How much later in the stream `a` is than `b`; negative if it is earlier.
pub(crate) const fn distance(a: TcpSeqNumber, b: TcpSeqNumber) -> i32 {
    a.0.wrapping_sub(b.0)
}
