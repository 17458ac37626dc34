//! The documents that `tapboard ladder` draws: the ladder of many hosts, and the graphs of a connection.
#![cfg(target_os = "linux")]

mod common;

use common::drawn::{Drawn, draw_with};
use common::packets::{ACK, PSH_ACK, SYN, SYN_ACK, ethernet, pcap, tcp, udp};

const ETHERNET: u32 = 1;
const IPV4: u16 = 0x0800;

/// A handshake, 300 bytes from the client of which the second hundred is sent twice, and 50 bytes back.
fn capture() -> Vec<u8> {
    let segments = [
        tcp(true, 0, 0, SYN, 0),
        tcp(false, 0, 1, SYN_ACK, 0),
        tcp(true, 1, 1, ACK, 0),
        tcp(true, 1, 1, PSH_ACK, 100),
        tcp(true, 101, 1, PSH_ACK, 100),
        tcp(true, 201, 1, PSH_ACK, 100),
        tcp(false, 1, 101, ACK, 0),
        tcp(true, 101, 1, PSH_ACK, 100),
        tcp(false, 1, 301, PSH_ACK, 50),
        tcp(true, 301, 51, ACK, 0),
    ];
    pcap(ETHERNET, &segments.map(|segment| ethernet(IPV4, &segment)))
}

fn graph(arguments: &[&str]) -> Drawn {
    draw_with(&capture(), 100, arguments)
}

#[test]
fn a_graph_is_of_the_direction_with_more_data_or_of_the_other_one() {
    for (name, title) in [
        ("stevens", "Time-sequence (Stevens)"),
        ("throughput", "Throughput"),
        ("rtt", "Round-trip time"),
        ("in-flight", "Bytes in flight"),
    ] {
        let drawn = graph(&["--graph", name]);
        assert_eq!((drawn.code, &*drawn.errors), (Some(0), ""), "{name}");
        let there = format!("<title>{title}: 10.0.0.1:4000 &gt; 10.0.0.2:80</title>");
        assert!(drawn.text.starts_with("<svg ") && drawn.text.contains(&there), "{}", drawn.text);
        let back = graph(&["--graph", &format!("{name}:back")]).text;
        let title = format!("<title>{title}: 10.0.0.2:80 &gt; 10.0.0.1:4000</title>");
        assert!(back.contains(&title), "{back}");
    }
    let drawn = graph(&["--graph", "stevens"]).text;
    assert!(drawn.contains("conversation 1: 300 bytes acknowledged in"), "{drawn}");
    assert!(drawn.contains("; 4 segments, 1 retransmission (25.0 %)<"), "{drawn}");
    assert!(drawn.contains("<title>frame 8: 101-201, 100 bytes, sent again</title>"), "{drawn}");
    let back = graph(&["--graph", "stevens:back"]).text;
    assert!(back.contains("50 bytes acknowledged in") && back.contains("; 1 segment<"), "{back}");
}

#[test]
fn a_filter_chooses_what_a_graph_is_of_and_where_there_is_none_it_is_said() {
    let drawn = graph(&["--graph", "stevens", "frame 1-7"]).text;
    assert!(drawn.contains("; 3 segments<"), "{drawn}");
    for (arguments, error) in [
        (["--graph", "rtt", "udp"], "passes the filter"),
        (["--graph", "rtt", "frame 1"], "/capture: no round trip can be measured: nothing"),
        (["--graph", "stevens:forth", "tcp"], "there are stevens, throughput, rtt, in-flight"),
        (["--graph", "rtt", "--list"], "do not go together"),
    ] {
        let drawn = graph(&arguments);
        assert!(drawn.code != Some(0) && drawn.text.is_empty(), "{arguments:?}");
        assert!(drawn.errors.contains(error), "{}", drawn.errors);
    }
    let datagrams = [ethernet(IPV4, &udp("10.0.0.1", "10.0.0.2", (1, 2), b"hi"))];
    let drawn = draw_with(&pcap(ETHERNET, &datagrams), 100, &["--graph", "stevens"]);
    assert_eq!((drawn.code, &*drawn.text), (Some(1), ""));
    let why = "/capture: of what is in it no graph can be drawn: it has no TCP connection";
    assert!(drawn.errors.contains(why), "{}", drawn.errors);
}

#[test]
fn a_document_of_a_file_has_sixty_four_hosts_and_of_more_the_busiest() {
    let chain = |hosts: u8| {
        let frame = |from: u8| {
            let addresses = [from, (from + 1) % hosts].map(|host| format!("10.0.0.{host}"));
            ethernet(IPV4, &udp(&addresses[0], &addresses[1], (1000, 1000), b"hi"))
        };
        let frames: Vec<_> = (0..hosts).map(frame).collect();
        draw_with(&pcap(ETHERNET, &frames), 100, &["--svg", "-"]).text
    };
    let (all, more) = (chain(64), chain(65));
    assert_eq!(all.matches("class=\"title\"").count(), 64);
    assert!(!all.contains(">others<"));
    assert_eq!(more.matches("class=\"title\"").count(), 64);
    assert!(more.contains(">others<"));
}

#[test]
fn a_rungs_anchor_is_the_frames_number_in_the_capture_whatever_is_drawn() {
    let drawn = draw_with(&capture(), 100, &["--svg", "-", "retransmission or frame 2"]).text;
    let anchors: Vec<_> = drawn.split("<g id=\"").skip(1).map(|g| g.split('"').next()).collect();
    assert_eq!(anchors, [Some("f2"), Some("f8")]);
}
