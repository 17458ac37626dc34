//! A directory of scripts: which passed, which failed and how, which do not apply and why.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use super::applicable::refusal;
use super::lengthen::lengthen;
use super::parse::parse;
use super::runner::run;
use super::script::Script;

/// What became of a script.
#[derive(Debug)]
pub(crate) enum Verdict {
    Passed,
    /// The first difference.
    Failed(String),
    /// Why.
    NotApplicable(String),
}

pub(crate) fn judge(text: &str) -> Verdict {
    let script = match parse(text) {
        Ok(script) => script,
        Err(reason) => return Verdict::NotApplicable(reason),
    };
    if let Some(reason) = refusal(&script) {
        return Verdict::NotApplicable(reason);
    }
    match run_apart(lengthen(script)) {
        Ok(()) => Verdict::Passed,
        Err(difference) => Verdict::Failed(difference),
    }
}

/// Runs a script on a call stack that large buffers fit on; a panic is its failure.
pub(crate) fn run_apart(script: Script) -> Result<(), String> {
    let thread = thread::Builder::new().stack_size(16 << 20).spawn(move || run(&script));
    thread.expect("a thread").join().unwrap_or_else(|_| Err("panic".to_owned()))
}

/// All scripts in a directory and those below it, in order.
pub(crate) fn scripts(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of scripts") {
            let path = entry.expect("a directory's entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "pkt") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Runs all of them and tells of each group.
pub(crate) fn run_all(root: &Path) -> String {
    let mut groups: BTreeMap<String, Vec<(String, Verdict)>> = BTreeMap::new();
    for path in scripts(root) {
        let text = String::from_utf8_lossy(&fs::read(&path).expect("a script")).into_owned();
        let path = path.strip_prefix(root).expect("it is below");
        let group = path.parent().map_or(String::new(), |group| group.display().to_string());
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        groups.entry(group).or_default().push((name, judge(&text)));
    }
    let mut out = String::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for (group, verdicts) in &groups {
        for (name, verdict) in verdicts {
            match verdict {
                Verdict::Passed => {}
                Verdict::Failed(difference) => {
                    let _ = writeln!(out, "FAILED {group}/{name}: {difference}");
                }
                Verdict::NotApplicable(reason) => {
                    let _ = writeln!(out, "n/a    {group}/{name}: {reason}");
                    *reasons.entry(reason.clone()).or_default() += 1;
                }
            }
        }
    }
    let _ = writeln!(out, "\n{:56} {:>6} {:>6} {:>6}", "group", "passed", "failed", "n/a");
    for (group, verdicts) in &groups {
        let count = |wanted: fn(&Verdict) -> bool| {
            verdicts.iter().filter(|(_, verdict)| wanted(verdict)).count()
        };
        let passed = count(|verdict| matches!(verdict, Verdict::Passed));
        let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
        let _ = writeln!(
            out,
            "{group:56} {passed:6} {failed:6} {:6}",
            verdicts.len() - passed - failed
        );
    }
    for (reason, count) in reasons {
        let _ = writeln!(out, "{count:5} n/a: {reason}");
    }
    out
}
