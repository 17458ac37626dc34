//! What changes something: who may, and from where.

use std::string::String;
use std::vec::Vec;

use super::{Answer, PORT};
use crate::config::{HTTP_CONNECTIONS, LOGIN_DELAY, LOGIN_FAILURES};
use crate::service::Token;
use crate::service::fake::Peer;
use crate::service::tests::Bench;

fn board() -> Bench {
    let mut bench = Bench::new();
    bench.services.set_token(Token::new("open-sesame"));
    bench
}

/// A request to change the LED, with `fields` beside its token.
fn post(content: &str, fields: &str) -> String {
    let length = content.len();
    std::format!("POST /api/led HTTP/1.1\r\nContent-Length: {length}\r\n{fields}\r\n{content}")
}

const HOST: &str = "Host: 192.0.2.1\r\n";
const RIGHT: &str = "Authorization: Bearer open-sesame\r\n";
const WRONG: &str = "Authorization: Bearer open-sesamE\r\n";

fn led(bench: &mut Bench, content: &str, fields: &str) -> Answer {
    let peer = bench.client(PORT, post(content, fields).as_bytes(), true);
    Answer::only(&peer)
}

#[test]
fn the_led_is_switched_by_who_knows_the_token() {
    let mut bench = board();
    let fields = [HOST, RIGHT].concat();
    for (content, lit) in
        [("on", true), ("on", true), ("toggle", false), ("toggle\r\n", true), ("off", false)]
    {
        let answer = led(&mut bench, content, &fields);
        let expected = std::format!("{{\"led\":{lit}}}\n");
        assert_eq!((answer.status, answer.text()), (200, &*expected), "{content}");
        assert_eq!(bench.board.led, lit, "{content}");
    }
    for content in ["", "of", "on off", "ON", "{}"] {
        assert_eq!(led(&mut bench, content, &fields).status, 400, "{content}");
    }
    assert!(!bench.board.led);
    let answer = led(&mut bench, "on", HOST);
    assert_eq!((answer.status, answer.field("WWW-Authenticate")), (401, Some("Bearer")));
    assert!(!bench.board.led, "not without it");
}

#[test]
fn a_board_without_a_token_changes_nothing() {
    let mut bench = Bench::new();
    for fields in
        [HOST.into(), [HOST, RIGHT].concat(), [HOST, "Authorization: Bearer \r\n"].concat()]
    {
        assert_eq!(led(&mut bench, "on", &fields).status, 403, "{fields}");
    }
    assert!(!bench.board.led);
}

#[test]
fn login_says_whether_the_token_is_right() {
    let mut bench = board();
    let ask = |fields: &str| std::format!("POST /api/login HTTP/1.1\r\n{HOST}{fields}\r\n");
    assert_eq!(Answer::only(&bench.client(PORT, ask("").as_bytes(), false)).status, 401);
    assert_eq!(Answer::only(&bench.client(PORT, ask(RIGHT).as_bytes(), false)).status, 204);
    let peer = bench.client(PORT, ask(WRONG).as_bytes(), false);
    bench.pass(LOGIN_DELAY);
    assert_eq!(Answer::only(&peer).status, 401);
}

#[test]
fn a_wrong_token_is_told_late_and_thrice() {
    let mut bench = board();
    let peer = bench.stack.client(PORT);
    for failure in 1..=LOGIN_FAILURES {
        peer.send(post("on", &[HOST, WRONG].concat()).as_bytes());
        assert_eq!(bench.settle(), Some(bench.now + LOGIN_DELAY));
        assert_eq!(Answer::all(&peer).len(), usize::from(failure) - 1, "not before");
        bench.pass(LOGIN_DELAY);
        let last = Answer::all(&peer).pop().expect("an answer");
        let ends = failure == LOGIN_FAILURES;
        assert_eq!((last.status, last.field("Connection") == Some("close")), (401, ends));
        assert_eq!(peer.is_closed(), ends);
    }
    assert!(!bench.board.led);
}

