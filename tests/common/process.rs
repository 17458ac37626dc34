//! The real program, started as a user would, and never outliving its test.
//!
//! A [`Process`] collects what the program prints while it runs, so that a test can wait for a line or
//! for the end: by condition, for at most [`PATIENCE`]. Dropping it kills the program; a failing test
//! shows what it had printed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smoltcp::time::Instant;
use tapboard::clock::RealClock;

use super::netns;

/// How long anything may take that has to happen: far longer than it does on a loaded machine. Nothing is
/// concluded from how long it took.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Text that arrives, and whether it has ended.
#[derive(Default)]
struct Collected {
    text: Mutex<(String, bool)>,
    news: Condvar,
}

impl Collected {
    /// Collects from `source` until it ends.
    fn start(mut source: impl Read + Send + 'static) -> Arc<Self> {
        let collected = Arc::new(Self::default());
        let shared = Arc::clone(&collected);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let count = source.read(&mut buffer).unwrap_or(0);
                let mut guard = shared.text.lock().expect("no panic while it is held");
                guard.0.push_str(&String::from_utf8_lossy(&buffer[..count]));
                guard.1 = count == 0;
                shared.news.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        collected
    }

    /// Waits until `done` holds for the text and its end. Says whether it did in time.
    fn wait(&self, patience: Duration, done: impl Fn(&str, bool) -> bool) -> bool {
        let guard = self.text.lock().expect("no panic while it is held");
        let waiting = |state: &mut (String, bool)| !done(&state.0, state.1);
        let (_guard, timeout) =
            self.news.wait_timeout_while(guard, patience, waiting).expect("no panic");
        !timeout.timed_out()
    }

    fn text(&self) -> String {
        self.text.lock().expect("no panic while it is held").0.clone()
    }
}

/// What a thread is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Thread {
    /// How often it went to sleep.
    switches: u64,
    asleep: bool,
}

/// How often a process was woken in a time, which on a loaded machine is longer than it was to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wakeups {
    pub(crate) count: u64,
    /// The time, rounded up.
    pub(crate) seconds: u64,
}

/// A running `tapboard`.
pub(crate) struct Process {
    child: Child,
    /// Its console, if it has one.
    console: Option<ChildStdin>,
    stdout: Option<Arc<Collected>>,
    stderr: Arc<Collected>,
}

impl Process {
    /// Starts `command` with its output collected; its standard output too unless `stdout` says where.
    pub(crate) fn spawn(command: Command, stdout: Option<Stdio>) -> Self {
        Self::start(command, stdout, Stdio::null())
    }

    fn start(mut command: Command, stdout: Option<Stdio>, stdin: Stdio) -> Self {
        let collect = stdout.is_none();
        command.stdin(stdin).stdout(stdout.unwrap_or_else(Stdio::piped));
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let stdout = collect.then(|| Collected::start(child.stdout.take().expect("it is piped")));
        let stderr = Collected::start(child.stderr.take().expect("it is piped"));
        Self { console: child.stdin.take(), child, stdout, stderr }
    }

    /// Starts `tapboard` with these arguments and waits until it is up.
    pub(crate) fn up(arguments: &[&str]) -> Self {
        Self::come_up(arguments, Stdio::null())
    }

    /// Likewise, with a console; see [`Process::command`].
    pub(crate) fn with_console(arguments: &[&str]) -> Self {
        Self::come_up(arguments, Stdio::piped())
    }

    fn come_up(arguments: &[&str], stdin: Stdio) -> Self {
        let process = Self::start(tapboard(arguments), None, stdin);
        assert!(process.is_up(), "tapboard {arguments:?} does not come up: {}", process.errors());
        process
    }

    /// Gives its console a command, and waits until it has printed `answer`.
    pub(crate) fn command(&mut self, line: &str, answer: &str) {
        let console = self.console.as_mut().expect("it was started with a console");
        writeln!(console, "{line}").expect("it reads commands");
        self.prints(answer);
    }

    /// Waits until the program is up; `false` if it ends first.
    pub(crate) fn is_up(&self) -> bool {
        const LAST: &str = "Ctrl-C ends it.\n";
        let stdout = self.stdout.as_ref().expect("standard output is collected");
        assert!(
            stdout.wait(PATIENCE, |text, end| end || text.contains(LAST)),
            "neither up nor over"
        );
        stdout.text().contains(LAST)
    }

    /// Waits until the program has printed `text`.
    pub(crate) fn prints(&self, text: &str) {
        let stdout = self.stdout.as_ref().expect("standard output is collected");
        let printed = stdout.wait(PATIENCE, |all, end| end || all.contains(text));
        assert!(printed && stdout.text().contains(text), "{text:?} was not printed");
    }

    /// Waits until what the program has printed will do, for at most that long; `false` if it does not.
    pub(crate) fn until(&self, patience: Duration, done: impl Fn(&str) -> bool) -> bool {
        let stdout = self.stdout.as_ref().expect("standard output is collected");
        stdout.wait(patience, |text, end| end || done(text)) && done(&stdout.text())
    }

    /// Waits until what the program has printed will do.
    pub(crate) fn prints_until(&self, done: impl Fn(&str) -> bool) {
        let stdout = self.stdout.as_ref().expect("standard output is collected");
        let will_do = stdout.wait(PATIENCE, |all, end| end || done(all));
        assert!(will_do && done(&stdout.text()), "what was to be printed was not");
    }

    /// Waits until the program has logged or complained `text`.
    pub(crate) fn complains(&self, text: &str) {
        let complained = self.stderr.wait(PATIENCE, |all, end| end || all.contains(text));
        assert!(complained && self.errors().contains(text), "{text:?} was not logged");
    }

