//! `check` against boards that are bad in one way each, and exactly that check fails.
#![cfg(unix)] // Signals are those of Unix.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

mod common;
use common::{Finished, echo, finish, hold, run, signal, tool};

type Handler = Arc<dyn Fn(usize, TcpStream) + Send + Sync>;

/// A board on 127.0.0.1, whose services may be replaced.
struct Board {
    offset: u16,
    services: Vec<(u16, Handler)>,
    datagrams: fn(&mut [u8]),
}

impl Board {
    fn good() -> Self {
        // Each test has a range of ports of its own, below the ephemeral ones.
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let first = 10_000 + (std::process::id() % 100) as u16 * 200;
        let offset = (0..100)
            .map(|_| first + NEXT.fetch_add(100, Ordering::Relaxed) % 2000)
            .find(|offset| [7, 9, 19, 23, 81].iter().all(|port| free(offset + port)))
            .expect("free ports");
        Self { offset, services: Vec::new(), datagrams: |_| {} }
            .with(7, |_, stream| echo(&stream, |_, _| {}))
            .with(9, |_, stream| discard(stream))
            .with(19, |_, stream| chargen(stream, |_| {}))
            .with(23, |_, stream| shell(stream, "led is on"))
    }

    /// With this handler on a port.
    fn with(
        mut self,
        port: u16,
        handler: impl Fn(usize, TcpStream) + Send + Sync + 'static,
    ) -> Self {
        self.services.retain(|(other, _)| *other != port);
        self.services.push((port, Arc::new(handler)));
        self
    }

    /// Starts it, and returns the arguments that check it.
    fn start(self) -> Vec<String> {
        for (port, handler) in self.services {
            let listener = TcpListener::bind(local(self.offset + port)).expect("a free port");
            thread::spawn(move || {
                for (number, stream) in listener.incoming().enumerate() {
                    let (stream, handler) = (stream.expect("a connection"), Arc::clone(&handler));
                    thread::spawn(move || handler(number, stream));
                }
            });
        }
        let udp = UdpSocket::bind(local(self.offset + 7)).expect("a free port");
        let change = self.datagrams;
        thread::spawn(move || {
            let mut data = [0; 2048];
            while let Ok((length, peer)) = udp.recv_from(&mut data) {
                change(&mut data[..length]);
                let _ = udp.send_to(&data[..length], peer);
            }
        });
        let offset = self.offset.to_string();
        ["check", "127.0.0.1", "--json", "--skip", "telemetry", "--idle", "0.2", "--timeout", "3"]
            .into_iter()
            .chain(["--port-offset", &offset])
            .map(str::to_owned)
            .collect()
    }

