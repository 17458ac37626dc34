//! Rungs: what is to be said of each frame, and between which columns.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use smoltcp::time::Instant;

use super::analysis::{Analysed, Analysis};
use super::conversation::Conversation;
use super::filter::Filter;
use super::frame::Frame;
use super::hosts::{Hosts, To, addresses, endpoints, group};
use super::lanes::{HostName, Lanes};
use super::mark::Mark;
use super::printable::safe;
use crate::capture::Direction;
use crate::segment::{Packet, PacketSummary, Start};

/// One frame's place in the diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// The frame's number in the capture, from 1, as Wireshark has it.
    pub number: u64,
    /// The number of its conversation, if it is of one.
    pub conversation: Option<u64>,
    /// Microseconds since the first frame that has a time; `None` if this one has none.
    pub micros: Option<i64>,
    /// Microseconds since 1970, or since a run's beginning in virtual time.
    pub epoch: Option<i64>,
    /// Column of the sender; 0 is the leftmost, the board's.
    pub from: usize,
    /// Where it goes.
    pub to: To,
    /// Port of the sender and of the receiver.
    pub ports: Option<(u16, u16)>,
    /// Sender and receiver, if they have ports.
    pub ends: Option<(SocketAddr, SocketAddr)>,
    /// What the frame says, a SYN's options at the end.
    pub label: String,
    /// Bytes of the label without those options.
    pub brief_len: usize,
    /// What it is in view of the frames before.
    pub marks: Vec<Mark>,
    /// What it came in, what is wrong with it, and what the link did to it, without control characters.
    pub notes: String,
    /// The link dropped it: a note says so with its first word.
    pub dropped: bool,
}

impl Rung {
    /// The label without a SYN's options, and those.
    pub(super) fn brief(&self) -> (&str, &str) {
        let (brief, options) =
            self.label.split_at_checked(self.brief_len).unwrap_or((&self.label, ""));
        (brief, options.trim_start())
    }

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
    analysis: Analysis,
    hosts: Hosts,
    filter: Option<Filter>,
    passed_over: u64,
}

impl Rungs {
    /// From now on a board is known to have these addresses; unless told, those of
    /// [`BOARD_NET`](tapboard_firmware::BOARD_NET). Others are learned from what it sends.
    #[must_use]
    pub fn of_board(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.hosts.of_board(addresses);
        self
    }

    /// From now on there are that many columns at most, of which the last is shared by all for whom there is none
    /// of their own; unless told, [`HOSTS_MAX`](super::HOSTS_MAX), and no less than two.
    #[must_use]
    pub fn of_columns(mut self, max: usize) -> Self {
        self.hosts.of_lanes(Lanes::as_they_come(max));
        self
    }

    /// From now on these hosts have a column each, in this order, and all others one at the right, as soon as
    /// there are any or from the beginning. Each is given by all the names that are known of it.
    #[must_use]
    pub fn of_hosts(mut self, hosts: &[Vec<HostName>], others: bool) -> Self {
        self.hosts.of_lanes(Lanes::chosen_are(hosts, others));
        self
    }

