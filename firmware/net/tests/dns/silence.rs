//! Servers that do not answer, or are not there; and neighbours, who are asked for `.local`.

use super::server::address;
use super::*;

/// A board that knows two servers, and both.
fn two_servers() -> (World, Server, Server) {
    let mut world = World::ethernet();
    world.add(&board(&[2, 3]));
    world.add(&config(2));
    world.add(&config(3));
    let first = Server::new(&mut world, 1, 53);
    let second = Server::new(&mut world, 2, 53);
    (world, first, second)
}

#[test]
fn a_silent_server_is_asked_four_times() {
    let (mut world, mut server) = pair();
    let start = world.now;
    let found =
        look_up(&mut world, &mut [&mut server], "host.example", &AddrType::Either, |_| Vec::new());
    assert_eq!(found, Err(LookupError::TimedOut));
    assert_eq!((world.now - start).secs(), 15);
    assert_eq!(millis(start, &server.asked), [0, 1000, 3000, 7000]);
    let first = &server.asked[0];
    assert!(server.asked.iter().all(|asked| (asked.id, asked.from) == (first.id, first.from)));
}

#[test]
fn the_next_server_is_asked_after_one_that_is_silent_or_cannot_tell() {
    for fails in [false, true] {
        let (mut world, mut first, mut second) = two_servers();
        let start = world.now;
        let mut turns = 0;
        let found = look_up(
            &mut world,
            &mut [&mut first, &mut second],
            "host.example",
            &AddrType::IPv4,
            |asked| {
                turns += 1;
                match turns {
                    1 if fails => vec![asked.answer(2, &[])],
                    1 => Vec::new(),
                    _ => vec![asked.answer(0, &[address(60, v4(9))])],
                }
            },
        );
        assert_eq!(found, Ok(ip(9)));
        assert_eq!((first.asked.len(), second.asked.len()), (1, 1));
        assert_eq!(millis(start, &second.asked), [if fails { 0 } else { 1000 }]);
    }
}

#[test]
fn one_lost_question_does_not_end_it_when_the_other_server_cannot_tell() {
    let (mut world, mut first, mut second) = two_servers();
    let mut turns = 0;
    let found = look_up(
        &mut world,
        &mut [&mut first, &mut second],
        "host.example",
        &AddrType::IPv4,
        |asked| {
            turns += 1;
            match turns {
                1 => Vec::new(),
                2 => vec![asked.answer(2, &[])],
                _ => vec![asked.answer(0, &[address(60, v4(9))])],
            }
        },
    );
    assert_eq!(found, Ok(ip(9)));
}

#[test]
fn without_a_server_or_a_way_to_it_it_is_known_at_once() {
    for config in
        [config(1), config(1).with_dns_server([198, 51, 100, 1].into()), board(&[2]).without_ipv4()]
    {
        let mut world = World::ethernet();
        world.add(&config);
        let start = world.now;
        let found = look_up(&mut world, &mut [], "host.example", &AddrType::Either, |_| Vec::new());
        assert_eq!((found, world.now), (Err(LookupError::NoServer), start));
    }
}

#[test]
fn a_server_that_is_not_there_takes_no_longer_than_a_silent_one() {
    let mut world = World::ethernet();
    world.add(&board(&[2]));
    let start = world.now;
    let found = look_up(&mut world, &mut [], "host.example", &AddrType::Either, |_| Vec::new());
    assert_eq!((found, (world.now - start).secs()), (Err(LookupError::TimedOut), 15));
    assert!(world.nodes[0].port.take_sent().len() < 40, "ARP, but not all the time");
}

#[test]
fn a_question_waits_for_the_servers_mac_address_and_then_leaves_at_once() {
    let (mut world, mut server) = pair();
    world.probe.set_delay(Duration::from_millis(100));
    let start = world.now;
    let found =
        look_up(&mut world, &mut [&mut server], "host.example", &AddrType::Either, |asked| {
            vec![asked.answer(0, &[address(60, v4(9))])]
        });
    assert_eq!(found, Ok(ip(9)));
    assert_eq!(millis(start, &server.asked), [200], "its announcement, the question");
}

#[test]
fn a_name_of_the_neighbourhood_is_asked_of_the_neighbours() {
    let mut world = World::ethernet();
    // Without a server, and with one that is not asked.
    world.add(&board(&[2]));
    world.add(&config(2));
    let mut neighbour = Server::new(&mut world, 1, 5353);
    let start = world.now;
    let found = world.until(LIMIT, |world| {
        // The question goes to a group that no socket of a stack's own hears.
        while let Some(frame) = world.probe.take(world.now) {
            if frame.get(..6) == Some(&[1, 0, 0x5e, 0, 0, 0xfb]) {
                assert_eq!(
                    (&frame[30..34], &frame[36..38]),
                    (&[224, 0, 0, 251][..], &5353_u16.to_be_bytes()[..])
                );
                assert_eq!(frame[14 + 8], 255, "RFC 6762 11");
                let port = u16::from_be_bytes([frame[34], frame[35]]);
                let asked = Asked::parse(world.now, (v4(1), port).into(), &frame[42..]);
                assert_eq!((&asked.name[..], asked.flags), ("desk.local", 0));
                neighbour.say(world, asked.from, &asked.answer(0, &[address(10, v4(2))]));
            }
        }
        match world.stack(0).resolve("desk.local", AddrType::Either) {
            Err(nb::Error::WouldBlock) => None,
            result => Some(result),
        }
    });
    assert_eq!((found, world.now), (Ok(ip(2)), start));
    neighbour.serve(&mut world, |_| panic!("nobody asks it alone"));
}
