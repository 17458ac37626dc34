//! The simulator's metrics, read as Prometheus does: their format, what they tell of each part, and who may ask.

#![expect(
    clippy::float_cmp,
    reason = "each is a number of few digits, which is read as it was written"
)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::common::exposition::{Exposition, address, get};
use crate::common::netns;
use crate::common::nics::{NICS, board, on_tap};
use crate::common::ports::{free_port, local};
use crate::common::process::{Process, connect, echo, finished, pattern};
use crate::common::user::{Forwards, User, run};
use serde_json::Value;

/// A connection on which something has come back.
fn at_work(echo: SocketAddr) -> TcpStream {
    let mut client = connect(echo);
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    client
}

#[test]
fn what_befalls_cable_board_and_gateway_is_counted() {
    let forwards = Forwards::free();
    let options = ["--metrics", "0", "--seed", "7", "--corrupt", "10%", "--rate", "8mbit"];
    let mut user = Process::with_console(&forwards.arguments(&["--no-telemetry"], &options));
    let at = address(&user);
    let before = Exposition::of(at);
    let client = connect(forwards.echo);
    let data = pattern(3, 60_000);
    assert!(echo(&client, &data).unwrap() == data);
    user.command("loss in 25%", "loss 25%");
    user.command("reset", "board: reset");
    user.command("unplug", "the cable is out");
    let after = Exposition::openmetrics(at);
    for direction in ["to_board", "from_board"] {
        let direction = format!("{{direction=\"{direction}\"");
        let one = |name: &str| after.value(&format!("{name}{direction}}}"));
        assert!(one("link_frames_total") > 50.0 && one("link_bytes_total") > 60_000.0);
        assert!(one("link_corrupted_frames_total") > 2.0);
        assert_eq!(one("link_rate_bytes_per_second"), 1e6);
        assert_eq!(one("link_corrupt_ratio"), 0.1);
        let lost = format!("link_dropped_frames_total{direction},reason=\"queue_full\"}}");
        assert!(after.value(&lost) >= 0.0);
    }
    assert_eq!(after.value("link_loss_ratio{direction=\"to_board\"}"), 0.25);
    assert_eq!(after.value("link_loss_ratio{direction=\"from_board\"}"), 0.0);
    assert_eq!([before.value("link_plugged"), after.value("link_plugged")], [1.0, 0.0]);
    assert_eq!([before.value("boots_total"), after.value("boots_total")], [1.0, 2.0]);
    assert_eq!(after.value("link_seed_info{seed=\"7\"}"), 1.0);
    assert_eq!(after.value("gateway_flows_limit"), 32.0);
    let asleep = after.value("asleep_seconds_total");
    assert!(asleep > 0.0 && asleep < after.value("uptime_seconds"));
    assert!(after.value("turns_total") > before.value("turns_total"));
    assert_eq!(after.value("metrics_requests_total"), 1.0);
    user.command("quit", "gateway: ");
}

/// Whatever the console's `stats` prints is there, and does not go back while the board is up.
#[test]
fn all_that_stats_prints_is_there() {
    let forwards = Forwards::free();
    let mut user =
        Process::with_console(&forwards.arguments(&["--no-telemetry", "--metrics", "0"], &[]));
    let at = address(&user);
    let first = Exposition::of(at);
    let _client = at_work(forwards.echo);
    let second = Exposition::of(at);
    assert!(second.follows(&first) && !first.follows(&second));
    assert_eq!(first.names.difference(&second.names).count(), 0);
    for (name, value) in [
        ("board_passive_opens_total", 1.0),
        ("gateway_flows", 1.0),
        ("board_tcp_sockets{state=\"LISTEN\"}", 5.0),
        ("board_udp_sockets", 2.0),
        ("nic_up", 1.0),
        ("board_led_lit", 0.0),
    ] {
        assert_eq!(second.value(name), value, "{name}");
    }
    let round_trip = second.value("board_longest_round_trip_seconds");
    assert!(round_trip > 0.0 && round_trip < 10.0, "{round_trip}");
    // The cable is bare, and counted all the same: as the board does, with what is under way.
    let frames = second.value("link_frames_total{direction=\"to_board\"}");
    assert!(frames >= 4.0 && frames >= second.value("board_frames_in_total"), "{frames}");
    user.command("stats", "B/s\n");
    let output = user.output();
    let stats = output.lines().filter_map(|line| line.split_once(' '));
    let stats = stats.filter(|(_, value)| value.trim().starts_with(|c: char| c.is_ascii_digit()));
    let stats: Vec<_> = stats.map(|(name, _)| name).filter(|name| !name.is_empty()).collect();
    assert!(stats.len() > 45, "{stats:?}");
    for name in stats {
        let names =
            ["tapboard_board_", "tapboard_gateway_", "tapboard_"].map(|part| [part, name].concat());
        let known = names.iter().any(|name| {
            second.names.contains(name) || second.names.contains(&format!("{name}_total"))
        });
        assert!(known, "{name}");
    }
}

