//! A gigabyte each way over a TAP, verified byte for byte: the echo of what was sent, and chargen's pattern.
//!
//! That is so in a release build; a debug build, whose client and board are far slower, moves a part of it:
//! `cargo test --release --test tap_volume`. Each test in a namespace of its own.

#![cfg(target_os = "linux")]

mod common;

use std::net::IpAddr;
use std::time::Duration;

use common::netns;
use common::nics::NICS;
use common::process::{PATIENCE, Process};
use common::refusal::Refusal;
use tapboard_host::bench::measure;
use tapboard_host::bench::outcome::Done;
use tapboard_host::bench::plan::{BenchPlan, Test};

const BYTES: u64 = if cfg!(debug_assertions) { 20_000_000 } else { 1_000_000_000 };
/// Far longer than it takes: half a minute frame by frame, a few seconds otherwise.
const LIMIT_S: u32 = 1800;

/// Moves them to the board and back, then from its chargen.
fn moves_all(address: &str, mut tap: Process) {
    let plan = BenchPlan {
        address: address.parse::<IpAddr>().expect("an address"),
        port_offset: 0,
        tests: vec![Test::Duplex, Test::From],
        runs: 1,
        time: Duration::from_mins(10),
        bytes: BYTES,
        parallel: 1,
        connections: 1,
        chunk: 256 * 1024,
        connect_timeout: PATIENCE,
        stall_timeout: PATIENCE,
    };
    let mut moved = Vec::new();
    measure(&plan, |run| {
        let megabytes = run.rate() / 1e6;
        println!("{}, {address}: {megabytes:.0} MB/s", run.test.title());
        moved.push((run.test, run.measured.done));
    })
    .unwrap_or_else(|error| panic!("{address}: {error:?}"));
    let [(Test::Duplex, Done::Bytes(both)), (Test::From, Done::Bytes(from))] = moved[..] else {
        panic!("{moved:?}");
    };
    assert!(
        both == BYTES && from >= BYTES,
        "{both} bytes both ways and {from} from it, in ten minutes"
    );
    tap.signal("TERM");
    assert_eq!(tap.exit(), Some(0));
    assert!(tap.output().contains("tap0: 0 frames lost;"), "{}", tap.output());
}

fn up(nic: &[&str]) -> Process {
    Process::up(&[&["tap", "--no-telemetry"], nic].concat())
}

#[test]
fn segments_with_the_firmwares_checksums() {
    netns::run_within(LIMIT_S, "segments_with_the_firmwares_checksums", &[], || {
        moves_all("192.0.2.1", up(NICS[0]));
    });
}

#[test]
fn segments_with_the_nics_checksums() {
    netns::run_within(LIMIT_S, "segments_with_the_nics_checksums", &[], || {
        moves_all("2001:db8::1", up(NICS[1]));
    });
}

#[test]
fn superframes_with_the_nics_segments() {
    netns::run_within(LIMIT_S, "superframes_with_the_nics_segments", &[], || {
        moves_all("192.0.2.1", up(NICS[2]));
        moves_all("2001:db8::1", up(NICS[2]));
    });
}

#[test]
fn frames_with_the_firmwares_checksums() {
    netns::run_within(LIMIT_S, "frames_with_the_firmwares_checksums", &[], || {
        let tap = Refusal::Offloads.during(|| up(NICS[0]));
        tap.complains("frame by frame");
        moves_all("192.0.2.1", tap);
    });
}

#[test]
fn frames_with_the_nics_checksums() {
    netns::run_within(LIMIT_S, "frames_with_the_nics_checksums", &[], || {
        let tap = Refusal::Offloads.during(|| up(NICS[1]));
        tap.complains("frame by frame");
        moves_all("2001:db8::1", tap);
    });
}
