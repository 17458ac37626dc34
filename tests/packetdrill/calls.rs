//! The script's system calls, on the board's sockets.

use std::collections::BTreeMap;

use embedded_nal::nb;
use tapboard_firmware::{Error, NetStack, TcpSocket};

use super::applicable::would_block;
use super::common::tcp;
use super::script::{Call, Outcome};

/// The port that the script's sockets are bound to, and connect to.
pub(crate) const PORT: u16 = 8080;

/// A byte of a stream, by the script's number for it; never 0, which is what a keep-alive sends.
pub(crate) fn pattern(number: u32) -> u8 {
    1 + (number % 250) as u8
}

/// What a call gave: `None` if it would block.
pub(crate) type Done = Option<Result<i64, &'static str>>;

/// An open socket of the script's.
#[derive(Debug)]
struct Open {
    socket: TcpSocket,
    listens: bool,
    connecting: bool,
    nonblocking: bool,
    error: Option<&'static str>,
    /// The script's number of the next byte to read; `None` before the first.
    read: Option<u32>,
    /// Likewise of the next byte to write.
    write: u32,
}

/// The script's descriptors.
#[derive(Debug, Default)]
pub(crate) struct Descriptors {
    open: BTreeMap<i64, Open>,
    /// What the script takes for the size of the receive buffer.
    pub(crate) receive_buffer: Option<u32>,
}

impl Open {
    fn new(socket: TcpSocket) -> Self {
        Self {
            socket,
            listens: false,
            connecting: false,
            nonblocking: false,
            error: None,
            read: None,
            write: 1,
        }
    }

    /// Whether a connection that is being made is there, or failed.
    fn settle(&mut self, stack: &mut NetStack<'_>) {
        if self.connecting {
            match stack.tcp_connected(&mut self.socket) {
                Err(nb::Error::WouldBlock) => {}
                result => {
                    self.connecting = false;
                    if let Err(nb::Error::Other(error)) = result {
                        self.error = Some(errno(error));
                    }
                }
            }
        }
    }
}

fn errno(error: Error) -> &'static str {
    match error {
        Error::AddressInUse => "EADDRINUSE",
        Error::NoBufferSpace => "ENOBUFS",
        Error::InvalidState => "ENOTCONN",
        Error::Unaddressable => "EADDRNOTAVAIL",
        Error::PipeClosed => "EPIPE",
        Error::ConnectionRefused => "ECONNREFUSED",
        Error::ConnectionReset => "ECONNRESET",
        Error::TimedOut => "ETIMEDOUT",
        _ => "ECONNABORTED",
    }
}

/// A number of bytes, as calls return it.
fn count(bytes: usize) -> i64 {
    bytes.try_into().expect("no buffer is that large")
}

fn done(result: nb::Result<i64, Error>) -> Done {
    match result {
        Ok(value) => Some(Ok(value)),
        Err(nb::Error::WouldBlock) => None,
        Err(nb::Error::Other(error)) => Some(Err(errno(error))),
    }
}

impl Descriptors {
    /// Notices which connections are there by now.
    pub(crate) fn settle(&mut self, stack: &mut NetStack<'_>) {
        self.open.values_mut().for_each(|open| open.settle(stack));
    }

    /// Whether a connection is being made, whose port the script does not know.
    pub(crate) fn is_connecting(&self) -> bool {
        self.open.values().any(|open| open.connecting)
    }

