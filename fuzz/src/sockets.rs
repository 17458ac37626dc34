//! The calls of [`NetStack`] in any order, on sockets that they fit and on ones that they do not, between the frames.

use std::net::SocketAddr;

use embedded_nal::{TcpClientStack, TcpFullStack, UdpClientStack, UdpFullStack};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::config::{ABANDONED, DATAGRAM_SIZE, SUPERFRAME_DATA, TCP_SLOTS};
use tapboard_firmware::netstat::Introspect;
use tapboard_firmware::{BOARD_NET, BoardSockets, NetStack, TcpSocket, UdpSocket};

use super::input::Input;
use super::memory::Memory;
use super::network::{Board, Network, netstat};
use super::nic::Nic;
use super::states::States;

/// Handles of either kind that the application has at most.
const HANDLES: usize = 12;
/// After this long nothing is held of sockets that have been closed, whatever the peers still owe.
const CLOSED: Duration = Duration::from_secs(200);
/// After this long nothing is held of handles that were dropped without `close` either.
const FORGOTTEN: Duration = Duration::from_secs(ABANDONED.secs() + 200);

/// An application that does with its sockets what the program says.
struct Application<'a> {
    stack: NetStack<'a>,
    tcp: Vec<TcpSocket>,
    udp: Vec<UdpSocket>,
    /// It drops handles without `close`.
    forgets: bool,
}

impl Board for Application<'_> {
    fn poll(&mut self, now: Instant, nic: &mut Nic) -> Option<Instant> {
        self.stack.poll_with(now, nic, |_, _| None)
    }

    fn sockets(&self) -> &dyn Introspect {
        &self.stack
    }

    fn link_up(&mut self) {
        self.stack.link_up();
    }

    fn close(&mut self, peer: SocketAddr) {
        for socket in &self.tcp {
            if self.stack.endpoints(socket).is_ok_and(|(_, remote)| remote == peer) {
                any(self.stack.shutdown(socket));
            }
        }
    }

    fn shutdown(&mut self) {
        self.stack.abort_all();
    }
}

/// What a call returns, where any result may be right.
fn any<T>(_: T) {}

impl Application<'_> {
    /// One call.
    fn call(&mut self, input: &mut Input<'_>) {
        if input.one_in(8) { self.call_udp(input) } else { self.call_tcp(input) }
    }

    fn call_tcp(&mut self, input: &mut Input<'_>) {
        let call = input.below(25);
        if call < 4 || self.tcp.is_empty() {
            return self.make_tcp(call, input);
        }
        let index = self.choose(call, input);
        let Self { stack, tcp, .. } = self;
        let socket = &mut tcp[index];
        let mut buffer = [0; 3000];
        let len = usize::from(input.byte()) * 11;
        match call {
            4 => any(TcpFullStack::bind(stack, socket, input.pick(&[7, 7, 9, 40_000, 0]))),
            5 => any(stack.listen(socket)),
            6 => any(stack.listen_deferred(socket)),
            7 | 8 => {
                let accepted = stack.accept(socket);
                tcp.extend(accepted.map(|(accepted, _)| accepted));
            }
            9 => {
                let accepted = stack.accept_deferred(socket);
                tcp.extend(accepted.map(|(accepted, _)| accepted));
            }
            10 => any(stack.admit(socket)),
            11 | 12 => any(TcpClientStack::connect(stack, socket, remote(input))),
            13 | 14 => any(TcpClientStack::send(stack, socket, &buffer[..len])),
            15 | 16 => any(TcpClientStack::receive(stack, socket, &mut buffer[..len])),
            17 => any(stack.peek(socket, &mut buffer[..len])),
            18 | 19 => any(stack.shutdown(socket)),
            20 => {
                any((stack.send_room(socket), stack.unacknowledged(socket)));
                any((stack.endpoints(socket), stack.state_name(socket), stack.idle()));
            }
            21 => any(TcpClientStack::close(stack, tcp.swap_remove(index))),
            22 => stack.abort(tcp.swap_remove(index)),
            23 if self.forgets => any(tcp.swap_remove(index)),
            24 if len < 256 => self.close_all(),
            _ => any(TcpClientStack::receive(stack, socket, &mut buffer)),
        }
    }

    /// A socket that the call is meant for, three times in four; else any.
    fn choose(&mut self, call: usize, input: &mut Input<'_>) -> usize {
        let (wrong, number) = (input.one_in(4), usize::from(input.byte()));
        let Self { stack, tcp, .. } = self;
        let mut fitting = Vec::new();
        for (index, socket) in tcp.iter().enumerate() {
            let fits = match stack.state_name(socket) {
                "LISTEN" => (7..10).contains(&call),
                "CLOSED" => call < 7,
                _ => call >= 10,
            };
            if fits {
                fitting.push(index);
            }
        }
        if wrong || fitting.is_empty() {
            number % tcp.len()
        } else {
            fitting[number % fitting.len()]
        }
    }

    /// A new socket, and the calls that most often follow.
    fn make_tcp(&mut self, call: usize, input: &mut Input<'_>) {
        if self.tcp.len() >= HANDLES {
            return;
        }
        if call == 0 {
            return self.listen_on(input.pick(&[7, 9, 19, 23, 80]));
        }
        let Ok(mut socket) = TcpClientStack::socket(&mut self.stack) else { return };
        if call < 3 {
            any(TcpClientStack::connect(&mut self.stack, &mut socket, remote(input)));
        }
        self.tcp.push(socket);
    }

    fn listen_on(&mut self, port: u16) {
        let Ok(mut socket) = TcpClientStack::socket(&mut self.stack) else { return };
        any(TcpFullStack::bind(&mut self.stack, &mut socket, port));
        any(self.stack.listen(&mut socket));
        self.tcp.push(socket);
    }

    fn call_udp(&mut self, input: &mut Input<'_>) {
        let Self { stack, udp, .. } = self;
        let (call, number) = (input.below(12), usize::from(input.byte()));
        if call == 0 || udp.is_empty() {
            if udp.len() < HANDLES {
                udp.extend(UdpClientStack::socket(stack));
            }
            return;
        }
        let index = number % udp.len();
        let socket = &mut udp[index];
        let mut buffer = [0; 3000];
        let len = usize::from(input.byte()) * 11;
        match call {
            1 | 2 => any(UdpFullStack::bind(stack, socket, input.pick(&[7, 9, 40_000, 0]))),
            3 => any(UdpClientStack::connect(stack, socket, remote(input))),
            4 | 5 => any(stack.send_to(socket, remote(input), &buffer[..len])),
            6 => any(UdpClientStack::send(stack, socket, &buffer[..len])),
            7 | 8 => any(UdpClientStack::receive(stack, socket, &mut buffer[..len])),
            9 => any(stack.udp_destination(socket)),
            10 if self.forgets => any(udp.swap_remove(index)),
            _ => any(UdpClientStack::close(stack, udp.swap_remove(index))),
        }
    }

    fn close_all(&mut self) {
        for socket in self.tcp.drain(..) {
            any(TcpClientStack::close(&mut self.stack, socket));
        }
        for socket in self.udp.drain(..) {
            any(UdpClientStack::close(&mut self.stack, socket));
        }
    }
}

