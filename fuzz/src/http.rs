//! The services on a stack of connections alone, to whose port 80 a program sends what it likes: requests, in pieces, many at
//! once, and rubbish.
//!
//! Beside what any program must not do, it fails
//! - if what a client gets is no sequence of answers, whole but for the last;
//! - if the LED is switched by who has not said the token;
//! - if a connection is still held when its client has been silent for long enough.

use std::collections::VecDeque;
use std::net::SocketAddr;

use embedded_nal::{
    TcpClientStack, TcpError, TcpErrorKind, TcpFullStack, UdpClientStack, UdpFullStack, nb,
};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::netstat::{Count, Introspect, Row};
use tapboard_firmware::service::{Service, ServiceConfig, Services, Token};
use tapboard_firmware::{Board, BufferAccess, Resolve};

use super::input::Input;

/// The port that clients connect to.
const HTTP: u16 = 80;

/// The only error: the connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gone;

impl TcpError for Gone {
    fn kind(&self) -> TcpErrorKind {
        TcpErrorKind::Other
    }
}

/// A handle: what it is of.
#[derive(Debug, PartialEq, Eq)]
enum Handle {
    Fresh,
    /// A port that nobody asks for, or [`HTTP`].
    Listener(u16),
    Client(usize),
}

/// One client, as both sides see it.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "what has become of it, each by itself")]
struct Client {
    to_board: VecDeque<u8>,
    /// All that it has said.
    said: Vec<u8>,
    from_board: Vec<u8>,
    /// Bytes that it will still take.
    room: usize,
    fin: bool,
    reset: bool,
    accepted: bool,
    closed: bool,
}

impl Client {
    fn say(&mut self, bytes: &[u8]) {
        if !self.fin {
            self.to_board.extend(bytes);
            self.said.extend(bytes);
        }
    }
}

/// The stack.
#[derive(Debug, Default)]
struct Clients {
    all: Vec<Client>,
    awaited: bool,
}

impl Clients {
    fn client(&mut self, handle: &Handle) -> nb::Result<&mut Client, Gone> {
        let Handle::Client(index) = handle else { unreachable!("{handle:?}") };
        let client = &mut self.all[*index];
        assert!(!client.closed, "a handle that was given back");
        if client.reset { Err(nb::Error::Other(Gone)) } else { Ok(client) }
    }
}

impl TcpClientStack for Clients {
    type TcpSocket = Handle;
    type Error = Gone;

    fn socket(&mut self) -> Result<Handle, Gone> {
        Ok(Handle::Fresh)
    }

    fn connect(&mut self, _: &mut Handle, _: SocketAddr) -> nb::Result<(), Gone> {
        Err(nb::Error::Other(Gone))
    }

    fn send(&mut self, handle: &mut Handle, buffer: &[u8]) -> nb::Result<usize, Gone> {
        let client = self.client(handle)?;
        let length = buffer.len().min(client.room);
        if length == 0 {
            return Err(nb::Error::WouldBlock);
        }
        client.room -= length;
        client.from_board.extend(&buffer[..length]);
        Ok(length)
    }

    fn receive(&mut self, handle: &mut Handle, buffer: &mut [u8]) -> nb::Result<usize, Gone> {
        let client = self.client(handle)?;
        let length = buffer.len().min(client.to_board.len());
        if length == 0 && !client.fin {
            return Err(nb::Error::WouldBlock);
        }
        for (place, byte) in buffer.iter_mut().zip(client.to_board.drain(..length)) {
            *place = byte;
        }
        Ok(length)
    }

    fn close(&mut self, handle: Handle) -> Result<(), Gone> {
        if let Handle::Client(index) = handle {
            self.all[index].closed = true;
        }
        Ok(())
    }
}

impl TcpFullStack for Clients {
    fn bind(&mut self, handle: &mut Handle, port: u16) -> Result<(), Gone> {
        *handle = Handle::Listener(port);
        Ok(())
    }

    fn listen(&mut self, _: &mut Handle) -> Result<(), Gone> {
        Ok(())
    }

