//! The same service on the firmware's sockets and on the kernel's: equal transcripts.
//!
//! The service and its client each run on a stack whose calls are written down
//! ([`common::recorder`]): once on two boards at the ends of a wire, in virtual time, and once on the
//! kernel's sockets on 127.0.0.1. What both sides called, and what it came to, has to be the same.

mod common;

use std::net::{Ipv4Addr, SocketAddr};

use common::kernel_stack::{HANG, KernelStack};
use common::pair::{Memory, Pair};
use common::ports;
use common::recorder::{Log, Recorder};
use common::script::{Actor, NOBODY, at, tcp_client, udp_client};
use embedded_nal::{TcpFullStack, UdpFullStack};
use smoltcp::time::{Duration, Instant};
use tapboard::board::SimBoard;
use tapboard::clock::RealClock;
use tapboard::world::Outcome;
use tapboard_firmware::Resolve;
use tapboard_firmware::netstat::{Introspect, Protocol};
use tapboard_firmware::service::{About, Service, echo::Echo, shell::Shell};

/// Both ends' transcripts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Transcripts {
    service: Log,
    client: Log,
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
    peer.route(at(NOBODY), ports::local(ports::free_port()));
    let (mut after, clock) = (None, RealClock::new());
    for turn in 0_u64.. {
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
        assert!(clock.now() < HANG, "the kernel's run hangs: {logs:#?}");
        std::thread::yield_now();
    }
    unreachable!("it ends or hangs")
}

fn echo<S: TcpFullStack + UdpFullStack + Introspect>() -> impl Actor<S> {
    let mut echo = Echo::new();
    move |now: Instant, stack: &mut Recorder<'_, S>| {
        echo.poll(now, stack, &mut ());
        false
    }
}

fn shell<S: TcpFullStack + UdpFullStack + Introspect + Resolve>() -> impl Actor<S> {
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