#[test]
fn guesses_of_all_connections_wait_for_each_other() {
    let mut bench = board();
    let wrong = post("on", &[HOST, WRONG].concat());
    let right = post("on", &[HOST, RIGHT].concat());
    let guesses: Vec<Peer> =
        (1..HTTP_CONNECTIONS).map(|_| bench.client(PORT, wrong.as_bytes(), false)).collect();
    let honest = bench.client(PORT, right.as_bytes(), false);
    assert!(honest.text().is_empty(), "a right one waits as a wrong one does");
    let shell = bench.client(crate::service::shell::PORT, b"login open-sesame\n", false);
    assert!(!shell.text().contains("logged in"), "in the shell too");
    for answered in 1..HTTP_CONNECTIONS {
        bench.pass(LOGIN_DELAY);
        let count = guesses.iter().filter(|peer| !peer.text().is_empty()).count();
        assert_eq!(count, answered, "one a delay");
    }
    bench.pass(LOGIN_DELAY);
    assert!(Answer::only(&honest).status == 200 && bench.board.led);
    assert!(shell.text().contains("logged in"));
}

#[test]
fn whoever_guesses_keeps_nobody_out() {
    let mut bench = board();
    let wrong = post("on", &[HOST, WRONG].concat());
    let right = post("on", &[HOST, RIGHT].concat());
    // One after the other, on all places but one; each of them asks again at once.
    let mut guesses: Vec<Peer> =
        (1..HTTP_CONNECTIONS).map(|_| bench.client(PORT, wrong.as_bytes(), false)).collect();
    let mut guess_on = |bench: &mut Bench, time| {
        bench.pass(time);
        for peer in &mut guesses {
            if peer.is_closed() {
                *peer = bench.stack.client(PORT);
            }
            if peer.pipe().input.is_empty() {
                peer.send(wrong.as_bytes());
            }
        }
        bench.settle();
    };
    guess_on(&mut bench, LOGIN_DELAY * 3 / 2);
    let honest = bench.client(PORT, right.as_bytes(), false);
    let shell = bench.client(crate::service::shell::PORT, b"login open-sesame\n", false);
    assert!(honest.text().is_empty() && !shell.text().contains("logged in"));
    // After one guess of each connection that was before.
    for _ in 0..HTTP_CONNECTIONS * 10 {
        guess_on(&mut bench, LOGIN_DELAY / 10);
    }
    assert_eq!(Answer::only(&honest).status, 200);
    assert!(shell.text().contains("logged in"), "{}", shell.text());
}

#[test]
fn who_comes_from_elsewhere_waits_for_no_guess() {
    let mut bench = board();
    let wrong = bench.client(PORT, post("on", &[HOST, WRONG].concat()).as_bytes(), false);
    let right = bench.stack.client_at([192, 0, 2, 3], PORT);
    right.send(post("on", &[HOST, RIGHT].concat()).as_bytes());
    bench.settle();
    assert!(Answer::only(&right).status == 200 && wrong.text().is_empty());
}

#[test]
fn what_is_refused_is_told_why() {
    let mut bench = board();
    for (fields, why) in [
        ("Host: evil.example\r\n", "Host is no address, and no name of this board's"),
        ("Host: bench\r\nOrigin: http://evil.example\r\n", "another web page asks (Origin)"),
    ] {
        let answer = led(&mut bench, "on", &[fields, RIGHT].concat());
        assert!(answer.status == 403 && answer.text().contains(why), "{answer:?}");
        for path in ["/", "/api/status", "/events", "/metrics", "/other"] {
            let request = std::format!("GET {path} HTTP/1.1\r\n{fields}\r\n");
            let answer = Answer::only(&bench.client(PORT, request.as_bytes(), true));
            assert!(answer.status == 403 && answer.text().contains(why), "{path}: {answer:?}");
        }
    }
    let answer = led(&mut Bench::new(), "on", HOST);
    assert!(answer.text().contains("the board has no token"), "{answer:?}");
}

