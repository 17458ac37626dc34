//! `tapboard ladder` on what others capture: their links, encapsulations, files and faults. Each capture is made
//! here, byte by byte, and what is drawn of it is what is in it.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use common::drawn::{draw, lines};
use common::packets::{
    ACK, PSH_ACK, SYN, SYN_ACK, block, ethernet, ip, packet, pcap, section, tcp, tcp_bytes, udp,
    words,
};
use common::process::{Process, tapboard};
use common::scratch::Scratch;

const ETHERNET: u32 = 1;
const IPV4: u16 = 0x0800;

/// The frames' lines, of hosts that are both there from the first one on.
#[track_caller]
fn rungs(file: &[u8]) -> Vec<String> {
    let mut lines = lines(file);
    assert_eq!(lines.remove(0), "seconds 10.0.0.1 10.0.0.2");
    lines
}

#[track_caller]
fn of_ethernet(packets: &[Vec<u8>]) -> Vec<String> {
    let frames: Vec<_> = packets.iter().map(|packet| ethernet(IPV4, packet)).collect();
    rungs(&pcap(ETHERNET, &frames))
}

fn syn() -> Vec<u8> {
    tcp(true, 0, 0, SYN, 0)
}

const SYN_RUNG: &str = "|4000 - SYN seq=0 win=8192 -> 80|";
const SYN_ACK_RUNG: &str = "|4000 <- SYN ACK seq=0 ack=1 win=8192 - 80|";
const ACK_RUNG: &str = "|4000 - ACK seq=1 ack=1 -> 80|";

fn handshake() -> Vec<Vec<u8>> {
    vec![syn(), tcp(false, 0, 1, SYN_ACK, 0), tcp(true, 1, 1, ACK, 0)]
}

#[test]
fn a_tunnel_with_something_broken_in_it_is_still_one() {
    let broken = ip("10.0.0.1", "10.0.0.2", 41, &[0x30; 44], 10);
    assert_eq!(
        of_ethernet(&[broken]),
        ["|- IPv6 ->| IP in IP 10.0.0.1 > 10.0.0.2, what it carries is broken"]
    );
}

#[test]
fn what_is_not_ip_is_named() {
    let frame = |ethertype, payload: &[u8]| lines(&pcap(ETHERNET, &[ethernet(ethertype, payload)]));
    let lldp = b"\x02\x07\x04\x06\0\0\0\0\x01\x04\x05\x05eth1\x06\x02\0\x78\x0a\x03sw7\0\0";
    for (ethertype, payload, name) in [
        (0x88cc, &lldp[..], "LLDP sw7 eth1"),
        (39, b"\x42\x42\x03\0\0\x02\x02", "RSTP"),
        (8, b"\xaa\xaa\x03\0\0\x0c\x20\0", "CDP"),
        (0x8863, b"\x11\x09\0\0\0\0", "PPPoE PADI"),
        (0x888e, b"\x01\0\0\0", "EAPOL"),
        (0x8035, b"\0\x01\x08\0\x06\x04\0\x03\0\0\0\0\0\0", "RARP request"),
        (0x88e5, b"\x0c\0\0\0\0\x01", "MACsec, encrypted"),
        (0x1234, b"", "EtherType 0x1234"),
    ] {
        let drawn = frame(ethertype, payload);
        assert!(drawn[1].contains(&format!(" {name} ")), "{drawn:?}");
    }
}

#[test]
fn datagrams_to_known_ports_say_what_they_ask() {
    let says = |ports, data: &[u8]| {
        let packet = udp("10.0.0.1", "10.0.0.2", ports, data);
        of_ethernet(&[packet])[0].clone()
    };
    let dns = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x1c\0\x01";
    assert!(says((5000, 53), dns).contains("DNS query AAAA example.com"));
    let none = b"\0\x01\x81\x83\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01";
    assert!(says((53, 5000), none).contains("DNS answer A example.com NXDOMAIN"));
    assert!(says((5000, 53), b"garbage").contains("DNS 7 bytes"));
    // A tunnel's port, and no packet in it.
    assert!(says((2152, 2152), &[0x32, 1, 0, 4, 0, 0, 0, 0]).contains("GTP 8 bytes"));
    assert!(says((1701, 1701), &[0xc8, 2, 0, 12, 0, 0, 0, 0]).contains("L2TP 8 bytes"));
    let mut dhcp = vec![0; 240];
    dhcp[236..].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
    dhcp.extend([53, 1, 3, 255]);
    assert!(says((68, 67), &dhcp).contains("DHCP request"));
    assert!(says((123, 123), &[0x23; 48]).contains("NTP client"));
    assert!(says((7, 7), b"hi").contains("UDP 2 bytes"));
}

