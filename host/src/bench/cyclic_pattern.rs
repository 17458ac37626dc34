//! Test data that costs a comparison and no computing: a period written out once, read from any offset.
//!
//! A [`CyclicPattern`] holds one period of its data and as much again as one read or write may take, so that what
//! belongs at any offset is one slice. Losing, repeating or moving bytes shows at once, unless by a
//! multiple of the period: that of [`CyclicPattern::random`] is a prime, which no segment or buffer divides, and
//! whoever compares also counts.

use crate::pattern::{Difference, Pattern};

/// Period of the random pattern, bytes: the largest prime below 64 Ki.
const RANDOM: usize = 65_521;

/// Characters of a line of chargen's pattern (RFC 864), without its CR LF.
const COLUMNS: usize = 72;

/// The printing characters of ASCII, from space to `~`.
const CHARACTERS: usize = 95;

/// Data that repeats after a period.
#[derive(Debug)]
pub struct CyclicPattern {
    /// A period, and [`Self::length_max`] bytes more.
    bytes: Vec<u8>,
    period: usize,
}

impl CyclicPattern {
    /// Pseudo-random bytes, for what is sent to the board. No slice is longer than `length_max`.
    #[must_use]
    pub fn random(length_max: usize) -> Self {
        let mut period = vec![0; RANDOM];
        Pattern::new(1, 0).fill(0, &mut period);
        Self::repeat(&period, length_max)
    }

    /// The classic pattern of chargen (RFC 864), for what the board sends by itself: 95 lines of 72
    /// characters, each line a character on from the one before. No slice is longer than `length_max`.
    #[must_use]
    pub fn chargen(length_max: usize) -> Self {
        let printing: Vec<u8> = (b' '..=b'~').collect();
        let line = |first: usize| {
            let characters = printing.iter().cycle().skip(first).take(COLUMNS).copied();
            characters.chain(*b"\r\n")
        };
        Self::repeat(&(0..CHARACTERS).flat_map(line).collect::<Vec<u8>>(), length_max)
    }

    fn repeat(period: &[u8], length_max: usize) -> Self {
        let bytes = period.iter().cycle().take(period.len() + length_max).copied().collect();
        Self { bytes, period: period.len() }
    }

    /// The longest slice, bytes.
    #[must_use]
    pub fn length_max(&self) -> usize {
        self.bytes.len() - self.period
    }

    /// The `length` bytes from `offset` on; at most [`Self::length_max`] of them.
    #[must_use]
    pub fn slice(&self, offset: u64, length: usize) -> &[u8] {
        assert!(length <= self.length_max(), "a longer slice may run over the end of the pattern");
        let start = (offset % self.period as u64) as usize;
        &self.bytes[start..start + length]
    }

    /// Compares `received` with the bytes from `offset` on and returns the first difference.
    #[must_use]
    pub fn first_difference(&self, offset: u64, received: &[u8]) -> Option<Difference> {
        let expected = self.slice(offset, received.len());
        if expected == received {
            return None;
        }
        let index = expected.iter().zip(received).position(|(one, other)| one != other)?;
        Some(Difference { index, expected: expected[index], received: received[index] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slice_is_the_same_endless_stream() {
        let pattern = CyclicPattern::random(1000);
        let period: Vec<u8> = pattern.slice(0, 1000).to_vec();
        assert_eq!(pattern.slice(RANDOM as u64, 1000), period);
        assert_eq!(pattern.slice(3 * RANDOM as u64 + 10, 990), &period[10..]);
        // Over the seam, from the last bytes of a period to the first of the next.
        assert_eq!(&pattern.slice(RANDOM as u64 - 5, 1000)[5..], &period[..995]);
    }

    #[test]
    fn chargen_is_that_of_rfc_864() {
        let pattern = CyclicPattern::chargen(8000);
        assert_eq!(pattern.period, 7030);
        let text = String::from_utf8(pattern.slice(0, 7030).to_vec()).expect("ASCII");
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 95);
        assert_eq!(
            lines[0],
            " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg"
        );
        assert!(lines[1].starts_with("!\"#") && lines[1].ends_with("fgh"), "{}", lines[1]);
        assert!(lines[94].starts_with("~ !"), "after the last character comes the first");
        assert_eq!(pattern.slice(7030, 74), pattern.slice(0, 74));
    }

    #[test]
    fn a_lost_repeated_or_changed_byte_is_named() {
        for pattern in [CyclicPattern::random(4096), CyclicPattern::chargen(4096)] {
            for offset in (1..200_000_u64).step_by(997) {
                assert_eq!(pattern.first_difference(offset, pattern.slice(offset, 4096)), None);
                for shifted in [offset - 1, offset + 1] {
                    let found = pattern.first_difference(offset, pattern.slice(shifted, 16));
                    assert!(found.is_some_and(|difference| difference.index < 4), "{offset}");
                }
            }
            let mut data = pattern.slice(77, 2000).to_vec();
            data[1234] ^= 0x10;
            let expected = data[1234] ^ 0x10;
            let difference = Difference { index: 1234, expected, received: data[1234] };
            assert_eq!(pattern.first_difference(77, &data), Some(difference));
        }
    }
}
