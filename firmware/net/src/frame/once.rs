//! Each frame is parsed once on its way in and once on its way out: the parser's calls are counted beside the frames.
//!
//! Two stacks on a wire in memory. What the stack makes itself (answers to who asks for a MAC address, its own questions)
//! it knows already and does not parse.

use std::boxed::Box;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;
use std::{fs, vec};

use crate::ethernet::EthernetAddress;
use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use crate::netstat::Count;
use crate::{NetConfig, NetStack, Sockets, Storage};

/// A layer whose headers are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layer {
    Frame,
    Network,
    Transport,
}

std::thread_local! {
    static PARSED: Cell<[Count; 3]> = const { Cell::new([0; 3]) };
}

/// Counts a call of the parser, on this thread.
pub(super) fn parsed(layer: Layer) {
    let mut counts = PARSED.get();
    counts[layer as usize] += 1;
    PARSED.set(counts);
}

type Queue = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// One end of the wire.
struct Port {
    arriving: Queue,
    leaving: Queue,
}

struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Leaving(Queue);

impl TxToken for Leaving {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.borrow_mut().push_back(frame);
        result
    }
}

impl Device for Port {
    type RxToken<'a> = Received;
    type TxToken<'a> = Leaving;

    fn receive(&mut self, _: Instant) -> Option<(Received, Leaving)> {
        let frame = self.arriving.borrow_mut().pop_front()?;
        Some((Received(frame), Leaving(self.leaving.clone())))
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving> {
        Some(Leaving(self.leaving.clone()))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

struct Node {
    stack: NetStack<'static>,
    port: Port,
}

impl Node {
    /// 192.0.2.`last`, and `2001:db8::last`.
    fn new(last: u8, arriving: &Queue, leaving: &Queue) -> Self {
        let config = NetConfig::new(EthernetAddress([2, 0, 0x5e, 0, 0, last]))
            .with_ipv4(Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, last), 24));
        #[cfg(feature = "ipv6")]
        let config = config.with_ipv6(smoltcp::wire::Ipv6Cidr::new(
            smoltcp::wire::Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()),
            64,
        ));
        let mut port = Port { arriving: arriving.clone(), leaving: leaving.clone() };
        let storage = Box::leak(Box::new(Storage::<2, 4096, 1, 1472, 4>::new()));
        let sockets = Box::leak(Box::new(Sockets::<2, 1, 1, 3>::new()));
        let now = Instant::from_secs(1);
        let stack = NetStack::new(&config, &mut port, now, last.into(), storage, sockets);
        Self { stack, port }
    }

    /// Polls once, and says what that moved and read.
    fn poll(&mut self, now: Instant) -> Poll {
        let frames = |node: &Self| {
            let counters = node.stack.counters();
            (counters.frames_in, counters.frames_out)
        };
        let (before, parsed_before) = (frames(self), PARSED.get());
        self.stack.poll(now, &mut self.port);
        let (after, parsed_after) = (frames(self), PARSED.get());
        let mut parsed = [0; 3];
        for (layer, count) in parsed.iter_mut().enumerate() {
            *count = parsed_after[layer] - parsed_before[layer];
        }
        Poll { received: after.0 - before.0, sent: after.1 - before.1, parsed }
    }
}

/// What one poll moved, and how often each layer's headers were read meanwhile.
#[derive(Debug)]
struct Poll {
    received: Count,
    sent: Count,
    parsed: [Count; 3],
}

fn pair() -> [Node; 2] {
    let (there, back) = (Queue::default(), Queue::default());
    [Node::new(1, &back, &there), Node::new(2, &there, &back)]
}

/// Whom to connect to, by each protocol there is.
fn addresses() -> Vec<&'static str> {
    vec![
        "192.0.2.1:7",
        #[cfg(feature = "ipv6")]
        "[2001:db8::1]:7",
    ]
}

#[test]
fn a_frame_of_a_stream_is_parsed_once_in_and_once_out() {
    for address in addresses() {
        let [mut server, mut client] = pair();
        let mut now = Instant::from_secs(1);
        let listener = server.stack.tcp_listen(7).unwrap();
        let mut sender = client.stack.tcp_connect(address.parse().unwrap()).unwrap();
        let receiver = loop {
            now += Duration::from_millis(1);
            client.poll(now);
            server.poll(now);
            if client.stack.tcp_connected(&mut sender).is_ok()
                && let Ok((receiver, _)) = server.stack.tcp_accept(&listener)
            {
                break receiver;
            }
            assert!(now < Instant::from_secs(3), "no connection");
        };
        // Until nobody owes an announcement.
        for _ in 0..5000 {
            now += Duration::from_millis(1);
            client.poll(now);
            server.poll(now);
        }
        let (mut left, mut frames) = (100_000, [0, 0]);
        let mut buffer = [0; 4096];
        while left > 0 {
            now += Duration::from_millis(1);
            let _ = client.stack.tcp_send(&sender, &buffer);
            for node in [&mut client, &mut server] {
                let poll = node.poll(now);
                let once = poll.received + poll.sent;
                assert_eq!(poll.parsed, [once; 3], "{address}: {poll:?}");
                frames[0] += poll.received;
                frames[1] += poll.sent;
            }
            if let Ok(count) = server.stack.tcp_receive(&receiver, &mut buffer) {
                left -= count.min(left);
            }
            assert!(now < Instant::from_secs(60), "{left} bytes never arrived");
        }
        assert!(frames[0] > 100 && frames[1] > 100, "{frames:?}");
    }
}

#[cfg(feature = "udp")]
#[test]
fn a_datagram_as_long_as_a_question_is_parsed_once() {
    // Without payload it is as long as an ARP packet is.
    let [mut server, mut client] = pair();
    let now = Instant::from_secs(1);
    let socket = client.stack.udp_bind(9).unwrap();
    let receiver = server.stack.udp_bind(7).unwrap();
    client.stack.udp_send_to(&socket, "192.0.2.1:7".parse().unwrap(), &[1]).unwrap();
    for _ in 0..10 {
        client.poll(now);
        server.poll(now);
    }
    let mut buffer = [0; 4];
    assert_eq!(server.stack.udp_receive(&receiver, &mut buffer).unwrap().0, 1);

    // A connection under way, without which nothing that leaves is looked at but what may be a question.
    let sender = client.stack.tcp_connect("192.0.2.1:7".parse().unwrap()).unwrap();
    for _ in 0..10 {
        client.poll(now);
        server.poll(now);
    }
    client.stack.tcp_close(sender);
    client.stack.udp_send_to(&socket, "192.0.2.1:7".parse().unwrap(), &[]).unwrap();
    let poll = client.poll(now);
    assert_eq!((poll.received, poll.sent, poll.parsed), (0, 1, [1, 1, 0]), "{poll:?}");
    assert_eq!(client.port.leaving.borrow().back().map(Vec::len), Some(14 + 28));
}

#[test]
fn no_other_file_reads_these_headers() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut files) = (vec![src.clone()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&src).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let code: String =
                text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).collect();
            files += 1;
            if name.starts_with("frame") || name == Path::new("frame.rs") {
                continue;
            }
            for header in ["EthernetFrame", "ArpPacket", "Ipv4Packet", "Ipv6Packet", "TcpPacket"] {
                let checked = std::format!("{header}::new_checked");
                assert!(!code.contains(&checked), "{} has a parser of its own", name.display());
            }
        }
    }
    assert!(files > 30, "{files}");
}
