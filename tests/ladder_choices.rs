//! What of a capture `tapboard ladder` shows, and how: filters, lists, JSON, columns, times, colours.
#![cfg(target_os = "linux")]

mod common;

use common::drawn::{Drawn, draw_with, lines, lines_in};
use common::packets::{
    ACK, PSH_ACK, SYN, SYN_ACK, ethernet, ip, packet, pcap, section, tcp, tcp_bytes, udp,
};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

const ETHERNET: u32 = 1;
const IPV4: u16 = 0x0800;
const BEGIN_US: u64 = 1_700_000_000_000_000;

fn datagram(from: u8, to: u8) -> Vec<u8> {
    let ports = (1000 + u16::from(from), 1000 + u16::from(to));
    ethernet(IPV4, &udp(&format!("10.0.0.{from}"), &format!("10.0.0.{to}"), ports, b"hi"))
}

/// A frame of USB first, then a handshake with a round trip of 30 ms, whose second half takes 10 ms; data twice, its
/// acknowledgement; and a datagram.
fn capture() -> Vec<u8> {
    let segment = |packet: Vec<u8>| ethernet(IPV4, &packet);
    let options = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7];
    let syn = tcp_bytes((4000, 80), (1000, 0), SYN, &options, 0);
    let frames = [
        (0, segment(ip("10.0.0.1", "10.0.0.2", 6, &syn, 16))),
        (20, segment(tcp(false, 0, 1, SYN_ACK, 0))),
        (30, segment(tcp(true, 1, 1, ACK, 0))),
        (40, segment(tcp(true, 1, 1, PSH_ACK, 100))),
        (340, segment(tcp(true, 1, 1, PSH_ACK, 100))),
        (360, segment(tcp(false, 1, 101, ACK, 0))),
        (1000, datagram(1, 3)),
    ];
    let mut file = section(&[1, 220]);
    file.extend(packet(1, BEGIN_US, &[0; 64], b""));
    for (millis, frame) in frames {
        file.extend(packet(0, BEGIN_US + millis * 1000, &frame, b""));
    }
    file
}

fn show(arguments: &[&str]) -> Drawn {
    draw_with(&capture(), 140, arguments)
}

/// The numbers of the frames that are drawn.
fn numbers(arguments: &[&str]) -> Vec<u64> {
    let drawn = show(arguments);
    assert_eq!(drawn.code, Some(0), "{}", drawn.errors);
    let number = |line: &str| line.split_whitespace().next().and_then(|word| word.parse().ok());
    drawn.text.lines().filter_map(number).collect()
}

#[test]
fn a_filter_chooses_frames_and_leaves_their_numbers_and_marks() {
    assert_eq!(numbers(&[]), [2, 3, 4, 5, 6, 7, 8], "the first is no frame that can be drawn");
    assert_eq!(numbers(&["conversation", "1", "and", "src", "port", "4000"]), [2, 4, 5, 6]);
    assert_eq!(numbers(&["host 10.0.0.3 or frame -3"]), [2, 3, 8]);
    assert_eq!(numbers(&["not", "tcp"]), [8]);
    assert_eq!(numbers(&["time 0.34-1 and tcp"]), [6, 7]);
    assert_eq!(numbers(&["frame", "-4", "--numbers", "always"]), [2, 3, 4]);
    let drawn = show(&["frame 6"]);
    assert!(drawn.text.contains("| retransmission") || drawn.text.contains("  retransmission"));
    assert!(drawn.text.contains("0.340000") && !drawn.text.contains("10.0.0.3"), "{}", drawn.text);
}

#[test]
fn a_filter_that_is_wrong_is_pointed_at_and_one_that_nothing_passes_is_told() {
    let wrong = show(&["tcp", "and", "prot", "80"]);
    assert_eq!((wrong.code, &*wrong.text), (Some(2), ""));
    let expected = "column 9 of the filter: did you mean port?";
    assert!(wrong.errors.contains(expected), "{}", wrong.errors);
    assert!(wrong.errors.contains("\n  tcp and prot 80\n          ^^^^\n"), "{}", wrong.errors);
    let none = show(&["port 9999"]);
    assert_eq!((none.code, &*none.text), (Some(1), ""));
    assert!(none.errors.contains("none of its 7 frames passes the filter"), "{}", none.errors);
}

