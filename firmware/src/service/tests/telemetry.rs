//! Telemetry: what it says, when it says it, and how it comes back.

use core::net::SocketAddr;
use std::vec::Vec;

use serde_json::Value;
use smoltcp::time::{Duration, Instant};

use super::Bench;
use crate::config::{BACKOFF_FIRST, BACKOFF_MAX, SERVICE_BUDGET, SERVICES, TELEMETRY_INTERVAL};
use crate::service::fake::{Dial, Fault, Peer};
use crate::service::{echo, telemetry::Telemetry};

fn bench(name: &str) -> Bench {
    let remote = SocketAddr::from(([192, 0, 2, 2], 9000));
    Bench::with(name, Some(remote))
}

/// The lines received so far, each of which must be JSON; what follows the last is not looked at.
fn lines(peer: &Peer) -> Vec<Value> {
    let text = std::string::String::from_utf8(peer.pipe().output.clone()).unwrap();
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

#[test]
fn a_line_a_second_says_how_the_board_is() {
    let mut bench = bench("b1");
    bench.board.temperature_mc = -1500;
    assert_eq!(bench.settle(), Some(bench.now + TELEMETRY_INTERVAL));
    let server = bench.stack.dialled[0].clone();
    let first = "{\"board\":\"b1\",\"seq\":0,\"uptime_ms\":0,\"temp_mc\":-1500,\"led\":false,\
                 \"connections\":1,\"dropped\":0}\n";
    assert_eq!(server.text(), first);
    bench.board.led = true;
    bench.client(echo::PORT, b"", false);
    assert_eq!(bench.pass(TELEMETRY_INTERVAL), Some(bench.now + TELEMETRY_INTERVAL));
    let second = "{\"board\":\"b1\",\"seq\":1,\"uptime_ms\":1000,\"temp_mc\":-1500,\"led\":true,\
                  \"connections\":2,\"dropped\":0}\n";
    assert_eq!(server.text(), std::format!("{first}{second}"));
}

#[test]
fn an_idle_connection_costs_one_poll_a_second() {
    let mut bench = bench("b");
    let mut deadline = bench.settle().unwrap();
    for second in 1..=60 {
        assert_eq!(deadline, Instant::from_secs(1000 + second), "on the grid of whole seconds");
        bench.now = deadline;
        deadline = bench.poll().unwrap();
    }
    assert_eq!(lines(&bench.stack.dialled[0]).len(), 61);
}

#[test]
fn a_late_poll_sends_one_line_and_counts_the_others() {
    let mut bench = bench("b");
    bench.settle();
    let deadline = bench.pass(Duration::from_millis(3400));
    assert_eq!(deadline, Some(bench.now + Duration::from_millis(600)), "back on the grid");
    bench.pass(Duration::from_millis(600));
    let lines = lines(&bench.stack.dialled[0]);
    let dropped: Vec<_> = lines.iter().map(|line| line["dropped"].as_u64().unwrap()).collect();
    assert_eq!(dropped, [0, 2, 2]);
}

#[test]
fn a_line_partly_sent_is_finished_before_the_next() {
    let mut bench = bench("b");
    bench.stack.dial = Dial::Hang;
    bench.settle();
    bench.stack.dial = Dial::Accept;
    bench.settle();
    let server = bench.stack.dialled[0].clone();
    server.pipe().room = 10;
    // Three fall due while the second line is stuck after 10 bytes.
    for _ in 0..4 {
        assert_eq!(bench.pass(TELEMETRY_INTERVAL), Some(bench.now + TELEMETRY_INTERVAL));
    }
    server.pipe().room = usize::MAX;
    bench.pass(TELEMETRY_INTERVAL);
    let lines = lines(&server);
    assert_eq!(lines.len(), 3);
    let seq: Vec<_> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(seq, [0, 1, 2]);
    assert_eq!(lines[2]["dropped"], 3);
}

#[test]
fn lines_arrive_whole_a_byte_at_a_time() {
    let mut bench = bench("b");
    bench.settle();
    let server = bench.stack.dialled[0].clone();
    server.pipe().chunk = 1;
    bench.pass(TELEMETRY_INTERVAL);
    assert_eq!(lines(&server).len(), 2);
}

#[test]
fn a_new_connection_begins_with_a_new_line() {
    let mut bench = bench("b");
    bench.settle();
    let first = bench.stack.dialled[0].clone();
    first.pipe().room = 10;
    bench.pass(TELEMETRY_INTERVAL);
    first.pipe().reset = true;
    let retry = bench.settle().unwrap();
    assert!(first.is_closed());
    bench.now = retry;
    bench.settle();
    let second = lines(&bench.stack.dialled[1]);
    assert_eq!(second.len(), 1);
    assert_eq!((&second[0]["seq"], &second[0]["dropped"]), (&2.into(), &1.into()));
}

#[test]
fn what_the_server_says_is_thrown_away_and_its_fin_ends_the_connection() {
    let mut bench = bench("b");
    bench.settle();
    let server = bench.stack.dialled[0].clone();
    server.send(&std::vec![b'x'; SERVICE_BUDGET + 1]);
    assert_eq!(bench.poll(), Some(bench.now), "stopped for its budget");
    bench.settle();
    assert!(server.pipe().input.is_empty() && !server.is_closed());
    server.pipe().fin = true;
    let sent = server.text();
    let retry = bench.pass(TELEMETRY_INTERVAL).unwrap();
    assert!(server.is_closed());
    assert_eq!(server.text(), sent, "a line for a server that has said goodbye");
    assert!(retry > bench.now, "not at once");
    bench.now = retry;
    bench.settle();
    assert_eq!(bench.stack.dialled.len(), 2);
}

/// The waits between so many connects in a row that fail.
fn waits(bench: &mut Bench, count: usize) -> Vec<Duration> {
    let wait = |_| {
        let start = bench.now;
        let retry = bench.settle().unwrap();
        let calls = bench.stack.calls;
        bench.now = retry - Duration::from_micros(1);
        assert_eq!(bench.poll(), Some(retry));
        let idle = call_in_a_poll("socket") - 1;
        assert_eq!(bench.stack.calls - calls, idle, "tried before its time");
        bench.now = retry;
        retry - start
    };
    (0..count).map(wait).collect()
}

#[test]
fn the_back_off_doubles_with_jitter_up_to_its_bound() {
    let mut all = Vec::new();
    for seed in 0..50 {
        let mut bench = bench("b");
        bench.stack.dial = Dial::Refuse;
        let remote = SocketAddr::from(([192, 0, 2, 2], 9000));
        bench.services.telemetry = Some(Telemetry::new(remote, seed));
        let waits = waits(&mut bench, 10);
        let mut longest = BACKOFF_FIRST;
        for &wait in &waits {
            assert!(longest / 2 <= wait && wait <= longest, "{waits:?}");
            longest = (longest * 2).min(BACKOFF_MAX);
        }
        all.extend(waits);
    }
    let before = all.len();
    all.sort();
    all.dedup();
    assert!(all.len() > before * 9 / 10, "boards with different seeds do not march in step");
}

#[test]
fn the_back_off_starts_over_only_after_a_line_was_sent() {
    let mut bench = bench("b");
    bench.stack.dial = Dial::Refuse;
    waits(&mut bench, 8);
    // Accepted and hung up on before a whole line could be sent: no reason to come back faster.
    bench.stack.dial = Dial::Accept;
    bench.stack.fault = Some((bench.stack.calls + call_in_a_poll("send"), Fault::Fail));
    let retry = bench.settle().unwrap();
    assert_eq!(bench.stack.dialled.len(), 1);
    assert_eq!(bench.stack.dialled[0].text(), "");
    assert!(retry - bench.now >= BACKOFF_MAX / 2);
    bench.now = retry;
    bench.settle();
    assert_eq!(lines(&bench.stack.dialled[1]).len(), 1);
    bench.stack.dialled[1].pipe().fin = true;
    let retry = bench.settle().unwrap();
    assert!(retry - bench.now <= BACKOFF_FIRST);
}

/// Which call of an idle poll of all services, counted from 1, is telemetry's `name` when it
/// connects.
fn call_in_a_poll(name: &str) -> usize {
    let servers = 2 + SERVICES; // UDP receive twice, accept for each.
    let order = ["socket", "connect", "receive", "send"];
    servers + 1 + order.iter().position(|&call| call == name).unwrap()
}

#[test]
fn a_connect_under_way_asks_for_no_poll() {
    let mut bench = bench("b");
    bench.stack.dial = Dial::Hang;
    assert_eq!(bench.settle(), None);
    assert_eq!(bench.pass(Duration::from_secs(3600)), None);
    bench.stack.dial = Dial::Refuse;
    assert!(bench.settle().is_some());
}

#[test]
fn without_a_server_in_the_configuration_there_is_no_telemetry() {
    let mut bench = Bench::new();
    assert_eq!(bench.pass(Duration::from_secs(60)), None);
    assert!(bench.stack.dialled.is_empty());
}

#[cfg(feature = "dns")]
#[test]
fn a_name_is_looked_up_for_each_connection() {
    use embedded_nal::nb;
    use tapboard_net::LookupError;

    use crate::config::LOOKUP_RETRY;
    use crate::service::Target;

    let mut bench = Bench::new();
    bench.services.telemetry =
        Some(Telemetry::new(Target::named("desk.example", 9000).unwrap(), 1));
    assert_eq!(bench.settle(), None, "the network has the word");
    let trouble = |bench: &Bench| bench.services.telemetry().and_then(Telemetry::trouble);
    for (error, longest) in [
        (LookupError::NoServer, BACKOFF_FIRST),
        (LookupError::NotFound, LOOKUP_RETRY),
        (LookupError::NoAddress, LOOKUP_RETRY),
    ] {
        bench.stack.address = Err(nb::Error::Other(error));
        let retry = bench.settle().unwrap();
        assert_eq!(trouble(&bench), Some(error));
        let wait = retry - bench.now;
        assert!(longest / 2 <= wait && wait <= longest, "{error}: {wait}");
        bench.now = retry;
    }
    assert!(bench.stack.dialled.is_empty());
    for last in [9, 10] {
        bench.stack.address = Ok([192, 0, 2, last].into());
        bench.settle();
        let peer = bench.stack.dialled.last().unwrap().clone();
        assert_eq!(peer.pipe().remote, SocketAddr::from(([192, 0, 2, last], 9000)));
        assert_eq!((lines(&peer).len(), trouble(&bench)), (1, None));
        peer.pipe().fin = true;
        bench.now = bench.settle().unwrap();
    }
    assert!(Target::named("192.0.2.1", 9000).is_none());
}

#[test]
fn the_time_of_day_is_told_and_that_it_is_not_known() {
    use tapboard_net::netstat::TimeOfDay;

    for (time, end) in [
        (TimeOfDay::NotAsked, "\"dropped\":0}\n"),
        (TimeOfDay::Unknown, "\"dropped\":0,\"unix_ms\":null}\n"),
        (
            TimeOfDay::Unix(Duration::from_millis(1_795_816_800_123)),
            "\"dropped\":0,\"unix_ms\":1795816800123}\n",
        ),
    ] {
        let mut bench = bench("b");
        bench.stack.time = time;
        bench.settle();
        let text = bench.stack.dialled[0].text();
        assert!(text.ends_with(end), "{text}");
    }
}
