//! Every service of the firmware on the operating system's sockets, with the standard library's as
//! clients.
//!
//! The services are polled on the test's thread, in time that the test makes up; the client is a
//! thread of its own that blocks, with a bound on each wait. What passes here and on the firmware's
//! own stack shows that the services rest on the sockets' common meaning and not on one stack's
//! habits.

#[path = "common/kernel_stack.rs"]
mod kernel_stack;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration as StdDuration;

use embedded_nal::nb;
use kernel_stack::{KernelStack, decided};
use smoltcp::time::{Duration, Instant};
use socket2::{Domain, SockRef, Socket, Type};
use tapboard_firmware::board::Board;
use tapboard_firmware::config::{
    BACKOFF_MAX, DATAGRAM_SIZE, LISTEN_RETRY, SHELL_CONNECTIONS, TCP_SLOTS,
};
use tapboard_firmware::netstat::{Introspect, Protocol};
use tapboard_firmware::service::{Service, ServiceConfig, Services, chargen, discard, echo, shell};

/// A client that has waited this long has found a bug.
const PATIENCE: StdDuration = StdDuration::from_mins(1);

/// How long the services rest between two polls: the traits have no way to wait for readiness.
const REST: StdDuration = StdDuration::from_micros(500);

/// Where the board believes its telemetry goes.
const COLLECTOR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 9000);

#[derive(Debug, Default)]
struct TestBoard {
    led: bool,
    resets: u32,
}

impl Board for TestBoard {
    fn set_led(&mut self, on: bool) {
        self.led = on;
    }

    fn led(&self) -> bool {
        self.led
    }

    fn temperature_mc(&mut self) -> i32 {
        21_500
    }

    fn entropy(&mut self) -> Option<u64> {
        Some(1)
    }

    fn reset(&mut self) {
        self.resets += 1;
    }
}

/// All services on the kernel's sockets.
struct Rig {
    stack: KernelStack,
    board: TestBoard,
    services: Services<KernelStack>,
    now: Instant,
    /// How far the board's time moves from one poll to the next.
    step: Duration,
}

impl Rig {
    fn new() -> Self {
        Self::with(KernelStack::new(), None)
    }

    fn with(stack: KernelStack, telemetry: Option<SocketAddr>) -> Self {
        let config = ServiceConfig {
            name: "kernel".try_into().expect("short enough"),
            telemetry: telemetry.map(Into::into),
        };
        let mut rig = Self {
            stack,
            board: TestBoard::default(),
            services: Services::new(config, 1, Instant::ZERO),
            now: Instant::ZERO,
            step: Duration::from_millis(1),
        };
        rig.poll();
        rig
    }

    fn poll(&mut self) -> Option<Instant> {
        let deadline = self.services.poll(self.now, &mut self.stack, &mut self.board);
        assert!(deadline.is_none_or(|deadline| deadline >= self.now));
        deadline
    }

