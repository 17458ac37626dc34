//! A world in virtual time: the switch, the machines, what befalls them, and what must hold.
//!
//! A step does what is due at one moment: events of the plan, frames that arrive, machines that have a
//! frame or a deadline. What must hold at every step is checked at once; what must hold in the end,
//! once a virtual second after the last fault. Everything is in vectors and in fixed order, so that the
//! plan decides every byte.

mod events;
mod oracles;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv6Cidr};
use tapboard_firmware::{NetConfig, earliest};

use super::adversary::Adversary;
use super::fault_history::FaultHistory;
use super::goodput::Goodput;
use super::host::netstat;
use super::nic::Nic;
use super::node::{BoardNode, BootMemory, PeerNode, net_config};
use super::plan::{TimedEvent, WorldPlan};
use super::server::{Server, slaac_address};
use super::switch::{Observer, Port, Switch};
use crate::nic::wire::Side;
use crate::world::Step;

/// How often the end is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// Of how many polls one is followed by a second look at whether there was really nothing left to do.
const ASK_AGAIN: u64 = 16;

/// What went wrong, without who and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// The name of what must hold.
    pub(super) oracle: &'static str,
    pub(super) text: String,
}

fn violation(oracle: &'static str, text: impl Into<String>) -> Violation {
    Violation { oracle, text: text.into() }
}

/// How often a board was polled for nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Wakeups {
    /// At this moment.
    at: Option<Instant>,
    still: u32,
    /// In this second.
    second: i64,
    idle: u32,
}

enum Node<'w> {
    Board(Box<BoardNode<'w>>, Wakeups),
    Peer(Box<PeerNode<'w>>, FaultHistory),
    Adversary(Adversary),
    Server(Server),
}

/// How far a world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    /// Every machine closes its sockets, until then at the latest.
    Closing(Instant),
}

/// A world; see the module.
pub(super) struct World<'w, 'o> {
    pub(super) switch: Switch<'o>,
    nodes: Vec<Node<'w>>,
    deadlines: Vec<Option<Instant>>,
    memory: BootMemory<'w>,
    events: std::collections::VecDeque<TimedEvent>,
    boards: usize,
    /// The last of the nodes.
    servers: usize,
    heal: Instant,
    /// When everything has to be done.
    end: Instant,
    healed: bool,
    look: Instant,
    stage: Stage,
    /// MAC addresses that no machine has any more, and since when.
    retired: Vec<(EthernetAddress, Instant)>,
    pub(super) polls: u64,
    pub(super) violation: Option<Violation>,
}

impl<'w, 'o> World<'w, 'o> {
    pub(super) fn new(
        plan: &WorldPlan,
        memory: BootMemory<'w>,
        observer: Option<&'o mut Observer<'o>>,
    ) -> Self {
        let transfer = Goodput::of(plan);
        let ports = plan.cables().map(|cable| Port::new(cable.seed, cable.delay));
        let mut world = Self {
            switch: Switch::new(ports.collect(), observer, transfer),
            nodes: Vec::new(),
            deadlines: vec![Some(Instant::ZERO); plan.nodes()],
            memory,
            events: plan.events.iter().copied().collect(),
            boards: plan.boards.len(),
            servers: plan.servers.len(),
            end: plan.heal + plan.settle(),
            heal: plan.heal,
            healed: false,
            look: plan.heal,
            stage: Stage::Running,
            retired: Vec::new(),
            polls: 0,
            violation: None,
        };
        world.spawn_nodes(plan);
        world
    }

    /// Boots every machine of the plan.
    fn spawn_nodes(&mut self, plan: &WorldPlan) {
        let configs: Vec<NetConfig> = [1, 11, 12, 13]
            .into_iter()
            .zip(&plan.boards)
            .map(|(number, board)| {
                let config = net_config(number, 0);
                let made = Ipv6Cidr::new(slaac_address(config.mac()), 64);
                if board.asks { config.with_ipv6(made) } else { config }
            })
            .collect();
        let collector = net_config(2, 0).ipv4_address();
        for (number, (&board, &config)) in plan.boards.iter().zip(&configs).enumerate() {
            let mut board = BoardNode::new(board, number, config, collector);
            let end = self.switch.ports[number].wire.end(Side::Board);
            let end = &mut Nic::new(end, board.nic());
            board.boot(Instant::ZERO, &mut self.memory, end);
            self.nodes.push(Node::Board(Box::new(board), Wakeups::default()));
        }
        for (number, &peer) in plan.peers.iter().enumerate() {
            let node = self.nodes.len();
            let config = net_config(2 + number as u8, 0);
            let jobs = plan.jobs.iter().copied().filter(|job| job.peer == number);
            let end = self.switch.ports[node].wire.end(Side::Board);
            let end = &mut Nic::new(end, peer.nic);
            let peer = PeerNode::new(peer, config, jobs, number == 0, &mut self.memory, end);
            let history = FaultHistory::new(node, configs.clone(), plan.nodes());
            self.nodes.push(Node::Peer(Box::new(peer), history));
        }
        for (number, adversary) in plan.adversaries.iter().enumerate() {
            let config = net_config(66 + number as u8, 0);
            let adversary = Adversary::new(config, configs.clone(), adversary.entropy);
            self.nodes.push(Node::Adversary(adversary));
        }
        let asking = configs.iter().zip(&plan.boards).filter(|(_, board)| board.asks);
        let asking: Vec<NetConfig> = asking.map(|(&config, _)| config).collect();
        for (number, server) in plan.servers.iter().enumerate() {
            let config = net_config(201 + number as u8, 0);
            self.nodes.push(Node::Server(Server::new(config, asking.clone(), server.cable.seed)));
        }
    }

