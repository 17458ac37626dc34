//! What a good server says.

use std::collections::BTreeSet;

use super::server::{A, CNAME, address, name, record};
#[cfg(feature = "ipv6")]
use super::server::{AAAA, Server};
use super::*;
#[cfg(feature = "ipv6")]
use crate::common::own_mac;

#[test]
fn a_name_is_asked_for_and_its_address_kept_as_long_as_it_is_good() {
    let (mut world, mut server) = pair();
    let mut ask = |world: &mut World| {
        let found = look_up(world, &mut [&mut server], "Host.example.", &AddrType::IPv4, |asked| {
            vec![asked.answer(0, &[address(60, v4(9))])]
        });
        (found, server.asked.len())
    };
    assert_eq!(ask(&mut world), (Ok(ip(9)), 1));
    world.pass(Duration::from_secs(59));
    assert_eq!(ask(&mut world), (Ok(ip(9)), 1), "it is known still");
    world.pass(Duration::from_secs(2));
    assert_eq!(ask(&mut world), (Ok(ip(9)), 2));
    let Asked { name, kind, flags, .. } = &server.asked[0];
    assert_eq!((&name[..], *kind, *flags), ("Host.example", A, 0x0100), "recursion is desired");
}

#[test]
fn an_alias_is_followed_and_one_in_a_circle_not_for_ever() {
    let chain = |asked: &Asked| {
        let alias = |from: &str, to: &str| record(&name(from), CNAME, 7, &name(to));
        // Not in their order, as RFC 1034 does not promise one.
        let records = [
            record(&name("c.example"), A, 9, &[192, 0, 2, 77]),
            alias("b.example", "C.example"),
            alias("host.example", "b.example"),
            record(&name("other.example"), A, 9, &[192, 0, 2, 78]),
        ];
        vec![asked.answer(0, &records)]
    };
    assert_eq!(told(chain), Ok(ip(77)));
    let circle = |asked: &Asked| {
        let alias = |from: &str, to: &str| record(&name(from), CNAME, 7, &name(to));
        let records = [alias("host.example", "b.example"), alias("b.example", "host.example")];
        vec![asked.answer(0, &records)]
    };
    assert_eq!(told(circle), Err(LookupError::NoAddress));
}

#[test]
fn what_the_server_says_of_a_name_is_told_apart() {
    assert_eq!(told(|asked| vec![asked.answer(3, &[])]), Err(LookupError::NotFound));
    assert_eq!(told(|asked| vec![asked.answer(0, &[])]), Err(LookupError::NoAddress));
    assert_eq!(told(|asked| vec![asked.answer(2, &[])]), Err(LookupError::Refused));
    assert_eq!(told(|asked| vec![asked.answer(5, &[])]), Err(LookupError::Refused));
}

#[test]
fn an_answer_that_was_cut_is_good_for_what_is_in_it() {
    let cut = |mut answer: Vec<u8>| {
        answer[2] |= 0x02;
        vec![answer]
    };
    assert_eq!(told(|asked| cut(asked.answer(0, &[address(60, v4(9))]))), Ok(ip(9)));
    assert_eq!(told(|asked| cut(asked.answer(0, &[]))), Err(LookupError::Truncated));
}

#[test]
fn an_error_is_told_once_and_asked_for_again() {
    let (mut world, mut server) = pair();
    for asked in 1..4 {
        let found =
            look_up(&mut world, &mut [&mut server], "no.example", &AddrType::IPv4, |asked| {
                vec![asked.answer(3, &[])]
            });
        assert_eq!((found, server.asked.len()), (Err(LookupError::NotFound), asked));
    }
}

#[test]
fn each_question_has_a_number_and_a_port_that_nobody_can_guess() {
    let (mut world, mut server) = pair();
    for _ in 0..200 {
        let found =
            look_up(&mut world, &mut [&mut server], "no.example", &AddrType::IPv4, |asked| {
                vec![asked.answer(3, &[])]
            });
        assert_eq!(found, Err(LookupError::NotFound));
    }
    let ids: BTreeSet<_> = server.asked.iter().map(|asked| asked.id).collect();
    let ports: BTreeSet<_> = server.asked.iter().map(|asked| asked.from.port()).collect();
    assert!(ids.len() > 195 && ports.len() > 190, "{} {}", ids.len(), ports.len());
    assert!(ports.iter().all(|port| *port >= 49152));
    // Every bit of a number is as often 0 as 1; 200 numbers are this far off once in a million times.
    for bit in 0..16 {
        let ones = server.asked.iter().filter(|asked| asked.id >> bit & 1 == 1).count();
        assert!((65..=135).contains(&ones), "bit {bit}: {ones}");
    }
}