    /// Waits until what it has logged will do.
    pub(crate) fn complains_until(&self, done: impl Fn(&str) -> bool) {
        let will_do = self.stderr.wait(PATIENCE, |all, end| end || done(all));
        assert!(will_do && done(&self.errors()), "what was to be logged was not");
    }

    /// What it printed so far.
    pub(crate) fn output(&self) -> String {
        self.stdout.as_ref().map_or_else(String::new, |stdout| stdout.text())
    }

    /// What it logged and complained of so far.
    pub(crate) fn errors(&self) -> String {
        self.stderr.text()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, e.g. `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        netns::sh(&format!("kill -{name} {}", self.id()));
    }

    /// Waits for the end of the program, which must come by itself.
    pub(crate) fn end(&mut self) -> ExitStatus {
        // The end of both streams is the end of the program: it has no children.
        for stream in self.stdout.iter().chain([&self.stderr]) {
            assert!(stream.wait(PATIENCE, |_, end| end), "it still runs after {PATIENCE:?}");
        }
        self.child.wait().expect("it is our child")
    }

    /// Waits for the end of the program, and returns its exit code.
    pub(crate) fn exit(&mut self) -> Option<i32> {
        self.end().code()
    }

    /// Its resident memory, KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()));
        number(&status.expect("it runs"), "VmRSS")
    }

    /// Waits until it has nothing to do: all its threads sleep, and go on sleeping for longer than anybody delays
    /// an acknowledgement.
    pub(crate) fn settles(&self) {
        const STILL: Duration = Duration::from_millis(300);
        let clock = RealClock::new();
        loop {
            let before = self.threads();
            assert!(!self.stderr.wait(STILL, |_, end| end), "it has ended");
            let still = self.threads() == before && before.values().all(|thread| thread.asleep);
            if still {
                return;
            }
            assert!(clock.now() < Instant::ZERO + PATIENCE.into(), "it is always busy");
        }
    }

    /// How often it slept and was woken during `what`: the voluntary context switches of its threads. One that
    /// ends meanwhile is left out, and no other made up for it.
    pub(crate) fn wakeups(&self, what: impl FnOnce()) -> Wakeups {
        let (before, clock) = (self.threads(), RealClock::new());
        what();
        let (after, time) = (self.threads(), clock.now());
        let spent = after.iter().map(|(thread, now)| {
            now.switches - before.get(thread).map_or(0, |before| before.switches)
        });
        Wakeups { count: spent.sum(), seconds: time.total_millis().cast_unsigned() / 1000 + 1 }
    }

    /// What each thread is at.
    fn threads(&self) -> BTreeMap<OsString, Thread> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.id())).expect("it runs");
        let threads = tasks.filter_map(|task| {
            let task = task.expect("a thread");
            // It may have ended since.
            let status = std::fs::read_to_string(task.path().join("status")).ok()?;
            let switches = number(&status, "voluntary_ctxt_switches");
            let asleep = status.lines().any(|line| line.starts_with("State:\tS"));
            Some((task.file_name(), Thread { switches, asleep }))
        });
        threads.collect()
    }

    /// System calls so far that read or wrote a file descriptor.
    pub(crate) fn calls(&self) -> u64 {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.id())).expect("it runs");
        let counts = io.lines().filter_map(|line| line.strip_prefix("sysc")?.split_once(": "));
        counts.map(|(_, count)| count.parse::<u64>().expect("a number")).sum()
    }
}

/// One number of a `/proc` status file.
fn number(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    word.and_then(|number| number.parse().ok()).expect(key)
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("tapboard printed:\n{}{}", self.output(), self.errors());
        }
    }
}

/// The program with these arguments, not yet started, in an environment that changes nothing of what it prints.
pub(crate) fn tapboard(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapboard"));
    command.args(arguments).env_remove("RUST_BACKTRACE").env_remove("COLUMNS");
    // What a test types is nobody's history.
    command.env("TAPBOARD_HISTORY", "");
    command
}

/// Runs `tapboard` to its end, which must come by itself.
pub(crate) fn finished(arguments: &[&str]) -> Output {
    let mut process = Process::spawn(tapboard(arguments), None);
    let status = process.end();
    Output { status, stdout: process.output().into(), stderr: process.errors().into() }
}

/// A connection that gives up waiting after [`PATIENCE`].
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("not zero");
    stream
}

/// Whether there is something to read or to accept within this time.
pub(crate) fn readable(source: &impl AsFd, patience: Duration) -> bool {
    let timeout = Timespec::try_from(patience).expect("a few seconds");
    let mut fds = [PollFd::new(source, PollFlags::IN)];
    poll(&mut fds, Some(&timeout)).expect("poll") > 0
}

/// Waits until the kernel reports an error of this connection, which no call has been told of yet.
pub(crate) fn breaks(client: &TcpStream) -> bool {
    let timeout = Timespec::try_from(PATIENCE).expect("a minute");
    // Errors are reported unasked.
    let mut fds = [PollFd::new(client, PollFlags::empty())];
    poll(&mut fds, Some(&timeout)).expect("poll") > 0 && fds[0].revents().contains(PollFlags::ERR)
}

/// Bytes that show where they belong: any loss, repetition or shift changes them.
pub(crate) fn pattern(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(&mut next).take(len).collect()
}

/// Sends `data` and its end from a thread, and returns what comes back until the peer's end.
pub(crate) fn echo(stream: &TcpStream, data: &[u8]) -> std::io::Result<Vec<u8>> {
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            (&*stream).write_all(data)?;
            stream.shutdown(std::net::Shutdown::Write)
        });
        let mut back = Vec::with_capacity(data.len());
        let received = (&*stream).read_to_end(&mut back);
        sender.join().expect("the sender did not panic")?;
        received.map(|_| back)
    })
}
