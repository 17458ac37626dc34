use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::clock::VirtualClock;
use crate::link::Setting;
use crate::nic::header_layout::{ACK, HeaderLayout, PSH, TCP_CHECKSUM, made::Made};
use crate::nic::mac::Mac;
use crate::nic::wire::{End, Wire};
use crate::world::{Outcome, Step, drive};

fn ms(millis: i64) -> Instant {
    Instant::from_millis(millis)
}

fn send<D: Device>(device: &mut D, now: Instant, payload: &[u8]) {
    let token = device.transmit(now).expect("room");
    token.consume(payload.len(), |buffer| buffer.copy_from_slice(payload));
}

fn receive<D: Device>(device: &mut D, now: Instant) -> Option<Vec<u8>> {
    let (token, _) = device.receive(now)?;
    Some(token.consume(<[u8]>::to_vec))
}

fn delayed(way: Option<Side>, millis: u64) -> Impairment {
    let mut link = Link::new(1);
    link.set(way, Setting::Delay(Duration::from_millis(millis)));
    Impairment::new(link)
}

#[test]
fn a_bare_cable_uses_the_nics_own_tokens() {
    let (mut wire, mut impairment) = (Wire::default(), Impairment::new(Link::new(1)));
    send(&mut wire.end(Side::Peer), ms(0), b"in");
    let mut board = impairment.behind(wire.end(Side::Board));
    let (rx, tx) = board.receive(ms(0)).unwrap();
    assert!(matches!((&rx, &tx), (ImpairedRx::Bare(..), ImpairedTx(Tx::Bare(..)))));
    assert_eq!(rx.consume(<[u8]>::to_vec), b"in");
    tx.consume(6, |buffer| buffer.copy_from_slice(b"answer"));
    send(&mut board, ms(0), b"out");
    for expected in [&b"answer"[..], b"out"] {
        assert_eq!(receive(&mut wire.end(Side::Peer), ms(0)).unwrap(), expected);
    }
    assert_eq!(impairment.next_event(ms(0)), None);
    let counted = |to| {
        let counters = impairment.link().counters(to);
        (counters.sent, counters.sent_bytes)
    };
    assert_eq!([counted(Side::Board), counted(Side::Peer)], [(1, 2), (2, 9)]);
}

#[test]
fn what_is_delayed_arrives_later_both_ways() {
    let (mut wire, mut impairment) = (Wire::default(), delayed(None, 40));
    send(&mut wire.end(Side::Peer), ms(0), b"in");
    let mut board = impairment.behind(wire.end(Side::Board));
    assert_eq!(receive(&mut board, ms(0)), None);
    send(&mut board, ms(10), b"out");
    assert_eq!(impairment.next_event(ms(10)), Some(ms(40)));
    assert_eq!(wire.next_arrival(Side::Peer), None);
    let mut board = impairment.behind(wire.end(Side::Board));
    assert_eq!(receive(&mut board, ms(40)).unwrap(), b"in");
    board.pump(ms(49));
    assert_eq!(impairment.next_event(ms(49)), Some(ms(50)));
    impairment.behind(wire.end(Side::Board)).pump(ms(50));
    assert_eq!(receive(&mut wire.end(Side::Peer), ms(50)).unwrap(), b"out");
    assert_eq!(impairment.next_event(ms(50)), None);
}

/// In virtual time, where nobody is late.
#[test]
fn a_round_trip_costs_what_the_link_is_set_to_and_not_a_microsecond_more() {
    let round_trip = |settings: &[(&str, &str)]| {
        let mut link = Link::new(1);
        for (name, value) in settings {
            link.set(None, Setting::parse(name, value).unwrap());
        }
        let (mut wire, mut impairment, mut clock) =
            (Wire::default(), Impairment::new(link), VirtualClock::new());
        send(&mut wire.end(Side::Peer), clock.now(), &[0; 60]);
        let outcome = drive(&mut clock, ms(1000), |now| {
            let mut board = impairment.behind(wire.end(Side::Board));
            board.pump(now);
            if let Some(frame) = receive(&mut board, now) {
                send(&mut board, now, &frame);
            }
            if receive(&mut wire.end(Side::Peer), now).is_some() {
                return Step::Done;
            }
            Step::Next(impairment.next_event(now))
        });
        assert_eq!(outcome, Outcome::Done);
        clock.now().total_micros()
    };
    assert_eq!(round_trip(&[("delay", "100us")]), 200);
    assert_eq!(round_trip(&[("rate", "10mbit")]), 2 * 48);
    assert_eq!(round_trip(&[("rate", "10mbit"), ("delay", "7us")]), 2 * 55);
}

