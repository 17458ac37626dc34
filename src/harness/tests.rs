//! The harness itself: faults that end, artifacts of what fails, and the same run again.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use embedded_nal::TcpClientStack;
use smoltcp::phy::{Device, RxToken as _, TxToken as _};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::service::Service;
use tapboard_firmware::service::echo::Echo;

use super::*;
use crate::capture::read;
use crate::link::{Chance, HELD_MAX};
use crate::scratch::Scratch;
use crate::testbed::{TestbedMemory, at};
use crate::world::{Outcome, Step};

/// Has the board echo 3000 bytes over a bad cable.
fn echoed(run: &Run) -> TestResult {
    let (mut memory, mut echo) = (TestbedMemory::default(), Echo::new());
    let mut net = run.testbed(&mut memory, |now, board| echo.poll(now, board, &mut ()));
    net.cable().set("loss 10%")?;
    net.cable().set("reorder 5%")?;
    let mut socket = net.host.socket()?;
    net.until(|host| host.connect(&mut socket, at(7)))?;
    net.send_all(&mut socket, &[b'x'; 1500])?;
    let (mut count, mut buffer) = (0, [0; 2000]);
    while count < 1500 {
        count += net.until(|host| host.receive(&mut socket, &mut buffer))?;
    }
    Ok(())
}

/// The capture of such a run.
fn captured(seed: u64) -> Vec<u8> {
    let scratch = Scratch::new();
    let run = Run::new("captured", seed).with_directory(scratch.directory());
    echoed(&run).unwrap();
    run.write("for its capture");
    fs::read(scratch.path(&format!("captured-seed-{seed}/capture.pcapng"))).unwrap()
}

#[test]
fn the_same_seed_is_the_same_frames_byte_by_byte() {
    let first = captured(3);
    assert!(first.len() > 3000, "{} bytes", first.len());
    assert!(captured(3) == first, "another run");
    assert!((4..8).all(|seed| captured(seed) != first), "the seed decides nothing");
}

#[test]
fn faults_end_with_their_guards_and_leave_the_others_alone() {
    let network = Network::new(Link::new(1));
    let cable = network.cable();
    cable.set("loss 5%").unwrap();
    let delay = |to| cable.link().faults(to).delay;
    let loss = |to| cable.link().faults(to).loss;
    let outer = cable.fault(None, Setting::Loss(Chance::ALWAYS));
    let inner = cable.fault(Some(Side::Peer), Setting::Delay(Duration::from_millis(7)));
    // Set meanwhile: it stays.
    cable.set("rate 1mbit").unwrap();
    assert_eq!((delay(Side::Board), delay(Side::Peer)), (Duration::ZERO, Duration::from_millis(7)));
    assert_eq!(loss(Side::Board), Chance::ALWAYS);
    drop((inner, outer));
    assert_eq!(delay(Side::Peer), Duration::ZERO);
    assert_eq!(loss(Side::Board), "5%".parse().unwrap());
    assert_eq!(cable.link().faults(Side::Peer).rate, Some(1_000_000));
    {
        let _out = cable.unplugged();
        assert!(!cable.link().plugged());
        drop(cable.unplugged());
        assert!(!cable.link().plugged(), "the outer one holds");
        let _cut = cable.partitioned(Some(Side::Board));
        assert!(cable.link().faults(Side::Board).partition);
    }
    assert!(cable.link().plugged() && !cable.link().faults(Side::Board).partition);
    assert!(cable.set("colour blue").is_err());
}

