//! A fleet without a TAP: gateways in place of the host, as `tapboard user` has one.
//!
//! Each looks after [`BOARDS_PER_HOST`](super::BOARDS_PER_HOST) boards, and is at an address of its own at the end of their network. Inwards
//! each board has an address of this machine's loopback network, that of its own with 127 in front ([`loopback`]), so
//! that the ports are the same for all. Outwards its telemetry reaches one port of this machine, and it reaches nothing else.
//!
//! **Contract.** All gateways are behind the uplink's cable. What is for one of them, or asks for its MAC address, gets
//! there; what is for everybody does not, for none of them serves anybody but boards whose addresses it knows.
//! **Cost.** A gateway runs when it has a frame, its sockets are ready, or its time has come. Its sockets are behind a
//! poller of its own, a system call more each time.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::time::Duration as StdDuration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use smoltcp::time::Instant;
use tapboard_firmware::earliest;

use super::options::{FleetOptions, GatewayUplink, loopback};
use super::switch::{Destination, Port, Switch};
use crate::gateway::{
    Forward, ForwardCommand, Gateway, GatewayConfig, GatewayError, GatewayMemory, HostPort,
};
use crate::identity::link_local;
use crate::nic::Stat;
use crate::nic::wire::{End, InFlight, QUEUE, Side, Wire};
use crate::output::counted;
use crate::run::{NIC, Nic};

/// Events of one gateway's sockets that are looked at together.
const EVENTS: usize = 64;

/// A gateway, with its wire to the switch before it.
struct Host<'a> {
    gateway: Gateway<'a>,
    wire: Wire,
    poll: Poll,
    /// When it wants its next turn.
    next: Option<Instant>,
    /// Something has come for it.
    ready: bool,
}

/// See the module's documentation.
pub(super) struct Gateways<'a> {
    /// To the fleet's switch.
    wire: Wire,
    /// Where the gateways are.
    switch: Switch,
    hosts: Vec<Host<'a>>,
    events: Events,
    /// Frames that found no room.
    dropped: u64,
}

impl<'a> Gateways<'a> {
    /// One for each of `memory`, of as many as the fleet needs.
    pub(super) fn open(
        options: &FleetOptions,
        uplink: &GatewayUplink,
        registry: &Registry,
        memory: &'a mut [GatewayMemory<'a>],
    ) -> Result<Self, String> {
        let mut switch = Switch::default();
        let numbers: Vec<u32> = (options.first..options.first + options.boards).collect();
        let boards = numbers.chunks(super::BOARDS_PER_HOST);
        let mut hosts = Vec::new();
        for (index, ((own, boards), memory)) in options.hosts().zip(boards).zip(memory).enumerate()
        {
            let mac = own.net.mac();
            switch.add(index, mac, own.addresses().chain([link_local(mac).into()]));
            let config = GatewayConfig {
                net: own.net,
                allowed: uplink.telemetry.into_iter().collect(),
                ..GatewayConfig::default()
            };
            let board = options.board(boards[0]);
            let entropy = getrandom::u64().map_err(|error| format!("no entropy: {error}"))?;
            let watch = |error| format!("cannot watch sockets: {error}");
            let poll = Poll::new().map_err(watch)?;
            let of_it = poll.registry().try_clone().map_err(watch)?;
            let token = Token(NIC.0 + index);
            registry
                .register(&mut SourceFd(&poll.as_raw_fd()), token, Interest::READABLE)
                .map_err(watch)?;
            let mut wire = Wire::default();
            let mut end = wire.end(Side::Peer);
            let gateway = Gateway::open(&config, &board, of_it, &mut end, entropy, memory);
            let mut gateway = gateway.map_err(|error| error.to_string())?;
            for &board in boards {
                let board = options.board(board).ipv4().address();
                let forwards: Vec<_> =
                    uplink.forwards.iter().map(|&forward| at(loopback(board), forward)).collect();
                gateway.forward_to(board, &forwards).map_err(|error| told(error).to_string())?;
            }
            hosts.push(Host { gateway, wire, poll, next: Some(Instant::ZERO), ready: true });
        }
        let events = Events::with_capacity(EVENTS);
        Ok(Self { wire: Wire::default(), switch, hosts, events, dropped: 0 })
    }

    /// Moves what the fleet has sent to whom it is for.
    fn take_in(&mut self) {
        while let Some(InFlight { at, frame }) = self.wire.in_flight(Side::Peer).pop_front() {
            let Destination::One(Port::Machine(index)) =
                self.switch.destination(Port::Uplink, &frame)
            else {
                continue;
            };
            let host = &mut self.hosts[index];
            let queue = host.wire.in_flight(Side::Peer);
            if queue.len() < QUEUE {
                queue.push_back(InFlight { at, frame });
                host.ready = true;
            } else {
                self.dropped += 1;
            }
        }
    }
}

