//! Graphs of segments that are made up here, whose numbers are known.

use smoltcp::time::Instant;

use super::connection::{Ack, Data, Event};
use super::*;
use crate::ladder::analysis::Analysed;
use crate::ladder::conversation::Place;
use crate::ladder::mark::Mark;
use crate::ladder::marker::Window;
use crate::segment::{Packet, Segment, Start};

/// A segment of a client or its server, in a world of its own.
#[derive(Clone, Copy, Debug)]
struct Made {
    forward: bool,
    millis: i64,
    seq: u32,
    len: usize,
    ack: u32,
}

/// Builds what the analysis tells of a segment.
#[derive(Debug, Default)]
struct Story(Vec<Event>);

impl Story {
    fn add(
        &mut self,
        made: Made,
        marks: &[Mark],
        change: impl FnOnce(&mut Analysed, &mut Segment),
    ) {
        let (client, server) = ("10.0.0.1:4000".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
        let (from, to) = if made.forward { (client, server) } else { (server, client) };
        let mut segment = Segment {
            seq: made.seq,
            len: made.len,
            ack_number: made.ack,
            ..Segment::with_flags(from, to, "A")
        };
        let packet = Packet {
            summary: PacketSummary::Tcp(segment),
            from: None,
            to: None,
            layers: Vec::new(),
            remarks: Vec::new(),
            addressed: true,
        };
        let mut analysed = Analysed {
            number: self.0.len() as u64 + 1,
            micros: Some(made.millis * 1000),
            epoch: None,
            dropped: false,
            packet,
            place: Some(Place { number: 1, forward: made.forward }),
            marks: marks.to_vec(),
            window: Some(Window { bytes: 1000, unscaled: false, news: true }),
            round_trip: None,
            handshake: None,
        };
        change(&mut analysed, &mut segment);
        self.0.extend(Event::new(&analysed, &segment));
    }

    fn data(&mut self, millis: i64, seq: u32, len: usize, marks: &[Mark]) {
        self.add(Made { forward: true, millis, seq, len, ack: 1 }, marks, |_, _| {});
    }

    fn ack(&mut self, millis: i64, ack: u32) {
        self.add(Made { forward: false, millis, seq: 1, len: 0, ack }, &[], |_, _| {});
    }

    fn direction(&self) -> Direction {
        Direction::new(&self.0, true)
    }
}

#[test]
fn a_direction_is_its_data_and_the_peers_acknowledgements() {
    let mut story = Story::default();
    story.data(0, 1, 500, &[]);
    story.data(5, 501, 500, &[Mark::Retransmission]);
    story.ack(9, 501);
    let made = Made { forward: false, millis: 10, seq: 1, len: 0, ack: 501 };
    story.add(made, &[Mark::DuplicateAck(1)], |analysed, segment| {
        segment.sack[0] = Some((1001, 1501));
        analysed.round_trip = Some(smoltcp::time::Duration::from_millis(7));
    });
    let direction = story.direction();
    let data =
        Data { number: 1, micros: 0, start: 1, end: 501, again: false, lost: false, says: None };
    let again = Data { number: 2, micros: 5000, start: 501, end: 1001, again: true, ..data };
    assert_eq!(direction.data, [data, again]);
    let ack = Ack {
        number: 3,
        micros: 9000,
        next: 501,
        window: Some(1501),
        sack: Vec::new(),
        duplicate: false,
        round_trip: None,
    };
    let duplicate = Ack {
        number: 4,
        micros: 10_000,
        sack: vec![(1001, 1501)],
        duplicate: true,
        round_trip: Some(7000),
        ..ack.clone()
    };
    assert_eq!(direction.acks, [ack, duplicate]);
    assert_eq!((direction.times(), direction.sent()), (Some((0, 10_000)), 1000));
    // The other way nothing but the peer's acknowledgements is to be seen.
    let back = Direction::new(&story.0, false);
    assert_eq!((back.data.len(), back.acks.len(), back.sent()), (0, 2, 0));
}

#[test]
fn numbers_go_on_beyond_their_end() {
    let mut story = Story::default();
    let step = 1 << 30;
    for round in 0..6_u32 {
        story.data(round.into(), round.wrapping_mul(step), 100, &[]);
        story.ack(i64::from(round) + 1, round.wrapping_mul(step).wrapping_add(100));
    }
    let direction = story.direction();
    let starts: Vec<_> = direction.data.iter().map(|data| data.start >> 30).collect();
    assert_eq!(starts, [0, 1, 2, 3, 4, 5]);
    assert_eq!(direction.acks[5].next, (5 << 30) + 100);
    assert_eq!(rates::acknowledged(&direction), 5 << 30);
}

#[test]
fn what_nobody_took_is_lost_and_acknowledges_nothing() {
    let mut story = Story::default();
    let made = Made { forward: true, millis: 0, seq: 1, len: 9, ack: 1 };
    story.add(made, &[], |analysed, _| analysed.dropped = true);
    story.add(made, &[Mark::BadChecksum], |_, segment| segment.sound = false);
    let answer = Made { forward: false, ack: 10, len: 0, ..made };
    story.add(answer, &[], |analysed, _| analysed.dropped = true);
    // Numbers that are not the connection's, and a segment without a time.
    story.add(made, &[], |_, segment| segment.start = Start::Absolute);
    story.add(made, &[], |analysed, _| analysed.micros = None);
    let direction = story.direction();
    let lost: Vec<_> = direction.data.iter().map(|data| data.lost).collect();
    assert_eq!((lost, direction.acks.len()), (vec![true, true], 0));
}

/// The `d` of the only path of a class.
fn path<'a>(document: &'a str, class: &str) -> Vec<&'a str> {
    let from = format!("<path class=\"{class}\" d=\"");
    let paths = document.split(&from).skip(1);
    // The last one is the legend's sample.
    let mut paths: Vec<_> = paths.map(|rest| rest.split('"').next().expect("an end")).collect();
    paths.pop();
    paths
}

