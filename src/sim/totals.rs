//! What many worlds came to, in numbers that add up: in any order, on any number of threads and machines.

use serde::{Deserialize, Serialize};

use super::run::WorldReport;

/// Sums over worlds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    /// How many ran.
    pub(super) worlds: u64,
    /// In how many of them something did not hold.
    pub(super) failed: u64,
    /// Virtual time that passed in them, microseconds.
    pub(super) virtual_us: u64,
    /// Frames that machines sent.
    pub(super) frames: u64,
    /// Polls of machines.
    pub(super) polls: u64,
    /// The sum, modulo 2^64, of a hash of each world's seed and report: two runs of the same worlds that differ anywhere
    /// in these have other digests.
    #[serde(with = "hexadecimal")]
    pub(super) digest: u64,
}

impl Totals {
    /// Counts the world of a seed, or that of a plan without one.
    pub(super) fn add(&mut self, seed: Option<u64>, report: &WorldReport) {
        *self += Self {
            worlds: 1,
            failed: report.failure.is_some().into(),
            virtual_us: report.elapsed.total_micros(),
            frames: report.frames,
            polls: report.polls,
            digest: digest(seed, report),
        };
    }
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.failed += other.failed;
        self.virtual_us += other.virtual_us;
        self.frames += other.frames;
        self.polls += other.polls;
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

/// A hash (FNV-1a, with a finish that moves every bit) of all that a report says but the socket tables.
fn digest(seed: Option<u64>, report: &WorldReport) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    };
    for number in
        [seed.unwrap_or_default(), report.elapsed.total_micros(), report.frames, report.polls]
    {
        eat(&number.to_be_bytes());
    }
    if let Some(failure) = &report.failure {
        eat(&failure.at.total_micros().to_be_bytes());
        eat(failure.oracle.as_bytes());
        eat(failure.text.as_bytes());
    }
    hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

/// A number as 16 digits: readers of JSON keep 53 bits of a number.
mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    pub(super) fn serialize<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{number:016x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        u64::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use smoltcp::time::Duration;

    use super::*;

    #[test]
    fn sums_do_not_depend_on_the_order_and_tell_worlds_apart() {
        let report = |frames| WorldReport {
            elapsed: Duration::from_secs(1),
            frames,
            polls: 7,
            failure: None,
        };
        let sum = |worlds: &[(u64, u64)]| {
            let mut totals = Totals::default();
            for &(seed, frames) in worlds {
                totals.add(Some(seed), &report(frames));
            }
            totals
        };
        let all = sum(&[(0, 10), (1, 20), (2, 30)]);
        assert_eq!(all, sum(&[(2, 30), (0, 10), (1, 20)]));
        let mut parts = sum(&[(1, 20)]);
        parts += sum(&[(2, 30), (0, 10)]);
        assert_eq!(all, parts);
        // As many frames, but of other worlds.
        let other = sum(&[(0, 20), (1, 10), (2, 30)]);
        assert_eq!((other.frames, other.worlds), (all.frames, all.worlds));
        assert_ne!(other.digest, all.digest);
        let text = serde_json::to_string(&all).expect("numbers");
        assert_eq!(serde_json::from_str::<Totals>(&text).expect("it was just written"), all);
    }
}
