//! Status, metrics and events.

use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

use serde_json::Value;
use smoltcp::time::Duration;
use tapboard_net::netstat::Introspect;

use super::{Answer, PORT, cut, status};
use crate::config::{HTTP_CONNECTIONS, HTTP_EVENT_INTERVAL, HTTP_STREAMS};
use crate::service::fake::Peer;
use crate::service::fake_board::FakeBoard;
use crate::service::tests::Bench;
use crate::service::{Service, Token};

fn get(bench: &mut Bench, path: &str) -> Peer {
    bench.client(
        PORT,
        std::format!("GET {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n").as_bytes(),
        false,
    )
}

fn json(bench: &mut Bench) -> Value {
    let answer = Answer::only(&get(bench, "/api/status"));
    assert_eq!((answer.status, answer.field("Content-Type")), (200, Some("application/json")));
    assert_eq!(answer.field("Cache-Control"), Some("no-store"));
    serde_json::from_slice(&answer.content).unwrap_or_else(|e| panic!("{e}: {}", answer.text()))
}

#[test]
fn status_is_json_of_all_there_is() {
    let mut bench = Bench::with("\"quoted\" \\ and \u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}", None);
    bench.board.temperature_mc = -12_040;
    bench.pass(Duration::from_millis(2500));
    bench.services.link_up(&mut bench.stack, &mut bench.board);
    let status = json(&mut bench);
    assert_eq!(status["name"], "\"quoted\" \\ and \u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}");
    assert_eq!(status["uptime_ms"], 2500);
    assert_eq!((&status["led"], &status["login"]), (&Value::Bool(false), &Value::Bool(false)));
    assert_eq!((&status["temp_mc"], &status["link_ups"]), (&(-12_040).into(), &1.into()));
    assert_eq!(status["counters"]["frames_in"], 17);
    assert_eq!(status["counters"]["stalls"], u64::MAX);
    assert_eq!(status["counters"]["echo_refused"], 0);
    let rows: Vec<_> = (0..).map_while(|index| bench.stack.row(index)).collect();
    let sockets = status["sockets"].as_array().expect("a list");
    assert_eq!(sockets.len(), rows.len());
    let own =
        sockets.iter().find(|socket| socket["local"] == "*:80" && socket["state"] != "LISTEN");
    let own = own.expect("that of the request");
    assert_eq!((&own["proto"], &own["state"]), (&"tcp".into(), &"ESTABLISHED".into()));
    assert!(own["remote"].as_str().expect("text").starts_with("192.0.2.2:5"), "{own}");
    assert_eq!(own["rtt_us"], 1500, "what the stack says of that row");
    bench.services.set_token(Token::new("x"));
    bench.board.led = true;
    let status = json(&mut bench);
    assert_eq!((&status["led"], &status["login"]), (&Value::Bool(true), &Value::Bool(true)));
}

#[test]
fn metrics_are_in_prometheus_text_format() {
    let mut bench = Bench::new();
    bench.board.temperature_mc = -40;
    bench.board.led = true;
    Service::<_, FakeBoard>::slept(&mut bench.services, Duration::from_millis(61_005));
    bench.pass(Duration::from_millis(1050));
    let answer = Answer::only(&get(&mut bench, "/metrics"));
    assert_eq!(answer.field("Content-Type"), Some("text/plain; version=0.0.4"));
    let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
    for line in answer.text().lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type");
            assert_eq!(types.insert(name, kind), None, "one type for {name}");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').expect("a sample");
            assert!(types.contains_key(name.split('{').next().unwrap()), "no type: {line}");
            assert_eq!(samples.insert(name, value), None, "one sample of {name}");
        }
    }
    for (name, value) in [
        ("tapboard_uptime_seconds", "1.050"),
        ("tapboard_temperature_celsius", "-0.040"),
        ("tapboard_led_lit", "1"),
        ("tapboard_frames_in_total", "17"),
        ("tapboard_stalls_total", "18446744073709551615"),
        ("tapboard_asleep_seconds_total", "61.005"),
        ("tapboard_link_ups_total", "0"),
        ("tapboard_tcp_sockets{state=\"ESTABLISHED\"}", "1"),
        ("tapboard_tcp_sockets{state=\"LISTEN\"}", "5"),
        ("tapboard_tcp_sockets{state=\"TIME-WAIT\"}", "0"),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name}");
    }
    let counters = types.iter().filter(|(_, kind)| **kind == "counter");
    assert!(
        counters.clone().count() > 5 && counters.clone().all(|(name, _)| name.ends_with("_total"))
    );
    assert!(answer.text().ends_with('\n'));
}