    fn check(self) -> Finished {
        let arguments = self.start();
        run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Checks it; exactly `names` must fail. What was seen of the first.
    fn fails(self, names: &[&str]) -> String {
        let finished = self.check();
        let summary = finished.last("summary");
        let checks = summary["checks"].as_array().expect("a list");
        assert_eq!(checks.len(), 13, "all but the reset: {finished:?}");
        let failed: Vec<_> = checks.iter().filter(|check| check["outcome"] == "fail").collect();
        let found: Vec<_> = failed.iter().filter_map(|check| check["name"].as_str()).collect();
        assert_eq!(found, names, "{finished:?}");
        assert_eq!(finished.code, Some(i32::from(!names.is_empty())));
        assert_eq!(summary["passed"], names.is_empty());
        failed.first().map_or_else(String::new, |check| check["seen"].to_string())
    }
}

fn local(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn free(port: u16) -> bool {
    TcpListener::bind(local(port)).is_ok() && UdpSocket::bind(local(port)).is_ok()
}

fn discard(mut stream: TcpStream) {
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

/// The pattern of RFC 864, each line of which may be altered.
fn chargen(mut stream: TcpStream, change: impl Fn(&mut [u8])) {
    for line in 0.. {
        let mut text: Vec<u8> = (0..72).map(|column| b' ' + ((line + column) % 95) as u8).collect();
        text.extend(b"\r\n");
        change(&mut text);
        if stream.write_all(&text).is_err() {
            return;
        }
    }
}

fn shell(mut stream: TcpStream, led_on: &str) {
    let mut text = "board\r\n> ".to_owned();
    let mut line = [0; 64];
    while stream.write_all(text.as_bytes()).is_ok() {
        let Ok(length @ 1..) = stream.read(&mut line) else { return };
        text = match &line[..length] {
            b"help\n" => "netstat  sockets",
            b"led on\n" => led_on,
            b"led off\n" => "led is off",
            b"netstat\n" => "tcp ESTABLISHED",
            _ => "unknown command",
        }
        .to_owned()
            + "\r\n> ";
    }
}

#[test]
fn a_good_board_passes() {
    assert_eq!(Board::good().fails(&[]), "");
}

#[test]
fn a_check_that_is_left_out_says_why() {
    let summary = Board::good().check().last("summary");
    let checks = summary["checks"].as_array().expect("a list");
    let skipped: Vec<_> = checks.iter().filter(|check| check["outcome"] == "skip").collect();
    let told: Vec<_> = skipped.iter().map(|check| (&check["name"], &check["seen"])).collect();
    let part = |index: usize| told[index].1.as_str().expect("text");
    assert_eq!((told.len(), told[0].0), (3, &"refused".into()), "{told:?}");
    assert!(part(0).contains("not forwarded, so the board was not asked; forward it to 81"));
    assert!(part(1).contains("ICMP does not come through a forwarded port"), "{told:?}");
    assert_eq!(told[2], (&"telemetry".into(), &"left out by --skip".into()));
}

#[test]
fn a_refusal_through_a_forward_is_a_reset() {
    let board = Board::good().with(81, |_, stream| common::reset(stream));
    let summary = board.check().last("summary");
    let refused = &summary["checks"][4];
    assert_eq!((&refused["name"], &refused["outcome"]), (&"refused".into(), &"pass".into()));
}

#[test]
fn one_corrupted_byte_late_in_the_echo_fails_the_large_echo() {
    let board = Board::good().with(7, |_, stream| {
        echo(&stream, |offset, data| {
            if let Some(at) = 700_000_u64.checked_sub(offset)
                && let Some(byte) = data.get_mut(at as usize)
            {
                *byte ^= 1;
            }
        });
    });
    let seen = board.fails(&["large-echo"]);
    assert!(seen.contains("wrong byte at offset 700000"), "{seen}");
}

#[test]
fn a_discard_that_answers_fails() {
    let seen = Board::good().with(9, |_, stream| echo(&stream, |_, _| {})).fails(&["discard"]);
    assert!(seen.contains("not due"), "{seen}");
}

#[test]
fn a_wrong_chargen_pattern_fails() {
    let board = Board::good().with(19, |_, stream| chargen(stream, |line| line[71] = b'!'));
    let seen = board.fails(&["chargen"]);
    assert!(seen.contains("wrong byte at offset 71"), "{seen}");
}

#[test]
fn a_service_that_accepts_and_never_answers_fails_in_time() {
    let seen = Board::good().with(19, |_, stream| hold(stream)).fails(&["chargen"]);
    assert!(seen.contains("time ran out after 0 of 8000 bytes"), "{seen}");
}

#[test]
fn a_shell_with_a_wrong_answer_fails() {
    let seen = Board::good().with(23, |_, stream| shell(stream, "led is off")).fails(&["shell"]);
    assert!(seen.contains("led on"), "{seen}");
}

#[test]
fn a_port_that_should_be_refused_and_listens_fails() {
    let seen = Board::good().with(81, |_, stream| hold(stream)).fails(&["refused"]);
    assert!(seen.contains("accepted the connection"), "{seen}");
}

#[test]
fn a_board_without_half_close_fails_where_a_fin_matters() {
    // It answers while both sides are open, and forgets what is unanswered when a FIN comes.
    let board = Board::good().with(7, |_, mut stream| {
        let (mut data, mut more) = ([0; 4096], [0; 1]);
        while let Ok(length @ 1..) = stream.read(&mut data) {
            stream.set_read_timeout(Some(std::time::Duration::from_millis(50))).expect("not zero");
            if matches!(stream.peek(&mut more), Ok(0)) {
                return;
            }
            stream.set_read_timeout(None).expect("a socket");
            if stream.write_all(&data[..length]).is_err() {
                return;
            }
        }
    });
    // The large echo ends in a FIN behind its data too.
    let finished = board.check();
    let checks = finished.last("summary")["checks"].clone();
    let half_close = &checks[5];
    assert_eq!(
        (&half_close["name"], &half_close["outcome"]),
        (&"half-close".into(), &"fail".into())
    );
    assert_eq!(checks[0]["outcome"], "pass", "{checks}");
    assert!(half_close["seen"].as_str().is_some_and(|seen| seen.contains("FIN")), "{half_close}");
}

#[test]
fn a_board_that_serves_one_connection_at_a_time_fails() {
    let turn = std::sync::Mutex::new(());
    let board = Board::good().with(7, move |_, stream| {
        let _turn = turn.lock();
        echo(&stream, |_, _| {});
    });
    let seen = board.fails(&["at-once"]);
    // All four are open; which of them has the turn is not said.
    assert!(seen.contains("time ran out after 0 of 512 bytes"), "{seen}");
}

#[test]
fn a_connection_refused_in_turn_fails() {
    // The first is the tool's look, then come echo, half-close, four at once, and these.
    let board = Board::good().with(7, |number, stream| {
        if number == 7 + 20 {
            let _ = stream.shutdown(Shutdown::Both);
        } else {
            echo(&stream, |_, _| {});
        }
    });
    let seen = board.fails(&["in-turn"]);
    assert!(seen.contains("connection 21 of 32"), "{seen}");
}

#[test]
fn a_datagram_that_comes_back_altered_fails() {
    let mut board = Board::good();
    board.datagrams = |data| data[0] ^= 1;
    assert!(board.fails(&["udp-echo"]).contains("1 bytes came back"));
}

#[test]
fn nobody_there_is_said_once_with_the_remedy() {
    let offset = (common::closed_port().port() - 7).to_string();
    let finished = run(&["check", "127.0.0.1", "--port-offset", &offset, "--json"]);
    assert_eq!(finished.code, Some(1));
    let message = finished.last("error")["message"].to_string();
    assert!(message.contains("start it with: tapboard"), "{message}");
}

#[test]
fn ctrl_c_ends_it_with_what_was_seen() {
    let (sender, held) = mpsc::channel();
    let arguments = Board::good()
        .with(19, move |_, stream| {
            sender.send(()).expect("the test listens");
            hold(stream);
        })
        .start();
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.retain(|argument| !["--timeout", "3"].contains(argument));
    let child = tool(&arguments);
    held.recv_timeout(common::PATIENCE).expect("the check is under way");
    signal("INT", child.id());
    let finished = finish(child);
    assert_eq!(finished.code, Some(1));
    let summary = finished.last("summary");
    assert_eq!((&summary["interrupted"], &summary["passed"]), (&true.into(), &false.into()));
    assert_eq!(summary["checks"].as_array().map(Vec::len), Some(2), "echo and discard");
}

#[test]
fn a_wrong_command_line_is_exit_code_2_and_says_what_is_right() {
    for (arguments, part) in [
        (&["check", "127.0.0.1:7007"][..], "without a port"),
        (&["check", "--skip", "ping"], "there is no check `ping`; there are echo, discard"),
        (&["check", "--idle", "0"], "0.001 to 86400"),
        (&["check", "--bytes", "0"], "not within"),
    ] {
        let finished = run(arguments);
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains(part), "{arguments:?}: {}", finished.stderr);
    }
}
