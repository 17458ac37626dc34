//! The engine by itself: a clock, a sender's numbers and an acknowledgement at a time.

use std::vec::Vec;

use super::scoreboard::{Run, Scoreboard, Status, Tick};
use super::window::Window;
use super::*;
use crate::rng::Rng;

const SEGMENT: u32 = 1000;
const TRIP: Duration = Duration::from_millis(100);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A sender whose round trip was measured, and what it has outstanding.
struct Sender {
    loss: Loss,
    una: u32,
    nxt: u32,
    now: Instant,
    /// When the peer is given up.
    end: Instant,
}

impl Sender {
    fn new() -> Self {
        let now = Instant::from_secs(100);
        let mut loss = Loss::new();
        loss.introduced(true, 1460);
        loss.begin(TcpSeqNumber(0), now);
        loss.established(TRIP);
        Self { loss, una: 0, nxt: 0, now, end: now + Duration::from_secs(1000) }
    }

    /// Sends so many segments of new data.
    fn send(&mut self, segments: u32) {
        for _ in 0..segments {
            self.loss.sent(SEGMENT, self.now);
            self.nxt += SEGMENT;
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// The peer has all before the segment `ack`, and these from one to another behind it.
    fn hear(&mut self, ack: u32, later: &[(u32, u32)]) {
        let mut blocks = [None; 3];
        for (place, (left, right)) in blocks.iter_mut().zip(later) {
            *place = Some((left * SEGMENT, right * SEGMENT));
        }
        let number = |bytes: u32| TcpSeqNumber(bytes.cast_signed());
        let news = Acknowledgement {
            una: number(self.una),
            ack: number(ack * SEGMENT),
            nxt: number(self.nxt),
            blocks: &blocks,
            duplicate: ack * SEGMENT == self.una,
        };
        self.loss.received(&news, self.now);
        self.una = ack * SEGMENT;
    }

    /// Sends again what is wanted, and says which segments that was.
    fn send_again(&mut self) -> Vec<u32> {
        let mut again = Vec::new();
        for segment in self.una / SEGMENT..self.nxt / SEGMENT {
            let begin = segment * SEGMENT - self.una;
            if self.loss.wants(begin, SEGMENT) {
                self.loss.resent(begin, SEGMENT, self.now);
                again.push(segment);
            }
        }
        again
    }

    /// Waits until the timer is due, and says how long that was, in milliseconds, and what it is for.
    fn wait(&mut self) -> (u64, Expiry) {
        let due = self.loss.deadline(self.end, self.now).expect("something is outstanding");
        let waited = (due - self.now).total_millis();
        self.now = due;
        let number = |bytes: u32| TcpSeqNumber(bytes.cast_signed());
        let expiry = self.loss.expire(number(self.una), number(self.nxt), self.end, self.now);
        if expiry == Expiry::Probe {
            self.loss.probe_again();
        }
        (waited, expiry)
    }
}

#[test]
fn towards_a_silent_peer_one_probe_is_sent_and_then_the_wait_doubles() {
    let mut sender = Sender::new();
    sender.send(3);
    assert_eq!(sender.wait(), (200, Expiry::Probe));
    assert_eq!(sender.send_again(), [2], "the last that was sent");
    for wait in [300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 60_000, 60_000] {
        let (waited, expiry) = sender.wait();
        assert!(waited.abs_diff(wait) <= wait / 10, "{waited} ms for {wait}");
        assert_eq!(expiry, Expiry::Timeout);
        assert_eq!(sender.send_again(), [0], "one segment");
    }
    // Progress sets it back.
    sender.hear(1, &[]);
    assert!(sender.wait().0 <= 300);
}

#[test]
fn of_two_segments_the_probe_is_both() {
    let mut sender = Sender::new();
    sender.send(2);
    assert_eq!(sender.wait(), (200, Expiry::Probe));
    assert_eq!(sender.send_again(), [0, 1]);
    // Both were lost, and the first of these: what its peer has now tells.
    sender.pass(TRIP);
    sender.hear(0, &[(1, 2)]);
    sender.wait();
    assert_eq!(sender.send_again(), [0]);
}

#[test]
fn what_is_missing_before_what_has_arrived_is_sent_again_at_once_and_no_more_than_once() {
    let mut sender = Sender::new();
    sender.send(10);
    sender.pass(TRIP);
    sender.hear(0, &[(1, 2)]);
    assert_eq!(sender.send_again(), [], "it may be late");
    sender.hear(0, &[(1, 2), (4, 6)]);
    assert_eq!(sender.send_again(), [0, 2, 3], "all holes");
    sender.hear(0, &[(4, 10), (1, 2)]);
    assert_eq!(sender.send_again(), []);
    sender.pass(TRIP);
    sender.hear(3, &[(4, 10)]);
    // Those that were sent before it have arrived, and it may be late; not much later.
    assert_eq!(sender.send_again(), []);
    assert_eq!(sender.wait().1, Expiry::Probe);
    assert_eq!(sender.send_again(), [3]);
}

#[test]
fn what_is_late_by_less_than_a_quarter_of_a_round_trip_is_not_lost() {
    let mut sender = Sender::new();
    sender.send(2);
    sender.pass(TRIP);
    sender.hear(0, &[(1, 2)]);
    let (waited, expiry) = sender.wait();
    assert!((20..=26).contains(&waited), "{waited}");
    assert_eq!(expiry, Expiry::None);
    assert_eq!(sender.send_again(), [0]);
    // It was only late: the peer says that it has it twice. From now on there is more patience.
    sender.pass(ms(10));
    sender.hear(2, &[(0, 1)]);
    sender.send(2);
    sender.pass(TRIP);
    sender.hear(2, &[(3, 4)]);
    let (waited, _) = sender.wait();
    assert!(waited > 26, "{waited}");
}

#[test]
fn patience_wears_off_while_what_is_sent_again_was_lost() {
    let mut sender = Sender::new();
    let mut recover = |unneeded: bool| {
        let base = sender.nxt / SEGMENT;
        sender.send(2);
        sender.pass(TRIP);
        sender.hear(base, &[(base + 1, base + 2)]);
        sender.wait();
        assert_eq!(sender.send_again(), [base]);
        sender.pass(ms(10));
        let twice = [(base, base + 1)];
        sender.hear(base + 2, if unneeded { &twice } else { &[] });
        // The next begins when the last trace of this one has gone.
        sender.pass(TRIP);
        sender.loss.patience
    };
    let more = [true, true, true].map(&mut recover);
    assert_eq!(more, [2, 3, 4]);
    // Whether one was needed shows when the next begins.
    let less = [false; 5].map(&mut recover);
    assert_eq!(less, [4, 3, 2, 1, 1]);
}

#[test]
fn a_timeout_that_was_none_is_undone() {
    let mut sender = Sender::new();
    sender.send(8);
    let before = sender.loss.window.size();
    sender.wait();
    sender.send_again();
    assert_eq!(sender.wait().1, Expiry::Timeout);
    assert_eq!(sender.send_again(), [0]);
    assert_eq!(sender.loss.window.size(), SEGMENT);
    // The originals arrive after all: more than the one that was sent again.
    sender.hear(3, &[]);
    assert!(sender.loss.window.size() >= before, "{}", sender.loss.window.size());
    assert_eq!(sender.send_again(), [], "the others are on their way");
}

#[test]
fn after_a_timeout_one_segment_is_sent_and_more_with_each_that_arrives() {
    let mut sender = Sender::new();
    sender.send(8);
    sender.pass(ms(10_000));
    while sender.wait().1 != Expiry::Timeout {
        sender.send_again();
    }
    assert_eq!(sender.send_again(), [0]);
    sender.pass(TRIP);
    sender.hear(1, &[]);
    assert_eq!(sender.send_again(), [1, 2]);
    sender.pass(TRIP);
    sender.hear(3, &[]);
    assert_eq!(sender.send_again().len(), 4);
}

/// The window after 200 round trips in which all of it is used and a tenth of it is lost, with a round trip that is longer
/// by `queue` ticks than the path's own 100.
fn window_after_losses(queue: u16) -> u32 {
    let mut window = Window::new();
    let mut now = Instant::from_secs(1);
    for round in 0..200 {
        now += Tick::duration(100 + queue);
        let outstanding = window.size();
        let lost = outstanding / 10;
        window.trip(100 + queue);
        window.grow(outstanding - lost, SEGMENT);
        window.delivered(
            outstanding - lost,
            TcpSeqNumber(round + 1),
            TcpSeqNumber(round + 1),
            100,
            now,
        );
        window.lost(lost);
        if window.is_congested(100) {
            window.lose(outstanding, SEGMENT);
        }
        window.recovered();
    }
    window.size()
}

#[test]
fn a_loss_without_a_queue_leaves_the_window_and_one_with_a_queue_reduces_it() {
    let kept = window_after_losses(0);
    assert!(kept > 60 * SEGMENT, "{kept}");
    let reduced = window_after_losses(50);
    assert!(reduced < 10 * SEGMENT, "{reduced}");
}

/// A queue too short to be seen, as of a policer: half of what is sent is lost.
#[test]
fn a_window_of_which_half_is_lost_is_reduced_without_a_queue() {
    let mut window = Window::new();
    window.delivered(20_000, TcpSeqNumber(1), TcpSeqNumber(2), 100, Instant::from_secs(1));
    window.lost(10_000);
    assert!(!window.is_congested(100));
    window.lost(10_000);
    assert!(window.is_congested(100));
}

#[test]
fn in_recovery_as_much_is_sent_as_arrives() {
    let mut window = Window::new();
    // A queue: twice the path's own round trip.
    window.trip(200);
    window.delivered(10_000, TcpSeqNumber(1), TcpSeqNumber(2), 100, Instant::from_secs(1));
    assert!(window.is_congested(100));
    window.lose(20_000, SEGMENT);
    let (mut pipe, mut sent) = (19_000, 0);
    for _ in 0..18 {
        pipe -= SEGMENT;
        window.delivered(SEGMENT, TcpSeqNumber(1), TcpSeqNumber(2), 100, Instant::from_secs(1));
        window.recover(SEGMENT, pipe, SEGMENT, false);
        while pipe + SEGMENT <= window.size() {
            pipe += SEGMENT;
            sent += SEGMENT;
            window.sent(SEGMENT);
        }
    }
    assert!((8 * SEGMENT..=11 * SEGMENT).contains(&sent), "half of 18: {sent}");
    window.recovered();
    assert_eq!(window.size(), 10_000);
}

/// A byte at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Byte {
    Sent,
    Resent,
    Lost,
    Sacked,
}

impl From<Status> for Byte {
    fn from(status: Status) -> Self {
        match status {
            Status::Sent => Self::Sent,
            Status::Resent => Self::Resent,
            Status::Lost => Self::Lost,
            Status::Sacked => Self::Sacked,
        }
    }
}

/// However much is forgotten, nothing is taken for arrived that has not, and no byte is gained or lost.
#[test]
fn the_scoreboard_never_says_that_something_has_arrived_which_has_not() {
    let mut exact = 0;
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let (mut board, mut bytes) = (Scoreboard::new(), Vec::<Byte>::new());
        let mut tick = Instant::ZERO;
        for _ in 0..60 {
            tick += ms(u64::from(rng.below(20)));
            let len = bytes.len() as u32;
            let from = if len > 0 { rng.below(len) } else { 0 };
            let to = from + if len > 0 { rng.below(len - from) + 1 } else { 0 };
            match rng.below(5) {
                0 | 1 => {
                    let more = 1 + rng.below(50);
                    board.push(more, Tick::new(tick), Status::Sent);
                    bytes.extend((0..more).map(|_| Byte::Sent));
                }
                2 => {
                    board.pop(from, &mut |_, _, _| {});
                    bytes.drain(..from as usize);
                }
                kind => {
                    let status = [Status::Sacked, Status::Lost, Status::Resent]
                        [(kind + from % 2) as usize % 3];
                    let each: &mut dyn FnMut(u32, u32, &Run) -> bool = &mut |_, _, _| true;
                    board.mark(from..to, status, Some(Tick::new(tick)), each);
                    for byte in &mut bytes[from as usize..to as usize] {
                        if *byte != Byte::Sacked {
                            *byte = status.into();
                        }
                    }
                }
            }
            assert_eq!(board.len(), bytes.len() as u32, "seed {seed}");
            let mut begin = 0;
            let mut same = true;
            for (end, run) in board.runs() {
                for byte in &bytes[begin as usize..end as usize] {
                    assert!(
                        run.status != Status::Sacked || *byte == Byte::Sacked,
                        "seed {seed}: {begin}..{end}"
                    );
                    same &= Byte::from(run.status) == *byte;
                }
                begin = end;
            }
            exact += u32::from(same);
        }
    }
    assert!(exact > 400 * 60 / 2, "{exact}: most often nothing is forgotten");
}

