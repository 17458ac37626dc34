//! Which ports lead to the board through the gateway of `tapboard user`: as they are written, and as they change while
//! it runs, at the console and over HTTP.

#![cfg(target_os = "linux")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

use common::ports::{free_port, local, local6};
use common::process::{PATIENCE, Process, connect, echo, finished, readable};
use common::scratch::Scratch;
use common::user::{Forwards, run};
use serde_json::{Value, json};
use smoltcp::time::Instant;
use tapboard::clock::RealClock;

fn up(options: &[&str]) -> Process {
    Process::with_console(&Forwards::free().arguments(&["user", "--no-telemetry"], options))
}

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse::<IpAddr>().unwrap(), port)
}

fn refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err()
}

/// Whether a datagram comes back from there.
fn echoes(address: SocketAddr) -> bool {
    let socket = UdpSocket::bind(SocketAddr::new(address.ip(), 0)).unwrap();
    socket.connect(address).unwrap();
    let mut back = [0; 8];
    // Nobody there is an error of either call.
    socket.send(b"x").is_ok() && readable(&socket, PATIENCE) && socket.recv(&mut back).is_ok()
}

#[test]
fn a_forward_may_be_of_one_address_and_of_one_protocol() {
    let (udp, tcp, six) = (free_port(), free_port(), free_port());
    let options =
        [format!("-pudp:{udp}:7"), format!("-ptcp:127.0.0.2:{tcp}:7"), format!("-p[::1]:{six}:7")];
    let _user = up(&[&options[0], &options[1], &options[2]]);
    assert!(echoes(local(udp)) && echoes(local6(udp)));
    assert!(refused(local(udp)) && refused(local6(udp)));
    assert_eq!(echo(&connect(at("127.0.0.2", tcp)), b"here").unwrap(), b"here");
    assert!(refused(local(tcp)) && !echoes(at("127.0.0.2", tcp)));
    assert_eq!(echo(&connect(local6(six)), b"here").unwrap(), b"here");
    assert!(echoes(local6(six)) && refused(local(six)));
}

#[test]
fn what_cannot_be_is_refused_with_a_remedy() {
    let port = free_port();
    let twice = [format!("-p{port}:7"), format!("-pudp:[::1]:{port}:9")];
    let remedy = format!("-p udp:[::1]:{}:9\n", port + 1000);
    for (options, remedy) in [
        (&[&twice[0][..], &twice[1]][..], &remedy[..]),
        (&["-p", "192.0.2.77:8007:7"], "`ip address` lists the addresses of this machine\n"),
        (&["-p", "::1:8007:7"], "in brackets, as in '[::1]:7'"),
        (&["--allow", "9000", "--allow", "tcp:[::1]:9000"], "allow one of them\n"),
        (&["--allow", "udp:[::1]:53"], "use --allow-dns=::1\n"),
        (&["--allow", "localhost:80"], "e.g. 9000 or udp:127.0.0.2:514"),
        (&["--api", "0.0.0.0:7080"], "use 127.0.0.1:7080"),
        (&["--allow-dns=localhost"], "e.g. 127.0.0.1:5353"),
    ] {
        let output = finished(options);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(remedy), "{options:?}: {errors}");
    }
}

#[test]
fn ports_are_forwarded_and_unforwarded_at_the_console() {
    let mut user = up(&[]);
    let port = free_port();
    user.command("forwards", "10 of 64 addresses and ports\n");
    user.command(&format!("forward {port}:7"), &format!("\n{port} leads to board port 7 now\n"));
    let mut client = connect(local(port));
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    assert!(echoes(local(port)) && echoes(local6(port)));
    user.command("forwards", "12 of 64 addresses and ports\n");
    let row = format!("127.0.0.1:{port:<11} -> board port 7     TCP and UDP\n");
    assert!(user.output().contains(&row), "{}", user.output());
    let error = format!(
        "127.0.0.1:{port} cannot lead to both board port 7 and board port 9; move one of them with: \
         forward {}:9\n",
        port + 1000
    );
    user.command(&format!("forward {port}:9"), &error);
    let same = format!("127.0.0.1:{port} leads to board port 7 already; leave it at that\n");
    user.command(&format!("forward {port}:7"), &same);
    user.command(&format!("unforward udp:{port}"), "is not forwarded any more");
    assert!(!echoes(local(port)) && !echoes(local6(port)));
    assert_eq!(echo(&connect(local6(port)), b"still").unwrap(), b"still");
    user.command(&format!("unforward {port}"), &format!("\n{port} is not forwarded any more\n"));
    assert!(refused(local(port)) && refused(local6(port)));
    // What was under way goes on.
    client.write_all(b"y").unwrap();
    client.read_exact(&mut [0]).unwrap();
    user.command(&format!("unforward {port}"), "is not forwarded; `forwards` lists what is\n");
    // The port is free for others again, and then taken.
    let other = std::net::TcpListener::bind(local(port)).unwrap();
    let taken = format!("cannot listen on 127.0.0.1:{port}: Address already in use (os error 98)");
    user.command(&format!("forward {port}:7"), &taken);
    drop(other);
    user.command("forward 7", "e.g. 8007:7");
    user.command("unforward x", "\"x\" is no port of this machine, e.g. 8080");
}

