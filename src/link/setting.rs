//! Faults as people write them: `loss 5%`, `delay 40ms`, `rate 1mbit`.

use std::fmt;
use std::str::FromStr;

use smoltcp::time::Duration;

use super::chance::Chance;
use super::faults::{Burst, Faults};

/// One fault and its new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Random loss.
    Loss(Chance),
    /// Loss in bursts.
    Burst(Option<Burst>),
    /// One bit flipped.
    Corrupt(Chance),
    /// Frames that arrive twice.
    Duplicate(Chance),
    /// Frames that later ones overtake.
    Reorder(Chance),
    /// How long a frame takes.
    Delay(Duration),
    /// By how much more or less.
    Jitter(Duration),
    /// Bits a second.
    Rate(Option<u64>),
    /// Bytes that may wait for the rate.
    Queue(usize),
    /// Largest IP packet.
    Mtu(usize),
    /// Nothing gets through.
    Partition(bool),
}

impl Setting {
    /// The faults' names, each with an example of its value.
    pub const NAMES: [(&str, &str); 11] = [
        ("loss", "5%"),
        ("burst", "1%/30%"),
        ("corrupt", "1%"),
        ("duplicate", "1%"),
        ("reorder", "5%"),
        ("delay", "40ms"),
        ("jitter", "10ms"),
        ("rate", "1mbit"),
        ("queue", "64Ki"),
        ("mtu", "1000"),
        ("partition", "on"),
    ];

    /// Reads a fault by its name and value, e.g. `("delay", "40ms")`. `off` or `none` stands for none.
    pub fn parse(name: &str, value: &str) -> Result<Self, String> {
        let off = matches!(value, "off" | "none");
        let chance = || if off { Ok(Chance::NEVER) } else { value.parse() };
        let time = || if off { Ok(Duration::ZERO) } else { parse_duration(value) };
        Ok(match name {
            "loss" => Self::Loss(chance()?),
            "burst" if off => Self::Burst(None),
            "burst" => Self::Burst(Some(parse_burst(value)?)),
            "corrupt" => Self::Corrupt(chance()?),
            "duplicate" => Self::Duplicate(chance()?),
            "reorder" => Self::Reorder(chance()?),
            "delay" => Self::Delay(time()?),
            "jitter" => Self::Jitter(time()?),
            "rate" if off => Self::Rate(None),
            "rate" => Self::Rate(Some(parse_rate(value)?)),
            "queue" if off => Self::Queue(Faults::NONE.queue),
            "queue" => Self::Queue(parse_size(value)?),
            "mtu" if off => Self::Mtu(Faults::NONE.mtu),
            "mtu" => Self::Mtu(parse_mtu(value)?),
            "partition" if off => Self::Partition(false),
            "partition" if value == "on" => Self::Partition(true),
            "partition" => return Err(format!("{value:?} is neither on nor off")),
            _ => {
                let names = Self::NAMES.map(|(name, _)| name).join(", ");
                return Err(format!("there is no fault {name:?}; there are {names}"));
            }
        })
    }
}

/// The fault's name and its value, as at the console: `loss 5%`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Loss(chance) => write!(f, "loss {chance}"),
            Self::Burst(Some(Burst { enter, leave })) => write!(f, "burst {enter}/{leave}"),
            Self::Burst(None) => f.write_str("burst off"),
            Self::Corrupt(chance) => write!(f, "corrupt {chance}"),
            Self::Duplicate(chance) => write!(f, "duplicate {chance}"),
            Self::Reorder(chance) => write!(f, "reorder {chance}"),
            Self::Delay(time) => write!(f, "delay {}", duration(time)),
            Self::Jitter(time) => write!(f, "jitter {}", duration(time)),
            Self::Rate(Some(bits)) => write!(f, "rate {}", rate(bits)),
            Self::Rate(None) => f.write_str("rate off"),
            Self::Queue(bytes) => write!(f, "queue {bytes}"),
            Self::Mtu(bytes) => write!(f, "mtu {bytes}"),
            Self::Partition(on) => write!(f, "partition {}", if on { "on" } else { "off" }),
        }
    }
}

/// The way back of its text.
impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once(' ')
            .ok_or_else(|| format!("{text:?} is not a fault and its value, e.g. \"loss 5%\""))?;
        Self::parse(name, value.trim())
    }
}

/// A number and what follows it.
fn split(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim()))
}

/// `40ms`, `1.5s`, `200us`; at most a day.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let factor = |unit| match unit {
        "us" => Some(1.0),
        "ms" => Some(1e3),
        "s" => Some(1e6),
        "min" => Some(60e6),
        _ => None,
    };
    split(text)
        .and_then(|(number, unit)| Some(number * factor(unit)?))
        .filter(|micros| *micros <= 86_400e6)
        .map(|micros| Duration::from_micros(micros.round() as u64))
        .ok_or_else(|| {
            format!("{text:?} is not a time of up to a day in us, ms, s or min, e.g. 40ms")
        })
}

