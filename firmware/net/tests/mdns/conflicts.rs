//! Somebody else has the name.

use super::message::{A, AAAA, ANY, question, record};
use super::*;
use crate::common::v4;

/// That 192.0.2.`last` has the name `name`.
fn claim(name: &str, last: u8) -> Vec<u8> {
    message(0, RESPONSE, &[(1, record(name, A, 120, &[192, 0, 2, last]))])
}

#[test]
fn a_name_that_somebody_has_gets_a_number() {
    let mut world = World::ethernet();
    world.add(&board(1));
    // Each time it is probed, somebody has it, until the third name.
    let end = world.now + Duration::from_secs(10);
    while world.now < end {
        for (_, probe) in heard(&mut world, 0, ms(50)) {
            if let Some(asked) = probe.sections[0].first()
                && (asked.name == "board.local" || asked.name == "board-2.local")
            {
                say(&world, 5353, v4(1), &claim(&asked.name, 9));
            }
        }
    }
    assert_eq!(label(&mut world, 0).as_deref(), Some("board-3"));
    let said = asked(&mut world, &[(0, question("board-3._echo._tcp.local", ANY, 1))]);
    assert!(said[0].1.said(1).contains(&"board-3._echo._tcp.local 33 7 board-3.local".into()));
    assert!(asked(&mut world, &[(0, question("board.local", ANY, 1))]).is_empty());
}

#[test]
fn a_name_in_use_is_probed_again_and_defended() {
    let mut world = settled();
    say(&world, 5353, GROUP, &claim("board.local", 9));
    let said = heard(&mut world, 0, Duration::from_secs(10));
    assert_eq!(said.len(), 5, "three probes, two announcements");
    assert_eq!(label(&mut world, 0).as_deref(), Some("board"), "nobody says so again");
    // What is ours, what is to be forgotten, and what is no unique record is no conflict.
    for bytes in [
        claim("board.local", 1),
        message(0, RESPONSE, &[(1, record("board.local", A, 0, &[192, 0, 2, 9]))]),
        message(
            0,
            RESPONSE,
            &[(
                1,
                record("_echo._tcp.local", 12, 4500, &message::spelled("other._echo._tcp.local")),
            )],
        ),
        claim("other.local", 9),
    ] {
        say(&world, 5353, GROUP, &bytes);
        assert!(heard(&mut world, 0, Duration::from_secs(5)).is_empty());
    }
    // An answer is one only from the port of multicast DNS.
    say(&world, 40_000, GROUP, &claim("board.local", 9));
    assert!(heard(&mut world, 0, Duration::from_secs(5)).is_empty());
    // Another kind of address than ours is a conflict too.
    say(
        &world,
        5353,
        GROUP,
        &message(0, RESPONSE, &[(3, record("board.local", AAAA, 120, &[1; 16]))]),
    );
    assert_eq!(heard(&mut world, 0, Duration::from_secs(5)).len(), 5);
}

#[test]
fn who_comes_later_gives_way() {
    let mut world = settled();
    world.add(&board(2));
    world.pass(Duration::from_secs(10));
    assert_eq!(label(&mut world, 0).as_deref(), Some("board"));
    assert_eq!(label(&mut world, 1).as_deref(), Some("board-2"));
}

#[test]
fn of_those_who_come_at_the_same_moment_the_one_of_the_higher_address_has_it() {
    for (first, second) in [(1, 2), (2, 1), (9, 10)] {
        let mut world = World::ethernet();
        world.add(&board(first));
        world.add(&board(second));
        world.add(&board(100));
        // Their cables come in at the same moment, so that they probe together.
        world.pass(ms(300));
        for node in 0..3 {
            world.stack(node).link_up();
        }
        world.pass(Duration::from_secs(30));
        let mut labels: Vec<_> = (0..3).map(|node| label(&mut world, node).unwrap()).collect();
        labels.sort();
        assert_eq!(labels, ["board", "board-2", "board-3"]);
    }
    // Word for word: who is probed for at the same moment by a higher address waits for a second.
    for (other, waits) in [(9, true), (0, false)] {
        let mut world = World::ethernet();
        world.add(&board(1));
        let mut first = None;
        let start = world.now;
        while first.is_none() {
            first = heard(&mut world, 0, ms(1)).first().map(|(at, _)| *at);
        }
        let probe = message(
            0,
            0,
            &[
                (0, question("board.local", ANY, 0x8001)),
                (2, record("board.local", A, 120, &[192, 0, 2, other])),
            ],
        );
        say(&world, 5353, GROUP, &probe);
        let said = heard(&mut world, 0, Duration::from_secs(1));
        assert_eq!(
            said.iter().filter(|(_, said)| said.flags == 0).count(),
            if waits { 1 } else { 2 },
            "{start}"
        );
        world.pass(Duration::from_secs(5));
        assert_eq!(label(&mut world, 0).as_deref(), Some("board"), "nobody claims it in the end");
    }
}

#[test]
fn who_has_every_name_makes_nobody_busy() {
    let mut world = World::ethernet();
    world.add(&board(1));
    let (start, mut probes) = (world.now, 0);
    while world.now < start + Duration::from_secs(600) {
        for (_, probe) in heard(&mut world, 0, ms(10)) {
            if let Some(asked) = probe.sections[0].first() {
                probes += 1;
                say(&world, 5353, GROUP, &claim(&asked.name, 9));
            }
        }
    }
    assert!((120..150).contains(&probes), "one in five seconds: {probes}");
    assert_eq!(label(&mut world, 0), None);
}

#[test]
fn a_network_with_a_loop_is_no_conflict() {
    let mut world = World::ethernet();
    world.add(&board(1));
    let end = world.now + Duration::from_secs(10);
    while world.now < end {
        world.pass(ms(10));
        for frame in world.nodes[0].port.take_sent() {
            if Message::parse(&frame).is_some() {
                world.probe.send(world.now, &frame);
            }
        }
    }
    assert_eq!(label(&mut world, 0).as_deref(), Some("board"));
}
