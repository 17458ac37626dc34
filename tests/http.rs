//! HTTP with the clients that people have: `curl` and `ab`, through the gateway and on a TAP. What no such client sends is in
//! `firmware/src/service/tests/http.rs`.

#![cfg(target_os = "linux")]

mod common;

use std::fs;

use common::netns;
use common::process::{Process, tapboard};
use common::scratch::Scratch;
use common::user::{User, run};
use serde_json::Value;

const TOKEN: &str = "open-sesame";
const CLIENTS: &[(&str, &str)] = &[("curl", "curl"), ("ab", "apache2-utils")];

/// What `curl` prints for these arguments.
fn curl(arguments: &str) -> String {
    run(&format!("curl -sS -m 30 {arguments}"))
}

/// Everything at `url`, for a board whose token is [`TOKEN`].
fn is_all_there(url: &str) {
    let scratch = Scratch::new();
    let page = scratch.path("page");
    curl(&format!("--compressed -o {page} {url}/"));
    let source = fs::read("firmware/src/service/http/page.html").expect("the source");
    assert!(fs::read(page).expect("the page") == source, "another page");

    let status: Value = serde_json::from_str(&curl(&format!("{url}/api/status"))).expect("JSON");
    assert_eq!((&status["led"], &status["login"]), (&false.into(), &true.into()));
    assert!(status["counters"]["frames_in"].as_u64() > Some(0));
    // Of the handshake, that of this connection was measured.
    let sockets = status["sockets"].as_array().expect("a list").iter();
    assert!(sockets.clone().any(|socket| socket["rtt_us"].as_u64() > Some(0)), "{status}");

    let code = |rest: &str| curl(&format!("-o /dev/null -w '%{{http_code}}' {rest}"));
    for (expected, request) in [
        ("200", format!("-I {url}/metrics")),
        ("404", format!("{url}/nothing")),
        ("405", format!("-X DELETE {url}/")),
        ("414", format!("{url}/{}", "x".repeat(2000))),
        ("431", format!("-H 'X: {}' {url}/", "x".repeat(9000))),
        ("413", format!("-d '{}' {url}/api/led", "x".repeat(5000))),
        ("401", format!("-d on {url}/api/led")),
        ("403", format!("-d on -H 'Origin: http://evil.example' {url}/api/led")),
        ("403", format!("-d on -H 'Host: evil.example' {url}/api/led")),
        ("403", format!("-H 'Host: evil.example' {url}/")),
        ("401", format!("-d on -H 'Authorization: Bearer nonsense' {url}/api/led")),
    ] {
        assert_eq!(code(&request), expected, "{request}");
    }
    let switched = curl(&format!("-d on -H 'Authorization: Bearer {TOKEN}' {url}/api/led"));
    assert_eq!(switched, "{\"led\":true}\n");
    let two = run(&format!("curl -sSN -m 30 {url}/events 2>/dev/null | grep -m 2 '^data: '"));
    assert_eq!(two.matches("\"led\":true").count(), 2, "{two}");

    // One connection for many requests, and more at once than there are places.
    let connects = curl(&format!("-o /dev/null -w '%{{num_connects}} ' '{url}/?[1-20]'"));
    assert_eq!(connects.split_whitespace().filter(|count| *count != "0").count(), 1, "{connects}");
    let many = curl(&format!(
        "-Z --parallel-immediate --parallel-max 6 -o /dev/null -w '%{{http_code}} ' '{url}/?[1-60]'"
    ));
    assert_eq!(many, "200 ".repeat(60));
}

/// Clients of `ab` at once.
const AB_CLIENTS: u32 = 8;

/// No request fails, with a connection for each and without. At the end of `ab -k` some connections have no more to ask for,
/// and make room for those that still wait; that the board ends them `ab` counts as failed, and them in the place of others.
fn is_served(url: &str, requests: u32) {
    for (options, ended) in [("", 0), ("-k ", AB_CLIENTS)] {
        let report = run(&format!("ab -q -n {requests} -c {AB_CLIENTS} {options}{url}/ 2>&1"));
        let figure = |name: &str| {
            let line = report.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().parse::<u32>().ok())
        };
        assert_eq!(figure("Complete requests:"), Some(requests), "{options}: {report}");
        let failed = figure("Failed requests:").unwrap_or(u32::MAX);
        assert!(failed <= ended, "{options}: {report}");
        assert!(failed == 0 || report.contains(&format!("Length: {failed}, ")), "{report}");
        assert!(!report.contains("Non-2xx"), "{options}: {report}");
        // Most of those that keep theirs do not make a new one for each request.
        let kept = figure("Keep-Alive requests:").unwrap_or(0);
        assert!(ended == 0 || kept > requests * 9 / 10, "{options}: {report}");
    }
}

#[test]
fn clients_are_served_through_the_gateway() {
    if !CLIENTS.iter().all(|(program, _)| netns::succeeds("which", &[program])) {
        return netns::skip("clients_are_served_through_the_gateway", "no curl or no ab");
    }
    let user = User::start(&["--no-telemetry", "--token", TOKEN], tapboard);
    let url = format!("http://{}", user.http);
    is_all_there(&url);
    is_served(&url, 1000);
}

#[test]
fn clients_are_served_on_a_tap() {
    netns::run("clients_are_served_on_a_tap", CLIENTS, || {
        let scratch = Scratch::new();
        let token = format!("@{}", scratch.file("token", &format!("{TOKEN}\nnot this\n")));
        let _board = Process::up(&["tap", "--no-telemetry", "--token", &token]);
        is_all_there("http://192.0.2.1");
        is_served("http://192.0.2.1", 3000);
        let shell = run("printf 'led off\\nlogin open-sesame\\nled off\\n' | nc -N 192.0.2.1 23");
        assert!(shell.contains("> login first: login TOKEN"), "{shell}");
        assert!(shell.contains("> logged in\r\n> led is off"), "{shell}");
    });
}

#[test]
fn what_is_no_token_is_explained() {
    let scratch = Scratch::new();
    let (empty, nowhere) = (scratch.file("empty", "\n"), scratch.path("nowhere"));
    for (token, why) in [
        ("two words".into(), "it is no token: 1 to 64 visible ASCII characters, without spaces"),
        (format!("@{empty}"), "the first line of "),
        (format!("@{nowhere}"), "cannot read the token from "),
    ] {
        let output = common::process::finished(&["--token", &token]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && errors.contains(why), "{errors}");
    }
}
