//! Services and shell commands of one's own: a board with them and a host, on two ends of a wire in memory.

#[path = "../examples/relay.rs"]
mod relay;
#[path = "../examples/shout.rs"]
mod shout;

use std::collections::VecDeque;
use std::fmt::Write;
use std::net::SocketAddr;

use embedded_nal::{TcpClientStack, nb};
use relay::Relay;
use shout::shout;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::config::SHELL_OUTPUT;
use tapboard_firmware::service::command::{Commands, Help, Usage};
use tapboard_firmware::service::{Service, ServiceConfig, Services};
use tapboard_firmware::{
    BOARD_NET, Board, BoardSockets, Error, Firmware, McuStorage, NetStack, PEER_NET, TcpSocket,
};

/// Turns of both ends after which something would have happened.
const TURNS: usize = 1000;

/// A network interface in memory.
#[derive(Default)]
struct Nic {
    received: VecDeque<Vec<u8>>,
    sent: VecDeque<Vec<u8>>,
}

struct Rx(Vec<u8>);
struct Tx<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}

impl Device for Nic {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        self.received.pop_front().map(|frame| (Rx(frame), Tx(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

/// Hardware of one LED.
struct Led(bool);

impl Board for Led {
    fn set_led(&mut self, on: bool) {
        self.0 = on;
    }

    fn led(&self) -> bool {
        self.0
    }

    fn temperature_mc(&mut self) -> i32 {
        21_500
    }

    fn entropy(&mut self) -> Option<u64> {
        Some(0x5eed)
    }

    fn reset(&mut self) {}
}

/// Memory of a board and of a host.
type Memory<'a> = [(McuStorage, BoardSockets<'a>); 2];

fn memory<'a>() -> Box<Memory<'a>> {
    Box::new([0, 1].map(|_| (McuStorage::new(), BoardSockets::new())))
}

/// The board, with the services `V`, and the host, which the test plays.
struct Net<'a, V> {
    board: Firmware<'a, Led, V>,
    host: NetStack<'a>,
    nics: [Nic; 2],
    now: Instant,
}

impl<'a, V: Service<NetStack<'a>, Led>> Net<'a, V> {
    fn new(memory: &'a mut Memory<'a>, services: V) -> Self {
        let (mut nics, now) = (<[Nic; 2]>::default(), Instant::ZERO);
        let [(board, board_sockets), (host, host_sockets)] = memory;
        let (net, device) = (BOARD_NET, &mut nics[0]);
        let board =
            Firmware::with_services(&net, services, Led(false), device, now, board, board_sockets);
        let host = NetStack::new(&PEER_NET, &mut nics[1], now, 2, host, host_sockets);
        Self { board: board.expect("entropy"), host, nics, now }
    }

    /// One turn of each end; then, if no frame is under way, it is the time when the next thing happens.
    fn turn(&mut self) {
        let [board, host] = &mut self.nics;
        let arrived = board.received.len() + host.received.len();
        let next = self.board.poll(self.now, board);
        let deadlines = [next, self.host.poll_with(self.now, host, |_, _| None)];
        board.received.append(&mut host.sent);
        host.received.append(&mut board.sent);
        if arrived + board.received.len() + host.received.len() == 0 {
            let next = deadlines.into_iter().flatten().min();
            self.now = next.unwrap_or(self.now + Duration::from_secs(1));
        }
    }

