//! The board's addresses: announced, looked for, and noticed when somebody else uses them.

mod common;

use common::frames::{BOARD_MAC, neighbor_answer};
use common::hosts::{answered, arp, board, mac, sent_by};
use common::pair::{Memory, Pair};
use common::solo::{Solo, SoloMemory};
use smoltcp::time::Duration;
use smoltcp::wire::{ArpOperation, EthernetAddress, EthernetFrame, Ipv4Address};
use tapboard_firmware::BOARD_NET;

const SECOND: Duration = Duration::from_secs(1);

/// How often the board has announced its addresses since `others` was emptied.
fn announcements(solo: &Solo<'_>) -> usize {
    let is = |(_, frame): &&(_, Vec<u8>)| {
        EthernetFrame::new_unchecked(frame).dst_addr() == EthernetAddress::BROADCAST
    };
    // Each with a probe, for those who do not mind announcements.
    let broadcast = solo.others.iter().filter(is).count();
    assert_eq!(broadcast % 2, 0);
    broadcast / 2
}

/// RFC 5227 2.4: somebody else says that our address is his.
#[test]
fn another_board_with_our_address_is_noticed_and_told() {
    let own = BOARD_NET.ipv4_address();
    let v6 = board(true);
    let other = mac(77);
    let advert = sent_by(other, neighbor_answer(v6));
    // Others hear an announcement too, and are told otherwise at once. What is said to the board alone has time.
    let mut to_board = arp(ArpOperation::Reply, other, own, own);
    EthernetFrame::new_unchecked(&mut to_board).set_dst_addr(BOARD_MAC);
    let (to_all, to_one) = (Duration::from_millis(200), SECOND);
    for (frame, address, wait) in [
        (arp(ArpOperation::Request, other, own, own), Some(own.into()), to_all),
        (
            arp(ArpOperation::Request, other, own, Ipv4Address::new(192, 0, 2, 2)),
            Some(own.into()),
            to_all,
        ),
        (arp(ArpOperation::Reply, other, own, own), Some(own.into()), to_all),
        (to_board, Some(own.into()), to_one),
        (advert, Some(v6), to_one),
        // The same MAC address as well.
        (arp(ArpOperation::Request, BOARD_MAC, own, Ipv4Address::new(192, 0, 2, 2)), None, to_all),
    ] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        solo.answers = |_| false;
        solo.pass(SECOND);
        assert_eq!(solo.board.conflict(), None);
        assert_eq!(solo.others.len(), 4, "IPv4 twice, IPv6, and its link-local address");
        let first = solo.clock.now();
        solo.put(frame.clone());
        solo.turn();
        // A bit may have flipped. So the board speaks up; another one answers.
        assert_eq!(solo.board.conflict(), None);
        solo.pass(wait - Duration::from_millis(1));
        assert_eq!(announcements(&solo), 1);
        solo.pass(Duration::from_millis(1));
        assert_eq!(announcements(&solo), 2);
        solo.pass(Duration::from_millis(100));
        solo.put(frame.clone());
        solo.turn();
        let (at, conflict) = solo.board.conflict().expect("noticed");
        assert_eq!((at, conflict.address), (first, address));
        assert_eq!(solo.board.counters().address_conflicts, 2);
        // Once more for the other side, and not in answer to each frame.
        for _ in 0..20 {
            solo.pass(Duration::from_millis(300));
            solo.put(frame.clone());
            solo.turn();
        }
        assert_eq!(announcements(&solo), 3);
        assert_eq!(solo.board.counters().address_conflicts, 22);
        // It is not forgotten, whatever else comes in; and a flipped bit now and then is none.
        for number in 0..20 {
            solo.pass(SECOND * 11);
            solo.put(arp(ArpOperation::Request, mac(number), own, own));
            solo.turn();
            let reported = solo.board.conflict().expect("reported");
            assert_eq!((reported.0, reported.1.address), (first, address), "{number}");
        }
    }
}

