use std::net::SocketAddr;

use super::*;

/// Both directions of one connection, a millisecond apart unless `pause` is called.
#[derive(Default)]
struct Talk {
    marker: Marker,
    millis: i64,
    /// What the last segment told of times.
    round_trip: Option<u64>,
    handshake: Option<u64>,
}

fn segment(client: bool, flags: &str, seq: u32, ack: u32, len: usize, window: u16) -> Segment {
    let ends: [SocketAddr; 2] = ["192.0.2.2:4000".parse().unwrap(), "192.0.2.1:7".parse().unwrap()];
    let [source, destination] = if client { ends } else { [ends[1], ends[0]] };
    let segment = Segment::with_flags(source, destination, flags);
    Segment { seq, ack_number: ack, len, window, ..segment }
}

/// What is told of a segment: the window if it is another than before, or 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    marks: Vec<Mark>,
    window: Option<u32>,
    unscaled: bool,
}

fn seen(marks: &[Mark], window: Option<u32>) -> Seen {
    Seen { marks: marks.to_vec(), window, unscaled: false }
}

impl Talk {
    /// An established connection, both windows 100.
    fn established() -> Self {
        let mut talk = Self::default();
        assert_eq!(talk.client("S", 0, 0, 0, 100), seen(&[], Some(100)));
        assert_eq!(talk.board("SA", 0, 1, 0, 100), seen(&[], Some(100)));
        assert_eq!(talk.client("A", 1, 1, 0, 100), Seen::default());
        talk
    }

    fn look(&mut self, segment: &Segment) -> Seen {
        self.millis += 1;
        let Segment { source, seq, ack_number, len, window, .. } = segment;
        // Told apart by its beginning, as frames are.
        let frame = format!("{source} {segment} {seq} {ack_number} {len} {window}");
        let now = Instant::from_millis(self.millis);
        let seen = self.marker.look(now, segment, frame.as_bytes());
        let unscaled = seen.window.is_some_and(|window| window.unscaled);
        let window = seen.window.filter(|window| window.news).map(|window| window.bytes);
        self.round_trip = seen.round_trip.map(|time| time.total_millis());
        self.handshake = seen.handshake.map(|time| time.total_millis());
        Seen { marks: seen.marks, window, unscaled }
    }

    fn client(&mut self, flags: &str, seq: u32, ack: u32, len: usize, window: u16) -> Seen {
        self.look(&segment(true, flags, seq, ack, len, window))
    }

    fn board(&mut self, flags: &str, seq: u32, ack: u32, len: usize, window: u16) -> Seen {
        self.look(&segment(false, flags, seq, ack, len, window))
    }

    #[track_caller]
    fn client_is(&mut self, seq: u32, len: usize, marks: &[Mark]) {
        assert_eq!(self.client("A", seq, 1, len, 100).marks, marks);
    }
}

#[test]
fn what_was_sent_before_is_a_retransmission_in_part_or_whole() {
    let mut talk = Talk::established();
    talk.client_is(1, 10, &[]);
    talk.client_is(11, 10, &[]);
    talk.client_is(1, 10, &[Mark::Retransmission]);
    talk.client_is(11, 20, &[Mark::Retransmission]);
    talk.client_is(31, 10, &[]);
    assert_eq!(talk.client("FA", 41, 1, 0, 100).marks, []);
    assert_eq!(talk.client("FA", 41, 1, 0, 100).marks, [Mark::Retransmission]);
}

#[test]
fn a_repeated_syn_is_a_retransmission_and_one_with_another_number_a_new_connection() {
    let mut talk = Talk::established();
    assert_eq!(talk.client("S", 0, 0, 0, 100).marks, [Mark::Retransmission]);
    let again = Segment { initial: 2, ..segment(true, "S", 0, 0, 0, 100) };
    assert_eq!(talk.look(&again), seen(&[], Some(100)));
}

