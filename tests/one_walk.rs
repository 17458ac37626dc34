//! One walk through the board's services, in three worlds: in virtual time, on a TAP with the kernel as the
//! client, and with the firmware on an emulated chip. The client's socket calls and what came of them are
//! equal, and so is the set of TCP's state transitions at both ends, told from the segments. All three are
//! compared with one file, `tests/snapshots/walk.txt`. What the board's own services call is compared in
//! `tests/transcripts.rs`: a chip does not tell.
//!
//! `.ci/boards` runs the third, which needs QEMU.

mod common;

use std::array::IntoIter;
use std::cell::RefCell;
use std::iter::Peekable;
use std::rc::Rc;

use common::recorder::{Log, Recorder};
use common::script::{Actor, NOBODY, at, tcp_client, udp_client};
use common::snapshot;
use common::transitions::Transitions;
use embedded_nal::{TcpFullStack, UdpFullStack};
use mio::{Events, Poll, Token};
use smoltcp::phy::{Device, RxToken as _, TxToken as _};
use smoltcp::time::{Duration, Instant};
use tapboard::board::SimBoard;
use tapboard::clock::{RealClock, VirtualClock};
use tapboard::link::{Link, LinkEvents};
use tapboard::nic::dgram::Dgram;
use tapboard::nic::frame_socket::FrameSocket;
use tapboard::nic::impairment::{Impairment, Observer, Watch};
use tapboard::nic::wire::{Side, Wire};
use tapboard::world::{Outcome, Step, drive};
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{
    BOARD_NET, Backlog, BoardSockets, Buffers, Firmware, McuStorage, NetStack, PEER_NET, Sockets,
};

/// The walk: a connection that the client closes, one that the board closes, one that is refused, and
/// datagrams. What the board is called is not the same everywhere, and not asked for.
fn walk<'s, S: TcpFullStack + UdpFullStack + 's>() -> [Box<dyn Actor<S> + 's>; 4] {
    const ECHO: &[(&[u8], &[u8])] = &[(b"hello", b"hello"), (b"again", b"again")];
    const SHELL: &[(&[u8], &[u8])] =
        &[(b"", b"> "), (b"led on\n", b"> "), (b"led off\n", b"> "), (b"exit\n", b"")];
    [
        Box::new(tcp_client(7, ECHO, false)),
        Box::new(tcp_client(23, SHELL, true)),
        Box::new(tcp_client(NOBODY, &[], false)),
        Box::new(udp_client(&[b"one", b"two"])),
    ]
}

/// A walk that is not over by then hangs.
const LIMIT: Instant = Instant::from_micros_const(60_000_000);

/// What the walk came to.
#[derive(Default)]
struct Walked {
    log: Log,
    transitions: Transitions,
}

impl Walked {
    /// As the snapshot has it.
    fn text(&self) -> String {
        let mut log = self.log.text();
        // The shell's greeting begins with the board's name; a walk that fails may not get there.
        if let Some(end) = log.find(", tapboard shell") {
            let name = log[..end].rfind('"').expect("what was received is quoted") + 1;
            log.replace_range(name..end, "NAME");
        }
        format!("The client's calls:\n\n{log}\nStates:\n\n{}", self.transitions.text())
    }
}

/// The memory of a [`Client`], which it outlives.
struct Memory<'a> {
    tcp: Vec<[[u8; 8192]; 2]>,
    udp: Vec<[[u8; 2048]; 2]>,
    backlog: Backlog,
    sockets: Sockets<'a, 8, 2>,
}

impl Default for Memory<'_> {
    fn default() -> Self {
        let (tcp, udp) = (vec![[[0; 8192]; 2]; 8], vec![[[0; 2048]; 2]; 2]);
        Self { tcp, udp, backlog: Backlog::new(), sockets: Sockets::new() }
    }
}

impl<'a> Memory<'a> {
    fn client(&'a mut self, device: &mut impl Device) -> Client<'a> {
        let Self { tcp, udp, backlog, sockets } = self;
        let buffers = Buffers { tcp, udp, backlog: backlog.into() };
        let stack = NetStack::new(&PEER_NET, device, Instant::ZERO, 5, buffers, sockets);
        let (mut cable, frames) = (Impairment::new(Link::new(0)), Rc::default());
        cable.watch(Watch::Capture, Some(Box::new(Frames(Rc::clone(&frames)))));
        Client {
            stack,
            cable,
            frames,
            steps: walk().into_iter().peekable(),
            walked: Walked::default(),
        }
    }
}

/// The client on the firmware's sockets, behind a cable that shows its frames.
struct Client<'a> {
    stack: NetStack<'a>,
    cable: Impairment,
    frames: Rc<RefCell<Vec<Vec<u8>>>>,
    steps: Peekable<IntoIter<Box<dyn Actor<NetStack<'a>> + 'a>, 4>>,
    walked: Walked,
}

/// Keeps the frames that it sees.
struct Frames(Rc<RefCell<Vec<Vec<u8>>>>);

impl Observer for Frames {
    fn frame(&mut self, _now: Instant, _to: Side, frame: &[u8], _notes: &LinkEvents) {
        self.0.borrow_mut().push(frame.to_vec());
    }
}

