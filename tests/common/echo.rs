//! A board that echoes, and packets for it that are not as they should be.

use smoltcp::time::Duration;
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Packet};
use tapboard_firmware::{TcpSocket, UdpSocket};

use super::frames::{Datagram, endpoint, fix_checksums, ip_frame};
use super::solo::{Client, Solo, SoloMemory};
use super::tcp;

pub(crate) const PEER: &str = "192.0.2.2:5000";
pub(crate) const PEER6: &str = "[2001:db8::2]:5000";
pub(crate) const BOARD: &str = "192.0.2.1:7";
pub(crate) const BOARD6: &str = "[2001:db8::1]:7";

/// A board that echoes datagrams on port 7, and listens there.
pub(crate) struct Echo<'a> {
    pub(crate) solo: Solo<'a>,
    pub(crate) udp: UdpSocket,
    _listener: TcpSocket,
}

impl<'a> Echo<'a> {
    pub(crate) fn new(memory: &'a mut SoloMemory<'a>) -> Self {
        let mut solo = Solo::new(memory, 1);
        let listener = tcp::listener(&mut solo.board, 7);
        let udp = solo.board.udp_bind(7).unwrap();
        let mut echo = Self { solo, udp, _listener: listener };
        // Both neighbours are known, and what the board says at first is said.
        for (from, to) in [(PEER, BOARD), (PEER6, BOARD6)] {
            echo.send(datagram(from, to).frame());
        }
        assert_eq!(echo.solo.datagrams.len(), 2);
        echo.solo.pass(Duration::from_secs(2));
        echo.answers();
        echo
    }

    pub(crate) fn send(&mut self, frame: Vec<u8>) {
        self.solo.send(frame);
        let mut buffer = [0; 1500];
        while let Ok((count, remote)) = self.solo.board.udp_receive(&self.udp, &mut buffer) {
            // Who cannot be answered is not.
            let _ = self.solo.board.udp_send_to(&self.udp, remote, &buffer[..count]);
        }
        self.solo.turn();
    }

    /// How many frames the board has sent since the last call.
    pub(crate) fn answers(&mut self) -> usize {
        let said = (self.solo.heard.len(), self.solo.datagrams.len(), self.solo.others.len());
        self.solo.heard.clear();
        self.solo.datagrams.clear();
        self.solo.others.clear();
        said.0 + said.1 + said.2
    }

    /// Sends a SYN, a datagram and an echo request, each as `change` makes it; each is answered, and the connection is reset.
    #[track_caller]
    pub(crate) fn takes(&mut self, from: &str, to: &str, change: &dyn Fn(&[u8]) -> Vec<u8>) {
        for frame in all_kinds(from, to) {
            self.solo.said();
            self.send(change(&frame));
            let said = self.solo.said();
            self.solo.heard.extend(said.iter().map(|one| (self.solo.clock.now(), one.clone())));
            assert_eq!(self.answers(), 1, "{}", self.solo.netstat());
            if let [syn_ack] = &said[..] {
                let mut client = Client::new(from, 7);
                client.took(syn_ack);
                self.send(client.rst());
            }
        }
    }

    /// Sends a frame that must not be answered, now or later, and counts as the board does.
    #[track_caller]
    pub(crate) fn refuses(&mut self, what: &str, frame: Vec<u8>) {
        self.send_raw(frame);
        assert_eq!(self.answers(), 0, "{what}\n{}", self.solo.netstat());
    }

    /// Without the exchange of MAC addresses before it.
    pub(crate) fn send_raw(&mut self, frame: Vec<u8>) {
        let answers = std::mem::replace(&mut self.solo.answers, |_| false);
        self.send(frame);
        self.solo.answers = answers;
    }
}

pub(crate) fn datagram(from: &str, to: &str) -> Datagram {
    Datagram { from: endpoint(from), to: endpoint(to), payload: b"hello".to_vec() }
}

/// An echo request.
pub(crate) fn ping(from: &str, to: &str) -> Vec<u8> {
    let (from, to) = (endpoint(from).addr, endpoint(to).addr);
    let (protocol, kind) = match from {
        IpAddress::Ipv4(_) => (IpProtocol::Icmp, 8),
        IpAddress::Ipv6(_) => (IpProtocol::Icmpv6, 128),
    };
    let mut frame = ip_frame(from, to, protocol, 13, |payload| {
        payload.copy_from_slice(&[kind, 0, 0, 0, 0, 1, 0, 1, b'h', b'e', b'l', b'l', b'o']);
    });
    fix_checksums(&mut frame);
    frame
}

/// [`PEER6`]'s question for the MAC address of [`BOARD6`].
pub(crate) fn solicitation(to: &str) -> Vec<u8> {
    let (from, to, board) = (endpoint(PEER6).addr, endpoint(to).addr, endpoint(BOARD6).addr);
    let IpAddress::Ipv6(board) = board else { unreachable!("it is one") };
    let mut frame = ip_frame(from, to, IpProtocol::Icmpv6, 24, |payload| {
        payload.fill(0);
        payload[0] = 135;
        payload[8..].copy_from_slice(&board.octets());
    });
    frame[21] = 255;
    fix_checksums(&mut frame);
    frame
}

/// A TCP SYN, a datagram and an echo request.
pub(crate) fn all_kinds(from: &str, to: &str) -> [Vec<u8>; 3] {
    let mut client = Client::new(from, 7);
    client.board = endpoint(to);
    [client.syn(), datagram(from, to).frame(), ping(from, to)]
}

/// The same packet with options in its IPv4 header.
pub(crate) fn with_options(frame: &[u8], options: &[u8]) -> Vec<u8> {
    assert_eq!(options.len() % 4, 0);
    let mut frame = [&frame[..34], options, &frame[34..]].concat();
    let len = (frame.len() - 14) as u16;
    let mut ip = Ipv4Packet::new_unchecked(&mut frame[14..]);
    ip.set_header_len(20 + options.len() as u8);
    ip.set_total_len(len);
    ip.fill_checksum();
    frame
}
