//! Who talks over a [`Path`](super::path::Path): a board, a client on our stack, and hosts on bare smoltcp; and how far
//! they have come.

use std::cell::Cell;
use std::rc::Rc;

use embedded_nal::{TcpClientStack, nb};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::{Duration, Instant};
use tapboard::nic::wire::End;
use tapboard_firmware::config::{DATAGRAM_SIZE, TCP_SLOTS, UDP_SLOTS};
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{
    BOARD_NET, Backlog, BoardSockets, Buffers, Firmware, NetConfig, NetStack, TcpSocket,
};

use super::path::Poll;

/// When to poll smoltcp again if it wants that at once, over and over.
const TICK: Duration = Duration::from_millis(1);
/// Bytes that a client hands over or reads at a time.
const CHUNK: usize = 4096;

/// Ports of the board's services, and of those on bare smoltcp.
pub(crate) const ECHO: u16 = 7;
pub(crate) const DISCARD: u16 = 9;
pub(crate) const CHARGEN: u16 = 19;

/// How far one application has come, in bytes.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) acknowledged: Cell<u64>,
    pub(crate) received: Cell<u64>,
    /// What came is not what was sent, or the connection broke.
    pub(crate) failed: Cell<bool>,
    /// When a client's connection was there.
    pub(crate) connected: Cell<Option<Instant>>,
}

impl Progress {
    pub(crate) fn new() -> Rc<Self> {
        Rc::default()
    }

    fn receive(&self, data: &[u8], echoes: bool) {
        let at = self.received.get();
        if echoes && (at..).zip(data).any(|(at, &byte)| pattern(at) != byte) {
            self.failed.set(true);
        }
        self.received.set(at + data.len() as u64);
    }
}

/// The byte at that place of a stream.
const fn pattern(at: u64) -> u8 {
    (at ^ (at >> 8) ^ (at >> 16)) as u8
}

/// What a client does: connects there, sends so many bytes, and reads all that comes. It does not close.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) net: NetConfig,
    pub(crate) port: u16,
    pub(crate) send: u64,
}

/// The buffers of a stack, of `SIZE` bytes each.
pub(crate) struct Memory<const SIZE: usize> {
    tcp: Vec<[[u8; SIZE]; 2]>,
    udp: Vec<[[u8; DATAGRAM_SIZE]; 2]>,
    backlog: Backlog<32>,
}

impl<const SIZE: usize> Memory<SIZE> {
    pub(crate) fn new() -> Self {
        Self {
            tcp: vec![[[0; SIZE]; 2]; TCP_SLOTS],
            udp: vec![[[0; DATAGRAM_SIZE]; 2]; UDP_SLOTS],
            backlog: Backlog::new(),
        }
    }

    pub(crate) fn buffers(&mut self) -> Buffers<'_, SIZE, DATAGRAM_SIZE> {
        Buffers { tcp: &mut self.tcp, udp: &mut self.udp, backlog: (&mut self.backlog).into() }
    }
}

/// The board, with its services.
pub(crate) fn board<'a, const SIZE: usize>(
    memory: &'a mut Memory<SIZE>,
    sockets: &'a mut BoardSockets<'a>,
    seed: u64,
    end: &mut End<'_>,
) -> Poll<'a> {
    let services = ServiceConfig { name: heapless::String::new(), telemetry: None };
    let buffers = memory.buffers();
    let mut board =
        Firmware::new(&BOARD_NET, services, Seeded(seed), end, Instant::ZERO, buffers, sockets)
            .expect("entropy");
    Box::new(move |now, end| board.poll(now, end))
}

/// A client on our stack.
pub(crate) fn client<'a, const SIZE: usize>(
    memory: &'a mut Memory<SIZE>,
    sockets: &'a mut BoardSockets<'a>,
    (job, seed): (Job, u64),
    progress: &Rc<Progress>,
    end: &mut End<'_>,
) -> Poll<'a> {
    let mut stack = NetStack::new(&job.net, end, Instant::ZERO, seed, memory.buffers(), sockets);
    let socket = TcpClientStack::socket(&mut stack).expect("a handle costs nothing");
    let mut client = Client { job, socket, sent: 0, progress: progress.clone() };
    Box::new(move |now, end| {
        stack.poll_with(now, end, |stack, now| {
            client.turn(stack, now);
            None
        })
    })
}

/// One connection of a client on our stack.
struct Client {
    job: Job,
    socket: TcpSocket,
    sent: u64,
    progress: Rc<Progress>,
}

impl Client {
    fn turn(&mut self, stack: &mut NetStack<'_>, now: Instant) {
        if self.progress.connected.get().is_none() {
            let remote = (BOARD_NET.ipv4_address(), self.job.port).into();
            match TcpClientStack::connect(stack, &mut self.socket, remote) {
                Ok(()) => self.progress.connected.set(Some(now)),
                Err(nb::Error::WouldBlock) => return,
                Err(nb::Error::Other(_)) => return self.progress.failed.set(true),
            }
        }
        let mut chunk = [0; CHUNK];
        while self.sent < self.job.send {
            let count = (self.job.send - self.sent).min(CHUNK as u64) as usize;
            if self.job.port == ECHO {
                fill(&mut chunk[..count], self.sent);
            }
            match TcpClientStack::send(stack, &mut self.socket, &chunk[..count]) {
                Ok(count) => self.sent += count as u64,
                Err(nb::Error::WouldBlock) => break,
                Err(nb::Error::Other(_)) => return self.progress.failed.set(true),
            }
        }
        loop {
            match TcpClientStack::receive(stack, &mut self.socket, &mut chunk) {
                Ok(0) | Err(nb::Error::Other(_)) => return self.progress.failed.set(true),
                Ok(count) => self.progress.receive(&chunk[..count], self.job.port == ECHO),
                Err(nb::Error::WouldBlock) => break,
            }
        }
        let outstanding = stack.unacknowledged(&self.socket) as u64;
        self.progress.acknowledged.set(self.sent - outstanding);
    }
}

