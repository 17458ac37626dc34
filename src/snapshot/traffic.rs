//! What passes the board's wire a second, between two looks at its counters.

use std::fmt;

use smoltcp::time::{Duration, Instant};

/// What has passed since the start, or between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames to the board.
    pub frames_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Frames from the board.
    pub frames_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
}

impl Traffic {
    const fn since(self, before: Self) -> Self {
        Self {
            frames_in: self.frames_in.saturating_sub(before.frames_in),
            bytes_in: self.bytes_in.saturating_sub(before.bytes_in),
            frames_out: self.frames_out.saturating_sub(before.frames_out),
            bytes_out: self.bytes_out.saturating_sub(before.bytes_out),
        }
    }
}

/// Remembers the last look.
#[derive(Debug)]
pub(crate) struct Meter {
    last: Instant,
    before: Traffic,
    looked: bool,
}

impl Meter {
    /// A meter of traffic that starts `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self { last: now, before: Traffic::default(), looked: false }
    }

    /// What has passed since the last look, or since the start.
    pub(crate) fn look(&mut self, now: Instant, traffic: Traffic) -> Rates {
        let passed = traffic.since(self.before);
        let rates = Rates { time: now - self.last, passed, since_start: !self.looked };
        *self = Self { last: now, before: traffic, looked: true };
        rates
    }
}

/// What has passed in a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    time: Duration,
    passed: Traffic,
    since_start: bool,
}

/// One line, of frames and bytes a second.
impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Traffic { frames_in, bytes_in, frames_out, bytes_out } = self.passed;
        // Two looks in a row may be at one moment.
        let seconds = self.time.total_micros().max(1) as f64 / 1e6;
        let rate = |count: u64, unit| Quantity(count as f64 / seconds, unit);
        let since = if self.since_start { "the start" } else { "the last `stats`" };
        write!(
            f,
            "in the {seconds:.3} s since {since}: to the board {}, {}; from the board {}, {}",
            rate(frames_in, "frames/s"),
            rate(bytes_in, "B/s"),
            rate(frames_out, "frames/s"),
            rate(bytes_out, "B/s"),
        )
    }
}

/// A number with its unit, in three digits or so: `0 B/s`, `12.3 kB/s`.
pub(crate) struct Quantity(pub(crate) f64, pub(crate) &'static str);

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value, unit) = *self;
        let prefixes = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
        let bytes = unit.starts_with('B');
        // From where it would be rounded to a thousand.
        let prefix = prefixes.into_iter().find(|(factor, _)| bytes && value >= factor * 0.9995);
        let (factor, prefix) = prefix.unwrap_or((1.0, ""));
        let value = value / factor;
        let decimals = match value {
            0.0 | 99.95.. => 0,
            9.995.. => 1,
            _ => 2,
        };
        write!(f, "{value:.decimals$} {prefix}{unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_since_the_last_look() {
        let mut meter = Meter::new(Instant::from_secs(10));
        let first = Traffic { frames_in: 3, bytes_in: 1500, frames_out: 0, bytes_out: 0 };
        assert_eq!(
            meter.look(Instant::from_secs(12), first).to_string(),
            "in the 2.000 s since the start: to the board 1.50 frames/s, 750 B/s; \
             from the board 0 frames/s, 0 B/s"
        );
        let second = Traffic {
            frames_in: 3,
            bytes_in: 1500,
            frames_out: 1_000_000,
            bytes_out: 1_514_000_000,
        };
        assert_eq!(
            meter.look(Instant::from_millis(12_500), second).to_string(),
            "in the 0.500 s since the last `stats`: to the board 0 frames/s, 0 B/s; \
             from the board 2000000 frames/s, 3.03 GB/s"
        );
        let again = meter.look(Instant::from_millis(12_500), second).to_string();
        assert!(again.ends_with("from the board 0 frames/s, 0 B/s"), "{again}");
    }

    #[test]
    fn a_quantity_has_three_digits() {
        for (value, text) in [
            (0.0, "0 B/s"),
            (0.25, "0.25 B/s"),
            (9.994, "9.99 B/s"),
            (9.996, "10.0 B/s"),
            (99.96, "100 B/s"),
            (999.4, "999 B/s"),
            (999.6, "1.00 kB/s"),
            (123_400.0, "123 kB/s"),
            (999_600.0, "1.00 MB/s"),
        ] {
            assert_eq!(Quantity(value, "B/s").to_string(), text);
        }
        assert_eq!(Quantity(1234.0, "frames/s").to_string(), "1234 frames/s");
    }
}