    /// From now on there is a rung of those frames only that pass the filter.
    #[must_use]
    pub(super) fn of_filter(mut self, filter: Option<Filter>) -> Self {
        self.filter = filter;
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

    /// The rung of a frame. `None` if it does not pass the filter, or its link is not one that can be drawn.
    pub fn frame(&mut self, frame: &Frame<'_>) -> Option<Rung> {
        let analysed = self.look(frame)?;
        Some(self.draw(frame, &analysed))
    }

    /// Looks at a frame, which need not be drawn. `None` as of [`Rungs::frame`].
    pub(super) fn look(&mut self, frame: &Frame<'_>) -> Option<Analysed> {
        let analysed = self.analysis.look(frame)?;
        if self.filter.as_ref().is_some_and(|filter| !filter.passes(&analysed)) {
            self.passed_over += 1;
            return None;
        }
        self.analysis.count(frame, &analysed);
        Some(analysed)
    }

    /// The rung of a frame that was looked at. Hosts whose frames are not drawn have no column.
    pub(super) fn draw(&mut self, frame: &Frame<'_>, analysed: &Analysed) -> Rung {
        let packet = &analysed.packet;
        let (from, to) = self.hosts.ends(frame.direction, packet);
        let mut label = packet.summary.to_string();
        let mut notes = packet.layers.clone();
        notes.extend(places(&self.hosts, packet, from, to));
        if let Some(window) = analysed.window.filter(|window| window.news) {
            let _ =
                write!(label, " win={}{}", window.bytes, if window.unscaled { "?" } else { "" });
        }
        if let PacketSummary::Tcp(segment) = &packet.summary {
            match segment.start {
                Start::Known => {}
                Start::Taken => notes.push("began before the capture".into()),
                Start::Absolute => notes.push("absolute numbers".into()),
            }
        }
        if to == To::Same
            && let Some(ends) = ends(&packet.summary)
        {
            label = format!("{ends} {label}");
        }
        let mut label = safe(label);
        let brief_len = label.len();
        if let PacketSummary::Tcp(segment) = &packet.summary {
            label.push_str(&segment.syn_options());
        }
        let ends = endpoints(&packet.summary);
        let ports = ends.map(|(from, to)| (from.port(), to.port()));
        notes.extend(packet.remarks.iter().map(ToString::to_string));
        if !frame.notes.is_empty() {
            notes.push(frame.notes.to_string());
        }
        Rung {
            number: analysed.number,
            conversation: analysed.place.map(|place| place.number),
            micros: analysed.micros,
            epoch: analysed.epoch,
            from,
            to,
            ports,
            ends,
            label,
            brief_len,
            marks: analysed.marks.clone(),
            notes: safe(notes.join(", ")),
            dropped: analysed.dropped,
        }
    }

    /// What was seen of all frames, those that were not drawn included.
    pub(super) const fn analysis(&self) -> &Analysis {
        &self.analysis
    }

    /// Frames that did not pass the filter.
    #[must_use]
    pub const fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// The conversations of which frames passed, by number.
    pub fn conversations(&self) -> impl Iterator<Item = &Conversation> {
        self.analysis.conversations()
    }

    /// Directions of connections that were forgotten, because there were too many.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.analysis.forgotten()
    }

    /// Whether titles may be others than when this was asked before.
    pub(super) const fn has_new_titles(&mut self) -> bool {
        self.hosts.has_news()
    }

    /// The columns' titles, from the left. A title may get better, and columns come on at the right.
    #[must_use]
    pub fn titles(&self) -> Vec<String> {
        self.hosts.titles()
    }

    /// Hosts that [`Self::of_hosts`] named, and of which no frame was.
    #[must_use]
    pub fn absent_hosts(&self) -> Vec<HostName> {
        self.hosts.absent()
    }
}

/// Who sends and who receives, where a column does not say it: it is shared, or the receiver is a group.
fn places(hosts: &Hosts, packet: &Packet, from: usize, to: To) -> Vec<String> {
    let (source, destination) = addresses(&packet.summary);
    let mut notes = Vec::new();
    if to != To::Same && hosts.is_shared(from) {
        notes.extend(source.map(|address| format!("from {address}")));
    }
    let shared = matches!(to, To::Column(to) if hosts.is_shared(to));
    let destination = if shared { destination } else { group(&packet.summary) };
    if to != To::Same {
        notes.extend(destination.map(|address| format!("to {address}")));
    }
    notes
}

/// Sender and receiver, with ports if there are any.
fn ends(summary: &PacketSummary) -> Option<String> {
    if let Some((from, to)) = endpoints(summary) {
        return Some(format!("{from} > {to}"));
    }
    match addresses(summary) {
        (Some(from), Some(to)) => Some(format!("{from} > {to}")),
        _ => None,
    }
}