#[test]
fn an_icmp_error_tells_what_it_answers() {
    let asked = udp("10.0.0.1", "10.0.0.2", (5000, 9999), b"hi");
    let mut error = vec![3, 3, 0, 0, 0, 0, 0, 0];
    error.extend(&asked[..28]);
    let packet = ip("10.0.0.2", "10.0.0.1", 1, &error, 2);
    let drawn = lines(&pcap(ETHERNET, &[ethernet(IPV4, &packet)])).join(" ");
    assert!(drawn.contains("ICMP destination port unreachable -"), "{drawn}");
    assert!(drawn.contains("answers UDP 5000 > 9999"), "{drawn}");
    // `ip` summed a pseudo-header, which ICMP has not.
    assert!(drawn.contains("bad checksum"), "{drawn}");
}

#[test]
fn checksums_that_are_wrong_or_missing_are_remarks() {
    let without = |mut packet: Vec<u8>, at: usize| {
        packet[at..at + 2].copy_from_slice(&[0, 0]);
        packet
    };
    // IP's is left to the NIC.
    assert_eq!(of_ethernet(&[without(syn(), 10)]), [SYN_RUNG]);
    let mut zeros: Vec<_> = handshake();
    zeros = zeros.into_iter().map(|packet| without(without(packet, 10), 36)).collect();
    let frames: Vec<_> =
        zeros.iter().map(|packet| [&[0; 12][..], &[8, 0], packet].concat()).collect();
    let expected = [SYN_RUNG, SYN_ACK_RUNG, ACK_RUNG].map(|rung| format!("{rung} no checksum"));
    assert_eq!(rungs(&pcap(ETHERNET, &frames)), expected);
    let mut wrong = syn();
    wrong[10] ^= 1;
    assert_eq!(of_ethernet(&[wrong]), [format!("{SYN_RUNG} bad IP checksum")]);
    let mut wrong = udp("10.0.0.1", "10.0.0.2", (7, 7), b"hi");
    wrong[29] ^= 1;
    assert!(of_ethernet(&[wrong])[0].ends_with("bad checksum"));
}

#[test]
fn a_frame_that_was_cut_or_left_to_the_nic_has_the_length_that_its_header_says() {
    let data = ethernet(IPV4, &tcp(true, 1, 1, PSH_ACK, 1000));
    let mut packets: Vec<_> = handshake().iter().map(|packet| ethernet(IPV4, packet)).collect();
    let mut file = pcap(ETHERNET, &packets);
    file.extend(words(&[1_700_000_001, 0, 80, data.len() as u32]));
    file.extend(&data[..80]);
    let last = "|4000 - PSH ACK seq=1 ack=1 1000 bytes -> 80|";
    assert_eq!(rungs(&file)[3], format!("{last} only 80 of 1054 bytes captured"));
    // Total length 0: a frame that the NIC was to cut.
    let mut whole = data.clone();
    whole[16..18].copy_from_slice(&[0, 0]);
    whole[24..26].copy_from_slice(&[0, 0]);
    packets.push(whole);
    assert_eq!(rungs(&pcap(ETHERNET, &packets))[3], last);
    // Padding is no data.
    let mut padded = ethernet(IPV4, &syn());
    padded.resize(60, 0);
    assert_eq!(rungs(&pcap(ETHERNET, &[padded])), [SYN_RUNG]);
}

