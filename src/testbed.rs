//! A board and a host on one cable, in virtual time: where code of one's own meets a bad network in a test.
//!
//! A [`Testbed`] owns both ends and the time. The board runs an application, as a superloop does; the test
//! plays the host, call by call. The cable is a [`Link`], so that a seed and some faults replay exactly, at
//! no cost in real time: an hour of retransmissions takes milliseconds. Nothing leaves the process.
//!
//! The crate's front page has an example; `examples/own_service.rs` and `examples/bad_cable.rs` are tests to copy. The
//! board may be anybody's stack ([`Testbed::of`]); [`crate::harness`] runs a test for many seeds.

use std::fmt::Write;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use embedded_nal::{TcpClientStack, nb};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::config::{DATAGRAM_SIZE, TCP_SLOTS, UDP_SLOTS};
use tapboard_firmware::netstat::{Introspect, Row};
use tapboard_firmware::{
    BOARD_NET, Backlog, BoardSockets, Buffers, Error, NetConfig, NetStack, PEER_NET, TcpSocket,
    earliest,
};

use crate::capture::CaptureError;
use crate::harness::{Cable, Network, Nic, Run};
use crate::link::{Link, Side};
use crate::world::{Step, drive};

/// How long one call may take, in virtual time, before the test has failed.
pub const PATIENCE: Duration = Duration::from_secs(1000);

/// Bytes of each of a chip's buffers.
const MCU_BUFFER: usize = 2 * 1024;
/// Bytes of each of the host's buffers.
const HOST_BUFFER: usize = 8 * 1024;
/// The most that buffers can have, and windows can tell of without a scale.
const LARGE_BUFFER: usize = 65_535;

/// Where that port of the board is.
#[must_use]
pub fn at(port: u16) -> SocketAddr {
    SocketAddr::from((BOARD_NET.ipv4_address(), port))
}

/// The memory of a [`Testbed`], to be made first and to outlive it: buffers of `BOARD` and `HOST` bytes.
#[derive(Debug)]
pub struct TestbedMemory<'a, const BOARD: usize = MCU_BUFFER, const HOST: usize = HOST_BUFFER> {
    board: EndMemory<'a, BOARD>,
    host: EndMemory<'a, HOST>,
}

/// The memory of one end. In vectors, for a box is filled on the call stack, of which a test has little.
#[derive(Debug)]
struct EndMemory<'a, const BUFFER: usize> {
    tcp: Vec<[[u8; BUFFER]; 2]>,
    udp: Vec<[[u8; DATAGRAM_SIZE]; 2]>,
    backlog: Backlog,
    sockets: BoardSockets<'a>,
}

impl Default for TestbedMemory<'_> {
    /// A board with the buffers of a chip, 2 KiB, and a host with 8 KiB.
    fn default() -> Self {
        Self { board: EndMemory::new(), host: EndMemory::new() }
    }
}

impl TestbedMemory<'_, LARGE_BUFFER, LARGE_BUFFER> {
    /// Both ends with the largest buffers there are, 64 KiB: a transfer is as fast as the cable lets it be.
    #[must_use]
    pub fn large() -> Self {
        Self { board: EndMemory::new(), host: EndMemory::new() }
    }
}

impl<const BUFFER: usize> EndMemory<'_, BUFFER> {
    fn new() -> Self {
        Self {
            tcp: vec![[[0; BUFFER]; 2]; TCP_SLOTS],
            udp: vec![[[0; DATAGRAM_SIZE]; 2]; UDP_SLOTS],
            backlog: Backlog::new(),
            sockets: BoardSockets::new(),
        }
    }
}

impl<'a, const BUFFER: usize> EndMemory<'a, BUFFER> {
    /// The stack of one end, with a seed for its sequence numbers and ports.
    fn stack(&'a mut self, net: &NetConfig, nic: &mut Nic, seed: u64) -> NetStack<'a> {
        let Self { tcp, udp, backlog, sockets } = self;
        let buffers = Buffers { tcp, udp, backlog: backlog.into() };
        NetStack::new(net, nic, Instant::ZERO, seed, buffers, sockets)
    }
}

/// What runs at the board's end of a [`Testbed`]: the firmware's stack with an application, or anybody's stack. A
/// closure is one too.
pub trait BoardEnd {
    /// Takes what has arrived at `nic`, does what is due, and returns when it wants to be polled again though nothing
    /// arrives.
    fn poll(&mut self, now: Instant, nic: &mut Nic) -> Option<Instant>;