#[test]
fn a_request_is_one_guess() {
    let mut bench = board();
    for fields in [[HOST, WRONG, RIGHT].concat(), [HOST, RIGHT, WRONG].concat()] {
        assert_eq!(led(&mut bench, "on", &fields).status, 400);
    }
    for other in ["Basic b3Blbi1zZXNhbWU6", "open-sesame", "Bearer open-sesame, Bearer x", "Bearer"]
    {
        let fields = std::format!("{HOST}Authorization: {other}\r\n");
        let peer = bench.client(PORT, post("on", &fields).as_bytes(), true);
        bench.pass(LOGIN_DELAY);
        assert_eq!(Answer::only(&peer).status, 401, "{other}");
    }
    assert!(!bench.board.led);
    let fields = std::format!("{HOST}authorization:  bEARER   open-sesame \r\n");
    assert_eq!(led(&mut bench, "on", &fields).status, 200, "schemes have no case (RFC 9110 11.1)");
}

#[test]
fn another_web_page_changes_nothing() {
    for (fields, allowed) in [
        ("Host: 192.0.2.1\r\n", true),
        ("Host: 127.0.0.1:7080\r\nOrigin: http://127.0.0.1:7080\r\n", true),
        ("Host: [2001:db8::1]\r\nOrigin: http://[2001:db8::1]\r\n", true),
        ("Host: [::1]:7080\r\nOrigin: HTTP://[::1]:7080\r\n", true),
        ("Host: localhost:7080\r\n", true),
        ("Host: LocalHost\r\n", true),
        ("Host: bench\r\n", true),
        ("Host: Bench.local:80\r\nOrigin: http://bench.local:80\r\n", true),
        ("Host: bench.LAN\r\n", true),
        ("Host: bench.home.arpa\r\n", true),
        ("Host: bench.internal:80\r\n", true),
        // A page of somebody else.
        ("Host: 192.0.2.1\r\nOrigin: http://evil.example\r\n", false),
        ("Origin: http://evil.example\r\nHost: 192.0.2.1\r\n", false),
        ("Host: 192.0.2.1\r\nOrigin: https://192.0.2.1\r\n", false),
        ("Host: 192.0.2.1\r\nOrigin: http://192.0.2.1:8080\r\n", false),
        ("Host: 192.0.2.1\r\nOrigin: null\r\n", false),
        ("Host: 192.0.2.1\r\nOrigin: \r\n", false),
        ("Host: 192.0.2.1\r\nOrigin: http://\r\n", false),
        ("Host: 192.0.2.1\r\nOrigin: http://192.0.2.1\r\nOrigin: http://evil.example\r\n", false),
        // A name that was made to point here.
        ("Host: evil.example\r\n", false),
        ("Host: evil.example\r\nOrigin: http://evil.example\r\n", false),
        ("Host: bench.evil.example\r\n", false),
        ("Host: evil.local\r\n", false),
        ("Host: bench.arpa\r\n", false),
        ("Host: bench.local.example\r\n", false),
        ("Host: evil.bench.local\r\n", false),
        ("Host: bench.localhost\r\n", false),
        ("Host: 192.0.2.1.evil.example\r\n", false),
        ("Host: [::1].evil.example\r\n", false),
        ("Host: \r\n", false),
        ("Host: :80\r\n", false),
        ("Host: .local\r\n", false),
        (LONG, false),
    ] {
        let mut bench = board();
        let answer = led(&mut bench, "on", &[fields, RIGHT].concat());
        assert_eq!(answer.status, if allowed { 200 } else { 403 }, "{fields:?}");
        assert_eq!(bench.board.led, allowed, "{fields:?}");
    }
}