/// After 51 s the next try would be at 102, and the peer given up at 100.
#[test]
fn shortly_before_a_peer_is_given_up_it_is_asked_more_often() {
    let mut sender = Sender::new();
    sender.send(1);
    sender.end = sender.now + Duration::from_secs(100);
    let start = sender.now;
    let mut tries = Vec::new();
    while sender.loss.deadline(sender.end, sender.now).is_some_and(|at| at < sender.end) {
        sender.wait();
        sender.send_again();
        tries.push((sender.now - start).secs());
    }
    let late: Vec<_> = tries.into_iter().filter(|at| *at > 40).collect();
    assert!(late.windows(2).all(|pair| pair[1] - pair[0] <= 30), "{late:?}");
    assert!((4..8).contains(&late.len()) && late.last().unwrap() >= &94, "{late:?}");
}

/// After a minute of darkness something comes in: the peer is back, and is asked at once.
#[test]
fn a_peer_that_is_heard_again_is_asked_at_once() {
    let mut sender = Sender::new();
    sender.send(2);
    for _ in 0..7 {
        sender.wait();
        sender.send_again();
    }
    sender.pass(Duration::from_secs(5));
    let nxt = TcpSeqNumber(sender.nxt.cast_signed());
    sender.loss.returned(ms(100), nxt, sender.now);
    assert_eq!(sender.send_again(), [], "it was no long silence");
    sender.loss.returned(Duration::from_secs(20), nxt, sender.now);
    assert_eq!(sender.send_again(), [0]);
    assert!(sender.wait().0 <= 300, "and as often as at first");
}