    fn until<T>(
        &mut self,
        mut call: impl FnMut(&mut NetStack<'a>) -> nb::Result<T, Error>,
    ) -> Result<T, Error> {
        for _ in 0..TURNS {
            match call(&mut self.host) {
                Ok(value) => return Ok(value),
                Err(nb::Error::Other(error)) => return Err(error),
                Err(nb::Error::WouldBlock) => self.turn(),
            }
        }
        panic!("nothing happened in {TURNS} turns")
    }

    fn connect(&mut self, port: u16) -> Result<TcpSocket, Error> {
        let remote = SocketAddr::from((BOARD_NET.ipv4_address(), port));
        let mut socket = self.host.socket()?;
        self.until(|host| host.connect(&mut socket, remote))?;
        Ok(socket)
    }

    /// What the board's `port` answers to `text`, up to and with `end`.
    fn ask(&mut self, port: u16, text: &str, end: &str) -> String {
        let mut socket = self.connect(port).expect("a connection");
        self.until(|host| host.send(&mut socket, text.as_bytes())).expect("room");
        let (mut answer, mut buffer) = (String::new(), [0; 256]);
        while !answer.ends_with(end) {
            let count = self.until(|host| host.receive(&mut socket, &mut buffer)).expect("data");
            assert_ne!(count, 0, "closed after {answer:?}");
            answer += std::str::from_utf8(&buffer[..count]).expect("text");
        }
        self.host.close(socket).expect("an open handle");
        answer
    }
}

fn config() -> ServiceConfig {
    ServiceConfig { name: "own".try_into().expect("a short name"), telemetry: None }
}

#[test]
fn it_answers_in_capitals_beside_the_stock_services() {
    let mut memory = memory();
    let services = (Services::new(config(), 0, Instant::ZERO), shout());
    let mut net = Net::new(&mut memory, services);
    assert_eq!(net.ask(shout::PORT, "hello\n", "\n"), "HELLO\n");
    assert_eq!(net.ask(7, "hello\n", "\n"), "hello\n");
    let long = "a line longer than what it carries at a time, ".repeat(20) + "\n";
    assert_eq!(net.ask(shout::PORT, &long, "\n"), long.to_uppercase());
}

#[cfg(feature = "http")]
#[test]
fn a_boards_token_is_given_to_all_its_services() {
    use tapboard_firmware::service::Token;
    let mut memory = memory();
    let mut net = Net::new(&mut memory, (shout(), Services::new(config(), 0, Instant::ZERO)));
    assert_eq!(shell(&mut net, "led on"), "led is on\r\n");
    // As a board's boot does, whatever its services are.
    Service::<NetStack<'_>, Led>::set_token(net.board.services_mut(), Token::new("open-sesame"));
    assert_eq!(shell(&mut net, "led off"), "login first: login TOKEN\r\n");
}

#[test]
fn it_answers_in_place_of_the_stock_services() {
    let mut memory = memory();
    let mut net = Net::new(&mut memory, shout());
    assert_eq!(net.ask(shout::PORT, "alone\n", "\n"), "ALONE\n");
    assert_eq!(net.connect(7).err(), Some(Error::ConnectionRefused));
}

/// What the shell answers to `line`.
fn shell<'a, V: Service<NetStack<'a>, Led>>(net: &mut Net<'a, V>, line: &str) -> String {
    let answer = net.ask(23, &format!("{line}\nexit\n"), "bye\r\n");
    let answer = answer.strip_prefix("own, tapboard shell: try help\r\n> ");
    answer.and_then(|answer| answer.strip_suffix("> bye\r\n")).expect("an answer").to_owned()
}

#[test]
fn the_shell_tells_who_the_board_is() {
    let mut memory = memory();
    let mut net = Net::new(&mut memory, (Services::new(config(), 0, Instant::ZERO), shout()));
    let ip = shell(&mut net, "ip");
    let mut lines = ip.lines();
    assert_eq!(lines.next(), Some("mac      02:00:5e:00:00:01"));
    assert_eq!(lines.next(), Some("address  192.0.2.1/24 static"));
    let rest = if cfg!(feature = "ipv6") {
        &["address  2001:db8::1/64 static", "address  fe80::5eff:fe00:1/64 link-local"][..]
    } else {
        &[]
    };
    assert_eq!(lines.collect::<Vec<_>>(), rest);
}

#[test]
fn the_shell_has_a_command_of_ones_own() {
    let mut memory = memory();
    let services = Services::with_commands(config(), 0, Instant::ZERO, Relay::default());
    let mut net = Net::new(&mut memory, (services, shout()));
    let help = shell(&mut net, "help");
    assert_eq!(help.lines().last(), Some("relay [open|close]   switch the relay, or ask"));
    let more =
        [(cfg!(feature = "dns"), 1), (cfg!(feature = "settings"), 3), (cfg!(feature = "http"), 1)];
    let more: usize = more.into_iter().filter(|(is, _)| *is).map(|(_, commands)| commands).sum();
    assert_eq!(help.lines().count(), 11 + more, "{help}");
    for (line, answer) in [
        ("relay", "relay is open, switched 0 times"),
        (" RELAY  close ", "relay is closed, switched 1 times"),
        ("relay open", "relay is open, switched 2 times"),
        ("relay ajar", "usage: relay [open|close]"),
        ("temp", "21.500 C"),
        ("xyzzy", "unknown command; try help"),
    ] {
        assert_eq!(shell(&mut net, line), format!("{answer}\r\n"), "{line}");
    }
    let misspelt = shell(&mut net, "realy");
    let suggested = misspelt == "unknown command; did you mean relay? try help\r\n";
    assert_eq!(suggested, cfg!(feature = "suggest"), "{misspelt}");
}

/// Commands that go to the limits of what they may.
struct Odd;

impl Commands<Led> for Odd {
    const HELP: &'static [Help] = &[
        Help { name: "temp", arguments: "", about: "the shell's own is first" },
        Help { name: "a-name-longer-than-its-column", arguments: "", about: "switches the LED" },
        Help { name: "long", arguments: "", about: "is cut" },
        Help { name: "no", arguments: " way", about: "writes, and then refuses" },
    ];

