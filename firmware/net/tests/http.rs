//! `examples/http.rs`, asked by clients of plain smoltcp.

#[path = "../examples/http.rs"]
#[allow(unreachable_pub)]
mod example;

use crate::common::{SOON, World, config};
use tapboard_net::Limits;
use tapboard_net::smoltcp::socket::tcp;

/// Sends each request from a client of its own, all at once; what each got until its connection ended.
fn ask<const N: usize>(requests: [&[&[u8]]; N]) -> [Vec<u8>; N] {
    let mut world = World::ethernet();
    world.add(&config(1).with_limits(Limits::new().with_client_reserve(0)));
    world.add_plain(2);
    let listener = world.stack(0).tcp_listen(80).expect("a free port");
    let mut server = example::Server(listener, [const { None }; 4]);
    let handles = requests.map(|_| world.plain[0].add_tcp());
    for (handle, port) in handles.into_iter().zip(50_000..) {
        world.plain[0].connect(handle, 1, 80, port);
    }
    let mut parts = requests.map(|request| request.iter());
    let mut answers = requests.map(|_| Vec::new());
    world.until(SOON, |world| {
        example::serve(world.stack(0), &mut server);
        let mut open = 0;
        for ((handle, parts), answer) in handles.iter().zip(&mut parts).zip(&mut answers) {
            let socket = world.plain[0].tcp(*handle);
            if socket.may_send()
                && socket.send_queue() == 0
                && let Some(part) = parts.next()
            {
                socket.send_slice(part).expect("room");
            }
            let _ = socket.recv(|bytes| {
                answer.extend_from_slice(bytes);
                (bytes.len(), ())
            });
            if socket.state() == tcp::State::CloseWait && socket.recv_queue() == 0 {
                socket.close();
            }
            open += u32::from(!matches!(socket.state(), tcp::State::Closed));
        }
        (open == 0).then_some(())
    });
    answers
}

/// Everything below the head of the example's text.
#[test]
fn the_readme_shows_it() {
    let (_, code) = include_str!("../examples/http.rs").split_once("\n\n").expect("a head");
    let readme = include_str!("../README.md");
    assert!(readme.contains(&format!("```rust\n{code}```\n")), "the README shows another http.rs");
}

#[test]
fn a_get_is_answered() {
    let [answer] = ask([&[b"GET / HTTP/1.1\r\nHost: board\r\n\r\n"]]);
    assert_eq!(String::from_utf8_lossy(&answer), String::from_utf8_lossy(example::PAGE));
    assert!(answer.ends_with(b"\r\n\r\nhello\n"));
}

#[test]
fn a_request_may_come_in_pieces_and_six_clients_at_once() {
    let pieces: &[&[u8]] = &[b"GET / HT", b"TP/1.1\r\n\r", b"\n"];
    for answer in ask([pieces; 6]) {
        assert_eq!(answer, example::PAGE);
    }
}

#[test]
fn what_is_no_request_ends_and_keeps_nobody_waiting() {
    let long = [b'x'; 1024];
    let [too_long, good] = ask([&[&long], &[b"GET / HTTP/1.0\r\n\r\n"]]);
    assert!(too_long.is_empty());
    assert_eq!(good, example::PAGE);
}