    /// Its sockets, for who has to find out why a test failed.
    fn netstat(&self) -> String {
        String::new()
    }
}

impl<F: FnMut(Instant, &mut Nic) -> Option<Instant>> BoardEnd for F {
    fn poll(&mut self, now: Instant, nic: &mut Nic) -> Option<Instant> {
        self(now, nic)
    }
}

/// The firmware's stack, and what its superloop runs. It is used as the stack that it is.
#[derive(Debug)]
pub struct StackBoard<'a, A> {
    stack: NetStack<'a>,
    application: A,
}

impl<'a, A> Deref for StackBoard<'a, A> {
    type Target = NetStack<'a>;

    fn deref(&self) -> &NetStack<'a> {
        &self.stack
    }
}

impl<'a, A> DerefMut for StackBoard<'a, A> {
    fn deref_mut(&mut self) -> &mut NetStack<'a> {
        &mut self.stack
    }
}

impl<'a, A> BoardEnd for StackBoard<'a, A>
where
    A: FnMut(Instant, &mut NetStack<'a>) -> Option<Instant>,
{
    fn poll(&mut self, now: Instant, nic: &mut Nic) -> Option<Instant> {
        let application = &mut self.application;
        self.stack.poll_with(now, nic, |stack, now| application(now, stack))
    }

    fn netstat(&self) -> String {
        netstat(&self.stack)
    }
}

/// A board with an application, a host, and the cable between them; see the module's documentation.
#[derive(Debug)]
pub struct Testbed<'a, B: BoardEnd> {
    /// The board, 192.0.2.1.
    pub board: B,
    /// The host, 192.0.2.2.
    pub host: NetStack<'a>,
    /// The board's interface and the host's.
    nics: [Nic; 2],
    network: Network,
}

