//! `tapboard user` on ports of its own, so that any number of tests run at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use smoltcp::time::Instant;
use tapboard::clock::RealClock;

use super::ports::{free_offset, local};
use super::process::{PATIENCE, Process, connect, readable, tapboard};

/// The ports of the board's services.
pub(crate) const SERVICES: [u16; 5] = [7, 9, 19, 23, 80];

/// The options that forward ports of the test's own to all services: port 7 at the first of these, and so on.
pub(crate) struct Forwards {
    pub(crate) echo: SocketAddr,
    pub(crate) discard: SocketAddr,
    pub(crate) chargen: SocketAddr,
    pub(crate) shell: SocketAddr,
    pub(crate) http: SocketAddr,
    options: Vec<String>,
}

impl Forwards {
    /// From free ports.
    pub(crate) fn free() -> Self {
        Self::at(free_offset(&SERVICES))
    }

    /// From ports that are the services' and `offset`.
    pub(crate) fn at(offset: u16) -> Self {
        let [echo, discard, chargen, shell, http] = SERVICES.map(|port| local(offset + port));
        let options = SERVICES.map(|port| format!("-p{}:{port}", offset + port)).into();
        Self { echo, discard, chargen, shell, http, options }
    }

    /// Arguments for `tapboard`: `before`, the forwards, and what follows them.
    pub(crate) fn arguments<'a>(&'a self, before: &[&'a str], after: &[&'a str]) -> Vec<&'a str> {
        let forwards = self.options.iter().map(String::as_str);
        before.iter().copied().chain(forwards).chain(after.iter().copied()).collect()
    }
}

/// A board behind free ports of 127.0.0.1.
pub(crate) struct User {
    pub(crate) process: Process,
    pub(crate) echo: SocketAddr,
    pub(crate) discard: SocketAddr,
    pub(crate) chargen: SocketAddr,
    pub(crate) shell: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl User {
    /// A board without telemetry, with further options.
    pub(crate) fn quiet(options: &[&str]) -> Self {
        Self::start(&[&["--no-telemetry"], options].concat(), tapboard)
    }

    /// A board whose telemetry goes to this port of 127.0.0.1, and may.
    pub(crate) fn with_telemetry(port: u16) -> Self {
        let (to, port) = (format!("192.0.2.2:{port}"), port.to_string());
        Self::start(&["--telemetry", &to, "--allow", &port], tapboard)
    }

    /// A board that `command` makes from arguments for `tapboard`.
    pub(crate) fn start(options: &[&str], command: impl FnOnce(&[&str]) -> Command) -> Self {
        Self::behind(&Forwards::free(), options, command)
    }

    /// Likewise, behind these ports.
    pub(crate) fn behind(
        forwards: &Forwards,
        options: &[&str],
        command: impl FnOnce(&[&str]) -> Command,
    ) -> Self {
        let process = Process::spawn(command(&forwards.arguments(&[], options)), None);
        assert!(process.is_up(), "tapboard does not come up: {}", process.errors());
        let &Forwards { echo, discard, chargen, shell, http, .. } = forwards;
        Self { process, echo, discard, chargen, shell, http }
    }

    /// A shell session, past its greeting.
    pub(crate) fn shell(&self) -> Shell {
        Shell::new(connect(self.shell))
    }
}

/// A session with the board's shell.
pub(crate) struct Shell {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Shell {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let mut shell = Self { stream, reader };
        shell.answer();
        shell
    }

    /// The answer to one line.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.stream.write_all(format!("{line}\n").as_bytes()).expect("the shell listens");
        self.answer()
    }

