//! Probing, announcing, leaving.

use super::message::{ANY, question};
use super::*;
use crate::common::{own_mac, v4};

/// All that there is to say of the board at 192.0.2.1.
const ALL: [&str; 9] = [
    "_echo._tcp.local 12 board._echo._tcp.local",
    "_services._dns-sd._udp.local 12 _echo._tcp.local",
    "_services._dns-sd._udp.local 12 _telnet._tcp.local",
    "_telnet._tcp.local 12 board._telnet._tcp.local",
    "board._echo._tcp.local 16 [00]",
    "board._echo._tcp.local 33 7 board.local",
    "board._telnet._tcp.local 16 [00]",
    "board._telnet._tcp.local 33 23 board.local",
    "board.local 1 192.0.2.1",
];

#[test]
fn a_name_is_probed_three_times_and_announced_twice_and_then_there_is_silence() {
    let mut world = World::ethernet();
    world.add(&board(1));
    let start = world.now;
    let said = heard(&mut world, 0, Duration::from_secs(600));
    let times: Vec<_> = said.iter().map(|(at, _)| (*at - start).total_millis()).collect();
    let first = times[0];
    assert!(first < 250);
    assert_eq!(times, [0, 250, 500, 750, 1750].map(|after| first + after));
    for (_, probe) in &said[..3] {
        assert_eq!((probe.to_mac.0, probe.hop_limit), ([1, 0, 0x5e, 0, 0, 0xfb], 255));
        assert_eq!((probe.from, probe.to), ((v4(1).into(), 5353), (GROUP.into(), 5353)));
        assert_eq!((probe.id, probe.flags), (0, 0));
        let [questions, answers, proposed, further] = &probe.sections;
        let names = ["board.local", "board._echo._tcp.local", "board._telnet._tcp.local"];
        assert_eq!(questions.len(), 3);
        for (question, name) in questions.iter().zip(names) {
            assert_eq!((&question.name[..], question.kind, question.class), (name, ANY, 0x8001));
        }
        assert!(answers.is_empty() && further.is_empty());
        assert!(
            proposed.iter().all(|record| record.class == 1),
            "nobody forgets for it what there is"
        );
        let unique: Vec<_> = ALL.iter().filter(|record| record.starts_with("board")).collect();
        assert_eq!(probe.said(2), *unique.into_iter().copied().collect::<Vec<_>>());
    }
    for (_, announcement) in &said[3..] {
        assert_eq!((announcement.id, announcement.flags), (0, RESPONSE));
        assert_eq!(announcement.said(1), ALL);
        for record in &announcement.sections[1] {
            let unique = record.name.starts_with("board");
            assert_eq!(record.class, if unique { 0x8001 } else { 1 }, "{record:?}");
            let host = record.kind == 1 || record.kind == 33;
            assert_eq!(record.ttl, if host { 120 } else { 4500 }, "{record:?}");
        }
    }
    assert_eq!(label(&mut world, 0).as_deref(), Some("board"));
}

#[test]
fn nothing_is_told_of_a_name_before_it_is_known() {
    let mut world = World::ethernet();
    world.add(&board(1));
    assert_eq!(label(&mut world, 0), None);
    heard(&mut world, 0, ms(260));
    let answers = asked(&mut world, &[(0, question("board.local", 1, 1))]);
    assert!(answers.iter().all(|(_, answer)| answer.flags != RESPONSE || answer.said(1) == ALL));
}

#[test]
fn another_address_and_another_network_begin_anew() {
    let mut world = settled();
    let again = |world: &mut World| {
        let said = heard(world, 0, Duration::from_secs(5));
        assert_eq!(said.len(), 5);
        said.last().unwrap().1.said(1).last().unwrap().clone()
    };
    world.stack(0).link_up();
    assert_eq!(again(&mut world), "board.local 1 192.0.2.1");
    let other = board(7);
    world.stack(0).reconfigure(&other);
    assert_eq!(again(&mut world), "board.local 1 192.0.2.7");
    world.stack(0).reconfigure(&other.without_ipv4());
    assert!(heard(&mut world, 0, Duration::from_secs(60)).is_empty());
    assert_eq!(world.nodes[0].stack.config().mac(), own_mac(1));
}

#[test]
fn who_leaves_says_so_and_is_silent() {
    let mut world = settled();
    world.stack(0).withdraw();
    let said = heard(&mut world, 0, Duration::from_secs(5));
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].1.said(1), ALL);
    assert!(said[0].1.sections[1].iter().all(|record| record.ttl == 0));
    assert!(asked(&mut world, &[(0, question("board.local", 1, 1))]).is_empty());
    assert_eq!(label(&mut world, 0), None);
}

#[test]
fn without_services_there_is_the_host_alone_and_without_the_feature_nothing() {
    let mut world = World::ethernet();
    world.add(&config(1).with_mdns(&[]));
    world.add(&config(2));
    let said = heard(&mut world, 0, Duration::from_secs(5));
    assert_eq!(said.last().unwrap().1.said(1), ["tapboard-000001.local 1 192.0.2.1"]);
    assert!(heard(&mut world, 1, Duration::from_secs(5)).is_empty());
}

#[cfg(feature = "ipv6")]
#[test]
fn all_is_said_over_both_families() {
    use tapboard_net::smoltcp::wire::{Ipv6Address, Ipv6Cidr};

    let mut world = World::ethernet();
    let own = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    world.add(&board(1).with_ipv6(Ipv6Cidr::new(own, 64)));
    let said = heard(&mut world, 0, Duration::from_secs(5));
    assert_eq!(said.len(), 10);
    let link_local: std::net::IpAddr = "fe80::5eff:fe00:1".parse().unwrap();
    for pair in said.chunks(2) {
        let [(_, ipv4), (_, ipv6)] = pair else { panic!("{pair:?}") };
        assert_eq!(ipv4.to.0.to_string(), "224.0.0.251");
        assert_eq!((ipv6.to.0.to_string(), ipv6.hop_limit), ("ff02::fb".into(), 255));
        assert_eq!((ipv6.to_mac.0, ipv6.from.0), ([0x33, 0x33, 0, 0, 0, 0xfb], link_local));
        assert_eq!(ipv4.sections, ipv6.sections);
    }
    let last = said.last().unwrap().1.said(1);
    assert!(last.contains(&"board.local 28 2001:db8::1".into()));
    assert!(last.contains(&"board.local 28 fe80::5eff:fe00:1".into()));
}

#[cfg(feature = "ipv6")]
#[test]
fn switches_are_told_that_we_listen_to_the_group() {
    use tapboard_net::smoltcp::wire::{Ipv6Address, Ipv6Cidr};

    let mut world = World::ethernet();
    let own = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let group = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb).octets();
    let config = board(1).with_ipv6(Ipv6Cidr::new(own, 64));
    world.add(&config);
    let reports = |world: &mut World| {
        world.pass(Duration::from_secs(10));
        let sent = world.nodes[0].port.take_sent();
        // MLDv2, to the routers that listen to reports.
        let is = |frame: &&Vec<u8>| {
            frame[..6] == [0x33, 0x33, 0, 0, 0, 0x16] && frame.windows(16).any(|part| part == group)
        };
        sent.iter().filter(is).count()
    };
    assert_eq!(reports(&mut world), 1);
    assert_eq!(reports(&mut world), 0);
    // With the feature `multicast`, smoltcp reports, and once.
    world.stack(0).link_up();
    assert_eq!(reports(&mut world), usize::from(!cfg!(feature = "multicast")));
}
