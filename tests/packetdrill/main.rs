//! Scripts in the language of packetdrill, run in virtual time against the board on the virtual wire.
//!
//! Our own, in `scripts`, are written from the RFCs. Those of others are run from a directory outside of this repository:
//!
//! ```text
//! PACKETDRILL_SCRIPTS=/path cargo test --test packetdrill -- --ignored --nocapture
//! ```

mod applicable;
mod calls;
#[path = "../common/mod.rs"]
mod common;
mod compare;
mod lengthen;
mod mutation;
mod packet;
mod parse;
mod runner;
mod script;
mod suite;

use std::fs;
use std::path::{Path, PathBuf};

use script::Script;

/// Our scripts, each for IPv4 and IPv6.
fn ours() -> Vec<(PathBuf, Script)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packetdrill/scripts");
    let both = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a script");
        let script =
            parse::parse(&text).unwrap_or_else(|reason| panic!("{}: {reason}", path.display()));
        assert!(script.config.board, "{} speaks of the board", path.display());
        assert_eq!(applicable::refusal(&script), None, "{}", path.display());
        let family = |ipv6| {
            let mut script = script.clone();
            script.config.ipv6 = ipv6;
            (path.clone(), script)
        };
        [family(false), family(true)]
    };
    suite::scripts(&root).into_iter().flat_map(both).collect()
}

#[test]
fn our_scripts_pass() {
    let mut failed = Vec::new();
    let scripts = ours();
    assert!(scripts.len() >= 70, "{}", scripts.len());
    for (path, script) in scripts {
        let ipv6 = script.config.ipv6;
        if let Err(difference) = suite::run_apart(script) {
            let name = path.file_name().unwrap_or_default().display().to_string();
            failed.push(format!("{name} ({}): {difference}", if ipv6 { "IPv6" } else { "IPv4" }));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn each_expectation_of_our_scripts_can_fail() {
    let mut tried = 0;
    let mut passed = Vec::new();
    for (path, script) in ours() {
        for (what, mutant) in mutation::mutants(&script) {
            tried += 1;
            if suite::run_apart(mutant).is_ok() {
                passed.push(format!("{}: {what}", path.display()));
            }
        }
    }
    assert!(tried > 1000, "{tried}");
    assert!(passed.is_empty(), "{}", passed.join("\n"));
}

/// As a script of another stack's is read, with all that is mapped.
#[test]
fn a_script_of_another_stack_can_fail_by_each_flag_number_and_length() {
    let mut tried = 0;
    let mut passed = Vec::new();
    for (path, mut script) in ours().into_iter().step_by(2) {
        script.config.board = false;
        if suite::run_apart(script.clone()).is_err() {
            continue;
        }
        for (what, mutant) in mutation::mutants(&script) {
            let counts = ["flags", "number", "acknowledgement", "length", "result"];
            if counts.iter().any(|counted| what.ends_with(counted)) {
                tried += 1;
                if suite::run_apart(mutant).is_ok() {
                    passed.push(format!("{}: {what}", path.display()));
                }
            }
        }
    }
    assert!(tried > 500, "{tried}");
    assert!(passed.is_empty(), "{}", passed.join("\n"));
}

#[test]
#[ignore = "it takes a directory of scripts"]
fn scripts_of_others() {
    let root = std::env::var_os("PACKETDRILL_SCRIPTS").expect("PACKETDRILL_SCRIPTS is a directory");
    println!("{}", suite::run_all(Path::new(&root)));
}
