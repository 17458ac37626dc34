use smoltcp::time::Instant;

use super::*;
use crate::ladder::analysis::Analysis;
use crate::ladder::frame::Frame;

/// Frames of: ARP 192.0.2.2 asks for 192.0.2.1; TCP 192.0.2.2:4000 > 192.0.2.1:80, and back; UDP over IPv6 with a
/// DNS question to port 53, in VLAN 7; ICMP from 198.51.100.1; a damaged frame that the link dropped.
fn frames() -> Vec<Analysed> {
    let mut analysis = Analysis::default();
    let ethernet = |kind: u16, packet: &[u8]| {
        [&[2, 0, 0x5e, 0, 0, 1, 2, 0, 0x5e, 0, 0, 2][..], &kind.to_be_bytes(), packet].concat()
    };
    let arp = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &[2; 6], &[192, 0, 2, 2], &[0; 6], &[192, 0, 2, 1]];
    let ip = |protocol: u8, from: [u8; 4], to: [u8; 4], payload: &[u8]| {
        let total = 20 + payload.len() as u8;
        let header = [0x45, 0, 0, total, 0, 0, 0, 0, 64, protocol, 0, 0];
        [&header[..], &from, &to, payload].concat()
    };
    let tcp = |ports: [u8; 4], flags: u8| {
        [&ports[..], &[0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 1, 0, 0, 0, 0, 0]].concat()
    };
    let [a, b] = [[192, 0, 2, 2], [192, 0, 2, 1]];
    let question = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01x\0\0\x01\0\x01";
    let len = 8 + question.len() as u8;
    let v6 = |last: u8| [&[0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[last]].concat();
    let dns = [
        &[0, 7, 0x86, 0xdd, 0x60, 0, 0, 0, 0, len, 17, 64][..],
        &v6(2),
        &v6(1),
        &[0x13, 0x88, 0, 53, 0, len, 0, 0],
        question,
    ];
    let all = [
        ethernet(0x0806, &arp.concat()),
        ethernet(0x0800, &ip(6, a, b, &tcp([0x0f, 0xa0, 0, 80], 2))),
        ethernet(0x0800, &ip(6, b, a, &tcp([0, 80, 0x0f, 0xa0], 0x12))),
        ethernet(0x8100, &dns.concat()),
        ethernet(0x0800, &ip(1, [198, 51, 100, 1], a, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0])),
        ethernet(0x0800, &[]),
    ];
    let notes = ["", "", "", "", "", "dropped by loss"];
    let at = |index: usize| {
        Instant::from_micros(1_700_000_000_000_000 + 500_000 * index.cast_signed() as i64)
    };
    let each = all.iter().zip(notes).enumerate();
    each.map(|(index, (bytes, notes))| {
        analysis.look(&Frame::sent(at(index), None, bytes, notes)).unwrap()
    })
    .collect()
}

#[track_caller]
fn passing(filter: &str) -> Vec<u64> {
    let filter: Filter = filter.parse().unwrap_or_else(|error| panic!("{error}"));
    let frames = frames();
    frames.iter().filter(|frame| filter.passes(frame)).map(|frame| frame.number).collect()
}

#[test]
fn each_test_lets_its_frames_pass_and_no_others() {
    for (filter, numbers) in [
        ("host 192.0.2.1", &[1, 2, 3][..]),
        ("src host 192.0.2.1", &[3]),
        ("dst host 192.0.2.1", &[1, 2]),
        ("host 2001:db8::2", &[4]),
        ("host 02:00:5e:00:00:01", &[1, 2, 3, 4, 5, 6]),
        ("src host 02:00:5e:00:00:01", &[]),
        ("net 192.0.2.0/24", &[1, 2, 3, 5]),
        ("src net 198.51.100.0/24", &[5]),
        ("net 2001:db8::/32", &[4]),
        ("net 0.0.0.0/0", &[1, 2, 3, 5]),
        ("port 80", &[2, 3]),
        ("src port 80", &[3]),
        ("port 50-60", &[4]),
        ("port 4000-", &[2, 3, 4]),
        ("conversation 2", &[2, 3]),
        ("conversation 3-", &[4, 5]),
        ("frame 2", &[2]),
        ("frame -2", &[1, 2]),
        ("frame 2-3", &[2, 3]),
        ("time 0.5-1", &[2, 3]),
        ("time 2.0-", &[5, 6]),
        ("time -0.499999", &[1]),
        ("time 2023-11-14T22:13:21-", &[3, 4, 5, 6]),
        ("time 2023-11-14T22:13:20.5-2023-11-14T22:13:21", &[2, 3]),
        ("time -2023-11-14T22:13:20", &[1]),
        ("vlan", &[4]),
        ("vlan 7", &[4]),
        ("vlan 8-", &[]),
        ("arp", &[1]),
        ("ip", &[2, 3, 5]),
        ("ip6", &[4]),
        ("tcp", &[2, 3]),
        ("udp", &[4]),
        ("icmp", &[5]),
        ("icmp6", &[]),
        ("dns", &[4]),
        ("mdns", &[]),
        ("fragment", &[]),
        ("dropped", &[6]),
        ("marked", &[]),
        ("retransmission", &[]),
    ] {
        assert_eq!(passing(filter), numbers, "{filter}");
    }
}

