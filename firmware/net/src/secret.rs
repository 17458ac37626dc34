//! A boot's secret, and numbers that follow from it by `SipHash`-2-4, a one-way function.
//!
//! It is made at boot and never leaves: whatever random number others see follows from it in a way that tells nothing of the
//! secret, nor of the other numbers.

mod siphash;

use crate::rng::Rng;

/// What nobody else knows.
#[derive(Clone)]
pub(crate) struct Secret {
    key: [u64; 2],
    /// smoltcp takes the numbers that follow from it; see [`crate::workaround::isn`].
    pub(crate) in_use: bool,
}

impl Secret {
    /// From the entropy of this boot, of which it has as many bits.
    pub(crate) const fn new(entropy: u64) -> Self {
        let mut rng = Rng::new(entropy);
        Self { key: [rng.next_u64(), rng.next_u64()], in_use: true }
    }

    /// A number for another use, from which nothing of the secret follows.
    pub(crate) fn derive(&self, purpose: u8) -> u64 {
        self.hash(&[purpose])
    }

    /// The `count`th of 64 random bits that may be seen, all of them: neither the others nor anything of the secret follow.
    #[cfg(any(feature = "dns", feature = "sntp"))]
    pub(crate) fn draw(&self, count: u32) -> u64 {
        let mut input = [0xff; 5];
        input[1..].copy_from_slice(&count.to_be_bytes());
        self.hash(&input)
    }

    /// Which numbers follow from `input`, only who knows the secret can tell.
    #[inline(never)]
    pub(crate) fn hash(&self, input: &[u8]) -> u64 {
        siphash::siphash(self.key, input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_does_not_follow_from_what_is_derived_by_one_step_of_the_generator() {
        let secret = Secret::new(4);
        let mut rng = Rng::new(4);
        let outputs: [u64; 8] = core::array::from_fn(|_| rng.next_u64());
        for purpose in 0..4 {
            assert!(!outputs.contains(&secret.derive(purpose)));
            assert_ne!(secret.derive(purpose), secret.derive(purpose + 1));
        }
    }
}
