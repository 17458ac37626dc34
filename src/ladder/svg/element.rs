//! What SVG documents are written with: numbers, text, and what they look like on light and on dark ground.

use std::fmt;

/// Width of a character of 12 px, at most.
pub(in crate::ladder) const CHARACTER: f64 = 7.3;

/// The width of a text of 12 px, at most.
pub(in crate::ladder) fn width(text: &str) -> f64 {
    text.chars().count() as f64 * CHARACTER
}

/// A coordinate, to a tenth of a pixel.
#[derive(Clone, Copy, Debug)]
pub(in crate::ladder) struct Px(pub(in crate::ladder) f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not `-0`.
        let tenths = (self.0 * 10.0).round() + 0.0;
        if tenths % 10.0 == 0.0 {
            write!(f, "{:.0}", tenths / 10.0)
        } else {
            write!(f, "{:.1}", tenths / 10.0)
        }
    }
}

/// Text with XML's five replaced; what XML cannot hold at all has been replaced before.
#[derive(Clone, Copy, Debug)]
pub(in crate::ladder) struct Escaped<'a>(pub(in crate::ladder) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;"),
                '<' => f.write_str("&lt;"),
                '>' => f.write_str("&gt;"),
                '"' => f.write_str("&quot;"),
                '\'' => f.write_str("&apos;"),
                other => f.write_char(other),
            }?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_as_short_as_they_can_be() {
        let shown = |value: f64| Px(value).to_string();
        assert_eq!(shown(12.0), "12");
        assert_eq!(shown(12.25), "12.3");
        assert_eq!(shown(11.98), "12");
        assert_eq!(shown(-0.04), "0");
        assert_eq!(shown(-3.5), "-3.5");
        assert_eq!(shown(2_800_000.0), "2800000");
    }

    #[test]
    fn markup_in_a_text_is_text() {
        assert_eq!(Escaped("<a b=\"c\">'&").to_string(), "&lt;a b=&quot;c&quot;&gt;&apos;&amp;");
    }
}
