//! `tapboard loopback`: one connection's whole life, step by step.
//!
//! A single interface holds both the listening and the client socket, as a board on its loopback does.
//! Each socket call is a numbered step in the column of its side; the segments it causes stand between
//! the columns, at their virtual time. What a step promises is checked: the walk ends at the first that
//! does not hold.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::SocketAddr;

use embedded_nal::{TcpClientStack, TcpFullStack, UdpClientStack, UdpFullStack, nb};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::{BOARD_NET, BoardSockets, Error, McuStorage, NetStack};

use crate::clock::VirtualClock;
use crate::nic::loopback::Loopback;
use crate::output::{self, wrapped, wrapped_at};
use crate::segment::{Decoder, PacketSummary};
use crate::world::{Outcome, Step, drive};

/// What a frame takes from one side to the other.
const DELAY: Duration = Duration::from_millis(2);
/// How long a step may take; TIME-WAIT is the longest.
const PATIENCE: Duration = Duration::from_secs(30);
/// Characters of the client's column, and of the segments' one.
const WIDTH: usize = 34;
/// Characters of a step's number.
const NUMBER: usize = 5;
/// Characters of all columns, with some room for the server's.
const WIDE: usize = 11 + 2 * WIDTH + NUMBER + 26;

const ECHO: u16 = 7;
const NOBODY: u16 = 4242;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}
use Role::{Client, Server};

struct Walk<'a, W> {
    stack: NetStack<'a>,
    nic: Loopback,
    clock: VirtualClock,
    decoder: Decoder,
    step: u32,
    /// What is neither TCP nor UDP is shown once: on a loopback, the board repeats what it says of its addresses.
    shown: BTreeSet<String>,
    out: W,
    /// Characters that a line of `out` has room for, if that is known.
    columns: Option<usize>,
    failed: Option<io::Error>,
}

/// Walks through it all, printing to `out`, in columns. The error says which step did not hold.
pub fn run(out: impl Write) -> Result<(), String> {
    run_within(out, None)
}

/// As [`run`], for an `out` whose lines have room for that many characters.
pub fn run_within(out: impl Write, columns: Option<usize>) -> Result<(), String> {
    let entropy = getrandom::u64().map_err(|error| format!("no entropy: {error}"))?;
    let mut storage = Box::<McuStorage>::default();
    let mut sockets = BoardSockets::new();
    let mut nic = Loopback::new(DELAY);
    let (net, now) = (BOARD_NET, Instant::ZERO);
    let stack = NetStack::new(&net, &mut nic, now, entropy, &mut *storage, &mut sockets);
    let (clock, decoder) = (VirtualClock::new(), Decoder::default());
    let shown = BTreeSet::new();
    let mut walk = Walk { stack, nic, clock, decoder, step: 0, shown, out, columns, failed: None };
    walk.heading();
    walk.connection()?;
    walk.refused()?;
    walk.datagrams()?;
    walk.line(&format!("\nAll {} steps happened.", walk.step));
    walk.failed.map_or(Ok(()), |error| output::shown(&error))
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from((BOARD_NET.ipv4_address(), port))
}

impl<'a, W: Write> Walk<'a, W> {
    // ---- The three parts -----------------------------------------------------------------------

    fn connection(&mut self) -> Result<(), String> {
        self.line(
            "\nA connection: the listening socket only accepts, data flows on the new one.\n",
        );
        let mut listener = self.check("socket", TcpClientStack::socket)?;
        self.say(Server, "socket        the listener is created");
        self.check("bind", |stack| TcpFullStack::bind(stack, &mut listener, ECHO))?;
        self.say(Server, &format!("bind {ECHO}"));
        self.check("listen", |stack| stack.listen(&mut listener))?;
        self.say(Server, "listen        LISTEN");

        let mut client = self.check("socket", TcpClientStack::socket)?;
        self.say(Client, "socket        the client is created");
        self.say(Client, &format!("connect {}", at(ECHO)));
        self.until("connect", |stack| TcpClientStack::connect(stack, &mut client, at(ECHO)))?;
        self.state(Client, "connected", &client, "ESTABLISHED")?;

        let (mut served, peer) = self.until("accept", |stack| stack.accept(&mut listener))?;
        let (local, _) = self.check("connect", |stack| stack.endpoints(&client))?;
        self.hold("accept names the client", peer == local)?;
        self.say(Server, &format!("accept        a new socket, for port {}", peer.port()));
        self.state(Server, "new socket", &served, "ESTABLISHED")?;
        self.state(Server, "listener", &listener, "LISTEN")?;
        let refused = TcpClientStack::receive(&mut self.stack, &mut listener, &mut [0; 8]);
        let no_data = refused == Err(nb::Error::Other(Error::InvalidState));
        self.hold("the listening socket carries no data", no_data)?;
        self.say(Server, "listener      cannot receive: it carries no data");

        self.say(Client, "send \"hello\"");
        self.until("send", |stack| TcpClientStack::send(stack, &mut client, b"hello"))?;
        let mut buffer = [0; 16];
        let count = self
            .until("receive", |stack| TcpClientStack::receive(stack, &mut served, &mut buffer))?;
        self.hold("the new socket receives what was sent", &buffer[..count] == b"hello")?;
        self.say(Server, "receive       \"hello\" on the new socket");
        self.say(Server, "send \"HELLO\"");
        self.until("send", |stack| TcpClientStack::send(stack, &mut served, b"HELLO"))?;
        let count = self
            .until("receive", |stack| TcpClientStack::receive(stack, &mut client, &mut buffer))?;
        self.hold("the client receives the answer", &buffer[..count] == b"HELLO")?;
        self.say(Client, "receive       \"HELLO\"");

        self.say(Client, "close         nothing more to send: FIN");
        self.check("close", |stack| TcpClientStack::close(stack, client))?;
        let count = self
            .until("receive", |stack| TcpClientStack::receive(stack, &mut served, &mut buffer))?;
        self.hold("the server sees the end", count == 0)?;
        self.say(Server, "receive       0 bytes: the client has closed");
        self.state(Server, "new socket", &served, "CLOSE-WAIT")?;
        self.say(Server, "close         the new socket");
        self.check("close", |stack| TcpClientStack::close(stack, served))?;
        self.until("the client's TIME-WAIT to end", |stack| {
            if stack.free_slots() == tapboard_firmware::config::TCP_SLOTS {
                Ok(())
            } else {
                Err(nb::Error::WouldBlock)
            }
        })?;
        self.say(Client, "closed        after TIME-WAIT, all slots are free");
        self.state(Server, "listener", &listener, "LISTEN")?;
        self.say(Server, "close         the listener");
        self.check("close", |stack| TcpClientStack::close(stack, listener))
    }