    /// What comes up to the next prompt.
    fn answer(&mut self) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\n> ") {
            let mut byte = [0];
            self.reader.read_exact(&mut byte).expect("the shell answers");
            answer.push(byte[0]);
        }
        String::from_utf8(answer).expect("UTF-8")
    }

    /// What `netstat` says of the first connection to this port of the board: bytes received and not
    /// yet taken, bytes sent and not yet acknowledged, state.
    pub(crate) fn connection(&mut self, port: u16) -> Option<(usize, usize, String)> {
        let table = self.ask("netstat");
        let row = table.lines().find(|line| line.contains(&format!("192.0.2.1:{port} ")))?;
        let words: Vec<&str> = row.split_whitespace().collect();
        let number = |word: &str| word.parse().expect("a number of bytes");
        Some((number(words[1]), number(words[2]), words[5].into()))
    }

    /// One of the counters of `stats`.
    pub(crate) fn counter(&mut self, name: &str) -> u64 {
        let stats = self.ask("stats");
        let line = stats.lines().find_map(|line| line.trim_start_matches("> ").strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok()).expect(name)
    }

    /// Asks until the answer will do; says whether it did before all patience was lost.
    pub(crate) fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let clock = RealClock::new();
        loop {
            if done(self) {
                return true;
            }
            if clock.now() > Instant::ZERO + PATIENCE.into() {
                return false;
            }
        }
    }

    /// Waits until the board can send nothing more on its connection of `port`, because its peer does
    /// not read: then `process`, which it is in, sleeps with data unacknowledged. Ends the session.
    pub(crate) fn until_full(mut self, port: u16, process: &Process) {
        assert!(self.until(|shell| {
            process.settles();
            shell.connection(port).is_some_and(|(_, queued, _)| queued > 0)
        }));
        self.leave("exit");
    }

    /// Sends a line and what follows it: the end.
    pub(crate) fn leave(mut self, line: &str) -> String {
        self.stream.write_all(format!("{line}\n").as_bytes()).expect("the shell listens");
        let mut rest = String::new();
        self.reader.read_to_string(&mut rest).expect("the shell ends the session");
        let _ = self.stream.shutdown(Shutdown::Both);
        rest
    }
}

/// A collector of telemetry on a port of 127.0.0.1.
pub(crate) struct Collector(TcpListener);

impl Collector {
    pub(crate) fn on(port: u16) -> Self {
        Self::at(local(port))
    }

    pub(crate) fn at(address: SocketAddr) -> Self {
        Self(TcpListener::bind(address).expect("the port is free"))
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().expect("it is bound").port()
    }

    /// Takes the board's connection, when it comes.
    pub(crate) fn accept(&self) -> BufReader<TcpStream> {
        assert!(readable(&self.0, PATIENCE), "the board does not connect");
        let (stream, _) = self.0.accept().expect("it has connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        BufReader::new(stream)
    }

    /// Whether the board connects within this time.
    pub(crate) fn is_found_within(&self, patience: Duration) -> bool {
        readable(&self.0, patience)
    }
}

/// The next line of telemetry.
pub(crate) fn line(telemetry: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    telemetry.read_line(&mut line).expect("telemetry goes on");
    assert!(line.starts_with("{\"board\":\"tapboard-") && line.ends_with("}\n"), "{line:?}");
    line
}

/// The lines of telemetry as they come, to the end of the connection.
pub(crate) fn lines_of(mut telemetry: BufReader<TcpStream>) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        while telemetry.get_ref().peek(&mut [0]).is_ok_and(|count| count > 0) {
            // Whether the test still reads them is its affair.
            let _ = sender.send(line(&mut telemetry));
        }
    });
    lines
}

/// A number of a line of telemetry.
pub(crate) fn field(line: &str, key: &str) -> u64 {
    let value = line.split(&format!("\"{key}\":")).nth(1).expect(key);
    let digits = value.split(|c: char| !c.is_ascii_digit()).next().expect("a number");
    digits.parse().expect("a number")
}

/// Runs `command` in a shell, for at most [`PATIENCE`], and returns what it printed. It must succeed.
pub(crate) fn run(command: &str) -> String {
    let mut bounded = Command::new("timeout");
    let output = bounded
        .args([&PATIENCE.as_secs().to_string(), "sh", "-c", command])
        .stdin(Stdio::null())
        .output()
        .expect("timeout starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "`{command}`: {}: {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}
