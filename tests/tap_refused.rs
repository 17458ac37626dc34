//! `tapboard tap` where the kernel refuses to pass many segments at once: it says so, and works frame by
//! frame. Each test in a namespace of its own.

#![cfg(target_os = "linux")]

mod common;

use std::io::Read;

use common::netns::{self, sh};
use common::process::{Process, connect, echo, finished, pattern};
use common::refusal::Refusal;

/// Bytes that 1,000 frames carry at least.
const LEN: usize = 1_460_000;

/// Bulk both ways, one frame in each system call, and an end in order.
fn works_frame_by_frame(mut tap: Process, at_end: &str) {
    let before = tap.calls();
    let mut text = vec![0; LEN];
    connect(([192, 0, 2, 1], 19).into()).read_exact(&mut text).expect("chargen");
    let calls = tap.calls() - before;
    assert!(calls >= 1000, "{calls} calls for 1,000 frames: they come many at a time");
    let data = pattern(1, LEN);
    for address in ["192.0.2.1:7", "[2001:db8::1]:7"] {
        let back = echo(&connect(address.parse().expect("an address")), &data).expect("an echo");
        assert!(back == data, "{address}");
    }
    tap.signal("TERM");
    assert_eq!(tap.exit(), Some(0));
    let end = format!("tap0: 0 frames lost; {at_end}\n");
    assert!(tap.output().ends_with(&end), "{}", tap.output());
}

fn refused(refusal: Refusal, options: &[&str]) -> Process {
    refusal.during(|| Process::up(&[&["tap", "--no-telemetry", "-v"], options].concat()))
}

#[test]
fn a_kernel_that_refuses_offloads_is_told_of_and_done_without() {
    netns::run("a_kernel_that_refuses_offloads_is_told_of_and_done_without", &[], || {
        for (refusal, offload) in [
            (Refusal::Offloads, &[][..]),
            (Refusal::Header, &[]),
            (Refusal::Offloads, &["--checksum-offload"]),
            (Refusal::Offloads, &["--segmentation-offload"]),
        ] {
            let tap = refused(refusal, offload);
            if offload == ["--segmentation-offload"] {
                tap.complains("tap0 cannot segment; the firmware does that, and its checksums\n");
            }
            tap.complains("tap0: one frame in a system call\n");
            tap.complains(
                "tap0 works frame by frame, which is slow: the kernel refuses to pass many segments \
                 at once (Invalid argument (os error 22)); `--offload off` does not try it",
            );
            works_frame_by_frame(tap, "removed");
        }
    });
}

/// What was there before is found as it was: with its addresses, and without what was asked for in vain.
#[test]
fn an_existing_tap_is_attached_to_all_the_same() {
    netns::run("an_existing_tap_is_attached_to_all_the_same", &[], || {
        sh("ip tuntap add tap0 mode tap vnet_hdr && ip addr add 192.0.2.2/24 dev tap0");
        sh("ip link set tap0 up && ip addr add 2001:db8::2/64 dev tap0 nodad");
        let addresses = "ip -o addr show dev tap0 scope global";
        let before = sh(addresses);
        for refusal in [Refusal::Offloads, Refusal::Header] {
            works_frame_by_frame(refused(refusal, &[]), "left as it was");
            assert_eq!(sh(addresses), before);
        }
    });
}

#[test]
fn a_nic_that_may_not_segment_is_not_left_segmentation() {
    let tap = finished(&["tap", "--offload=off", "--segmentation-offload"]);
    assert_eq!(tap.status.code(), Some(1));
    let error = String::from_utf8_lossy(&tap.stderr);
    assert!(error.contains("leave one of them out"), "{error}");
}

#[test]
fn nothing_is_refused_to_who_asks_for_nothing() {
    netns::run("nothing_is_refused_to_who_asks_for_nothing", &[], || {
        let tap = refused(Refusal::Offloads, &["--offload", "off"]);
        tap.complains("tap0: one frame in a system call\n");
        assert!(!tap.errors().contains("refuse"), "{}", tap.errors());
        works_frame_by_frame(tap, "removed");
    });
}