/// Neither is kept, and so they are not the same.
const LONG: &str = "Host: a.very.long.name.that.goes.on.and.on.until.it.is.too.long.example\r\n\
    Origin: http://a.very.long.name.that.goes.on.and.on.until.it.is.too.long.example\r\n";

#[test]
fn an_absolute_target_counts_for_the_host() {
    let mut bench = board();
    for (target, status) in [("http://evil.example", 403), ("http://192.0.2.1", 200)] {
        let request = post("on", &["Host: 192.0.2.1\r\n", RIGHT].concat());
        let request = request.replace("/api/led", &std::format!("{target}/api/led"));
        let peer = bench.client(PORT, request.as_bytes(), false);
        assert_eq!(Answer::only(&peer).status, status, "{target}");
    }
}

#[test]
fn the_shell_asks_for_the_token_too() {
    const SHELL: u16 = crate::service::shell::PORT;
    let mut bench = board();
    let peer = bench.client(SHELL, b"led\nled on\nreset\n", false);
    assert_eq!(peer.text().matches("login first: login TOKEN").count(), 2, "{}", peer.text());
    assert!(peer.text().contains("led is off") && !bench.board.led && !peer.is_closed());
    peer.send(b"login nonsense\n");
    assert_eq!(bench.settle(), Some(bench.now + LOGIN_DELAY));
    assert!(!peer.text().contains("wrong"));
    bench.pass(LOGIN_DELAY);
    assert!(peer.text().ends_with("> wrong token\r\n> "), "{}", peer.text());
    peer.send(b"login open-sesame\nled on\n");
    bench.settle();
    assert!(peer.text().ends_with("> logged in\r\n> led is on\r\n> "), "{}", peer.text());
    peer.send(b"reset\n");
    bench.settle();
    assert_eq!((bench.board.led, bench.board.resets), (true, 1));

    let other = bench.client(SHELL, b"led off\n", false);
    assert!(bench.board.led && other.text().contains("login first"), "each session by itself");
    for _ in 0..LOGIN_FAILURES {
        assert!(!other.is_closed());
        other.send(b"login x\n");
        bench.settle();
        bench.pass(LOGIN_DELAY);
    }
    assert!(
        other.is_closed() && other.text().ends_with("wrong token; bye\r\n"),
        "{}",
        other.text()
    );
}

#[cfg(feature = "settings")]
#[test]
fn settings_ask_for_the_token_too() {
    let mut bench = board();
    bench.board.settings = Some(crate::service::fake_board::FakeSettings::default());
    let lines = b"set name x\nunset name\nsave\nlogin open-sesame\nset name x\n";
    let peer = bench.client(crate::service::shell::PORT, lines, false);
    assert_eq!(peer.text().matches("login first: login TOKEN").count(), 3, "{}", peer.text());
    assert!(peer.text().contains("> logged in\r\n> name is x, after save"), "{}", peer.text());
}

/// As a page from elsewhere sends it to the shell's forwarded port, which no browser knows to be one.
#[test]
fn the_shell_does_not_take_commands_from_a_browser() {
    let mut bench = Bench::new();
    for first in ["POST / HTTP/1.1\r\n", "GET /x HTTP/1.0\n"] {
        let request = [first, "Host: 127.0.0.1:7023\r\n\r\nled on\nreset\n"].concat();
        let peer = bench.client(crate::service::shell::PORT, request.as_bytes(), false);
        assert!(peer.is_closed() && peer.text().ends_with("> this is no HTTP server; bye\r\n"));
        assert!(!bench.board.led && bench.board.resets == 0);
    }
}

#[test]
fn without_a_token_the_shell_asks_for_none() {
    let mut bench = Bench::new();
    let peer = bench.client(crate::service::shell::PORT, b"login x\nled on\n", false);
    assert!(peer.text().ends_with("> no login is needed\r\n> led is on\r\n> "), "{}", peer.text());
}