#[test]
fn ipv6_extension_headers_and_fragments_are_named() {
    let segment = ip("fd00::1", "fd00::2", 6, &tcp_bytes((4000, 80), (7, 0), SYN, &[], 0), 16);
    let with = |next: u8, header: &[u8]| {
        let mut packet = segment.clone();
        packet[6] = next;
        packet.splice(40..40, header.iter().copied());
        packet[5] += header.len() as u8;
        lines(&pcap(ETHERNET, &[ethernet(0x86dd, &packet)]))[1].clone()
    };
    assert_eq!(with(0, &[6, 0, 1, 4, 0, 0, 0, 0]), format!("{SYN_RUNG} hop-by-hop options"));
    let both = [60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0];
    assert_eq!(with(0, &both), format!("{SYN_RUNG} hop-by-hop options, destination options"));
    let fragment = with(44, &[6, 0, 0, 1, 0, 0, 0x12, 0x34]);
    assert!(fragment.contains("IP fragment of TCP 0x1234: 0+20"), "{fragment}");
    let mut cut = segment[..41].to_vec();
    cut[5..7].copy_from_slice(&[1, 0]);
    let drawn = lines(&pcap(ETHERNET, &[ethernet(0x86dd, &cut)]));
    assert!(drawn[1].contains(" hop-by-hop options "), "{drawn:?}");
}

#[test]
fn a_number_that_was_not_earned_moves_nothing() {
    let mut overtaken = handshake();
    overtaken.push(tcp(false, 1, 51, ACK, 0));
    overtaken.push(tcp(true, 1, 1, PSH_ACK, 100));
    let drawn = of_ethernet(&overtaken);
    assert!(drawn[3].ends_with("| acknowledges unseen data"), "{drawn:?}");
    assert!(drawn[4].ends_with("100 bytes -> 80|"), "no mark: {drawn:?}");
    overtaken[4] = tcp(true, 501, 1, PSH_ACK, 100);
    assert!(of_ethernet(&overtaken)[4].ends_with("| after a gap"));
}

#[test]
fn a_copy_that_was_damaged_was_sent_all_the_same() {
    let mut packets = handshake();
    let mut damaged = tcp(true, 1, 1, PSH_ACK, 100);
    *damaged.last_mut().unwrap() ^= 1;
    packets.extend([damaged, tcp(true, 1, 1, PSH_ACK, 100)]);
    let drawn = of_ethernet(&packets);
    assert!(drawn[3].ends_with("| bad checksum") && drawn[4].ends_with("| retransmission"));
}

#[test]
fn numbers_and_windows_whose_beginning_is_not_known_are_marked() {
    let drawn = of_ethernet(&[tcp(true, 4_000_000, 1, 0x14, 0)]);
    assert_eq!(drawn, ["|4000 - RST ACK seq=4001000 ack=5001 -> 80| absolute numbers"]);
    let drawn = of_ethernet(&[tcp(true, 700, 900, ACK, 0)]);
    assert_eq!(drawn, ["|4000 - ACK seq=1 ack=1 win=8192? -> 80| began before the capture"]);
    // A SYN ACK with a scale answers a SYN with one.
    let answer = tcp_bytes((80, 4000), (5000, 1001), SYN_ACK, &[3, 3, 7, 0], 0);
    let answer = ip("10.0.0.2", "10.0.0.1", 6, &answer, 16);
    let frames = [answer, tcp(false, 1, 1, ACK, 0)].map(|packet| ethernet(IPV4, &packet));
    let drawn = lines(&pcap(ETHERNET, &frames));
    assert!(drawn[2].contains("ACK seq=1 ack=1 win=1048576 "), "{drawn:?}");
}

#[test]
fn of_two_answers_to_a_syn_the_first_counts_and_one_to_another_syn_is_another_connection() {
    let answer = |seq, ack| {
        ip("10.0.0.2", "10.0.0.1", 6, &tcp_bytes((80, 4000), (seq, ack), SYN_ACK, &[], 0), 16)
    };
    let mut packets = handshake();
    packets.extend([answer(9000, 1001), tcp(true, 1, 1, ACK, 0)]);
    let drawn = of_ethernet(&packets);
    assert_eq!(drawn[3], "|4000 <- SYN ACK seq=4000 ack=1 - 80| after a gap");
    assert_eq!(drawn[4], "|4000 - ACK seq=1 ack=1 -> 80| duplicate ACK 1");
    // Its SYN was not captured.
    let mut packets = handshake();
    let ack =
        ip("10.0.0.1", "10.0.0.2", 6, &tcp_bytes((4000, 80), (70_001, 9001), ACK, &[], 0), 16);
    packets.extend([answer(9000, 70_001), ack]);
    let drawn = of_ethernet(&packets);
    assert_eq!(drawn[3..], [SYN_ACK_RUNG, "|4000 - ACK seq=1 ack=1 win=8192 -> 80|"]);
}