    fn refused(&mut self) -> Result<(), String> {
        self.line("\nA port that nobody registered: the request is refused.\n");
        let mut client = self.check("socket", TcpClientStack::socket)?;
        self.say(Client, "socket");
        self.say(Client, &format!("connect {}", at(NOBODY)));
        let result =
            self.outcome(|stack| TcpClientStack::connect(stack, &mut client, at(NOBODY)))?;
        self.hold("the connection is refused", result == Err(Error::ConnectionRefused))?;
        self.say(Client, "refused       no connection");
        self.check("close", |stack| TcpClientStack::close(stack, client))
    }

    fn datagrams(&mut self) -> Result<(), String> {
        self.line("\nUDP: datagrams, and no connection at all.\n");
        let mut server = self.check("socket", UdpClientStack::socket)?;
        self.say(Server, "socket");
        self.check("bind", |stack| UdpFullStack::bind(stack, &mut server, ECHO))?;
        self.say(Server, &format!("bind {ECHO}"));
        let mut client = self.check("socket", UdpClientStack::socket)?;
        self.say(Client, "socket");
        self.say(Client, &format!("connect {}  only names the peer", at(ECHO)));
        self.check("connect", |stack| UdpClientStack::connect(stack, &mut client, at(ECHO)))?;
        self.say(Client, "send \"ping\"");
        self.until("send", |stack| UdpClientStack::send(stack, &mut client, b"ping"))?;
        let mut buffer = [0; 16];
        let (count, from) = self
            .until("receive", |stack| UdpClientStack::receive(stack, &mut server, &mut buffer))?;
        self.hold("the datagram arrives whole", &buffer[..count] == b"ping")?;
        self.say(Server, &format!("receive       \"ping\" from port {}", from.port()));
        self.say(Server, "send_to \"pong\"");
        self.until("send_to", |stack| UdpFullStack::send_to(stack, &mut server, from, b"pong"))?;
        let (count, from) = self
            .until("receive", |stack| UdpClientStack::receive(stack, &mut client, &mut buffer))?;
        self.hold("the answer arrives", &buffer[..count] == b"pong" && from == at(ECHO))?;
        self.say(Client, "receive       \"pong\"");
        self.check("close", |stack| UdpClientStack::close(stack, client))?;
        self.check("close", |stack| UdpClientStack::close(stack, server))
    }

    // ---- Doing -----------------------------------------------------------------------------------

