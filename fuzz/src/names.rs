//! A board that looks up names, has one itself, and asks for the time of day; and what may be answered and asked.
//!
//! It fails if something panics; if the board asks to be polled in the past, never has enough, or says more than a few
//! frames a second in the long run; if a question of its own, or an answer, is no sound datagram; if a name is still looked
//! up when everybody has been silent for a minute.

use core::net::IpAddr;

use embedded_nal::{AddrType, nb};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address, Ipv6Address};
use tapboard_firmware::config::DATAGRAM_SIZE;
use tapboard_firmware::mdns::Service;
use tapboard_firmware::{BOARD_NET, BoardSockets, NetConfig, NetStack};

use super::alone::{Alone, Rules};
use super::frames::{Datagram, endpoint};
use super::input::Input;
use super::memory::Memory;
use super::nic::Nic;

/// Frames a second in the long run, at once, and for each that comes in.
const FRAMES_PER_S: u64 = 12;
const BURST: u64 = 300;
const FOR_EACH: u64 = 12;

const NAMES: [&str; 4] = ["host.example", "desk.local", "b-2.example.", "board.local"];
const SERVICES: &[Service] =
    &[Service { kind: "_echo._tcp", port: 7 }, Service { kind: "_telnet._tcp", port: 23 }];
/// The board, and what else is asked for and told of.
const OWN: [&str; 8] = [
    "board.local",
    "board-2.local",
    "_echo._tcp.local",
    "board._echo._tcp.local",
    "_services._dns-sd._udp.local",
    "board._telnet._tcp.local",
    "other.local",
    "local",
];
const TYPES: [u16; 8] = [1, 28, 12, 33, 16, 47, 255, 5];

struct World<'a> {
    board: Alone<'a>,
    /// What was answered to what was asked for.
    found: bool,
}

/// A name in a message: in full, or as a pointer somewhere.
fn name(input: &mut Input<'_>, text: &str) -> Vec<u8> {
    if input.one_in(6) {
        return vec![0xc0 | input.below(2) as u8, input.byte()];
    }
    let mut bytes = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    if input.one_in(8) {
        bytes.extend([0xc0, 12]);
    } else {
        bytes.push(0);
    }
    bytes
}

fn question(input: &mut Input<'_>, text: &str) -> Vec<u8> {
    let mut bytes = name(input, text);
    bytes.extend(input.pick(&TYPES).to_be_bytes());
    bytes.extend(input.pick(&[1_u16, 1, 0x8001, 255]).to_be_bytes());
    bytes
}

fn record(input: &mut Input<'_>, owner: &str, kind: Option<u16>) -> Vec<u8> {
    let mut bytes = name(input, owner);
    let kind = kind.unwrap_or_else(|| input.pick(&TYPES));
    bytes.extend(kind.to_be_bytes());
    bytes.extend(input.pick(&[1_u16, 0x8001, 3]).to_be_bytes());
    bytes.extend(input.pick(&[120_u32, 4500, 0, 60, u32::MAX]).to_be_bytes());
    let target = input.pick(&OWN);
    let data = match kind {
        1 => input.pick(&[[192, 0, 2, 1], [192, 0, 2, 2], [0; 4], [224, 0, 0, 1]]).to_vec(),
        28 => input.pick(&[[0x20; 16], [0xff; 16], [0; 16]]).to_vec(),
        5 | 12 => name(input, target),
        33 => [&[0, 0, 0, 0, 0, 7][..], &name(input, target)].concat(),
        _ => input.take(3).to_vec(),
    };
    let len = if input.one_in(12) { input.word() } else { data.len() as u16 };
    bytes.extend(len.to_be_bytes());
    bytes.extend(data);
    bytes
}

/// Changes a message in a few places, or cuts it.
fn spoil(input: &mut Input<'_>, message: &mut Vec<u8>) {
    for _ in 0..=input.below(3) {
        let at = usize::from(input.word()) % message.len();
        message[at] = input.byte();
    }
    if input.one_in(3) {
        message.truncate(usize::from(input.word()) % message.len());
    }
}

