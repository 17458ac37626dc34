//! The client of a world, on either stack.

use std::cell::RefCell;
use std::rc::Rc;

use embedded_nal::{TcpClientStack, nb};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{CongestionControl, RecvError, Socket, SocketBuffer, State};
use smoltcp::time::{Duration, Instant};
use tapboard::nic::wire::End;
use tapboard_firmware::{BOARD_NET, BoardSockets, Error, NetStack, PEER_NET, TcpSocket};

use super::World;
use crate::common::path::Poll;
use crate::common::traffic::{ECHO, Memory};

/// When to poll smoltcp again if it wants that at once, over and over.
const TICK: Duration = Duration::from_millis(1);

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ended {
    /// All came back, and the end after it.
    Whole,
    /// There was no connection in time.
    Unconnected,
    /// The end came too early.
    Short,
    /// What came back is not what was sent.
    Wrong,
    /// The board reset it: while connecting; before it had heard of the connection; later.
    Refused,
    ResetUnheard,
    Reset,
    /// This side gave it up, although the board lives.
    GivenUp,
    /// It does not come to its end.
    Stuck,
}

/// One connection's calls, on either stack.
trait Connection {
    /// Whether it is there.
    fn connect(&mut self) -> Result<bool, Ended>;
    /// Its port on this side, once it is.
    fn port(&mut self) -> u16;
    /// Bytes taken.
    fn send(&mut self, data: &[u8]) -> Result<usize, Ended>;
    fn shutdown(&mut self) -> Result<(), Ended>;
    /// Bytes that were not acknowledged yet.
    fn outstanding(&mut self) -> u32;
    /// Bytes received, 0 at the end; `None` if there is nothing yet.
    fn receive(&mut self, data: &mut [u8]) -> Result<Option<usize>, Ended>;
}

/// Where the exchange stands.
pub(crate) struct Client {
    world: Rc<RefCell<World>>,
    connected: bool,
    sent: u32,
    shut: bool,
    received: u32,
    /// The board has acknowledged data.
    heard: bool,
}

impl Client {
    pub(crate) fn new(world: Rc<RefCell<World>>) -> Self {
        Self { world, connected: false, sent: 0, shut: false, received: 0, heard: false }
    }

    /// The byte at that place of the exchange.
    fn byte(&self, at: u32) -> u8 {
        (u64::from(at) * 31 + self.world.borrow().exchange.number * 7) as u8
    }

    /// Goes on with the exchange; says whether it is over, when the next one is to have a connection of its own.
    fn turn(&mut self, connection: &mut impl Connection, now: Instant) -> bool {
        let ended = match self.advance(connection) {
            Ok(false) => return false,
            Ok(true) => Ended::Whole,
            Err(Ended::Reset) if !self.heard => Ended::ResetUnheard,
            Err(ended) => ended,
        };
        self.world.borrow_mut().end(ended, now);
        *self = Self::new(self.world.clone());
        true
    }

    fn advance(&mut self, connection: &mut impl Connection) -> Result<bool, Ended> {
        if !self.connected {
            self.connected = connection.connect()?;
            if !self.connected {
                return Ok(false);
            }
            self.world.borrow_mut().port = connection.port();
        }
        let bytes = self.world.borrow().exchange.bytes;
        while self.sent < bytes {
            let end = bytes.min(self.sent + 1000);
            let data: Vec<u8> = (self.sent..end).map(|at| self.byte(at)).collect();
            match connection.send(&data)? {
                0 => break,
                count => self.sent += count as u32,
            }
        }
        self.heard |= connection.outstanding() < self.sent;
        if self.sent == bytes && !self.shut {
            connection.shutdown()?;
            self.shut = true;
        }
        let mut data = [0; 1000];
        while let Some(count) = connection.receive(&mut data)? {
            if count == 0 {
                return if self.received == bytes { Ok(true) } else { Err(Ended::Short) };
            }
            let wrong = |(at, &byte): (u32, &u8)| byte != self.byte(at);
            if (self.received..).zip(&data[..count]).any(wrong) {
                return Err(Ended::Wrong);
            }
            self.received += count as u32;
        }
        Ok(false)
    }

