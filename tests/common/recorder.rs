//! Writes down the socket calls that pass through it, so that two stacks can be compared.
//!
//! There is one transcript for each socket, in the order of creation. What only timing decides is left
//! out: a call that had to be repeated because it would block is one call, and bytes that came or went
//! in several pieces are one piece, until the next call of another kind.

use std::fmt::{Debug, Write};
use std::net::SocketAddr;

use embedded_nal::{TcpClientStack, TcpFullStack, UdpClientStack, UdpFullStack, nb};
use tapboard_firmware::netstat::{Count, Introspect, Row};
use tapboard_firmware::{BufferAccess, Resolve};

/// What one socket was used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A call and what it came to.
    Call(&'static str, String),
    /// Bytes, each way.
    Data { received: String, sent: String },
}

/// The transcripts of all sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log(Vec<Vec<Entry>>);

impl Log {
    /// A line for each socket and call.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (socket, entries) in self.0.iter().enumerate() {
            let _ = writeln!(text, "socket {socket}");
            for entry in entries {
                let _ = match entry {
                    Entry::Call(name, outcome) => writeln!(text, "  {name:<8} {outcome}"),
                    Entry::Data { received, sent } => {
                        writeln!(text, "  sent     {sent:?}\n  received {received:?}")
                    }
                };
            }
        }
        text
    }

    fn open(&mut self) -> usize {
        self.0.push(Vec::new());
        self.0.len() - 1
    }

    fn call(&mut self, socket: usize, name: &'static str, outcome: impl Into<String>) {
        self.0[socket].push(Entry::Call(name, outcome.into()));
    }

    fn data(&mut self, socket: usize, bytes: &[u8], inwards: bool) {
        let transcript = &mut self.0[socket];
        if !matches!(transcript.last(), Some(Entry::Data { .. })) {
            transcript.push(Entry::Data { received: String::new(), sent: String::new() });
        }
        if let Some(Entry::Data { received, sent }) = transcript.last_mut() {
            let text = String::from_utf8_lossy(bytes);
            if inwards { received.push_str(&text) } else { sent.push_str(&text) }
        }
    }

    fn outcome<T, E: Debug>(&mut self, socket: usize, name: &'static str, result: &Result<T, E>) {
        match result {
            Ok(_) => self.call(socket, name, "ok"),
            Err(error) => self.call(socket, name, error_name(error)),
        }
    }

    fn blocking_outcome<T, E: Debug>(
        &mut self,
        socket: usize,
        name: &'static str,
        result: &nb::Result<T, E>,
    ) {
        match result {
            Err(nb::Error::WouldBlock) => {}
            Err(nb::Error::Other(error)) => self.call(socket, name, error_name(error)),
            Ok(_) => self.call(socket, name, "ok"),
        }
    }
}

/// The error's name, without what one stack's names have more than the other's.
fn error_name(error: &impl Debug) -> String {
    format!("{error:?}").trim_start_matches("Connection").to_owned()
}

/// A numbered socket.
#[derive(Debug)]
pub(crate) struct Handle<T>(usize, T);

/// A stack whose calls are written down.
pub(crate) struct Recorder<'r, S> {
    pub(crate) stack: &'r mut S,
    pub(crate) log: &'r mut Log,
}

impl<S: TcpClientStack> TcpClientStack for Recorder<'_, S> {
    type TcpSocket = Handle<S::TcpSocket>;
    type Error = S::Error;

    fn socket(&mut self) -> Result<Self::TcpSocket, S::Error> {
        let socket = self.stack.socket()?;
        let id = self.log.open();
        self.log.call(id, "socket", "ok");
        Ok(Handle(id, socket))
    }

    fn connect(
        &mut self,
        socket: &mut Self::TcpSocket,
        to: SocketAddr,
    ) -> nb::Result<(), S::Error> {
        let result = self.stack.connect(&mut socket.1, to);
        self.log.blocking_outcome(socket.0, "connect", &result);
        result
    }

    fn send(&mut self, socket: &mut Self::TcpSocket, bytes: &[u8]) -> nb::Result<usize, S::Error> {
        let result = self.stack.send(&mut socket.1, bytes);
        match &result {
            Ok(count) => self.log.data(socket.0, &bytes[..*count], false),
            other => self.log.blocking_outcome(socket.0, "send", other),
        }
        result
    }

    fn receive(
        &mut self,
        socket: &mut Self::TcpSocket,
        buffer: &mut [u8],
    ) -> nb::Result<usize, S::Error> {
        let result = self.stack.receive(&mut socket.1, buffer);
        match &result {
            Ok(0) => self.log.call(socket.0, "receive", "end"),
            Ok(count) => self.log.data(socket.0, &buffer[..*count], true),
            other => self.log.blocking_outcome(socket.0, "receive", other),
        }
        result
    }

    fn close(&mut self, socket: Self::TcpSocket) -> Result<(), S::Error> {
        let result = self.stack.close(socket.1);
        self.log.outcome(socket.0, "close", &result);
        result
    }
}