fn drawn(direction: &Direction, chart: fn(&Direction, (i64, i64)) -> chart::Chart) -> String {
    chart(direction, direction.times().expect("there is something")).finish("title", &[])
}

#[test]
fn the_time_sequence_graph_has_each_segment_where_it_belongs() {
    let mut story = Story::default();
    story.data(0, 0, 500, &[]);
    story.data(50, 500, 500, &[Mark::FastRetransmission]);
    story.ack(100, 1000);
    let document = drawn(&story.direction(), stevens::chart);
    // 0 to 100 ms are 76 + 1 % to 972 - 1 %; 0 to 1400 bytes from the bottom to the top.
    let y =
        |value: f64| format!("{}", crate::ladder::svg::element::Px(528.0 - value / 1400.0 * 418.0));
    assert_eq!(path(&document, "data"), [format!("M84.8 {}V{}", y(0.0), y(500.0))]);
    assert_eq!(path(&document, "again"), [format!("M524 {}V{}", y(500.0), y(1000.0))]);
    assert!(
        document.contains("<title>frame 2: 500-1000, 500 bytes, sent again</title>"),
        "{document}"
    );
    assert!(!document.contains("class=\"lost\""), "nothing is");
}

#[test]
fn in_flight_is_what_is_sent_and_not_acknowledged() {
    let mut story = Story::default();
    story.data(0, 1, 500, &[]);
    story.data(1, 501, 500, &[]);
    // Does not make it more.
    story.data(2, 1, 500, &[Mark::Retransmission]);
    story.ack(3, 501);
    story.ack(4, 1001);
    let flight: Vec<_> = in_flight::flight(&story.direction());
    assert_eq!(flight, [(0, 500), (1000, 1000), (2000, 1000), (3000, 500), (4000, 0)]);
}

#[test]
fn throughput_counts_each_byte_in_its_interval() {
    let mut story = Story::default();
    for millis in 0..100 {
        story.data(millis, millis as u32 * 100, 100, &[]);
        story.ack(millis, (millis as u32 + 1) * 100);
    }
    let direction = story.direction();
    let rates = rates::Rates::new(&direction, direction.times().unwrap());
    assert_eq!(rates.interval, 1000);
    assert!(rates.sent.iter().all(|&bytes| (bytes - 100.0).abs() < 1e-9), "{:?}", rates.sent);
    let acked: f64 = rates.acked.iter().sum();
    assert!((acked - 9900.0).abs() < 1e-9, "the first one is where it begins: {acked}");
    assert!((rates.rate(100.0) - 800_000.0).abs() < 1e-3, "bits a second");
}

#[test]
fn a_graph_has_a_size_whatever_the_transfer_has() {
    let mut story = Story::default();
    for index in 0..200_000_u32 {
        let millis = i64::from(index);
        story.data(
            millis,
            index * 1000,
            1000,
            if index % 3 == 0 { &[Mark::Retransmission] } else { &[] },
        );
        story.ack(millis, index * 1000);
    }
    let direction = story.direction();
    let all = [
        stevens::chart,
        |d: &Direction, t| rates::chart(d, t).0,
        round_trips::chart,
        in_flight::chart,
    ];
    for chart in all {
        let len = drawn(&direction, chart).len();
        assert!(len < 600_000, "{len}");
    }
}

#[test]
fn the_connection_with_the_most_data_is_drawn_and_nothing_of_none() {
    let mut plot = Plot::new(Graph::Stevens);
    assert!(plot.finish().is_err() && plot.is_empty());
    plot.add(&Frame::sent(Instant::ZERO, None, &[0; 60], ""));
    assert!(plot.finish().is_err() && !plot.is_empty());
    for graph in Graph::ALL {
        assert!(!graph.name().contains(' '));
    }
}
