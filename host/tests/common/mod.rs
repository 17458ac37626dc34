//! The real binary as a child process, and servers to run it against, all on 127.0.0.1.
//!
//! Nothing here waits for a time: everything waits for an event, with [`PATIENCE`] as the bound that turns a
//! hang into a failure.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of this")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::Value;

pub mod board;
pub mod judge;
#[path = "../../../tests/common/ports.rs"]
mod ports;
#[cfg(target_os = "linux")]
pub mod terminal;

/// How long anything may take before the test fails, a whole run of the tool too: far longer than on a loaded machine.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// The tool with these arguments, all its streams piped.
pub fn tool(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tapboard-host"))
        .args(arguments)
        .env_remove("COLUMNS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool starts")
}

/// Runs the tool to its end with nothing on standard input.
pub fn run(arguments: &[&str]) -> Finished {
    let mut child = tool(arguments);
    drop(child.stdin.take());
    finish(child)
}

/// What a run of the tool left.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Finished {
    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("text")
    }

    /// Standard output as JSON lines; fails if any line is not an object.
    pub fn objects(&self) -> Vec<Value> {
        let objects: Vec<Value> = self
            .text()
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect();
        assert!(objects.iter().all(Value::is_object), "{objects:?}");
        objects
    }

    /// The last object, which must be the event `word`.
    pub fn last(&self, word: &str) -> Value {
        let last = self.objects().pop().unwrap_or_else(|| panic!("no output: {self:?}"));
        assert_eq!(last["event"], word, "{self:?}");
        last
    }
}

/// Waits for the end of a child whose standard input may still be open; kills it if that never comes.
pub fn finish(mut child: Child) -> Finished {
    let (id, input) = (child.id(), child.stdin.take());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(result) = receiver.recv_timeout(PATIENCE) else {
        signal("KILL", id);
        panic!("the tool does not end");
    };
    drop(input);
    let Output { status, stdout, stderr } = result.expect("the tool can be waited for");
    let stderr = String::from_utf8(stderr).expect("text");
    assert!(!stderr.contains("panicked"), "{stderr}");
    Finished { code: status.code(), stdout, stderr }
}

/// Does something that may block, and fails the test if it takes too long.
pub fn bounded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(PATIENCE).expect("in time")
}

/// The lines of a child's output, as they come.
pub fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    lines
}

/// Sends a signal, by name, to a process that a test started.
pub fn signal(name: &str, id: u32) {
    let status = Command::new("kill").args(["-s", name, &id.to_string()]).status();
    assert!(status.expect("kill runs").success());
}

/// Serves each connection on a thread of its own; the handler gets its number and its socket.
pub fn server(handler: impl Fn(usize, TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (stream, handler) = (stream.expect("a connection"), handler.clone());
            thread::spawn(move || handler(number, stream));
        }
    });
    address
}

/// Echoes up to the peer's FIN, then closes. `change` may alter the bytes at an offset.
pub fn echo(mut stream: &TcpStream, mut change: impl FnMut(u64, &mut [u8])) {
    let mut buffer = [0; 5000];
    let mut offset = 0;
    // Errors are the tool's end of the connection going away, as in the tests where it gives up.
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        change(offset, &mut buffer[..length]);
        offset += length as u64;
        if stream.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

/// Echoes exactly `count` bytes.
pub fn echo_count(mut stream: &TcpStream, count: usize) {
    let mut data = vec![0; count];
    // In small pieces: the tool sends the next ping only after the echo of the one before.
    for piece in data.chunks_mut(64) {
        stream.read_exact(piece).expect("bytes");
        stream.write_all(piece).expect("room");
    }
}

/// Closes a connection with RST instead of FIN.
pub fn reset(stream: TcpStream) {
    let socket = socket2::Socket::from(stream);
    socket.set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
    drop(socket);
}

/// Holds a connection open, without reading it, until the test's process ends.
pub fn hold(stream: TcpStream) {
    std::mem::forget(stream);
}

/// An address on which nothing listens, nor will.
pub fn closed_port() -> SocketAddr {
    ports::local(ports::free_port())
}

/// A running `tapboard-host serve --json` whose events are read as they come.
pub struct Serve {
    child: Child,
    /// Kept open, as a terminal's is.
    _input: Option<ChildStdin>,
    lines: Receiver<String>,
    pub address: SocketAddr,
}

impl Serve {
    pub fn start(arguments: &[&str]) -> Self {
        let base = ["serve", "--listen", "127.0.0.1:0", "--json"];
        // No board of these tests falls silent by being slow.
        let patient = ["--silence", "3600"];
        let patient = if arguments.contains(&"--silence") { &[][..] } else { &patient };
        let mut child = tool(&[&base, patient, arguments].concat());
        let lines = lines_of(child.stdout.take().expect("piped"));
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut serve = Self { _input: child.stdin.take(), child, lines, address };
        let listening = serve.next("listening");
        serve.address = listening["address"].as_str().expect("text").parse().expect("an address");
        serve
    }

    /// The next object, which must be the event `word`; a report if `word` is empty.
    pub fn next(&mut self, word: &str) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("another line of output");
        let object: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(object["event"].as_str().unwrap_or(""), word, "{object}");
        object
    }

    /// The next object that is this, after others that may come before it.
    pub fn comes_to(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("another line of output");
            let object: Value = serde_json::from_str(&line).expect("JSON");
            if wanted(&object) {
                return object;
            }
        }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
        stream
    }

    /// Sends a signal and waits for the end; the output that was not read yet is returned with it.
    pub fn end(self, signal_name: Option<&str>) -> (Finished, Vec<Value>) {
        if let Some(name) = signal_name {
            signal(name, self.child.id());
        }
        let finished = finish(self.child);
        let rest =
            self.lines.iter().map(|line| serde_json::from_str(&line).expect("JSON")).collect();
        (finished, rest)
    }
}