#[test]
fn the_same_frame_at_once_is_a_duplicate() {
    let mut talk = Talk::established();
    let data = segment(true, "A", 1, 1, 10, 100);
    let mut at = |micros| talk.marker.look(Instant::from_micros(micros), &data, b"frame").marks;
    assert_eq!(at(10_000), []);
    assert_eq!(at(10_999), [Mark::Duplicate]);
    assert_eq!(at(11_999), [Mark::Retransmission]);
    assert_eq!(at(i64::MAX), [Mark::Retransmission]);
    assert_eq!(at(i64::MAX), [Mark::Duplicate], "such times are in files, too");
    assert_eq!(at(5_000_000), [Mark::Retransmission], "as are those that run back");
}

#[test]
fn a_gap_is_filled_out_of_order_and_only_once() {
    let mut talk = Talk::established();
    talk.client_is(11, 10, &[Mark::Gap]);
    talk.client_is(31, 10, &[Mark::Gap]);
    // Within the round trip of 2 ms.
    talk.client_is(1, 5, &[Mark::OutOfOrder]);
    talk.millis -= 1;
    talk.client_is(6, 5, &[Mark::OutOfOrder]);
    talk.client_is(6, 5, &[Mark::Retransmission]);
    // Acknowledged, so it was there, though nobody saw it.
    assert_eq!(talk.board("A", 1, 41, 0, 100).marks, [Mark::AckedUnseen]);
    talk.client_is(21, 10, &[Mark::SpuriousRetransmission]);
}

#[test]
fn a_gap_across_the_wrap_of_numbers_is_one_like_any_other() {
    let mut talk = Talk::default();
    talk.client_is(u32::MAX - 4, 5, &[]);
    talk.client_is(0, 5, &[]);
    talk.client_is(10, 5, &[Mark::Gap]);
    talk.client_is(u32::MAX - 4, 5, &[Mark::Retransmission]);
}

#[test]
fn the_same_acknowledgement_again_is_a_duplicate_ack() {
    let mut talk = Talk::established();
    talk.client_is(1, 10, &[]);
    assert_eq!(talk.board("A", 1, 1, 0, 100).marks, [Mark::DuplicateAck(1)]);
    assert_eq!(talk.board("A", 1, 1, 0, 200), seen(&[], Some(200)));
    assert_eq!(talk.board("A", 1, 11, 0, 200).marks, []);
    assert_eq!(talk.board("A", 1, 11, 0, 200).marks, [Mark::DuplicateAck(1)]);
}

#[test]
fn acknowledgements_are_duplicates_though_only_one_direction_was_captured() {
    let mut talk = Talk::default();
    talk.client("A", 1, 1, 10, 100);
    assert_eq!(talk.client("A", 11, 1, 0, 100).marks, [Mark::DuplicateAck(1)]);
    assert_eq!(talk.client("A", 11, 1, 0, 100).marks, [Mark::DuplicateAck(2)]);
    assert_eq!(talk.client("A", 11, 9, 0, 100).marks, []);
}

#[test]
fn keep_alives_with_and_without_a_byte_are_told_from_data_sent_again() {
    let mut talk = Talk::established();
    talk.client_is(1, 10, &[]);
    talk.client_is(10, 1, &[Mark::Retransmission]);
    assert_eq!(talk.board("A", 1, 11, 0, 100).marks, []);
    talk.client_is(10, 1, &[Mark::KeepAlive]);
    talk.client_is(10, 0, &[Mark::KeepAlive]);
    talk.client_is(11, 5, &[]);
}

#[test]
fn a_zero_window_is_marked_and_so_are_probes_into_it() {
    let mut talk = Talk::established();
    talk.client_is(1, 10, &[]);
    assert_eq!(talk.board("A", 1, 11, 0, 0), seen(&[Mark::ZeroWindow], Some(0)));
    talk.client_is(11, 1, &[Mark::WindowProbe]);
    assert_eq!(
        talk.board("A", 1, 11, 0, 0),
        seen(&[Mark::WindowProbeAnswer, Mark::ZeroWindow], Some(0))
    );
    talk.client_is(10, 0, &[Mark::WindowProbe]);
    assert_eq!(talk.board("A", 1, 11, 0, 50), seen(&[], Some(50)));
    talk.client_is(11, 5, &[]);
}

