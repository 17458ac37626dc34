//! What the table of `lossy` has rows for: a bad link, a direction, and the size of the buffers.

use tapboard::link::{Link, Setting};

use crate::peer::{LARGE, MCU, size};

/// What is wrong with the link, each way, beside its delay.
const FAULTS: [(&str, &str); 8] = [
    ("loss", "0.1%"),
    ("loss", "1%"),
    ("loss", "2%"),
    ("loss", "5%"),
    ("loss", "10%"),
    ("loss", "20%"),
    // 3 frames in a row, and 3 of a hundred.
    ("burst", "1%/30%"),
    ("reorder", "5%"),
];

/// Round trips without what is wrong, milliseconds.
const RTTS_MS: [u32; 3] = [2, 50, 200];
/// The one at which the kernel is measured too, for that takes real time.
pub(super) const REAL_RTT_MS: u32 = 50;

/// Buffers of the board, and of plain smoltcp in its place, and how much is sent: so much that the rows of small ones come
/// to their end. Bytes.
const BUFFERS: [(usize, u64); 3] = [(LARGE, 1_000_000), (8 * 1024, 250_000), (MCU, 100_000)];

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// The board.
    From,
    /// Its client.
    To,
    /// The client, and the board what has come.
    Echo,
}

impl Direction {
    const ALL: [Self; 3] = [Self::From, Self::To, Self::Echo];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::From => "from the board",
            Self::To => "to the board",
            Self::Echo => "echo",
        }
    }
}

/// A row: what is done, and over which link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) buffer: usize,
    pub(super) direction: Direction,
    pub(super) rtt_ms: u32,
    /// The fault's name and value.
    pub(super) fault: (&'static str, &'static str),
    /// How much is sent.
    pub(super) bytes: u64,
}

impl Row {
    /// All of them, those of one table together; `quick` ones have a tenth to send.
    pub(super) fn all(quick: bool) -> Vec<Self> {
        let mut rows = Vec::new();
        for (buffer, bytes) in BUFFERS {
            let bytes = if quick { bytes / 10 } else { bytes };
            for direction in Direction::ALL {
                for rtt_ms in RTTS_MS {
                    let row = |fault| Self { buffer, direction, rtt_ms, fault, bytes };
                    rows.extend(FAULTS.map(row));
                }
            }
        }
        rows
    }

    /// What it is called: of its table, and in it.
    pub(super) fn name(&self) -> (String, String) {
        let Self { buffer, direction, rtt_ms, fault: (fault, value), bytes } = self;
        let table = format!("{bytes} bytes {}, {} buffers", direction.name(), size(*buffer));
        (table, format!("{rtt_ms} ms, {fault} {value}"))
    }

    /// The settings of its link, each way.
    pub(super) fn settings(&self) -> [(&'static str, String); 2] {
        let delay = format!("{}us", self.rtt_ms * 500);
        [("delay", delay), (self.fault.0, self.fault.1.to_owned())]
    }

    /// Its link.
    pub(super) fn link(&self, seed: u64) -> Result<Link, String> {
        let mut link = Link::new(seed);
        for (name, value) in self.settings() {
            link.set(None, Setting::parse(name, &value)?);
        }
        Ok(link)
    }

    /// The least that random loss lets a window of two frames take: a window each round trip, and a round trip more for each
    /// time that one of its frames is lost, of which nobody can know sooner. An echo crosses the link twice. Seconds.
    pub(super) fn floor(&self) -> Option<f64> {
        let loss = match self.fault {
            ("loss", value) => value.trim_end_matches('%').parse::<f64>().ok()? / 100.0,
            ("reorder", _) => 0.0,
            _ => return None,
        };
        // A larger window moves on while it waits for a hole.
        if self.buffer > MCU {
            return None;
        }
        let frames = if self.direction == Direction::Echo { 4 } else { 2 };
        // How often a window is sent until the last of it has arrived: the sum, over k, of the chance that one of its frames
        // was lost k times.
        let rounds: f64 = (0..100).map(|k| 1.0 - (1.0 - loss.powi(k)).powi(frames)).sum();
        let windows = self.bytes.div_ceil(self.buffer as u64) as f64;
        Some(windows * rounds * f64::from(self.rtt_ms) / 1000.0)
    }
}
