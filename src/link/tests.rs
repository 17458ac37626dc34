use smoltcp::time::{Duration, Instant};

use super::*;

const FRAME: [u8; 100] = [0x55; 100];

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn link(settings: &[(&str, &str)]) -> Link {
    let mut link = Link::new(7);
    for (name, value) in settings {
        link.set(None, Setting::parse(name, value).unwrap());
    }
    link
}

/// Sends frames a millisecond apart and returns when each copy arrived, with the frame's number.
fn arrivals(link: &mut Link, count: u64) -> Vec<(i64, u8)> {
    let mut arrived = Vec::new();
    let mut take = |link: &mut Link, now: Instant| {
        while let Some(at) = link.next_arrival(Side::Board).filter(|at| *at <= now) {
            let frame = link.take(Side::Board, at).unwrap();
            arrived.push((at.total_micros(), frame[0]));
            link.recycle(Side::Board, frame);
        }
    };
    for number in 0..count {
        let now = Instant::ZERO + ms(number);
        take(link, now);
        let mut frame = FRAME;
        frame[0] = number as u8;
        link.offer(Side::Board, now, &frame);
    }
    take(link, Instant::from_millis_const(1_000_000));
    arrived
}

#[test]
fn a_good_cable_passes_everything_at_once_and_need_not_be_asked() {
    let mut link = Link::new(1);
    assert!(link.transparent());
    assert_eq!(link.offer(Side::Peer, Instant::ZERO, &FRAME).as_slice(), []);
    assert!(!link.transparent(), "a frame is under way");
    assert_eq!(link.take(Side::Board, Instant::ZERO), None, "the other way");
    assert_eq!(link.take(Side::Peer, Instant::ZERO).unwrap(), FRAME);
    assert!(link.transparent());
}

#[test]
fn a_buffer_that_goes_along_fares_as_its_copy_would() {
    let settings = [("loss", "20%"), ("corrupt", "30%"), ("duplicate", "30%"), ("reorder", "20%")];
    let [mut lent, mut given] = [link(&settings), link(&settings)];
    for number in 0..200 {
        let (now, frame) = (Instant::from_millis_const(number), [number as u8; 60]);
        let events = lent.offer(Side::Peer, now, &frame);
        assert_eq!(given.offer_buffer(Side::Peer, now, frame.to_vec()), events);
        loop {
            let [one, other] = [&mut lent, &mut given].map(|link| link.take(Side::Peer, now));
            assert_eq!(one, other);
            if one.is_none() {
                break;
            }
        }
    }
    assert_eq!(lent.counters(Side::Peer), given.counters(Side::Peer));
}

