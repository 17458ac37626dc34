//! Rungs: what is to be said of each frame, and between which columns.

use std::fmt::Write as _;
use std::net::IpAddr;

use smoltcp::time::Instant;

use super::hosts::Hosts;
use super::mark::{Mark, Marker};
use crate::capture::Direction;
use crate::segment::{Decoder, PacketSummary};

/// One frame's place in the diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Microseconds since the first frame.
    pub micros: i64,
    /// Column of the sender; 0 is the leftmost, the board's.
    pub from: usize,
    /// Column of the receiver; `None` if no column is known that could be it.
    pub to: Option<usize>,
    /// Port of the sender and of the receiver.
    pub ports: Option<(u16, u16)>,
    /// What the frame says.
    pub label: String,
    /// What it is in view of the frames before.
    pub marks: Vec<Mark>,
    /// What the link did to it, without control characters.
    pub notes: String,
    /// The link dropped it: a note says so with its first word.
    pub dropped: bool,
}

impl Rung {
    /// Marks and notes, separated by `, `.
    #[must_use]
    pub fn remarks(&self) -> String {
        let mut text = String::new();
        for mark in &self.marks {
            let _ = write!(text, "{}{mark}", if text.is_empty() { "" } else { ", " });
        }
        if !self.notes.is_empty() {
            let _ = write!(text, "{}{}", if text.is_empty() { "" } else { ", " }, self.notes);
        }
        text
    }
}

/// Turns frames into rungs.
#[derive(Debug, Default)]
pub struct Rungs {
    decoder: Decoder,
    hosts: Hosts,
    marker: Marker,
    first: Option<Instant>,
}

impl Rungs {
    /// From now on a board is known to have these addresses; unless told, those of
    /// [`BOARD_NET`](tapboard_firmware::BOARD_NET). Others are learned from what it sends.
    #[must_use]
    pub fn of_board(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.hosts.of_board(addresses);
        self
    }

    /// The rung of a frame that was sent at `now`. With no direction known, who sends first stands left.
    pub fn rung(
        &mut self,
        now: Instant,
        direction: Option<Direction>,
        frame: &[u8],
        notes: &str,
    ) -> Rung {
        let first = *self.first.get_or_insert(now);
        let summary = self.decoder.read(frame);
        let (from, to) = self.hosts.ends(direction, frame, &summary);
        let mut label = summary.to_string();
        let mut marks = Vec::new();
        if let PacketSummary::Tcp(segment) = &summary {
            let seen = self.marker.look(now, segment, frame);
            if let Some(window) = seen.window {
                let _ = write!(label, " win={window}");
            }
            marks = seen.marks;
        }
        let ports = match &summary {
            PacketSummary::Tcp(segment) => {
                Some((segment.source.port(), segment.destination.port()))
            }
            PacketSummary::Udp { source, destination, .. } => {
                Some((source.port(), destination.port()))
            }
            _ => None,
        };
        let notes: String = notes.chars().map(printable).collect();
        Rung {
            micros: now.total_micros().saturating_sub(first.total_micros()),
            from,
            to,
            ports,
            label,
            marks,
            dropped: notes.split(", ").any(|note| note.starts_with("dropped")),
            notes,
        }
    }

    /// The columns' titles, from the left. A title may get better, and columns come on at the right.
    #[must_use]
    pub fn titles(&self) -> Vec<String> {
        self.hosts.titles()
    }
}

/// What a terminal or an XML document can show: comments are the file's, not ours.
pub(super) fn printable(character: char) -> char {
    let ordinary = !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}');
    match character {
        '\n' | '\t' => ' ',
        _ if ordinary => character,
        _ => char::REPLACEMENT_CHARACTER,
    }
}

/// Seconds with six decimals.
pub(super) fn seconds(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
