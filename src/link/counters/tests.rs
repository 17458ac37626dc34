use smoltcp::time::{Duration, Instant};

use crate::link::{Link, LinkEvent, Setting, Side};

const FRAME: [u8; 100] = [0x55; 100];

fn set(link: &mut Link, text: &str) {
    link.set(Some(Side::Board), text.parse::<Setting>().unwrap());
}

#[test]
fn each_frame_and_each_copy_is_dropped_under_way_or_has_arrived() {
    let mut link = Link::new(5);
    for fault in [
        "loss 10%",
        "burst 5%/30%",
        "corrupt 10%",
        "duplicate 10%",
        "reorder 10%",
        "delay 20ms",
        "rate 1mbit",
        "queue 500",
    ] {
        set(&mut link, fault);
    }
    let (mut arrived, mut told) = (0, [0; 11]);
    for number in 0..3000_i64 {
        let now = Instant::from_micros(number * 700);
        match number {
            1000 => set(&mut link, "partition on"),
            1010 => set(&mut link, "partition off"),
            // What is under way then is lost.
            2000 => link.plug(false),
            2010 => link.plug(true),
            2500 => set(&mut link, "mtu 80"),
            2510 => set(&mut link, "mtu off"),
            _ => {}
        }
        while let Some(frame) = link.take(Side::Board, now) {
            arrived += 1;
            link.recycle(Side::Board, frame);
        }
        let events = link.offer(Side::Board, now, &FRAME);
        for event in events.as_slice() {
            told[kind(*event)] += 1;
        }
    }
    let counters = *link.counters(Side::Board);
    assert_eq!((counters.sent, counters.sent_bytes), (3000, 300_000));
    let held = link.held(Side::Board) as u64;
    assert!(held > 0);
    assert_eq!(counters.sent + counters.duplicated, counters.dropped.total() + held + arrived);
    let cut = counters.dropped.unplugged - told[0];
    assert!(cut > 0, "nothing was under way when the cable came out");
    let mut counted = counters.dropped.by_reason().map(|(_, count)| count).to_vec();
    counted[0] -= cut;
    counted.extend([counters.corrupted, counters.delayed, counters.reordered, counters.duplicated]);
    assert_eq!(counted, told);
    // Of this cable, all but the last reason to drop has happened.
    assert!(counted.iter().enumerate().all(|(kind, count)| (*count > 0) != (kind == 6)));
    assert_eq!(*link.counters(Side::Peer), super::LinkCounters::default());
}

#[test]
fn a_link_that_holds_all_it_can_says_so_of_the_rest() {
    let mut link = Link::new(1);
    link.set(None, Setting::Delay(Duration::from_secs(1)));
    for _ in 0..crate::link::HELD_MAX + 3 {
        link.offer(Side::Peer, Instant::ZERO, &FRAME);
    }
    assert_eq!(link.counters(Side::Peer).dropped.held_max, 3);
}

/// In the order in which the counters are shown.
const fn kind(event: LinkEvent) -> usize {
    match event {
        LinkEvent::Unplugged => 0,
        LinkEvent::Partition => 1,
        LinkEvent::Mtu(_) => 2,
        LinkEvent::Loss(_) => 3,
        LinkEvent::Burst => 4,
        LinkEvent::QueueFull(_) => 5,
        LinkEvent::HeldMax => 6,
        LinkEvent::Corrupted { .. } => 7,
        LinkEvent::Delayed(_) => 8,
        LinkEvent::Reordered(_) => 9,
        LinkEvent::Duplicated => 10,
    }
}