#[test]
fn more_names_than_places_wait_for_their_turn() {
    let (mut world, mut server) = pair();
    let mut found = [None; 5];
    let names = ["a.example", "b.example", "c.example", "d.example", "e.example"];
    world.until(LIMIT, |world| {
        server.serve(world, |asked| {
            let last = 100 + asked.name.as_bytes()[0] - b'a';
            vec![asked.answer(0, &[address(60, v4(last))])]
        });
        for (name, found) in names.iter().zip(&mut found) {
            if found.is_none() {
                *found = world.stack(0).resolve(name, AddrType::IPv4).ok();
            }
        }
        found.iter().all(Option::is_some).then_some(())
    });
    assert_eq!(found.map(Option::unwrap), [100, 101, 102, 103, 104].map(ip));
}

#[test]
fn a_name_that_no_host_has_is_not_asked_for() {
    let (mut world, server) = pair();
    let long = format!("{}.example", "x".repeat(64));
    let longer = ["abcdefg"; 17].join(".");
    for name in [
        "",
        ".",
        "a..b",
        ".a",
        "a b",
        "192.0.2.1",
        "-a.b",
        "a-.b",
        "caf\u{e9}.fr",
        "a\0b",
        &long,
        &longer,
    ] {
        let found = world.stack(0).resolve(name, AddrType::Either);
        assert_eq!(found, Err(nb::Error::Other(LookupError::BadName)), "{name:?}");
    }
    world.pass(Duration::from_secs(5));
    assert!(server.asked.is_empty());
}

#[test]
fn the_longest_name_may_have_a_dot_at_its_end_and_is_the_same_without() {
    let longest = ["abcdefg"; 16].join(".") + "x";
    assert_eq!(longest.len(), 128);
    for name in [longest, "x".repeat(63), "1.a1".into(), "a_b".into()] {
        let (mut world, mut server) = pair();
        for name in [format!("{name}."), name] {
            let told = |asked: &Asked| vec![asked.answer(0, &[address(60, [192, 0, 2, 7])])];
            let found = look_up(&mut world, &mut [&mut server], &name, &AddrType::Either, told);
            assert_eq!(found, Ok(IpAddr::from([192, 0, 2, 7])), "{name:?}");
        }
        assert_eq!(server.asked.len(), 1);
    }
}

#[cfg(feature = "ipv6")]
#[test]
fn a_name_without_an_ipv4_address_has_perhaps_an_ipv6_one() {
    use tapboard_net::smoltcp::wire::{Ipv6Address, Ipv6Cidr};

    let v6 = |last| Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
    let mut world = World::ethernet();
    world.add(&board(&[2]).with_ipv6(Ipv6Cidr::new(v6(1), 64)));
    world.add(&config(2));
    let mut server = Server::new(&mut world, 1, 53);
    let mut ask = |family| {
        let found = look_up(&mut world, &mut [&mut server], "host.example", &family, |asked| {
            let records = [address(60, v6(9))];
            vec![asked.answer(0, if asked.kind == AAAA { &records } else { &[] })]
        });
        (found, core::mem::take(&mut server.asked).iter().map(|asked| asked.kind).collect())
    };
    assert_eq!(ask(AddrType::Either), (Ok(v6(9).into()), vec![A, AAAA]));
    assert_eq!(ask(AddrType::IPv6), (Ok(v6(9).into()), vec![AAAA]));
    assert_eq!(ask(AddrType::IPv4), (Err(LookupError::NoAddress), vec![A]));
}

#[cfg(feature = "ipv6")]
#[test]
fn a_server_is_asked_over_ipv6() {
    use tapboard_net::smoltcp::wire::{Ipv6Address, Ipv6Cidr};

    let v6 = |last| Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
    let mut world = World::ethernet();
    let config =
        |last: u8| NetConfig::new(own_mac(last)).with_ipv6(Ipv6Cidr::new(v6(last.into()), 64));
    world.add(&config(1).with_dns_server(v6(2).into()));
    world.add(&config(2));
    let mut server = Server::new(&mut world, 1, 53);
    let found =
        look_up(&mut world, &mut [&mut server], "host.example", &AddrType::Either, |asked| {
            vec![asked.answer(0, &[address(60, v6(9))])]
        });
    assert_eq!(found, Ok(v6(9).into()));
    assert_eq!(server.asked[0].kind, AAAA, "it has no IPv4 address to go from");
}