impl<'a, A> Testbed<'a, StackBoard<'a, A>>
where
    A: FnMut(Instant, &mut NetStack<'a>) -> Option<Instant>,
{
    /// Both ends on `link`. The board runs `application` at each of its turns, which returns when it wants the
    /// next one though nothing has arrived.
    pub fn new<const BOARD: usize, const HOST: usize>(
        memory: &'a mut TestbedMemory<'a, BOARD, HOST>,
        link: Link,
        application: A,
    ) -> Self {
        Self::on(memory, Network::new(link), application)
    }

    /// As [`new`](Self::new), on a network that there is, such as a [`Run`]'s.
    pub fn on<const BOARD: usize, const HOST: usize>(
        memory: &'a mut TestbedMemory<'a, BOARD, HOST>,
        network: Network,
        application: A,
    ) -> Self {
        let TestbedMemory { board, host } = memory;
        // Any constants: the same run gives the same sequence numbers and ports.
        let stack = board.stack(&BOARD_NET, &mut network.nic(Side::Board), 1);
        Self::with_host(host, network, StackBoard { stack, application })
    }
}

impl Run {
    /// A board and a host on such a network. The board runs `application`; see [`Testbed::new`].
    pub fn testbed<'a, A, const BOARD: usize, const HOST: usize>(
        &self,
        memory: &'a mut TestbedMemory<'a, BOARD, HOST>,
        application: A,
    ) -> Testbed<'a, StackBoard<'a, A>>
    where
        A: FnMut(Instant, &mut NetStack<'a>) -> Option<Instant>,
    {
        Testbed::on(memory, self.network(), application)
    }
}

impl<'a, B: BoardEnd> Testbed<'a, B> {
    /// Anybody's stack as the board, and the firmware's as the host; `board` is to have the board's address and any MAC
    /// address but the host's. Of the memory, the host's half is used.
    pub fn of<const BOARD: usize, const HOST: usize>(
        memory: &'a mut TestbedMemory<'a, BOARD, HOST>,
        network: Network,
        board: B,
    ) -> Self {
        Self::with_host(&mut memory.host, network, board)
    }

    fn with_host<const HOST: usize>(
        memory: &'a mut EndMemory<'a, HOST>,
        network: Network,
        board: B,
    ) -> Self {
        let mut nics = [Side::Board, Side::Peer].map(|side| network.nic(side));
        let host = memory.stack(&PEER_NET, &mut nics[1], 2);
        let mut testbed = Self { board, host, nics, network };
        // The board opens its ports.
        testbed.poll(testbed.now());
        testbed
    }

    /// The cable, to be changed at any time.
    #[must_use]
    pub fn cable(&self) -> Cable {
        self.network.cable()
    }

    /// The network, for its frames and notes.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.network.now()
    }

    /// Writes every frame from now on to this pcapng file; see [`Network::capture`].
    pub fn capture(&mut self, path: &Path) -> Result<(), CaptureError> {
        self.network.capture(path)
    }

    /// Lets time pass until a call of the host has a result other than `WouldBlock`.
    ///
    /// # Panics
    /// If it has none after [`PATIENCE`]; the message lists both ends' sockets and counters.
    #[track_caller]
    pub fn until<T>(
        &mut self,
        mut call: impl FnMut(&mut NetStack<'a>) -> nb::Result<T, Error>,
    ) -> Result<T, Error> {
        let mut result = None;
        self.drive(PATIENCE, |this, now| {
            // Twice: the call may send what the board answers at once, or be answered by what has just arrived.
            let mut next = None;
            for _ in 0..2 {
                match call(&mut this.host) {
                    Err(nb::Error::WouldBlock) => {}
                    Err(nb::Error::Other(error)) => result = Some(Err(error)),
                    Ok(value) => result = Some(Ok(value)),
                }
                next = this.poll(now);
                if result.is_some() {
                    return Step::Done;
                }
            }
            Step::Next(next)
        });
        match result {
            Some(result) => result,
            None => panic!("nothing happened for {PATIENCE}\n{}", self.netstat()),
        }
    }

    /// Lets time pass until the host's stack has taken all of `data`, of which one call takes as much as there is
    /// room for. What the board answers meanwhile is not received: it has to fit the buffers.
    ///
    /// # Panics
    /// If there is no room for more within [`PATIENCE`].
    #[track_caller]
    pub fn send_all(&mut self, socket: &mut TcpSocket, data: &[u8]) -> Result<(), Error> {
        let mut sent = 0;
        while sent < data.len() {
            sent += self.until(|host| host.send(socket, &data[sent..]))?;
        }
        Ok(())
    }

    /// Lets that much time pass, without a call.
    pub fn pass(&mut self, duration: Duration) {
        self.drive(duration, |this, now| Step::Next(this.poll(now)));
    }

    /// Lets that many seconds pass.
    pub fn pass_secs(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    fn drive(&mut self, duration: Duration, mut step: impl FnMut(&mut Self, Instant) -> Step) {
        let mut clock = self.network.clock;
        let limit = clock.now() + duration;
        let mut before = None;
        drive(&mut clock, limit, |now| {
            let step = step(self, now);
            self.network.or_arrival(step, now, &mut before)
        });
        self.network.clock = clock;
    }

    /// Polls both ends once and returns when one of them wants to be polled again.
    fn poll(&mut self, now: Instant) -> Option<Instant> {
        let [board_nic, host_nic] = &mut self.nics;
        let host = self.host.poll_with(now, host_nic, |_, _| None);
        earliest(host, self.board.poll(now, board_nic))
    }

    /// Both ends' sockets, and their counters that are not 0.
    #[must_use]
    pub fn netstat(&self) -> String {
        format!("-- board\n{}-- host\n{}", self.board.netstat(), netstat(&self.host))
    }
}

impl<B: BoardEnd> Drop for Testbed<'_, B> {
    /// Leaves the sockets as they are at the end beside the capture, should the test fail.
    fn drop(&mut self) {
        self.network.note("netstat", self.netstat());
    }
}

/// A stack's sockets, and its counters that are not 0.
fn netstat(stack: &NetStack<'_>) -> String {
    format!("{}\n{}", Row::HEADING, sockets_and_counters(stack))
}

/// Likewise, without a heading.
pub(crate) fn sockets_and_counters(stack: &NetStack<'_>) -> String {
    let mut text = String::new();
    for row in (0..).map_while(|index| stack.row(index)) {
        let _ = writeln!(text, "{row}");
    }
    let counters = (0..).map_while(|index| stack.counter(index));
    for (name, value) in counters.filter(|&(_, value)| value != 0) {
        let _ = writeln!(text, "{name} {value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use tapboard_firmware::service::Service;
    use tapboard_firmware::service::echo::Echo;

    use super::*;
    use crate::link::Setting;

    /// Sends 100,000 bytes through an echo on that cable; returns when all of them were back and closed.
    fn echoed(cable: Link) -> Instant {
        let mut echo = Echo::new();
        let mut memory = TestbedMemory::default();
        let mut net = Testbed::new(&mut memory, cable, |now, board| echo.poll(now, board, &mut ()));
        let mut socket = net.host.socket().unwrap();
        net.until(|host| host.connect(&mut socket, at(7))).unwrap();
        let data: Vec<u8> = (0..100_000_u32).map(|at| (at * 7 / 5) as u8).collect();
        let (mut sent, mut back) = (0, Vec::new());
        let mut buffer = [0; 2048];
        while back.len() < data.len() {
            let count = net.until(|host| {
                if sent < data.len()
                    && let Ok(count) = host.send(&mut socket, &data[sent..])
                {
                    sent += count;
                }
                host.receive(&mut socket, &mut buffer)
            });
            back.extend_from_slice(&buffer[..count.unwrap()]);
        }
        assert!(back == data, "changed on the way");
        net.host.close(socket).unwrap();
        net.pass(Duration::from_secs(60));
        assert_eq!(net.host.free_slots(), net.board.free_slots(), "{}", net.netstat());
        net.now()
    }

    #[test]
    fn a_bad_cable_takes_time_and_the_same_time_again() {
        let bad = |seed| {
            let mut cable = Link::new(seed);
            for (name, value) in [("loss", "10%"), ("corrupt", "1%"), ("delay", "20ms")] {
                cable.set(None, Setting::parse(name, value).unwrap());
            }
            cable
        };
        let good = echoed(Link::new(1));
        let (one, again, other) = (echoed(bad(1)), echoed(bad(1)), echoed(bad(2)));
        assert!(one > good && one == again && one != other, "{good} {one} {again} {other}");
    }

    #[test]
    fn more_than_one_call_takes_is_sent_all_the_same() {
        let mut echo = Echo::new();
        let mut memory = TestbedMemory::default();
        let mut net =
            Testbed::new(&mut memory, Link::new(1), |now, board| echo.poll(now, board, &mut ()));
        let mut socket = net.host.socket().unwrap();
        net.until(|host| host.connect(&mut socket, at(7))).unwrap();
        // The first call takes the host's buffer; the echo goes into the other one.
        let data: Vec<u8> = (0..HOST_BUFFER + 4000).map(|at| (at * 7 / 5) as u8).collect();
        net.send_all(&mut socket, &data).unwrap();
        let (mut back, mut buffer) = (Vec::new(), [0; 2048]);
        while back.len() < data.len() {
            let count = net.until(|host| host.receive(&mut socket, &mut buffer)).unwrap();
            back.extend_from_slice(&buffer[..count]);
        }
        assert!(back == data, "changed on the way");
    }

    #[test]
    #[should_panic(expected = "nothing happened for 1000")]
    fn what_never_happens_says_so() {
        let mut memory = TestbedMemory::default();
        let mut net = Testbed::new(&mut memory, Link::new(1), |_, _| None);
        let mut socket = net.host.socket().unwrap();
        net.until(|host| match host.connect(&mut socket, at(7)) {
            // Refused: asks for something else, which does not come.
            Err(nb::Error::Other(Error::ConnectionRefused)) => Err(nb::Error::WouldBlock),
            other => other,
        })
        .unwrap();
    }
}
