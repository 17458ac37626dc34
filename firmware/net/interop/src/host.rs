//! The host: its programs, and what it does while the board runs.

use std::future::{Future, poll_fn};
use std::io::{BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

/// How long a program may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that runs as long as this exists, and is ended by its process id.
pub struct Server {
    child: Child,
    lines: Receiver<String>,
}

impl Server {
    /// Starts a program, and waits until it prints `ready`.
    #[must_use]
    pub fn start(program: &str, arguments: &[&str], ready: &str) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (sender, lines) = channel();
        collect(child.stdout.take().expect("it is piped"), sender.clone());
        collect(child.stderr.take().expect("it is piped"), sender);
        let server = Self { child, lines };
        server.prints(ready);
        server
    }

    /// Waits until it prints a line with `text`.
    pub fn prints(&self, text: &str) {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            if line.unwrap_or_else(|_| panic!("{text:?} was not printed")).contains(text) {
                return;
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes a program's lines on, and shows them if the test fails.
fn collect(source: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            println!("{line}");
            let _ = lines.send(line);
        }
    });
}

/// A directory for files of one test, removed with this.
pub struct Scratch(PathBuf);

impl Scratch {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("tapboard-interop-{}", std::process::id()));
        std::fs::create_dir(&path).expect("a directory of its own");
        Self(path)
    }

    /// A file's path, as a program takes it.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }

    /// A file with that text, and its path.
    #[must_use]
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Debian's `mosquitto` at this address of the host's, for whoever comes.
#[must_use]
pub fn mosquitto(scratch: &Scratch, address: &str) -> Server {
    let text = format!("listener 1883 {address}\nallow_anonymous true\nuser root\n");
    Server::start("mosquitto", &["-v", "-c", &scratch.file("mosquitto.conf", &text)], "running")
}

/// Runs a program to its end, which must be a success, and returns what it printed.
#[must_use]
pub fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("the program starts");
    let Output { status, stdout, stderr } = output;
    let stdout = String::from_utf8(stdout).expect("UTF-8");
    assert!(
        status.success(),
        "{program} {arguments:?}: {status}\n{stdout}{}",
        String::from_utf8_lossy(&stderr)
    );
    stdout
}

/// What a thread of the host's does, to be waited for. Its panic is the waiting one's.
pub fn work<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = T> {
    let shared = Arc::new(Mutex::new((None, None::<Waker>)));
    let theirs = Arc::clone(&shared);
    thread::spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(work));
        let mut shared = theirs.lock().expect("nobody panics with it");
        shared.0 = Some(result);
        let waiting = shared.1.take();
        drop(shared);
        waiting.map(Waker::wake)
    });
    poll_fn(move |context| {
        let mut shared = shared.lock().expect("nobody panics with it");
        if let Some(result) = shared.0.take() {
            Poll::Ready(result.unwrap_or_else(|panic| resume_unwind(panic)))
        } else {
            shared.1 = Some(context.waker().clone());
            Poll::Pending
        }
    })
}
