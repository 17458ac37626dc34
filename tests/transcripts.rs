//! The same service on the firmware's sockets and on the kernel's: equal transcripts.
//!
//! The service and its client each run on a stack whose calls are written down
//! ([`common::recorder`]): once on two boards at the ends of a wire, in virtual time, and once on the
//! kernel's sockets on 127.0.0.1. What both sides called, and what it came to, has to be the same.

mod common;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use common::kernel_stack::KernelStack;
use common::pair::{Memory, Pair};
use common::recorder::{Log, Recorder};
use embedded_nal::{TcpClientStack, TcpFullStack, UdpClientStack, UdpFullStack, nb};
use smoltcp::time::{Duration, Instant};
use tapboard::board::SimBoard;
use tapboard::world::Outcome;
use tapboard_firmware::netstat::{Introspect, Protocol};
use tapboard_firmware::service::{About, echo::Echo, shell::Shell};

/// Turns that the kernel's stack gets before a run counts as hung.
const KERNEL_TURNS: u32 = 2_000_000;

/// Both ends' transcripts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Transcripts {
    service: Log,
    client: Log,
}

/// One side of a run: gets a turn whenever something may have happened.
trait Actor<S> {
    /// Uses the stack. `true`: it has done all it wanted.
    fn turn(&mut self, now: Instant, stack: &mut Recorder<'_, S>) -> bool;
}

impl<S, F: FnMut(Instant, &mut Recorder<'_, S>) -> bool> Actor<S> for F {
    fn turn(&mut self, now: Instant, stack: &mut Recorder<'_, S>) -> bool {
        self(now, stack)
    }
}

fn on_the_board<'a>(
    memory: &'a mut Memory<'a>,
    mut service: impl Actor<tapboard_firmware::NetStack<'a>>,
    mut client: impl Actor<tapboard_firmware::NetStack<'a>>,
) -> Transcripts {
    let mut logs = Transcripts::default();
    let mut pair = Pair::new(memory, Duration::from_millis(1), 11);
    let outcome = pair.run(Duration::from_secs(60), |now, board, peer| {
        service.turn(now, &mut Recorder { stack: board, log: &mut logs.service });
        client.turn(now, &mut Recorder { stack: peer, log: &mut logs.client })
    });
    assert_eq!(outcome, Outcome::Done, "{}\n{logs:#?}", pair.netstat());
    // What the client did last has to reach the service.
    pair.run(Duration::from_secs(5), |now, board, _| {
        service.turn(now, &mut Recorder { stack: board, log: &mut logs.service });
        false
    });
    logs
}

fn on_the_kernel(
    mut service: impl Actor<KernelStack>,
    mut client: impl Actor<KernelStack>,
    protocol: Protocol,
    port: u16,
) -> Transcripts {
    let mut logs = Transcripts::default();
    let (mut board, mut peer) = (KernelStack::new(), KernelStack::new());
    let now = Instant::ZERO;
    service.turn(now, &mut Recorder { stack: &mut board, log: &mut logs.service });
    let bound = board.local_port(protocol, port).expect("the service is bound");
    peer.route(at(port), SocketAddr::from((Ipv4Addr::LOCALHOST, bound)));
    // A port that was free a moment ago and that nobody listens on.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    peer.route(at(NOBODY), closed);
    let mut after = None;
    for turn in 0..KERNEL_TURNS {
        service.turn(now, &mut Recorder { stack: &mut board, log: &mut logs.service });
        let done = after.is_some()
            || client.turn(now, &mut Recorder { stack: &mut peer, log: &mut logs.client });
        if done {
            // The service has seen everything once its connections are gone again.
            let since = *after.get_or_insert(turn);
            let listening = board.open() <= 2;
            if listening && turn > since + 100 {
                return logs;
            }
        }
        std::thread::yield_now();
    }
    panic!("the kernel's run hangs: {logs:#?}");
}

const NOBODY: u16 = 4242;

fn at(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), port))
}