#[test]
fn windows_are_shifted_once_both_sides_have_offered_it() {
    let mut talk = Talk::default();
    let syn = Segment { window_scale: Some(7), ..segment(true, "S", 0, 0, 0, 1000) };
    assert_eq!(talk.look(&syn).window, Some(1000));
    let answer = Segment { window_scale: Some(0), ..segment(false, "SA", 0, 1, 0, 2000) };
    assert_eq!(talk.look(&answer).window, Some(2000));
    assert_eq!(talk.client("A", 1, 1, 0, 1000).window, Some(128_000));
    assert_eq!(talk.board("A", 1, 1, 0, 2000).window, None);
}

#[test]
fn a_segment_with_a_wrong_checksum_changes_nothing() {
    let mut talk = Talk::established();
    let broken = Segment { sound: false, ..segment(true, "A", 500, 1, 10, 0) };
    assert_eq!(talk.look(&broken).marks, [Mark::BadChecksum]);
    talk.client_is(1, 10, &[]);
}

#[test]
fn what_is_resent_at_once_after_duplicate_acks_is_fast_and_what_was_acknowledged_spurious() {
    let mut talk = Talk::established();
    for start in [1, 11, 21, 31] {
        talk.client_is(start, 10, &[]);
    }
    assert_eq!(talk.board("A", 1, 1, 0, 100).marks, [Mark::DuplicateAck(1)]);
    talk.client_is(1, 10, &[Mark::Retransmission]);
    assert_eq!(talk.board("A", 1, 1, 0, 100).marks, [Mark::DuplicateAck(2)]);
    talk.client_is(11, 10, &[Mark::Retransmission]);
    talk.client_is(1, 10, &[Mark::FastRetransmission]);
    talk.millis += 20;
    talk.client_is(1, 10, &[Mark::Retransmission]);
    assert_eq!(talk.board("A", 1, 41, 0, 100).marks, []);
    talk.client_is(1, 10, &[Mark::SpuriousRetransmission]);
    talk.client_is(41, 10, &[]);
    assert_eq!(talk.board("A", 1, 41, 0, 100).marks, [Mark::DuplicateAck(1)], "it begins anew");
}

#[test]
fn an_acknowledgement_of_what_was_not_seen_is_told_once_and_makes_nothing_seen() {
    let mut talk = Talk::established();
    assert_eq!(talk.board("A", 1, 51, 0, 100).marks, [Mark::AckedUnseen]);
    assert_eq!(talk.board("A", 1, 51, 0, 100).marks, [Mark::DuplicateAck(1)]);
    talk.client_is(1, 100, &[]);
    talk.client_is(201, 10, &[Mark::Gap]);
    assert_eq!(talk.board("A", 1, 101, 0, 100).marks, []);
    assert_eq!(talk.board("A", 1, 211, 0, 100).marks, [Mark::AckedUnseen], "over the hole");
    talk.client_is(211, 10, &[]);
    assert_eq!(talk.board("A", 1, 221, 0, 100).marks, []);
}

#[test]
fn of_unseen_data_is_told_again_once_there_is_something_new_to_be_seen() {
    let mut talk = Talk::established();
    assert_eq!(talk.board("A", 1, 51, 0, 100).marks, [Mark::AckedUnseen]);
    for number in [101, 151, 201] {
        assert_eq!(talk.board("A", 1, number, 0, 100).marks, []);
    }
    talk.client_is(301, 10, &[Mark::Gap]);
    assert_eq!(talk.board("A", 1, 311, 0, 100).marks, [Mark::AckedUnseen]);
    talk.client_is(311, 10, &[]);
    assert_eq!(talk.board("A", 1, 321, 0, 100).marks, []);
    talk.client_is(331, 10, &[Mark::Gap]);
    talk.client_is(351, 10, &[Mark::Gap]);
    assert_eq!(talk.board("A", 1, 341, 0, 100).marks, [Mark::AckedUnseen]);
    assert_eq!(talk.board("A", 1, 361, 0, 100).marks, [], "of what was seen before it was told");
}

#[test]
fn what_fills_a_gap_late_is_sent_again() {
    let mut talk = Talk::established();
    talk.client_is(11, 10, &[Mark::Gap]);
    talk.millis += 200;
    talk.client_is(1, 10, &[Mark::Retransmission]);
    // An acknowledgement alone shows a gap, too.
    assert_eq!(talk.client("A", 31, 1, 0, 100).marks, [Mark::Gap]);
}

