//! The stack's answer to `netstat`: its listeners, then its TCP slots, then its UDP sockets.

use core::net::IpAddr;

use smoltcp::socket::tcp::State;

use super::NetStack;
use super::address::{to_ip_addr, to_socket_addr};
#[cfg(feature = "sntp")]
use crate::netstat::TimeOfDay;
use crate::netstat::{Count, Fact, Introspect, Origin, Protocol, Row};
use crate::tcp::Phase;

/// The state's name in RFC 9293.
pub(super) const fn state_name(state: State) -> &'static str {
    match state {
        State::Closed => "CLOSED",
        State::Listen => "LISTEN",
        State::SynSent => "SYN-SENT",
        State::SynReceived => "SYN-RECEIVED",
        State::Established => "ESTABLISHED",
        State::FinWait1 => "FIN-WAIT-1",
        State::FinWait2 => "FIN-WAIT-2",
        State::CloseWait => "CLOSE-WAIT",
        State::Closing => "CLOSING",
        State::LastAck => "LAST-ACK",
        State::TimeWait => "TIME-WAIT",
    }
}

impl Introspect for NetStack<'_> {
    fn row(&self, index: usize) -> Option<Row> {
        let listeners = self.pool.listeners.iter().filter(|listener| listener.port != 0);
        let listeners = listeners.map(|listener| Row {
            protocol: Protocol::Tcp,
            receive_queue: 0,
            send_queue: 0,
            local_address: None,
            local_port: listener.port,
            remote: None,
            state: if listener.listening { "LISTEN" } else { "BOUND" },
        });
        let slots =
            self.pool.slots.iter().enumerate().filter(|(_, slot)| slot.phase != Phase::Free);
        let connections = slots.map(|(index, _)| {
            let socket = self.pool.socket(index);
            let local = socket.local_endpoint();
            Row {
                protocol: Protocol::Tcp,
                receive_queue: socket.recv_queue(),
                send_queue: socket.send_queue(),
                local_address: local.map(|local| to_ip_addr(local.addr)),
                local_port: local.map_or(0, |local| local.port),
                remote: socket.remote_endpoint().map(to_socket_addr),
                state: state_name(socket.state()),
            }
        });
        listeners.chain(connections).chain(self.udp_rows()).nth(index)
    }

    fn counter(&self, index: usize) -> Option<(&'static str, Count)> {
        self.counters.get(index)
    }

    fn fact(&self, index: usize) -> Option<Fact> {
        let mac = self.mac().map(|mac| Fact::Mac(mac.0));
        let addresses = self.interface.ip_addrs().iter().map(|cidr| {
            let address = to_ip_addr(cidr.address());
            #[cfg(feature = "dhcp")]
            let ipv4 = self.ipv4_origin();
            #[cfg(not(feature = "dhcp"))]
            let ipv4 = Some(Origin::Static);
            Fact::Address(
                address,
                cidr.prefix_len(),
                ipv4.filter(|_| address.is_ipv4()).unwrap_or_else(|| ipv6_origin(&address)),
            )
        });
        let ipv4 = self.config.ipv4_gateway().map(|gateway| Fact::Gateway(gateway.into()));
        let facts = mac.into_iter().chain(addresses).chain(ipv4);
        #[cfg(feature = "ipv6")]
        let facts =
            facts.chain(self.config.ipv6_gateway().map(|gateway| Fact::Gateway(gateway.into())));
        #[cfg(feature = "dhcp")]
        let facts = facts.chain(self.lease_facts());
        #[cfg(feature = "mdns")]
        let facts = facts.chain(self.mdns_label().map(Fact::Name));
        #[cfg(any(feature = "dhcp", feature = "dns"))]
        let facts = facts.chain(self.dns_servers().map(Fact::Dns));
        #[cfg(feature = "sntp")]
        let facts = facts.chain(self.time_server().map(Fact::Time));
        { facts }.nth(index)
    }

    #[cfg(feature = "sntp")]
    fn time_of_day(&self) -> TimeOfDay {
        self.time_of_day()
    }
}

/// Where an IPv6 address is from: the link-local one comes with the MAC address.
fn ipv6_origin(address: &IpAddr) -> Origin {
    match address {
        IpAddr::V6(address) if address.is_unicast_link_local() => Origin::LinkLocal,
        _ => Origin::Static,
    }
}
