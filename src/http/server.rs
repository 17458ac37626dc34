//! Listens, reads, answers and closes, in turns of the driver's loop.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::{Registry, Token};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::earliest;

use super::reply::Reply;
use super::request::{Hosts, Request, is_head};
use crate::local_socket::{Backlog, Listener, Stream};
use crate::slab::Slab;

/// How long a client may take for its request, and for the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes read at a time.
const CHUNK: usize = 4096;

/// How much a server is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerUse {
    /// Clients now.
    pub(crate) clients: usize,
    /// Requests that were answered.
    pub(crate) answered: u64,
    /// Those of them that were answered with an error.
    pub(crate) refused: u64,
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

/// See the documentation of [`http`](super).
#[derive(Debug)]
pub(crate) struct Server {
    listener: Listener,
    backlog: Backlog,
    clients: Slab<Client>,
    hosts: Hosts,
    /// The listener's; those of the clients follow.
    first: Token,
    answered: u64,
    refused: u64,
}

impl Server {
    /// Serves so many clients at once of those who connect to `listener`. Its events come under the token `first` and as
    /// many after it.
    pub(crate) fn open(
        mut listener: Listener,
        clients: usize,
        first: Token,
        registry: &Registry,
    ) -> io::Result<Self> {
        let is_unix = !matches!(listener, Listener::Tcp(_));
        let hosts = match listener.address() {
            _ if is_unix => Hosts::Any,
            Some(address) if address.ip().is_loopback() => Hosts::Loopback(address),
            _ => Hosts::Addresses,
        };
        let clients = Slab::new(clients);
        listener.register(registry, first)?;
        let (backlog, answered, refused) = (Backlog::default(), 0, 0);
        Ok(Self { listener, backlog, clients, hosts, first, answered, refused })
    }

    /// Its address, if it is one of IP.
    #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "metrics alone tell it"))]
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.listener.address()
    }

    pub(crate) fn used(&self) -> ServerUse {
        let Self { clients, answered, refused, .. } = self;
        ServerUse { clients: clients.len(), answered: *answered, refused: *refused }
    }

    /// Notes that there is an event under token number `index` of its own.
    pub(crate) fn ready(&mut self, index: usize) {
        match index.checked_sub(1) {
            None => self.backlog.ready(),
            Some(client) => {
                self.clients.get_mut(client).into_iter().for_each(|client| client.ready = true);
            }
        }
    }

    /// Has `answer` answer what is asked. Returns when to be asked again.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        registry: &Registry,
        mut answer: impl FnMut(Request<'_>, ServerUse) -> Reply,
    ) -> Option<Instant> {
        let mut next = self.accept(now, registry);
        let full = self.clients.vacant().is_none();
        for index in self.clients.numbers() {
            let used = self.used();
            let hosts = self.hosts;
            let Some(client) = self.clients.get_mut(index) else { continue };
            let (answered, refused) = (&mut self.answered, &mut self.refused);
            let done = client.turn(now, |bytes| {
                let reply = match Request::read(bytes, hosts) {
                    Ok(None) => return None,
                    Ok(Some(request)) => answer(request, used),
                    Err(error) => error,
                };
                *answered += 1;
                *refused += u64::from(!reply.is_ok());
                Some(reply.bytes(is_head(bytes)))
            });
            if done {
                self.clients.take(index);
            } else {
                next = earliest(next, Some(client.deadline));
            }
        }
        let vacancy = full && self.clients.vacant().is_some() && self.backlog.waiting();
        if vacancy { Some(now) } else { next }
    }

    /// Takes clients while there is room for them. Returns when to try again if the system has none.
    fn accept(&mut self, now: Instant, registry: &Registry) -> Option<Instant> {
        while let Some(index) = self.clients.vacant() {
            let Some(mut stream) = self.backlog.take(now, || self.listener.accept()) else { break };
            // Who cannot be watched is dropped, and so closed.
            if stream.register(registry, Token(self.first.0 + 1 + index)).is_ok() {
                let deadline = now + PATIENCE;
                let (request, answer) = (Vec::new(), None);
                let client = Client { stream, request, answer, deadline, ready: true };
                self.clients.put(index, client);
            }
        }
        self.backlog.retry_at()
    }
}

impl Client {
    /// Reads, answers and writes as far as it goes; `answer` has the answer to what has come so far, or none before
    /// all has. Returns whether the connection is done with.
    fn turn(&mut self, now: Instant, mut answer: impl FnMut(&[u8]) -> Option<Vec<u8>>) -> bool {
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
            self.answer = answer(&self.request);
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};
    use std::thread;

    use mio::{Events, Poll};

    use super::*;

    /// What is answered to a request of these lines, by a server on that address.
    fn answered(on: Ipv4Addr, lines: &'static str) -> String {
        let mut poll = Poll::new().unwrap();
        let listener = Listener::tcp((on, 0).into()).unwrap();
        let mut server = Server::open(listener, 1, Token(0), poll.registry()).unwrap();
        let port = server.address().unwrap().port();
        let client = thread::spawn(move || {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            let request = lines.replace("PORT", &port.to_string());
            stream.write_all(format!("{request}\r\n\r\n").as_bytes()).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        let mut events = Events::with_capacity(8);
        while server.used().answered == 0 {
            poll.poll(&mut events, Some(std::time::Duration::from_secs(10))).unwrap();
            assert!(!events.is_empty(), "nothing comes");
            events.iter().for_each(|event| server.ready(event.token().0));
            server.poll(Instant::ZERO, poll.registry(), |_, _| Reply::json(&"yes".into()));
        }
        client.join().unwrap()
    }

    #[test]
    fn no_name_leads_to_a_server_that_other_machines_reach() {
        for on in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
            let own = answered(on, "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT");
            assert!(own.starts_with("HTTP/1.1 200 OK") && own.ends_with("\"yes\"\n"), "{own}");
            let rebound = answered(on, "GET / HTTP/1.1\r\nHost: rebound.example:PORT");
            assert!(rebound.starts_with("HTTP/1.1 403 "), "{rebound}");
            assert!(!rebound.contains("yes"), "{rebound}");
        }
    }

    #[test]
    fn the_answer_to_head_has_no_content_whatever_it_is() {
        for (lines, status) in [
            ("HEAD / HTTP/1.1\r\nHost: localhost:PORT", 200),
            ("HEAD / HTTP/1.1\r\nHost: example.com", 403),
            ("HEAD / HTTP/1.1\r\nHost: a\r\nHost: b", 400),
        ] {
            let text = answered(Ipv4Addr::LOCALHOST, lines);
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
            assert!(text.ends_with("\r\n\r\n") && !text.contains("Content-Length: 0"), "{text}");
        }
    }
}