#[test]
fn what_was_cut_within_a_header_has_its_name() {
    let whole = ethernet(IPV4, &tcp(true, 1, 1, PSH_ACK, 1000));
    let mut file = pcap(ETHERNET, &[vec![]]);
    let header = file.split_off(24);
    let cut = |len: usize| {
        let mut capture = file.clone();
        capture.extend(&header[..8]);
        capture.extend(words(&[len as u32, whole.len() as u32]));
        capture.extend(&whole[..len]);
        lines(&capture)[1].clone()
    };
    assert!(cut(0).contains("cut short"), "{}", cut(0));
    assert!(cut(13).contains("cut short"), "{}", cut(13));
    for len in [15, 20, 33] {
        assert!(cut(len).contains("IPv4") && cut(len).contains("its header is cut short"), "{len}");
    }
    assert!(cut(38).contains("TCP") && cut(38).contains("port 4000 > 80"), "{}", cut(38));
    // The window was captured, and the checksum was not.
    assert!(cut(50).contains("PSH ACK seq=1 ack=1 1000 bytes"), "{}", cut(50));
    let mut broken = tcp(true, 1, 1, PSH_ACK, 0);
    broken[32] = 0x40;
    let drawn = of_ethernet(&[broken]);
    assert_eq!(drawn, ["|- TCP ->| port 4000 > 80, bad header length"]);
    assert!(lines(&pcap(ETHERNET, &[vec![]]))[1].contains("empty frame"));
}

fn datagram(from: u8, to: u8) -> Vec<u8> {
    let ports = (1000 + u16::from(from), 1000 + u16::from(to));
    ethernet(IPV4, &udp(&format!("10.0.0.{from}"), &format!("10.0.0.{to}"), ports, b"hi"))
}

#[test]
fn a_group_is_no_host() {
    let mut group = ethernet(IPV4, &udp("10.0.0.2", "224.0.0.251", (5353, 5353), b"hi"));
    group[..6].copy_from_slice(&[1, 0, 0x5e, 0, 0, 0xfb]);
    let drawn = lines(&pcap(ETHERNET, &[datagram(1, 2), datagram(1, 3), group]));
    assert_eq!(drawn[4], "|<-|- 5353>5353 mDNS 2 bytes ->| to 224.0.0.251");
    // Nor is everybody, though one host's address is on the frame, as access points do it.
    let all = ethernet(IPV4, &udp("10.0.0.2", "255.255.255.255", (68, 67), b"hi"));
    let drawn = lines(&pcap(ETHERNET, &[datagram(1, 2), all]));
    assert!(!drawn.iter().any(|line| line.ends_with(" 255.255.255.255") && !line.contains('|')));
    assert!(drawn.last().unwrap().ends_with("to 255.255.255.255"), "{drawn:?}");
}

#[test]
fn foreign_comments_and_directions_are_not_our_links() {
    let options = b"\x01\0\x0c\0dropped call\x02\0\x04\0\x01\0\0\0\0\0\0\0";
    let file = [section(&[1]), packet(0, 1, &datagram(1, 2), options)].concat();
    let drawn = lines(&file);
    assert_eq!(drawn[0], "seconds 10.0.0.1 10.0.0.2");
    assert_eq!(drawn[1], "|1001 - UDP 2 bytes -> 1002| dropped call");
}

#[test]
fn interfaces_of_several_links_share_a_section_and_a_simple_packet_has_no_time() {
    let frame = ethernet(IPV4, &syn());
    let simple = block(3, &[&words(&[frame.len() as u32])[..], &frame].concat());
    let answer = tcp(false, 0, 1, SYN_ACK, 0);
    let at = 1_700_000_000_000_000;
    let file = [section(&[1, 101]), simple, packet(1, at, &answer, b"")].concat();
    let text = draw(&file).text;
    let lines: Vec<_> = text.lines().collect();
    let time = |index: usize| lines[index].split_whitespace().nth(1);
    assert_eq!((time(1), time(2)), (Some("-"), Some("0.000000")), "{text}");
}