impl World<'_> {
    fn resolve(&mut self, name: &str) -> bool {
        self.board.provoke();
        let result = self.board.stack.resolve(name, AddrType::Either);
        if let Ok(address) = result {
            self.found = true;
            let host = !address.is_unspecified() && !address.is_multicast();
            assert!(host && address != IpAddr::from([255; 4]), "{address}");
        }
        !matches!(result, Err(nb::Error::WouldBlock))
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(16) {
            0..=4 => self.answer(input),
            5..=8 => self.speak(input),
            9 | 10 => {
                let times = [0, 10, 100, 300, 1000, 2000, 9000, 70_000, 1_100_000];
                self.board.pass(Duration::from_millis(input.pick(&times)));
            }
            11 | 12 => {
                self.resolve(input.pick(&NAMES));
            }
            13 => {
                self.board.provoke();
                match input.below(4) {
                    0 => self.board.stack.link_up(),
                    1 => self.board.stack.withdraw(),
                    2 => self.board.stack.reconfigure(&config()),
                    _ => self.board.stack.reconfigure(&config().without_ipv4()),
                }
            }
            14 => self.board.nic.room = input.one_in(2).then(|| input.below(3)),
            _ => {
                let payload = input.take(200).to_vec();
                let to = input.pick(&["192.0.2.1:5353", "224.0.0.251:5353", "[ff02::fb]:5353"]);
                let from =
                    if to.starts_with('[') { "[2001:db8::2]:5353" } else { "192.0.2.2:5353" };
                self.board
                    .give(Datagram { from: endpoint(from), to: endpoint(to), payload }.frame());
            }
        }
        self.board.turn();
    }

    /// An answer to one of the last questions.
    fn answer(&mut self, input: &mut Input<'_>) {
        let number = input.below(self.board.heard.len().max(1));
        let Some(asked) = self.board.heard.get(self.board.heard.len().wrapping_sub(1 + number))
        else {
            return;
        };
        let (mut from, to, mut payload) = (asked.to, asked.from, asked.payload.clone());
        if from.addr.is_multicast() {
            from.addr = match from.addr {
                IpAddress::Ipv4(_) => Ipv4Address::new(192, 0, 2, 2).into(),
                IpAddress::Ipv6(_) => Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2).into(),
            };
        }
        if from.port == 123 {
            payload.resize(48, 0);
            payload.copy_within(40..48, 24);
            payload[0] = input.pick(&[0x24, 0x24, 0x24, 0xe4, 0x1c, 0x23]);
            payload[1] = input.pick(&[1, 2, 0, 16]);
            let code = input.pick(&[*b"RATE", *b"DENY", *b"INIT"]);
            payload[12..16].copy_from_slice(&code);
            for at in [32, 40] {
                let stamp = (u64::from(input.long()) << 32 | 1).to_be_bytes();
                payload[at..at + 8].copy_from_slice(&stamp);
            }
        } else {
            let flags = input.pick(&[0x8180_u16, 0x8180, 0x8180, 0x8183, 0x8182, 0x8380, 0x0100]);
            payload[2..4].copy_from_slice(&flags.to_be_bytes());
            let count = input.pick(&[1_u8, 1, 2, 0, 3]);
            payload[7] = count;
            let kind = u16::from_be_bytes([payload[payload.len() - 4], payload[payload.len() - 3]]);
            for index in 0..count {
                let usual = index == 0 && !input.one_in(3);
                if usual {
                    payload.extend([0xc0, 12]);
                    payload.extend(kind.to_be_bytes());
                    payload.extend([0, 1, 0, 0, 0, 60]);
                    let len: usize = if kind == 1 { 4 } else { 16 };
                    payload.extend([0, len as u8]);
                    payload.extend(&[[192, 0, 2, 77], [3; 4], [4; 4], [5; 4]].concat()[..len]);
                } else {
                    let owner = input.pick(&NAMES);
                    payload.extend(record(input, owner, None));
                }
            }
        }
        if input.one_in(8) {
            spoil(input, &mut payload);
        }
        self.board.give(Datagram { from, to, payload }.frame());
    }

    /// A neighbour's question, or what it says of itself.
    fn speak(&mut self, input: &mut Input<'_>) {
        let counts = [0; 4].map(|_: u8| input.pick(&[0_usize, 1, 1, 2]));
        let flags = input.pick(&[0_u16, 0, 0x8400, 0x0200]);
        let mut payload: Vec<u8> = [0, 0].to_vec();
        payload.extend(flags.to_be_bytes());
        for count in counts {
            payload.extend((count as u16).to_be_bytes());
        }
        for (section, count) in counts.into_iter().enumerate() {
            for _ in 0..count {
                let owner = input.pick(&OWN);
                payload.extend(if section == 0 {
                    question(input, owner)
                } else {
                    record(input, owner, None)
                });
            }
        }
        if input.one_in(8) {
            spoil(input, &mut payload);
        }
        let port = input.pick(&[5353, 5353, 40_000]);
        let (from, groups): (IpAddress, [IpAddress; 2]) = if input.one_in(2) {
            let group = Ipv4Address::new(224, 0, 0, 251).into();
            (Ipv4Address::new(192, 0, 2, 2).into(), [group, BOARD_NET.ipv4_address().into()])
        } else {
            let host = |last| Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
            let group = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb).into();
            (host(2).into(), [group, host(1).into()])
        };
        let to = IpEndpoint::new(input.pick(&groups), 5353);
        self.board.give(Datagram { from: IpEndpoint::new(from, port), to, payload }.frame());
    }
}

fn config() -> NetConfig {
    let server = |last| IpAddr::from([192, 0, 2, last]);
    BOARD_NET
        .with_hostname("board")
        .with_mdns(SERVICES)
        .with_dns_server(server(2))
        .with_dns_server(server(3))
        .with_time_server(server(2))
}

/// Runs a program. Returns whether a name became an address at some time.
///
/// # Panics
/// As the module's documentation says.
#[must_use]
pub fn run(program: &[u8]) -> bool {
    let mut input = Input::new(program);
    let mut memory = Memory::<2048, DATAGRAM_SIZE>::new();
    let mut sockets = BoardSockets::new();
    let mut nic = Nic::new(input.below(6));
    let now = Instant::from_millis(i64::from(input.word()));
    let entropy = u64::from(input.byte());
    let buffers = memory.buffers();
    let stack = NetStack::new(&config(), &mut nic, now, entropy, buffers, &mut sockets);
    let rules = Rules {
        frames: [FRAMES_PER_S, BURST, FOR_EACH],
        // What is asked of neighbours needs no answer that fits.
        hears: |datagram| datagram.from.port != 5353,
        check: |stack, _| {
            let _ = stack.time_of_day();
        },
    };
    let mut world = World { board: Alone::new(stack, nic, now, rules), found: false };
    while !input.is_empty() {
        world.step(&mut input);
    }
    world.board.nic.room = None;
    world.board.turn();
    for name in NAMES {
        // Two are looked up at a time, each for half a minute at the most, and those of before are done first.
        let begun = world.board.now;
        while !world.resolve(name) {
            world.board.pass(Duration::from_secs(1));
            assert!(
                world.board.now - begun < Duration::from_secs(150),
                "{name} is looked up still"
            );
        }
    }
    world.found
}
