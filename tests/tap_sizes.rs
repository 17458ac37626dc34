//! The TAP under load: segments of every size, both ways, over IPv4 and IPv6, whatever the NIC does for the
//! board, byte for byte. Each test in a namespace of its own.

#![cfg(target_os = "linux")]

mod common;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, TcpStream};

use common::netns;
use common::nics::{self, NICS};
use common::process::{Process, connect, echo, pattern};

const BOARD6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const BOARDS: [IpAddr; 2] = [IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(BOARD6)];

/// Sends `data` in writes of `size` bytes, each a segment of its own if it fits one, and takes it back.
fn exchange(client: &mut TcpStream, data: &[u8], size: usize) {
    let mut back = vec![0; data.len()];
    for (part, room) in data.chunks(size).zip(back.chunks_mut(size)) {
        client.write_all(part).expect("the board reads");
        client.read_exact(room).expect("the board answers");
    }
    assert!(back == data, "by {size} bytes, something else came back");
}

fn board(nic: &[&str], profile: &str) -> Process {
    Process::up(&[&["tap", "--no-telemetry", "--profile", profile], nic].concat())
}

fn ends_well(mut tap: Process) {
    tap.signal("TERM");
    assert_eq!(tap.exit(), Some(0));
    assert!(tap.output().contains("tap0: 0 frames lost;"), "{}", tap.output());
}

#[test]
fn segments_of_every_size_come_back() {
    netns::run("segments_of_every_size_come_back", &[], || {
        for nic in NICS {
            let tap = board(nic, "large");
            for address in BOARDS {
                let mut client = connect((address, 7).into());
                client.set_nodelay(true).expect("a TCP socket");
                for size in 1..=1460 {
                    exchange(&mut client, &pattern(size as u32, size), size);
                }
            }
            ends_well(tap);
        }
    });
}

#[test]
fn superframes_of_many_sizes_come_back() {
    netns::run("superframes_of_many_sizes_come_back", &[], || {
        let mcu = [(NICS[0], "mcu"), (NICS[1], "mcu"), (NICS[2], "mcu")];
        for (nic, profile) in NICS.map(|nic| (nic, "large")).into_iter().chain(mcu) {
            let tap = board(nic, profile);
            for address in BOARDS {
                let mut client = connect((address, 7).into());
                for size in [1461, 2048, 2921, 4096, 17_521, 65_535, 65_536, 200_001] {
                    let data = pattern(size as u32, size);
                    std::thread::scope(|scope| {
                        let mut sender = client.try_clone().expect("a second handle");
                        let sending = scope.spawn(move || sender.write_all(&data).map(|()| data));
                        let mut back = vec![0; size];
                        client.read_exact(&mut back).expect("the board answers");
                        let data = sending.join().expect("no panic").expect("the board reads");
                        assert!(back == data, "{size} bytes became others");
                    });
                }
                drop(client);
                let data = pattern(9, 5_000_000);
                assert!(echo(&connect((address, 7).into()), &data).expect("an echo") == data);
            }
            ends_well(tap);
        }
    });
}

/// One frame in each system call without, far fewer calls than frames with.
#[test]
fn bulk_data_takes_few_system_calls_and_counts_on() {
    netns::run("bulk_data_takes_few_system_calls_and_counts_on", &[], || {
        for nic in NICS {
            let tap = board(nic, "large");
            for address in BOARDS {
                let mut text = vec![0; 20_000_000];
                let before = tap.calls();
                connect((address, 19).into()).read_exact(&mut text).expect("chargen");
                let from_board = tap.calls() - before;
                connect((address, 9).into()).write_all(&text).expect("discard");
                let to_board = tap.calls() - before - from_board;
                let frames = text.len() as u64 / 1460;
                for calls in [from_board, to_board] {
                    let few = calls < frames / 3;
                    assert_eq!(few, nics::segments(nic), "{calls} calls for {frames} frames");
                }
                let period = 74 * 95;
                let (first, rest) = text.split_at(period);
                assert!(first.starts_with(b" !\"#") && first.ends_with(b"\r\n"));
                assert!(rest.chunks(period).all(|part| first.starts_with(part)));
            }
            ends_well(tap);
        }
    });
}

/// What the firmware says it took and gave, for twenty megabytes each way.
#[test]
fn segments_are_made_by_the_nic_if_that_is_left_to_it() {
    netns::run("segments_are_made_by_the_nic_if_that_is_left_to_it", &[], || {
        for (nic, few) in [(NICS[0], false), (NICS[1], false), (NICS[2], true)] {
            let mut tap = board(nic, "large");
            let mut text = vec![0; 20_000_000];
            connect((BOARDS[0], 19).into()).read_exact(&mut text).expect("chargen");
            let mut discard = connect((BOARDS[0], 9).into());
            discard.write_all(&text).expect("discard");
            discard.shutdown(Shutdown::Write).expect("a connection");
            assert_eq!(discard.read(&mut [0]).expect("its FIN"), 0);
            tap.signal("TERM");
            assert_eq!(tap.exit(), Some(0));
            let summary = tap.output();
            let counts = summary.split("board: ").nth(1).expect("a summary").split(' ');
            let counts: Vec<usize> = counts.filter_map(|word| word.parse().ok()).collect();
            let full = text.len() / 1460;
            for count in &counts[..2] {
                assert_eq!(*count < full / 2, few, "{nic:?}: {count} frames, {full} segments");
            }
        }
    });
}
