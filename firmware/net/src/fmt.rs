//! Messages, through `log` or `defmt`, whichever feature is on; without either they cost nothing.

/// A warning: a format string with one `{}`, and what is displayed there.
macro_rules! warning {
    ($format:literal, $value:expr $(,)?) => {{
        let value = &$value;
        #[cfg(feature = "log")]
        ::log::warn!($format, value);
        #[cfg(all(feature = "defmt", not(feature = "log")))]
        ::defmt::warn!($format, ::defmt::Display2Format(value));
        #[cfg(not(any(feature = "log", feature = "defmt")))]
        let _ = value;
    }};
}
pub(crate) use warning;
