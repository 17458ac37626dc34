//! Reads a script: options, then events, each a time and a packet, a call, a command or code.
//!
//! Whatever is not understood is refused by name, so that no expectation is skipped in silence.

use super::packet::{icmp, packet};
use super::script::{Call, Config, Event, Kind, Outcome, Script, Time, parse_number};

/// What a script defines for its `#ifdef`s: those of FreeBSD's suite tell what the RFCs say from what FreeBSD does.
const DEFINED: [&str; 1] = ["STANDARD"];

/// Reads a script, or says what in it cannot be understood.
pub(crate) fn parse(text: &str) -> Result<Script, String> {
    let text = preprocess(text)?;
    let mut reader = Reader { text: &text, at: 0 };
    let mut config = Config { ipv6: false, tolerance_us: 4000, board: false, lenient_calls: false };
    let mut events = Vec::new();
    loop {
        reader.skip_blanks();
        if reader.rest().is_empty() {
            return Ok(Script { config, events });
        }
        if reader.rest().starts_with("--") {
            for option in reader.line().split_whitespace() {
                configure(&mut config, option)?;
            }
            continue;
        }
        let line = reader.line_number();
        let event = (|| {
            let time = reader.time()?;
            Ok(Event { line, time, kind: reader.kind()? })
        })();
        events.push(event.map_err(|reason: String| format!("line {line}: {reason}"))?);
    }
}

fn configure(config: &mut Config, option: &str) -> Result<(), String> {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    match (name, value) {
        ("--board", "") => config.board = true,
        ("--ip_version", "ipv4") => config.ipv6 = false,
        ("--ip_version", "ipv6") => config.ipv6 = true,
        ("--tolerance_usecs", value) => {
            config.tolerance_us = parse_number(value).ok_or("the tolerance is no number")?;
        }
        ("--non_fatal", "syscall") => config.lenient_calls = true,
        _ => return Err(format!("option {option}")),
    }
    Ok(())
}