#[test]
fn the_answer_to_a_keep_alive_is_no_duplicate_ack() {
    let mut talk = Talk::established();
    talk.client_is(1, 10, &[]);
    assert_eq!(talk.board("A", 1, 11, 0, 100).marks, []);
    talk.client_is(10, 0, &[Mark::KeepAlive]);
    assert_eq!(talk.board("A", 1, 11, 0, 100).marks, [Mark::KeepAliveAnswer]);
    talk.client_is(11, 1, &[]);
    assert_eq!(talk.board("A", 1, 11, 0, 100).marks, [Mark::DuplicateAck(1)]);
}

#[test]
fn a_segment_that_takes_all_the_room_fills_the_window() {
    let mut talk = Talk::established();
    talk.client_is(1, 99, &[]);
    talk.client_is(100, 1, &[Mark::WindowFull]);
    assert_eq!(talk.board("A", 1, 101, 0, 0).marks, [Mark::ZeroWindow]);
}

#[test]
fn windows_whose_scale_is_not_known_are_marked_and_a_syn_ack_knows_it() {
    let mut talk = Talk::default();
    let data = talk.client("A", 1, 1, 10, 100);
    assert_eq!((data.window, data.unscaled), (Some(100), true));
    assert_eq!(talk.board("A", 1, 11, 0, 0), seen(&[Mark::ZeroWindow], Some(0)));
    // Its answer to an offer tells that there was one.
    let mut talk = Talk::default();
    let answer = Segment { window_scale: Some(7), ..segment(false, "SA", 0, 1, 0, 100) };
    assert_eq!(talk.look(&answer), seen(&[], Some(100)));
    assert_eq!(talk.board("A", 1, 1, 0, 100), seen(&[Mark::DuplicateAck(1)], Some(12_800)));
    let client = talk.client("A", 1, 1, 0, 100);
    assert_eq!((client.window, client.unscaled), (Some(100), true));
    // A SYN without an offer is enough.
    let mut talk = Talk::default();
    talk.client("S", 0, 0, 0, 100);
    assert!(!talk.client("A", 1, 1, 0, 90).unscaled);
}

#[test]
fn where_no_checksum_is_right_all_segments_count_and_else_what_comes_next_does() {
    let broken = |seq, len| Segment { sound: false, ..segment(true, "A", seq, 1, len, 100) };
    let mut talk = Talk::default();
    assert_eq!(talk.look(&broken(1, 10)).marks, [Mark::BadChecksum]);
    assert_eq!(talk.look(&broken(21, 10)).marks, [Mark::BadChecksum, Mark::Gap]);
    let mut talk = Talk::established();
    assert_eq!(talk.look(&broken(1, 10)).marks, [Mark::BadChecksum]);
    talk.client_is(1, 10, &[Mark::Retransmission]);
}

#[test]
fn connections_are_forgotten_before_they_are_too_many_which_is_counted() {
    const MANY: u32 = 2 * Recent::<(), ()>::GENERATION as u32;
    let mut marker = Marker::default();
    let mut look = |number: u32, seq| {
        let mut data = segment(true, "A", seq, 1, 10, 100);
        data.source.set_ip(std::net::Ipv4Addr::from(number).into());
        let marks = marker.look(Instant::ZERO, &data, &number.to_be_bytes()).marks;
        (marks, marker.forgotten())
    };
    for number in 0..MANY {
        assert_eq!(look(number, 1), (vec![], 0));
    }
    assert_eq!(look(MANY, 1), (vec![], u64::from(MANY) / 2));
    assert_eq!(look(MANY - 1, 21).0, [Mark::Gap], "it is still known");
    assert_eq!(look(0, 21).0, [], "it was the oldest");
}