    fn run(
        &mut self,
        name: &str,
        _arguments: &[u8],
        board: &mut Led,
        answer: &mut dyn Write,
    ) -> Result<(), Usage> {
        match name {
            "long" => write!(answer, "{}", "x".repeat(300))?,
            "no" => {
                answer.write_str("what is not to be seen")?;
                return Err(Usage);
            }
            _ => board.0 = true,
        }
        Ok(())
    }
}

#[test]
fn the_shell_bears_any_command() {
    let mut memory = memory();
    let services = Services::with_commands(config(), 0, Instant::ZERO, Odd);
    let mut net = Net::new(&mut memory, services);
    let help = shell(&mut net, "help");
    assert!(help.ends_with("a-name-longer-than-its-column switches the LED\r\nlong                 is cut\r\nno way               writes, and then refuses\r\n"), "{help}");
    assert_eq!(shell(&mut net, "temp"), "21.500 C\r\n");
    assert_eq!(shell(&mut net, "no"), "usage: no way\r\n");
    assert_eq!(shell(&mut net, "long"), "x".repeat(SHELL_OUTPUT - 2) + "\r\n");
    assert_eq!(shell(&mut net, "led"), "led is off\r\n");
    assert_eq!(shell(&mut net, "a-name-longer-than-its-column"), "\r\n");
    assert_eq!(shell(&mut net, "led"), "led is on\r\n", "it is the same board");
}

/// Writes down what it is asked to do.
#[derive(Default)]
struct Hooks(Vec<String>);

impl Service<NetStack<'_>, Led> for Hooks {
    fn poll(&mut self, now: Instant, stack: &mut NetStack<'_>, _: &mut Led) -> Option<Instant> {
        self.0.push(format!("poll after {} frames", stack.counters().frames_in));
        Some(now + Duration::from_secs(3))
    }

    fn open(&mut self, _now: Instant, stack: &mut NetStack<'_>, board: &mut Led) {
        board.set_led(true);
        self.0.push(format!("open after {} frames", stack.counters().frames_in));
    }

    fn reseed(&mut self, seed: u64) {
        self.0.push(format!("seed {}", seed != 0));
    }

    fn link_up(&mut self, _stack: &mut NetStack<'_>, _board: &mut Led) {
        self.0.push("link up".into());
    }

    fn slept(&mut self, time: Duration) {
        self.0.push(format!("slept {time}"));
    }

    fn shutdown(&mut self, _stack: &mut NetStack<'_>, board: &mut Led) {
        board.set_led(false);
        self.0.push("shutdown".into());
    }
}

/// What it was asked to do since the last time, without repetitions.
fn asked(hooks: &mut Hooks) -> Vec<String> {
    let mut asked = std::mem::take(&mut hooks.0);
    asked.dedup();
    asked
}

#[test]
fn every_service_of_a_tuple_is_asked_for_everything() {
    let mut memory = memory();
    let hooks = (Hooks::default(), (Hooks::default(), (), shout()));
    let mut net = Net::new(&mut memory, hooks);
    net.nics[0].received.push_back(vec![0; 60]);
    let now = net.now;
    let next = net.board.poll(now, &mut net.nics[0]);
    assert!(next.is_some_and(|at| at > now && at <= now + Duration::from_secs(3)), "{next:?}");
    assert!(net.board.board().led());
    net.board.slept(Duration::from_millis(20));
    net.board.link_up();
    net.board.shutdown();
    assert!(!net.board.board().led());
    net.board.poll(now + Duration::from_secs(9), &mut net.nics[0]);
    let (one, (other, (), _)) = net.board.services_mut();
    let expected = [
        "seed true",
        "open after 0 frames",
        "poll after 1 frames",
        "slept 0.020s",
        "link up",
        "shutdown",
    ];
    assert_eq!(asked(one), expected);
    assert_eq!(asked(other), expected);
}

#[test]
fn stats_say_how_long_the_board_was_asleep_if_it_was_told() {
    let mut memory = memory();
    let mut net = Net::new(&mut memory, Services::new(config(), 0, Instant::ZERO));
    assert!(!shell(&mut net, "stats").contains("asleep_ms"));
    net.board.slept(Duration::ZERO);
    assert!(shell(&mut net, "stats").ends_with("\r\nasleep_ms            0\r\n"));
    for _ in 0..3 {
        net.board.slept(Duration::from_micros(1500));
    }
    assert!(shell(&mut net, "stats").ends_with("\r\nasleep_ms            4\r\n"));
}

#[test]
fn after_a_shutdown_no_port_is_opened_again() {
    let mut memory = memory();
    let services = (shout(), Services::new(config(), 0, Instant::ZERO));
    let mut net = Net::new(&mut memory, services);
    net.ask(shout::PORT, "x\n", "\n");
    net.board.shutdown();
    for port in [shout::PORT, 7, 23] {
        assert_eq!(net.connect(port).err(), Some(Error::ConnectionRefused), "port {port}");
    }
}