    /// All that happens at `now`.
    pub(super) fn step(&mut self, now: Instant) -> Step {
        if !self.healed && now >= self.heal {
            self.heal(now);
        }
        while let Some(&TimedEvent { at, event }) = self.events.front()
            && at <= now
        {
            self.events.pop_front();
            self.happen(now, event);
        }
        self.switch.pump(now);
        for index in 0..self.nodes.len() {
            let arrival = self.switch.ports[index].wire.next_arrival(Side::Board);
            let Some(due) = earliest(arrival, self.deadlines[index]) else {
                continue;
            };
            if due < now {
                let text = format!("node {index} was to be polled at {due}, but slept");
                self.violation = Some(violation("wake-up lost", text));
                return Step::Done;
            }
            if due == now {
                self.poll(index, now, arrival.is_some());
                if self.violation.is_some() {
                    return Step::Done;
                }
            }
        }
        if self.healed && now >= self.look {
            self.look = now + LOOK;
            if self.is_over(now) {
                return Step::Done;
            }
        }
        let waiting =
            self.switch.ports.iter().any(|port| port.wire.next_arrival(Side::Board).is_some());
        if waiting {
            return Step::Next(Some(now));
        }
        let mut next = self.switch.next_arrival();
        next = earliest(next, self.events.front().map(|timed| timed.at));
        next = earliest(next, Some(if self.healed { self.look } else { self.heal }));
        for &deadline in &self.deadlines {
            next = earliest(next, deadline);
        }
        Step::Next(next.map(|next| next.max(now)))
    }

    fn poll(&mut self, index: usize, now: Instant, arrived: bool) {
        self.polls += 1;
        if !self.retired.is_empty() {
            self.note_late(index, now);
        }
        let wire = &mut self.switch.ports[index].wire;
        let polled = match &mut self.nodes[index] {
            Node::Board(board, _) => {
                let nic = board.nic();
                if let Some(firmware) = &mut board.firmware {
                    Ok(firmware.poll(now, &mut Nic::new(wire.end(Side::Board), nic)))
                } else {
                    wire.in_flight(Side::Board).clear();
                    Ok(None)
                }
            }
            Node::Adversary(adversary) => {
                let polled = adversary.poll(now, &mut wire.end(Side::Board));
                polled.map_err(|text| violation("answer", text))
            }
            Node::Server(server) => Ok(Some(server.poll(now, &mut wire.end(Side::Board)))),
            Node::Peer(..) => self.poll_peer(index, now),
        };
        let next = match polled {
            Ok(next) => next,
            Err(violation) => {
                self.violation = Some(violation);
                return;
            }
        };
        self.deadlines[index] = next;
        if next.is_some_and(|next| next < now) {
            let text = format!("node {index} asks at {now} to be polled at {next:?}");
            self.violation = Some(violation("deadline", text));
            return;
        }
        if !self.retired.is_empty() {
            self.check_neighbors(index);
        }
        self.check_addresses(index, now);
        if self.violation.is_some() {
            return;
        }
        let sent = self.switch.collect(index, now);
        if self.polls.is_multiple_of(ASK_AGAIN) {
            self.check_content(index, now);
        }
        if self.violation.is_some() {
            return;
        }
        self.check_board(index, now, arrived || sent > 0);
    }

    fn poll_peer(&mut self, index: usize, now: Instant) -> Result<Option<Instant>, Violation> {
        let (boards, others) = self.nodes.split_at_mut(self.boards);
        let booted = |board: usize, boot: usize| match boards.get(board)? {
            Node::Board(board, _) => board.booted.get(boot).copied(),
            _ => None,
        };
        let Node::Peer(peer, history) = &mut others[index - self.boards] else {
            return Ok(None);
        };
        let end = self.switch.ports[index].wire.end(Side::Board);
        let polled = peer.poll(now, &mut Nic::new(end, peer.nic()), history, &booted);
        let polled = polled.map_err(|text| violation("stream", text))?;
        let transfer = self.switch.transfer.as_mut().filter(|transfer| transfer.peer == index);
        let late = transfer.and_then(|transfer| transfer.check(now, &peer.clients));
        late.map_or(Ok(polled), |text| Err(violation("goodput", text)))
    }

    /// Every machine's sockets and counters.
    pub(super) fn netstat(&self) -> String {
        use std::fmt::Write;

        let mut text = String::new();
        for (index, node) in self.nodes.iter().enumerate() {
            match node {
                Node::Board(board, _) => match &board.firmware {
                    Some(firmware) => {
                        let name = format!("board {index}, {}", board.config.ipv4_address());
                        text += &netstat(&name, firmware.stack());
                    }
                    None => {
                        let _ = writeln!(text, "-- board {index} is off");
                    }
                },
                Node::Peer(peer, _) => {
                    let name = format!("peer {index}, {}", peer.config.ipv4_address());
                    text += &peer.stack.netstat(&name);
                }
                Node::Adversary(_) | Node::Server(_) => {}
            }
        }
        text
    }
}