#[test]
fn a_nic_that_refuses_is_asked_again_and_not_in_a_loop() {
    let (mut wire, mut impairment) = (Wire::default(), delayed(None, 5));
    while let Some(token) = wire.end(Side::Board).transmit(ms(0)) {
        token.consume(1, |_| ());
    }
    send(&mut impairment.behind(wire.end(Side::Board)), ms(0), b"out");
    impairment.behind(wire.end(Side::Board)).pump(ms(5));
    assert_eq!(impairment.next_event(ms(5)), Some(ms(5) + RETRY));
    assert!(receive(&mut wire.end(Side::Peer), ms(5)).is_some());
    impairment.behind(wire.end(Side::Board)).pump(ms(6));
    assert_eq!(impairment.next_event(ms(6)), None);
}

#[test]
fn more_than_a_burst_is_not_left_lying() {
    let (mut wire, mut impairment) = (Wire::default(), delayed(None, 5));
    let queue = wire.in_flight(Side::Board);
    for _ in 0..BURST + 10 {
        queue.push_back(super::super::wire::InFlight { at: ms(0), frame: vec![0; 60] });
    }
    assert_eq!(receive(&mut impairment.behind(wire.end(Side::Board)), ms(0)), None);
    assert_eq!(impairment.next_event(ms(0)), Some(ms(0)), "there is more in the NIC");
    assert_eq!(receive(&mut impairment.behind(wire.end(Side::Board)), ms(0)), None);
    assert_eq!(impairment.next_event(ms(0)), Some(ms(5)));
}

/// A board that leaves segmentation to the NIC: the cable has ordinary frames all the same.
#[test]
fn a_superframe_goes_through_the_link_in_segments() {
    let made = Made { flags: ACK | PSH, ..Made::new(false, 5000) };
    let mut meta = PacketMeta::default();
    meta.segmentation_offload_size = NonZeroU16::new(1460);
    let (mut wire, mut impairment) = (Wire::default(), delayed(None, 5));
    let mut board =
        Mac::new(impairment.behind(wire.end(Side::Board)), Offloads::CHECKSUM, Offloads::NONE);
    let mut token = board.transmit(ms(0)).expect("room");
    token.set_meta(meta);
    token.consume(made.frame().len(), |space| {
        space.copy_from_slice(&made.frame());
        let layout = HeaderLayout::of(space).expect("a segment");
        space[layout.tcp + TCP_CHECKSUM..][..2].fill(0);
    });
    impairment.behind(wire.end(Side::Board)).pump(ms(5));
    let arrived: Vec<Vec<u8>> =
        std::iter::from_fn(|| receive(&mut wire.end(Side::Peer), ms(5))).collect();
    let segments: Vec<Vec<u8>> = made.segments(1460).iter().map(Made::frame).collect();
    assert!(arrived == segments, "{} frames", arrived.len());
}

#[test]
fn observers_see_every_frame_as_it_arrives_and_what_befell_it() {
    type Log = Rc<RefCell<Vec<(Side, Vec<u8>, String)>>>;
    struct Seen(Log);
    impl Observer for Seen {
        fn frame(&mut self, _: Instant, to: Side, frame: &[u8], events: &LinkEvents) {
            self.0.borrow_mut().push((to, frame.to_vec(), events.to_string()));
        }
    }
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (mut wire, mut impairment) = (Wire::default(), Impairment::new(Link::new(1)));
    impairment.watch(Watch::Ladder, Some(Box::new(Seen(Rc::clone(&seen)))));
    let out = |impairment: &mut Impairment, end: End<'_>| {
        send(&mut impairment.behind(end), ms(0), &[0; 60]);
    };
    out(&mut impairment, wire.end(Side::Board));
    impairment.link_mut().set(None, Setting::parse("corrupt", "100%").unwrap());
    out(&mut impairment, wire.end(Side::Board));
    impairment.link_mut().plug(false);
    send(&mut wire.end(Side::Peer), ms(0), b"in");
    assert_eq!(receive(&mut impairment.behind(wire.end(Side::Board)), ms(0)), None);
    let seen = seen.borrow();
    let [clean, corrupt, cut] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(clean, &(Side::Peer, vec![0; 60], String::new()));
    let ones: u32 = corrupt.1.iter().map(|byte| byte.count_ones()).sum();
    assert!(corrupt.2.ends_with("flipped") && ones == 1, "{corrupt:?}");
    assert_eq!(cut, &(Side::Board, b"in".to_vec(), "dropped: the cable is out".into()));
}
