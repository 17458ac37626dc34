//! Names with values, as the text that is kept: a line each, `name=value`.

use core::fmt;

use heapless::String;

use crate::config::SETTINGS_SIZE;

/// Settings, in the order in which they were made. Each name is there once; a value is not empty, and one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    text: String<SETTINGS_SIZE>,
    changed: bool,
}

/// The table has no room for the setting: its text would be longer than [`SETTINGS_SIZE`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no room: all settings together have {SETTINGS_SIZE} bytes; unset another")
    }
}

impl core::error::Error for Full {}

/// A text is no table's: what of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It is longer than [`SETTINGS_SIZE`].
    Size,
    /// It is not UTF-8.
    Encoding,
    /// This line, from 1 on, is not `name=value`.
    Line(usize),
    /// This line has the name of one before it.
    Twice(usize),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size => write!(f, "it is longer than {SETTINGS_SIZE} bytes"),
            Self::Encoding => f.write_str("it is not text"),
            Self::Line(line) => write!(f, "line {line} is not NAME=VALUE"),
            Self::Twice(line) => write!(f, "line {line} has a name that was there before"),
        }
    }
}

impl core::error::Error for Damage {}

impl Table {
    /// No settings.
    #[must_use]
    pub const fn new() -> Self {
        Self { text: String::new(), changed: false }
    }

    /// The table whose text this is. White space around names and values, and lines of nothing else, are passed over.
    pub fn parse(text: &[u8]) -> Result<Self, Damage> {
        let text = core::str::from_utf8(text).map_err(|_| Damage::Encoding)?;
        let mut table = Self::new();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let (name, value) = line.split_once('=').ok_or(Damage::Line(number))?;
            let (name, value) = (name.trim(), value.trim());
            if !is_name(name) || !is_value(value) {
                return Err(Damage::Line(number));
            }
            if table.get(name).is_some() {
                return Err(Damage::Twice(number));
            }
            table.append(name, value).map_err(|Full| Damage::Size)?;
        }
        Ok(table)
    }

    /// Its text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All of them.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.lines().filter_map(|line| line.split_once('='))
    }

    /// Gives `name` this value, in place of the one that it has. What the value means is not looked at: see
    /// [`Table::choose`].
    ///
    /// # Panics
    /// If the name is not of small letters, digits and hyphens, or the value is empty, has white space around it, or
    /// control characters.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Full> {
        assert!(is_name(name) && is_value(value) && value.trim() == value, "a line of a table");
        let old = self.line(name).map_or(0, |(start, end)| end - start);
        if self.text.len() - old + name.len() + value.len() + 2 > SETTINGS_SIZE {
            return Err(Full);
        }
        self.unset(name);
        self.changed = true;
        self.append(name, value)
    }

    /// Takes the setting out. Whether it was there.
    pub fn unset(&mut self, name: &str) -> bool {
        let Some((start, end)) = self.line(name) else { return false };
        drop(self.text.drain(start..end));
        self.changed = true;
        true
    }

    /// Whether it is other than what is kept.
    #[must_use]
    pub const fn changed(&self) -> bool {
        self.changed
    }

    /// It is kept now: for whoever implements [`Settings::save`](super::Settings::save).
    pub const fn saved(&mut self) {
        self.changed = false;
    }

    /// Where the line of `name` begins and ends, in bytes.
    fn line(&self, name: &str) -> Option<(usize, usize)> {
        let mut start = 0;
        for line in self.text.split_inclusive('\n') {
            let end = start + line.len();
            if line.split_once('=').is_some_and(|(known, _)| known == name) {
                return Some((start, end));
            }
            start = end;
        }
        None
    }

    fn append(&mut self, name: &str, value: &str) -> Result<(), Full> {
        for part in [name, "=", value, "\n"] {
            self.text.push_str(part).map_err(|_| Full)?;
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.bytes().all(letter)
}

fn is_value(value: &str) -> bool {
    !value.is_empty() && !value.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;

    fn text(table: &Table) -> &str {
        core::str::from_utf8(table.as_bytes()).unwrap()
    }

    #[test]
    fn a_value_replaces_the_one_before_and_the_rest_stays() {
        let mut table = Table::new();
        for (name, value) in [("ip", "dhcp"), ("name", "k\u{fc}che = 1"), ("ip", "192.0.2.7/24")] {
            table.set(name, value).unwrap();
        }
        assert_eq!(text(&table), "name=k\u{fc}che = 1\nip=192.0.2.7/24\n");
        assert_eq!(table.get("name"), Some("k\u{fc}che = 1"));
        assert_eq!(table.get("gateway"), None);
        assert_eq!(Table::parse(table.as_bytes()).unwrap().as_bytes(), table.as_bytes());
        assert!(table.unset("name") && !table.unset("name"));
        assert_eq!(text(&table), "ip=192.0.2.7/24\n");
    }

    #[test]
    fn it_knows_whether_it_is_kept() {
        let mut table = Table::parse(b"ip=dhcp\n").unwrap();
        assert!(!table.changed());
        assert!(!table.unset("name") && !table.changed());
        table.set("name", "x").unwrap();
        assert!(table.changed());
        table.saved();
        assert!(!table.changed());
        table.unset("ip");
        assert!(table.changed());
    }

    #[test]
    fn what_is_written_by_hand_is_read_and_what_is_none_is_not() {
        let table =
            Table::parse(b" ip = dhcp \r\n\n\tname=a=b\n  \ndns = 192.0.2.1 192.0.2.2").unwrap();
        assert_eq!(text(&table), "ip=dhcp\nname=a=b\ndns=192.0.2.1 192.0.2.2\n");
        let long = std::format!("name={}", "x".repeat(SETTINGS_SIZE - 5));
        for (bad, damage) in [
            (&b"ip"[..], Damage::Line(1)),
            (b"ip=dhcp\n\nname", Damage::Line(3)),
            (b"ip=", Damage::Line(1)),
            (b"=dhcp", Damage::Line(1)),
            (b"Ip=dhcp", Damage::Line(1)),
            (b"na me=x", Damage::Line(1)),
            (b"name=a\x07b", Damage::Line(1)),
            (b"ip=dhcp\nip=dhcp", Damage::Twice(2)),
            (b"name=\xff", Damage::Encoding),
            (long.as_bytes(), Damage::Size),
        ] {
            assert_eq!(Table::parse(bad), Err(damage), "{}", bad.escape_ascii());
        }
    }

    /// A line is its name, its value, and two bytes more.
    #[test]
    fn one_that_does_not_fit_leaves_all_as_it_was() {
        let mut table = Table::new();
        table.set("name", &"x".repeat(SETTINGS_SIZE - 6)).unwrap();
        let full: String = text(&table).into();
        assert_eq!(table.set("ip", "dhcp"), Err(Full));
        assert_eq!(table.set("name", &"x".repeat(SETTINGS_SIZE - 5)), Err(Full));
        assert_eq!(text(&table), full);
        table.set("name", &"y".repeat(SETTINGS_SIZE - 6)).unwrap();
        assert_eq!(table.as_bytes().len(), SETTINGS_SIZE);
    }
}
