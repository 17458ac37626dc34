//! What the fake stack tells of itself.

use smoltcp::time::Duration;
use tapboard_net::netstat::{Count, Introspect, Protocol, Row, TimeOfDay};

use super::{Fake, Peer, Socket};

impl Introspect for Fake {
    fn time_of_day(&self) -> TimeOfDay {
        self.time
    }

    fn row(&self, index: usize) -> Option<Row> {
        let Some(socket) = self.sockets.values().nth(index) else {
            let (port, peer) = self.orphans.get(index - self.sockets.len())?;
            let acknowledged = peer.pipe().acknowledged;
            let state = if acknowledged { "FIN-WAIT-2" } else { "FIN-WAIT-1" };
            return Some(row(Protocol::Tcp, *port, Some(peer), state));
        };
        Some(match socket {
            Socket::Fresh => row(Protocol::Tcp, 0, None, "CLOSED"),
            Socket::Bound(port) => row(Protocol::Tcp, *port, None, "CLOSED"),
            Socket::Listening(port) => row(Protocol::Tcp, *port, None, "LISTEN"),
            Socket::Dialling(peer) => row(Protocol::Tcp, 0, Some(peer), "SYN-SENT"),
            Socket::Connected(port, peer) => row(Protocol::Tcp, *port, Some(peer), "ESTABLISHED"),
            Socket::Udp(port) => row(Protocol::Udp, port.unwrap_or(0), None, ""),
        })
    }

    fn round_trip(&self, index: usize) -> Option<Duration> {
        let connected = |socket: &Socket| matches!(socket, Socket::Connected(..));
        self.sockets.values().nth(index).is_some_and(connected).then(|| Duration::from_micros(1500))
    }

    fn is_awaited(&self, _port: u16) -> bool {
        self.awaited
    }

    fn counter(&self, index: usize) -> Option<(&'static str, Count)> {
        [("frames_in", 17), ("stalls", Count::MAX)].get(index).copied()
    }
}

fn row(protocol: Protocol, local_port: u16, peer: Option<&Peer>, state: &'static str) -> Row {
    Row {
        protocol,
        receive_queue: 0,
        send_queue: 0,
        local_address: None,
        local_port,
        remote: peer.map(|peer| peer.pipe().remote),
        state,
    }
}
