//! Rungs: what is to be said of each frame, and between which columns.

use std::fmt::Write as _;
use std::net::IpAddr;

use smoltcp::time::Instant;

use super::hosts::{self, Hosts, To};
use super::mark::Mark;
use super::marker::Marker;
use crate::capture::{Direction, LinkType};
use crate::segment::{Decoder, Packet, PacketSummary, Start};

/// A frame to be drawn.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When it was sent, if that is known.
    pub at: Option<Instant>,
    /// Which way, if that is known. With no direction known, who sends first stands left.
    pub direction: Option<Direction>,
    /// What it begins with.
    pub link: LinkType,
    /// The frame, as far as it was captured.
    pub bytes: &'a [u8],
    /// Bytes of the whole frame.
    pub len: usize,
    /// What is to be said of it.
    pub notes: &'a str,
    /// The notes are our link's, and tell whether it dropped the frame.
    pub ours: bool,
}

impl<'a> Frame<'a> {
    /// An Ethernet frame that was sent on our link at `now`.
    #[must_use]
    pub const fn sent(
        now: Instant,
        direction: Option<Direction>,
        bytes: &'a [u8],
        notes: &'a str,
    ) -> Self {
        let (link, len) = (LinkType::ETHERNET, bytes.len());
        Self { at: Some(now), direction, link, bytes, len, notes, ours: true }
    }
}

/// One frame's place in the diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// The frame's number in the capture, from 1, as Wireshark has it.
    pub number: u64,
    /// Microseconds since the first frame that has a time; `None` if this one has none.
    pub micros: Option<i64>,
    /// Column of the sender; 0 is the leftmost, the board's.
    pub from: usize,
    /// Where it goes.
    pub to: To,
    /// Port of the sender and of the receiver.
    pub ports: Option<(u16, u16)>,
    /// What the frame says.
    pub label: String,
    /// What it is in view of the frames before.
    pub marks: Vec<Mark>,
    /// What it came in, what is wrong with it, and what the link did to it, without control characters.
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
    /// Frames so far.
    count: u64,
    decoder: Decoder,
    hosts: Hosts,
    marker: Marker,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Rungs {
    /// From now on a board is known to have these addresses; unless told, those of
    /// [`BOARD_NET`](tapboard_firmware::BOARD_NET). Others are learned from what it sends.
    #[must_use]
    pub fn of_board(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.hosts.of_board(addresses);
        self
    }

    /// There are columns for at most that many hosts, the last one for all others; unless told, [`HOSTS_MAX`].
    #[must_use]
    pub const fn of_hosts(mut self, max: usize) -> Self {
        self.hosts.of_columns(max);
        self
    }

    /// The rung of an Ethernet frame that was sent on our link at `now`.
    pub fn rung(
        &mut self,
        now: Instant,
        direction: Option<Direction>,
        frame: &[u8],
        notes: &str,
    ) -> Rung {
        let frame = Frame::sent(now, direction, frame, notes);
        self.frame(&frame).expect("Ethernet is drawn")
    }

    /// The rung of a frame. `None` if its link is not one that can be drawn.
    pub fn frame(&mut self, frame: &Frame<'_>) -> Option<Rung> {
        self.count += 1;
        let packet = self.decoder.packet(frame.link, frame.bytes, frame.len)?;
        self.first = self.first.or(frame.at);
        let since = |at: Instant| {
            let first = self.first.unwrap_or(at);
            at.total_micros().saturating_sub(first.total_micros())
        };
        let micros = frame.at.map(since);
        let (from, to) = self.hosts.ends(frame.direction, &packet);
        let mut label = packet.summary.to_string();
        let mut notes = packet.layers.clone();
        notes.extend(self.places(&packet, from, to));
        let mut marks = Vec::new();
        if let PacketSummary::Tcp(segment) = &packet.summary {
            let now = frame.at.or(self.last).unwrap_or(Instant::ZERO);
            let seen = self.marker.look(now, segment, frame.bytes);
            if let Some(window) = seen.window {
                let _ = write!(label, " win={window}{}", if seen.unscaled { "?" } else { "" });
            }
            marks = seen.marks;
            match segment.start {
                Start::Known => {}
                Start::Taken => notes.push("began before the capture".into()),
                Start::Absolute => notes.push("absolute numbers".into()),
            }
        }
        self.last = frame.at.or(self.last);
        if to == To::Same
            && let Some(ends) = ends(&packet.summary)
        {
            label = format!("{ends} {label}");
        }
        let ports = hosts::endpoints(&packet.summary).map(|(from, to)| (from.port(), to.port()));
        notes.extend(packet.remarks.iter().map(ToString::to_string));
        if !frame.notes.is_empty() {
            notes.push(frame.notes.to_string());
        }
        let is_drop = |note: &str| note.starts_with("dropped");
        Some(Rung {
            number: self.count,
            micros,
            from,
            to,
            ports,
            label: label.chars().map(printable).collect(),
            marks,
            notes: notes.join(", ").chars().map(printable).collect(),
            dropped: frame.ours && frame.notes.split(", ").any(is_drop),
        })
    }

    /// Directions of connections that were forgotten, because there were too many.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.marker.forgotten()
    }

    /// The columns' titles, from the left. A title may get better, and columns come on at the right.
    #[must_use]
    pub fn titles(&self) -> Vec<String> {
        self.hosts.titles()
    }

    /// Who sends and who receives, where a column does not say it: it is shared, or the receiver is a group.
    fn places(&self, packet: &Packet, from: usize, to: To) -> Vec<String> {
        let (source, destination) = hosts::addresses(&packet.summary);
        let mut notes = Vec::new();
        if to != To::Same && self.hosts.is_shared(from) {
            notes.extend(source.map(|address| format!("from {address}")));
        }
        let shared = matches!(to, To::Column(to) if self.hosts.is_shared(to));
        let destination = if shared { destination } else { hosts::group(&packet.summary) };
        if to != To::Same {
            notes.extend(destination.map(|address| format!("to {address}")));
        }
        notes
    }
}

/// Sender and receiver, with ports if there are any.
fn ends(summary: &PacketSummary) -> Option<String> {
    if let Some((from, to)) = hosts::endpoints(summary) {
        return Some(format!("{from} > {to}"));
    }
    match hosts::addresses(summary) {
        (Some(from), Some(to)) => Some(format!("{from} > {to}")),
        _ => None,
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

/// Seconds with six decimals; `-` if they are not known.
pub(super) fn seconds(micros: Option<i64>) -> String {
    let Some(micros) = micros else { return "-".into() };
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
