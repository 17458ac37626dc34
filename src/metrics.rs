//! Metrics of the simulator over HTTP, for Prometheus and whoever reads its text: `--metrics`.
//!
//! `GET /metrics` is a [`Snapshot`] of that very moment, made and written when somebody asks; nothing is kept, and nothing
//! costs anything before. It is served in the driver's loop by the server of `http`: at most `SCRAPERS`
//! clients at once, each of whom has five seconds. Who understands `OpenMetrics` gets that, others version 0.0.4 of Prometheus'
//! text format. Whoever reaches the port may read; nothing can be changed there.

mod address;
mod cable;
mod exposition;
mod families;

use std::net::SocketAddr;

use mio::{Registry, Token};
use smoltcp::time::Instant;

pub use self::address::metrics_address;
use crate::http::{Method, Reply, Server, ServerUse, other_port};
use crate::local_socket::Listener;
use crate::snapshot::Snapshot;

/// Clients at once at most.
const SCRAPERS: usize = 8;
/// The tokens of the listener and of its clients, beyond those of any NIC.
const FIRST: usize = 1 << 24;

const PATH: &str = "/metrics";

/// The server.
#[derive(Debug)]
pub(crate) struct Metrics {
    server: Server,
    registry: Registry,
}

impl Metrics {
    /// Listens at `address`, or at a free port of it for port 0.
    pub(crate) fn open(address: SocketAddr, registry: Registry) -> Result<Self, String> {
        let listener = Listener::tcp(address).map_err(|error| {
            let other = SocketAddr::new(address.ip(), other_port(address.port()));
            format!(
                "cannot listen on {address} for metrics: {error}; choose another with: --metrics {other}"
            )
        })?;
        let server = Server::open(listener, SCRAPERS, Token(FIRST), &registry)
            .map_err(|error| format!("cannot watch sockets: {error}"))?;
        Ok(Self { server, registry })
    }

    /// Where they are.
    pub(crate) fn url(&self) -> Option<String> {
        self.server.address().map(|address| format!("http://{address}{PATH}"))
    }

    /// Notes an event. Returns whether it was one of its own.
    pub(crate) fn ready(&mut self, token: Token) -> bool {
        let index = token.0.checked_sub(FIRST).filter(|&index| index <= SCRAPERS);
        if let Some(index) = index {
            self.server.ready(index);
        }
        index.is_some()
    }

    /// Answers who asks with what `snapshot` makes. Returns when to be asked again.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        mut snapshot: impl FnMut() -> Snapshot,
    ) -> Option<Instant> {
        self.server.poll(now, &self.registry, |request, used| {
            if request.path.split('?').next() != Some(PATH) {
                return Reply::error(404, "there is GET /metrics");
            }
            if request.method != Method::Get {
                return Reply::error(405, "use GET for /metrics");
            }
            reply(snapshot(), used, request.accept)
        })
    }
}

/// The answer to who understands what `accept` has.
fn reply(snapshot: Snapshot, used: ServerUse, accept: &str) -> Reply {
    let format = exposition::Format::of(accept);
    match exposition::text(snapshot, used, format) {
        Ok(text) => Reply::text(format.content_type(), text),
        Err(_) => Reply::error(500, "the metrics cannot be written"),
    }
}

#[cfg(test)]
mod tests;