#[test]
fn the_same_seed_and_frames_give_the_same_verdicts_and_another_seed_others() {
    let all = [
        ("loss", "10%"),
        ("burst", "5%/30%"),
        ("corrupt", "10%"),
        ("duplicate", "10%"),
        ("reorder", "10%"),
        ("delay", "20ms"),
        ("jitter", "15ms"),
        ("rate", "1mbit"),
    ];
    let run = |seed| {
        let mut link = Link::new(seed);
        for (name, value) in all {
            link.set(None, Setting::parse(name, value).unwrap());
        }
        let events: Vec<_> = (0..1000)
            .map(|n| link.offer(Side::Board, Instant::from_millis_const(n * 3), &FRAME).to_string())
            .collect();
        events
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
    // Every kind of fault occurs.
    let text = run(3).join("\n");
    for part in ["loss 10%", "burst", "flipped", "duplicated", "reordered", "delayed"] {
        assert!(text.contains(part), "{part}");
    }
}

#[test]
fn a_link_knows_its_seed_and_whether_it_matters() {
    assert_eq!(Link::new(7).seed(), 7);
    for (name, example) in Setting::NAMES {
        let mut link = Link::new(7);
        link.set(Some(Side::Peer), Setting::parse(name, example).unwrap());
        // Whether another seed makes another of a thousand frames.
        let events = |seed| {
            let mut other = Link::new(seed);
            other.set(Some(Side::Peer), Setting::parse(name, example).unwrap());
            let sent =
                (0..1000).map(|n| other.offer(Side::Peer, Instant::from_millis_const(n), &FRAME));
            sent.collect::<Vec<_>>()
        };
        assert_eq!(link.random(), events(7) != events(8), "{name}");
        link.heal();
        assert!(!link.random(), "{name}");
    }
}

#[test]
fn the_directions_are_apart() {
    let mut link = Link::new(1);
    link.set(Some(Side::Board), Setting::Loss(Chance::ALWAYS));
    assert!(link.offer(Side::Board, Instant::ZERO, &FRAME).dropped());
    assert!(!link.offer(Side::Peer, Instant::ZERO, &FRAME).dropped());
    link.heal();
    link.set(Some(Side::Peer), Setting::Partition(true));
    assert!(!link.offer(Side::Board, Instant::ZERO, &FRAME).dropped());
    assert_eq!(link.offer(Side::Peer, Instant::ZERO, &FRAME).as_slice(), [LinkEvent::Partition]);
}

#[test]
fn loss_is_as_frequent_as_it_is_set() {
    let mut link = link(&[("loss", "5%")]);
    let lost = (0..100_000)
        .filter(|_| {
            let dropped = link.offer(Side::Board, Instant::ZERO, &FRAME).dropped();
            link.take(Side::Board, Instant::ZERO);
            dropped
        })
        .count();
    // Five standard deviations either way.
    assert!((4650..=5350).contains(&lost), "{lost}");
}

#[test]
fn bursts_are_as_long_as_they_are_set() {
    let mut link = link(&[("burst", "1%/25%")]);
    let lost: Vec<bool> = (0..200_000)
        .map(|_| {
            let dropped = link.offer(Side::Board, Instant::ZERO, &FRAME).dropped();
            link.take(Side::Board, Instant::ZERO);
            dropped
        })
        .collect();
    let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
    let mean = lost.iter().filter(|lost| **lost).count() as f64 / bursts as f64;
    assert!((3.7..4.3).contains(&mean), "the mean burst is 1 / 25% = 4 frames, not {mean}");
}

#[test]
fn corruption_is_on_the_wire_and_the_event_says_where() {
    let mut link = link(&[("corrupt", "100%")]);
    let mut bytes = [false; 100];
    for _ in 0..2000 {
        let events = link.offer(Side::Board, Instant::ZERO, &FRAME);
        let [LinkEvent::Corrupted { bit, byte }] = *events.as_slice() else { panic!("{events}") };
        let mut expected = FRAME;
        expected[byte] ^= 1 << bit;
        assert_eq!(link.take(Side::Board, Instant::ZERO).unwrap(), expected);
        bytes[byte] = true;
    }
    assert!(bytes.iter().all(|hit| *hit), "no byte is spared");
}

#[test]
fn a_frame_without_a_byte_has_none_to_flip() {
    let mut link = link(&[("corrupt", "100%")]);
    assert_eq!(link.offer(Side::Board, Instant::ZERO, &[]).as_slice(), []);
    assert!(link.take(Side::Board, Instant::ZERO).unwrap().is_empty());
}

#[test]
fn delay_and_jitter_keep_the_order() {
    let mut link = link(&[("delay", "40ms"), ("jitter", "10ms")]);
    let arrived = arrivals(&mut link, 200);
    assert_eq!(arrived.len(), 200);
    assert!(arrived.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 < pair[1].1));
    let delays: Vec<_> = arrived.iter().map(|(at, n)| at - i64::from(*n) * 1000).collect();
    assert!(delays.iter().all(|delay| (30_000..=60_000).contains(delay)), "{delays:?}");
    assert!(delays.iter().any(|delay| *delay != delays[0]), "it does vary");
}

#[test]
fn reordering_lets_later_frames_overtake_and_loses_none() {
    let mut link = link(&[("reorder", "20%")]);
    let mut arrived = arrivals(&mut link, 200);
    assert!(arrived.windows(2).any(|pair| pair[0].1 > pair[1].1), "{arrived:?}");
    arrived.sort_unstable_by_key(|(_, number)| *number);
    assert_eq!(arrived.len(), 200);
    assert!(arrived.iter().enumerate().all(|(index, (_, number))| index == usize::from(*number)));
}

#[test]
fn duplicates_arrive_twice() {
    let mut link = link(&[("duplicate", "100%")]);
    let arrived = arrivals(&mut link, 10);
    assert_eq!(arrived.len(), 20);
    assert!(arrived.chunks(2).all(|pair| pair[0].1 == pair[1].1));
}

#[test]
fn a_rate_spaces_frames_and_a_full_queue_drops() {
    // 100 bytes at 80 kbit/s take 10 ms; the queue holds ten of them.
    let mut link = link(&[("rate", "80kbit"), ("queue", "1000")]);
    let mut dropped = 0;
    for _ in 0..20 {
        dropped += u32::from(link.offer(Side::Board, Instant::ZERO, &FRAME).dropped());
    }
    assert_eq!(dropped, 10);
    let queued = [0, 50, 95, 100, 200].map(|at| link.queued(Side::Board, Instant::from_millis(at)));
    assert_eq!(queued, [1000, 500, 50, 0, 0]);
    assert_eq!(link.queued(Side::Peer, Instant::ZERO), 0);
    let times: Vec<_> = std::iter::from_fn(|| {
        let at = link.next_arrival(Side::Board)?;
        link.take(Side::Board, at);
        Some(at.total_millis())
    })
    .collect();
    assert_eq!(times, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100], "the last waited 100 ms");
    // Half of it has drained: there is room for as much again.
    let later = Instant::from_millis_const(50);
    assert!(!link.offer(Side::Board, later, &FRAME).dropped());
}