/// What a number with this prefix is multiplied by: decimal ones are decimal (k = 1000) and binary ones binary
/// (Ki = 1024), as in the SI and IEC 80000-13, and as in the host tool.
fn factor(prefix: &str) -> Option<f64> {
    Some(match prefix {
        "" => 1.0,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "Ki" => f64::from(1 << 10),
        "Mi" => f64::from(1 << 20),
        "Gi" => f64::from(1 << 30),
        _ => return None,
    })
}

/// `1mbit`, `100k`, `64Kibit`: bits a second. A unit may be small throughout; a number alone says too little.
fn parse_rate(text: &str) -> Result<u64, String> {
    let factor = |unit: &str| match unit {
        "" => None,
        "mbit" => Some(1e6),
        "gbit" => Some(1e9),
        _ => factor(unit.strip_suffix("bit").unwrap_or(unit)),
    };
    split(text)
        .and_then(|(number, unit)| Some(number * factor(unit)?))
        .filter(|rate| (1.0..=1e12).contains(rate))
        .map(|rate| rate.round() as u64)
        .ok_or_else(|| {
            format!(
                "{text:?} is not a rate in bit, kbit (1000), mbit, gbit or Kibit (1024) a second, e.g. 1mbit or \
                 100k"
            )
        })
}

/// `64k`, `64Ki`, `2000B`: bytes.
fn parse_size(text: &str) -> Result<usize, String> {
    split(text)
        .and_then(|(number, unit)| Some(number * factor(unit.strip_suffix('B').unwrap_or(unit))?))
        .filter(|size| (0.0..=1e9).contains(size))
        .map(|size| size.round() as usize)
        .ok_or_else(|| {
            format!(
                "{text:?} is not a number of bytes, k (1000), M, Ki (1024) or Mi of them, e.g. 64k or 64Ki"
            )
        })
}

fn parse_mtu(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        // RFC 791: every link carries 68 bytes; IEEE 802.3: none more than 1500.
        .filter(|mtu| (68..=1500).contains(mtu))
        .ok_or_else(|| format!("{text:?} is not an MTU from 68 to 1500, e.g. 1000"))
}

fn parse_burst(text: &str) -> Result<Burst, String> {
    let burst = match text.split_once('/') {
        Some((enter, leave)) => Some(Burst { enter: enter.parse()?, leave: leave.parse()? }),
        None => None,
    };
    burst.filter(|burst| burst.leave > Chance::NEVER).ok_or_else(|| {
        format!("{text:?} is not ENTER/LEAVE, the chances to begin and to end a burst, e.g. 1%/30%")
    })
}

/// A duration as people write it, the way back of [`parse_duration`].
pub(crate) fn duration(duration: Duration) -> String {
    let micros = duration.total_micros();
    // Of that many decimals: to the microsecond.
    let fraction = |unit: u64, decimals, name| {
        let digits = format!("{}.{:0decimals$}", micros / unit, micros % unit);
        format!("{} {name}", digits.trim_end_matches('0').trim_end_matches('.'))
    };
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => fraction(1_000, 3, "ms"),
        _ => fraction(1_000_000, 6, "s"),
    }
}

/// Bits a second, exactly, in the largest unit that leaves no fraction.
pub(super) fn rate(bits: u64) -> String {
    let units = [(1_000_000_000, "gbit"), (1_000_000, "mbit"), (1_000, "kbit")];
    let whole = units.into_iter().find(|(unit, _)| bits >= *unit && bits.is_multiple_of(*unit));
    let (unit, name) = whole.unwrap_or((1, "bit"));
    format!("{}{name}", bits / unit)
}

impl Faults {
    /// Changes one of them.
    pub fn set(&mut self, setting: Setting) {
        match setting {
            Setting::Loss(chance) => self.loss = chance,
            Setting::Burst(burst) => self.burst = burst,
            Setting::Corrupt(chance) => self.corrupt = chance,
            Setting::Duplicate(chance) => self.duplicate = chance,
            Setting::Reorder(chance) => self.reorder = chance,
            Setting::Delay(delay) => self.delay = delay,
            Setting::Jitter(jitter) => self.jitter = jitter,
            Setting::Rate(rate) => self.rate = rate,
            Setting::Queue(queue) => self.queue = queue,
            Setting::Mtu(mtu) => self.mtu = mtu,
            Setting::Partition(partition) => self.partition = partition,
        }
    }