/// Whom nobody could tell from a browser, or who asks for something else.
#[test]
fn who_asks_wrongly_is_told_so_and_counted() {
    let user = User::quiet(&["--metrics", "0"]);
    let at = address(&user.process);
    let status = |line: &str, fields: &str| {
        let (head, body) = get(at, line, fields);
        (head.split(' ').nth(1).expect("a status").to_owned(), body)
    };
    assert_eq!(status("GET /", "").0, "404");
    assert_eq!(
        status("POST /metrics", "Content-Type: application/json\r\nContent-Length: 0\r\n").0,
        "405"
    );
    assert_eq!(status("GET /metrics", "Origin: http://example.com\r\n").0, "403");
    assert_eq!(status("HEAD /metrics", ""), ("200".into(), String::new()));
    assert_eq!(status("GET /metrics?job=tapboard", "").0, "200");
    let metrics = Exposition::of(at);
    let counts =
        ["metrics_requests_total", "metrics_refused_total"].map(|name| metrics.value(name));
    assert_eq!(counts, [5.0, 3.0]);
}

#[test]
fn silent_scrapers_are_in_nobodys_way() {
    let user = User::quiet(&["--metrics", "0"]);
    let at = address(&user.process);
    // One place is left.
    let silent: Vec<_> = (0..7).map(|_| connect(at)).collect();
    (&silent[0]).write_all(b"GET /metrics HT").unwrap();
    let woken = user.process.wakeups(|| {
        assert_eq!(echo(&connect(user.echo), b"here").unwrap(), b"here");
        assert_eq!(Exposition::of(at).value("metrics_clients"), 8.0);
    });
    assert!(woken.count < 60, "{} times in {} s", woken.count, woken.seconds);
}

#[test]
fn a_place_that_is_taken_is_refused_with_a_remedy() {
    let user = User::quiet(&["--metrics", "0"]);
    let at = address(&user.process);
    let (forwards, place) = (Forwards::free(), at.to_string());
    let second = finished(&forwards.arguments(&["user", "--no-telemetry"], &["--metrics", &place]));
    let errors = String::from_utf8_lossy(&second.stderr);
    let remedy = format!("choose another with: --metrics 127.0.0.1:{}\n", other(at.port()));
    assert!(
        errors.starts_with(&format!("tapboard: cannot listen on {at} for metrics: ")),
        "{errors}"
    );
    assert!(second.status.code() == Some(1) && errors.ends_with(&remedy), "{errors}");
}

const fn other(port: u16) -> u16 {
    if port < 64_000 { port + 1000 } else { port - 1000 }
}

/// Of a guest, what passes its wire is known.
#[test]
fn a_guests_wire_is_told_and_nothing_else_of_it() {
    let port = free_port();
    let guest = format!("udp:{port}");
    let forwards = Forwards::free();
    let user = Process::up(&forwards.arguments(&["--guest", &guest, "--metrics", "0"], &[]));
    let at = address(&user);
    let socket = std::net::UdpSocket::bind(local(0)).unwrap();
    socket.send_to(&[0; 60], local(port)).unwrap();
    user.prints("guest: it is at ");
    let metrics = Exposition::of(at);
    assert_eq!(metrics.value("guest_frames_in_total"), 1.0);
    assert_eq!(metrics.value("link_frames_total{direction=\"from_board\"}"), 1.0);
    assert!(metrics.names.iter().all(|name| !name.starts_with("tapboard_board_")));
}

/// Each query of the dashboard names metrics that are served, by the gateway's board or by a TAP's.
#[test]
fn the_dashboard_shows_what_there_is() {
    netns::run("metrics::the_dashboard_shows_what_there_is", &[], || {
        run("ip link set lo up");
        let forwards = Forwards::free();
        let user = Process::up(&forwards.arguments(&["--no-telemetry", "--metrics", "0"], &[]));
        let _client = at_work(forwards.echo);
        let tap = on_tap(NICS[0], &["--metrics", "0"]);
        let _client = at_work(board(7));
        let of_tap = Exposition::of(address(&tap));
        assert!(of_tap.value("tap_frames_in_total") >= 2.0);
        let served = &Exposition::of(address(&user)).names | &of_tap.names;
        let text = std::fs::read_to_string("docs/grafana.json").unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        let mut queried = BTreeSet::new();
        for panel in panels.iter().filter(|panel| panel["type"] != "row") {
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{panel}");
            for target in targets {
                let query = target["expr"].as_str().unwrap();
                let found = names(query);
                assert!(!found.is_empty(), "{query}");
                queried.extend(found);
            }
        }
        let variable = dashboard["templating"]["list"][1]["query"]["query"].as_str().unwrap();
        queried.extend(names(variable));
        let unknown: Vec<_> = queried.iter().filter(|name| !served.contains(*name)).collect();
        assert!(queried.len() > 30 && unknown.is_empty(), "{unknown:?}");
    });
}

/// The metrics that a query names.
fn names(query: &str) -> Vec<String> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("tapboard_")).map(str::to_owned).collect()
}
