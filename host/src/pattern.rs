//! Test data that anyone can recompute: a pseudo-random byte for each offset of a stream.
//!
//! A [`Pattern`] is a pure function of seed, stream number and offset, so the sender keeps no copy of what
//! it sent and the receiver knows what must come next, however the network cut the stream. Different
//! streams differ from the first byte on, so data that ends up in another connection is found too; and no
//! short period hides data that is lost, repeated or moved. It is `SplitMix64` with the offset as its
//! counter: eight bytes for a few multiplications, and no secret.

/// The step of the counter: 2^64 divided by the golden ratio (Steele, Lea, Flood 2014).
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Bytes that one evaluation yields.
const WORD: u64 = 8;

/// The data of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    key: u64,
}

/// A byte that is not what the pattern has at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where in the slice that was compared.
    pub index: usize,
    /// What the pattern has there.
    pub expected: u8,
    /// What the slice has there.
    pub received: u8,
}

/// The finalizer of `SplitMix64`: each bit of the result depends on all bits of `word`.
const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl Pattern {
    /// The data of stream number `stream` under `seed`.
    #[must_use]
    pub const fn new(seed: u64, stream: u64) -> Self {
        // Mixed twice, so that neighbouring seeds and streams do not yield shifted copies of each other.
        Self { key: mix(mix(seed.wrapping_add(GAMMA)).wrapping_add(stream)) }
    }

    const fn word(self, number: u64) -> [u8; WORD as usize] {
        mix(self.key.wrapping_add(number.wrapping_mul(GAMMA))).to_le_bytes()
    }

    /// Fills `buffer` with the bytes from `offset` on.
    pub fn fill(self, offset: u64, buffer: &mut [u8]) {
        let skip = (offset % WORD) as usize;
        let mut number = offset / WORD;
        let head = buffer.len().min((WORD as usize - skip) % WORD as usize);
        let (first, rest) = buffer.split_at_mut(head);
        if !first.is_empty() {
            first.copy_from_slice(&self.word(number)[skip..skip + head]);
            number += 1;
        }
        for chunk in rest.chunks_mut(WORD as usize) {
            chunk.copy_from_slice(&self.word(number)[..chunk.len()]);
            number += 1;
        }
    }

    /// Compares `received` with the bytes from `offset` on and returns the first difference.
    #[must_use]
    pub fn first_difference(self, offset: u64, received: &[u8]) -> Option<Difference> {
        let mut expected = [0; 1024];
        let mut done = 0;
        for part in received.chunks(expected.len()) {
            let expected = &mut expected[..part.len()];
            self.fill(offset + done as u64, expected);
            if part != &*expected {
                let at = part.iter().zip(&*expected).position(|(a, b)| a != b)?;
                return Some(Difference {
                    index: done + at,
                    expected: expected[at],
                    received: part[at],
                });
            }
            done += part.len();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(pattern: Pattern, offset: u64, length: usize) -> Vec<u8> {
        let mut buffer = vec![0; length];
        pattern.fill(offset, &mut buffer);
        buffer
    }

    #[test]
    fn any_cut_of_the_stream_yields_the_same_bytes() {
        let pattern = Pattern::new(7, 3);
        let whole = bytes(pattern, 0, 100);
        for start in 0..40 {
            for length in 0..60 {
                assert_eq!(bytes(pattern, start as u64, length), whole[start..start + length]);
            }
        }
    }

    #[test]
    fn the_bytes_of_a_seed_never_change() {
        // A failure report names seed and offset; both must mean the same bytes in every version.
        assert_eq!(bytes(Pattern::new(1, 1), 0, 8), [58, 99, 237, 208, 143, 99, 145, 57]);
        // The first output of the reference implementation for seed 0.
        assert_eq!(mix(GAMMA), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn streams_and_seeds_differ_at_every_shift() {
        let one = bytes(Pattern::new(1, 0), 0, 4096);
        for other in [Pattern::new(1, 1), Pattern::new(2, 0), Pattern::new(0, 1)] {
            let other = bytes(other, 0, 4096);
            for shift in 0..64 {
                let equal = one[shift..].iter().zip(&other).filter(|(a, b)| a == b).count();
                assert!(equal < 64, "{equal} of 4096 bytes are equal at shift {shift}");
            }
        }
    }

    #[test]
    fn a_lost_or_repeated_byte_is_noticed_at_once() {
        let pattern = Pattern::new(1, 0);
        for offset in 1..2000 {
            for shifted in [offset - 1, offset + 1] {
                let found = pattern.first_difference(offset, &bytes(pattern, shifted, 16));
                assert!(found.is_some_and(|difference| difference.index < 4), "offset {offset}");
            }
        }
    }

    #[test]
    fn the_first_difference_is_named() {
        let pattern = Pattern::new(9, 9);
        let mut data = bytes(pattern, 13, 5000);
        assert_eq!(pattern.first_difference(13, &data), None);
        data[4000] ^= 0x10;
        data[3000] ^= 0x01;
        let expected = data[3000] ^ 0x01;
        assert_eq!(
            pattern.first_difference(13, &data),
            Some(Difference { index: 3000, expected, received: data[3000] })
        );
    }
}
