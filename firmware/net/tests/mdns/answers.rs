//! Who asks what is answered how.

use super::message::{A, AAAA, ANY, NSEC, PTR, SRV, TXT, frame_from, question, record, spelled};
use super::*;
use crate::common::{mac, v4};

#[test]
fn each_question_has_its_answer() {
    let mut world = settled();
    for (name, kind, answers, further) in [
        ("board.local", A, &["board.local 1 192.0.2.1"][..], &[][..]),
        ("BOARD.Local", ANY, &["board.local 1 192.0.2.1"], &[]),
        (
            "board._echo._tcp.local",
            SRV,
            &["board._echo._tcp.local 33 7 board.local"],
            &["board.local 1 192.0.2.1"],
        ),
        ("board._telnet._tcp.local", TXT, &["board._telnet._tcp.local 16 [00]"], &[]),
        (
            "board._telnet._tcp.local",
            ANY,
            &["board._telnet._tcp.local 16 [00]", "board._telnet._tcp.local 33 23 board.local"],
            &["board.local 1 192.0.2.1"],
        ),
        (
            "_echo._tcp.local",
            PTR,
            &["_echo._tcp.local 12 board._echo._tcp.local"],
            &[
                "board._echo._tcp.local 16 [00]",
                "board._echo._tcp.local 33 7 board.local",
                "board.local 1 192.0.2.1",
            ],
        ),
        (
            "_services._dns-sd._udp.local",
            PTR,
            &[
                "_services._dns-sd._udp.local 12 _echo._tcp.local",
                "_services._dns-sd._udp.local 12 _telnet._tcp.local",
            ],
            &[],
        ),
    ] {
        let said = asked(&mut world, &[(0, question(name, kind, 1))]);
        assert_eq!(said.len(), 1, "{name}");
        let (after, message) = &said[0];
        assert_eq!((message.to.0, message.flags, message.id), (GROUP.into(), RESPONSE, 0));
        assert_eq!(message.said(1), answers, "{name} {kind}");
        // What else there is to say of the host may be said or denied.
        let said: Vec<_> =
            message.said(3).into_iter().filter(|text| !text.contains(" 47 ")).collect();
        assert_eq!(said, further, "{name} {kind}");
        assert!(message.sections[0].is_empty() && message.sections[2].is_empty());
        // RFC 6762 6: others may answer as well what is shared.
        let wait = if kind == PTR { 20..=120 } else { 0..=0 };
        assert!(wait.contains(&after.total_millis()), "{name}: {after}");
        world.pass(ms(1000));
    }
}

#[test]
fn what_is_not_there_is_denied_and_what_is_others_is_not_answered() {
    let mut world = settled();
    let said = asked(&mut world, &[(0, question("board.local", AAAA, 1))]);
    // The one type that there is: A, bit 1 of the first byte.
    assert_eq!(said[0].1.said(1), ["board.local 47 board.local [00, 01, 40]"]);
    assert_eq!(said[0].1.sections[1][0].kind, NSEC);
    let said = asked(&mut world, &[(0, question("board._echo._tcp.local", A, 1))]);
    assert_eq!(
        said[0].1.said(1),
        ["board._echo._tcp.local 47 board._echo._tcp.local [00, 05, 00, 00, 80, 00, 40]"]
    );
    for name in [
        "other.local",
        "board",
        "board.local.example",
        "_http._tcp.local",
        "local",
        "x.board.local",
    ] {
        assert!(asked(&mut world, &[(0, question(name, ANY, 1))]).is_empty(), "{name}");
    }
    // Not a question; of another kind.
    say(&world, 5353, GROUP, &message(0, 0x2800, &[(0, question("board.local", A, 1))]));
    assert!(heard(&mut world, 0, ms(1000)).is_empty());
}

#[test]
fn who_wants_an_answer_alone_gets_it_alone() {
    let mut world = settled();
    for to in [GROUP, v4(1)] {
        let query = message(0, 0, &[(0, question("_echo._tcp.local", PTR, 0x8001))]);
        say(&world, 5353, to, &query);
        let start = world.now;
        let said = heard(&mut world, 0, ms(1000));
        let [(at, answer)] = &said[..] else { panic!("{said:?}") };
        assert_eq!((answer.to, answer.to_mac, *at), ((v4(9).into(), 5353), mac(9), start));
        assert_eq!(answer.said(1), ["_echo._tcp.local 12 board._echo._tcp.local"]);
        assert!(answer.sections[3].len() >= 3);
    }
}

#[test]
fn a_resolver_that_knows_no_better_gets_what_it_expects() {
    let mut world = settled();
    for (to, name, kind, answer) in [
        (GROUP, "board.local", A, "board.local 1 192.0.2.1"),
        (v4(1), "board.local", A, "board.local 1 192.0.2.1"),
        (v4(1), "board._echo._tcp.local", SRV, "board._echo._tcp.local 33 7 board.local"),
        (v4(1), "_echo._tcp.local", PTR, "_echo._tcp.local 12 board._echo._tcp.local"),
    ] {
        say(&world, 40_000, to, &message(0x1234, 0x0100, &[(0, question(name, kind, 1))]));
        let said = heard(&mut world, 0, ms(1000));
        let [(_, message)] = &said[..] else { panic!("{said:?}") };
        assert_eq!(
            (message.to, message.id, message.flags),
            ((v4(9).into(), 40_000), 0x1234, RESPONSE)
        );
        assert_eq!(message.said(0), [format!("{name} {kind} ")], "the question is repeated");
        assert_eq!(message.said(1), [answer]);
        let record = &message.sections[1][0];
        assert!(record.ttl <= 10 && record.class == 1, "{record:?}");
    }
}

