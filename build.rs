//! Tells the simulator which commit it is built from, for reports that somebody has to reproduce.

use std::path::Path;
use std::process::Command;

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("rev-parse").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn main() {
    // A package without its repository has none; one within somebody else's repository is not theirs.
    let own = git(&["--show-prefix"]).is_some_and(|prefix| prefix.is_empty());
    let commit = own.then(|| git(&["--short=12", "HEAD"])).flatten();
    println!("cargo::rustc-env=TAPBOARD_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    println!("cargo::rerun-if-changed=build.rs");
    // Every commit and checkout is written down there.
    if let Some(log) = git(&["--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists()) {
        println!("cargo::rerun-if-changed={log}");
    }
}
