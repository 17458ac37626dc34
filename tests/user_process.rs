//! `tapboard` as a process: how it starts, what it says when it cannot, how it ends, what it costs.

#![cfg(target_os = "linux")]

mod common;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::ports::{free_offset, free_port, local};
use common::process::{
    PATIENCE, Process, Wakeups, breaks, connect, echo, finished, pattern, readable, tapboard,
};
use common::user::{Collector, Forwards, SERVICES, Shell, User, line, lines_of};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

// ---- Starting ------------------------------------------------------------------------------------

#[test]
fn help_mentions_every_command() {
    let help = finished(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for word in ["user", "tap", "loopback", "--forward", "--allow", "--telemetry", "7023:23"] {
        assert!(text(&help.stdout).contains(word), "{word} is missing: {}", text(&help.stdout));
    }
}

#[test]
fn nonsense_is_explained() {
    let explained: &[(&[&str], &str)] = &[
        (&["-p", "7007"], "is not HOST:BOARD"),
        (&["-p", "0:7"], "is not HOST:BOARD"),
        (&["-p", "70000:7"], "two ports from 1 to 65535, e.g. 8007:7"),
        (&["user", "-p", "a:b"], "is not HOST:BOARD"),
        (&["--allow", "0"], "a port is from 1 to 65535"),
        (&["--telemetry", "192.0.2.2"], "is not HOST:PORT"),
        (&["--telemetry", "192.0.2.2:0"], "is not HOST:PORT"),
        (&["--profile", "huge"], "possible values: mcu, large"),
        (&["tap", "--ip", "192.0.2.0/24"], "e.g. 192.0.2.1/24"),
        (&["bord"], "unrecognized subcommand 'bord'"),
        (&["loopback", "now"], "unexpected argument 'now'"),
    ];
    for (arguments, explanation) in explained {
        let output = finished(arguments);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(explanation), "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_taken_port_is_named_with_the_remedy() {
    let forwards = Forwards::free();
    let port = forwards.echo.port();
    let remedy = format!("choose another port with: -p {}:7\n", port + 1000);
    let refused = || {
        let output = finished(&forwards.arguments(&[], &[]));
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let taken = format!("tapboard: cannot listen on 127.0.0.1:{port}: Address already in use");
        assert!(errors.starts_with(&taken) && errors.ends_with(&remedy), "{errors}");
        assert!(output.stdout.is_empty(), "it said it was up: {}", text(&output.stdout));
    };
    let tcp = TcpListener::bind(local(port)).unwrap();
    refused();
    drop(tcp);
    let _udp = UdpSocket::bind(local(port)).unwrap();
    refused();
}

/// A second board next to a first one: the error's own remedy, taken as it stands, is enough.
#[test]
fn all_taken_ports_are_named_in_one_remedy() {
    // The remedy will be to go 1000 ports further, which have to be free as well.
    let offset = free_offset(&[SERVICES, SERVICES.map(|port| port + 1000)].concat());
    let forwards = Forwards::at(offset);
    let _first = User::behind(&forwards, &["--no-telemetry"], tapboard);
    let output = finished(&forwards.arguments(&[], &[]));
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let (said, remedy) = errors.split_once("choose another port with: ").expect("a remedy");
    assert!(SERVICES.iter().all(|port| said.contains(&(offset + port).to_string())), "{said}");
    assert!(said.contains("is another tapboard running?"), "{said}");
    let remedy: Vec<_> = remedy.split_whitespace().collect();
    assert_eq!(remedy.len(), 10, "{remedy:?}");
    Process::up(&[&["--no-telemetry"], &remedy[..]].concat());
}

#[test]
fn one_host_port_cannot_lead_to_two_board_ports() {
    let port = free_port();
    let output = finished(&["-p", &format!("{port}:7"), "-p", &format!("{port}:9")]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains(&format!("127.0.0.1:{port} cannot lead to both")), "{errors}");
    assert!(errors.contains(&format!("with: -p {}:9", port + 1000)), "{errors}");
}

#[test]
fn telemetry_that_cannot_arrive_says_so() {
    let user = User::quiet(&[]);
    assert!(!user.process.output().to_lowercase().contains("telemetry"));
    for (to, remedy) in [
        ("192.0.2.2:9001", "port 9001 is not allowed, add --allow 9001"),
        ("198.51.100.1:9000", "use --telemetry 192.0.2.2:9000 --allow 9000"),
    ] {
        let user = User::start(&["--telemetry", to], tapboard);
        let output = user.process.output();
        assert!(output.contains(&format!("Telemetry cannot reach {to}: ")), "{output}");
        assert!(output.contains(remedy) && !output.contains("nc -l"), "{output}");
    }
}

// ---- Ending --------------------------------------------------------------------------------------

#[test]
fn a_signal_closes_in_order() {
    for signal in ["TERM", "INT"] {
        let collector = Collector::on(free_port());
        let mut user = User::with_telemetry(collector.port());
        let mut telemetry = collector.accept();
        line(&mut telemetry);
        let mut client = connect(user.echo);
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
        user.process.signal(signal);
        // FIN to each, and they close in turn.
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        let mut rest = String::new();
        telemetry.read_to_string(&mut rest).unwrap();
        assert!(rest.is_empty() || rest.ends_with('\n'), "a line was cut: {rest:?}");
        drop((client, telemetry));
        assert_eq!(user.process.exit(), Some(0), "{signal}");
        let output = user.process.output();
        assert!(output.contains("; 1 connection accepted, 1 made; "), "{output}");
        assert!(output.contains("gateway: 1 connection to the board, 1 from it"), "{output}");
        assert_eq!(user.process.errors(), "");
    }
}

#[test]
fn a_client_that_never_closes_is_reset() {
    let mut user = User::quiet(&[]);
    let mut client = connect(user.echo);
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    // It is told that nothing follows, and goes on holding its side open.
    user.process.signal("TERM");
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    assert_eq!(user.process.exit(), Some(0));
    assert!(breaks(&client), "the reset does not come through");
    let error = client.write_all(b"x").unwrap_err();
    assert!([ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&error.kind()), "{error}");
}

#[test]
fn a_client_that_never_reads_is_reset() {
    let mut user = User::quiet(&[]);
    let mut client = connect(user.chargen);
    client.read_exact(&mut [0; 74]).unwrap();
    user.shell().until_full(19, &user.process);
    user.process.signal("TERM");
    assert_eq!(user.process.exit(), Some(0));
    let error = client.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

/// What the board has sent and the gateway still holds is delivered, or the client is told of the loss:
/// never a clean end in the middle.
#[test]
fn at_the_end_nothing_is_lost_in_silence() {
    const CHUNK: usize = 64 * 1024;
    let mut user = User::quiet(&[]);
    let mut shell = user.shell();
    let all_out = |shell: &mut Shell| matches!(shell.connection(7), Some((0, 0, _)));
    // How much fits between the board and a client that does not read: one chunk less than what no
    // longer leaves the board.
    let mut client = connect(user.echo);
    let mut fits = 0;
    loop {
        client.write_all(&pattern(7, CHUNK)).unwrap();
        // It may only be slow.
        if !(0..20).any(|_| all_out(&mut shell)) {
            user.process.settles();
            if !all_out(&mut shell) {
                break;
            }
        }
        fits += CHUNK;
    }
    drop(client);
    assert!(shell.until(|shell| shell.connection(7).is_none()));

    // The next one gets just that, so that its end is still in the gateway when all is over for the
    // board.
    let mut client = connect(user.echo);
    client.write_all(&pattern(8, fits)).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    user.process.settles();
    if shell.connection(7).is_some() {
        // The kernel gives this one less room than the first.
        client.read_exact(&mut vec![0; fits / 2]).unwrap();
        fits -= fits / 2;
    }
    shell.leave("exit");
    user.process.signal("TERM");
    assert_eq!(user.process.exit(), Some(0));
    let mut rest = Vec::new();
    match client.read_to_end(&mut rest) {
        Ok(_) => assert_eq!(rest.len(), fits, "a clean end after a part"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    // The second must come while the first is being obeyed, which takes half a second: try again
    // should this machine stall in between.
    for _ in 0..20 {
        let mut user = User::quiet(&[]);
        let mut client = connect(user.chargen);
        client.read_exact(&mut [0; 74]).unwrap();
        let mut idle = connect(user.echo);
        idle.write_all(b"x").unwrap();
        idle.read_exact(&mut [0]).unwrap();
        user.shell().until_full(19, &user.process);
        user.process.signal("INT");
        // The first has arrived.
        assert_eq!(idle.read(&mut [0]).unwrap(), 0);
        user.process.signal("INT");
        match user.process.exit() {
            Some(0) => {}
            code => {
                assert_eq!(code, Some(130));
                assert!(!user.process.output().contains("board: "), "it waited for the end");
                return;
            }
        }
    }
    panic!("the second signal was never seen");
}

// ---- Standard output -----------------------------------------------------------------------------

#[test]
fn the_board_runs_on_when_nobody_reads_its_output() {
    for gone in [true, false] {
        let forwards = Forwards::free();
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let command = tapboard(&forwards.arguments(&["--no-telemetry"], &[]));
        let mut process = Process::spawn(command, Some(Stdio::from(writer)));
        // The reader takes the banner, and then goes or falls asleep.
        let mut banner = BufReader::new(reader).lines();
        assert!(banner.any(|line| line.is_ok_and(|line| line.ends_with("Ctrl-C ends it."))));
        let banner = (!gone).then_some(banner);
        let mut shell = Shell::new(connect(forwards.shell));
        // Each prints a line; a pipe holds 64 KiB.
        for _ in 0..6000 {
            assert!(shell.ask("led toggle").contains("led is"));
        }
        shell.leave("exit");
        assert_eq!(echo(&connect(forwards.echo), b"alive").unwrap(), b"alive");
        process.signal("TERM");
        assert_eq!(process.exit(), Some(0));
        let errors = process.errors();
        assert_eq!(errors.contains("standard output is gone (Broken pipe"), gone, "{errors}");
        assert_eq!(errors.lines().count(), usize::from(gone), "{errors}");
        drop(banner);
    }
}

#[test]
fn loopback_walks_through_and_ends() {
    let output = finished(&["loopback"]);
    let walk = text(&output.stdout);
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    let mut rest = walk.as_str();
    for step in [
        "[1]",
        "listen",
        "SYN seq",
        "ESTABLISHED",
        "accept",
        "FIN",
        "refused",
        "UDP 4 bytes",
        "steps",
    ] {
        let at = rest.find(step).unwrap_or_else(|| panic!("{step} is missing: {walk}"));
        rest = &rest[at..];
    }
}

#[test]
fn loopback_with_nobody_to_read_it_ends_as_with_a_reader() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut walk = Process::spawn(tapboard(&["loopback"]), Some(Stdio::from(writer)));
    assert_eq!(walk.exit(), Some(0));
    assert_eq!(walk.errors(), "");
}

/// It has no other way to tell, and the board is for others as well.
#[test]
fn a_board_whose_output_nobody_takes_says_so_once_and_runs_on() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("it is there");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    for stdout in [Stdio::from(full), Stdio::from(writer)] {
        let forwards = Forwards::free();
        let command = tapboard(&forwards.arguments(&["--no-telemetry"], &[]));
        let mut board = Process::spawn(command, Some(stdout));
        board.complains("tapboard: standard output is gone (");
        // It comes up after that.
        assert!(Shell::new(connect(forwards.shell)).ask("led on").contains("on"));
        board.signal("TERM");
        assert_eq!(board.exit(), Some(0));
        assert_eq!(board.errors().matches("standard output is gone").count(), 1);
    }
}

#[test]
fn what_telemetry_adds_to_the_counters_is_said() {
    let port = free_port().to_string();
    let forwards = Forwards::free();
    let to = format!("192.0.2.2:{port}");
    let options = ["--telemetry", &to, "--allow", &port];
    let mut board = Process::with_console(&forwards.arguments(&options, &[]));
    let mut shell = Shell::new(connect(forwards.shell));
    assert!(shell.until(|shell| shell.counter("failed_connects") > 0));
    shell.leave("exit");
    let said = format!(" found nobody at {to}; a refused one counts among the resets in too\n");
    board.command("stats", "since the start");
    assert!(board.output().contains(&said), "{}", board.output());
    board.signal("TERM");
    assert_eq!(board.exit(), Some(0));
    let output = board.output();
    let (_, farewell) = output.split_once("\nboard: ").expect("a farewell");
    assert!(farewell.contains("\ntelemetry: ") && farewell.contains(&said), "{output}");

    let mut quiet = User::quiet(&[]);
    quiet.process.signal("TERM");
    assert_eq!(quiet.process.exit(), Some(0));
    assert!(!quiet.process.output().contains("found nobody"));
}

// ---- Cost ----------------------------------------------------------------------------------------

/// Nothing happens for this long but what the process does by itself.
const QUIET: Duration = Duration::from_secs(5);

/// How often the process woke up while nothing happened.
fn wakeups(user: &User, client: &TcpStream) -> Wakeups {
    // Nothing arrives: the wait is for its end.
    user.process.wakeups(|| assert!(!readable(client, QUIET)))
}

fn opened(user: &User) -> TcpStream {
    let mut client = connect(user.echo);
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    client
}

#[test]
fn an_idle_connection_costs_nothing() {
    let user = User::quiet(&[]);
    let client = opened(&user);
    user.process.settles();
    // At most a keep-alive of each of the two stacks (20 s), and its answer.
    let spent = wakeups(&user, &client);
    assert!(spent.count <= 4, "{spent:?}");
}

#[test]
fn telemetry_costs_at_most_four_wakeups_a_second() {
    let collector = Collector::on(free_port());
    let user = User::with_telemetry(collector.port());
    let mut telemetry = collector.accept();
    line(&mut telemetry);
    let client = opened(&user);
    let lines = lines_of(telemetry);
    let spent = wakeups(&user, &client);
    assert!(spent.count <= 4 * spent.seconds, "{spent:?}");
    // Telemetry runs.
    (0..4).for_each(|_| drop(lines.recv_timeout(PATIENCE).unwrap()));
}

// ---- Resources -----------------------------------------------------------------------------------

/// The process may open fewer files than there are clients: the others wait, and are served.
#[test]
fn clients_that_find_no_file_descriptor_are_served_later() {
    let user = User::start(&["--no-telemetry"], |arguments| {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 32 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_tapboard")]);
        command.args(arguments);
        command
    });
    let crowd: Vec<_> = (0..30).map(|_| connect(user.echo)).collect();
    user.process.complains("cannot accept");
    let spent = user.process.wakeups(|| assert!(!readable(&crowd[29], Duration::from_secs(1))));
    assert!(spent.count <= 40 * spent.seconds, "without a file descriptor: {spent:?}");
    thread::scope(|scope| {
        for client in &crowd {
            scope.spawn(|| assert_eq!(echo(client, b"here").unwrap(), b"here"));
        }
    });
    let warnings = user.process.errors().matches("cannot accept").count();
    assert!(warnings < 100, "{warnings} warnings");
}