    fn accept(&mut self, handle: &mut Handle) -> nb::Result<(Handle, SocketAddr), Gone> {
        let waiting = |client: &Client| *handle == Handle::Listener(HTTP) && !client.accepted;
        let index = self.all.iter().position(waiting).ok_or(nb::Error::WouldBlock)?;
        self.all[index].accepted = true;
        Ok((Handle::Client(index), ([192, 0, 2, 2], 50_000 + index as u16).into()))
    }
}

/// Nobody sends datagrams.
impl UdpClientStack for Clients {
    type UdpSocket = Handle;
    type Error = Gone;

    fn socket(&mut self) -> Result<Handle, Gone> {
        Ok(Handle::Fresh)
    }

    fn connect(&mut self, _: &mut Handle, _: SocketAddr) -> Result<(), Gone> {
        Ok(())
    }

    fn send(&mut self, _: &mut Handle, _: &[u8]) -> nb::Result<(), Gone> {
        Ok(())
    }

    fn receive(&mut self, _: &mut Handle, _: &mut [u8]) -> nb::Result<(usize, SocketAddr), Gone> {
        Err(nb::Error::WouldBlock)
    }

    fn close(&mut self, _: Handle) -> Result<(), Gone> {
        Ok(())
    }
}

impl UdpFullStack for Clients {
    fn bind(&mut self, _: &mut Handle, _: u16) -> Result<(), Gone> {
        Ok(())
    }

    fn send_to(&mut self, _: &mut Handle, _: SocketAddr, _: &[u8]) -> nb::Result<(), Gone> {
        Ok(())
    }
}

impl BufferAccess for Clients {}

impl Resolve for Clients {}

impl Introspect for Clients {
    fn row(&self, _: usize) -> Option<Row> {
        None
    }

    fn counter(&self, index: usize) -> Option<(&'static str, Count)> {
        (index == 0).then_some(("frames_in", 1))
    }

    fn is_awaited(&self, _: u16) -> bool {
        self.awaited
    }
}

/// The board.
#[derive(Debug, Default)]
struct Hardware {
    led: bool,
    switched: bool,
}

impl Board for Hardware {
    fn set_led(&mut self, on: bool) {
        self.led = on;
        self.switched = true;
    }

    fn led(&self) -> bool {
        self.led
    }

    fn temperature_mc(&mut self) -> i32 {
        -1
    }

    fn entropy(&mut self) -> Option<u64> {
        Some(1)
    }

    fn reset(&mut self) {}
}

const TOKEN: &str = "sesame";

/// What a program may say in one byte.
const PHRASES: [&[u8]; 32] = [
    b"GET / HTTP/1.1\r\n",
    b"GET /api/status HTTP/1.1\r\n",
    b"GET /metrics HTTP/1.0\r\n",
    b"GET /events HTTP/1.1\r\n",
    b"HEAD /events HTTP/1.1\r\n",
    b"POST /api/led HTTP/1.1\r\n",
    b"POST /api/login HTTP/1.1\r\n",
    b"GET http://192.0.2.1/ HTTP/1.1\r\n",
    b"Host: 192.0.2.1\r\n",
    b"Host: board.local:80\r\n",
    b"Origin: http://192.0.2.1\r\n",
    b"Origin: null\r\n",
    b"Content-Length: 2\r\n",
    b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"If-None-Match: ",
    b"Authorization: Bearer sesamE\r\n",
    b"Authorization: Bearer ",
    b"Cookie: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    b"X: y\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b": ",
    b" ",
    b"on",
    b"toggle",
    b"HTTP/1.1",
    b"\0",
    b"\xff",
];

/// What a client does, but for what it says.
enum Deed {
    Say,
    Raw,
    Read,
    End,
    Reset,
    Wait,
    Await,
}

const DEEDS: [Deed; 16] = [
    Deed::Say,
    Deed::Say,
    Deed::Say,
    Deed::Say,
    Deed::Say,
    Deed::Say,
    Deed::Say,
    Deed::Say,
    Deed::Raw,
    Deed::Raw,
    Deed::Read,
    Deed::Read,
    Deed::Wait,
    Deed::Await,
    Deed::End,
    Deed::Reset,
];

