//! `bench` against servers that are right, wrong, slow, and absent. Nothing here is timed.
#![cfg(unix)] // Signals, and what SO_LINGER does, are those of Unix.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Barrier, mpsc};

use serde_json::Value;

mod common;
use common::{Finished, closed_port, echo, finish, hold, reset, run, server, signal, tool};

/// The tool on one test of a server's, for three runs that end by their bytes unless `more` says else.
fn bench(test: &str, port: u16, address: SocketAddr, more: &[&str]) -> Finished {
    // A server of these tests has any free port: the offset makes it the service's.
    let offset = (address.port() - port).to_string();
    let base = ["bench", "127.0.0.1", "--json", "--only", test, "--port-offset", &offset];
    let defaults = [["--bytes", "300k"], ["--seconds", "60"], ["--runs", "3"]];
    let defaults: Vec<&str> =
        defaults.into_iter().filter(|[name, _]| !more.contains(name)).flatten().collect();
    run(&[&base, &defaults[..], more].concat())
}

/// The objects of the runs, and the summary of `test`; it must have passed.
fn passed(finished: &Finished, test: &str) -> (Vec<Value>, Value) {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.stderr, "", "no bar, no chatter where nobody looks");
    let summary = finished.last("summary");
    assert_eq!((&summary["passed"], &summary["interrupted"]), (&true.into(), &false.into()));
    let mut runs = finished.objects();
    runs.pop();
    assert!(runs.iter().all(|run| run["event"] == "run" && run["test"] == test), "{runs:?}");
    (runs, summary["tests"][test].clone())
}

/// The message of a check that must have failed, without a summary.
fn failure(finished: &Finished) -> String {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.objects().iter().all(|object| object["event"] != "summary"), "{finished:?}");
    let message = finished.last("error")["message"].as_str().expect("text").to_owned();
    assert!(finished.stderr.contains(&message), "{finished:?}");
    message
}

fn discard(mut stream: TcpStream) {
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

/// The pattern of RFC 864 until the client's FIN; `change` may alter the byte at an offset.
fn chargen(mut stream: TcpStream, change: impl Fn(u64, &mut u8)) {
    stream.set_nonblocking(true).expect("a socket");
    let mut offset = 0;
    while !matches!(stream.read(&mut [0]), Ok(0)) {
        let line = offset / 74;
        let mut text: Vec<u8> = (0..72).map(|column| b' ' + ((line + column) % 95) as u8).collect();
        text.extend(b"\r\n");
        for (byte, offset) in text.iter_mut().zip(offset..) {
            change(offset, byte);
        }
        stream.set_nonblocking(false).expect("a socket");
        if stream.write_all(&text).is_err() {
            return;
        }
        stream.set_nonblocking(true).expect("a socket");
        offset += 74;
    }
}

#[test]
fn bulk_to_the_board_counts_what_arrived() {
    let (sender, arrived) = mpsc::channel();
    let address = server(move |_, mut stream| {
        let bytes = std::io::copy(&mut stream, &mut std::io::sink()).expect("the tool sends");
        sender.send(bytes).expect("the test listens");
    });
    let (runs, summary) = passed(&bench("to", 9, address, &[]), "to");
    assert_eq!(runs.len(), 3);
    assert!(runs.iter().all(|run| run["bytes"] == 300_000), "{runs:?}");
    assert_eq!(arrived.iter().take(3).collect::<Vec<u64>>(), [300_000; 3]);
    let rate = |name: &str| summary[name].as_f64().expect(name);
    assert!(rate("bytes_per_second_min") > 0.0);
    assert!(rate("bytes_per_second_min") <= rate("bytes_per_second"));
    assert!(rate("bytes_per_second") <= rate("bytes_per_second_max"));
    assert_eq!(summary["runs"], 3);
}

#[test]
fn bulk_from_the_board_is_verified() {
    let address = server(|_, stream| chargen(stream, |_, _| {}));
    let (runs, _) = passed(&bench("from", 19, address, &[]), "from");
    // What was on its way when the limit was reached counts too.
    assert!(runs.iter().all(|run| run["bytes"].as_u64() >= Some(300_000)), "{runs:?}");
}

#[test]
fn one_wrong_byte_from_the_board_is_no_result() {
    let address = server(|_, stream| {
        chargen(stream, |offset, byte| *byte ^= u8::from(offset == 250_000));
    });
    let message = failure(&bench("from", 19, address, &[]));
    assert!(message.starts_with("chargen (port 19 of the board): "), "{message}");
    assert!(message.contains("wrong byte at offset 250000: expected 0x"), "{message}");
}

#[test]
fn bulk_both_ways_is_verified_to_the_last_byte() {
    let address = server(|_, stream| echo(&stream, |_, _| {}));
    for more in [&["--chunk", "64"][..], &["--chunk", "1Mi"]] {
        let (runs, _) = passed(&bench("duplex", 7, address, more), "duplex");
        assert!(runs.iter().all(|run| run["bytes"] == 300_000), "{runs:?}");
    }
}

#[test]
fn a_peer_that_answers_only_after_everything_does_not_lock_it_up() {
    let address = server(|_, mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("the tool sends");
        stream.write_all(&all).expect("the tool reads");
    });
    passed(&bench("duplex", 7, address, &["--bytes", "20M", "--runs", "1"]), "duplex");
}