/// Conflicts over several addresses at once do not set each other off.
#[test]
fn signs_of_several_conflicts_cause_few_announcements() {
    let own = BOARD_NET.ipv4_address();
    let v6 = board(true);
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    solo.answers = |_| false;
    solo.pass(SECOND);
    solo.others.clear();
    for _ in 0..100 {
        for frame in
            [arp(ArpOperation::Request, mac(77), own, own), sent_by(mac(77), neighbor_answer(v6))]
        {
            for _ in 0..2 {
                solo.put(frame.clone());
                solo.turn();
            }
            solo.pass(Duration::from_millis(300));
        }
    }
    // In a minute: two for the first conflict, then one in ten seconds at most.
    let count = announcements(&solo);
    assert!((2..=8).contains(&count), "{count}");
}

/// However rarely the other one is heard of.
#[test]
fn a_conflict_with_one_sign_in_a_minute_is_noticed() {
    let own = BOARD_NET.ipv4_address();
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    for seen in [false, true] {
        solo.pass(SECOND * 60);
        solo.put(arp(ArpOperation::Request, mac(77), own, own));
        solo.turn();
        assert_eq!(solo.board.conflict().is_some(), seen);
    }
}

/// As Linux does: it does not answer announcements, and each probe. So the board finds it at boot, and is sure a moment
/// later.
#[test]
fn a_host_that_only_answers_probes_is_noticed() {
    let own = BOARD_NET.ipv4_address();
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    for _ in 0..40 {
        solo.turn();
        for (_, frame) in solo.others.drain(..).collect::<Vec<_>>() {
            // Operation and sender's address.
            if frame[12..14] == [8, 6] && frame[20..22] == [0, 1] && frame[28..32] == [0; 4] {
                solo.put(arp(ArpOperation::Reply, mac(77), own, Ipv4Address::UNSPECIFIED));
            }
        }
        solo.turn();
        solo.pass(Duration::from_millis(50));
    }
    let (_, conflict) = solo.board.conflict().expect("noticed");
    assert_eq!((conflict.address, conflict.mac), (Some(own.into()), mac(77)));
}

/// A device with room for one frame at a time is not kept busy with announcements.
#[test]
fn announcements_end_on_a_device_with_little_room() {
    for room in 1..=5 {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        solo.room = room;
        for _ in 0..10 {
            solo.turn();
        }
        assert_eq!(solo.others.len(), 4, "room for {room}");
    }
}

/// Boards of one identity that boot at the same moment take each other's first announcement for their own; the next is
/// none.
#[test]
fn two_boards_of_one_number_that_boot_at_once_notice_each_other() {
    for seed in 1..=20 {
        let mut memory = Memory::new();
        let twins = [BOARD_NET; 2];
        let mut twins = Pair::of(twins, &mut memory, Duration::from_millis(seed), seed);
        twins.settle(SECOND * 20);
        for board in [&twins.board, &twins.peer] {
            let (_, conflict) = board.conflict().unwrap_or_else(|| panic!("seed {seed}"));
            assert_eq!(conflict.address, None, "even the MAC address is the same");
        }
    }
}

/// Those who only look whether an address is free are answered, and no conflict (RFC 5227 2.1.1, RFC 4862 5.4.3).
#[test]
fn a_probe_for_our_address_is_answered_and_no_conflict() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    solo.pass(SECOND);
    solo.others.clear();
    let own = BOARD_NET.ipv4_address();
    solo.put(arp(ArpOperation::Request, mac(5), Ipv4Address::UNSPECIFIED, own));
    solo.turn();
    assert_eq!(answered(&mut solo), [mac(5)]);
    // The other board's own: what this one sent at boot, from somebody else.
    let mut memory = SoloMemory::new();
    let mut twin = Solo::new(&mut memory, 2);
    twin.turn();
    let probes: Vec<_> = twin.others.drain(2..).map(|(_, frame)| sent_by(mac(5), frame)).collect();
    assert_eq!(probes.len(), 2);
    for probe in probes {
        solo.put(probe);
        solo.turn();
        // RFC 4861 7.2.4: to all nodes.
        assert_eq!(answered(&mut solo), [EthernetAddress([0x33, 0x33, 0, 0, 0, 1])]);
    }
    assert_eq!(solo.board.conflict(), None);
}