#[test]
fn conversations_are_listed_with_what_went_each_way() {
    let drawn = show(&["--list"]);
    let rows: Vec<Vec<_>> =
        drawn.text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..5], ["#", "protocol", "from", "to", "frames"]);
    // 20 bytes of options, and 100 of data twice.
    let first = [
        "1",
        "TCP",
        "10.0.0.1:4000",
        "10.0.0.2:80",
        "4/2",
        "436/108",
        "1/0",
        "0.000000",
        "0.360000",
    ];
    assert_eq!(rows[1], [&first[..], &["30.000", "20.000/10.000"]].concat());
    let second = ["2", "UDP", "10.0.0.1:1001", "10.0.0.3:1003", "1/0", "44/0", "-", "1.000000"];
    assert_eq!(rows[2], [&second[..], &["0.000000", "-", "-"]].concat());
    assert_eq!(rows.len(), 3);
    let filtered = show(&["--list", "udp or frame 3"]).text;
    assert!(filtered.contains(" 0/1 ") && filtered.contains(" 1/0 "), "{filtered}");
}

fn json(arguments: &[&str]) -> Vec<Value> {
    let drawn = show(&[arguments, &["--json"]].concat());
    assert_eq!(drawn.code, Some(0), "{}", drawn.errors);
    drawn.text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn json_has_an_object_for_each_frame_and_a_summary() {
    let objects = json(&[]);
    assert_eq!(objects.len(), 8);
    let syn = &objects[0];
    for (key, value) in [
        ("/frame", 2.into()),
        ("/seconds", 0.0.into()),
        ("/epoch_us", BEGIN_US.into()),
        ("/bytes", 74.into()),
        ("/conversation", 1.into()),
        ("/way", "there".into()),
        ("/protocol", "TCP".into()),
        ("/from", "10.0.0.1".into()),
        ("/to_port", 80.into()),
        ("/from_mac", "06:00:00:00:00:01".into()),
        ("/tcp/flags", serde_json::json!(["SYN"])),
        ("/tcp/mss", 1460.into()),
        ("/tcp/window_shift", 7.into()),
        ("/tcp/sack_permitted", true.into()),
        ("/tcp/timestamps", serde_json::json!([7, 0])),
        ("/marks", serde_json::json!([])),
    ] {
        assert_eq!(syn.pointer(key), Some(&value), "{key}: {syn}");
    }
    assert_eq!(syn.pointer("/tcp/ack"), None, "what is not there has no key");
    assert_eq!(objects[4]["marks"], serde_json::json!(["retransmission"]));
    assert_eq!(objects[1]["rtt"], 0.02);
    let summary = &objects[7]["summary"];
    for (key, value) in [
        ("frames", 8.into()),
        ("shown", 7.into()),
        ("conversations", 2.into()),
        ("seconds", 1.0.into()),
        ("marks", serde_json::json!({"retransmission": 1})),
        ("not_read", serde_json::json!({"USB, Linux, memory-mapped (220)": 1})),
        ("cut_short", false.into()),
    ] {
        assert_eq!(summary[key], value, "{key}: {summary}");
    }
    let filtered = json(&["udp"]);
    assert_eq!((filtered.len(), &filtered[1]["summary"]["shown"]), (2, &1.into()));
}

#[test]
fn json_of_a_list_has_the_conversations() {
    let objects = json(&["--list"]);
    assert_eq!(objects.len(), 3);
    let first = &objects[0];
    for (key, value) in [
        ("/conversation", 1.into()),
        ("/protocol", "TCP".into()),
        ("/from_port", 4000.into()),
        ("/handshake", 0.03.into()),
        ("/there/frames", 4.into()),
        ("/there/payload", 200.into()),
        ("/there/retransmissions", 1.into()),
        ("/there/rtt/smoothed", 0.02.into()),
        ("/back/rtt/samples", 1.into()),
        ("/lasts", 0.36.into()),
    ] {
        assert_eq!(first.pointer(key), Some(&value), "{key}: {first}");
    }
    assert_eq!(objects[1]["back"]["frames"], 0);
    assert_eq!(objects[2]["summary"]["conversations"], 2);
}

#[test]
fn times_are_relative_delta_or_of_the_calendar_and_the_lanes_stay_where_they_are() {
    let times = |which| {
        let drawn = show(&["--time", which, "tcp"]);
        let lanes: Vec<_> = drawn.text.lines().skip(1).map(|line| line.find('|')).collect();
        assert!(lanes.iter().all(|lane| *lane == lanes[0]), "{}", drawn.text);
        let time = |line: &str| line.split_whitespace().nth(1).unwrap().to_string();
        drawn.text.lines().map(time).collect::<Vec<_>>()
    };
    let seconds = ["0.000000", "0.020000", "0.030000", "0.040000", "0.340000", "0.360000"];
    assert_eq!(times("relative"), [&["seconds"], &seconds[..]].concat());
    let deltas = ["0.000000", "0.020000", "0.010000", "0.010000", "0.300000", "0.020000"];
    assert_eq!(times("delta"), [&["delta"], &deltas[..]].concat());
    let absolute = times("absolute");
    assert_eq!((&*absolute[0], &*absolute[5]), ("UTC", "2023-11-14T22:13:20.340000"));
}

#[test]
fn colours_are_where_they_are_asked_for_and_change_nothing_else() {
    let plain = show(&["--color", "never"]).text;
    assert!(!plain.contains('\x1b') && show(&[]).text == plain, "a pipe has none");
    let coloured = show(&["--color", "always"]).text;
    assert!(coloured.contains("\x1b[33m"), "{coloured}");
    let mut without = String::new();
    for (index, part) in coloured.split("\x1b[").enumerate() {
        without += if index == 0 { part } else { part.split_once('m').unwrap().1 };
    }
    assert_eq!(without, plain);
}

#[test]
fn a_syns_options_stand_on_the_arrow_if_there_is_room() {
    let full = "SYN seq=0 win=8192 MSS=1460 WS=128 SACK_PERM TSval=7 ";
    assert!(show(&[]).text.contains(full));
    let drawn = draw_with(&capture(), 100, &["frame 2"]).text;
    assert!(
        drawn.contains("- SYN seq=0 win=8192 -") && drawn.contains("|  MSS=1460 WS=128"),
        "{drawn}"
    );
}

/// Frames among 64 hosts, of which the first three have the most.
fn many() -> Vec<u8> {
    let pairs = (0..40_u8).flat_map(|round| {
        let other = 4 + round % 61;
        [(1, 2), (2, 1), (3, 1), (other, 4 + (round + 7) % 61)]
    });
    let frames: Vec<_> = pairs.map(|(from, to)| datagram(from, to)).collect();
    pcap(ETHERNET, &frames)
}

#[test]
fn hosts_of_the_most_frames_have_columns_and_each_end_of_the_others_is_named() {
    let drawn = draw_with(&many(), 100, &["--hosts", "3"]);
    assert_eq!((drawn.code, &*drawn.errors), (Some(0), ""));
    let lines: Vec<_> = drawn.text.lines().collect();
    let header: Vec<_> = lines[0].split_whitespace().skip(2).collect();
    assert_eq!(header, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "others"]);
    assert!(lines.iter().all(|line| line.width() <= 100), "{}", drawn.text);
    // Of those that share a column, in which the frame stays, both are named.
    assert!(lines[4].contains("10.0.0.4:1004 > 10.0.0.11:1011"), "{}", lines[4]);
    assert_eq!(drawn.text.matches("seconds").count(), 1, "the columns are known from the first");
    // Without being asked for, as many as there is room for.
    for (columns, hosts) in [(100, 6), (300, 18)] {
        let drawn = draw_with(&many(), columns, &[]);
        assert!(drawn.text.lines().all(|line| line.width() <= columns as usize));
        let rung = drawn.text.lines().nth(1).unwrap();
        assert_eq!(rung.matches('|').count(), hosts, "{rung}");
        assert!(drawn.text.starts_with("  #     seconds 10.0.0.1 "), "{}", drawn.text);
    }
}

