//! Processes of the benchmark: started under it, pinned to a core, measured, and ended with it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::namespace::this_program;
use crate::role;

/// How long a process may take to come up.
const UP: Duration = Duration::from_secs(20);

/// A running process, killed and waited for when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
    /// What it prints, once somebody waits for it.
    lines: Option<Receiver<String>>,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// CPU time of all its threads, user and system, seconds; in steps of the clock tick, mostly 10 ms.
    pub(crate) cpu_seconds: f64,
    /// System calls that read or write a file descriptor, as /proc/PID/io counts them: not those that
    /// receive from or send to a socket.
    pub(crate) calls: u64,
}

impl Process {
    /// Starts this program in `role`.
    pub(crate) fn start(role: &str, arguments: &[&str]) -> Result<Self, String> {
        Self::spawn(role, arguments, &mut Command::new(this_program()?))
    }

    /// As [`Self::start`], in a network namespace of its own.
    pub(crate) fn start_apart(role: &str, arguments: &[&str]) -> Result<Self, String> {
        let mut command = Command::new("unshare");
        command.arg("-n").arg(this_program()?);
        Self::spawn(role, arguments, &mut command)
    }

    fn spawn(role: &str, arguments: &[&str], command: &mut Command) -> Result<Self, String> {
        let name = format!("{role} {}", arguments.join(" "));
        command.arg(role::WORD).arg(role).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
        Ok(Self { child, name, lines: None })
    }

    /// Waits until it prints a line that is, or ends with, `last`.
    pub(crate) fn wait_for(&mut self, last: &str) -> Result<(), String> {
        if let Some(stdout) = self.child.stdout.take() {
            self.lines = Some(lines_of(stdout));
        }
        let lines = self.lines.as_ref().ok_or("its output cannot be read twice")?;
        loop {
            match lines.recv_timeout(UP) {
                Ok(line) if line.ends_with(last) => return Ok(()),
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("`{}` has ended", self.name));
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("`{}` does not come up", self.name));
                }
            }
        }
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Closes its standard input.
    pub(crate) fn release(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Keeps all its threads, and those they start, on one core.
    pub(crate) fn pin(&self, core: usize) -> Result<(), String> {
        let cannot = |error: &dyn std::fmt::Display| format!("cannot pin `{}`: {error}", self.name);
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id())).map_err(|e| cannot(&e))?;
        for task in tasks {
            let task = task.map_err(|error| cannot(&error))?.file_name();
            let task = task.to_str().and_then(|task| task.parse().ok()).and_then(Pid::from_raw);
            match sched_setaffinity(task, &only(core)) {
                // It may have ended in between.
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(cannot(&error)),
            }
        }
        Ok(())
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Result<Usage, String> {
        let read = |file: &str| {
            let path = format!("/proc/{}/{file}", self.id());
            fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))
        };
        let stat = read("stat")?;
        // After the name, which may hold anything, in brackets: utime and stime are fields 14 and 15.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks: u64 =
            fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        let cpu_seconds = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        let io = read("io")?;
        let count = |key: &str| {
            let line = io.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        Ok(Usage { cpu_seconds, calls: count("syscr:") + count("syscw:") })
    }

    /// Waits for the end of its output, at most for `limit`, and returns what it printed.
    pub(crate) fn output(mut self, limit: Duration) -> Result<String, String> {
        let Some(mut stdout) = self.child.stdout.take() else {
            return Err(format!("the output of `{}` was read before", self.name));
        };
        let (sender, printed) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let result = stdout.read_to_string(&mut text);
            let _ = sender.send(result.map(|_| text));
        });
        match printed.recv_timeout(limit) {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(format!("cannot read from `{}`: {error}", self.name)),
            Err(_) => Err(format!("`{}` did not end within {limit:?}", self.name)),
        }
    }
}

/// The lines of an output as they come; read to its end, so that whoever prints is never held up.
fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Nobody may be waiting any more.
            let _ = sender.send(line);
        }
    });
    lines
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A set of one core.
pub(crate) fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}
