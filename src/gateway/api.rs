//! Ports added and removed over HTTP while the board runs, by the paths that gvproxy has.
//!
//! At most [`API_CLIENTS`] clients at once. Whoever may connect may use it: the users of this machine to a port, its owner
//! to a UNIX socket.

mod call;

use std::net::Ipv4Addr;

use mio::Registry;
use serde_json::Value;
use smoltcp::time::Instant;

pub(super) use self::call::Call;
use super::api_address::ApiAddress;
use super::error::GatewayError;
use super::limits::API_CLIENTS;
use super::source::EventSource;
use crate::http::{Reply, Server, ServerUse};

/// The server.
#[derive(Debug)]
pub(super) struct Api {
    server: Server,
    board: Ipv4Addr,
}

impl Api {
    /// Listens. `board` is the board's address.
    pub(super) fn open(
        address: &ApiAddress,
        board: Ipv4Addr,
        registry: &Registry,
    ) -> Result<Self, GatewayError> {
        let listener = address
            .listen()
            .map_err(|error| GatewayError::Api { address: address.clone(), error })?;
        let server = Server::open(listener, API_CLIENTS, EventSource::Api(0).token(), registry)
            .map_err(GatewayError::Register)?;
        Ok(Self { server, board })
    }

    pub(super) fn used(&self) -> ServerUse {
        self.server.used()
    }

    /// Notes that there is an event of the listener, which is number 0, or of a client.
    pub(super) fn ready(&mut self, index: usize) {
        self.server.ready(index);
    }

    /// Has `answer` carry out what is asked for; its error is a conflict with what there is. Returns when to be asked
    /// again.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        registry: &Registry,
        mut answer: impl FnMut(Call, ServerUse) -> Result<Value, String>,
    ) -> Option<Instant> {
        let board = self.board;
        self.server.poll(now, registry, |request, used| {
            match Call::read(request, board).map(|call| answer(call, used)) {
                Ok(Ok(value)) => Reply::json(&value),
                Ok(Err(error)) => Reply::error(409, &error),
                Err(error) => error,
            }
        })
    }
}