    /// The state of the connection that came last, if there is one.
    pub(crate) fn state(&self, stack: &mut NetStack<'_>) -> Option<&'static str> {
        let last = self.open.values().rfind(|open| !open.listens)?;
        Some(stack.state_name(&last.socket))
    }

    /// Makes a call. `first` is the script's number of the first byte that the peer sent.
    ///
    /// Errors are the reasons why it cannot be made at all.
    pub(crate) fn make(
        &mut self,
        stack: &mut NetStack<'_>,
        call: &Call,
        remote: &str,
        first: u32,
    ) -> Result<Done, String> {
        if call.name == "socket" {
            let Outcome::Value(number) = call.result else { return Err("socket fails".to_owned()) };
            self.open.insert(number, Open::new(tcp::socket(stack)));
            return Ok(Some(Ok(number)));
        }
        let number = call.number(0).ok_or("no descriptor")?;
        let open = self.open.get_mut(&number).ok_or("a descriptor that is not open")?;
        let len = call.number(2).and_then(|len| usize::try_from(len).ok());
        let waits = !open.nonblocking && call.argument(3) != "MSG_DONTWAIT";
        let result = match &call.name[..] {
            "bind" => done(stack.bind_to(&mut open.socket).map(|()| 0)),
            "listen" => {
                open.listens = true;
                done(stack.listen_on(&mut open.socket).map(|()| 0))
            }
            "fcntl" if call.argument(1) == "F_GETFL" => {
                let Outcome::Value(flags) = call.result else {
                    return Err("fcntl fails".to_owned());
                };
                Some(Ok(flags))
            }
            "fcntl" => {
                open.nonblocking = call.argument(2).contains("O_NONBLOCK");
                Some(Ok(0))
            }
            "setsockopt" => Some(Ok(0)),
            "getsockopt" if call.argument(2) == "SO_RCVBUF" => {
                self.receive_buffer = call.number(3).and_then(|size| u32::try_from(size).ok());
                Some(Ok(0))
            }
            "getsockopt" => return so_error(stack, open, call.argument(3)),
            "connect" => connect(stack, open, remote),
            "accept" => {
                let accepted = tcp::accept(stack, &mut open.socket);
                accepted.map(|socket| match call.result {
                    Outcome::Value(number) => {
                        self.open.insert(number, Open::new(socket));
                        Ok(number)
                    }
                    Outcome::Failure(_) => Ok(i64::MAX),
                })
            }
            "shutdown" => done(stack.shutdown(&open.socket).map(|()| 0).map_err(nb::Error::Other)),
            "read" | "recv" | "recvfrom" => {
                let peeks = call.argument(3) == "MSG_PEEK";
                receive(stack, open, len.ok_or("no length")?, first, peeks)?
            }
            "write" | "send" | "sendto" => send(stack, open, len.ok_or("no length")?, waits),
            "close" => {
                let open = self.open.remove(&number).expect("it was there");
                if open.error.is_none() {
                    tcp::close(stack, open.socket);
                }
                Some(Ok(0))
            }
            name => return Err(format!("call {name}")),
        };
        let at_once = !waits || would_block(&call.result);
        Ok(if result.is_none() && at_once { Some(Err("EAGAIN")) } else { result })
    }
}

/// The calls whose names two traits have.
trait Named {
    fn bind_to(&mut self, socket: &mut TcpSocket) -> nb::Result<(), Error>;
    fn listen_on(&mut self, socket: &mut TcpSocket) -> nb::Result<(), Error>;
}

impl Named for NetStack<'_> {
    fn bind_to(&mut self, socket: &mut TcpSocket) -> nb::Result<(), Error> {
        embedded_nal::TcpFullStack::bind(self, socket, PORT).map_err(nb::Error::Other)
    }

    fn listen_on(&mut self, socket: &mut TcpSocket) -> nb::Result<(), Error> {
        embedded_nal::TcpFullStack::listen(self, socket).map_err(nb::Error::Other)
    }
}

fn connect(stack: &mut NetStack<'_>, open: &mut Open, remote: &str) -> Done {
    if let Some(error) = open.error.take() {
        return Some(Err(error));
    }
    if open.connecting {
        return if open.nonblocking { Some(Err("EALREADY")) } else { None };
    }
    if stack.state_name(&open.socket) != "CLOSED" {
        return Some(if open.nonblocking { Err("EISCONN") } else { Ok(0) });
    }
    let result = tcp::connect(stack, &mut open.socket, remote);
    open.connecting = result == Err(nb::Error::WouldBlock);
    if open.connecting && open.nonblocking {
        return Some(Err("EINPROGRESS"));
    }
    done(result.map(|()| 0))
}

/// `SO_ERROR` is to be `expected`, in brackets.
fn so_error(stack: &mut NetStack<'_>, open: &mut Open, expected: &str) -> Result<Done, String> {
    let ended = || match stack.peek(&open.socket, &mut [0]) {
        Err(nb::Error::Other(
            error @ (Error::ConnectionReset | Error::TimedOut | Error::ConnectionRefused),
        )) => Some(errno(error)),
        _ => None,
    };
    let error = open.error.take().or_else(ended).unwrap_or("0");
    if expected == format!("[{error}]") {
        return Ok(Some(Ok(0)));
    }
    Err(format!("SO_ERROR is {error}"))
}

fn receive(
    stack: &mut NetStack<'_>,
    open: &mut Open,
    len: usize,
    first: u32,
    peeks: bool,
) -> Result<Done, String> {
    if let Some(error) = open.error.take() {
        return Ok(Some(Err(error)));
    }
    if open.connecting {
        return Ok(None);
    }
    let mut buffer = vec![0; len];
    let result = if peeks {
        stack.peek(&open.socket, &mut buffer)
    } else {
        tcp::receive(stack, &mut open.socket, &mut buffer)
    };
    let mut next = open.read.unwrap_or(first);
    for (at, &byte) in buffer[..result.unwrap_or(0)].iter().enumerate() {
        if byte != pattern(next) {
            return Err(format!("byte {at} of what was read is not byte {next} of the stream"));
        }
        next = next.wrapping_add(1);
    }
    if !peeks {
        open.read = Some(next);
    }
    Ok(done(result.map(count)))
}

/// Writes `len` bytes, all of them if it `waits`.
fn send(stack: &mut NetStack<'_>, open: &mut Open, len: usize, waits: bool) -> Done {
    if let Some(error) = open.error.take() {
        return Some(Err(error));
    }
    let bytes: Vec<u8> = (0..len as u32).map(|at| pattern(open.write.wrapping_add(at))).collect();
    if waits
        && stack.send_room(&open.socket) < len
        && stack.state_name(&open.socket) == "ESTABLISHED"
    {
        return None;
    }
    let result = tcp::send(stack, &mut open.socket, &bytes);
    open.write = open.write.wrapping_add(result.unwrap_or(0) as u32);
    done(result.map(count))
}