impl Client<'_> {
    /// Runs what there is to run, the walk from when on it may. Done: it is over, and the wire at rest.
    fn turn(&mut self, now: Instant, device: impl Device, may_walk: bool) -> Step {
        let mut device = self.cable.behind(device);
        device.pump(now);
        self.stack.poll_with(now, &mut device, |_, _| None);
        while may_walk && let Some(step) = self.steps.peek_mut() {
            let log = &mut self.walked.log;
            if !step.turn(now, &mut Recorder { stack: &mut self.stack, log }) {
                break;
            }
            self.steps.next();
        }
        let next = self.stack.poll_with(now, &mut device, |_, _| None);
        device.pump(now);
        if self.steps.peek().is_none() && self.stack.idle() {
            return Step::Done;
        }
        Step::Next([next, self.cable.next_event(now)].into_iter().flatten().min())
    }

    fn end(mut self) -> String {
        for frame in self.frames.borrow().iter() {
            self.walked.transitions.frame(frame, at(0).into());
        }
        self.walked.text()
    }
}

#[test]
fn in_virtual_time() {
    let (mut wire, mut storage, mut sockets) =
        (Wire::new(Duration::from_millis(1)), Box::<McuStorage>::default(), BoardSockets::new());
    let services = ServiceConfig { name: "virtual".try_into().expect("short"), telemetry: None };
    let mut board = Firmware::new(
        &BOARD_NET,
        services,
        SimBoard::new(),
        &mut wire.end(Side::Board),
        Instant::ZERO,
        &mut *storage,
        &mut sockets,
    )
    .expect("there is entropy");
    let mut memory = Memory::default();
    let mut client = memory.client(&mut wire.end(Side::Peer));
    let outcome = drive(&mut VirtualClock::new(), LIMIT, |now| {
        let board = board.poll(now, &mut wire.end(Side::Board));
        let Step::Next(client) = client.turn(now, wire.end(Side::Peer), true) else {
            return Step::Done;
        };
        let arrivals = [Side::Board, Side::Peer].map(|side| wire.next_arrival(side));
        Step::Next([board, client].into_iter().chain(arrivals).flatten().min())
    });
    assert_eq!(outcome, Outcome::Done, "the walk hangs: {}", client.end());
    snapshot::assert_is("walk.txt", &client.end());
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_tap() {
    use common::kernel_stack::KernelStack;
    use common::netns;
    use common::process::Process;
    use common::scratch::Scratch;
    use tapboard::capture::read;

    /// As [`NetStack::idle`]: whether the kernel has no TCP socket in this namespace but in TIME-WAIT.
    fn kernel_is_idle() -> bool {
        const TIME_WAIT: &str = "06";
        let table = std::fs::read_to_string("/proc/self/net/tcp").expect("the kernel's sockets");
        table.lines().skip(1).all(|socket| socket.split_whitespace().nth(3) == Some(TIME_WAIT))
    }

    netns::run("on_a_tap", &[], || {
        let scratch = Scratch::new();
        let file = scratch.path("walk.pcapng");
        let mut tap = Process::up(&["tap", "--no-telemetry", "--pcap", &file]);
        let (mut kernel, mut walked, clock) =
            (KernelStack::new(), Walked::default(), RealClock::new());
        let mut steps = walk().into_iter().peekable();
        // A board that is told to end closes what it has not: only what it did before counts.
        while steps.peek().is_some() || !kernel_is_idle() {
            let (now, log) = (clock.now(), &mut walked.log);
            if let Some(step) = steps.peek_mut()
                && step.turn(now, &mut Recorder { stack: &mut kernel, log })
            {
                steps.next();
            }
            assert!(now < LIMIT, "the walk hangs: {}", walked.text());
            std::thread::yield_now();
        }
        tap.signal("TERM");
        assert_eq!(tap.exit(), Some(0));
        for record in read(file.as_ref()).expect("a capture") {
            walked.transitions.frame(&record.expect("it is whole").frame, at(0).into());
        }
        snapshot::assert_is("walk.txt", &walked.text());
    });
}

/// The chip's frames come as datagrams to the port of 127.0.0.1 that `TAPBOARD_WIRE` names.
#[test]
#[ignore = "needs an emulated chip, which `.ci/boards` has"]
fn on_an_emulated_chip() {
    const WIRE: Token = Token(0);
    let port = std::env::var("TAPBOARD_WIRE").expect("TAPBOARD_WIRE=PORT");
    let mut nic = Dgram::bind(port.parse().expect("a port")).expect("a free port");
    let mut poll = Poll::new().expect("it can wait for events");
    nic.register(poll.registry(), WIRE).expect("the kernel tells of frames");
    let (clock, mut events) = (RealClock::new(), Events::with_capacity(1));
    let mut memory = Memory::default();
    let mut wire = Wire::new(Duration::ZERO);
    let mut client = memory.client(&mut wire.end(Side::Peer));
    loop {
        let now = clock.now();
        let mut chip = wire.end(Side::Board);
        while let Some(frame) = FrameSocket::receive(&mut nic, now) {
            let tx = chip.transmit(now).expect("a wire takes every frame");
            tx.consume(frame.len(), |buffer| buffer.copy_from_slice(frame));
        }
        assert!(now < LIMIT, "the walk hangs: {}", client.end());
        // The chip has to speak first; it does, for its telemetry.
        let found = nic.guest().is_some();
        let Step::Next(next) = client.turn(now, wire.end(Side::Peer), found) else { break };
        while let Some((rx, _)) = wire.end(Side::Board).receive(now) {
            rx.consume(|frame| nic.send(frame));
        }
        let next = next.unwrap_or(now + Duration::from_secs(1)).max(now);
        let wait = if nic.unread() { Duration::ZERO } else { next - now };
        poll.poll(&mut events, Some(wait.into())).expect("it waits");
        if !events.is_empty() {
            nic.ready();
        }
    }
    snapshot::assert_is("walk.txt", &client.end());
}
