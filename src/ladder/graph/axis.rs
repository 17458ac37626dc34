//! Axes: from values to pixels, with ticks at round values and in a unit that keeps their numbers short.

/// What is measured along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Microseconds.
    Time,
    Bytes,
    /// Bits a second.
    Rate,
}

impl Quantity {
    /// Units, the largest first, with their size. `k` is 1000.
    const fn units(self) -> &'static [(f64, &'static str)] {
        match self {
            Self::Time => &[(1e6, "s"), (1e3, "ms"), (1.0, "µs")],
            Self::Bytes => &[(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "bytes")],
            Self::Rate => &[(1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1.0, "bit/s")],
        }
    }

    /// The unit of which a value is at least one.
    fn unit(self, value: f64) -> (f64, &'static str) {
        let units = self.units();
        let found = units.iter().find(|(size, _)| value >= *size);
        *found.unwrap_or(&units[units.len() - 1])
    }

    /// A value in words, with three digits at most.
    pub(super) fn shown(self, value: f64) -> String {
        let (size, name) = self.unit(value);
        let value = value / size;
        let decimals = if size <= 1.0 && self != Self::Rate || value >= 100.0 {
            0
        } else if value >= 10.0 {
            1
        } else {
            2
        };
        let text = format!("{value:.decimals$}");
        let name = if (text.as_str(), name) == ("1", "bytes") { "byte" } else { name };
        format!("{text} {name}")
    }
}

/// From values to pixels.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    min: f64,
    max: f64,
    step: f64,
    unit: (f64, &'static str),
    /// The pixel of `min`, and that of `max`.
    pixels: (f64, f64),
}

impl Axis {
    /// An axis that ends with its values, with about that many ticks.
    pub(super) fn exact(
        quantity: Quantity,
        (min, max): (f64, f64),
        pixels: (f64, f64),
        ticks: f64,
    ) -> Self {
        // A single value has an axis too.
        let max = if max > min { max } else { min + quantity.unit(min.abs()).0 };
        let unit = quantity.unit(max.abs());
        let step = round_up((max - min) / unit.0 / ticks) * unit.0;
        Self { min, max, step, unit, pixels }
    }

    /// An axis that ends with a tick on either side.
    pub(super) fn round(
        quantity: Quantity,
        values: (f64, f64),
        pixels: (f64, f64),
        ticks: f64,
    ) -> Self {
        let axis = Self::exact(quantity, values, pixels, ticks);
        let (min, max) = (axis.min / axis.step, axis.max / axis.step);
        Self { min: min.floor() * axis.step, max: max.ceil() * axis.step, ..axis }
    }

    /// Where a value is.
    pub(super) fn pixel(&self, value: f64) -> f64 {
        let (first, last) = self.pixels;
        first + (value - self.min) / (self.max - self.min) * (last - first)
    }

    /// The unit's name.
    pub(super) const fn unit(&self) -> &'static str {
        self.unit.1
    }

    /// Pixels and labels of all ticks.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let step = self.step / self.unit.0;
        let decimals = (-step.log10()).ceil().clamp(0.0, 6.0) as usize;
        // What is next to a tick by rounding only is on it.
        let slack = 1e-9;
        let first = (self.min / self.step - slack).ceil();
        let count = ((self.max / self.step + slack).floor() - first).clamp(0.0, 100.0) as u32;
        let tick = |index| {
            let value = (first + f64::from(index)) * self.step;
            (self.pixel(value), format!("{:.decimals$}", value / self.unit.0))
        };
        (0..=count).map(tick).collect()
    }
}

/// The next of 1, 2 and 5 times a power of ten.
pub(super) fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0];
    let step = steps.into_iter().find(|step| step * power >= value * (1.0 - 1e-9));
    step.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_in_a_unit_with_short_numbers() {
        let axis = Axis::round(Quantity::Bytes, (0.0, 301_460.0), (500.0, 0.0), 6.0);
        assert_eq!(axis.unit(), "kB");
        assert_eq!(labels(&axis), ["0", "100", "200", "300", "400"]);
        assert!((axis.pixel(200_000.0) - 250.0).abs() < 1e-9);
        let axis = Axis::exact(Quantity::Time, (20_000.0, 3_420_000.0), (0.0, 100.0), 8.0);
        assert_eq!(
            (axis.unit(), labels(&axis)),
            ("s", ["0.5", "1.0", "1.5", "2.0", "2.5", "3.0"].map(String::from).to_vec())
        );
        let axis = Axis::round(Quantity::Rate, (0.0, 950.0), (0.0, 1.0), 5.0);
        assert_eq!((axis.unit(), labels(&axis).last().unwrap().as_str()), ("bit/s", "1000"));
    }

    #[test]
    fn an_axis_of_one_value_or_of_a_far_one_has_ticks_too() {
        for (min, max) in [(0.0, 0.0), (7.0, 7.0), (3.6e12, 3.6e12 + 40.0), (-5.0, 1e18)] {
            for quantity in [Quantity::Time, Quantity::Bytes, Quantity::Rate] {
                let axis = Axis::round(quantity, (min, max), (0.0, 400.0), 6.0);
                let ticks = axis.ticks();
                assert!((2..=20).contains(&ticks.len()), "{min} {max}: {ticks:?}");
                assert!(ticks.iter().all(|(at, _)| (-1e-3..=400.001).contains(at)), "{ticks:?}");
            }
        }
    }

    #[test]
    fn steps_are_one_two_or_five() {
        for (value, step) in [(1.0, 1.0), (1.1, 2.0), (0.3, 0.5), (7.0, 10.0), (420.0, 500.0)] {
            assert!((round_up(value) - step).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn values_have_three_digits() {
        assert_eq!(Quantity::Time.shown(41_230.0), "41.2 ms");
        assert_eq!(Quantity::Bytes.shown(300_000.0), "300 kB");
        assert_eq!(Quantity::Bytes.shown(1.0), "1 byte");
        assert_eq!(Quantity::Rate.shown(1_234_000.0), "1.23 Mbit/s");
    }
}