#[test]
fn a_frame_wakes_both_ends_and_one_that_nobody_takes_does_not_spin() {
    let mut network = Network::new(Link::new(1));
    network.cable().set("delay 5ms").unwrap();
    let [mut board, mut peer] = [Side::Board, Side::Peer].map(|side| network.nic(side));
    peer.send(Instant::ZERO, &[1; 60]);
    let mut heard = Vec::new();
    let outcome = network.drive(Duration::from_secs(1), |now| {
        if let Some((rx, tx)) = Device::receive(&mut board, now) {
            let frame = rx.consume(<[u8]>::to_vec);
            tx.consume(frame.len(), |buffer| buffer.copy_from_slice(&frame));
            heard.push(now.total_millis());
        }
        Step::Next(None)
    });
    // The answer is there, and waits.
    assert_eq!((outcome, heard), (Outcome::Quiet, vec![5]));
    assert_eq!(network.now(), Instant::from_secs(1));
    assert_eq!(peer.take(network.now()).as_deref(), Some(&[1; 60][..]));
    assert_eq!(network.ladder().matches("delayed 5 ms").count(), 2, "{}", network.ladder());
}

#[test]
fn frames_to_a_peer_that_is_off_have_an_end() {
    let mut network = Network::new(Link::new(1));
    let [mut board, mut peer] = [Side::Board, Side::Peer].map(|side| network.nic(side));
    let mut left = HELD_MAX + 50;
    network.drive(Duration::from_secs(600), |now| {
        left -= 1;
        board.send(now, &left.to_be_bytes().repeat(8));
        if left == 0 { Step::Done } else { Step::Next(Some(now + Duration::from_millis(1))) }
    });
    let taken = std::iter::from_fn(|| peer.take(network.now())).collect::<Vec<_>>();
    assert_eq!(taken.len(), HELD_MAX);
    // The first that came are those that it has.
    assert_eq!(taken[0], (HELD_MAX + 49).to_be_bytes().repeat(8));
}

/// Three stations on a switch, of which each answers what is for it alone: how often each heard something until all was
/// quiet, and what the first one's cable has seen. One of them first asks everybody.
fn on_a_switch(seed: u64, fault: &str) -> ([usize; 3], String) {
    const ALL: [u8; 6] = [0xff; 6];
    let run = Run::new("switch", seed);
    let mut switch = run.switch(3);
    switch.cable(0).set("delay 2ms").unwrap();
    switch.cable(1).set(fault).unwrap();
    let mut nics = [0, 1, 2].map(|port| switch.nic(port));
    let mac = |station: usize| [2, 0, 0, 0, 0, station as u8];
    let frame = |from: usize, to: [u8; 6]| [&to[..], &mac(from), &[0x88, 0xb5], &[7; 46]].concat();
    nics[0].send(Instant::ZERO, &frame(0, ALL));
    let mut heard = [0; 3];
    let outcome = switch.drive(Duration::from_secs(60), |now| {
        for (station, nic) in nics.iter_mut().enumerate() {
            while let Some(received) = nic.take(now) {
                heard[station] += 1;
                let asked = received[..6] == ALL;
                assert!(asked || received[..6] == mac(station), "for another: {received:?}");
                let from = received[6..12].try_into().unwrap();
                if asked || heard[station] < 10 {
                    nic.send(now, &frame(station, from));
                }
            }
        }
        Step::Next(None)
    });
    assert_eq!((outcome, switch.now()), (Outcome::Quiet, Instant::from_secs(60)));
    let ladder = switch.port(0).ladder();
    (heard, ladder)
}

#[test]
fn many_are_on_one_switch_each_behind_a_cable_of_its_own() {
    // Until the first one has heard enough: an answer of each of both others, and of those in turn.
    let (heard, ladder) = on_a_switch(1, "loss 0%");
    assert_eq!(heard, [11, 6, 5], "{ladder}");
    let (heard, _) = on_a_switch(1, "partition on");
    assert_eq!(heard, [9, 0, 10], "who is cut off hears nothing");
    assert!(ladder.contains("delayed 2 ms"), "{ladder}");
    let lossy = |seed| on_a_switch(seed, "loss 30%");
    assert_eq!(lossy(3), lossy(3));
    assert!((4..8).any(|seed| lossy(seed) != lossy(3)), "the seed decides nothing");
}

/// Fails on purpose where it is told to, for the tests below.
const FAILS: &str = "TAPBOARD_TEST_FAILS";
/// If it is to do so on a thread without a name.
const ELSEWHERE: &str = "TAPBOARD_TEST_FAILS_ELSEWHERE";

