//! The example on a TAP passes the acceptance test for boards, in a namespace of its own.
#![cfg(target_os = "linux")]

#[path = "../../net/tests/common/netns.rs"]
mod netns;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tapboard_host::check::plan::CheckPlan;
use tapboard_host::check::report::Outcome;
use tapboard_host::check::table::CHECKS;
use tapboard_host::check::{CheckEvent, check};

/// The example, which ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the example, which cargo has built beside this test, and waits until the board is up.
fn start() -> Running {
    let test = std::env::current_exe().expect("this test has a path");
    let built = test.ancestors().nth(2).expect("it is in `deps`").join("examples/tap");
    let mut child = Command::new(built)
        .arg("tap0")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example is built");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let running = Running(child);
    let mut lines = output.lines();
    let first = lines.next().expect("it says that it is up").expect("text");
    assert!(first.starts_with("The board is up"), "{first}");
    // Or else it could not say more.
    std::thread::spawn(move || lines.for_each(drop));
    running
}

#[test]
fn the_example_is_a_good_board() {
    netns::run("the_example_is_a_good_board", || {
        netns::sh("ip tuntap add tap0 mode tap");
        netns::sh("ip addr add 192.0.2.2/24 dev tap0");
        netns::sh("ip link set tap0 up");
        let _board = start();
        let plan = CheckPlan {
            token: None,
            address: [192, 0, 2, 1].into(),
            port_offset: 0,
            forwarded: false,
            skip: Vec::new(),
            bytes: 1_000_000,
            idle: Duration::from_millis(500),
            round_trip: None,
            reset: true,
            listen: None,
            timeout: Duration::from_mins(1),
        };
        let mut passed = 0;
        check(&plan, |event| {
            if let CheckEvent::Finding(finding) = event {
                println!("{finding}");
                passed += usize::from(matches!(finding.outcome, Outcome::Pass(_)));
            }
        });
        assert_eq!(passed, CHECKS.len(), "see above");
    });
}