/// By way of `send` and `receive`, which are written down.
impl<S: TcpClientStack> BufferAccess for Recorder<'_, S> {}

impl<S: TcpFullStack> TcpFullStack for Recorder<'_, S> {
    fn bind(&mut self, socket: &mut Self::TcpSocket, port: u16) -> Result<(), S::Error> {
        let result = self.stack.bind(&mut socket.1, port);
        self.log.outcome(socket.0, "bind", &result);
        result
    }

    fn listen(&mut self, socket: &mut Self::TcpSocket) -> Result<(), S::Error> {
        let result = self.stack.listen(&mut socket.1);
        self.log.outcome(socket.0, "listen", &result);
        result
    }

    fn accept(
        &mut self,
        socket: &mut Self::TcpSocket,
    ) -> nb::Result<(Self::TcpSocket, SocketAddr), S::Error> {
        match self.stack.accept(&mut socket.1) {
            Ok((accepted, remote)) => {
                let id = self.log.open();
                self.log.call(socket.0, "accept", format!("socket {id}"));
                Ok((Handle(id, accepted), remote))
            }
            Err(nb::Error::WouldBlock) => Err(nb::Error::WouldBlock),
            Err(nb::Error::Other(error)) => {
                self.log.call(socket.0, "accept", error_name(&error));
                Err(nb::Error::Other(error))
            }
        }
    }
}

impl<S: UdpClientStack> UdpClientStack for Recorder<'_, S> {
    type UdpSocket = Handle<S::UdpSocket>;
    type Error = S::Error;

    fn socket(&mut self) -> Result<Self::UdpSocket, S::Error> {
        let socket = self.stack.socket()?;
        let id = self.log.open();
        self.log.call(id, "socket", "ok");
        Ok(Handle(id, socket))
    }

    fn connect(&mut self, socket: &mut Self::UdpSocket, to: SocketAddr) -> Result<(), S::Error> {
        let result = self.stack.connect(&mut socket.1, to);
        self.log.outcome(socket.0, "connect", &result);
        result
    }

    fn send(&mut self, socket: &mut Self::UdpSocket, bytes: &[u8]) -> nb::Result<(), S::Error> {
        let result = self.stack.send(&mut socket.1, bytes);
        match &result {
            Ok(()) => self.log.data(socket.0, bytes, false),
            other => self.log.blocking_outcome(socket.0, "send", other),
        }
        result
    }

    fn receive(
        &mut self,
        socket: &mut Self::UdpSocket,
        buffer: &mut [u8],
    ) -> nb::Result<(usize, SocketAddr), S::Error> {
        let result = self.stack.receive(&mut socket.1, buffer);
        match &result {
            Ok((count, _)) => self.log.data(socket.0, &buffer[..*count], true),
            other => self.log.blocking_outcome(socket.0, "receive", other),
        }
        result
    }

    fn close(&mut self, socket: Self::UdpSocket) -> Result<(), S::Error> {
        let result = self.stack.close(socket.1);
        self.log.outcome(socket.0, "close", &result);
        result
    }
}

impl<S: UdpFullStack> UdpFullStack for Recorder<'_, S> {
    fn bind(&mut self, socket: &mut Self::UdpSocket, port: u16) -> Result<(), S::Error> {
        let result = self.stack.bind(&mut socket.1, port);
        self.log.outcome(socket.0, "bind", &result);
        result
    }

    fn send_to(
        &mut self,
        socket: &mut Self::UdpSocket,
        to: SocketAddr,
        bytes: &[u8],
    ) -> nb::Result<(), S::Error> {
        let result = self.stack.send_to(&mut socket.1, to, bytes);
        match &result {
            Ok(()) => self.log.data(socket.0, bytes, false),
            other => self.log.blocking_outcome(socket.0, "send_to", other),
        }
        result
    }
}

impl<S: Resolve> Resolve for Recorder<'_, S> {}

impl<S: Introspect> Introspect for Recorder<'_, S> {
    fn row(&self, index: usize) -> Option<Row> {
        self.stack.row(index)
    }

    fn counter(&self, index: usize) -> Option<(&'static str, Count)> {
        self.stack.counter(index)
    }
}