/// Clients of one program.
const CLIENTS: usize = 6;

struct World {
    stack: Clients,
    services: Services<Clients>,
    board: Hardware,
    now: Instant,
}

impl World {
    /// Polls until there is nothing to do at once; returns when there will be.
    fn settle(&mut self) -> Option<Instant> {
        for _ in 0..1000 {
            let next = self.services.poll(self.now, &mut self.stack, &mut self.board);
            match next {
                Some(next) if next < self.now => panic!("asked to be polled in the past"),
                Some(next) if next == self.now => {}
                later => return later,
            }
        }
        panic!("it never has enough");
    }

    fn act(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let index = usize::from(choice >> 4) % CLIENTS;
        let client = &mut self.stack.all[index];
        match DEEDS[usize::from(choice & 15)] {
            Deed::Say => client.say(input.pick(&PHRASES)),
            Deed::Raw => {
                let length = input.below(40);
                client.say(input.take(length));
            }
            Deed::Read => client.room += 1 << input.below(14),
            Deed::End => client.fin = true,
            Deed::Reset => client.reset = true,
            Deed::Wait => self.now += Duration::from_millis(1 << input.below(15)),
            Deed::Await => self.stack.awaited = !self.stack.awaited,
        }
    }
}

/// Runs a program. Returns how many answers clients got.
#[must_use]
pub fn run(program: &[u8]) -> usize {
    let config = ServiceConfig { name: "board".try_into().expect("short"), telemetry: None };
    let mut stack = Clients::default();
    stack.all.resize_with(CLIENTS, || Client { room: 64, ..Client::default() });
    let now = Instant::from_secs(1);
    let mut services = Services::new(config, 0, now);
    services.set_token(Token::new(TOKEN));
    let mut world = World { stack, services, board: Hardware::default(), now };
    world.settle();
    let mut input = Input::new(program);
    while !input.is_empty() {
        world.act(&mut input);
        world.settle();
    }
    let knows =
        |client: &Client| client.said.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes());
    let known = world.stack.all.iter().any(knows);
    assert!(known || !world.board.switched, "the LED was switched by a stranger");
    // They fall silent: what is read of a stream is all that may go on, and here nobody reads any more.
    for client in &mut world.stack.all {
        client.room = client.room.min(1 << 10);
    }
    let end = world.now + Duration::from_secs(3600);
    while let Some(next) = world.settle().filter(|&next| next < end) {
        world.now = next;
    }
    let mut answers = 0;
    for client in &world.stack.all {
        assert!(client.closed, "held for ever: {client:?}");
        answers += count(&client.from_board);
    }
    answers
}

/// How many answers a client got, the last perhaps in part.
fn count(mut bytes: &[u8]) -> usize {
    let mut answers = 0;
    while !bytes.is_empty() {
        answers += 1;
        assert!(
            bytes.starts_with(&b"HTTP/1.1 "[..bytes.len().min(9)]),
            "no answer: {}",
            text(bytes)
        );
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return answers;
        };
        let head = text(&bytes[..end]);
        bytes = &bytes[end + 4..];
        let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        // What follows the head of an answer to HEAD is the next answer, or the end.
        if bytes.starts_with(b"HTTP/1.1 ") || bytes.is_empty() {
            continue;
        }
        if let Some(length) = value("Content-Length: ") {
            let length: usize = length.parse().expect("a length");
            bytes = bytes.get(length..).unwrap_or_default();
        } else if value("Transfer-Encoding: chunked").is_some() {
            let Some(rest) = behind_chunks(bytes) else { return answers };
            bytes = rest;
        } else {
            assert!(value("Connection: close").is_some(), "where does it end? {head}");
            return answers;
        }
    }
    answers
}

/// What is behind the last chunk, or `None` if that did not come.
fn behind_chunks(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let line = bytes.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(&text(&bytes[..line]), 16).expect("the size of a chunk");
        bytes = bytes.get(line + 2 + size..)?;
        if bytes.len() < 2 {
            return None;
        }
        bytes = bytes.strip_prefix(b"\r\n").expect("the end of a chunk");
        if size == 0 {
            return Some(bytes);
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
