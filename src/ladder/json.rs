//! A capture as JSON for scripts: a line with one object for each frame or conversation, and a summary at the end.
//! The schema is documented in `docs/captures.md`; what is not known has no key.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use smoltcp::time::Duration;

use super::analysis::{Analysed, Analysis};
use super::conversation::{Conversation, Way};
use super::frame::Frame;
use super::hosts::{addresses, endpoints};
use super::mark::Mark;
use super::roundtrip::RoundTrip;
use super::rung::Rungs;
use crate::capture::{Direction, Record};
use crate::segment::{PacketSummary, Segment, Start, ip_protocol};

/// Writes the lines.
pub(super) struct Json<W> {
    out: W,
    shown: u64,
    marks: BTreeMap<&'static str, u64>,
    last: Option<i64>,
}

#[derive(Serialize)]
struct FrameObject<'a> {
    frame: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch_us: Option<i64>,
    bytes: usize,
    captured: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    way: Option<&'static str>,
    protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_mac: Option<String>,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp: Option<TcpObject>,
    marks: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_ack: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt: Option<f64>,
    layers: &'a [String],
    remarks: &'a [&'static str],
    #[serde(skip_serializing_if = "str::is_empty")]
    notes: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    dropped: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[derive(Serialize)]
struct TcpObject {
    flags: Vec<&'static str>,
    seq: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<u32>,
    /// `initial`, `first` or `none`.
    relative_to: &'static str,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<u32>,
    #[serde(skip_serializing_if = "is_false")]
    window_unscaled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sack: Vec<(u32, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mss: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_shift: Option<u8>,
    #[serde(skip_serializing_if = "is_false")]
    sack_permitted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamps: Option<(u32, u32)>,
}

#[derive(Serialize)]
struct ConversationObject {
    conversation: u64,
    protocol: String,
    from: String,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    begins: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lasts: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handshake: Option<f64>,
    there: WayObject,
    back: WayObject,
}

#[derive(Serialize)]
struct WayObject {
    frames: u64,
    bytes: u64,
    payload: u64,
    retransmissions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt: Option<RttObject>,
}

#[derive(Serialize)]
struct RttObject {
    samples: u64,
    min: f64,
    smoothed: f64,
    max: f64,
}

#[derive(Serialize)]
struct Last {
    summary: SummaryObject,
}

#[derive(Serialize)]
struct SummaryObject {
    frames: u64,
    shown: u64,
    /// By link.
    not_read: BTreeMap<String, u64>,
    conversations: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    marks: BTreeMap<&'static str, u64>,
    forgotten: u64,
    cut_short: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
}

impl<W: Write> Json<W> {
    pub(super) const fn new(out: W) -> Self {
        Self { out, shown: 0, marks: BTreeMap::new(), last: None }
    }

    /// Writes a frame.
    pub(super) fn frame(
        &mut self,
        frame: &Frame<'_>,
        record: &Record,
        analysed: &Analysed,
    ) -> io::Result<()> {
        self.count(analysed);
        let packet = &analysed.packet;
        let (from, to) = addresses(&packet.summary);
        let ports = endpoints(&packet.summary);
        let mac = |mac: Option<smoltcp::wire::EthernetAddress>| {
            mac.map(|mac| mac.to_string().replace('-', ":"))
        };
        let object = FrameObject {
            frame: analysed.number,
            seconds: analysed.micros.map(seconds),
            epoch_us: analysed.epoch,
            bytes: frame.len,
            captured: frame.bytes.len(),
            direction: record.direction.map(|direction| match direction {
                Direction::ToBoard => "to board",
                Direction::ToPeer => "from board",
            }),
            conversation: analysed.place.map(|place| place.number),
            way: analysed.place.map(|place| if place.forward { "there" } else { "back" }),
            protocol: protocol(&packet.summary),
            from: from.map(|ip| ip.to_string()),
            to: to.map(|ip| ip.to_string()),
            from_port: ports.map(|(from, _)| from.port()),
            to_port: ports.map(|(_, to)| to.port()),
            from_mac: mac(packet.from),
            to_mac: mac(packet.to),
            says: packet.summary.to_string(),
            tcp: match &packet.summary {
                PacketSummary::Tcp(segment) => Some(TcpObject::of(segment, analysed)),
                _ => None,
            },
            marks: analysed.marks.iter().map(|mark| mark.name()).collect(),
            duplicate_ack: analysed.marks.iter().find_map(|mark| match mark {
                Mark::DuplicateAck(number) => Some(*number),
                _ => None,
            }),
            rtt: analysed.round_trip.map(duration),
            layers: &packet.layers,
            remarks: &packet.remarks,
            notes: &record.notes,
            dropped: analysed.dropped,
        };
        self.line(&object)
    }

