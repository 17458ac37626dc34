//! All services at once while the stack misbehaves: every call fails once, blocks once, or at
//! random.
//!
//! Whatever happened, a new client is served soon after, telemetry is back, and no handle is lost
//! (the [`Bench`] sees to that).

use core::net::SocketAddr;

use smoltcp::time::Duration;
use tapboard_net::rng::Rng;

use super::Bench;
use crate::config::{BACKOFF_MAX, LISTEN_RETRY, TELEMETRY_INTERVAL};
use crate::service::fake::{Fault, Peer};
#[cfg(feature = "http")]
use crate::service::http;
use crate::service::{Service, chargen, discard, echo, shell};

const STEP: Duration = Duration::from_millis(200);

/// Clients of all services; what they ask for is answered in a few polls.
struct Clients {
    echo: Peer,
    discard: Peer,
    chargen: Peer,
    shell: Peer,
    #[cfg(feature = "http")]
    http: Peer,
}

impl Clients {
    fn connect(bench: &mut Bench) -> Self {
        let clients = Self {
            echo: bench.stack.client(echo::PORT),
            discard: bench.stack.client(discard::PORT),
            chargen: bench.stack.client(chargen::PORT),
            shell: bench.stack.client(shell::PORT),
            #[cfg(feature = "http")]
            http: bench.stack.client(http::PORT),
        };
        #[cfg(feature = "http")]
        clients
            .http
            .send(b"GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\nGET /api/status HTTP/1.0\r\nHost: 192.0.2.1\r\n\r\n");
        clients.echo.send(b"echo");
        clients.discard.send(b"discard");
        clients.chargen.pipe().room = 300;
        clients.shell.send(b"led toggle\r\nuptim\nexit\n");
        bench.stack.datagram(echo::PORT, "192.0.2.2:4000", b"datagram");
        clients
    }

    fn finish(&self) {
        for peer in [&self.echo, &self.discard, &self.chargen] {
            peer.pipe().fin = true;
        }
    }

    fn all(&self) -> [&Peer; 4] {
        [&self.echo, &self.discard, &self.chargen, &self.shell]
    }

    fn assert_served(&self) {
        assert_eq!(self.echo.text(), "echo");
        assert_eq!(self.discard.pipe().input.len(), 0);
        assert_eq!(self.chargen.pipe().output.len(), 300);
        let text = self.shell.text();
        assert!(text.contains("led is ") && text.ends_with("bye\r\n"), "{text}");
        #[cfg(feature = "http")]
        assert!(self.http.text().ends_with("]}") && self.http.is_closed(), "{}", self.http.text());
        assert!(self.all().iter().all(|peer| peer.is_closed()));
    }
}

fn bench() -> Bench {
    Bench::with("b", Some(SocketAddr::from(([192, 0, 2, 2], 9000))))
}

/// Boot, four clients, some telemetry, and the clients' end.
fn scenario(bench: &mut Bench) -> Clients {
    let clients = Clients::connect(bench);
    for _ in 0..4 {
        bench.pass(STEP);
    }
    clients.finish();
    for _ in 0..4 {
        bench.pass(STEP);
    }
    clients
}

/// After the fault all is as it should be.
fn assert_recovered(bench: &mut Bench) {
    bench.stack.fault = None;
    bench.stack.stutter = None;
    bench.pass(LISTEN_RETRY);
    bench.pass(BACKOFF_MAX);
    let clients = Clients::connect(bench);
    bench.settle();
    clients.finish();
    bench.settle();
    clients.assert_served();
    let server = bench.stack.dialled.last().expect("telemetry connects").clone();
    assert!(!server.is_closed());
    let lines = server.text().lines().count();
    bench.pass(TELEMETRY_INTERVAL);
    assert!(server.text().lines().count() > lines && server.text().ends_with("}\n"));
}

/// How many calls the scenario makes when nothing is wrong.
fn calls() -> usize {
    let mut bench = bench();
    scenario(&mut bench).assert_served();
    bench.stack.calls
}

#[test]
fn every_call_may_fail_once() {
    let calls = calls();
    assert!(calls > 100, "{calls}");
    for call in 1..=calls {
        let mut bench = bench();
        bench.stack.fault = Some((call, Fault::Fail));
        scenario(&mut bench);
        assert_recovered(&mut bench);
    }
}

#[test]
fn every_call_may_block_once_and_nobody_notices() {
    for call in 1..=calls() {
        let mut bench = bench();
        bench.stack.fault = Some((call, Fault::Block));
        scenario(&mut bench).assert_served();
        assert_recovered(&mut bench);
    }
}

#[test]
fn half_of_all_calls_block_and_move_a_byte_at_most() {
    for seed in 0..20 {
        let mut bench = bench();
        bench.stack.stutter = Some(Rng::new(seed));
        let clients = Clients::connect(&mut bench);
        for peer in clients.all() {
            peer.pipe().chunk = 1;
        }
        let mut steps = 0;
        while !clients.all().iter().all(|peer| peer.is_closed()) {
            if clients.chargen.pipe().room == 0 {
                clients.finish();
            }
            bench.pass(Duration::from_millis(1));
            steps += 1;
            assert!(steps < 10_000, "seed {seed}: {:?}", bench.stack);
        }
        clients.assert_served();
        assert_recovered(&mut bench);
    }
}

#[test]
fn a_shutdown_in_mid_work_closes_everything() {
    for polls in 0..4 {
        let mut bench = bench();
        let clients = Clients::connect(&mut bench);
        for _ in 0..polls {
            bench.poll();
        }
        bench.services.shutdown(&mut bench.stack, &mut bench.board);
        assert_eq!(bench.stack.open(), 0);
        let closed = clients.all().iter().filter(|peer| peer.is_closed()).count();
        assert_eq!(closed, if polls == 0 { 0 } else { 4 }, "after {polls} polls");
    }
}