/// Connects, then for each part sends it and waits for an answer that ends as expected, then closes.
/// With `until_end` the service closes first.
fn tcp_client<S: TcpFullStack>(
    port: u16,
    parts: &'static [(&'static [u8], &'static [u8])],
    until_end: bool,
) -> impl Actor<S> {
    let mut socket = None;
    let mut connected = false;
    let mut next = 0;
    let mut sent = 0;
    let mut heard = Vec::new();
    move |_now: Instant, stack: &mut Recorder<'_, S>| {
        let mut handle = match socket.take() {
            Some(handle) => handle,
            None => TcpClientStack::socket(stack).unwrap(),
        };
        if !connected {
            match TcpClientStack::connect(stack, &mut handle, at(port)) {
                Ok(()) => connected = true,
                Err(nb::Error::WouldBlock) => {}
                Err(nb::Error::Other(_)) => {
                    TcpClientStack::close(stack, handle).unwrap();
                    return true;
                }
            }
        }
        let mut buffer = [0; 512];
        loop {
            if !connected {
                break;
            }
            if let Some((question, answer)) = parts.get(next) {
                if sent < question.len() {
                    match TcpClientStack::send(stack, &mut handle, &question[sent..]) {
                        Ok(count) => sent += count,
                        Err(nb::Error::WouldBlock) => break,
                        Err(error) => panic!("{error:?}"),
                    }
                    continue;
                }
                if heard.ends_with(answer) && !heard.is_empty() {
                    (next, sent) = (next + 1, 0);
                    heard.clear();
                    continue;
                }
            } else if !until_end {
                TcpClientStack::close(stack, handle).unwrap();
                return true;
            }
            match TcpClientStack::receive(stack, &mut handle, &mut buffer) {
                Ok(0) => {
                    TcpClientStack::close(stack, handle).unwrap();
                    return true;
                }
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
                Err(nb::Error::WouldBlock) => break,
                Err(error) => panic!("{error:?}"),
            }
        }
        socket = Some(handle);
        false
    }
}

fn udp_client<S: UdpFullStack>(parts: &'static [&'static [u8]]) -> impl Actor<S> {
    let mut socket = None;
    let mut next = 0;
    move |_now: Instant, stack: &mut Recorder<'_, S>| {
        let mut handle = if let Some(handle) = socket.take() {
            handle
        } else {
            let mut handle = UdpClientStack::socket(stack).unwrap();
            UdpClientStack::connect(stack, &mut handle, at(7)).unwrap();
            UdpClientStack::send(stack, &mut handle, parts[0]).unwrap();
            handle
        };
        let mut buffer = [0; 2048];
        if let Ok((count, _)) = UdpClientStack::receive(stack, &mut handle, &mut buffer) {
            assert_eq!(&buffer[..count], parts[next]);
            next += 1;
            let Some(part) = parts.get(next) else {
                UdpClientStack::close(stack, handle).unwrap();
                return true;
            };
            UdpClientStack::send(stack, &mut handle, part).unwrap();
        }
        socket = Some(handle);
        false
    }
}

fn echo<S: TcpFullStack + UdpFullStack + Introspect>() -> impl Actor<S> {
    let mut echo = Echo::new();
    move |now: Instant, stack: &mut Recorder<'_, S>| {
        echo.poll(now, stack);
        false
    }
}

fn shell<S: TcpFullStack + UdpFullStack + Introspect>() -> impl Actor<S> {
    let (mut shell, mut board) = (Shell::new(), SimBoard::new());
    move |now: Instant, stack: &mut Recorder<'_, S>| {
        let about = About { name: "twin", boot: Instant::ZERO, counters: &[] };
        shell.poll(now, stack, &mut board, &about);
        false
    }
}

#[test]
fn echo_over_tcp() {
    const PARTS: &[(&[u8], &[u8])] = &[
        (b"hello", b"hello"),
        (&[b'x'; 5000], &[b'x'; 5000]),
        (b"and on the same connection again", b"again"),
    ];
    let mut memory = Memory::new();
    let board = on_the_board(&mut memory, echo(), tcp_client(7, PARTS, false));
    let kernel = on_the_kernel(echo(), tcp_client(7, PARTS, false), Protocol::Tcp, 7);
    assert_eq!(board, kernel);
    let text = format!("{board:?}");
    assert!(
        text.contains(r#"Call("accept", "socket 2")"#),
        "the transcript is no empty one: {text}"
    );
}

#[test]
fn echo_over_udp() {
    const PARTS: &[&[u8]] = &[b"one", &[b'y'; 1472], b"three"];
    let mut memory = Memory::new();
    let board = on_the_board(&mut memory, echo(), udp_client(PARTS));
    let kernel = on_the_kernel(echo(), udp_client(PARTS), Protocol::Udp, 7);
    assert_eq!(board, kernel);
}

#[test]
fn the_shell_until_exit() {
    const PARTS: &[(&[u8], &[u8])] =
        &[(b"", b"> "), (b"help\r\n", b"\r\n> "), (b"nonsense\n", b"> "), (b"exit\n", b"")];
    let mut memory = Memory::new();
    let board = on_the_board(&mut memory, shell(), tcp_client(23, PARTS, true));
    let kernel = on_the_kernel(shell(), tcp_client(23, PARTS, true), Protocol::Tcp, 23);
    assert_eq!(board, kernel);
}

#[test]
fn a_connect_that_is_refused() {
    let mut memory = Memory::new();
    let board = on_the_board(&mut memory, echo(), tcp_client(NOBODY, &[], false));
    let kernel = on_the_kernel(echo(), tcp_client(NOBODY, &[], false), Protocol::Tcp, 7);
    assert_eq!(board, kernel);
    assert!(format!("{board:?}").contains(r#"Call("connect", "Refused")"#));
}
