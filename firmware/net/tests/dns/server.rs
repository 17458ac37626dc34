//! A server for names on a stack of its own, which says what it is told to.

use std::net::{IpAddr, SocketAddr};

use tapboard_net::smoltcp::time::Instant;
use tapboard_net::{NetStack, UdpSocket};

use crate::common::World;

pub(crate) const A: u16 = 1;
pub(crate) const CNAME: u16 = 5;
pub(crate) const AAAA: u16 = 28;

/// A question as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) at: Instant,
    pub(crate) from: SocketAddr,
    pub(crate) id: u16,
    pub(crate) flags: u16,
    pub(crate) name: String,
    pub(crate) kind: u16,
    pub(crate) bytes: Vec<u8>,
}

/// A name in a message, without pointers.
pub(crate) fn name(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// A record.
pub(crate) fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = owner.to_vec();
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&[0, 1]);
    bytes.extend_from_slice(&ttl.to_be_bytes());
    bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// The address record of the name that was asked for.
pub(crate) fn address(ttl: u32, address: impl Into<IpAddr>) -> Vec<u8> {
    match address.into() {
        IpAddr::V4(address) => record(&[0xc0, 12], A, ttl, &address.octets()),
        IpAddr::V6(address) => record(&[0xc0, 12], AAAA, ttl, &address.octets()),
    }
}

impl Asked {
    pub(crate) fn parse(at: Instant, from: SocketAddr, bytes: &[u8]) -> Self {
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        assert_eq!(
            (word(4), word(6), word(8), word(10)),
            (1, 0, 0, 0),
            "one question and nothing else"
        );
        let (mut labels, mut index) = (Vec::new(), 12);
        while bytes[index] != 0 {
            let end = index + 1 + usize::from(bytes[index]);
            labels.push(String::from_utf8(bytes[index + 1..end].to_vec()).unwrap());
            index = end;
        }
        assert_eq!((index + 5, word(index + 3)), (bytes.len(), 1), "of the internet's class");
        let (name, kind) = (labels.join("."), word(index + 1));
        Self { at, from, id: word(0), flags: word(2), name, kind, bytes: bytes.to_vec() }
    }

    /// An answer of these records, which went so.
    pub(crate) fn answer(&self, rcode: u16, records: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[2..4].copy_from_slice(&(0x8180 | rcode).to_be_bytes());
        bytes[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
        bytes.extend(records.iter().flatten());
        bytes
    }
}

/// A server at node `index` of the world.
pub(crate) struct Server {
    index: usize,
    socket: UdpSocket,
    pub(crate) asked: Vec<Asked>,
}

impl Server {
    pub(crate) fn new(world: &mut World, index: usize, port: u16) -> Self {
        let socket = world.stack(index).udp_bind(port).expect("it is free");
        Self { index, socket, asked: Vec::new() }
    }

    /// Answers what has come in as `tell` says.
    pub(crate) fn serve(
        &mut self,
        world: &mut World,
        mut tell: impl FnMut(&Asked) -> Vec<Vec<u8>>,
    ) {
        let now = world.now;
        let stack: &mut NetStack<'_> = world.stack(self.index);
        let mut buffer = [0; 1472];
        while let Ok((len, from)) = stack.udp_receive(&self.socket, &mut buffer) {
            let asked = Asked::parse(now, from, &buffer[..len]);
            for answer in tell(&asked) {
                stack.udp_send_to(&self.socket, from, &answer).expect("it has room");
            }
            self.asked.push(asked);
        }
    }

    /// Says something to somebody who did not ask.
    pub(crate) fn say(&self, world: &mut World, to: SocketAddr, message: &[u8]) {
        world.stack(self.index).udp_send_to(&self.socket, to, message).expect("it has room");
    }
}