/// Asks for `stats` until the last ones have that line.
fn stats_until(user: &mut Process, line: &str) {
    const LAST: &str = "\napi_refused ";
    let clock = RealClock::new();
    loop {
        let before = user.output().matches(LAST).count();
        user.command("stats", "");
        user.prints_until(|output| output.matches(LAST).count() > before);
        let output = user.output();
        if output[output.rfind("gateway_flows").expect("stats")..].contains(line) {
            return;
        }
        assert!(clock.now() < Instant::ZERO + PATIENCE.into(), "{line:?} is not told");
    }
}

/// What was known of a client of a port that leads elsewhere now is forgotten.
#[test]
fn datagrams_go_where_a_port_leads_now() {
    let mut user = up(&[]);
    let port = free_port();
    let client = UdpSocket::bind(local(0)).unwrap();
    client.connect(local(port)).unwrap();
    user.command(&format!("forward udp:{port}:9"), "leads to board port 9 now\n");
    client.send(b"discarded").unwrap();
    stats_until(&mut user, "gateway_udp_mappings 1 of 64\n");
    user.command(&format!("unforward udp:{port}"), "is not forwarded any more\n");
    stats_until(&mut user, "gateway_udp_mappings 0 of 64\n");
    user.command(&format!("forward udp:{port}:7"), "leads to board port 7 now\n");
    client.send(b"echoed").unwrap();
    let mut back = [0; 16];
    assert!(readable(&client, PATIENCE));
    let count = client.recv(&mut back).unwrap();
    assert_eq!(&back[..count], b"echoed");
}

#[test]
fn there_is_an_end_of_forwards() {
    let mut user = up(&[]);
    // Those of the services are on two addresses.
    for index in 0..54 {
        let port = free_port();
        user.command(&format!("forward tcp:127.0.0.1:{port}:7"), &format!(":{port} leads to"));
        assert!(!refused(local(port)), "{index}");
    }
    let port = free_port();
    let forward = format!("forward tcp:127.0.0.1:{port}:7");
    user.command(&forward, "the gateway holds 64; forward fewer\n");
    assert!(refused(local(port)));
}

#[test]
fn a_board_with_an_address_of_its_own_has_no_forwards() {
    common::netns::run("a_board_with_an_address_of_its_own_has_no_forwards", &[], || {
        let mut tap = Process::with_console(&["tap", "--no-telemetry"]);
        tap.command("forwards", "the board has an address of its own on this network\n");
    });
}

/// Sends a request and returns its answer: status, and the body if it is JSON.
fn ask(mut stream: impl Read + Write, request: &str) -> (u16, Value) {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).expect("a status").parse().expect("a number");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    (status, serde_json::from_str(body).expect("JSON"))
}

struct Api(SocketAddr);