    fn tcp(&self, port: u16) -> SocketAddr {
        let port = self.stack.local_port(Protocol::Tcp, port).expect("bound");
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    fn udp(&self, port: u16) -> SocketAddr {
        let port = self.stack.local_port(Protocol::Udp, port).expect("bound");
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    /// Polls the services for as long as `client` runs, on a thread of its own.
    fn serve<T: Send>(&mut self, client: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let (done, finished) = channel::<()>();
            let client = scope.spawn(move || {
                let _done = done;
                client()
            });
            let mut rest = StdDuration::ZERO;
            while finished.recv_timeout(rest) == Err(RecvTimeoutError::Timeout) {
                self.now += self.step;
                let busy = self.poll() == Some(self.now);
                rest = if busy { StdDuration::ZERO } else { REST };
            }
            client.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.services.shutdown(&mut self.stack, &mut self.board);
            assert_eq!(self.stack.open(), 0, "handles lost: {:?}", self.stack);
        }
    }
}

/// A client whose every wait is bounded.
fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The next client of `server`, with every wait bounded.
fn accept(server: &TcpListener) -> TcpStream {
    // On a listening socket this bounds `accept`.
    SockRef::from(server).set_read_timeout(Some(PATIENCE)).unwrap();
    let (stream, _) = server.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends `request` and a FIN from another thread, and returns everything up to the server's FIN.
fn exchange(mut stream: TcpStream, request: &[u8]) -> Vec<u8> {
    thread::scope(|scope| {
        let mut sender = stream.try_clone().unwrap();
        scope.spawn(move || {
            sender.write_all(request).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        response
    })
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8 ^ (index / 251) as u8).collect()
}

#[test]
fn echo_returns_a_megabyte_and_then_the_fin() {
    let mut rig = Rig::new();
    let (address, data) = (rig.tcp(echo::PORT), pattern(1_000_000));
    let echoed = rig.serve(|| exchange(connect(address), &data));
    assert!(echoed == data, "{} of {} bytes, or others", echoed.len(), data.len());
}

#[test]
fn echo_serves_more_clients_than_it_has_places() {
    let mut rig = Rig::new();
    let address = rig.tcp(echo::PORT);
    let clients = 4 * TCP_SLOTS;
    let echoed = rig.serve(|| {
        thread::scope(|scope| {
            let client = |index| {
                scope.spawn(move || exchange(connect(address), &pattern(1000 + index)).len())
            };
            let clients: Vec<_> = (0..clients).map(client).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
        })
    });
    assert!(echoed.iter().copied().eq(1000..1000 + clients), "{echoed:?}");
}

#[test]
fn udp_echo_answers_datagrams_of_every_length_it_can() {
    let mut rig = Rig::new();
    let address = rig.udp(echo::PORT);
    rig.serve(|| {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.connect(address).unwrap();
        // Longer than any frame: dropped, so the next answer is the next datagram's.
        client.send(&pattern(DATAGRAM_SIZE + 1)).unwrap();
        for length in [0, 1, 512, DATAGRAM_SIZE] {
            client.send(&pattern(length)).unwrap();
            let mut buffer = [0; 2 * DATAGRAM_SIZE];
            let received = client.recv(&mut buffer).unwrap();
            assert!(buffer[..received] == pattern(length), "{received} for {length} bytes");
        }
    });
}

#[test]
fn discard_takes_everything_and_says_nothing() {
    let mut rig = Rig::new();
    let (tcp, udp) = (rig.tcp(discard::PORT), rig.udp(discard::PORT));
    let response = rig.serve(|| {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.connect(udp).unwrap();
        client.send(b"nothing comes back").unwrap();
        let response = exchange(connect(tcp), &pattern(1_000_000));
        client.set_nonblocking(true).unwrap();
        assert_eq!(client.recv(&mut [0; 32]).unwrap_err().kind(), ErrorKind::WouldBlock);
        response
    });
    assert_eq!(response, b"");
}

#[test]
fn chargen_talks_until_the_client_has_enough() {
    let mut rig = Rig::new();
    let address = rig.tcp(chargen::PORT);
    let text = rig.serve(|| {
        let mut client = connect(address);
        client.write_all(b"it does not listen").unwrap();
        let mut text = vec![0; 74 * 96];
        client.read_exact(&mut text).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        client.read_to_end(&mut Vec::new()).unwrap();
        text
    });
    let lines: Vec<_> = text.split_inclusive(|&byte| byte == b'\n').collect();
    assert!(lines[0].starts_with(b" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFG"));
    assert!(lines[1].starts_with(b"!\"#") && lines[94].starts_with(b"~ !\""));
    assert!(lines.iter().all(|line| line.len() == 74 && line.ends_with(b"\r\n")));
    assert_eq!(lines[95], lines[0]);
}

/// What the shell says to a client that sends `input` and a FIN.
fn shell(rig: &mut Rig, input: &[u8]) -> String {
    let address = rig.tcp(shell::PORT);
    let output = rig.serve(|| exchange(connect(address), input));
    String::from_utf8_lossy(&output).into_owned()
}

#[test]
fn the_shell_answers_even_a_last_line_without_end() {
    let mut rig = Rig::new();
    let output = shell(&mut rig, b"led on\nnetstat\r\ntemp");
    let lines: Vec<_> = output.split("\r\n").collect();
    assert_eq!(lines[..2], ["kernel, tapboard shell: try help", "> led is on"]);
    assert!(rig.board.led);
    for row in ["127.0.0.1:23", "LISTEN", "ESTABLISHED", "udp"] {
        assert!(output.contains(row), "no {row} in {output}");
    }
    assert_eq!(lines[lines.len() - 2..], ["> 21.500 C", ""]);
}

#[test]
fn the_shell_refuses_telnet_options() {
    let mut rig = Rig::new();
    let address = rig.tcp(shell::PORT);
    let output = rig.serve(|| exchange(connect(address), b"\xff\xfd\x01\xff\xfb\x18exit\r\0"));
    let expected = b"> \xff\xfc\x01\xff\xfe\x18bye\r\n";
    assert!(output.ends_with(expected), "{}", output.escape_ascii());
}

#[test]
fn exit_with_input_behind_it_is_no_reset() {
    let mut rig = Rig::new();
    let mut input = b"exit\n".to_vec();
    input.resize(30_000, b'x');
    let address = rig.tcp(shell::PORT);
    for _ in 0..20 {
        // All of it is there before the shell looks at any: a reset would lose the answer.
        let mut client = connect(address);
        client.write_all(&input).unwrap();
        let output = rig.serve(|| {
            let mut output = String::new();
            client.read_to_string(&mut output).map(|_| output)
        });
        assert!(output.is_ok_and(|output| output.ends_with("> bye\r\n")));
    }
}

#[test]
fn shell_sessions_beyond_the_last_wait_for_a_place() {
    let mut rig = Rig::new();
    let address = rig.tcp(shell::PORT);
    rig.serve(|| {
        let mut sessions: Vec<_> = (0..SHELL_CONNECTIONS).map(|_| connect(address)).collect();
        for session in &mut sessions {
            let mut prompt = [0; 36];
            session.read_exact(&mut prompt).unwrap();
            assert!(prompt.ends_with(b"\n> "), "{}", prompt.escape_ascii());
        }
        let waiting = connect(address);
        waiting.set_nonblocking(true).unwrap();
        assert_eq!((&waiting).read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        waiting.set_nonblocking(false).unwrap();
        drop(sessions);
        let output = exchange(waiting, b"temp\n");
        assert!(output.ends_with(b"21.500 C\r\n> \r\n"), "{}", output.escape_ascii());
    });
}

#[test]
fn reset_reaches_the_board_after_its_answer_reached_the_client() {
    let mut rig = Rig::new();
    let output = shell(&mut rig, b"reset\n");
    assert!(output.ends_with("> resetting\r\n"), "{output}");
    assert_eq!(rig.board.resets, 1);
}

#[test]
fn telemetry_comes_back_after_its_server_went_away() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut stack = KernelStack::new();
    stack.route(COLLECTOR, server.local_addr().unwrap());
    let mut rig = Rig::with(stack, Some(COLLECTOR));
    rig.step = Duration::from_millis(50);
    let lines = rig.serve(|| {
        let mut lines = Vec::new();
        for count in [3, 2] {
            let stream = accept(&server);
            (&stream).write_all(b"welcome\n").unwrap();
            lines.extend(BufReader::new(stream).lines().take(count).map(Result::unwrap));
        }
        lines
    });
    for (seq, line) in lines.iter().enumerate().take(3) {
        assert!(line.starts_with(&format!(r#"{{"board":"kernel","seq":{seq},"uptime_ms":"#)));
        assert!(
            line.contains(r#""temp_mc":21500,"led":false,"connections":1,"dropped":"#),
            "{line}"
        );
        assert!(line.ends_with('}'));
    }
    assert_eq!(lines.len(), 5);
}

#[test]
fn telemetry_keeps_trying_while_nobody_listens() {
    // Bound and not listening: the kernel refuses, and nobody else can have the port meanwhile.
    let server = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    server.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let mut stack = KernelStack::new();
    stack.route(COLLECTOR, server.local_addr().unwrap().as_socket().unwrap());
    let mut rig = Rig::with(stack, Some(COLLECTOR));
    for _ in 0..20 {
        let retry = decided(|| rig.poll().ok_or(nb::Error::WouldBlock)).unwrap();
        assert!(retry > rig.now && retry <= rig.now + BACKOFF_MAX);
        rig.now = retry;
    }
    let elapsed = rig.now - Instant::ZERO;
    assert!(elapsed >= BACKOFF_MAX / 2 * 15, "{elapsed}: the back-off does not grow");
    server.listen(1).unwrap();
    let server = TcpListener::from(server);
    rig.step = Duration::from_millis(50);
    let line = rig.serve(|| {
        let stream = accept(&server);
        BufReader::new(stream).lines().next().unwrap().unwrap()
    });
    assert!(line.contains(r#""seq":0,"#), "{line}");
}

#[test]
fn a_port_taken_at_boot_is_served_once_it_is_free() {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut stack = KernelStack::new();
    stack.map_tcp(echo::PORT, holder.local_addr().unwrap().port());
    let mut rig = Rig::with(stack, None);
    assert_eq!(rig.poll(), Some(rig.now + LISTEN_RETRY));
    let address = rig.tcp(echo::PORT);
    drop(holder);
    rig.now += LISTEN_RETRY;
    assert_eq!(rig.poll(), None);
    let echoed = rig.serve(|| exchange(connect(address), b"at last"));
    assert_eq!(echoed, b"at last");
}

#[test]
fn shutdown_ends_every_connection_with_a_fin() {
    let mut rig = Rig::new();
    let addresses = [echo::PORT, discard::PORT, shell::PORT].map(|port| rig.tcp(port));
    let mut clients = addresses.map(connect);
    rig.serve(|| {
        clients[0].write_all(b"x").unwrap();
        clients[0].read_exact(&mut [0; 1]).unwrap();
        clients[2].read_exact(&mut [0; 36]).unwrap();
    });
    // One that is still in the listener's queue would be reset.
    decided(|| {
        rig.poll();
        let rows = (0..).map_while(|index| rig.stack.row(index));
        let accepted = rows.filter(|row| row.state == "ESTABLISHED").count();
        if accepted == clients.len() { Ok(()) } else { Err(nb::Error::WouldBlock) }
    })
    .unwrap();
    rig.services.shutdown(&mut rig.stack, &mut rig.board);
    for mut client in clients {
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "a FIN");
    }
    assert_eq!(rig.stack.open(), 0, "nobody listens");
}
