//! Ports added and removed over HTTP while the board runs, by the paths that gvproxy has.
//!
//! At most [`API_CLIENTS`] clients at once; further ones wait in the kernel's backlog. Each has one request, and
//! [`PATIENCE`] for it and its answer, after which the connection is closed. Whoever may connect may use it: the users
//! of this machine to a port, its owner to a UNIX socket; pages of a browser may not (`request.rs`).

mod address;
mod call;
mod reply;
mod request;

use std::io::{ErrorKind, Read, Write};
use std::net::Ipv4Addr;

use mio::Registry;
use serde_json::Value;
use smoltcp::time::{Duration, Instant};

pub use self::address::ApiAddress;
pub(super) use self::call::Call;
use self::reply::Reply;
use self::request::{Hosts, Request};
use super::error::GatewayError;
use super::limits::API_CLIENTS;
use super::slab::Slab;
use super::source::EventSource;
use crate::local_socket::{Listener, Stream};

/// How long a client may take for its request, and for the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon to ask again for a file descriptor, if there was none.
const RETRY: Duration = Duration::from_millis(100);
/// Bytes read at a time.
const CHUNK: usize = 4096;

/// How much the API is used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ApiUse {
    pub(super) clients: usize,
    /// Requests that were answered with an error.
    pub(super) refused: u64,
}

#[derive(Debug)]
struct Client {
    stream: Stream,
    request: Vec<u8>,
    /// What is left of the answer, once there is one.
    answer: Option<Vec<u8>>,
    deadline: Instant,
    ready: bool,
}

/// The server.
#[derive(Debug)]
pub(super) struct Api {
    listener: Listener,
    acceptable: bool,
    clients: Slab<Client>,
    hosts: Hosts,
    board: Ipv4Addr,
    refused: u64,
}

impl Api {
    /// Listens. `board` is the board's address.
    pub(super) fn open(
        address: &ApiAddress,
        board: Ipv4Addr,
        registry: &Registry,
    ) -> Result<Self, GatewayError> {
        let mut listener = address
            .listen()
            .map_err(|error| GatewayError::Api { address: address.clone(), error })?;
        listener.register(registry, EventSource::Api.token()).map_err(GatewayError::Register)?;
        let hosts = match address {
            ApiAddress::Tcp(address) => Hosts::Loopback(*address),
            ApiAddress::Unix(_) => Hosts::Any,
        };
        let clients = Slab::new(API_CLIENTS);
        Ok(Self { listener, acceptable: true, clients, hosts, board, refused: 0 })
    }

    pub(super) fn used(&self) -> ApiUse {
        ApiUse { clients: self.clients.len(), refused: self.refused }
    }

    /// Notes that somebody may want to connect.
    pub(super) fn ready(&mut self) {
        self.acceptable = true;
    }

    /// Notes that a client may be read from or written to.
    pub(super) fn client_ready(&mut self, index: usize) {
        if let Some(client) = self.clients.get_mut(index) {
            client.ready = true;
        }
    }

    /// Has `answer` carry out what is asked for; its error is a conflict with what there is. Returns when to be asked
    /// again.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        registry: &Registry,
        mut answer: impl FnMut(Call, ApiUse) -> Result<Value, String>,
    ) -> Option<Instant> {
        let mut next = self.accept(now, registry);
        let full = self.clients.vacant().is_none();
        for index in self.clients.numbers() {
            let used = self.used();
            let Some(client) = self.clients.get_mut(index) else { continue };
            let (hosts, board) = (self.hosts, self.board);
            let refused = &mut self.refused;
            let done = client.turn(now, |bytes| {
                let reply = reply(bytes, hosts, board, |call| answer(call, used))?;
                *refused += u64::from(!reply.is_ok());
                Some(reply)
            });
            if done {
                self.clients.take(index);
            } else {
                next = [next, Some(client.deadline)].into_iter().flatten().min();
            }
        }
        let vacancy = full && self.clients.vacant().is_some() && self.acceptable;
        if vacancy { Some(now) } else { next }
    }

    /// Takes clients while there is room for them. Returns when to try again if the system has none.
    fn accept(&mut self, now: Instant, registry: &Registry) -> Option<Instant> {
        while self.acceptable
            && let Some(index) = self.clients.vacant()
        {
            let mut stream = match self.listener.accept() {
                Ok(stream) => stream,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.acceptable = false;
                    break;
                }
                Err(_) => return Some(now + RETRY),
            };
            // Who cannot be watched is dropped, and so closed.
            if stream.register(registry, EventSource::ApiClient(index).token()).is_ok() {
                let deadline = now + PATIENCE;
                let (request, answer) = (Vec::new(), None);
                let client = Client { stream, request, answer, deadline, ready: true };
                self.clients.put(index, client);
            }
        }
        None
    }
}

/// The answer to what has come so far; `None`: more is to come.
fn reply(
    bytes: &[u8],
    hosts: Hosts,
    board: Ipv4Addr,
    answer: impl FnOnce(Call) -> Result<Value, String>,
) -> Option<Reply> {
    let request = match Request::read(bytes, hosts) {
        Ok(request) => request?,
        Err(error) => return Some(error),
    };
    Some(match Call::read(request, board).map(answer) {
        Ok(Ok(value)) => Reply::ok(value),
        Ok(Err(error)) => Reply::error(409, &error),
        Err(error) => error,
    })
}

impl Client {
    /// Reads, answers and writes as far as it goes. Returns whether the connection is done with.
    fn turn(&mut self, now: Instant, mut reply: impl FnMut(&[u8]) -> Option<Reply>) -> bool {
        if now >= self.deadline {
            return true;
        }
        if !self.ready {
            return false;
        }
        while self.answer.is_none() {
            let mut chunk = [0; CHUNK];
            match self.stream.read(&mut chunk) {
                Ok(0) => return true,
                Ok(count) => self.request.extend(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.ready = false;
                    return false;
                }
                Err(_) => return true,
            }
            self.answer = reply(&self.request).map(|reply| reply.bytes());
        }
        let answer = self.answer.get_or_insert_default();
        while !answer.is_empty() {
            match self.stream.write(answer) {
                Ok(count) => drop(answer.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.ready = false;
                    return false;
                }
                Err(_) => return true,
            }
        }
        true
    }
}
