//! The services on the fake stack. Every [`Bench`] checks, whatever its test is about, that no poll
//! asks for a moment in the past and that after `shutdown` every handle has been given back.

use core::net::SocketAddr;
use std::thread::panicking;

use smoltcp::time::{Duration, Instant};

use super::fake::{Fake, Peer};
use super::fake_board::FakeBoard;
use super::{Service, ServiceConfig, Services};

mod faults;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "settings")]
mod settings;
mod shell;
mod streams;
mod telemetry;

/// Polls after which a service that still asks for another at once is in a loop.
const POLLS: usize = 10_000;

/// All services, on a stack and a board that do as the test says.
struct Bench {
    stack: Fake,
    board: FakeBoard,
    services: Services<Fake>,
    now: Instant,
}

impl Bench {
    /// Without telemetry, and listening.
    fn new() -> Self {
        let mut bench = Self::with("bench", None);
        bench.settle();
        bench
    }

    fn with(name: &str, telemetry: Option<SocketAddr>) -> Self {
        let telemetry = telemetry.map(Into::into);
        let config = ServiceConfig { name: name.try_into().unwrap(), telemetry };
        let now = Instant::from_secs(1000);
        Self {
            stack: Fake::new(),
            board: FakeBoard::default(),
            services: Services::new(config, 7, now),
            now,
        }
    }

    fn poll(&mut self) -> Option<Instant> {
        let deadline = self.services.poll(self.now, &mut self.stack, &mut self.board);
        assert!(deadline.is_none_or(|deadline| deadline >= self.now), "{deadline:?}");
        deadline
    }

    /// Polls for as long as that is asked for at once; the result is what is asked for then.
    fn settle(&mut self) -> Option<Instant> {
        for _ in 0..POLLS {
            let deadline = self.poll();
            if deadline != Some(self.now) {
                return deadline;
            }
        }
        panic!("polled {POLLS} times at {}, and no end", self.now);
    }

    /// Lets time pass, and settles at its end.
    fn pass(&mut self, time: Duration) -> Option<Instant> {
        self.now += time;
        self.settle()
    }

    /// A client that has sent `bytes`, perhaps with its FIN, and has been served.
    fn client(&mut self, port: u16, bytes: &[u8], fin: bool) -> Peer {
        let peer = self.stack.client(port);
        peer.send(bytes);
        peer.pipe().fin = fin;
        self.settle();
        peer
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !panicking() {
            self.services.shutdown(&mut self.stack, &mut self.board);
            assert_eq!(self.stack.open(), 0, "handles lost: {:?}", self.stack);
        }
    }
}
