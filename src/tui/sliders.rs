//! The faults that have a slider, and where one stops.
//!
//! A stop is a [`Setting`] as it is typed at the console. A value between two stops is kept as it is until the slider
//! is moved.

use crate::link::{Faults, Setting};

/// Stops of each slider, the harmless end first.
pub(super) const STOPS: usize = 10;

/// A fault with a slider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slider {
    Loss,
    Delay,
    Jitter,
    Rate,
}

const TIMES: [&str; STOPS] =
    ["off", "1ms", "5ms", "10ms", "20ms", "50ms", "100ms", "200ms", "500ms", "1s"];

impl Slider {
    #[cfg(test)]
    const ALL: [Self; 4] = [Self::Loss, Self::Delay, Self::Jitter, Self::Rate];

    /// The fault's name at the console.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Delay => "delay",
            Self::Jitter => "jitter",
            Self::Rate => "rate",
        }
    }

    const fn stops(self) -> [&'static str; STOPS] {
        match self {
            Self::Loss => ["off", "0.1%", "0.5%", "1%", "2%", "5%", "10%", "20%", "50%", "100%"],
            Self::Delay | Self::Jitter => TIMES,
            Self::Rate => [
                "off", "100mbit", "10mbit", "5mbit", "2mbit", "1mbit", "500kbit", "200kbit",
                "100kbit", "50kbit",
            ],
        }
    }

    /// The setting at a stop.
    pub(super) fn setting(self, stop: usize) -> Setting {
        let value = self.stops()[stop.min(STOPS - 1)];
        Setting::parse(self.name(), value).expect("stops are settings")
    }

    /// How things are.
    pub(super) const fn current(self, faults: &Faults) -> Setting {
        match self {
            Self::Loss => Setting::Loss(faults.loss),
            Self::Delay => Setting::Delay(faults.delay),
            Self::Jitter => Setting::Jitter(faults.jitter),
            Self::Rate => Setting::Rate(faults.rate),
        }
    }

    /// The last stop that is no worse than how things are.
    pub(super) fn stop(self, faults: &Faults) -> usize {
        let now = severity(self.current(faults));
        (0..STOPS).rfind(|&stop| severity(self.setting(stop)) <= now).unwrap_or(0)
    }

    /// How things are one stop further on, towards the worse or the better.
    pub(super) fn moved(self, faults: &Faults, worse: bool) -> Setting {
        let now = severity(self.current(faults));
        let further = if worse {
            (0..STOPS).find(|&stop| severity(self.setting(stop)) > now).unwrap_or(STOPS - 1)
        } else {
            (0..STOPS).rfind(|&stop| severity(self.setting(stop)) < now).unwrap_or(0)
        };
        self.setting(further)
    }

    /// The value in a few characters: `5%`, `40 ms`, `off`.
    pub(super) fn value(self, faults: &Faults) -> String {
        let current = self.current(faults);
        if severity(current) == 0.0 {
            return "off".into();
        }
        let text = current.to_string();
        text.strip_prefix(self.name()).unwrap_or(&text).trim_start().replace(' ', "")
    }
}

/// In an order of its own for each fault: more is worse, 0 is none.
fn severity(setting: Setting) -> f64 {
    match setting {
        Setting::Loss(chance) => chance.ratio(),
        Setting::Delay(time) | Setting::Jitter(time) => time.total_micros() as f64,
        Setting::Rate(Some(bits)) => 1.0 / bits as f64,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stop_is_worse_than_the_one_before_and_found_again() {
        for slider in Slider::ALL {
            let mut faults = Faults::NONE;
            for stop in 0..STOPS {
                assert_eq!(slider.stop(&faults), stop, "{slider:?}");
                assert_eq!(slider.moved(&faults, false), slider.setting(stop.saturating_sub(1)));
                let worse = slider.moved(&faults, true);
                assert_eq!(worse, slider.setting((stop + 1).min(STOPS - 1)));
                faults.set(worse);
            }
        }
    }

    #[test]
    fn what_is_between_two_stops_goes_to_the_next_either_way() {
        let mut faults = Faults::NONE;
        faults.set(Setting::parse("loss", "7%").unwrap());
        faults.set(Setting::parse("rate", "3mbit").unwrap());
        assert_eq!(Slider::Loss.value(&faults), "7%");
        assert_eq!(Slider::Loss.moved(&faults, true).to_string(), "loss 10%");
        assert_eq!(Slider::Loss.moved(&faults, false).to_string(), "loss 5%");
        assert_eq!(Slider::Rate.value(&faults), "3mbit");
        assert_eq!(Slider::Rate.moved(&faults, true).to_string(), "rate 2mbit");
        assert_eq!(Slider::Rate.moved(&faults, false).to_string(), "rate 5mbit");
        assert_eq!(Slider::Delay.value(&faults), "off");
    }
}
