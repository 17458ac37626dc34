use smoltcp::wire::{IpEndpoint, Ipv4Address, TcpControl, TcpRepr};

use super::*;
use crate::workaround::inject::{InjectedSegment, bare};

fn ends() -> FourTuple {
    let end = |last, port| IpEndpoint::new(Ipv4Address::new(192, 0, 2, last).into(), port);
    FourTuple { local: end(1, 7), remote: end(2, 50_000) }
}

/// An acknowledgement of the peer's.
fn ack(number: i32, window: u16) -> InjectedSegment {
    let ack = Some(TcpSeqNumber(number));
    let repr = bare(TcpControl::None, &ends(), TcpSeqNumber(100), ack, window);
    InjectedSegment::new(&repr, &ends())
}

/// So many bytes of ours.
fn data(number: i32, len: usize) -> InjectedSegment {
    let ends = FourTuple { local: ends().remote, remote: ends().local };
    let ack = Some(TcpSeqNumber(100));
    let repr = bare(TcpControl::None, &ends, TcpSeqNumber(number), ack, 1000);
    let repr = TcpRepr { payload: &[0; 8][..len], ..repr };
    InjectedSegment::new(&repr, &ends)
}

fn parse(segment: &InjectedSegment) -> Segment<'_> {
    segment.segment().unwrap()
}

#[test]
fn a_window_that_was_closed_for_an_hour_delays_nothing_once_it_is_open() {
    const TIMEOUT: Duration = Duration::from_secs(100);
    let look = SocketSnapshot { state: State::Established, queue: 8, unread: 0, room: 0 };
    let (start, later) = (Instant::from_secs(1), Instant::from_secs(3600));
    let mut tcb = Tcb::new();
    tcb.open(ends());
    tcb.rcv_consumed = TcpSeqNumber(100);
    tcb.begin(&parse(&ack(1, 1000)), start);
    tcb.sent(&parse(&data(1, 8)), start);
    tcb.received(&parse(&ack(1, 0)), true, look, look, start);
    let probe = tcb.deadline(8, TIMEOUT, start).expect("a closed window is probed");
    assert!(probe <= start + Duration::from_secs(1), "{probe}");
    tcb.expire(8, TIMEOUT, start);
    assert!(tcb.expire(8, TIMEOUT, start + Duration::from_secs(5)), "a probe");
    tcb.received(&parse(&ack(1, 1000)), true, look, look, later);
    let due = tcb.deadline(8, TIMEOUT, later).expect("data is outstanding");
    assert!(later < due && due < later + Duration::from_secs(2), "{due}");

    // Nor does it count as a round trip, if it is half of the data that opens it.
    for closed in [20, 3600, 7 * 24 * 3600].map(Duration::from_secs) {
        let mut tcb = Tcb::new();
        tcb.open(ends());
        tcb.rcv_consumed = TcpSeqNumber(100);
        tcb.begin(&parse(&ack(1, 1000)), start);
        tcb.established(Duration::from_millis(10));
        tcb.sent(&parse(&data(1, 4)), start);
        tcb.sent(&parse(&data(5, 4)), start);
        tcb.received(&parse(&ack(1, 0)), true, look, look, start);
        tcb.expire(8, TIMEOUT, start);
        assert!(tcb.expire(8, TIMEOUT, start + Duration::from_secs(5)), "a probe");
        let (half, later) = (SocketSnapshot { queue: 4, ..look }, start + closed);
        tcb.received(&parse(&ack(5, 1000)), true, look, half, later);
        assert_eq!(tcb.snd_una(), TcpSeqNumber(5));
        let due = tcb.deadline(4, TIMEOUT, later).expect("data is outstanding");
        assert!(later < due && due < later + Duration::from_secs(1), "{due}");
    }
}

/// A connection with so many bytes of ours under way, and `edit` as the last that has happened to it.
#[cfg(feature = "wide-scoreboard")]
fn established(flight: usize, edit: fn(&mut Tcb)) -> Tcb {
    let start = Instant::from_secs(1);
    let mut tcb = Tcb::new();
    tcb.open(ends());
    tcb.syn_sent(TcpSeqNumber(0));
    tcb.rcv_consumed = TcpSeqNumber(90);
    tcb.begin(&parse(&ack(1, 1000)), start);
    tcb.sent(&parse(&data(1, flight)), start);
    edit(&mut tcb);
    tcb
}

/// What is predicted needs no more of the guard, nor of [`Tcb::received`]: both would come to the same.
#[cfg(feature = "wide-scoreboard")]
#[test]
fn what_is_predicted_is_what_the_guard_lets_pass_and_is_noted_alike() {
    use std::format;
    use std::vec::Vec;

    use crate::guard::{Verdict, judge};

    let now = Instant::from_secs(5);
    let edits: [fn(&mut Tcb); 7] = [
        |tcb| tcb.snd_wl1 = TcpSeqNumber(50),
        |tcb| tcb.snd_wnd = 0,
        |tcb| tcb.refused = true,
        |tcb| tcb.snd_wl1 = TcpSeqNumber(200),
        |tcb| tcb.fin = Some(TcpSeqNumber(120)),
        |tcb| tcb.told[0] = Some((120, 130)),
        |tcb| tcb.synchronized = false,
    ];
    let states = [State::SynReceived, State::Established, State::FinWait1, State::CloseWait];
    let mut predicted = Vec::new();
    for (which, edit) in edits.into_iter().enumerate() {
        for (flight, state, room) in [0, 8]
            .into_iter()
            .flat_map(|flight| states.map(|state| (flight, state, 6)))
            .chain([(0, State::Established, 3)])
        {
            let before = SocketSnapshot { state, queue: flight, unread: 10, room };
            for (seq, number, window, len) in (95..105).flat_map(|seq| {
                [(1, 1000), (1, 0), (1, 999), (5, 1000), (0, 1000)]
                    .into_iter()
                    .flat_map(move |(ack, window)| [0, 4].map(|len| (seq, ack, window, len)))
            }) {
                for (control, block) in [
                    (TcpControl::None, None),
                    (TcpControl::Psh, None),
                    (TcpControl::Fin, None),
                    (TcpControl::Rst, None),
                    (TcpControl::Syn, None),
                    (TcpControl::None, Some((3, 7))),
                ] {
                    let ack = Some(TcpSeqNumber(number));
                    let repr = bare(control, &ends(), TcpSeqNumber(seq), ack, window);
                    let sack_ranges = [block, None, None];
                    let repr = TcpRepr { payload: &[0; 4][..len], sack_ranges, ..repr };
                    let segment = InjectedSegment::new(&repr, &ends());
                    let segment = parse(&segment);
                    let (mut short, mut long) =
                        (established(flight, edit), established(flight, edit));
                    if !short.predicts(&segment, before) {
                        continue;
                    }
                    predicted.push((which, seq, len));
                    assert_eq!(judge(&long, &segment, before), Verdict::Pass, "{repr:?}");
                    assert!(!long.absorbs(&segment, before) && !long.holds_fin(), "{repr:?}");
                    assert!(long.report(&segment, before).is_none(), "{repr:?}");
                    let after = SocketSnapshot { unread: 10 + len, room: room - len, ..before };
                    long.received(&segment, true, before, after, now);
                    short.received_next(&segment, now);
                    assert_eq!(format!("{short:?}"), format!("{long:?}"), "{repr:?}");
                }
            }
        }
    }
    // Of all these, with and without PSH, with and without data of ours under way.
    predicted.dedup();
    assert_eq!(predicted, [0, 1, 2, 3].map(|which| (which, 100, 4)));
}