/// The events so far.
fn events(peer: &Peer) -> Vec<Value> {
    let bytes = peer.pipe().output.clone();
    let (head, rest) = cut(&bytes);
    assert!(
        status(&head) == 200 && head.contains("\r\nContent-Type: text/event-stream\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nConnection: close"), "{head}");
    let text = String::from_utf8(rest.to_vec()).expect("text");
    assert!(text.ends_with("\n\n"), "{text}");
    let events = text.split_terminator("\n\n");
    events
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").expect(event)).expect(event))
        .collect()
}

#[test]
fn an_event_comes_each_second() {
    let mut bench = Bench::new();
    let peer = get(&mut bench, "/events");
    assert_eq!(events(&peer).len(), 1, "the first at once");
    for count in 2..5 {
        assert_eq!(bench.settle(), Some(bench.now + HTTP_EVENT_INTERVAL));
        bench.board.temperature_mc = count;
        // What it says is read away.
        peer.send(b"noise");
        bench.pass(HTTP_EVENT_INTERVAL);
        let events = events(&peer);
        assert_eq!(events.len(), usize::try_from(count).unwrap());
        assert_eq!(events.last().unwrap()["temp_mc"], count);
    }
    assert!(peer.pipe().input.is_empty());
    peer.pipe().fin = true;
    bench.settle();
    assert!(peer.is_closed(), "who leaves is let go at once");
}

#[test]
fn who_reads_slowly_gets_fewer_events_and_each_of_them_whole() {
    let mut bench = Bench::new();
    let peer = bench.stack.client(PORT);
    // That is the head, and a part of an event.
    peer.pipe().room = 250;
    peer.send(b"GET /events HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
    for _ in 0..5 {
        bench.pass(HTTP_EVENT_INTERVAL);
    }
    peer.pipe().room = usize::MAX;
    bench.settle();
    let events = events(&peer);
    let times: Vec<_> = events.iter().map(|event| event["uptime_ms"].as_u64().unwrap()).collect();
    assert_eq!(times, [1000, 5000], "none is made in between");
}

#[test]
fn who_takes_more_than_a_second_for_an_event_keeps_the_stream() {
    for step in (60..500).step_by(9) {
        let mut bench = Bench::new();
        let peer = bench.stack.client(PORT);
        peer.pipe().room = step;
        peer.send(b"GET /events HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
        for _ in 0..30 {
            let next = bench.pass(HTTP_EVENT_INTERVAL);
            assert!(next > Some(bench.now), "{step}: {next:?} at {}", bench.now);
            assert!(!peer.is_closed(), "{step}: ended at {}", bench.now);
            peer.pipe().room += step;
        }
        peer.pipe().room = usize::MAX;
        bench.settle();
        assert!(events(&peer).len() > 2, "{step}");
    }
}

#[test]
fn streams_leave_room_for_others() {
    let mut bench = Bench::new();
    let streams: Vec<Peer> = (0..HTTP_STREAMS).map(|_| get(&mut bench, "/events")).collect();
    for _ in 0..3 {
        let more = get(&mut bench, "/events");
        more.pipe().fin = true;
        let more = Answer::only(&more);
        assert_eq!((more.status, more.field("Retry-After")), (503, Some("5")));
        assert!(more.text().contains("others have all streams of events"), "{}", more.text());
    }
    bench.pass(HTTP_EVENT_INTERVAL);
    let page = get(&mut bench, "/");
    assert_eq!(Answer::only(&page).status, 200);
    // One that is reset makes room as one that ends does.
    streams[0].pipe().reset = true;
    streams[1].pipe().fin = true;
    bench.pass(HTTP_EVENT_INTERVAL);
    assert!(streams.iter().all(Peer::is_closed));
    for _ in 0..HTTP_STREAMS {
        assert_eq!(events(&get(&mut bench, "/events")).len(), 1);
    }
}

#[test]
fn a_held_reload_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let mut held: Vec<Peer> = Vec::new();
    for turn in 0..50 {
        // Six connections, as a browser has; some of the last reload's are gone without a word.
        for path in ["/", "/events", "/api/status", "/", "/other", "/events"] {
            held.push(get(&mut bench, path));
        }
        for (index, peer) in held.drain(..).enumerate() {
            if (index + turn) % 2 == 0 {
                peer.pipe().fin = true;
            } else {
                peer.pipe().reset = true;
            }
        }
        bench.pass(Duration::from_millis(50));
    }
    bench.settle();
    let mut rows = (0..).map_while(|index| bench.stack.row(index));
    assert!(rows.all(|row| row.local_port != PORT || row.state != "ESTABLISHED"));
    let fresh: Vec<Peer> = (0..HTTP_CONNECTIONS).map(|_| get(&mut bench, "/")).collect();
    assert!(fresh.iter().all(|peer| Answer::only(peer).status == 200));
}