/// Whom to connect to, or to write to.
fn remote(input: &mut Input<'_>) -> SocketAddr {
    let remotes = [
        "192.0.2.2:9000",
        "192.0.2.2:9000",
        "[2001:db8::2]:9000",
        "[2001:db8::2]:9000",
        "192.0.2.3:1000",
        "[fe80::2]:1000",
        "192.0.2.1:7",
        "198.51.100.1:9000",
        "192.0.2.255:9",
        "[ff02::1]:9",
        "0.0.0.0:9000",
        "192.0.2.2:0",
    ];
    input.pick(&remotes).parse().expect("a literal address")
}

/// Runs a program against a stack whose sockets are used in any order. Returns the states in which segments met them.
///
/// # Panics
/// As [the crate's documentation](super) says.
#[must_use]
pub fn run(program: &[u8]) -> States {
    let mut input = Input::new(program);
    // The profiles `large` and `mcu`.
    if input.one_in(4) {
        drive::<SUPERFRAME_DATA, { 16 * 1024 }>(&mut input)
    } else {
        drive::<2048, DATAGRAM_SIZE>(&mut input)
    }
}

fn drive<const BUFFER: usize, const DATAGRAMS: usize>(input: &mut Input<'_>) -> States {
    let mut memory = Memory::<BUFFER, DATAGRAMS>::new();
    let mut sockets = BoardSockets::new();
    let mut network = Network::new(input);
    let stack = NetStack::new(
        &BOARD_NET,
        &mut network.nic,
        network.now,
        u64::from(input.byte()),
        memory.buffers(),
        &mut sockets,
    );
    let forgets = input.one_in(4);
    let mut application = Application { stack, tcp: Vec::new(), udp: Vec::new(), forgets };
    if !input.one_in(4) {
        application.listen_on(7);
        application.listen_on(23);
    }
    network.turn(&mut application);
    while !input.is_empty() {
        if input.one_in(2) {
            application.call(input);
        } else {
            network.step(&mut application, input);
        }
    }
    network.fall_silent();
    if forgets {
        application.tcp.clear();
        application.udp.clear();
    } else {
        application.close_all();
    }
    network.wait_for(&mut application, if forgets { FORGOTTEN } else { CLOSED });
    let stack = &application.stack;
    assert_eq!(stack.free_slots(), TCP_SLOTS, "leaked\n{}", netstat(&application));
    assert!(stack.row(0).is_none(), "left open\n{}", netstat(&application));
    network.states
}