/// An error as who gave ports without addresses is to be told of it.
fn told(error: GatewayError) -> GatewayError {
    match error {
        GatewayError::Listen { mut forwards, error } => {
            for (_, forward) in &mut forwards {
                forward.host.address = None;
            }
            GatewayError::Listen { forwards, error }
        }
        GatewayError::Twice { host, mut forward, first } => {
            forward.host.address = None;
            GatewayError::Twice { host, forward, first }
        }
        error => error,
    }
}

/// A forward of the port alone, at an address.
fn at(address: Ipv4Addr, forward: Forward) -> Forward {
    Forward { host: HostPort { address: Some(IpAddr::V4(address)), ..forward.host }, ..forward }
}

impl Nic for Gateways<'_> {
    type Device<'a>
        = End<'a>
    where
        Self: 'a;

    fn device(&mut self) -> End<'_> {
        self.wire.end(Side::Board)
    }

    fn ready(&mut self, event: &Event) {
        let index = event.token().0.checked_sub(NIC.0);
        let Some(host) = index.and_then(|index| self.hosts.get_mut(index)) else { return };
        host.ready = true;
        // Until there are no more, for it is told once that there are some.
        loop {
            let looked = host.poll.poll(&mut self.events, Some(StdDuration::ZERO));
            if looked.is_err() || self.events.is_empty() {
                return;
            }
            self.events.iter().for_each(|event| host.gateway.ready(event));
        }
    }

    fn turn(&mut self, now: Instant) -> Result<Option<Instant>, String> {
        self.take_in();
        let mut next = None;
        let out = self.wire.in_flight(Side::Board);
        for host in &mut self.hosts {
            if std::mem::take(&mut host.ready) || host.next.is_some_and(|at| at <= now) {
                host.next = host.gateway.poll(now, &mut host.wire.end(Side::Peer));
            }
            let sent = host.wire.in_flight(Side::Board);
            let room = QUEUE.saturating_sub(out.len()).min(sent.len());
            out.extend(sent.drain(..room));
            if !sent.is_empty() {
                // When there is room again.
                host.ready = true;
                next = Some(now);
            }
            next = earliest(next, host.next);
        }
        let waits = !out.is_empty();
        Ok(if waits { Some(now) } else { next })
    }

    fn unplugged(&self) -> Option<&'static str> {
        Some("clients still connect: to the gateways, where they wait until it is in")
    }

    fn idle(&self) -> bool {
        self.hosts.iter().all(|host| host.gateway.connections() == 0)
    }

    fn abort(&mut self) {
        self.hosts.iter_mut().for_each(|host| host.gateway.abort());
    }

    fn forward(&mut self, _: ForwardCommand) -> Result<String, String> {
        Err("each board's forwarded ports are those that the fleet was started with; -p names them"
            .into())
    }

    fn kind(&self) -> &'static str {
        "gateway"
    }

    /// Those of all gateways, added up.
    fn stats(&self) -> Vec<Stat> {
        let mut sum: Vec<Stat> = Vec::new();
        for stat in self.hosts.iter().flat_map(|host| host.gateway.stats()) {
            match sum.iter_mut().find(|known| known.name == stat.name) {
                Some(known) => {
                    known.value += stat.value;
                    known.limit = known.limit.zip(stat.limit).map(|(one, other)| one + other);
                }
                None => sum.push(stat),
            }
        }
        sum
    }

    fn summary(&self) -> String {
        let (mut inwards, mut outwards) = (0, 0);
        for host in &self.hosts {
            let counters = host.gateway.stack().counters();
            inwards += counters.active_opens;
            outwards += counters.passive_opens;
        }
        format!(
            "gateways: {}, {} to the boards, {outwards} from them; {} lost",
            self.hosts.len(),
            counted(inwards, "connection"),
            counted(self.dropped, "frame")
        )
    }
}
