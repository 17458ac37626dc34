//! `tapboard-host bench` against `tapboard user`, both as they are: what is measured is checked for its
//! shape and its bytes, never for its speed.

#![cfg(target_os = "linux")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::ports::{free_port, local};
use common::process::PATIENCE;
use common::user::User;
use tapboard_host::bench::outcome::{Run, Summary};
use tapboard_host::bench::plan::{BenchPlan, Test};
use tapboard_host::bench::{measure, report::BenchReport};
use tapboard_host::output::Error;

/// Two runs of `test` against the service at `address`, which end by what they move.
fn plan(test: Test, address: SocketAddr) -> BenchPlan {
    BenchPlan {
        address: address.ip(),
        // Each service has a free port of its own: the offset leads to that of this test.
        port_offset: address.port() - test.service().port,
        tests: vec![test],
        runs: 2,
        time: if test == Test::Trip { Duration::from_secs(1) } else { Duration::from_mins(10) },
        bytes: 500_000,
        parallel: 1,
        connections: 20,
        chunk: 64 * 1024,
        connect_timeout: PATIENCE,
        stall_timeout: PATIENCE,
    }
}

fn measured(plan: &BenchPlan) -> Result<Vec<Run>, Error> {
    let mut runs = Vec::new();
    measure(plan, |run| runs.push(run)).map(|()| runs)
}

fn refusal(test: Test, address: SocketAddr) -> String {
    match measured(&plan(test, address)) {
        Err(Error::Failed(message)) => message,
        other => panic!("{test:?} gave a result: {other:?}"),
    }
}

#[test]
fn every_test_of_a_board_gives_its_figures() {
    for profile in ["mcu", "large"] {
        let user = User::quiet(&["--profile", profile]);
        for test in Test::ALL {
            let plan = plan(
                test,
                match test {
                    Test::To => user.discard,
                    Test::From => user.chargen,
                    Test::Duplex | Test::Trip | Test::Connect => user.echo,
                },
            );
            let runs = measured(&plan).unwrap_or_else(|error| panic!("{test:?}: {error:?}"));
            assert_eq!(runs.len(), 2);
            for run in &runs {
                let json = run.json();
                assert_eq!((&json["event"], &json["test"]), (&"run".into(), &test.word().into()));
                match test {
                    Test::To | Test::Duplex => assert_eq!(json["bytes"], 500_000),
                    Test::From => assert!(json["bytes"].as_u64() >= Some(500_000), "{json}"),
                    Test::Trip => assert!(json["count"].as_u64() >= Some(1), "{json}"),
                    Test::Connect => assert_eq!(json["count"], 20),
                }
            }
            let report = BenchReport { plan: &plan, runs: &runs, interrupted: false };
            let summaries: Vec<Summary> = report.summaries().collect();
            let [summary] = &summaries[..] else { panic!("{summaries:?}") };
            let json = summary.json();
            let rate = match test {
                Test::To | Test::From | Test::Duplex => "bytes_per_second",
                Test::Trip | Test::Connect => "per_second",
            };
            assert!(json[rate].as_f64() > Some(0.0), "{json}");
            assert_eq!(json["p999_us"].is_number(), rate == "per_second", "{json}");
        }
    }
}

#[test]
fn what_is_not_the_service_gives_no_figures() {
    let user = User::quiet(&[]);
    // A shell greets and prompts, whatever it is asked.
    for test in [Test::From, Test::Duplex, Test::Trip] {
        let message = refusal(test, user.shell);
        assert!(
            message.contains("wrong byte at offset ") || message.contains("more came"),
            "{message}"
        );
    }
    let message = refusal(Test::To, user.shell);
    assert!(message.starts_with("discard (port 9 of the board): "), "{message}");
    let message = refusal(Test::From, local(free_port()));
    assert!(message.starts_with("chargen (port 19 of the board): nothing listens"), "{message}");
    // The board is none the worse for it.
    assert!(measured(&plan(Test::Duplex, user.echo)).is_ok());
}