#[test]
fn fails_for_seeds_from_2_on_if_it_is_told_to() {
    let Ok(how) = std::env::var(FAILS) else { return };
    let test = move || {
        check(0..4, |run| {
            echoed(run)?;
            match (&*how, run.seed()) {
                (_, 0 | 1) => Ok(()),
                ("panic", _) => panic!("as it was told to"),
                (_, seed) => Err(format!("seed {seed} it is").into()),
            }
        });
    };
    if std::env::var_os(ELSEWHERE).is_some() {
        std::thread::spawn(test).join().expect("it fails");
    } else {
        test();
    }
}

/// That test in a process of its own.
fn failing(how: &str, directory: &Path, seed: Option<&str>) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["harness::tests::fails_for_seeds_from_2_on_if_it_is_told_to", "--exact"]);
    command.env_remove(SEED).env(FAILS, how).env(artifacts::ARTIFACTS, directory);
    command.envs(seed.map(|seed| (SEED, seed)));
    command
}

/// All that it says when it has failed.
fn said(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    said
}

#[test]
fn what_fails_leaves_capture_ladder_and_sockets_and_the_command_that_runs_it_again() {
    for how in ["panic", "error"] {
        let scratch = Scratch::new();
        let directory = scratch.directory();
        let said = said(&failing(how, directory, None).output().unwrap());
        let again = "TAPBOARD_SEED=2 cargo test --package tapboard \
                     harness::tests::fails_for_seeds_from_2_on_if_it_is_told_to -- --exact";
        assert!(said.contains(again), "{said}");
        let name = "harness-tests-fails_for_seeds_from_2_on_if_it_is_told_to-seed-2";
        let file = |file: &str| scratch.path(&format!("{name}/{file}"));
        let capture = fs::read(file("capture.pcapng")).unwrap();
        let frames = read(file("capture.pcapng").as_ref()).unwrap().count();
        assert!(said.contains(&format!("capture.pcapng ({frames} frames)")), "{said}");
        let ladder = fs::read_to_string(file("ladder.txt")).unwrap();
        assert!(ladder.contains("SYN") && ladder.contains("dropped by loss 10%"), "{ladder}");
        let netstat = fs::read_to_string(file("netstat.txt")).unwrap();
        assert!(netstat.contains("-- board") && netstat.contains(":7 "), "{netstat}");
        let report = fs::read_to_string(file("report.txt")).unwrap();
        assert!(said.contains(report.trim_end()), "{report}");
        // The first that failed is the last that ran, and it is the same run again.
        assert_eq!(fs::read_dir(directory).unwrap().count(), 1);
        fs::remove_dir_all(scratch.path(name)).unwrap();
        assert!(!failing(how, directory, Some("2")).output().unwrap().status.success());
        assert!(fs::read(file("capture.pcapng")).unwrap() == capture, "another run");
        assert!(failing(how, directory, Some("1")).output().unwrap().status.success());
    }
}

#[test]
fn on_a_thread_without_a_name_each_failure_has_a_number_and_a_command_that_runs_all_tests() {
    let scratch = Scratch::new();
    let directory = scratch.directory();
    let said = said(&failing("error", directory, None).env(ELSEWHERE, "1").output().unwrap());
    assert!(said.contains("TAPBOARD_SEED=2 cargo test --package tapboard\n"), "{said}");
    assert!(!said.contains("--exact"), "{said}");
    let capture = scratch.path("tapboard-1-seed-2/capture.pcapng");
    assert!(Path::new(&capture).exists(), "{said}");
    let before = fs::read_dir(directory).unwrap().count();
    let failure = Failure { name: None, seed: None, what: "it failed", tested: true };
    for _ in 0..2 {
        let report = failure.write(directory, &[]);
        assert!(report.starts_with("a test: it failed\n"), "{report}");
    }
    assert_eq!(fs::read_dir(directory).unwrap().count(), before + 2);
}
