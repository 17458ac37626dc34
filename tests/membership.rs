//! The groups that the board listens to, reported to routers and switches that ask (RFC 2710, RFC 3810).

mod common;

use common::frames::{BOARD_MAC, PEER_MAC};
use common::solo::{Solo, SoloMemory};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Icmpv6Packet, Ipv6Address, Ipv6Packet};

const ROUTER: &str = "fe80::60";
const GROUP: &str = "ff02::1:ff00:1";
const SECOND: Duration = Duration::from_secs(1);

fn address(text: &str) -> Ipv6Address {
    text.parse().unwrap()
}

/// A router's question for `group`, to be answered within `code` as it stands in the message; in the words of RFC 2710 or
/// 3810.
fn query(group: &str, code: u16, old: bool) -> Vec<u8> {
    query_from(ROUTER, group, code, old)
}

/// Likewise, from somebody.
fn query_from(router: &str, group: &str, code: u16, old: bool) -> Vec<u8> {
    let mut icmp = vec![130, 0, 0, 0, 0, 0, 0, 0];
    icmp[4..6].copy_from_slice(&code.to_be_bytes());
    icmp.extend(address(group).octets());
    if !old {
        icmp.extend([2, 125, 0, 0]);
    }
    let to = address(if group == "::" { "ff02::1" } else { group });
    let mut frame = [&[0x33, 0x33][..], &to.octets()[12..], &PEER_MAC.0, &[0x86, 0xdd]].concat();
    frame.extend([0x60, 0, 0, 0, 0, icmp.len() as u8, 58, 1]);
    frame.extend(address(router).octets());
    frame.extend(to.octets());
    frame.extend(icmp);
    // Not as smoltcp wants to see a whole message, which knows RFC 3810 alone.
    Icmpv6Packet::new_unchecked(&mut frame[54..]).fill_checksum(&address(router), &to);
    // The header that makes routers look.
    frame[19] += 8;
    frame[20] = 0;
    frame.splice(54..54, [58, 0, 5, 2, 0, 0, 1, 0]);
    frame
}

/// Reports since the last call: when, and the message behind the checks of all else.
fn reports(solo: &mut Solo<'_>) -> Vec<(Instant, Vec<u8>)> {
    let frames = std::mem::take(&mut solo.others).into_iter();
    let reports = frames.filter(|(_, frame)| frame[12..14] == [0x86, 0xdd] && frame[20] == 0);
    reports
        .map(|(at, frame)| {
            assert_eq!(frame[6..12], BOARD_MAC.0);
            let ip = Ipv6Packet::new_checked(&frame[14..]).unwrap();
            assert_eq!((ip.hop_limit(), ip.src_addr()), (1, address("fe80::5eff:fe00:1")));
            let to = ip.dst_addr();
            assert_eq!(frame[..6], [&[0x33, 0x33][..], &to.octets()[12..]].concat());
            let (alert, icmp) = ip.payload().split_at(8);
            assert_eq!(alert, [58, 0, 5, 2, 0, 0, 1, 0]);
            assert!(Icmpv6Packet::new_unchecked(icmp).verify_checksum(&ip.src_addr(), &to));
            assert_eq!(to, address(if icmp[0] == 131 { GROUP } else { "ff02::16" }));
            (at, icmp.to_vec())
        })
        .collect()
}

/// Both addresses have one group.
fn is_report(icmp: &[u8], old: bool) -> bool {
    let group = address(GROUP).octets();
    let head: &[u8] =
        if old { &[131, 0, 0, 0, 0, 0, 0, 0] } else { &[143, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0] };
    let mut icmp = icmp.to_vec();
    icmp[2..4].fill(0);
    icmp == [head, &group].concat()
}

#[test]
fn each_query_is_answered_once_within_its_time() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    solo.turn();
    assert_eq!(reports(&mut solo), []);
    for old in [true, false] {
        for group in ["::", GROUP] {
            let mut waits = Vec::new();
            for _ in 0..20 {
                let asked = solo.clock.now();
                solo.send(query(group, 1000, old));
                solo.pass(SECOND * 2);
                let said = reports(&mut solo);
                let [(at, report)] = &said[..] else { panic!("{old} {group}: {said:?}") };
                assert!(is_report(report, old), "{report:?}");
                waits.push((*at - asked).total_millis());
            }
            assert!(waits.iter().all(|&wait| wait <= 1000), "{waits:?}");
            // Not all hosts at once.
            waits.sort_unstable();
            assert!(waits[10] > 200 && waits[10] < 800, "{waits:?}");
        }
    }
}

#[test]
fn many_queries_have_one_answer_and_a_long_time_is_one() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    solo.turn();
    solo.send(query(GROUP, 1000, false));
    for _ in 0..10 {
        solo.send(query("::", 1000, false));
    }
    solo.pass(SECOND * 2);
    assert_eq!(reports(&mut solo).len(), 1);
    // RFC 3810 5.1.3: 0x1e45 << 6 milliseconds.
    let asked = solo.clock.now();
    let mut latest = Duration::ZERO;
    for _ in 0..40 {
        let asked = solo.clock.now();
        solo.send(query("::", 0xbe45, false));
        solo.pass(SECOND * 500);
        let [(at, _)] = reports(&mut solo)[..] else { panic!("one answer") };
        latest = latest.max(at - asked);
    }
    assert!(solo.clock.now() - asked > SECOND);
    let longest = Duration::from_millis(0x1e45 << 6);
    assert!(latest <= longest && latest > longest / 2, "{latest}");
}

#[test]
fn what_is_no_query_of_a_router_on_the_link_is_not_answered() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    solo.turn();
    let sound = query("::", 100, false);
    // Another group, from no router, another kind, a wrong checksum, from further away, not to be looked at.
    let mut wrong = vec![query("ff02::1:ff00:2", 100, false)];
    wrong.push(query_from("2001:db8::60", "::", 100, false));
    for (at, byte) in [(62, 131), (64, sound[64] ^ 1), (21, 255)] {
        let mut frame = sound.clone();
        frame[at] = byte;
        wrong.push(frame);
    }
    let mut bare = sound.clone();
    bare.drain(54..62);
    bare[19] -= 8;
    bare[20] = 58;
    wrong.push(bare);
    // Of no length that there is (RFC 3810 8.1).
    for len in [4, 20, 23, 25, 27] {
        let mut cut = sound[..62 + len].to_vec();
        cut[19] = 8 + len as u8;
        let (from, to) = (address(ROUTER), address("ff02::1"));
        Icmpv6Packet::new_unchecked(&mut cut[62..]).fill_checksum(&from, &to);
        wrong.push(cut);
    }
    for frame in wrong {
        solo.send(frame);
        solo.pass(SECOND);
        assert_eq!(reports(&mut solo), []);
    }
    solo.send(sound);
    solo.pass(SECOND);
    assert_eq!(reports(&mut solo).len(), 1);
}