    /// The value that these have of the fault that `like` changes: what takes the change back.
    #[must_use]
    pub const fn get(&self, like: Setting) -> Setting {
        match like {
            Setting::Loss(_) => Setting::Loss(self.loss),
            Setting::Burst(_) => Setting::Burst(self.burst),
            Setting::Corrupt(_) => Setting::Corrupt(self.corrupt),
            Setting::Duplicate(_) => Setting::Duplicate(self.duplicate),
            Setting::Reorder(_) => Setting::Reorder(self.reorder),
            Setting::Delay(_) => Setting::Delay(self.delay),
            Setting::Jitter(_) => Setting::Jitter(self.jitter),
            Setting::Rate(_) => Setting::Rate(self.rate),
            Setting::Queue(_) => Setting::Queue(self.queue),
            Setting::Mtu(_) => Setting::Mtu(self.mtu),
            Setting::Partition(_) => Setting::Partition(self.partition),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_people_write_them() {
        let read = |name, value| Setting::parse(name, value).unwrap();
        assert_eq!(read("loss", "5%"), Setting::Loss(Chance::from_millipercent(5000)));
        assert_eq!(read("loss", "0"), read("loss", "0%"));
        assert_eq!(read("loss", "off"), Setting::Loss(Chance::NEVER));
        assert_eq!(read("loss", "100%"), Setting::Loss(Chance::ALWAYS));
        assert_eq!(read("delay", "1.5s"), Setting::Delay(Duration::from_millis(1500)));
        assert_eq!(read("jitter", "200us"), Setting::Jitter(Duration::from_micros(200)));
        assert_eq!(read("rate", "1mbit"), Setting::Rate(Some(1_000_000)));
        assert_eq!(read("rate", "off"), Setting::Rate(None));
        assert_eq!(read("rate", "100k"), Setting::Rate(Some(100_000)));
        assert_eq!(read("rate", "1.5 mbit"), Setting::Rate(Some(1_500_000)));
        assert_eq!(read("rate", "64Kibit"), Setting::Rate(Some(65_536)));
        for (name, example) in Setting::NAMES {
            Setting::parse(name, example).unwrap();
            Setting::parse(name, "off").unwrap();
        }
    }

    /// The same as in the host tool's `units`.
    #[test]
    fn k_is_a_thousand_and_ki_is_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("64k", 64_000),
            ("64kB", 64_000),
            ("64Ki", 65_536),
            ("64KiB", 65_536),
            ("10M", 10_000_000),
            ("1Mi", 1_048_576),
            ("7B", 7),
        ] {
            assert_eq!(Setting::parse("queue", text), Ok(Setting::Queue(bytes)), "{text}");
            assert_eq!(tapboard_host::units::parse_bytes(text), Ok(bytes as u64), "{text}");
        }
        for text in ["k", "10T", "10m", "10BB", "99999999999G"] {
            let error = Setting::parse("queue", text).unwrap_err();
            assert!(error.contains("64k or 64Ki"), "{error}");
            assert!(tapboard_host::units::parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn settings_read_as_they_were_written() {
        for (name, example) in Setting::NAMES {
            for value in [example, "off"] {
                let set = Setting::parse(name, value).unwrap();
                assert_eq!(set.to_string().parse(), Ok(set), "{set}");
            }
        }
        assert!("loss".parse::<Setting>().unwrap_err().contains("e.g."));
    }

    #[test]
    fn nonsense_is_named_with_an_example() {
        for (name, value) in [
            ("loss", "101%"),
            ("loss", "-1%"),
            ("loss", "NaN"),
            ("loss", ""),
            ("loss", "0.0004%"),
            ("loss", "1"),
            ("loss", "0.05"),
            ("burst", "1/30"),
            ("burst", "5%"),
            ("burst", "5%/0%"),
            ("delay", "40"),
            ("delay", "40 years"),
            ("rate", "0bit"),
            ("rate", "5"),
            ("rate", "5Bbit"),
            ("queue", "10m"),
            ("rate", "1e400mbit"),
            ("queue", "-1"),
            ("mtu", "67"),
            ("mtu", "9000"),
        ] {
            let error = Setting::parse(name, value).unwrap_err();
            assert!(error.contains("e.g."), "{name} {value}: {error}");
        }
        assert!(Setting::parse("lag", "1s").unwrap_err().contains("delay"));
    }

    #[test]
    fn a_chance_without_a_unit_is_not_guessed() {
        for (bare, remedy) in [
            ("1", "could be 1% or 100%; write which"),
            ("0.05", "could be 0.05% or 5%; write which"),
            ("5", "write 5%"),
            ("100", "write 100%"),
            ("101", "is not a chance from 0% to 100%"),
        ] {
            let error = bare.parse::<Chance>().unwrap_err();
            assert!(error.contains(remedy), "{error}");
        }
    }

    #[test]
    fn a_chance_reads_as_it_was_written() {
        for text in ["0%", "0.5%", "5%", "33.333%", "100%"] {
            assert_eq!(text.parse::<Chance>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn durations_read_as_they_were_written() {
        for (micros, text) in [
            (0, "0 us"),
            (43_000, "43 ms"),
            (1_500, "1.5 ms"),
            (2_000_000, "2 s"),
            (10_000_000, "10 s"),
            (1_000_400, "1.0004 s"),
            (86_400_000_000, "86400 s"),
        ] {
            let time = Duration::from_micros(micros);
            assert_eq!(duration(time), text);
            assert_eq!(parse_duration(text), Ok(time));
        }
    }
}
