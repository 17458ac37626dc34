//! The workflow for GitHub, `examples/ci/tapboard.yml`: what its steps run, run here in their order.

use std::fs;
use std::net::TcpListener;

use crate::common::netns::{self, sh};
use crate::elsewhere::is_elsewhere;
use crate::markdown::root;
use crate::session::{Session, built};

/// The number of a run, which GitHub puts in.
const RUN_NUMBER: (&str, &str) = ("${{ github.run_number }}", "7");

/// The scripts of the steps, each a `run: |` and the lines that are further in.
fn scripts() -> Vec<String> {
    let text = fs::read_to_string(root().join("examples/ci/tapboard.yml")).expect("it is there");
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().peekable();
    let mut scripts = Vec::new();
    while let Some(line) = lines.next() {
        assert!(!line.contains('\t'), "YAML has no tabs: {line:?}");
        if line.trim() != "run: |" {
            assert!(
                !line.trim_start().starts_with("run:"),
                "{line:?}: a script begins with `run: |`"
            );
            continue;
        }
        let mut script = String::new();
        while let Some(inner) = lines.next_if(|inner| depth(inner) > depth(line)) {
            script.push_str(inner.trim());
            script.push('\n');
        }
        assert!(!script.is_empty(), "a step that runs nothing");
        scripts.push(script.replace(RUN_NUMBER.0, RUN_NUMBER.1));
    }
    scripts
}

/// Every line of the scripts.
pub(crate) fn commands() -> Vec<String> {
    scripts()
        .iter()
        .flat_map(|script| script.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn every_step_of_the_workflow_succeeds() {
    const TEST: &str = "workflow::every_step_of_the_workflow_succeeds";
    if !built().join("tapboard-host").is_file() {
        return netns::skip(TEST, "tapboard-host is not built; run `cargo test --workspace`");
    }
    netns::run_within(120, TEST, &[("nc", "netcat-openbsd")], || {
        sh("ip link set lo up");
        let mut session = Session::new("workflow");
        let scripts = scripts();
        assert!(scripts.len() >= 4, "{scripts:?}");
        for script in scripts {
            let here: Vec<_> = script.lines().filter(|line| !is_elsewhere(line)).collect();
            assert!(!here.iter().any(|line| line.contains("${{")), "{here:?}");
            let (success, printed) = session.run(&here.join("\n"));
            assert!(success, "{script}\n{printed}");
        }
    });
}

/// Whoever holds the port answers in the board's place: the step must not take that for the board.
#[test]
fn the_workflow_fails_if_its_board_does_not_start() {
    const TEST: &str = "workflow::the_workflow_fails_if_its_board_does_not_start";
    netns::run_within(120, TEST, &[("nc", "netcat-openbsd")], || {
        sh("ip link set lo up");
        let _taken = TcpListener::bind("127.0.0.1:7007").expect("a port of the namespace");
        let mut session = Session::new("workflow-taken");
        let scripts = scripts();
        let start = scripts.iter().find(|script| script.starts_with("tapboard --"));
        let (success, printed) = session.run(start.expect("the step that starts the board"));
        assert!(!success && printed.contains("cannot listen on 127.0.0.1:7007"), "{printed}");
    });
}