impl Api {
    fn get(&self, path: &str) -> (u16, Value) {
        let Self(at) = self;
        ask(connect(*at), &format!("GET {path} HTTP/1.1\r\nHost: {at}\r\n\r\n"))
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let (Self(at), body) = (self, body.to_string());
        let length = body.len();
        ask(
            connect(*at),
            &format!(
                "POST /services/forwarder/{path} HTTP/1.1\r\nHost: {at}\r\n\
                 Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            ),
        )
    }
}

fn with_api(options: &[&str]) -> (Process, Api) {
    let at = local(free_port());
    let user = up(&[&["--api", &at.to_string()], options].concat());
    (user, Api(at))
}

#[test]
fn ports_are_exposed_and_unexposed_over_http() {
    let (user, api) = with_api(&[]);
    assert!(user.output().contains(&format!("ports are added and removed at http://{}\n", api.0)));
    let port = free_port();
    let (local_port, remote) = (format!(":{port}"), "192.0.2.1:7");
    let body = json!({ "local": local_port, "remote": remote, "protocol": "tcp" });
    assert_eq!(api.post("expose", &body), (200, json!({})));
    assert_eq!(echo(&connect(local(port)), b"here").unwrap(), b"here");
    assert!(!echoes(local(port)), "TCP alone");
    let (status, list) = api.get("/services/forwarder/all");
    let row = json!({ "local": format!("[::1]:{port}"), "remote": remote, "protocol": "tcp" });
    assert!(status == 200 && list.as_array().unwrap().contains(&row), "{list}");
    let (status, error) = api.post("expose", &body);
    let text = error["error"].as_str().unwrap();
    assert!(status == 409 && text.contains("leads to board port 7 already"), "{error}");
    let gone = json!({ "local": local_port });
    assert_eq!(api.post("unexpose", &gone), (200, json!({})));
    assert!(refused(local(port)));
    assert_eq!(api.post("unexpose", &gone).0, 409);
    let (status, error) = api.post("expose", &json!({ "local": ":1", "remote": "192.0.2.9:7" }));
    assert!(status == 400 && error["error"].as_str().unwrap().contains("192.0.2.1:7"), "{error}");
    assert_eq!(api.get("/").0, 404);
}

#[test]
fn limits_and_leases_are_told_over_http() {
    let (user, api) = with_api(&["--ip", "dhcp", "--board-name", "shed"]);
    user.prints("board: address 192.0.2.1/24, leased by 192.0.2.2\n");
    let (status, stats) = api.get("/stats");
    assert_eq!(status, 200);
    for (name, used, limit) in [
        ("gateway_flows", 0, 32),
        ("gateway_udp_mappings", 0, 64),
        ("gateway_forwards", 10, 64),
        ("gateway_leases", 1, 100),
        ("gateway_allowed", 1, 8),
        ("gateway_api_clients", 1, 8),
    ] {
        let told = &stats[name];
        assert_eq!(told["used"], used, "{name}: {stats}");
        assert_eq!(told["limit"], limit, "{name}: {stats}");
    }
    let lease = json!({ "mac": "02:00:5e:00:00:01", "address": "192.0.2.1", "name": "shed" });
    assert_eq!(api.get("/services/dhcp/leases"), (200, json!([lease])));
}

/// A page of another site, and one whose name was made to lead to 127.0.0.1.
#[test]
fn pages_in_a_browser_cannot_use_it() {
    let (_user, api) = with_api(&[]);
    let (at, port) = (api.0, free_port());
    let body = json!({ "local": format!(":{port}"), "remote": ":7" }).to_string();
    let length = body.len();
    for headers in [
        format!("Host: {at}\r\nOrigin: http://example.com\r\nContent-Type: application/json"),
        format!("Host: example.com:{}\r\nContent-Type: application/json", at.port()),
        format!("Host: {at}\r\nContent-Type: text/plain"),
        format!("Host: {at}"),
    ] {
        let request = format!(
            "POST /services/forwarder/expose HTTP/1.1\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let (status, error) = ask(connect(at), &request);
        assert!([403, 415].contains(&status), "{headers}: {error}");
        assert!(refused(local(port)), "{headers}");
    }
    assert_eq!(api.get("/stats").1["api_refused"], 4);
}

/// Clients that say nothing, or half of it, keep nobody else out for ever, and cost nothing meanwhile.
#[test]
fn silent_clients_are_let_go() {
    let (user, api) = with_api(&[]);
    let silent: Vec<_> = (0..8).map(|_| connect(api.0)).collect();
    let mut half = &silent[0];
    half.write_all(b"GET /stats HT").unwrap();
    let woken = user.wakeups(|| assert_eq!(api.get("/stats").0, 200));
    assert!(woken.count < 60, "{} times in {} s", woken.count, woken.seconds);
    for mut client in &silent {
        let end = client.read(&mut [0]).map_err(|error| error.kind());
        assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
    }
}

#[test]
fn curl_uses_a_unix_socket_that_is_its_owners() {
    let scratch = Scratch::new();
    let path = scratch.path("api.sock");
    // Left behind by a run that was killed.
    drop(UnixListener::bind(&path).unwrap());
    let port = free_port();
    let mut user = up(&["--api", &format!("unix:{path}")]);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let body = json!({ "local": format!("127.0.0.1:{port}"), "remote": ":7" });
    run(&format!(
        "curl -sf --unix-socket {path} -H 'Content-Type: application/json' -d '{body}' \
         http://tapboard/services/forwarder/expose"
    ));
    assert_eq!(echo(&connect(local(port)), b"here").unwrap(), b"here");
    // Another one is told that it is taken, and takes nothing away.
    let second = finished(&["user", "--no-telemetry", "--api", &format!("unix:{path}")]);
    let errors = String::from_utf8_lossy(&second.stderr);
    assert!(second.status.code() == Some(1) && errors.contains("in use"), "{errors}");
    assert_eq!(
        ask(UnixStream::connect(&path).unwrap(), "GET /stats HTTP/1.1\r\nHost: x\r\n\r\n").0,
        200
    );
    user.command("quit", "gateway: ");
    assert_eq!(user.exit(), Some(0));
    assert!(!std::path::Path::new(&path).exists());
}