#[test]
fn the_byte_of_a_keep_alive_that_a_peer_has_twice_says_nothing() {
    let mut sender = Sender::new();
    sender.send(1);
    sender.hear(1, &[]);
    let number = TcpSeqNumber(SEGMENT.cast_signed());
    (sender.loss.resent, sender.loss.inferred) = (1, true);
    for (left, patience) in [(SEGMENT - 1, 0), (0, 2)] {
        let blocks = [Some((left, SEGMENT)), None, None];
        let news = Acknowledgement {
            una: number,
            ack: number,
            nxt: number,
            blocks: &blocks,
            duplicate: true,
        };
        sender.loss.received(&news, sender.now);
        assert_eq!(sender.loss.patience, patience, "{left}");
    }
}

#[test]
fn a_peer_that_is_slow_to_acknowledge_a_single_segment_is_given_the_time_it_takes() {
    let mut sender = Sender::new();
    let mut duplicates = 0;
    for segment in 0..10 {
        sender.send(1);
        let due =
            sender.loss.deadline(sender.end, sender.now).expect("it is outstanding") - sender.now;
        let delay = TRIP + ms(190);
        if due < delay {
            assert_eq!(sender.wait().1, Expiry::Probe);
            assert_eq!(sender.send_again(), [segment]);
            sender.pass(delay - due);
        } else {
            sender.pass(delay);
        }
        sender.hear(segment + 1, &[]);
        if due < delay {
            duplicates += 1;
            sender.hear(segment + 1, &[(segment, segment + 1)]);
        }
    }
    assert_eq!(duplicates, 2);
}