#[test]
fn what_cannot_be_drawn_is_named_and_counted() {
    let none = draw(&pcap(ETHERNET, &[]));
    assert_eq!((none.code, &*none.text), (Some(1), ""));
    assert!(none.errors.contains("no frames"), "{}", none.errors);
    let usb = draw(&pcap(220, &[vec![0; 64], vec![0; 64]]));
    assert_eq!((usb.code, &*usb.text), (Some(1), ""));
    assert!(usb.errors.contains("2 frames of USB, Linux, memory-mapped (220)"), "{}", usb.errors);
    let frame = ethernet(IPV4, &syn());
    let parts = [
        section(&[1, 220]),
        packet(0, 1, &frame, b""),
        packet(1, 2, &[0; 64], b""),
        block(77, b""),
    ];
    let mixed = draw(&parts.concat());
    assert_eq!(mixed.code, Some(0));
    for part in ["1 frame of USB, Linux, memory-mapped (220)", "1 block of unknown type 0x4d"] {
        assert!(mixed.errors.contains(part), "{}", mixed.errors);
    }
    let packed = draw(b"\xfd7zXZ\0");
    assert!(packed.errors.contains("xz -dc FILE | tapboard ladder -"), "{}", packed.errors);
    // Nor is there a document of nothing.
    let scratch = Scratch::new();
    let (path, svg) = (scratch.path("empty.pcap"), scratch.path("empty.svg"));
    fs::write(&path, pcap(ETHERNET, &[])).unwrap();
    let mut process = Process::spawn(tapboard(&["ladder", &path, "--svg", &svg]), None);
    assert_eq!(process.exit(), Some(1));
    assert!(!fs::exists(&svg).unwrap());
}

#[test]
fn long_times_leave_the_lanes_where_they_are_and_fit_a_document() {
    let at = |seconds: u64, frame: &[u8]| packet(0, seconds * 1_000_000, frame, b"");
    let [there, back] = [datagram(1, 2), datagram(2, 1)];
    let file = [
        section(&[1]),
        at(0, &there),
        at(9_999, &back),
        at(10_000, &there),
        at(142_449_787, &back),
    ]
    .concat();
    let text = draw(&file).text;
    let places: Vec<_> = text.lines().skip(1).map(|line| line.find('|').unwrap()).collect();
    assert!(places.iter().all(|place| *place == places[0]) && places.len() == 4, "{text}");
    assert!(text.contains("142449787.000000 |"), "{text}");
    // Also where time runs back.
    let text = draw(&[section(&[1]), at(2_000_000, &there), at(0, &back)].concat()).text;
    let places: Vec<_> = text.lines().skip(1).map(|line| line.find('|').unwrap()).collect();
    assert!(text.contains("-2000000.000000 |") && places[0] == places[1], "{text}");
    let scratch = Scratch::new();
    let path = scratch.path("long.pcapng");
    fs::write(&path, &file).unwrap();
    let mut process = Process::spawn(tapboard(&["ladder", &path, "--svg", "-"]), None);
    assert_eq!(process.exit(), Some(0));
    let document = process.output();
    let time =
        document.split("class=\"time\" x=\"").find(|text| text.contains("142449787.000000<"));
    let time = time.expect("the last one");
    let x: f64 = time.split('"').next().unwrap().parse().unwrap();
    let text = time.split('>').nth(1).unwrap().split('<').next().unwrap();
    assert_eq!(text, "4\u{a0}\u{a0}142449787.000000", "the frame's number and its time");
    assert!(x > text.chars().count() as f64 * 7.2, "it is as wide as that: {time}");
}

#[test]
fn standard_input_is_drawn_as_it_comes() {
    let frames: Vec<_> = handshake().iter().map(|packet| ethernet(IPV4, packet)).collect();
    let file = pcap(ETHERNET, &frames);
    let mut command = tapboard(&["ladder", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    // What was written so far is drawn before there is more.
    let first = 24 + 16 + frames[0].len();
    stdin.write_all(&file[..first]).unwrap();
    let mut line = String::new();
    for expected in ["seconds", "SYN seq=0"] {
        line.clear();
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        assert!(line.contains(expected), "{line}");
    }
    stdin.write_all(&file[first..]).unwrap();
    drop(stdin);
    let rest = std::io::read_to_string(&mut out).unwrap();
    assert_eq!(rest.lines().count(), 2, "{rest}");
    assert!(child.wait().unwrap().success());
}
