//! What the terminal can show: colours, and characters beyond ASCII.
//!
//! Colours are the terminal's own sixteen, which all that have any have, and never all that tells two things apart.

use std::env;

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols;

/// See the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) colour: bool,
    pub(super) unicode: bool,
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Title,
    /// A title of the panel that has the keys.
    Focus,
    Faint,
    Good,
    Bad,
    Mark,
    Remark,
    Selected,
}

const ASCII_BARS: symbols::bar::Set<'static> = symbols::bar::Set {
    full: "#",
    seven_eighths: "#",
    three_quarters: "=",
    five_eighths: "=",
    half: "-",
    three_eighths: "-",
    one_quarter: ".",
    one_eighth: ".",
    empty: " ",
};

impl Look {
    /// As the environment has it: no colour with a `NO_COLOR` that is not empty, or a `TERM` that has none; what is
    /// beyond ASCII if the locale is of UTF-8.
    pub(super) fn of_environment() -> Self {
        let word = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Self::of(word)
    }

    fn of(word: impl Fn(&'static str) -> Option<String>) -> Self {
        let term = word("TERM").unwrap_or_default();
        let mono = term.contains("mono")
            || ["vt52", "vt100", "vt102", "vt220"].contains(&term.as_str())
            || term.ends_with("-m");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(&word).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        Self {
            colour: word("NO_COLOR").is_none() && !mono,
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    /// How text is set.
    pub(super) fn style(self, ink: Ink) -> Style {
        let plain = Style::new();
        let colour = |colour| if self.colour { plain.fg(colour) } else { plain };
        match ink {
            Ink::Plain => plain,
            Ink::Title => plain.add_modifier(Modifier::BOLD),
            Ink::Focus => plain.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            Ink::Faint => colour(Color::DarkGray),
            Ink::Good => colour(Color::Green),
            Ink::Bad => colour(Color::Red).add_modifier(Modifier::BOLD),
            Ink::Mark => colour(Color::Yellow),
            Ink::Remark => colour(Color::Cyan),
            Ink::Selected => plain.add_modifier(Modifier::REVERSED),
        }
    }

    pub(super) const fn bars(self) -> symbols::bar::Set<'static> {
        if self.unicode { symbols::bar::NINE_LEVELS } else { ASCII_BARS }
    }

    /// The line above a panel.
    pub(super) const fn rule(self) -> &'static str {
        if self.unicode { "─" } else { "-" }
    }

    /// A slider's part that is set, and the rest.
    pub(super) const fn slider(self) -> [&'static str; 2] {
        if self.unicode { ["█", "░"] } else { ["#", "."] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(words: &[(&'static str, &str)]) -> Look {
        Look::of(|name| {
            words.iter().find(|(word, _)| *word == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_says_what_the_terminal_can_show() {
        let best = Look { colour: true, unicode: true };
        assert_eq!(look(&[("TERM", "xterm-256color"), ("LANG", "de_DE.UTF-8")]), best);
        assert_eq!(look(&[("TERM", "tmux"), ("LC_ALL", "C.utf8"), ("LANG", "C")]), best);
        assert!(!look(&[("TERM", "xterm"), ("LC_ALL", "C"), ("LANG", "C.UTF-8")]).unicode);
        assert!(!look(&[("TERM", "xterm")]).unicode);
        for mono in ["xterm-mono", "vt100", "vt220", "linux-m"] {
            assert!(!look(&[("TERM", mono)]).colour, "{mono}");
        }
        assert!(!look(&[("TERM", "xterm"), ("NO_COLOR", "1")]).colour);
        assert!(look(&[("TERM", "xterm")]).colour);
    }
}