    pub(crate) fn on_our_stack<'a, const SIZE: usize>(
        mut self,
        memory: &'a mut Memory<SIZE>,
        sockets: &'a mut BoardSockets<'a>,
        seed: u64,
        end: &mut End<'_>,
    ) -> Poll<'a> {
        let buffers = memory.buffers();
        let mut stack = NetStack::new(&PEER_NET, end, Instant::ZERO, seed, buffers, sockets);
        let mut socket = None;
        Box::new(move |now, end| {
            stack.poll_with(now, end, |stack, now| {
                let mut current = socket
                    .take()
                    .unwrap_or_else(|| TcpClientStack::socket(stack).expect("a handle is free"));
                let mut connection = Ours { stack: &mut *stack, socket: &mut current };
                if self.turn(&mut connection, now) {
                    TcpClientStack::close(stack, current).expect("close never fails");
                    return Some(now);
                }
                socket = Some(current);
                None
            })
        })
    }

    pub(crate) fn on_smoltcp<'a>(mut self, seed: u64, end: &mut End<'_>) -> Poll<'a> {
        let mut config = Config::new(PEER_NET.mac().into());
        config.random_seed = seed;
        let mut interface = Interface::new(config, end, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses.push(PEER_NET.ipv4().expect("an address").into()).expect("room for it");
        });
        let mut sockets = SocketSet::new(Vec::new());
        let mut old: Vec<SocketHandle> = Vec::new();
        let mut current = None;
        let mut port = 0;
        Box::new(move |now, end| {
            loop {
                interface.poll(now, end, &mut sockets);
                old.retain(|&handle| {
                    let closed = sockets.get::<Socket<'_>>(handle).state() == State::Closed;
                    if closed {
                        sockets.remove(handle);
                    }
                    !closed
                });
                let handle = *current.get_or_insert_with(|| {
                    let mut socket = new_socket();
                    port = (port + 1) % 10_000;
                    let remote = (BOARD_NET.ipv4_address(), ECHO);
                    socket
                        .connect(interface.context(), remote, 50_000 + port)
                        .expect("a closed socket");
                    sockets.add(socket)
                });
                let mut connection = Bare(sockets.get_mut(handle));
                if !self.turn(&mut connection, now) {
                    break;
                }
                connection.0.close();
                old.push(handle);
                current = None;
            }
            while interface.poll_egress(now, end, &mut sockets)
                == smoltcp::iface::PollResult::SocketStateChanged
            {}
            let next = interface.poll_at(now, &sockets);
            next.map(|next| if next <= now { now + TICK } else { next })
        })
    }
}

struct Ours<'s, 'a> {
    stack: &'s mut NetStack<'a>,
    socket: &'s mut TcpSocket,
}

/// An error of our stack as an exchange's end.
const fn ended(error: Error) -> Ended {
    match error {
        Error::ConnectionReset => Ended::Reset,
        Error::ConnectionRefused => Ended::Refused,
        _ => Ended::GivenUp,
    }
}

fn ready<T>(result: nb::Result<T, Error>) -> Result<Option<T>, Ended> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(nb::Error::WouldBlock) => Ok(None),
        Err(nb::Error::Other(error)) => Err(ended(error)),
    }
}

impl Connection for Ours<'_, '_> {
    fn connect(&mut self) -> Result<bool, Ended> {
        let remote = (BOARD_NET.ipv4_address(), ECHO).into();
        match TcpClientStack::connect(self.stack, self.socket, remote) {
            Err(nb::Error::Other(Error::TimedOut)) => Err(Ended::Unconnected),
            result => ready(result).map(|done| done.is_some()),
        }
    }

    fn port(&mut self) -> u16 {
        self.stack.endpoints(self.socket).expect("it is connected").0.port()
    }

    fn send(&mut self, data: &[u8]) -> Result<usize, Ended> {
        ready(TcpClientStack::send(self.stack, self.socket, data)).map(Option::unwrap_or_default)
    }

    fn shutdown(&mut self) -> Result<(), Ended> {
        self.stack.shutdown(self.socket).map_err(ended)
    }

    fn outstanding(&mut self) -> u32 {
        self.stack.unacknowledged(self.socket) as u32
    }

    fn receive(&mut self, data: &mut [u8]) -> Result<Option<usize>, Ended> {
        ready(TcpClientStack::receive(self.stack, self.socket, data))
    }
}

fn new_socket() -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; 8192]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.set_congestion_control(CongestionControl::None);
    socket.set_nagle_enabled(false);
    socket
}

/// smoltcp gives nothing up by itself: what ends it is a reset.
struct Bare<'s>(&'s mut Socket<'static>);

impl Connection for Bare<'_> {
    fn connect(&mut self) -> Result<bool, Ended> {
        match self.0.state() {
            State::Closed => Err(Ended::Refused),
            state => Ok(state != State::SynSent),
        }
    }

    fn port(&mut self) -> u16 {
        self.0.local_endpoint().expect("it is connected").port
    }

    fn send(&mut self, data: &[u8]) -> Result<usize, Ended> {
        self.0.send_slice(data).map_err(|_| Ended::Reset)
    }

    fn shutdown(&mut self) -> Result<(), Ended> {
        self.0.close();
        Ok(())
    }

    fn outstanding(&mut self) -> u32 {
        self.0.send_queue() as u32
    }

    fn receive(&mut self, data: &mut [u8]) -> Result<Option<usize>, Ended> {
        match self.0.recv_slice(data) {
            Ok(0) => Ok(None),
            Ok(count) => Ok(Some(count)),
            Err(RecvError::Finished) => Ok(Some(0)),
            Err(RecvError::InvalidState) => Err(Ended::Reset),
        }
    }
}