#[test]
fn chosen_hosts_stand_in_the_order_in_which_they_were_named() {
    let drawn = draw_with(&many(), 100, &["--hosts", "10.0.0.3,10.0.0.1", "host 10.0.0.1"]);
    let headers: Vec<Vec<_>> = drawn
        .text
        .lines()
        .filter(|line| line.contains("seconds"))
        .map(|line| line.split_whitespace().skip(2).collect())
        .collect();
    assert_eq!(headers, [["10.0.0.3", "10.0.0.1", "others"]]);
    let line = drawn.text.lines().find(|line| line.contains("to 10.0.0.2")).unwrap();
    assert!(line.contains("1001 ") && line.contains("> 1002|"), "{line}");
    for (hosts, error) in
        [("0", "from 1 to 64"), ("65", "from 1 to 64"), ("a.example", "is no address")]
    {
        let refused = draw_with(&many(), 100, &["--hosts", hosts]);
        assert!(refused.code == Some(2) && refused.errors.contains(error), "{}", refused.errors);
    }
}

#[test]
fn a_host_that_is_not_there_is_told_of() {
    let drawn = draw_with(&many(), 100, &["--hosts", "10.0.0.3,192.0.2.77", "host 10.0.0.3"]);
    assert_eq!(drawn.code, Some(0), "{}", drawn.errors);
    assert_eq!(drawn.errors.matches("its column is empty").count(), 1, "{}", drawn.errors);
    assert!(drawn.errors.contains("of 192.0.2.77, which --hosts asks for"), "{}", drawn.errors);
}

