//! What is left of a test that failed: a report, a capture and a ladder, where CI collects them.

use std::cell::RefCell;
use std::env;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::flight::Flight;
use crate::output::counted;

/// Where artifacts go, in place of `tapboard` in the target directory.
pub(super) const ARTIFACTS: &str = "TAPBOARD_ARTIFACTS";
/// The only seed to run.
pub(super) const SEED: &str = "TAPBOARD_SEED";

/// A test that failed.
#[derive(Debug)]
pub(super) struct Failure<'a> {
    /// Of the test, as `cargo test` knows it; `None` if its thread does not tell.
    pub(super) name: Option<&'a str>,
    pub(super) seed: Option<u64>,
    pub(super) what: &'a str,
    /// It is a test's: a command runs it again.
    pub(super) tested: bool,
}

impl Failure<'_> {
    /// Writes all that is known of it into a directory of its own below `directory`, and returns the report. What cannot
    /// be written is said there: the failure itself counts for more.
    pub(super) fn write(&self, directory: &Path, flights: &[Rc<RefCell<Flight>>]) -> String {
        let directory = directory.join(self.directory_name());
        let mut report = String::new();
        let seed = self.seed.map_or_else(String::new, |seed| format!(" with seed {seed}"));
        let _ = writeln!(report, "{}{seed}: {}", self.name.unwrap_or("a test"), self.what);
        if let Err(error) = Self::write_all(&directory, flights, &mut report) {
            let _ = writeln!(report, "cannot write {}: {error}", directory.display());
        }
        if self.tested {
            let _ = writeln!(report, "  again    {}", self.command());
        }
        report.truncate(report.trim_end().len());
        // The report's own file is the last: it has all of it.
        let _ = fs::write(directory.join("report.txt"), format!("{report}\n"));
        report
    }

    fn write_all(
        directory: &Path,
        flights: &[Rc<RefCell<Flight>>],
        report: &mut String,
    ) -> io::Result<()> {
        // What an earlier run left there is not this one's.
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        fs::create_dir_all(directory)?;
        for (index, flight) in flights.iter().enumerate() {
            let Ok(flight) = flight.try_borrow() else { continue };
            let suffix = if index == 0 { String::new() } else { format!("-{}", index + 1) };
            let path = directory.join(format!("capture{suffix}.pcapng"));
            flight.write_capture(&path).map_err(io::Error::other)?;
            let frames = counted(flight.frames() as u64, "frame");
            let forgotten = match flight.forgotten() {
                0 => String::new(),
                count => format!(" after {} that were not kept", counted(count, "frame")),
            };
            let _ = writeln!(report, "  capture  {} ({frames}{forgotten})", path.display());
            let path = directory.join(format!("ladder{suffix}.txt"));
            fs::write(&path, flight.ladder())?;
            let _ = writeln!(report, "  ladder   {}", path.display());
            for (title, text) in &flight.notes {
                let path = directory.join(format!("{}{suffix}.txt", file_name(title)));
                fs::write(&path, text)?;
                let _ = writeln!(report, "  {title:<8} {}", path.display());
            }
        }
        Ok(())
    }

    fn directory_name(&self) -> String {
        let name = self.name.map_or_else(numbered, file_name);
        self.seed.map_or_else(|| name.clone(), |seed| format!("{name}-seed-{seed}"))
    }

    /// The command that runs it again.
    fn command(&self) -> String {
        let mut command = String::new();
        if let Some(seed) = self.seed {
            let _ = write!(command, "{SEED}={seed} ");
        }
        command.push_str("cargo test");
        // Cargo tells its tests.
        if let Ok(package) = env::var("CARGO_PKG_NAME") {
            let _ = write!(command, " --package {package}");
        }
        if let Some(example) = example() {
            let _ = write!(command, " --example {example}");
        }
        if let Some(name) = self.name {
            let _ = write!(command, " {name} -- --exact");
        }
        command
    }
}

/// The name of the test on this thread, as the test runner knows it. `None` on a thread without a name, and on a program's
/// main one.
pub(super) fn test_name() -> Option<String> {
    let thread = std::thread::current();
    thread.name().filter(|&name| name != "main").map(str::to_owned)
}

/// A name for what is left of a test that has none: the program's, and a number that no other of this run has.
fn numbered() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let program = program().map_or_else(|| "tapboard".into(), |(program, _)| file_name(&program));
    format!("{program}-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Where artifacts go: [`ARTIFACTS`], or `tapboard` in the target directory.
pub(super) fn directory() -> PathBuf {
    if let Some(directory) = env::var_os(ARTIFACTS).filter(|value| !value.is_empty()) {
        return directory.into();
    }
    // target/PROFILE/PROGRAM, or target/PROFILE/{deps,examples}/PROGRAM
    let target = env::current_exe().ok().and_then(|exe| {
        let below =
            exe.parent()?.file_name().is_some_and(|name| name == "deps" || name == "examples");
        Some(exe.ancestors().nth(if below { 3 } else { 2 })?.to_owned())
    });
    target.unwrap_or_else(|| "target".into()).join("tapboard")
}

/// The example that this is the test of.
fn example() -> Option<String> {
    program().and_then(|(name, is_example)| is_example.then_some(name))
}

/// This program's name, and whether it is an example's.
fn program() -> Option<(String, bool)> {
    let exe = env::current_exe().ok()?;
    let is_example = exe.parent()?.file_name()? == "examples";
    let stem = exe.file_stem()?.to_str()?;
    // Cargo puts a hash behind the name.
    Some((stem.rsplit_once('-').map_or(stem, |(name, _)| name).to_owned(), is_example))
}

/// A name that every file system takes.
fn file_name(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' };
    name.replace("::", "-").chars().map(kept).collect()
}
