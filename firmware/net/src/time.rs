//! Times: deadlines that may be none, and a time in four bytes, for what each slot has to remember several
//! of.
//!
//! The latter are microseconds that wrap: it is right as long as it is no more than [`WrappingInstant::REACH`] away from the
//! `now` it is looked at. An absent one costs nothing more.

use core::num::NonZeroU32;

use smoltcp::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrappingInstant(NonZeroU32);

impl WrappingInstant {
    pub(crate) const EARLIEST: Self = Self(NonZeroU32::MIN);

    /// How far a time may lie from the `now` it is looked at: half an hour.
    pub(crate) const REACH: Duration = Duration::from_secs(30 * 60);

    /// `at`, or a microsecond later.
    pub(crate) const fn new(at: Instant) -> Self {
        match NonZeroU32::new(at.total_micros() as u32) {
            Some(micros) => Self(micros),
            None => Self::EARLIEST,
        }
    }

    /// How long ago an earlier moment was.
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        let micros = self.0.get().wrapping_sub(earlier.0.get()).cast_signed();
        Duration::from_micros(if micros < 0 { 0 } else { micros as u64 })
    }

    /// The time in full.
    pub(crate) const fn near(self, now: Instant) -> Instant {
        let ahead = self.0.get().wrapping_sub(now.total_micros() as u32).cast_signed();
        Instant::from_micros_const(now.total_micros() + ahead as i64)
    }
}

/// Makes `next` no later than `at`.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn sooner(next: &mut Option<Instant>, at: Instant) {
    if next.is_none_or(|next| at < next) {
        *next = Some(at);
    }
}

/// The earlier of two deadlines, where `None` is none.
#[cfg_attr(target_os = "none", inline(never))]
#[must_use]
pub fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_right_wherever_the_clock_stands() {
        let minutes = WrappingInstant::REACH;
        for start in [0, 1, i64::from(u32::MAX) - 1, i64::from(u32::MAX) + 1, 1 << 50] {
            let at = Instant::from_micros(start) + minutes;
            // One in 2^32 is a microsecond off.
            let close = |a: Instant, b: Instant| (a.total_micros() - b.total_micros()).abs() <= 1;
            for now in [at - minutes, at, at + minutes] {
                assert!(close(WrappingInstant::new(at).near(now), at), "{start} {now}");
            }
            let later = WrappingInstant::new(at + minutes).since(WrappingInstant::new(at));
            assert!(later.total_micros().abs_diff(minutes.total_micros()) <= 1);
            assert_eq!(
                WrappingInstant::new(at).since(WrappingInstant::new(at + minutes)),
                Duration::ZERO
            );
        }
    }
}