#[test]
fn as_many_hosts_as_there_are_columns_share_none() {
    let pairs = [(1, 2), (3, 4), (5, 6)];
    let frames: Vec<_> = pairs.map(|(from, to)| datagram(from, to)).to_vec();
    let drawn = draw_with(&pcap(ETHERNET, &frames), 100, &[]).text;
    assert!(drawn.contains("10.0.0.6") && !drawn.contains("others"), "{drawn}");
}

#[test]
fn wide_and_unseen_characters_move_no_lane() {
    let question = |name: &str| {
        let head = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0";
        let name = [&[name.len() as u8], name.as_bytes()].concat();
        let data = [&head[..], &name, b"\0\0\x01\0\x01"].concat();
        ethernet(IPV4, &udp("10.0.0.1", "10.0.0.2", (5000, 53), &data))
    };
    let names = ["plain", "\u{63a5}\u{53e3}", "\u{202e}dlrow\u{200b}", "e\u{301}", "\x1b[31mred"];
    let drawn = draw_with(&pcap(ETHERNET, &names.map(question)), 100, &["--color", "never"]).text;
    let rungs: Vec<_> = drawn.lines().skip(1).collect();
    assert_eq!(rungs.len(), names.len(), "{drawn}");
    for rung in rungs {
        let (lanes, _) = rung.rsplit_once('|').unwrap();
        assert_eq!(lanes.width(), 65, "{drawn}");
    }
    assert!(drawn.contains("A \u{63a5}\u{53e3} -") && drawn.contains("A e\u{301} -"), "{drawn}");
    assert!(
        drawn.contains("\u{fffd}dlrow\u{fffd}") && drawn.contains("\u{fffd}[31mred"),
        "{drawn}"
    );
}

#[test]
fn hosts_that_share_a_column_are_named() {
    let pairs = [(1, 2), (1, 2), (3, 4), (3, 4), (5, 6), (5, 6), (7, 8), (8, 7)];
    let frames = pairs.map(|(from, to)| datagram(from, to));
    let drawn = lines_in(&pcap(ETHERNET, &frames), 100).join(" ").replace("| ", "");
    for ends in ["10.0.0.7:1007 > 10.0.0.8:1008 UDP", "10.0.0.8:1008 > 10.0.0.7:1007 UDP"] {
        assert!(drawn.contains(ends), "{drawn}");
    }
}

#[test]
fn both_ends_on_loopback_have_a_column() {
    let segment = |ports, flags| {
        ip("127.0.0.1", "127.0.0.1", 6, &tcp_bytes(ports, (1, 0), flags, &[], 0), 16)
    };
    let there = [&[0; 12][..], &[8, 0], &segment((4000, 80), SYN)].concat();
    let back = [&[0; 12][..], &[8, 0], &segment((80, 4000), SYN)].concat();
    let drawn = lines(&pcap(ETHERNET, &[there, back]));
    assert_eq!(drawn[0], "seconds 127.0.0.1:4000 127.0.0.1:80");
    assert!(drawn[1].contains("-> 80|") && drawn[2].starts_with("|4000 <-"), "{drawn:?}");
}

#[test]
fn titles_that_do_not_fit_stay_different() {
    let v6 = |last: u8| {
        let (from, to) = (format!("2001:db8:1:2:3:4:5:{last}"), "2001:db8:ffff:2:3:4:5:9");
        ethernet(0x86dd, &udp(&from, to, (9, 9), b"hi"))
    };
    // Of two titles that end alike, each has a line.
    let alike =
        ethernet(0x86dd, &udp("2002:db8:1:2:3:4:5:1", "2001:db8:ffff:2:3:4:5:9", (9, 9), b"hi"));
    for (frames, count) in [(vec![v6(1), v6(2), v6(3)], 4), (vec![v6(1), alike, v6(2)], 1)] {
        let drawn = lines_in(&pcap(ETHERNET, &frames), 100);
        let header = drawn.iter().rfind(|line| line.starts_with("seconds")).unwrap();
        let titles: Vec<_> = header.split(' ').skip(1).collect();
        assert_eq!(titles.len(), count, "{drawn:?}");
        for (index, title) in titles.iter().enumerate() {
            assert!(!titles[..index].contains(title), "{titles:?}");
        }
    }
}
