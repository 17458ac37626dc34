//! Lines of bounded length out of a stream that comes in pieces.
//!
//! Whatever the peer sends, no more than the limit is ever kept. A line that exceeds it is reported once,
//! at the byte that exceeds it, and the rest of it is skipped up to its line feed.

/// One line, or the mark of one that was too long.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// The line without its LF or CR LF.
    Complete(Vec<u8>),
    /// A line exceeded the limit; all of it is skipped.
    TooLong,
}

/// Cuts a stream into lines.
#[derive(Debug)]
pub struct Lines {
    limit: usize,
    kept: Vec<u8>,
    skipping: bool,
}

impl Lines {
    /// Lines of at most `limit` bytes, line feed not counted.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, kept: Vec::new(), skipping: false }
    }

    /// Takes bytes from the front of `input` up to the next line that is due, and returns that line;
    /// `None` once `input` is used up. Call until it says so.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Line> {
        while !input.is_empty() {
            let end = input.iter().position(|&byte| byte == b'\n');
            let (part, rest) = input.split_at(end.unwrap_or(input.len()));
            if !self.skipping && self.kept.len() + part.len() > self.limit {
                self.kept = Vec::new();
                self.skipping = true;
                *input = rest;
                return Some(Line::TooLong);
            }
            if !self.skipping {
                self.kept.extend_from_slice(part);
            }
            if end.is_none() {
                *input = rest;
                return None;
            }
            *input = &rest[1..];
            if !std::mem::take(&mut self.skipping) {
                let mut line = std::mem::take(&mut self.kept);
                line.pop_if(|byte| *byte == b'\r');
                return Some(Line::Complete(line));
            }
        }
        None
    }

    /// How many bytes of an unfinished line are kept: what is lost if the stream ends here.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(lines: &mut Lines, mut input: &[u8]) -> Vec<Line> {
        std::iter::from_fn(|| lines.next(&mut input)).collect()
    }

    fn complete(text: &str) -> Line {
        Line::Complete(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = b"one\ntwo\r\n\nthis one is much too long\nfour\n12345678\nlast";
        let expected = [
            complete("one"),
            complete("two"),
            complete(""),
            Line::TooLong,
            complete("four"),
            complete("12345678"),
        ];
        for size in 1..=text.len() {
            let mut lines = Lines::new(8);
            let found: Vec<Line> =
                text.chunks(size).flat_map(|piece| cut(&mut lines, piece)).collect();
            assert_eq!(found, expected, "in pieces of {size}");
            assert_eq!(lines.unfinished(), 4);
        }
    }

    #[test]
    fn an_endless_line_is_reported_once_and_keeps_nothing() {
        let mut lines = Lines::new(100);
        let mut overlong = 0;
        for _ in 0..1000 {
            overlong += cut(&mut lines, &[b'x'; 64]).len();
            assert!(lines.unfinished() <= 100);
        }
        assert_eq!(overlong, 1);
        assert_eq!(cut(&mut lines, b"\nfine\n"), [complete("fine")]);
    }

    #[test]
    fn the_limit_is_exact() {
        assert_eq!(cut(&mut Lines::new(4), b"1234\n"), [complete("1234")]);
        assert_eq!(cut(&mut Lines::new(4), b"12345\n"), [Line::TooLong]);
    }
}