#[test]
fn round_trips_are_from_a_segment_to_the_acknowledgement_of_it_and_not_of_a_second_try() {
    let mut talk = Talk::default();
    talk.client("S", 0, 0, 0, 100);
    talk.millis += 29;
    talk.board("SA", 0, 1, 0, 100);
    assert_eq!((talk.round_trip, talk.handshake), (Some(30), None));
    talk.millis += 4;
    talk.client("A", 1, 1, 0, 100);
    assert_eq!((talk.round_trip, talk.handshake), (Some(5), Some(35)));
    talk.client_is(1, 10, &[]);
    assert_eq!((talk.round_trip, talk.handshake), (None, None));
    talk.client_is(11, 10, &[]);
    talk.millis += 19;
    talk.board("A", 1, 21, 0, 100);
    assert_eq!(talk.round_trip, Some(20), "of the latest");
    talk.client_is(21, 10, &[]);
    talk.millis += 300;
    talk.client_is(21, 10, &[Mark::Retransmission]);
    talk.board("A", 1, 31, 0, 100);
    assert_eq!(talk.round_trip, None);
    // Neither is a keep-alive one.
    talk.client_is(30, 1, &[Mark::KeepAlive]);
    talk.board("A", 1, 31, 0, 100);
    assert_eq!(talk.round_trip, None);
}

#[test]
fn a_window_probes_byte_was_seen_if_it_is_taken() {
    let mut talk = Talk::established();
    talk.client_is(1, 10, &[]);
    assert_eq!(talk.board("A", 1, 11, 0, 0).marks, [Mark::ZeroWindow]);
    talk.client_is(11, 1, &[Mark::WindowProbe]);
    assert_eq!(talk.board("A", 1, 12, 0, 100).marks, []);
    talk.client_is(12, 10, &[]);
    // And if it is not, it is sent with the rest.
    assert_eq!(talk.board("A", 1, 22, 0, 0).marks, [Mark::ZeroWindow]);
    talk.client_is(22, 1, &[Mark::WindowProbe]);
    assert_eq!(talk.board("A", 1, 22, 0, 100).marks, []);
    talk.client_is(22, 10, &[]);
    assert_eq!(talk.board("A", 1, 33, 0, 100).marks, [Mark::AckedUnseen]);
}

#[test]
fn what_was_under_way_when_the_capture_began_is_out_of_order() {
    let mut talk = Talk::default();
    assert_eq!(talk.board("A", 1, 1, 0, 100).marks, []);
    talk.client_is(11, 10, &[]);
    talk.client_is(1, 10, &[Mark::OutOfOrder]);
    talk.client_is(1, 10, &[Mark::Retransmission]);
    assert_eq!(talk.board("A", 1, 21, 0, 100).marks, []);
}

#[test]
fn of_many_gaps_the_first_is_forgotten_and_the_last_is_known() {
    let wide = |seq| Segment { window: 10_000, ..segment(true, "A", seq, 1, 10, 0) };
    let mut talk = Talk::established();
    for gap in 0..100 {
        assert_eq!(talk.look(&wide(20 * gap + 11)).marks, [Mark::Gap]);
        let answer = talk.board("A", 1, 20 * gap + 21, 0, 10_000);
        assert_eq!(answer.marks, [Mark::AckedUnseen], "{gap}");
    }
    let mut talk = Talk::established();
    talk.board("A", 1, 1, 0, 10_000);
    // All at once, so that whatever is known to be missing is out of order.
    let mut at_once = |seq| {
        talk.millis -= 1;
        talk.look(&wide(seq)).marks
    };
    for gap in 0..100 {
        assert_eq!(at_once(20 * gap + 11), [Mark::Gap]);
    }
    assert_eq!(at_once(20 * 99 + 1), [Mark::OutOfOrder]);
    assert_eq!(at_once(1), [Mark::Retransmission], "of the first nothing is known any more");
}

#[test]
fn an_acknowledgement_beyond_a_gap_and_all_that_was_seen_does_not_silence_the_next_one() {
    let mut talk = Talk::established();
    talk.client_is(11, 10, &[Mark::Gap]);
    assert_eq!(talk.board("A", 1, 51, 0, 100).marks, [Mark::AckedUnseen]);
    assert_eq!(talk.board("A", 1, 101, 0, 100).marks, [Mark::AckedUnseen]);
    assert_eq!(talk.board("A", 1, 151, 0, 100).marks, []);
}
