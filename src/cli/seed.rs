//! Seeds, as options.

/// The number of a seed, up to `max`.
pub(super) fn seed(max: u64) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse().ok().filter(|&seed| seed <= max);
        number.ok_or_else(|| format!("a seed is a number from 0 to {max}"))
    }
}
