//! What is asked of a gateway while it runs, at the console or over HTTP.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};
use smoltcp::time::Instant;

use super::api::{Api, Call};
use super::error::GatewayError;
use super::host_port::{HostPort, Protocol};
use super::limits::{ALLOWED, API_CLIENTS, DATAGRAM_FLOWS, FLOWS, FORWARDS, LEASES};
use super::stats;
use super::{Forward, Gateway};
use crate::http::ServerUse;
use crate::identity::mac_text;
use crate::nic::Stat;

/// What is to change of the forwarded ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardCommand {
    /// Forward this too.
    Add(Forward),
    /// Forward that no more; connections under way go on.
    Remove(HostPort),
    /// List what is forwarded.
    List,
}

impl Gateway<'_> {
    /// Carries out a command, and returns what is to be said.
    pub fn forward(&mut self, command: ForwardCommand) -> Result<String, GatewayError> {
        match command {
            ForwardCommand::Add(forward) => {
                self.add(forward)?;
                Ok(format!("{} leads to board port {} now", forward.host, forward.board))
            }
            ForwardCommand::Remove(host) => {
                self.remove(host)?;
                Ok(format!("{host} is not forwarded any more"))
            }
            ForwardCommand::List => Ok(self.list()),
        }
    }

    fn add(&mut self, forward: Forward) -> Result<(), GatewayError> {
        self.forwards.add(&[forward], self.board, &self.registry)
    }

    /// Opens all of `forwards`, or none, to another board on the same wire.
    pub fn forward_to(
        &mut self,
        board: Ipv4Addr,
        forwards: &[Forward],
    ) -> Result<(), GatewayError> {
        self.forwards.add(forwards, board, &self.registry)
    }

    fn remove(&mut self, host: HostPort) -> Result<(), GatewayError> {
        let silent = self.forwards.remove(host, &self.registry);
        for listener in silent.ok_or(GatewayError::NotForwarded(host))? {
            self.datagrams.forget(listener, &mut self.stack, &self.registry);
        }
        Ok(())
    }

    /// The ports that are forwarded, in order; those of the loopback addresses without address.
    #[must_use]
    pub fn forwarded(&self) -> Vec<HostPort> {
        let short = |(host, _): (HostPort, _)| {
            let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
            let address = host.address.filter(|address| !loopback.contains(address));
            HostPort { address, ..host }
        };
        let mut ports: Vec<_> = self.forwards.list().into_iter().map(short).collect();
        ports.dedup();
        ports
    }

    fn list(&self) -> String {
        let mut text = String::new();
        for (HostPort { protocol, address, port }, board) in self.forwards.list() {
            let host = HostPort { protocol: Protocol::Both, address, port }.to_string();
            let protocol = match protocol {
                Protocol::Both => "TCP and UDP",
                Protocol::Tcp => "TCP",
                Protocol::Udp => "UDP",
            };
            let _ = writeln!(text, "{host:<21} -> board port {:<5} {protocol}", board.port());
        }
        let _ = write!(text, "{} of {FORWARDS} addresses and ports", self.forwards.len());
        text
    }

    /// What it counts, each limit beside its use.
    #[must_use]
    pub fn stats(&self) -> Vec<Stat> {
        self.stats_beside(self.api.as_ref().map(Api::used).unwrap_or_default())
    }

    fn stats_beside(&self, api: ServerUse) -> Vec<Stat> {
        let Self { flows, datagrams, dhcp, dns, unreachable, router, .. } = self;
        vec![
            Stat::used("gateway_flows", "TCP connections through the gateway.", flows.len(), FLOWS),
            Stat::used(
                "gateway_udp_mappings",
                "UDP mappings through the gateway, of which the longest idle makes room.",
                datagrams.len(),
                DATAGRAM_FLOWS,
            ),
            Stat::used(
                "gateway_forwards",
                "Addresses and ports of this machine that lead to the board.",
                self.forwards.len(),
                FORWARDS,
            ),
            // The one for names is not among them.
            Stat::used(
                "gateway_allowed",
                "Ports that the board may reach.",
                self.allowed.len() - 1,
                ALLOWED,
            ),
            Stat::used(
                "gateway_leases",
                "Addresses that DHCP has leased.",
                dhcp.leases.len(),
                LEASES,
            ),
            Stat::used(
                "gateway_api_clients",
                "Clients of the API that are connected.",
                api.clients,
                API_CLIENTS,
            ),
            Stat::count(
                "udp_displaced",
                "UDP mappings that made room for others.",
                datagrams.displaced,
            ),
            Stat::count(
                "udp_oversized",
                "Datagrams too long for the board's wire.",
                datagrams.oversized,
            ),
            Stat::count(
                "icmp_unreachable_out",
                "ICMP errors to the board, of datagrams that nobody took.",
                unreachable.sent,
            ),
            Stat::count(
                "dhcp_unanswered",
                "DHCP requests that no address was left for.",
                dhcp.leases.refused,
            ),
            Stat::count(
                "dns_answered",
                "Questions for names that the gateway answered itself.",
                dns.answered,
            ),
            Stat::count(
                "dns_forwarded",
                "Questions for names that were passed on to the resolver.",
                dns.forwarded,
            ),
            Stat::count("dns_refused", "Questions for names that were refused.", dns.refused),
            Stat::count("router_adverts_out", "Router advertisements sent.", router.sent),
            Stat::count(
                "api_refused",
                "Requests to the API that were answered with an error.",
                api.refused,
            ),
        ]
    }

    /// Gives the API its turn. Returns when it wants another.
    pub(super) fn poll_api(&mut self, now: Instant) -> Option<Instant> {
        let mut api = self.api.take()?;
        let registry = self.registry.try_clone().ok();
        let next = registry.and_then(|registry| {
            api.poll(now, &registry, |call, used| {
                self.call(call, used).map_err(|error| error.text("forward"))
            })
        });
        self.api = Some(api);
        next
    }

    fn call(&mut self, call: Call, api: ServerUse) -> Result<Value, GatewayError> {
        match call {
            Call::All => Ok(self.forwards_json()),
            Call::Expose(forward) => self.add(forward).map(|()| json!({})),
            Call::Unexpose(host) => self.remove(host).map(|()| json!({})),
            Call::Leases => Ok(self.leases_json()),
            Call::Stats => Ok(stats::to_json(&self.stats_beside(api))),
        }
    }

    fn forwards_json(&self) -> Value {
        let rows = self.forwards.list().into_iter().flat_map(|(host, board)| {
            let local = HostPort { protocol: Protocol::Both, ..host }.to_string();
            let protocols = [("tcp", host.protocol.tcp()), ("udp", host.protocol.udp())];
            protocols.into_iter().filter(|(_, has)| *has).map(move |(protocol, _)| {
                json!({ "local": local, "remote": board.to_string(), "protocol": protocol })
            })
        });
        rows.collect()
    }

    fn leases_json(&self) -> Value {
        let rows = self.dhcp.leases.list().map(|(mac, address)| {
            let name = self.dns.names.of(mac);
            json!({ "mac": mac_text(mac), "address": address.to_string(), "name": name })
        });
        rows.collect()
    }
}
