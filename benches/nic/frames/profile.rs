//! What callgrind has counted, added up by the part of the board that it is of.
//!
//! Its format: after `fl=` and `fn=`, the file and the name of a function, come its lines, each with what was executed of
//! it; `fi=` and `fe=` name another file, of what is inlined. What a `calls=` is followed by is the callee's, and counted
//! there.

use super::stage::Stage;

/// Instructions of each part.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    counts: [u64; Stage::ALL.len()],
    /// Those of lines that are known.
    named: u64,
}

impl Profile {
    /// Reads callgrind's file, with neither names nor positions compressed.
    pub(crate) fn parse(text: &str) -> Self {
        let mut counts = [0; Stage::ALL.len()];
        let mut named = 0;
        let (mut function, mut home, mut file) = ("", "", "");
        let mut callee = false;
        for line in text.lines() {
            if let Some((key, value)) = line.split_once('=') {
                match key {
                    "fl" => (home, file) = (value, value),
                    "fi" | "fe" => file = value,
                    "fn" => (function, file) = (value, home),
                    "calls" => callee = true,
                    _ => {}
                }
                continue;
            }
            let Some((position, count)) = line.split_once(' ') else { continue };
            let (Ok(position), Ok(count)) = (position.parse::<u64>(), count.parse::<u64>()) else {
                continue;
            };
            if !std::mem::take(&mut callee) {
                counts[Stage::of(function, home, file) as usize] += count;
                named += u64::from(position > 0) * count;
            }
        }
        Self { counts, named }
    }

    /// Whether it is known where most of it is.
    pub(crate) fn has_lines(&self) -> bool {
        self.named * 2 > self.total()
    }

    pub(crate) fn of(&self, stage: Stage) -> u64 {
        self.counts[stage as usize]
    }

    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}
