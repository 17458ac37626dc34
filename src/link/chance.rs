//! How likely something is, as people write it: `5%`.

use std::fmt;
use std::str::FromStr;

use tapboard_firmware::rng::Rng;

/// A probability, in parts of 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chance(u64);

impl Chance {
    /// 0 %.
    pub const NEVER: Self = Self(0);
    /// 100 %.
    pub const ALWAYS: Self = Self(1 << 32);

    /// Thousandths of a percent.
    #[must_use]
    pub const fn from_millipercent(millipercent: u32) -> Self {
        let most = if millipercent > 100_000 { 100_000 } else { millipercent };
        Self(((most as u64) << 32) / 100_000)
    }

    /// From 0 to 1, to the thousandth of a percent.
    #[must_use]
    pub fn ratio(self) -> f64 {
        (self.0 as f64 * 100_000.0 / Self::ALWAYS.0 as f64).round() / 100_000.0
    }

    /// Draws whether it happens; draws nothing if it never does.
    pub fn happens(self, rng: &mut Rng) -> bool {
        self != Self::NEVER && (rng.next_u64() >> 32) < self.0
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.ratio() * 100_000.0).round() / 1000.0;
        write!(f, "{percent}%")
    }
}

impl FromStr for Chance {
    type Err = String;

    /// `5%`. Only 0 needs no `%`: a bare 1 could be one in a hundred as well as every one.
    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_suffix('%');
        let value = bare.unwrap_or(text).trim().parse::<f64>();
        match value {
            Ok(percent) if bare.is_none() && percent > 0.0 && percent <= 1.0 => Err(format!(
                "{text:?} could be {percent}% or {}%; write which, e.g. 5%",
                (percent * 100_000.0).round() / 1000.0
            )),
            Ok(percent) if bare.is_none() && percent > 0.0 && percent <= 100.0 => {
                Err(format!("{text:?} has no %; write {percent}%"))
            }
            Ok(percent) if (0.0..=100.0).contains(&percent) => {
                let millipercent = (percent * 1000.0).round() as u32;
                if millipercent == 0 && percent > 0.0 {
                    return Err(format!(
                        "{text:?} is too rare: 0.001% is the least chance, e.g. 5%"
                    ));
                }
                Ok(Self::from_millipercent(millipercent))
            }
            _ => Err(format!("{text:?} is not a chance from 0% to 100%, e.g. 5%")),
        }
    }
}
