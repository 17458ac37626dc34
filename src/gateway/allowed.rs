//! The ports of this machine that the board may reach.

use std::net::{Ipv4Addr, SocketAddr};

use embedded_nal::{TcpClientStack, TcpFullStack, UdpClientStack, UdpFullStack};
use tapboard_firmware::NetStack;

/// A port the board may reach.
#[derive(Debug)]
pub(super) struct Allowed {
    pub(super) kernel: SocketAddr,
    pub(super) tcp: tapboard_firmware::TcpSocket,
    pub(super) udp: tapboard_firmware::UdpSocket,
}

impl Allowed {
    pub(super) fn open(stack: &mut NetStack<'_>, port: u16) -> Self {
        const FREE: &str = "the gateway has as many listeners as it allows ports";
        let mut tcp = TcpClientStack::socket(stack).expect(FREE);
        TcpFullStack::bind(stack, &mut tcp, port).expect(FREE);
        stack.listen_deferred(&tcp).expect(FREE);
        let mut udp = UdpClientStack::socket(stack).expect(FREE);
        UdpFullStack::bind(stack, &mut udp, port).expect(FREE);
        Self { kernel: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), tcp, udp }
    }
}
