//! Times as they are shown and read: since the capture's first frame, since the frame before, and of the calendar.

use std::fmt;

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// Which time is shown beside a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// Seconds since the first frame of the capture.
    #[default]
    Relative,
    /// Seconds since the frame that was shown before.
    Delta,
    /// Date and time, UTC.
    Absolute,
}

impl TimeFormat {
    /// What stands above the times.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Relative => "seconds",
            Self::Delta => "delta",
            Self::Absolute => "UTC",
        }
    }
}

/// Seconds with six decimals; `-` if they are not known.
pub(super) fn seconds(micros: Option<i64>) -> String {
    let Some(micros) = micros else { return "-".into() };
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Microseconds since 1970, as date and time of the proleptic Gregorian calendar, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Utc(pub(super) i64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0.div_euclid(MICROS), self.0.rem_euclid(MICROS));
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}")
    }
}

impl Utc {
    /// Reads `2026-11-14T22:13:20`, perhaps with decimals, at the beginning of `text`, and returns what comes after.
    pub(super) fn read(text: &str) -> Option<(Self, &str)> {
        let mut rest = text;
        let mut fields = [0_i64; 6];
        let shape =
            [(4, "-", 9999), (2, "-", 12), (2, "T", 31), (2, ":", 23), (2, ":", 59), (2, "", 60)];
        for (field, (len, separator, max)) in fields.iter_mut().zip(shape) {
            let digits = rest.get(..len).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?;
            *field = digits.parse().ok().filter(|value| *value <= max)?;
            rest = rest[len..].strip_prefix(separator)?;
        }
        let [year, month, day, hour, minute, second] = fields;
        if year < 1970 || month < 1 || day < 1 {
            return None;
        }
        let (micros, rest) = match rest.strip_prefix('.') {
            Some(decimals) => fraction(decimals)?,
            None => (0, rest),
        };
        let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
        Some((Self(seconds * MICROS + micros), rest))
    }
}

/// Reads seconds, perhaps with decimals, at the beginning of `text`, and returns microseconds and what comes after.
pub(super) fn read_seconds(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, rest) = text.split_at(end);
    let whole: i64 = whole.parse().ok()?;
    let (micros, rest) = match rest.strip_prefix('.') {
        Some(decimals) => fraction(decimals)?,
        None => (0, rest),
    };
    Some((whole.checked_mul(MICROS)?.checked_add(micros)?, rest))
}

/// Microseconds of decimals, of which those after the sixth do not count, and what comes after.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return None;
    }
    let padded: String = digits.chars().chain("000000".chars()).take(6).collect();
    Some((padded.parse().ok()?, rest))
}

/// Days from 1970-01-01 to the first of March of the year 0, from which on leap days come last in their year.
const ERA: i64 = 719_468;
/// Days of 400 years.
const DAYS_400: i64 = 146_097;

/// Days since 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - ERA
}

/// Year, month and day of a day since 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(ERA);
    let (era, day) = (days.div_euclid(DAYS_400), days.rem_euclid(DAYS_400));
    // Less the leap days before, so that each year has 365.
    let year = (day - day / 1460 + day / 36_524 - day / (DAYS_400 - 1)) / 365;
    let day = day - (year * 365 + year / 4 - year / 100);
    let month = (day * 5 + 2) / 153;
    let day = day - (month * 153 + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (era * 400 + year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_calendar_is_shown_and_read() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000"),
            (951_782_399_999_999, "2000-02-28T23:59:59.999999"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000"),
            (1_709_251_200_000_000, "2024-03-01T00:00:00.000000"),
            (1_767_225_599_000_001, "2025-12-31T23:59:59.000001"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000"),
        ] {
            assert_eq!(Utc(micros).to_string(), text);
            assert_eq!(Utc::read(text), Some((Utc(micros), "")));
        }
        assert_eq!(Utc(-1).to_string(), "1969-12-31T23:59:59.999999");
        assert!(!Utc(i64::MAX).to_string().is_empty() && !Utc(i64::MIN).to_string().is_empty());
        for day in (0..60_000).step_by(7) {
            let (year, month, date) = date(day);
            assert_eq!(days(year, month, date), day);
        }
    }

    #[test]
    fn what_comes_after_a_time_is_returned_and_what_is_none_is_refused() {
        let (time, rest) = Utc::read("2023-11-14T22:13:20.5-2024").unwrap();
        assert_eq!((time, rest), (Utc(1_700_000_000_500_000), "-2024"));
        for none in
            ["2023-11-14", "2023-13-14T00:00:00", "2023-11-14T24:00:00", "1969-01-01T00:00:00"]
        {
            assert_eq!(Utc::read(none), None, "{none}");
        }
        assert_eq!(read_seconds("1.5-2"), Some((1_500_000, "-2")));
        assert_eq!(read_seconds("0.0000019"), Some((1, "")));
        for none in ["", "x", "1.", "99999999999999999999", "9999999999999999999"] {
            assert_eq!(read_seconds(none), None, "{none}");
        }
    }

    #[test]
    fn seconds_have_six_decimals_and_a_sign() {
        assert_eq!(seconds(Some(61_000_001)), "61.000001");
        assert_eq!(seconds(Some(-500_000)), "-0.500000");
        assert_eq!(seconds(None), "-");
    }
}