    /// A call that must succeed at once.
    fn check<T>(
        &mut self,
        what: &str,
        call: impl FnOnce(&mut NetStack<'a>) -> Result<T, Error>,
    ) -> Result<T, String> {
        call(&mut self.stack).map_err(|error| self.broken(&format!("{what}: {error}")))
    }

    /// A call that must succeed in the end.
    fn until<T>(
        &mut self,
        what: &str,
        call: impl FnMut(&mut NetStack<'a>) -> nb::Result<T, Error>,
    ) -> Result<T, String> {
        self.outcome(call)?.map_err(|error| self.broken(&format!("{what}: {error}")))
    }

    /// Lets time pass until a call has an outcome, good or bad.
    fn outcome<T>(
        &mut self,
        mut call: impl FnMut(&mut NetStack<'a>) -> nb::Result<T, Error>,
    ) -> Result<Result<T, Error>, String> {
        let mut result = None;
        let mut frames: Vec<(Instant, PacketSummary)> = Vec::new();
        let Self { stack, nic, clock, decoder, .. } = self;
        let limit = clock.now() + PATIENCE;
        let mut seen = nic.in_flight().len();
        let outcome = drive(clock, limit, |now| {
            let mut attempt = |stack: &mut NetStack<'a>| {
                result = match call(stack) {
                    Ok(value) => Some(Ok(value)),
                    Err(nb::Error::Other(error)) => Some(Err(error)),
                    Err(nb::Error::WouldBlock) => None,
                };
                result.is_some()
            };
            let mut poll = |stack: &mut NetStack<'a>| {
                let arrived = nic.in_flight().iter().filter(|frame| frame.at <= now).count();
                let next = stack.poll_with(now, nic, |_, _| None);
                let sent = nic.in_flight().iter().skip(seen - arrived);
                frames.extend(sent.map(|sent| (now, decoder.read(&sent.frame))));
                seen = nic.in_flight().len();
                let arrival = nic.next_arrival().map(|at| at.max(now));
                [next, arrival].into_iter().flatten().min()
            };
            // Before the poll for what the call itself sends, after it for what came in by then.
            let before = attempt(stack);
            let next = poll(stack);
            if before {
                return Step::Done;
            }
            if attempt(stack) {
                poll(stack);
                return Step::Done;
            }
            Step::Next(next)
        });
        for (at, summary) in frames {
            self.frame(at, &summary);
        }
        match (outcome, result) {
            (Outcome::Done, Some(result)) => Ok(result),
            (outcome, _) => Err(self.broken(&format!("nothing happened ({outcome:?})"))),
        }
    }

    fn hold(&self, what: &str, holds: bool) -> Result<(), String> {
        if holds { Ok(()) } else { Err(self.broken(&format!("it does not hold that {what}"))) }
    }

    fn state(
        &mut self,
        side: Role,
        name: &str,
        socket: &tapboard_firmware::TcpSocket,
        expected: &str,
    ) -> Result<(), String> {
        let state = self.stack.state_name(socket);
        self.hold(&format!("{name} is in {expected}, not {state}"), state == expected)?;
        self.say(side, &format!("{name:<13} {state}"));
        Ok(())
    }

    fn broken(&self, what: &str) -> String {
        format!("step {} at {}: {what}", self.step + 1, time(self.clock.now()))
    }

    // ---- Printing ----------------------------------------------------------------------------------

    fn line(&mut self, text: &str) {
        let text = self.columns.map_or_else(|| text.into(), |columns| wrapped(text, columns));
        self.print(&text);
    }

    /// A line of the table, of which what has no room goes on `hang` characters from the left.
    fn row(&mut self, row: &str, hang: usize) {
        let row = self.columns.map_or_else(|| row.into(), |columns| wrapped_at(row, columns, hang));
        self.print(&row);
    }

    fn print(&mut self, text: &str) {
        if let Err(error) = writeln!(self.out, "{text}") {
            self.failed.get_or_insert(error);
        }
    }

    /// Whether the sides have no columns of their own.
    fn narrow(&self) -> bool {
        self.columns.is_some_and(|columns| columns < WIDE)
    }

    fn heading(&mut self) {
        let address = BOARD_NET.ipv4_address();
        self.line(&format!(
            "One interface, {address}, on a loopback whose frames take {} ms; virtual time.",
            DELAY.total_millis()
        ));
        if self.narrow() {
            self.line("\nC is a step of the client, S of the server; between them the segments.");
        } else {
            self.line(&format!(
                "\n{:>9}  {:<WIDTH$}{:<WIDTH$}server",
                "time", "client", "segments"
            ));
        }
    }

    fn say(&mut self, side: Role, text: &str) {
        self.step += 1;
        let number = format!("[{}]", self.step);
        let step = format!("{number:<NUMBER$}{text}");
        let now = time(self.clock.now());
        let (start, indent) = match side {
            Client if self.narrow() => (" C ", 0),
            Server if self.narrow() => (" S ", 0),
            Client => ("  ", 0),
            Server => ("  ", 2 * WIDTH),
        };
        let start = format!("{now:>9}{start}{:indent$}", "");
        self.row(&format!("{start}{step}"), start.len() + NUMBER);
    }

    fn frame(&mut self, at: Instant, summary: &PacketSummary) {
        let (source, destination) = match summary {
            PacketSummary::Tcp(segment) => (segment.source, segment.destination),
            PacketSummary::Udp { source, destination, .. } => (*source, *destination),
            _ if self.shown.insert(summary.to_string()) => (self::at(0), self::at(0)),
            _ => return,
        };
        // The registered ports are below the ephemeral ones.
        let text = match source.port().cmp(&destination.port()) {
            std::cmp::Ordering::Greater => format!("{summary} -->"),
            std::cmp::Ordering::Less => format!("<-- {summary}"),
            std::cmp::Ordering::Equal => summary.to_string(),
        };
        let indent = if self.narrow() { 1 } else { WIDTH };
        let start = format!("{:>9}  {:indent$}", time(at), "");
        self.row(&format!("{start}{text}"), start.len());
    }
}

/// Seconds with three decimals.
fn time(instant: Instant) -> String {
    let millis = instant.total_millis();
    format!("{}.{:03} s", millis / 1000, millis % 1000)
}