/// When frames of that many bytes arrive that are sent at 0, one behind the other, microseconds.
fn times(link: &mut Link, lens: &[usize]) -> Vec<i64> {
    for &len in lens {
        assert!(!link.offer(Side::Board, Instant::ZERO, &vec![0; len]).dropped());
    }
    std::iter::from_fn(|| {
        let at = link.next_arrival(Side::Board)?;
        link.take(Side::Board, at).map(|_| at.total_micros())
    })
    .collect()
}

#[test]
fn delay_and_rate_are_exact_to_the_microsecond() {
    assert_eq!(times(&mut link(&[("delay", "100us")]), &[60, 1514]), [100, 100]);
    // A microsecond is 12.5 bytes.
    assert_eq!(times(&mut link(&[("rate", "100mbit")]), &[75, 1500]), [6, 126]);
    let both = [("delay", "100us"), ("rate", "100mbit")];
    assert_eq!(times(&mut link(&both), &[75, 1500]), [106, 226]);
}

/// A short frame takes 0.48 us, which no clock here can tell from one. Many in a row take their time all the same.
#[test]
fn a_rate_holds_for_frames_shorter_than_a_microsecond() {
    let mut link = link(&[("rate", "1gbit")]);
    assert_eq!(times(&mut link, &[60; 1000])[999], 480);
}

#[test]
fn long_frames_do_not_fit_a_small_mtu() {
    let mut link = link(&[("mtu", "86")]);
    assert!(!link.offer(Side::Board, Instant::ZERO, &FRAME).dropped(), "86 + 14 bytes fit");
    let events = link.offer(Side::Board, Instant::ZERO, &[0; 101]);
    assert_eq!(events.to_string(), "dropped: longer than the MTU of 86");
}

#[test]
fn unplugging_loses_what_is_under_way_and_what_is_sent() {
    let mut link = link(&[("delay", "1s")]);
    link.offer(Side::Board, Instant::ZERO, &FRAME);
    link.plug(false);
    assert_eq!(link.next_arrival(Side::Board), None);
    assert_eq!(link.offer(Side::Peer, Instant::ZERO, &FRAME).as_slice(), [LinkEvent::Unplugged]);
    link.heal();
    assert!(!link.plugged() && !link.transparent());
    link.plug(true);
    assert!(link.transparent());
}

/// Fills a queue whose last frame is through after 80 s.
fn full() -> Link {
    // 100 bytes a second.
    let mut link = link(&[("rate", "800bit"), ("queue", "8000")]);
    while !link.offer(Side::Board, Instant::ZERO, &FRAME).dropped() {}
    link
}

#[test]
fn a_queue_that_was_unplugged_is_empty() {
    let mut link = full();
    link.plug(false);
    link.plug(true);
    let events = link.offer(Side::Board, Instant::ZERO, &FRAME);
    assert_eq!(events.as_slice(), [LinkEvent::Delayed(ms(1000))]);
}

#[test]
fn nothing_waits_for_what_a_slower_cable_still_holds() {
    let arrival = |change: &dyn Fn(&mut Link)| {
        let mut link = full();
        let before = link.to_board.held.len();
        change(&mut link);
        let events = link.offer(Side::Board, Instant::ZERO, &FRAME);
        assert_eq!(link.to_board.held.len(), before + 1, "{events}");
        events.to_string()
    };
    assert_eq!(arrival(&|link| link.heal()), "");
    assert_eq!(arrival(&|link| link.set(None, Setting::Rate(None))), "");
    assert_eq!(arrival(&|link| link.set(None, Setting::Rate(Some(800_000)))), "delayed 1 ms");
    // Any other change leaves the queue as it is.
    let mut link = full();
    link.set(None, Setting::Rate(Some(800)));
    link.set(None, Setting::Loss(Chance::NEVER));
    assert!(link.offer(Side::Board, Instant::ZERO, &FRAME).dropped());
}

#[test]
fn what_is_under_way_is_bounded() {
    let mut link = link(&[("delay", "1s")]);
    let dropped = (0..HELD_MAX + 5)
        .filter(|_| link.offer(Side::Board, Instant::ZERO, &FRAME).dropped())
        .count();
    assert_eq!(dropped, 5);
}
