//! The dashboard on a real terminal: keys pressed, the mouse moved, the screen read, and how the terminal is given back.

#![cfg(target_os = "linux")]

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::process::Stdio;
use std::thread;

use common::ports::free_port;
use common::process::{PATIENCE, Process, connect, finished, tapboard};
use common::tmux::Tmux;
use common::user::Forwards;
use embedded_nal::TcpClientStack;
use rustix::event::{Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use smoltcp::time::Instant;
use tapboard::cli::Cli;
use tapboard::clock::RealClock;
use tapboard_firmware::service::server::{Connection, Server, Stop};

/// The port of the service that panics.
const PANICS: u16 = 777;
/// Where that is forwarded, in the process that has it.
const PANICS_AT: &str = "TAPBOARD_TEST_PANICS_AT";

/// What is unusual of a terminal that the dashboard has.
const TAKEN: [&str; 3] = ["alternate screen", "no cursor", "mouse"];

/// A terminal in which `command` runs, with a shell around it that knows how the terminal was before.
struct Shown {
    tmux: Tmux,
    forwards: Forwards,
}

impl Shown {
    /// `tapboard --tui` without telemetry, with further options.
    fn start((columns, rows): (u16, u16), term: &str, options: &[&str]) -> Self {
        let forwards = Forwards::free();
        let command = [env!("CARGO_BIN_EXE_tapboard"), "--tui", "--no-telemetry"];
        let command = forwards.arguments(&command, options).join(" ");
        Self { tmux: Self::run((columns, rows), term, &command), forwards }
    }

    fn run((columns, rows): (u16, u16), term: &str, command: &str) -> Tmux {
        let tmux = Tmux::start(columns, rows, term);
        tmux.line("stty -g >before; clear");
        tmux.line(&format!("sh -c 'echo $$ >pid; exec {command}'; echo \"status $?\""));
        tmux.shows("q quit");
        assert_eq!(tmux.modes(), TAKEN);
        tmux
    }

    fn pid(&self) -> u32 {
        let pid = std::fs::read_to_string(self.tmux.scratch().path("pid")).unwrap();
        pid.trim().parse().unwrap()
    }

    fn signal(&self, name: &str) {
        common::netns::sh(&format!("kill -{name} {}", self.pid()));
    }
}

/// Waits for the end of the program, and sees that the terminal is as it was.
#[track_caller]
fn given_back(tmux: &Tmux, status: i32) -> String {
    let screen = tmux.shows(&format!("status {status}\n"));
    assert_eq!(tmux.modes(), [""; 0]);
    tmux.line("stty -g >after; cmp before after && echo as it was");
    tmux.shows("\nas it was");
    screen
}

#[test]
fn keys_pull_the_cable_and_all_is_on_the_screen() {
    let shown = Shown::start((80, 24), "screen-256color", &["--seed", "7"]);
    let tmux = &shown.tmux;
    // A picture comes in pieces.
    tmux.shows_all(&["cable in", "tcp 7 "]);
    // A client comes, and the cable is pulled under it.
    let client = connect(shown.forwards.echo);
    tmux.until("a connection", |screen| screen.contains("ESTABLISHED"));
    tmux.keys(&["c"]);
    tmux.shows_all(&["CABLE OUT", "[ ] out"]);
    tmux.until("a line of the log", |screen| {
        let log = screen.split_once("\nlog ").map_or("", |(_, log)| log);
        screen.starts_with("tapboard-") && log.contains("\nthe cable is out\n")
    });
    assert_eq!((&client).write(b"hello").unwrap(), 5);
    tmux.until("loss", |screen| screen.contains("dropped: the cable"));
    tmux.keys(&["c"]);
    tmux.shows("cable in");
    let mut back = [0; 5];
    (&client).read_exact(&mut back).unwrap();
    assert_eq!(&back, b"hello");
    // Its ladder alone: what is sent again is there.
    tmux.keys(&["Tab", "Down"]);
    tmux.shows_all(&["left: 192.0.2.1:7 - 192.0.2.2:", " 5 bytes", "retransmission"]);
    // Sliders, by keys and by the mouse, and a command that is typed.
    tmux.keys(&["l", "+", "+", "Right"]);
    tmux.shows("] 1%");
    tmux.types(":delay in 7ms");
    tmux.shows("\n: delay in 7ms");
    tmux.keys(&["Enter"]);
    let screen = tmux.shows("] 7ms/off");
    let row = screen.lines().position(|line| line.contains("7ms/off")).unwrap();
    let column = screen.lines().nth(row).unwrap().chars().position(|c| c == ']').unwrap();
    // The last place of the slider, from 1, pressed.
    tmux.types(&format!("\x1b[<0;{column};{}M", row + 1));
    tmux.shows("] 1s");
    tmux.keys(&["h"]);
    tmux.until("a good cable", |screen| screen.matches("] off").count() == 4);
    // A capture in a file of its own.
    tmux.keys(&["w"]);
    tmux.shows("capture on");
    tmux.keys(&["w"]);
    tmux.shows("capture off");
    assert!(std::fs::metadata(tmux.scratch().path("tapboard-1.pcapng")).unwrap().len() > 0);
    tmux.keys(&["p"]);
    tmux.shows("boot 2");
    // Whatever size the terminal has.
    tmux.resize(50, 10);
    tmux.shows("50x10 is too small");
    tmux.resize(120, 40);
    tmux.until("a larger picture", |screen| {
        let last = screen.lines().last().unwrap_or_default();
        screen.contains("Recv-Q") && last.starts_with("c cable")
    });
    tmux.resize(80, 24);
    tmux.until("the old size", |screen| !screen.contains("Recv-Q") && screen.contains("q quit"));
    tmux.keys(&["q"]);
    let screen = given_back(tmux, 0);
    assert!(screen.contains("gateway: 1 connection to the board"), "{screen}");
}

#[test]
fn the_terminal_is_given_back_by_signals_and_taken_again() {
    let shown = Shown::start((80, 23), "xterm-mono", &[]);
    let tmux = &shown.tmux;
    // Ctrl-Z, and a stop from elsewhere.
    for stop in ["key", "signal"] {
        if stop == "key" {
            tmux.keys(&["C-z"]);
        } else {
            shown.signal("TSTP");
        }
        tmux.until("a stopped program", |screen| screen.contains("Stopped"));
        assert_eq!(tmux.modes(), [""; 0], "{stop}");
        tmux.line("clear; stty -g | cmp - before && fg; echo \"status $?\"");
        tmux.shows("q quit");
        assert_eq!(tmux.modes(), TAKEN);
    }
    shown.signal("TERM");
    given_back(tmux, 0);
    // Again in the same terminal, ended by Ctrl-C.
    tmux.line("clear");
    let again = shown.forwards.arguments(&[env!("CARGO_BIN_EXE_tapboard"), "--tui"], &[]).join(" ");
    tmux.line(&format!("{again}; echo \"status $?\""));
    tmux.shows("q quit");
    tmux.keys(&["C-c"]);
    given_back(tmux, 0);
}

/// Nothing happens but that a second passes: a picture of it, and what wakes up for that.
#[test]
fn with_nothing_to_do_it_sleeps() {
    let shown = Shown::start((120, 40), "screen-256color", &[]);
    shown.tmux.shows("boot 1");
    let before = spent(shown.pid());
    shown.tmux.shows("0:00:02");
    let (wakeups, ticks) = spent(shown.pid());
    let (wakeups, ticks) = (wakeups - before.0, ticks - before.1);
    // Two pictures or three, of some wake-ups each if the terminal is slow; two hundredths of the time is six ticks.
    assert!(wakeups <= 10 && ticks <= 6, "{wakeups} wake-ups, {ticks} ticks of 10 ms");
}

/// Voluntary context switches of a process's threads, and ticks of CPU time.
fn spent(pid: u32) -> (u64, u64) {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let switches = tasks.map(|task| {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    });
    let switches = switches.sum();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // After the name, in brackets, the fields are from the third on; these are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<_> = fields.split(' ').collect();
    let ticks = [11, 12].map(|field| fields[field].parse::<u64>().unwrap());
    (switches, ticks.iter().sum())
}

/// What is sent in vain keeps a connection from closing for half a second: meanwhile the second signal ends all at once.
#[test]
fn the_second_signal_gives_the_terminal_back_too() {
    let shown = Shown::start((80, 24), "screen", &[]);
    let _client = connect(shown.forwards.shell);
    shown.tmux.shows("ESTABLISHED");
    shown.tmux.keys(&["c"]);
    shown.tmux.shows("CABLE OUT");
    let pid = shown.pid();
    common::netns::sh(&format!("kill -INT {pid}; kill -TERM {pid}"));
    given_back(&shown.tmux, 130);
}

/// A client that panics the board when it is served.
#[derive(Debug)]
struct Panics;

impl<S: TcpClientStack, B> Connection<S, B> for Panics {
    fn new(_client: SocketAddr) -> Self {
        Self
    }

    fn serve(&mut self, _: &mut S, _: &mut S::TcpSocket, _: &mut B) -> ControlFlow<Stop> {
        panic!("a service of the test's")
    }
}

/// Not a test: the program that the next one runs.
#[test]
#[ignore = "run by the test below, in a terminal"]
fn a_board_that_panics() {
    let at = std::env::var(PANICS_AT).expect("it is run by the test below");
    let forwards = Forwards::free();
    let own = format!("-p{at}:{PANICS}");
    let arguments = forwards.arguments(&["tapboard", "--tui", "--no-telemetry", &own], &[]);
    let cli = Cli::read(arguments.iter().map(Into::into)).unwrap();
    let own = || ((), Server::<_, Panics, 1>::new(PANICS));
    tapboard::user::run_with(&cli.user.options(), own).unwrap();
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told_of() {
    let port = free_port();
    let program = std::env::current_exe().unwrap();
    let command = format!(
        "env -u RUST_BACKTRACE RUST_MIN_STACK=16777216 {PANICS_AT}={port} {} --ignored --exact --nocapture a_board_that_panics",
        program.display()
    );
    let tmux = Shown::run((80, 24), "screen", &command);
    let _client = connect(common::ports::local(port));
    let screen = given_back(&tmux, 101);
    assert!(screen.contains("a service of the test's"), "{screen}");
}

#[test]
fn without_a_terminal_it_says_so() {
    let output = finished(&["--tui"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        error,
        "tapboard: --tui needs a terminal, and standard input is none: run it on one, or leave --tui out\n"
    );
    assert!(output.stdout.is_empty(), "nothing was up");
    for (other, remedy) in [
        (&["--pcap", "-"][..], "standard output is the dashboard's; name a file"),
        (&["--script", "-"], "standard input is the dashboard's; name a file"),
        (&["--ladder"], "the dashboard has the ladder in it; leave one of them out"),
    ] {
        let mut process =
            Process::spawn(tapboard(&[&["--tui"], other].concat()), Some(Stdio::null()));
        assert_eq!(process.exit(), Some(2));
        assert!(process.errors().contains(remedy), "{}", process.errors());
    }
    let tmux = Tmux::start(80, 24, "dumb");
    tmux.line(&format!("{} --tui; echo \"status $?\"", env!("CARGO_BIN_EXE_tapboard")));
    let screen = tmux.shows("status 1");
    assert!(screen.contains("TERM is dumb"), "{screen}");
}

/// The board answers all the same; nothing of the screen is read until it has.
#[test]
fn a_terminal_that_takes_nothing_does_not_hold_up_the_board() {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let size = Winsize { ws_row: 100, ws_col: 300, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&controller, size).unwrap();
    let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let forwards = Forwards::free();
    let mut command = tapboard(&forwards.arguments(&["--tui", "--no-telemetry"], &[]));
    command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
    let mut board = Process::on_terminal(command, terminal);
    let client = connect_to(forwards.echo);
    // Longer than it takes to fill what the kernel holds of a terminal's output, a picture each tenth of a second.
    let round = || {
        (&client).write_all(b"hello").unwrap();
        let mut back = [0; 5];
        (&client).read_exact(&mut back).unwrap();
        assert_eq!(&back, b"hello");
    };
    // Once it is up, whatever that took.
    round();
    let clock = RealClock::new();
    let mut rounds = 0;
    while clock.now() < Instant::from_millis(1500) {
        round();
        rounds += 1;
    }
    assert!(rounds > 50, "{rounds}");
    // Who reads then gets it all, and what takes it away.
    board.signal("TERM");
    let mut reader = File::from(controller);
    let read = thread::spawn(move || {
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        // A terminal that nobody has open any more is an error.
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            all.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8_lossy(&all).into_owned()
    });
    assert_eq!(board.exit(), Some(0));
    let all = read.join().unwrap();
    let (_, after) = all.split_once("\x1b[?1049l").expect("the way back");
    assert!(after.contains("board: "), "{after}");
}

/// A client of a board that may not be up yet.
fn connect_to(address: SocketAddr) -> TcpStream {
    let clock = RealClock::new();
    loop {
        match TcpStream::connect(address) {
            Ok(_) => return connect(address),
            Err(error) => assert!(clock.now() < Instant::ZERO + PATIENCE.into(), "{error}"),
        }
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 20_000_000 }));
    }
}