    /// Counts a frame for the summary.
    pub(super) fn count(&mut self, analysed: &Analysed) {
        self.shown += 1;
        self.last = self.last.max(analysed.micros);
        for mark in &analysed.marks {
            *self.marks.entry(mark.name()).or_default() += 1;
        }
    }

    /// Writes the conversations.
    pub(super) fn conversations(&mut self, analysis: &Analysis) -> io::Result<()> {
        analysis.conversations().try_for_each(|one| self.line(&ConversationObject::of(one)))
    }

    /// Writes the summary.
    pub(super) fn finish(
        &mut self,
        rungs: &Rungs,
        cut_short: bool,
        damage: Option<String>,
    ) -> io::Result<()> {
        let analysis = rungs.analysis();
        let not_read = analysis.not_read().iter();
        let summary = SummaryObject {
            frames: analysis.frames(),
            shown: self.shown,
            not_read: not_read.map(|(link, count)| (link.to_string(), *count)).collect(),
            conversations: analysis.conversation_count(),
            seconds: self.last.map(seconds),
            marks: std::mem::take(&mut self.marks),
            forgotten: analysis.forgotten(),
            cut_short,
            damage,
        };
        self.line(&Last { summary })?;
        self.out.flush()
    }

    fn line(&mut self, object: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, object)?;
        self.out.write_all(b"\n")
    }
}

impl TcpObject {
    fn of(segment: &Segment, analysed: &Analysed) -> Self {
        Self {
            flags: segment.flags().collect(),
            seq: segment.seq,
            ack: segment.ack.then_some(segment.ack_number),
            relative_to: match segment.start {
                Start::Known => "initial",
                Start::Taken => "first",
                Start::Absolute => "none",
            },
            bytes: segment.len,
            window: analysed.window.map(|window| window.bytes),
            window_unscaled: analysed.window.is_some_and(|window| window.unscaled),
            sack: segment.sack.iter().flatten().copied().collect(),
            mss: segment.mss,
            window_shift: segment.window_scale,
            sack_permitted: segment.sack_permitted,
            timestamps: segment.timestamps,
        }
    }
}

impl ConversationObject {
    fn of(conversation: &Conversation) -> Self {
        let [from, to] = conversation.ends;
        let port = |port: u16| conversation.has_ports().then_some(port);
        let [there, back] = conversation.ways.map(WayObject::of);
        Self {
            conversation: conversation.number,
            protocol: conversation.protocol.to_string(),
            from: from.ip().to_string(),
            to: to.ip().to_string(),
            from_port: port(from.port()),
            to_port: port(to.port()),
            begins: conversation.times.map(|(first, _)| seconds(first)),
            lasts: conversation.lasts().map(seconds),
            handshake: conversation.handshake.map(duration),
            there,
            back,
        }
    }
}

impl WayObject {
    fn of(way: Way) -> Self {
        let RoundTrip { samples, min, max, smoothed } = way.round_trip;
        let [min, smoothed, max] = [min, smoothed, max].map(duration);
        Self {
            frames: way.frames,
            bytes: way.bytes,
            payload: way.payload,
            retransmissions: way.retransmissions,
            rtt: (samples > 0).then_some(RttObject { samples, min, smoothed, max }),
        }
    }
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

fn duration(time: Duration) -> f64 {
    time.total_micros() as f64 / 1e6
}

fn protocol(summary: &PacketSummary) -> String {
    match summary {
        PacketSummary::WhoHas { .. } | PacketSummary::IsAt { .. } => "ARP".into(),
        PacketSummary::Tcp(_) => "TCP".into(),
        PacketSummary::Udp { .. } => "UDP".into(),
        PacketSummary::Icmp { source, .. } if source.is_ipv6() => "ICMPv6".into(),
        PacketSummary::Icmp { .. } => "ICMP".into(),
        PacketSummary::Ip { protocol, .. } | PacketSummary::Fragment { protocol, .. } => {
            ip_protocol(*protocol)
        }
        PacketSummary::Named(name) => name.clone(),
        PacketSummary::Other => "?".into(),
    }
}
