//! Random numbers for ports (`NetStack::ephemeral_port`) and jitter: `SplitMix64`, 8 bytes of state and no multiplication
//! tables.
//!
//! Not for secrets. The generator walks all 2^64 states whatever the seed, so no seed is bad; but
//! who sees one whole output knows every later one, and every earlier. What has to be unguessable, initial sequence
//! numbers, does not come from here, nor does it follow from the seed of the stack's own generator. Ephemeral ports rest on
//! showing peers a few bits of each number only.

/// A `SplitMix64` generator (Steele, Lea, Flood: *Fast Splittable Pseudorandom Number Generators*,
/// 2014).
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// A generator that repeats the same numbers for the same seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    #[inline(never)]
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, not including, `bound`; 0 if `bound` is 0.
    ///
    /// One multiplication and no loop: a number is at most `bound` / 2^32 more likely than another.
    pub const fn below(&mut self, bound: u32) -> u32 {
        (((self.next_u64() >> 32) * bound as u64) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_sequence_of_seed_1234567() {
        let mut rng = Rng::new(1_234_567);
        for expected in
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        {
            assert_eq!(rng.next_u64(), expected);
        }
    }

    #[test]
    fn below_stays_below_and_reaches_both_ends() {
        let mut rng = Rng::new(0);
        let mut seen = [0_u32; 10];
        for _ in 0..1000 {
            seen[rng.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| count > 50), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
    }
}
