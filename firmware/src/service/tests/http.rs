//! HTTP: raw requests at the far end of a connection, in virtual time.

use std::string::{String, ToString};
use std::vec::Vec;

use smoltcp::time::Duration;

use super::Bench;
use crate::config::{
    HTTP_ANSWER_TIME, HTTP_CONNECTIONS, HTTP_CONTENT, HTTP_HEAD, HTTP_IDLE, HTTP_IDLE_FULL,
    HTTP_LINE, HTTP_LINGER, HTTP_REQUEST_TIME, HTTP_REQUESTS, HTTP_TURN,
};
use crate::service::fake::Peer;
use crate::service::http::PORT;

mod changes;
mod reports;

/// An answer, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    head: String,
    content: Vec<u8>,
}

impl Answer {
    /// The first answer of `bytes`, to a request other than HEAD, and what follows it.
    fn first(bytes: &[u8]) -> (Self, &[u8]) {
        let (head, mut rest) = cut(bytes);
        let mut content = Vec::new();
        if let Some(length) = value(&head, "Content-Length") {
            let (this, following) = rest.split_at(length.parse().expect("a length"));
            (content, rest) = (this.to_vec(), following);
        } else if value(&head, "Transfer-Encoding") == Some("chunked") {
            loop {
                let end = rest.windows(2).position(|two| two == b"\r\n").expect("a chunk's size");
                let size = core::str::from_utf8(&rest[..end]).expect("digits");
                let size = usize::from_str_radix(size, 16).expect("digits");
                content.extend_from_slice(&rest[end + 2..][..size]);
                rest = &rest[end + 2 + size..];
                rest = rest.strip_prefix(b"\r\n").expect("the end of a chunk");
                if size == 0 {
                    break;
                }
            }
        }
        (Self { status: status(&head), head, content }, rest)
    }

    /// All answers of a connection.
    fn all(peer: &Peer) -> Vec<Self> {
        let bytes = peer.pipe().output.clone();
        let (mut rest, mut answers) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let (answer, following) = Self::first(rest);
            answers.push(answer);
            rest = following;
        }
        answers
    }

    /// The only one.
    fn only(peer: &Peer) -> Self {
        let mut answers = Self::all(peer);
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0)
    }

    fn field(&self, name: &str) -> Option<&str> {
        value(&self.head, name)
    }

    fn text(&self) -> &str {
        core::str::from_utf8(&self.content).expect("text")
    }
}

/// The head, and what is behind it.
fn cut(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head: {}", String::from_utf8_lossy(bytes)));
    (String::from_utf8(bytes[..end].to_vec()).expect("text"), &bytes[end + 4..])
}

fn status(head: &str) -> u16 {
    let code = head.strip_prefix("HTTP/1.1 ").and_then(|line| line.get(..3));
    code.and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{head}"))
}

fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let mut values = fields.filter(|(field, _)| *field == name).map(|(_, value)| value);
    let first = values.next();
    assert_eq!(values.next(), None, "one {name} in {head}");
    first
}

/// What `request` gets from a board with nothing else to do.
fn answer(request: &str) -> Answer {
    let mut bench = Bench::new();
    let peer = bench.client(PORT, request.as_bytes(), false);
    Answer::only(&peer)
}

const GET: &str = "GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n";

#[test]
fn the_page_is_compressed_and_kept_by_who_has_it() {
    let page = answer(GET);
    assert_eq!(page.status, 200);
    assert_eq!(page.field("Content-Encoding"), Some("gzip"));
    assert_eq!(page.field("Cache-Control"), Some("no-cache"));
    assert_eq!(page.content[..2], [0x1f, 0x8b], "gzip's magic number");
    assert_eq!(page.field("Connection"), None, "HTTP/1.1 goes on");
    let tag = page.field("ETag").expect("a tag");
    for tags in [tag.into(), std::format!("\"other\", W/{tag}")] {
        let again =
            answer(&GET.replace("\r\n\r\n", &std::format!("\r\nIf-None-Match: {tags}\r\n\r\n")));
        assert_eq!((again.status, again.content.len()), (304, 0), "{tags}");
        assert_eq!(again.field("ETag"), Some(tag));
    }
    let other = answer(&GET.replace("\r\n\r\n", "\r\nIf-None-Match: \"other\"\r\n\r\n"));
    assert_eq!(other.status, 200);
}