#[test]
fn and_binds_before_or_and_not_before_both() {
    for (filter, numbers) in [
        ("arp or tcp and src port 80", &[1, 3][..]),
        ("(arp or tcp) and src host 192.0.2.2", &[1, 2]),
        ("not tcp and not arp", &[4, 5, 6]),
        ("!(tcp || arp) && ! frame 6", &[4, 5]),
        ("not not arp", &[1]),
        ("tcp and(port 80)or(arp)", &[1, 2, 3]),
        ("vlan and udp", &[4]),
    ] {
        assert_eq!(passing(filter), numbers, "{filter}");
    }
}

#[test]
fn what_is_wrong_is_pointed_at_with_what_would_be_right() {
    for (filter, column, remedy) in [
        ("", 1, "a test was to come here: host, net"),
        ("port htp", 6, "from 0 to 65535, or a range of two as 6000-6010"),
        ("port 65536", 6, "from 0 to 65535"),
        ("port +1", 6, "from 0 to 65535"),
        ("port", 5, "from 0 to 65535"),
        ("tcp port 80", 5, "as tcp and port 80"),
        ("tcp and", 8, "a test was to come here"),
        ("tcp and )", 9, "a test was to come here"),
        ("(tcp or udp", 12, "and, or, or ) was to come"),
        ("tcp)", 4, "there is no ( before this"),
        ("host example.com", 6, "names are not looked up"),
        ("host 1.2.3.4.5", 6, "a host is an address"),
        ("net 10.0.0.0", 5, "its bits, as 192.0.2.0/24"),
        ("net 10.0.0.0/33", 5, "its bits"),
        ("src tcp", 5, "as src host 192.0.2.1"),
        ("frame 9-2", 7, "from the smaller to the greater"),
        ("frame -", 7, "10-20, 10- or -20"),
        ("conversation x", 14, "its number in --list"),
        ("time 5", 6, "0.5-2, 0.5- or -2"),
        ("time 2-1", 6, "from the smaller to the greater"),
        ("time -", 6, "0.5-2"),
        ("time 1-2023-11-14T22:13:20", 6, "0.5-2"),
        ("vlan 9999", 6, "from 0 to 4095"),
        ("tpc", 1, "did you mean tcp?"),
        ("prot 80", 1, "did you mean port?"),
        ("hosts 1.2.3.4", 1, "did you mean host?"),
        ("tcp & udp", 5, "and, or, or the end"),
        ("host 192.0.2.1 or \u{1b}[2J", 19, "test was to come here"),
    ] {
        let error = filter.parse::<Filter>().unwrap_err();
        assert_eq!(error.column(), column, "{error}");
        let text = error.to_string();
        assert!(text.contains(remedy), "{text}");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[2].find('^'), Some(column + 1), "{text}");
        assert!(!text.contains('\u{1b}'));
    }
}

#[test]
fn wide_characters_do_not_move_the_pointer() {
    let text = "tcp 接口 x".parse::<Filter>().unwrap_err().to_string();
    assert!(text.ends_with("\n  tcp 接口 x\n      ^^^^"), "{text}");
    // What is missing is missed behind a space of any kind.
    for space in ["", " ", "\u{a0}", "\u{3000}\u{3000}"] {
        let error = format!("tcp and{space}").parse::<Filter>().unwrap_err();
        assert_eq!(error.column(), if space.is_empty() { 8 } else { 9 }, "{error}");
    }
}

#[test]
fn no_filter_is_too_deep_or_too_long_to_be_read_or_refused() {
    let deep = |count: usize| format!("{}tcp{}", "(".repeat(count), ")".repeat(count));
    assert_eq!(passing(&deep(60)), [2, 3]);
    for filter in [deep(100), deep(100_000), "!".repeat(100_000)] {
        let error = filter.parse::<Filter>().unwrap_err();
        assert!(error.to_string().contains("no more than 64"), "{}", error.remedy);
    }
    let long = vec!["tcp"; 100_000].join(" or ");
    assert_eq!(passing(&long), [2, 3]);
}
