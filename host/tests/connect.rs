//! `connect` as a user of `nc` expects it, at every way a conversation can end.
#![cfg(unix)] // Signals, and what SO_LINGER and a short backlog do, are those of Unix.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use socket2::{Domain, Socket, Type};

mod common;
use common::{Finished, bounded, closed_port, echo, finish, reset, run, server, tool};

fn connect(address: SocketAddr) -> Child {
    tool(&["connect", &address.to_string()])
}

/// Runs `connect` with `input` and then the end of standard input.
fn converse(address: SocketAddr, input: &[u8]) -> Finished {
    let mut child = connect(address);
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let writer = thread::spawn(move || stdin.write_all(&input));
    let finished = finish(child);
    writer.join().expect("the writer ends").expect("all input is taken");
    finished
}

#[test]
fn a_port_may_stand_apart_as_for_nc() {
    let address = server(|_, mut stream| {
        stream.write_all(b"welcome").expect("the tool still reads");
    });
    let port = address.port().to_string();
    let finished = run(&["connect", "127.0.0.1", &port, "--timeout", "5"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.text(), "welcome");
    // What is wrong otherwise is said as before.
    let finished = run(&["connect", "127.0.0.1", "--timeout", "5"]);
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains("`127.0.0.1` has no port"), "{finished:?}");
}

#[test]
fn the_end_of_input_is_our_fin_and_the_answer_is_still_read() {
    let address = server(|_, mut stream| {
        let mut all = String::new();
        stream.read_to_string(&mut all).expect("input, then FIN");
        write!(stream, "received {all:?}, and your FIN").expect("the tool still reads");
    });
    let finished = converse(address, b"hello");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.text(), "received \"hello\", and your FIN");
    assert_eq!(finished.stderr, "");
}

#[test]
fn the_peers_fin_ends_it_with_standard_input_still_open() {
    let address = server(|_, mut stream| stream.write_all(b"bye").expect("the tool reads"));
    let child = connect(address);
    // `finish` keeps standard input open until the tool has ended.
    let finished = finish(child);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.text(), "bye");
}

#[test]
fn both_directions_carry_bulk_at_the_same_time() {
    let address = server(|_, stream| echo(&stream, |_, _| {}));
    let data: Vec<u8> = (0..8_000_000_u32).map(|n| (n / 7) as u8).collect();
    let finished = converse(address, &data);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout == data, "{} of {} bytes", finished.stdout.len(), data.len());
}

#[test]
fn an_answer_comes_out_at_once_and_not_at_the_end() {
    let address = server(|_, stream| echo(&stream, |_, _| {}));
    let mut child = connect(address);
    let mut stdin = child.stdin.take().expect("piped");
    let mut stdout = child.stdout.take().expect("piped");
    for prompt in [b"one", b"two", b"six"] {
        stdin.write_all(prompt).expect("taken");
        let answer;
        (stdout, answer) = bounded(move || {
            let mut answer = [0; 3];
            stdout.read_exact(&mut answer).expect("an answer without a line feed");
            (stdout, answer)
        });
        assert_eq!(&answer, prompt);
    }
    drop(stdin);
    assert_eq!(finish(child).code, Some(0));
}

#[test]
fn a_refused_connection_is_one_line_with_a_remedy() {
    let address = closed_port();
    let finished = run(&["connect", &address.to_string()]);
    assert_eq!(finished.code, Some(1));
    assert_eq!(
        finished.stderr,
        format!(
            "tapboard-host: nothing listens on {address}; is the board up? start it with: tapboard\n"
        )
    );
    assert_eq!(finished.text(), "");
}

#[test]
fn a_reset_is_an_error() {
    let address = server(|_, mut stream| {
        stream.read_exact(&mut [0]).expect("a byte");
        stream.write_all(b"half an ans").expect("the tool reads");
        reset(stream);
    });
    let mut child = connect(address);
    child.stdin.as_mut().expect("piped").write_all(b"x").expect("taken");
    let finished = finish(child);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("reset the connection"), "{}", finished.stderr);
}

#[test]
fn a_connect_that_nobody_answers_ends_with_its_timeout() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    socket.listen(0).expect("listening");
    let address = socket.local_addr().expect("an address").as_socket().expect("IPv4");
    let _occupant = std::net::TcpStream::connect(address).expect("room for one");
    let finished = run(&["connect", &address.to_string(), "--timeout", "0.5"]);
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("no answer from"), "{}", finished.stderr);
    assert!(finished.stderr.contains("within 0.5 s"), "{}", finished.stderr);
}

#[test]
fn names_and_ipv6_addresses_are_connected_to() {
    let address = server(|_, stream| echo(&stream, |_, _| {}));
    let mut child = tool(&["connect", &format!("localhost:{}", address.port())]);
    child.stdin.take().expect("piped").write_all(b"by name").expect("taken");
    assert_eq!(finish(child).text(), "by name");

    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        assert!(std::env::var_os("CI").is_none(), "this machine has no ::1");
        eprintln!("skipped: this machine has no ::1");
        return;
    };
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || echo(&listener.accept().expect("a connection").0, |_, _| {}));
    assert_eq!(converse(address, b"six").text(), "six");
}

#[test]
fn a_closed_standard_output_ends_it_quietly() {
    let address = server(|_, mut stream| while stream.write_all(&[b'x'; 4096]).is_ok() {});
    let mut child = connect(address);
    let mut stdout = child.stdout.take().expect("piped");
    bounded(move || stdout.read_exact(&mut [0; 10]).expect("some bytes"));
    let finished = finish(child);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
}

#[test]
fn input_that_is_being_sent_is_delivered_after_the_peers_fin() {
    // A peer that closes its side after one byte, yet goes on reading through a small window.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("SO_RCVBUF");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    socket.listen(1).expect("listening");
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().expect("an address").to_string();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            stream.read_exact(&mut [0]).expect("a byte");
            stream.shutdown(Shutdown::Write).expect("connected");
            let rest = std::io::copy(&mut stream, &mut std::io::sink()).expect("bytes, then FIN");
            sender.send(rest + 1).expect("the test listens");
        }
    });
    // Where the FIN falls is a matter of chance, so it is tried more than once.
    for _ in 0..20 {
        // Reads of a file that never ends always fill the buffer, so what is delivered is whole buffers.
        let child = Command::new(env!("CARGO_BIN_EXE_tapboard-host"))
            .args(["connect", &address])
            .stdin(File::open("/dev/zero").expect("a device"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tool starts");
        assert_eq!(finish(child).code, Some(0));
        let delivered = receiver.recv_timeout(common::PATIENCE).expect("the peer sees our FIN");
        assert_eq!(delivered % 65_536, 0, "{delivered} bytes cut a buffer in two");
    }
}

#[test]
fn unreadable_standard_input_is_an_error() {
    let address = server(|_, stream| echo(&stream, |_, _| {}));
    let child = Command::new(env!("CARGO_BIN_EXE_tapboard-host"))
        .args(["connect", &address.to_string()])
        .stdin(File::open(".").expect("a directory"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool starts");
    let finished = finish(child);
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("cannot read standard input"), "{}", finished.stderr);
}