/// Writes that part of the pattern.
fn fill(chunk: &mut [u8], at: u64) {
    for (byte, at) in chunk.iter_mut().zip(at..) {
        *byte = pattern(at);
    }
}

/// What a socket of a host on bare smoltcp is for.
#[expect(clippy::large_enum_variant, reason = "there are a few of them")]
pub(crate) enum Use {
    /// Listens on that port.
    Serve(u16),
    /// Connects.
    Job(Job),
}

struct Bare {
    handle: SocketHandle,
    serves: u16,
    job: Option<Job>,
    sent: u64,
    progress: Rc<Progress>,
}

/// A host on smoltcp alone, with buffers of `size` bytes, as benches/nic/plain.rs has it: without Nagle's algorithm.
pub(crate) fn bare<'a>(
    net: &NetConfig,
    (seed, size): (u64, usize),
    congestion_control: CongestionControl,
    uses: Vec<(Use, Rc<Progress>)>,
    end: &mut End<'_>,
) -> Poll<'a> {
    let mut config = Config::new(net.mac().into());
    config.random_seed = seed;
    let mut interface = Interface::new(config, end, Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        addresses.push(net.ipv4().expect("an address").into()).expect("room for it");
    });
    let mut sockets = SocketSet::new(Vec::new());
    let mut applications = Vec::new();
    for (purpose, progress) in uses {
        let buffer = || SocketBuffer::new(vec![0; size]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_congestion_control(congestion_control);
        socket.set_nagle_enabled(false);
        let (serves, job) = match purpose {
            Use::Serve(port) => {
                socket.listen(port).expect("a closed socket");
                (port, None)
            }
            Use::Job(job) => {
                let local = 49_152 + (seed % 16_000) as u16;
                let remote = (BOARD_NET.ipv4_address(), job.port);
                socket.connect(interface.context(), remote, local).expect("a closed socket");
                (0, Some(job))
            }
        };
        let handle = sockets.add(socket);
        applications.push(Bare { handle, serves, job, sent: 0, progress });
    }
    Box::new(move |now, end| {
        // Each time round, what was received has made room, or what was sent wants to leave.
        loop {
            interface.poll(now, end, &mut sockets);
            let mut moved = false;
            for application in &mut applications {
                moved |= application.turn(sockets.get_mut(application.handle), now);
            }
            if !moved {
                break;
            }
        }
        let next = interface.poll_at(now, &sockets);
        next.map(|next| if next <= now { now + TICK } else { next })
    })
}

impl Bare {
    /// Returns whether anything was moved.
    fn turn(&mut self, socket: &mut Socket<'_>, now: Instant) -> bool {
        if socket.state() == State::Closed {
            self.progress.failed.set(true);
            return false;
        }
        if socket.may_send() && self.progress.connected.get().is_none() {
            self.progress.connected.set(Some(now));
        }
        let mut moved = match self.serves {
            ECHO => return echo(socket),
            CHARGEN => self.send(socket, u64::MAX),
            _ => self.send(socket, self.job.map_or(0, |job| job.send)),
        };
        let echoes = self.job.is_some_and(|job| job.port == ECHO);
        while socket.can_recv() {
            let received = socket.recv(|data| {
                self.progress.receive(data, echoes);
                (data.len(), ())
            });
            moved |= received.is_ok();
        }
        self.progress.acknowledged.set(self.sent - socket.send_queue() as u64);
        moved
    }

    fn send(&mut self, socket: &mut Socket<'_>, total: u64) -> bool {
        let before = self.sent;
        let echoes = self.job.is_some_and(|job| job.port == ECHO);
        while self.sent < total && socket.can_send() {
            let left = usize::try_from(total - self.sent).unwrap_or(usize::MAX);
            let sent = socket.send(|room| {
                let length = room.len().min(left);
                if echoes {
                    fill(&mut room[..length], self.sent);
                }
                (length, length)
            });
            self.sent += sent.unwrap_or(0) as u64;
        }
        self.sent > before
    }
}

/// Sends back what has come; returns whether anything did.
fn echo(socket: &mut Socket<'_>) -> bool {
    let mut moved = false;
    let mut chunk = [0; CHUNK];
    while socket.can_recv() && socket.can_send() {
        let room = (socket.send_capacity() - socket.send_queue()).min(CHUNK);
        let Ok(count) = socket.recv_slice(&mut chunk[..room]) else { break };
        // It has room for all of it.
        let _ = socket.send_slice(&chunk[..count]);
        moved = true;
    }
    moved
}

/// A board whose numbers come from a seed.
pub(crate) struct Seeded(pub(crate) u64);

impl tapboard_firmware::Board for Seeded {
    fn set_led(&mut self, _on: bool) {}

    fn led(&self) -> bool {
        false
    }

    fn temperature_mc(&mut self) -> i32 {
        0
    }

    fn entropy(&mut self) -> Option<u64> {
        Some(self.0)
    }

    fn reset(&mut self) {}
}