#[test]
fn a_request_may_be_split_at_each_byte() {
    let requests = std::format!(
        "GET /?a=b HTTP/1.1\r\nhOST:192.0.2.1\r\nCookie: {}\r\n\r\n\
         POST /api/led HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: 2\r\n\r\non\
         HEAD /metrics HTTP/1.1\nHost:\t[2001:db8::1]:80 \nConnection: close\n\n",
        "c".repeat(2 * HTTP_LINE)
    );
    let mut bench = Bench::new();
    let whole = bench.client(PORT, requests.as_bytes(), false).text();
    assert!(whole.matches("HTTP/1.1 ").count() == 3 && whole.contains("HTTP/1.1 403 "), "{whole}");
    for at in 1..requests.len() {
        let mut bench = Bench::new();
        let (begin, rest) = requests.as_bytes().split_at(at);
        let peer = bench.client(PORT, begin, false);
        peer.send(rest);
        bench.settle();
        assert!(peer.text() == whole && peer.is_closed(), "split at {at}: {}", peer.text());
    }
    let peer = bench.stack.client(PORT);
    peer.pipe().chunk = 1;
    peer.send(requests.as_bytes());
    bench.settle();
    assert_eq!(peer.text(), whole, "and what is sent may be taken a byte at a time");
}

#[test]
fn pipelined_requests_are_answered_in_order_up_to_a_limit() {
    let mut bench = Bench::new();
    let requests =
        ["GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n", "GET /x HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"];
    let peer = bench.client(PORT, requests.concat().repeat(60).as_bytes(), false);
    let answers = Answer::all(&peer);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 404].repeat(usize::from(HTTP_REQUESTS) / 2));
    let ends = |answer: &Answer| answer.field("Connection") == Some("close");
    assert!(ends(answers.last().unwrap()) && answers.iter().filter(|a| ends(a)).count() == 1);
    assert_eq!(peer.pipe().closed, Some(0), "and nothing is left unread, or a reset would follow");
}

