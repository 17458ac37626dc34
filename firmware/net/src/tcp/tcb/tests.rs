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
