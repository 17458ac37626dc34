//! `echo` against servers that are right, wrong, slow, and absent.
#![cfg(unix)] // Signals, and what SO_LINGER and a short backlog do, are those of Unix.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket, Type};

mod common;
use common::{
    Finished, closed_port, echo, echo_count, finish, hold, reset, run, server, signal, tool,
};

/// What counts as a stall: longer than anybody pauses on a busy machine.
const STALL_S: &str = "5";

/// Offset of the first byte of the bulk after `--pings 2`.
const BULK: u64 = 128;

fn check(address: SocketAddr, arguments: &[&str]) -> Finished {
    let address = address.to_string();
    run(&[&["echo", &address, "--json"], arguments].concat())
}

/// The only connection of a check that must have failed.
fn only_failure(finished: &Finished) -> Value {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let summary = finished.last("summary");
    assert_eq!(summary["passed"], false);
    assert_eq!(summary["ok"], 0);
    let connection = finished.objects().swap_remove(0);
    assert_eq!(connection["event"], "connection");
    connection
}

#[test]
fn every_byte_of_every_connection_is_verified() {
    let address = server(|_, stream| echo(&stream, |_, _| {}));
    let finished = check(address, &["--connections", "20", "--bytes", "300k", "--pings", "5"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.objects().len(), 21);
    assert!(finished.objects()[..20].iter().all(|object| object["outcome"] == "ok"));
    let summary = finished.last("summary");
    assert_eq!(summary["passed"], true);
    assert_eq!(summary["ok"], 20);
    assert_eq!(summary["bytes_verified"], 6_000_000);
    assert_eq!(summary["pings"], 100);
    for field in ["connect_p50_us", "connect_p99_us", "round_trip_p50_us", "bytes_per_second"] {
        assert!(summary[field].as_f64().is_some_and(|value| value > 0.0), "{field}: {summary}");
    }
    assert!(summary["round_trip_p50_us"].as_f64() <= summary["round_trip_p99_us"].as_f64());
    assert_eq!(finished.stderr, "", "no bar, no chatter where nobody looks");
}

#[test]
fn connections_carry_different_data_and_the_seed_repeats_it() {
    let (sender, receiver) = mpsc::channel();
    let address = server(move |_, mut stream| {
        let mut all = Vec::new();
        // Everything is kept and then returned: small enough for the buffers on the way.
        stream.read_to_end(&mut all).expect("the tool sends");
        stream.write_all(&all).expect("the tool reads");
        sender.send(all).expect("the test listens");
    });
    let round = |seed| {
        let arguments = ["--connections", "2", "--bytes", "1000", "--pings", "0", "--seed", seed];
        assert_eq!(check(address, &arguments).code, Some(0));
        let mut sent: Vec<Vec<u8>> = receiver.iter().take(2).collect();
        sent.sort();
        sent
    };
    let first = round("7");
    assert_eq!(first[0].len(), 1000);
    assert_ne!(first[0], first[1]);
    assert_eq!(round("7"), first);
    assert!(round("8").iter().all(|sent| !first.contains(sent)));
}

#[test]
fn nothing_to_send_is_still_a_connection_with_a_fin_each_way() {
    let address = server(|_, stream| echo(&stream, |_, _| {}));
    let finished = check(address, &["--bytes", "0", "--pings", "0"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.last("summary")["bytes_per_second"].is_null());
}

#[test]
fn small_writes_arrive_too() {
    let address = server(|_, stream| echo(&stream, |_, _| {}));
    let finished = check(address, &["--bytes", "5000", "--chunk", "1"]);
    assert_eq!(finished.last("summary")["bytes_verified"], 5000);
}

#[test]
fn one_wrong_byte_is_named_by_its_offset() {
    let wrong_at = BULK + 123_456;
    let address = server(move |number, stream| {
        let mut right = 0;
        echo(&stream, |offset, data| {
            if let Some(byte) =
                wrong_at.checked_sub(offset).and_then(|index| data.get_mut(index as usize))
                && number == 0
            {
                right = *byte;
                *byte ^= 0x40;
            }
        });
    });
    let arguments = ["--bytes", "1M", "--pings", "2", "--connections", "3"];
    let finished = check(address, &arguments);
    assert_eq!(finished.code, Some(1));
    let summary = finished.last("summary");
    assert_eq!((&summary["ok"], &summary["failed"]), (&2.into(), &1.into()), "the others go on");
    let objects = finished.objects();
    let failed =
        objects.iter().find(|object| object["outcome"] == "mismatch").expect("it is found");
    assert_eq!(failed["offset"], wrong_at);
    assert_eq!(failed["bytes_verified"], wrong_at - BULK);
    let (expected, received) = (failed["expected"].as_u64(), failed["received"].as_u64());
    assert_eq!(expected.map(|byte| byte ^ 0x40), received);
}

#[test]
fn a_wrong_byte_in_a_ping_is_found_and_told_to_people() {
    let address = server(|_, stream| {
        echo(&stream, |offset, data| {
            if let Some(byte) = 70_u64.checked_sub(offset).and_then(|at| data.get_mut(at as usize))
            {
                *byte = !*byte;
            }
        });
    });
    let finished = run(&["echo", &address.to_string()]);
    assert_eq!(finished.code, Some(1));
    let text = finished.text();
    assert!(text.contains("connection 1: wrong byte at offset 70: expected 0x"), "{text}");
    assert!(text.contains("0 ok, 0 refused, 1 failed"), "{text}");
}

/// The pings and the connects, which take time of their own, are not in it.
#[test]
fn people_are_told_what_the_time_is_for() {
    let address = server(|_, stream| echo(&stream, |_, _| {}));
    let text = run(&["echo", &address.to_string(), "--bytes", "10k"]).text();
    let line = text.lines().find(|line| line.starts_with("throughput ")).expect("a throughput");
    assert!(line.ends_with("s for the bulk"), "{text}");
}

#[test]
fn a_lost_byte_is_noticed_where_it_is_lost() {
    let address = server(|_, mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("the tool sends");
        all.remove(500);
        stream.write_all(&all).expect("the tool reads");
    });
    let failed = only_failure(&check(address, &["--bytes", "1000", "--pings", "0"]));
    assert_eq!(failed["outcome"], "mismatch");
    // The byte after the lost one may be equal to it by chance, though not several in a row.
    assert!((500..504).contains(&failed["offset"].as_u64().expect("an offset")), "{failed}");
}

#[test]
fn a_fin_before_the_last_byte_is_a_failure() {
    let address = server(|_, mut stream| {
        echo_count(&stream, 10_048);
        stream.shutdown(Shutdown::Write).expect("connected");
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let failed = only_failure(&check(address, &["--bytes", "1M", "--pings", "2"]));
    assert_eq!(failed["outcome"], "early_end");
    assert_eq!(failed["offset"], 10_048);
    assert_eq!(failed["total"], BULK + 1_000_000);
}

#[test]
fn a_peer_that_swallows_the_end_is_a_failure() {
    let address = server(|_, mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("the tool sends");
        stream.write_all(&all[..all.len() - 1]).expect("the tool reads");
    });
    let failed = only_failure(&check(address, &["--bytes", "1000", "--pings", "0"]));
    assert_eq!((&failed["outcome"], &failed["offset"]), (&"early_end".into(), &999.into()));
}

#[test]
fn a_reset_midway_is_a_failure() {
    let address = server(|_, stream| {
        echo_count(&stream, 10_048);
        reset(stream);
    });
    let failed = only_failure(&check(address, &["--bytes", "10M", "--pings", "2"]));
    assert_eq!(failed["outcome"], "lost");
}

#[test]
fn a_peer_that_stops_is_a_stall() {
    let address = server(|_, stream| {
        echo_count(&stream, 1024);
        hold(stream);
    });
    let failed = only_failure(&check(address, &["--bytes", "1M", "--timeout", STALL_S]));
    assert_eq!(failed["outcome"], "stalled");
    assert_eq!(failed["offset"], 1024);
}

#[test]
fn a_missing_fin_is_a_stall() {
    let address = server(|_, stream| {
        echo(&stream, |_, _| {});
        hold(stream);
    });
    let failed = only_failure(&check(address, &["--bytes", "5k", "--timeout", STALL_S]));
    assert_eq!(failed["outcome"], "stalled");
    assert!(
        failed["message"].as_str().is_some_and(|text| text.contains("FIN is missing")),
        "{failed}"
    );
    assert_eq!(failed["bytes_verified"], 5000);
}

#[test]
fn more_than_was_sent_is_a_failure() {
    let address = server(|_, mut stream| {
        echo(&stream, |_, _| {});
        let _ = stream.write_all(b"!");
    });
    let failed = only_failure(&check(address, &["--bytes", "5k"]));
    assert_eq!(failed["outcome"], "excess");
}

#[test]
fn a_peer_that_answers_only_after_everything_does_not_lock_the_check_up() {
    let address = server(|_, mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("the tool sends");
        stream.write_all(&all).expect("the tool reads");
    });
    let finished = check(address, &["--bytes", "20M", "--pings", "0", "--connections", "2"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[test]
fn a_full_backlog_delays_connections_and_refuses_none() {
    // The accept queue holds two; the kernel drops the other SYNs, as a board without a free slot does.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    socket.listen(1).expect("listening");
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        // One at a time.
        for stream in listener.incoming() {
            echo(&stream.expect("a connection"), |_, _| {});
        }
    });
    let finished = check(address, &["--connections", "6", "--bytes", "100k", "--pings", "3"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.last("summary")["ok"], 6);
}

/// A forward accepts at once, and the board serves when it can.
#[test]
fn the_wait_for_a_slot_is_part_of_the_connect_time() {
    const WAIT: Duration = Duration::from_millis(200);
    let address = server(|_, stream| {
        // Nothing more comes before the echo of the first ping; so this is the time that it waits.
        stream.set_read_timeout(Some(WAIT)).expect("not zero");
        let mut ping = [0; 64];
        (&stream).read_exact(&mut ping).expect("a ping");
        (&stream).read(&mut [0]).expect_err("nothing more is due");
        stream.set_read_timeout(None).expect("a socket");
        (&stream).write_all(&ping).expect("the tool reads");
        echo(&stream, |_, _| {});
    });
    let arguments = ["--connections", "3", "--bytes", "1k", "--pings", "2"];
    let finished = check(address, &arguments);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let micros = |object: &Value, field: &str| object[field].as_f64().expect("a time");
    let wait = WAIT.as_secs_f64() * 1e6;
    for connection in &finished.objects()[..3] {
        let (handshake, connect) =
            (micros(connection, "handshake_us"), micros(connection, "connect_us"));
        assert!(handshake > 0.0 && connect >= handshake.max(wait), "{connection}");
    }
    let summary = finished.last("summary");
    assert!(micros(&summary, "connect_p50_us") >= wait, "{summary}");
    assert!(micros(&summary, "handshake_p99_us") > 0.0, "{summary}");
    let text = run(&[&["echo", &address.to_string()], &arguments[..]].concat()).text();
    assert!(text.contains("(to the first byte back)"), "{text}");
}

#[test]
fn a_refusal_is_counted_apart_and_has_a_remedy() {
    let address = closed_port();
    let finished = check(address, &["--connections", "3"]);
    assert_eq!(finished.code, Some(1));
    let summary = finished.last("summary");
    assert_eq!((&summary["refused"], &summary["failed"]), (&3.into(), &0.into()));
    assert!(summary["connect_p50_us"].is_null());
    let text = run(&["echo", &address.to_string()]).text();
    let remedy = format!("nothing listens on {address}; is the board up? start it with: tapboard");
    assert!(text.contains(&remedy), "{text}");
}

#[test]
fn a_connect_that_nobody_answers_ends_with_its_timeout() {
    // A queue that is full for good: the SYN that no longer fits is never answered.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    socket.listen(0).expect("listening");
    let address = socket.local_addr().expect("an address").as_socket().expect("IPv4");
    let _occupant = TcpStream::connect(address).expect("room for one");
    let failed = only_failure(&check(address, &["--connect-timeout", "1"]));
    assert_eq!(failed["outcome"], "connect_failed");
    assert!(failed["message"].as_str().is_some_and(|text| text.contains("within 1 s")), "{failed}");
}

#[test]
fn a_name_is_resolved() {
    let address = server(|_, stream| echo(&stream, |_, _| {}));
    let finished =
        run(&["echo", &format!("localhost:{}", address.port()), "--bytes", "1k", "--json"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.objects()[0]["peer"], address.to_string());
}

#[cfg(unix)]
#[test]
fn ctrl_c_prints_what_there_is_and_fails() {
    let (sender, receiver) = mpsc::channel();
    let address = server(move |_, stream| {
        echo_count(&stream, 6400 + 1000);
        sender.send(()).expect("the test listens");
        hold(stream);
    });
    for json in [true, false] {
        let target = address.to_string();
        let mut arguments = vec!["echo", &target, "--bytes", "1M"];
        arguments.extend(json.then_some("--json"));
        let child = tool(&arguments);
        receiver.recv_timeout(common::PATIENCE).expect("the check is under way");
        signal("INT", child.id());
        let finished = finish(child);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        if json {
            let summary = finished.last("summary");
            assert_eq!(
                (&summary["interrupted"], &summary["unfinished"]),
                (&true.into(), &1.into())
            );
            assert_eq!(finished.objects()[0]["outcome"], "unfinished");
        } else {
            let text = finished.text();
            assert!(text.contains("interrupted") && text.contains("1 unfinished"), "{text}");
        }
    }
}

#[test]
fn a_wrong_command_line_is_exit_code_2_and_says_what_is_right() {
    for (arguments, part) in [
        (&["echo", "127.0.0.1"][..], "has no port"),
        (&["echo", "::1:7007"], "brackets"),
        (&["echo", "--connections", "0"], "0 is not in 1..=1000"),
        (&["echo", "--bytes", "many"], "10M"),
        (&["echo", "--bytes", "9999999G"], "not within"),
        (&["echo", "--chunk", "0"], "not within"),
        (&["echo", "--timeout", "0"], "0.001 to 86400"),
        (&["nonsense"], "unrecognized subcommand"),
        (&[], "Usage"),
    ] {
        let finished = run(arguments);
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains(part), "{arguments:?}: {}", finished.stderr);
    }
}

#[test]
fn a_name_that_does_not_resolve_is_an_error_for_both_readers() {
    // Nobody is asked for a name with a label of more than 63 bytes (RFC 1035, section 2.3.4).
    let name = "x".repeat(64) + ".invalid";
    let finished = run(&["echo", &format!("{name}:7"), "--json"]);
    assert_eq!(finished.code, Some(1));
    let message = finished.last("error")["message"].as_str().expect("text").to_owned();
    assert!(message.contains(&format!("cannot resolve `{name}`")), "{message}");
    assert!(finished.stderr.contains(&message));
}