#[test]
fn what_is_no_request_is_told_so() {
    let host = "Host: 192.0.2.1\r\n";
    let get = "GET / HTTP/1.1\r\n";
    for (request, expected) in [
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n".into(), 200),
        ("GET http://192.0.2.1/ HTTP/1.1\r\nHost: other\r\n\r\n".into(), 200),
        ("GET http://other/ HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n".into(), 403),
        ("GET HTTP://192.0.2.1?q HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n".into(), 404),
        ("GET http://192.0.2.1 HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n".into(), 200),
        ("GET / HTTP/1.0\r\n\r\n".into(), 200),
        ("GET / HTTP/1.9\r\nHost: 192.0.2.1\r\n\r\n".into(), 200),
        ("GET / HTTP/2.0\r\n".into(), 505),
        ("GET /\r\n".into(), 400),
        ("GET  / HTTP/1.1\r\n".into(), 400),
        ("GET / HTTP/1.1 \r\n".into(), 400),
        (" GET / HTTP/1.1\r\n".into(), 400),
        ("G@T / HTTP/1.1\r\n".into(), 400),
        ("GET / http/1.1\r\n".into(), 400),
        ("GET / HTTP/1.10\r\n".into(), 400),
        ("\x16\x03\x01".into(), 400),
        ("GET / HTTP/1.1\r\r\n".into(), 400),
        ("GET / HTTP\0/1.1\r\n".into(), 400),
        (std::format!("{get}\r\n"), 400),
        (std::format!("{get}{host}{host}\r\n"), 400),
        (std::format!("{get}{host}X : 1\r\n\r\n"), 400),
        (std::format!("{get}{host}X: 1\r\n folded\r\n\r\n"), 400),
        (std::format!("{get}{host}nothing\r\n\r\n"), 400),
        (std::format!("{get}{host}: empty\r\n\r\n"), 400),
        (std::format!("{get}{host}X: a\rb\r\n\r\n"), 400),
        (std::format!("{get}{host}Content-Length: -1\r\n\r\n"), 400),
        (std::format!("{get}{host}Content-Length: \r\n\r\n"), 400),
        (std::format!("{get}{host}Content-Length: 1, 1\r\n\r\n"), 400),
        (std::format!("{get}{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400),
        (std::format!("{get}{host}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"), 200),
        (std::format!("{get}{host}Content-Length: {}\r\n\r\n", HTTP_CONTENT + 1), 413),
        (std::format!("{get}{host}Content-Length: {}\r\n\r\n", u128::MAX), 413),
        (std::format!("{get}{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 501),
        ("GET /other HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n".into(), 404),
        ("OPTIONS * HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n".into(), 404),
    ] {
        let mut bench = Bench::new();
        let peer = bench.client(PORT, request.as_bytes(), false);
        let answer = Answer::only(&peer);
        assert_eq!(answer.status, expected, "{request:?}");
        // What cannot be read to its end has nothing behind it.
        let ended = matches!(expected, 400 | 413 | 501 | 505) || request.contains("/1.0");
        assert_eq!(answer.field("Connection") == Some("close"), ended, "{request:?}");
        bench.pass(HTTP_LINGER);
        assert_eq!(peer.is_closed(), ended, "{request:?}");
    }
}

#[test]
fn what_is_too_long_is_told_so() {
    let target =
        |length| std::format!("GET /{} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n", "x".repeat(length));
    let around = "GET / HTTP/1.1".len();
    assert_eq!(answer(&target(HTTP_LINE - around)).status, 404);
    assert_eq!(answer(&target(HTTP_LINE - around + 1)).status, 414);
    let head = |field: &str, length| {
        let field = std::format!("{field}: {}", "x".repeat(length));
        std::format!("GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n{field}\r\n\r\n")
    };
    let room = HTTP_HEAD - head("Cookie", 0).len();
    assert_eq!(answer(&head("Cookie", room)).status, 200);
    assert_eq!(answer(&head("Cookie", room + 1)).status, 431);
    assert_eq!(answer(&head("Authorization", HTTP_LINE)).status, 431);
    assert_eq!(answer(&head(&"n".repeat(HTTP_LINE), 0)).status, 400, "a name without an end");
}

#[test]
fn what_is_sent_behind_a_refused_request_is_read_away() {
    let mut bench = Bench::new();
    let peer = bench.client(PORT, target_of(4000).as_bytes(), false);
    assert_eq!(Answer::only(&peer).status, 414);
    assert!(!peer.is_closed() && peer.pipe().input.is_empty(), "or a reset would overtake it");
    peer.send(&[b'x'; 5000]);
    bench.settle();
    assert!(!peer.is_closed() && peer.pipe().input.is_empty());
    peer.pipe().fin = true;
    bench.settle();
    assert_eq!(peer.pipe().closed, Some(0));
}

fn target_of(length: usize) -> String {
    std::format!("GET /{} HTTP/1.1\r\n", "x".repeat(length))
}

#[test]
fn methods_are_those_of_the_resource() {
    let ask = |method: &str, path: &str| {
        answer(&std::format!("{method} {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"))
    };
    for path in ["/", "/api/status", "/events", "/metrics"] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "get"] {
            let answer = ask(method, path);
            assert_eq!((answer.status, answer.field("Allow")), (405, Some("GET, HEAD")), "{path}");
        }
    }
    for path in ["/api/led", "/api/login"] {
        for method in ["GET", "PUT"] {
            let answer = ask(method, path);
            assert_eq!((answer.status, answer.field("Allow")), (405, Some("POST")), "{path}");
        }
    }
}

#[test]
fn head_is_get_without_content() {
    for path in ["/", "/api/status", "/metrics", "/events", "/other", "/api/led"] {
        let mut bench = Bench::new();
        let ask =
            |method: &str| std::format!("{method} {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
        let get = bench.client(PORT, ask("GET").as_bytes(), false);
        let head = bench.client(PORT, ask("HEAD").as_bytes(), false);
        let (of_get, content) = (get.text(), head.text());
        assert!(content.ends_with("\r\n\r\n") && of_get.starts_with(&content), "{path}: {content}");
        assert!(of_get.len() > content.len(), "{path}");
    }
}

#[test]
fn http_1_0_ends_with_its_answer_unless_it_asks_to_go_on() {
    let mut bench = Bench::new();
    let peer = bench.client(PORT, b"GET / HTTP/1.0\r\n\r\n", false);
    assert!(peer.is_closed() && Answer::only(&peer).field("Connection") == Some("close"));
    let peer = bench.client(PORT, b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", false);
    let answer = Answer::only(&peer);
    assert_eq!((answer.field("Connection"), peer.is_closed()), (Some("keep-alive"), false));
    // Its content cannot come in chunks.
    let ask = b"GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let peer = bench.client(PORT, ask, false);
    assert!(peer.is_closed() && peer.text().contains("\r\n\r\n# HELP tapboard_"));
    let ask = b"GET / HTTP/1.1\r\nHost: 192.0.2.1\r\nConnection: keep-alive, Close\r\n\r\n";
    assert!(bench.client(PORT, ask, false).is_closed());
}

#[test]
fn blank_lines_before_a_request_give_it_no_more_time() {
    let mut bench = Bench::new();
    let peer = bench.client(PORT, b"\r\n", false);
    let deadline = bench.now + HTTP_REQUEST_TIME;
    for _ in 0..9 {
        bench.pass(HTTP_REQUEST_TIME / 10);
        peer.send(b"\n");
        assert_eq!(bench.settle(), Some(deadline));
    }
    bench.pass(HTTP_REQUEST_TIME / 10);
    assert!(peer.is_closed(), "{}", peer.text());
}

#[test]
fn a_request_has_its_time() {
    let tick = Duration::from_millis(100);
    for begun in [
        "G",
        "GET / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: 9\r\n\r\nx",
    ] {
        let mut bench = Bench::new();
        let peer = bench.client(PORT, begun.as_bytes(), false);
        let mut deadline = bench.now + HTTP_REQUEST_TIME;
        assert_eq!(bench.settle(), Some(deadline));
        while bench.now + tick < deadline {
            bench.pass(tick);
        }
        // More of it, a byte at a time, gives no more time.
        peer.send(b"x");
        assert_eq!(bench.settle(), Some(deadline), "{begun}");
        bench.pass(tick);
        assert_eq!(Answer::only(&peer).status, 408, "{begun}");
        deadline = bench.now + HTTP_LINGER;
        assert_eq!(bench.settle(), Some(deadline));
        bench.pass(HTTP_LINGER);
        assert!(peer.is_closed());
    }
}

#[test]
fn a_connection_without_a_request_has_less_time_while_all_are_taken() {
    let mut bench = Bench::new();
    let alone = bench.client(PORT, b"", false);
    assert_eq!(bench.settle(), Some(bench.now + HTTP_IDLE));
    bench.pass(HTTP_IDLE);
    assert!(alone.is_closed() && alone.text().is_empty());

    let first: Vec<Peer> =
        (0..HTTP_CONNECTIONS).map(|_| bench.client(PORT, GET.as_bytes(), false)).collect();
    let late: Vec<Peer> = (0..2).map(|_| bench.client(PORT, GET.as_bytes(), false)).collect();
    assert!(first.iter().all(|peer| !peer.is_closed() && Answer::only(peer).status == 200));
    assert!(late.iter().all(|peer| peer.text().is_empty()), "they wait");
    bench.pass(HTTP_IDLE_FULL);
    assert!(first.iter().all(Peer::is_closed));
    assert!(late.iter().all(|peer| Answer::only(peer).status == 200));
    bench.pass(HTTP_IDLE_FULL);
    assert!(late.iter().all(|peer| !peer.is_closed()), "there is room again");
}

#[test]
fn who_has_been_answered_goes_while_somebody_waits_for_a_slot() {
    let mut bench = Bench::new();
    let idle = bench.client(PORT, GET.as_bytes(), false);
    let fresh = bench.client(PORT, b"", false);
    bench.stack.awaited = true;
    assert_eq!(bench.settle(), Some(bench.now + HTTP_IDLE_FULL));
    bench.pass(HTTP_IDLE_FULL);
    assert!(idle.is_closed() && !fresh.is_closed(), "one that has just come has its turn");
    fresh.send(GET.repeat(2).as_bytes());
    bench.settle();
    let answer = Answer::only(&fresh);
    assert!(fresh.is_closed() && answer.field("Connection") == Some("close"), "{answer:?}");
}

#[test]
fn who_asks_on_has_its_turn_while_somebody_waits_for_a_slot() {
    let mut bench = Bench::new();
    let busy = bench.client(PORT, GET.as_bytes(), false);
    bench.stack.awaited = true;
    // Not one answer a connection, or a crowd would do nothing but connect.
    let step = HTTP_TURN / 10;
    for answers in 2..=10 {
        bench.pass(step);
        busy.send(GET.as_bytes());
        bench.settle();
        assert!(!busy.is_closed() && Answer::all(&busy).len() == answers, "{answers}");
    }
    bench.pass(step);
    busy.send(GET.as_bytes());
    bench.settle();
    let last = Answer::all(&busy).pop().expect("an answer");
    assert!(busy.is_closed() && last.field("Connection") == Some("close"), "{last:?}");
}

#[test]
fn who_does_not_read_its_answer_is_left() {
    for request in [GET.to_string(), GET.replace("/ ", "/metrics "), GET.replace("/ ", "/events ")]
    {
        let mut bench = Bench::new();
        let peer = bench.stack.client(PORT);
        peer.pipe().room = 20;
        peer.send(request.as_bytes());
        assert_eq!(bench.settle(), Some(bench.now + HTTP_ANSWER_TIME), "{request}");
        bench.pass(HTTP_ANSWER_TIME);
        assert!(peer.is_closed(), "{request}");
    }
}

#[test]
fn a_peer_that_has_said_all_is_answered_and_left() {
    let mut bench = Bench::new();
    let peer = bench.client(PORT, GET.as_bytes(), true);
    assert!(peer.is_closed() && Answer::only(&peer).status == 200);
    let peer = bench.client(PORT, b"GET / HT", true);
    assert!(peer.is_closed() && peer.text().is_empty());
}
