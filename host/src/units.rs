//! Quantities as people write them: `64k`, `10M`, `1Mi`, `2.5` seconds, `312 µs`.
//!
//! Decimal suffixes are decimal (k = 1000) and binary ones binary (Ki = 1024), as in the SI and IEC 80000-13.

use std::fmt;
use std::time::Duration;

/// Parses a number of bytes: digits, then nothing or one of k, M, G (powers of 1000) or Ki, Mi, Gi
/// (powers of 1024), then an optional B.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let remedy =
        || format!("`{text}` is not a number of bytes; write one like 1000000, 64k, 10M or 1Mi");
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let count: u64 = digits.parse().map_err(|_| remedy())?;
    let factor = match suffix.strip_suffix('B').unwrap_or(suffix) {
        "" => 1,
        "k" | "K" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return Err(remedy()),
    };
    count
        .checked_mul(factor)
        .ok_or_else(|| format!("`{text}` is more bytes than 64 bits can count"))
}

/// As [`parse_bytes`], within these limits.
pub fn bytes_within(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let bytes = parse_bytes(text)?;
    if (min..=max).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(format!("{bytes} is not within {min} to {max} bytes"))
    }
}

/// Parses a time in seconds, whole or with a fraction, from a millisecond to a day.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => {
            Ok(Duration::from_secs_f64(seconds))
        }
        _ => Err(format!(
            "`{text}` is not a time in seconds from 0.001 to 86400; write one like 10 or 2.5"
        )),
    }
}

/// A time in the unit that fits it: `312 µs`, `3.02 ms`, `1.20 s`.
#[must_use]
pub fn show_time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1e-3 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds < 1.0 {
        format!("{:.2} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}

/// As [`show_time`], with a tenth of a microsecond for times that need it: `12.3 µs`.
#[must_use]
pub fn show_microseconds(time: Duration) -> String {
    if time < Duration::from_millis(1) {
        format!("{:.1} µs", time.as_secs_f64() * 1e6)
    } else {
        show_time(time)
    }
}

/// A time in whole seconds, or with the fraction it has: `30 s`, `0.5 s`.
#[must_use]
pub fn show_seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// So many of them: `1 reset`, `2 resets`. The noun's plural has an `s`.
#[must_use]
pub fn counted<N: Copy + fmt::Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let s = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_decimal_and_binary_suffixes() {
        for (text, bytes) in [
            ("0", 0),
            ("1000000", 1_000_000),
            ("64k", 64_000),
            ("64kB", 64_000),
            ("64KiB", 65_536),
            ("10M", 10_000_000),
            ("1Mi", 1_048_576),
            ("2G", 2_000_000_000),
            ("7B", 7),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "k", "-1", "1.5k", "10 M", "10T", "10BB", "99999999999G", "1e6"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_are_positive_and_bounded() {
        assert_eq!(parse_seconds("10"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_seconds("0.25"), Ok(Duration::from_millis(250)));
        for text in ["0", "-1", "nan", "inf", "1e9", "soon", ""] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_take_the_unit_that_fits() {
        assert_eq!(show_time(Duration::from_nanos(312_400)), "312 µs");
        assert_eq!(show_time(Duration::from_micros(3020)), "3.02 ms");
        assert_eq!(show_time(Duration::from_millis(61_500)), "61.50 s");
        assert_eq!(show_seconds(Duration::from_secs(30)), "30 s");
        assert_eq!(show_seconds(Duration::from_millis(500)), "0.5 s");
    }

    #[test]
    fn one_of_them_is_singular() {
        assert_eq!(counted(0_u64, "reset"), "0 resets");
        assert_eq!(counted(1_usize, "reset"), "1 reset");
        assert_eq!(counted(2_u32, "reset"), "2 resets");
    }
}