/// None of them is answered before all are there.
#[test]
fn connections_in_parallel_are_there_at_once_and_added_up() {
    let all = Arc::new(Barrier::new(4));
    let meet = |serve: fn(TcpStream)| {
        let all = Arc::clone(&all);
        server(move |_, stream| {
            all.wait();
            serve(stream);
        })
    };
    let discard = meet(discard);
    let chargen = meet(|stream| chargen(stream, |_, _| {}));
    let echo = meet(|stream| echo(&stream, |_, _| {}));
    for (test, port, address) in [("to", 9, discard), ("from", 19, chargen), ("duplex", 7, echo)] {
        let (runs, _) = passed(&bench(test, port, address, &["--parallel", "4"]), test);
        let bytes: Vec<_> = runs.iter().filter_map(|run| run["bytes"].as_u64()).collect();
        assert!(bytes.len() == 3 && bytes.iter().all(|&bytes| bytes >= 1_200_000), "{bytes:?}");
        assert!(test == "from" || bytes == [1_200_000; 3], "{test}: {bytes:?}");
    }
}

#[test]
fn one_wrong_byte_on_one_of_several_connections_is_no_result() {
    let address = server(|number, stream| {
        echo(&stream, |offset, data| {
            if number == 2 && offset == 0 {
                data[0] ^= 1;
            }
        });
    });
    let message = failure(&bench("duplex", 7, address, &["--parallel", "4"]));
    assert!(message.contains("wrong byte at offset 0: expected 0x"), "{message}");
}

#[test]
fn a_wrong_a_missing_and_an_extra_byte_of_an_echo_are_found() {
    let wrong = server(|_, stream| {
        echo(&stream, |offset, data| {
            if let Some(byte) =
                200_000_u64.checked_sub(offset).and_then(|at| data.get_mut(at as usize))
            {
                *byte = !*byte;
            }
        });
    });
    let message = failure(&bench("duplex", 7, wrong, &[]));
    assert!(
        message.contains("echo (port 7 of the board): wrong byte at offset 200000"),
        "{message}"
    );

    let whole = |change: fn(&mut Vec<u8>)| {
        server(move |_, mut stream| {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).expect("the tool sends");
            change(&mut all);
            let _ = stream.write_all(&all);
        })
    };
    let missing = whole(|all| all.truncate(all.len() - 1));
    let message = failure(&bench("duplex", 7, missing, &[]));
    assert!(message.contains("it closed (FIN) after 299999 bytes"), "{message}");
    let extra = whole(|all| all.push(b'!'));
    let message = failure(&bench("duplex", 7, extra, &[]));
    assert!(message.contains("1 byte more came than the 300000 due"), "{message}");
}

#[test]
fn round_trips_and_connections_are_timed_one_by_one() {
    let address = server(|_, stream| echo(&stream, |_, _| {}));
    // The time ends this run: it has at least one round trip.
    let trips = ["--seconds", "0.05", "--runs", "2"];
    let (runs, summary) = passed(&bench("trip", 7, address, &trips), "trip");
    assert!(runs.iter().all(|run| run["count"].as_u64() >= Some(1)), "{runs:?}");
    let time = |name: &str| summary[name].as_f64().expect(name);
    assert!(0.0 < time("p50_us") && time("p50_us") <= time("p99_us"));
    assert!(time("p99_us") <= time("p999_us") && time("per_second") > 0.0);

    let connections = ["--connections", "7"];
    let (runs, _) = passed(&bench("connect", 7, address, &connections), "connect");
    assert!(runs.iter().all(|run| run["count"] == 7), "{runs:?}");
}

#[test]
fn a_wrong_ping_is_found() {
    let address = server(|_, stream| echo(&stream, |_, data| data[0] ^= 1));
    for test in ["trip", "connect"] {
        let message = failure(&bench(test, 7, address, &[]));
        assert!(message.contains("wrong byte at offset 0"), "{test}: {message}");
    }
    let talkative = server(|_, mut stream| {
        echo(&stream, |_, _| {});
        let _ = stream.write_all(b"bye");
    });
    let message = failure(&bench("connect", 7, talkative, &[]));
    assert!(message.contains("3 bytes more came than the 64 due"), "{message}");
}