/// The text without comments and without what its `#ifdef`s leave out; lines stay where they are.
fn preprocess(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut left_out: Vec<bool> = Vec::new();
    let (mut in_code, mut in_command, mut in_comment) = (false, false, false);
    for line in text.lines() {
        let directive = line.trim().strip_prefix('#').filter(|_| !in_code);
        let mut words = directive.unwrap_or("").split_whitespace();
        match words.next() {
            Some(word @ ("ifdef" | "ifndef")) => {
                let defined = words.next().is_some_and(|name| DEFINED.contains(&name));
                left_out.push(defined != (word == "ifdef"));
            }
            Some("else") => {
                let last = left_out.last_mut().ok_or("#else without #ifdef")?;
                *last = !*last;
            }
            Some("endif") => {
                left_out.pop().ok_or("#endif without #ifdef")?;
            }
            Some(other @ ("define" | "undef" | "include" | "if" | "elif")) => {
                return Err(format!("directive #{other}"));
            }
            None if !left_out.contains(&true) && directive.is_none() => {
                let mut rest = line;
                while let Some(next) = rest.chars().next() {
                    if in_comment {
                        let Some(end) = rest.find("*/") else { break };
                        (in_comment, rest) = (false, &rest[end + 2..]);
                        continue;
                    }
                    if !in_code && !in_command {
                        if rest.starts_with("//") {
                            break;
                        }
                        if let Some(after) = rest.strip_prefix("/*") {
                            (in_comment, rest) = (true, after);
                            continue;
                        }
                    }
                    in_code = (in_code || rest.starts_with("%{")) && !rest.starts_with("}%");
                    in_command ^= next == '`' && !in_code;
                    out.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
            // Left out, or a comment.
            _ => {}
        }
        out.push('\n');
    }
    if left_out.is_empty() { Ok(out) } else { Err("#ifdef without #endif".to_owned()) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn line_number(&self) -> usize {
        self.text[..self.at].matches('\n').count() + 1
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// What is left of this line.
    fn line(&mut self) -> &'t str {
        let rest = self.rest();
        let line = rest.lines().next().unwrap_or("");
        self.at += line.len();
        line.trim()
    }

    /// What comes before `end`, on this line or later ones, and goes behind it.
    fn until(&mut self, end: &str) -> Result<&'t str, String> {
        let rest = self.rest();
        let len = rest.find(end).ok_or_else(|| format!("no {end} at its end"))?;
        self.at += len + end.len();
        Ok(&rest[..len])
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// Seconds, as microseconds.
    fn seconds(&mut self) -> Result<i64, String> {
        let rest = self.rest();
        let mut len = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        // The dots of a span begin with three.
        if rest[len..].starts_with('.') && !rest[len..].starts_with("...") {
            let digits = &rest[len + 1..];
            len += 1 + digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        }
        self.at += len;
        let (whole, part) = rest[..len].split_once('.').unwrap_or((&rest[..len], ""));
        let micros: String = part.chars().chain("000000".chars()).take(6).collect();
        let number = |digits: &str| if digits.is_empty() { Ok(0) } else { digits.parse::<i64>() };
        match (number(whole), number(&micros)) {
            (Ok(whole), Ok(micros)) if len > 0 => Ok(whole * 1_000_000 + micros),
            _ => Err(format!("no time: {}", rest.lines().next().unwrap_or(""))),
        }
    }

    /// An event's time; a command may have none.
    fn time(&mut self) -> Result<Time, String> {
        if self.rest().starts_with('`') {
            return Ok(Time::At { relative: true, us: 0 });
        }
        if self.take("*") {
            self.skip_blanks();
            return Ok(Time::Any);
        }
        let relative = self.take("+");
        self.skip_blanks();
        let us = self.seconds()?;
        let after = self.rest().trim_start_matches(' ');
        if after.starts_with("...") {
            self.at = self.text.len() - after.len();
        }
        let time = if self.take("~") {
            self.take("+");
            Time::Range { relative, from_us: us, to_us: self.seconds()? }
        } else if self.take("...") {
            self.skip_blanks();
            self.take("+");
            Time::Blocking { relative, us, end_us: self.seconds()? }
        } else {
            Time::At { relative, us }
        };
        self.skip_blanks();
        Ok(time)
    }

    fn kind(&mut self) -> Result<Kind, String> {
        if self.take("`") {
            return Ok(Kind::Command(self.until("`")?.to_owned()));
        }
        if self.take("%{") {
            return Ok(Kind::Code(self.until("}%")?.to_owned()));
        }
        if self.take("<") {
            let line = self.line();
            return match line.strip_prefix("icmp ") {
                Some(line) => icmp(line).map(Kind::Icmp),
                None => packet(line).map(Kind::In),
            };
        }
        if self.take(">") {
            return packet(self.line()).map(Kind::Out);
        }
        self.call().map(Kind::Call)
    }

    fn call(&mut self) -> Result<Call, String> {
        let start = self.rest();
        let refused = || format!("not understood: {}", start.lines().next().unwrap_or(""));
        let name = self.until("(").map_err(|_| refused())?;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(refused());
        }
        let mut depth = 0;
        let mut arguments = vec![String::new()];
        for c in self.rest().chars() {
            self.at += c.len_utf8();
            match c {
                ')' if depth == 0 => break,
                ',' if depth == 0 => {
                    arguments.push(String::new());
                    continue;
                }
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            arguments.last_mut().expect("there is one").push(c);
        }
        let arguments = arguments.iter().map(|argument| argument.trim().to_owned()).collect();
        let result = self.line().strip_prefix('=').ok_or_else(refused)?;
        let mut words = result.split_whitespace();
        let value = words.next().and_then(parse_number).ok_or_else(refused)?;
        let errno = words.next().filter(|_| value == -1);
        let result =
            errno.map_or(Outcome::Value(value), |errno| Outcome::Failure(errno.to_owned()));
        Ok(Call { name: name.to_owned(), arguments, result })
    }
}
