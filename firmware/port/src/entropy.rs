//! 64 bits of seed from a noisy source, for a chip without a random generator.
//!
//! [`SAMPLES`] samples go through a mixing function, each together with the time at which it came. A source
//! that repeats itself [`REPEATS`] times in a row is stuck, and nothing is made of it: that is the
//! repetition test of NIST SP 800-90B 4.4.1 for a quarter of a bit a sample and a false alarm once in
//! a million. The samples then hold 64 bits. Nobody has certified any of this for a given chip: a
//! product has a hardware random generator, or keeps a secret and a boot counter in flash.

use tapboard_firmware::rng::Rng;

/// Samples for one seed.
pub const SAMPLES: u32 = 256;

/// As many equal samples in a row mean that there is no noise: 1 + 20 / 0.25.
pub const REPEATS: u32 = 81;

/// A seed from [`SAMPLES`] of `sample`, each mixed with the time of `clock`; `None` if a sample is missing
/// or the source is stuck. Time says nothing about the source, so it does not count as noise.
pub fn gather(
    mut sample: impl FnMut() -> Option<u32>,
    mut clock: impl FnMut() -> u32,
) -> Option<u64> {
    let (mut seed, mut last, mut repeats) = (0, None, 0);
    for _ in 0..SAMPLES {
        let sample = if cfg!(feature = "no-entropy") { 0 } else { sample()? };
        repeats = if last == Some(sample) { repeats + 1 } else { 1 };
        if repeats == REPEATS {
            return None;
        }
        last = Some(sample);
        seed = Rng::new(seed ^ u64::from(sample) << 32 ^ u64::from(clock())).next_u64();
    }
    Some(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_and_every_time_counts() {
        let seed = |flip: u32, late: u32| {
            let (mut samples, mut times) = (0, 0);
            let seed = gather(
                || {
                    samples += 1;
                    Some(samples % 3 + u32::from(samples == flip))
                },
                || {
                    times += 1;
                    times * 1000 + u32::from(times == late)
                },
            );
            assert_eq!(samples, SAMPLES);
            seed.unwrap()
        };
        let plain = seed(0, 0);
        assert_eq!(plain, seed(0, 0));
        for n in 1..=SAMPLES {
            assert_ne!(plain, seed(n, 0), "sample {n}");
            assert_ne!(plain, seed(0, n), "time {n}");
        }
    }

    #[test]
    fn a_stuck_source_gives_nothing_whatever_the_clock_says() {
        let mut time = 0;
        let mut clock = || {
            time += 7;
            time
        };
        assert_eq!(gather(|| Some(512), &mut clock), None);
        let mut n = 0;
        let mut runs = |length: u32| {
            n = 0;
            gather(
                || {
                    n += 1;
                    Some(n / length)
                },
                || 0,
            )
        };
        assert_eq!(runs(REPEATS), None);
        assert!(runs(REPEATS - 1).is_some());
    }

    #[test]
    fn a_source_that_ends_gives_nothing() {
        let mut left = SAMPLES - 1;
        let sample = || {
            left = left.checked_sub(1)?;
            Some(left)
        };
        assert_eq!(gather(sample, || 0), None);
    }
}