#[test]
fn a_closed_service_is_named_with_a_remedy() {
    for (test, port, name) in [("to", 9, "discard"), ("from", 19, "chargen"), ("trip", 7, "echo")] {
        let message = failure(&bench(test, port, closed_port(), &[]));
        let service = format!("{name} (port {port} of the board): nothing listens on 127.0.0.1:");
        assert!(message.starts_with(&service), "{message}");
        assert!(
            message.contains("start it with: tapboard; or leave it out: see --only"),
            "{message}"
        );
    }
}

#[test]
fn resets_early_ends_and_stalls_are_errors() {
    let address = server(|_, stream| reset(stream));
    for (test, port) in [("to", 9), ("from", 19), ("duplex", 7), ("trip", 7)] {
        let message = failure(&bench(test, port, address, &[]));
        assert!(message.contains("reset") || message.contains("stopped receiving"), "{message}");
    }
    let closing = server(|_, mut stream| {
        stream.shutdown(Shutdown::Write).expect("connected");
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    for (test, port) in [("from", 19), ("duplex", 7), ("trip", 7)] {
        let message = failure(&bench(test, port, closing, &[]));
        assert!(message.contains("it closed (FIN) after 0 bytes"), "{test}: {message}");
    }
    let silent = server(|_, stream| hold(stream));
    for (test, port) in [("to", 9), ("from", 19), ("duplex", 7), ("trip", 7), ("connect", 7)] {
        let message = failure(&bench(test, port, silent, &["--timeout", "0.2"]));
        assert!(message.contains("stalled: nothing moved for 0.2 s"), "{test}: {message}");
    }
}

#[test]
fn what_does_not_end_is_ended() {
    let endless = server(|_, mut stream| {
        let line: Vec<u8> = (0..95_u16)
            .flat_map(|line| {
                let text = (0..72).map(move |column| b' ' + ((line + column) % 95) as u8);
                text.chain(*b"\r\n")
            })
            .collect();
        while stream.write_all(&line).is_ok() {}
    });
    // Longer than the server pauses on a busy machine, or that would be a stall.
    let message = failure(&bench("from", 19, endless, &["--timeout", "5"]));
    assert!(message.contains("it went on for 5 s after our FIN"), "{message}");
    let talking = server(|_, mut stream| {
        let _ = stream.write_all(b"what?");
        discard(stream);
    });
    let message = failure(&bench("to", 9, talking, &[]));
    assert!(message.contains("5 bytes more came"), "{message}");
}

#[test]
fn people_get_a_line_for_each_test() {
    let address = server(|_, stream| echo(&stream, |_, _| {}));
    let offset = (address.port() - 7).to_string();
    let text = run(&[
        "bench",
        "--port-offset",
        &offset,
        "--only",
        "connect,trip",
        "--runs",
        "1",
        "--seconds",
        "0.05",
    ])
    .text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0].starts_with("round trip of 64 bytes ") && lines[0].contains(" p99.9 "),
        "{text}"
    );
    assert!(lines[1].starts_with("connect, echo, close "), "{text}");
    assert!(lines[2].starts_with("medians of 1 run of at most 0.05 s each"), "{text}");
}

#[test]
fn ctrl_c_prints_what_there_is_and_fails() {
    let (sender, receiver) = mpsc::channel();
    let address = server(move |number, stream| {
        if number == 0 {
            discard(stream);
        } else {
            sender.send(()).expect("the test listens");
            hold(stream);
        }
    });
    let offset = (address.port() - 9).to_string();
    let base = ["bench", "--only", "to", "--bytes", "100k", "--seconds", "60", "--json"];
    let child = tool(&[&base[..], &["--port-offset", &offset]].concat());
    receiver.recv_timeout(common::PATIENCE).expect("the second run is under way");
    signal("INT", child.id());
    let finished = finish(child);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let summary = finished.last("summary");
    assert_eq!((&summary["interrupted"], &summary["passed"]), (&true.into(), &false.into()));
    assert_eq!(summary["tests"]["to"]["runs"], 1);
}

#[test]
fn a_wrong_command_line_is_exit_code_2_and_says_what_is_right() {
    for (arguments, part) in [
        (&["bench", "127.0.0.1:7007"][..], "without a port"),
        (&["bench", "--only", "fast"], "to, from, duplex, trip, connect"),
        (&["bench", "--runs", "0"], "0 is not in 1..=1000"),
        (&["bench", "--seconds", "0"], "0.001 to 86400"),
        (&["bench", "--bytes", "0"], "not within"),
        (&["bench", "--chunk", "63"], "not within"),
        (&["bench", "--port-offset", "65530"], "65530 is not in 0..=65000"),
        (&["bench", "--connections", "30000"], "30000 is not in 1..=20000"),
    ] {
        let finished = run(arguments);
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains(part), "{arguments:?}: {}", finished.stderr);
    }
}