#[test]
fn what_is_known_is_not_said_again() {
    let mut world = settled();
    let ask = |world: &mut World, known: Vec<u8>| {
        asked(world, &[(0, question("_echo._tcp.local", PTR, 1)), (1, known)]).len()
    };
    let pointer = |ttl, to: &str| record("_echo._tcp.local", PTR, ttl, &spelled(to));
    assert_eq!(ask(&mut world, pointer(2250, "Board._echo._tcp.local")), 0);
    assert_eq!(
        ask(&mut world, pointer(2249, "board._echo._tcp.local")),
        1,
        "it is nearly forgotten"
    );
    assert_eq!(ask(&mut world, pointer(4500, "other._echo._tcp.local")), 1, "of somebody else");
    let address = |ttl, last| record("board.local", A, ttl, &[192, 0, 2, last]);
    let host = |world: &mut World, known: Vec<u8>| {
        asked(world, &[(0, question("board.local", A, 1)), (1, known)]).len()
    };
    world.pass(ms(1000));
    assert_eq!(host(&mut world, address(60, 1)), 0);
    assert_eq!(host(&mut world, address(60, 2)), 1);
    assert_eq!(host(&mut world, address(59, 1)), 1);
}

#[test]
fn what_is_known_may_be_said_in_a_further_message() {
    let mut world = settled();
    say(&world, 5353, GROUP, &message(0, 0x0200, &[(0, question("_echo._tcp.local", PTR, 1))]));
    assert!(heard(&mut world, 0, ms(300)).is_empty(), "it waits for the rest");
    let pointer = record("_echo._tcp.local", PTR, 4500, &spelled("board._echo._tcp.local"));
    say(&world, 5353, GROUP, &message(0, 0, &[(1, pointer)]));
    assert!(heard(&mut world, 0, ms(1000)).is_empty());
    say(&world, 5353, GROUP, &message(0, 0x0200, &[(0, question("_echo._tcp.local", PTR, 1))]));
    let start = world.now;
    let said = heard(&mut world, 0, ms(1000));
    assert!(said.len() == 1 && (400..=500).contains(&(said[0].0 - start).total_millis()));
}

#[test]
fn nothing_is_multicast_twice_in_a_second_and_many_questions_have_one_answer() {
    let mut world = settled();
    let mut times = Vec::new();
    let start = world.now;
    for _ in 0..40 {
        say(&world, 5353, GROUP, &message(0, 0, &[(0, question("board.local", A, 1))]));
        times.extend(
            heard(&mut world, 0, ms(100)).iter().map(|(at, _)| (*at - start).total_millis()),
        );
    }
    assert_eq!(times, [0, 1000, 2000, 3000, 4000]);
    world.pass(ms(2000));
    let mut entries = Vec::new();
    for _ in 0..20 {
        entries.push((0, question("_echo._tcp.local", PTR, 1)));
        entries.push((0, question("board.local", A, 1)));
    }
    assert_eq!(asked(&mut world, &entries).len(), 1);
}

#[test]
fn who_is_not_on_the_link_is_not_answered() {
    let mut world = settled();
    let query = message(7, 0, &[(0, question("board.local", A, 1))]);
    let before = world.stack(0).counters().not_ours_dropped;
    for from in [Ipv4Addr::new(198, 51, 100, 9), v4(1)] {
        for port in [5353, 40_000] {
            let frame = frame_from(from, 9, port, GROUP, &query);
            world.probe.send(world.now, &frame);
        }
    }
    assert!(heard(&mut world, 0, ms(1000)).is_empty());
    assert_eq!(world.stack(0).counters().not_ours_dropped - before, 4);
}

#[test]
fn rubbish_is_nothing_and_breaks_nothing() {
    let mut world = settled();
    let mut seed = 7_u32;
    let mut random = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed >> 8
    };
    let mut answers = 0;
    for _ in 0..2000 {
        let mut bytes = message(
            0,
            if random() % 4 == 0 { RESPONSE } else { 0 },
            &[
                (0, question("board.local", A, 0x8001)),
                (0, question("_echo._tcp.local", PTR, 1)),
                (1, record("board.local", A, 120, &[192, 0, 2, 1])),
                (2, record("board._echo._tcp.local", SRV, 120, &[0; 30])),
                (3, record("board.local", TXT, 0, &[0xc0, 12])),
            ],
        );
        for _ in 0..random() % 6 {
            let index = random() as usize % bytes.len();
            bytes[index] = random() as u8;
        }
        bytes.truncate(bytes.len() - (random() as usize % 90).saturating_sub(60));
        say(&world, if random() % 4 == 0 { 1000 } else { 5353 }, GROUP, &bytes);
        answers += heard(&mut world, 0, ms(u64::from(random() % 700))).len();
    }
    assert!(answers > 100, "{answers}");
}

#[cfg(feature = "dns")]
#[test]
fn another_board_finds_it_by_its_name() {
    use tapboard_net::LookupError;
    use tapboard_net::embedded_nal::{AddrType, nb};

    let mut world = World::ethernet();
    world.add(&board(1));
    world.add(&config(2));
    world.pass(Duration::from_secs(10));
    for (name, found) in [
        ("board.local", Ok(v4(1).into())),
        ("BOARD.local.", Ok(v4(1).into())),
        ("nobody.local", Err(nb::Error::Other(LookupError::TimedOut))),
    ] {
        let result = world.until(Duration::from_secs(20), |world| {
            match world.stack(1).resolve(name, AddrType::Either) {
                Err(nb::Error::WouldBlock) => None,
                result => Some(result),
            }
        });
        assert_eq!(result, found, "{name}");
    }
}
