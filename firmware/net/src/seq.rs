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

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers around both places where something wraps: the number itself, and its sign.
    fn edges() -> impl Iterator<Item = u32> {
        [0, 1 << 31].into_iter().flat_map(|edge: u32| {
            (0..17).map(move |offset| edge.wrapping_sub(8).wrapping_add(offset))
        })
    }

    /// Lengths up to half the space, which no window is as long as.
    fn lengths() -> impl Iterator<Item = u32> {
        (0..17).chain([1460, 65_535, 1 << 30, (1 << 30) + 1, (1 << 31) - 2, (1 << 31) - 1])
    }

    const fn number(number: u32) -> TcpSeqNumber {
        TcpSeqNumber(number.cast_signed())
    }

    /// How far `a` is ahead of `b`, by arithmetic that does not wrap: of all whole numbers that say the same, the nearest.
    fn model(a: u32, b: u32) -> i64 {
        let ahead = (i64::from(a) - i64::from(b)).rem_euclid(1 << 32);
        if ahead < 1 << 31 { ahead } else { ahead - (1 << 32) }
    }

    #[test]
    fn a_distance_is_that_of_whole_numbers() {
        for b in edges() {
            for a in edges().chain(lengths().flat_map(|len| {
                [b.wrapping_add(len), b.wrapping_sub(len), b.wrapping_sub(len).wrapping_sub(1)]
            })) {
                let ahead = distance(number(a), number(b));
                assert_eq!(i64::from(ahead), model(a, b), "{a} - {b}");
                // But for the very opposite, which is behind from both.
                let opposite = ahead == i32::MIN;
                assert_eq!(distance(number(b), number(a)), if opposite { ahead } else { -ahead });
            }
        }
    }

    #[test]
    fn what_is_later_is_as_far_away_as_it_is_long_however_it_is_divided() {
        for b in edges() {
            for len in lengths() {
                let end = later(number(b), len as usize);
                assert_eq!(i64::from(distance(end, number(b))), i64::from(len), "{b} + {len}");
                assert_eq!(end.0.cast_unsigned(), b.wrapping_add(len));
                for first in [0, 1, len / 3, len] {
                    let first = first.min(len);
                    let middle = later(number(b), first as usize);
                    assert_eq!(later(middle, (len - first) as usize), end);
                }
            }
        }
    }

    /// RFC 9293 3.4, as the stack asks it: from the left edge on, and less than the window away.
    #[test]
    fn a_number_is_in_a_window_wherever_that_wraps() {
        for left in edges() {
            for window in lengths() {
                let near = (0..window.min(9)).flat_map(|in_it| [in_it, window - 1 - in_it]);
                let beyond = (0..9).flat_map(|by| [window + by, 0_u32.wrapping_sub(by + 1)]);
                for offset in near.chain(beyond) {
                    let seq = number(left.wrapping_add(offset));
                    let ahead = distance(seq, number(left));
                    let within = ahead >= 0 && ahead < window.cast_signed();
                    assert_eq!(within, offset < window, "{left} + {offset} of {window}");
                }
            }
        }
    }

    /// Of numbers less than half the space apart, one is the latest, and the order is one.
    #[test]
    fn within_half_the_space_the_order_is_transitive() {
        let all: std::vec::Vec<_> = edges().collect();
        let less = |a: u32, b: u32| distance(number(a), number(b)) < 0;
        for half in all.chunks(17) {
            for (a, b, c) in half
                .iter()
                .flat_map(|a| half.iter().flat_map(move |b| half.iter().map(move |c| (*a, *b, *c))))
            {
                assert!(!(less(a, b) && less(b, c)) || less(a, c), "{a} {b} {c}");
                assert_eq!(less(a, b) || less(b, a), a != b);
            }
        }
    }
}
