//! A world in virtual time: the switch, the machines, what befalls them, and what must hold.
//!
//! A step does what is due at one moment: events of the plan, frames that arrive, machines that have a
//! frame or a deadline. What must hold at every step is checked at once; what must hold in the end,
//! once a virtual second after the last fault. Everything is in vectors and in fixed order, so that the
//! plan and the seed decide every byte.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::EthernetAddress;
use tapboard_firmware::NetConfig;
use tapboard_firmware::config::TCP_SLOTS;
use tapboard_firmware::rng::Rng;

use super::arena::PEER_SLOTS;
use super::calm::Calm;
use super::intruder::Intruder;
use super::node::{BoardNode, PeerNode, Stock, earliest, net_config, netstat};
use super::plan::{Event, Plan, SETTLE};
use super::switch::{Observer, Port, Switch};
use crate::nic::wire::Side;
use crate::world::Step;

/// How often the end is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// How long a board that reset itself is off.
const REBOOT: Duration = Duration::from_millis(50);
/// How old the last line of telemetry may be at the end: one a second, and a lost one's retransmission.
const FRESH: Duration = Duration::from_secs(4);
/// How long closing takes at most: an orphan and its TIME-WAIT.
const CLOSING: Duration = Duration::from_secs(60);
/// Polls of one board at one moment without any frame.
const STILL: u32 = 16;
/// Wake-ups of one board within a second of which nothing comes and for which nothing came.
const IDLE_WAKEUPS: u32 = 100;

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
    Board(BoardNode<'w>, Wakeups),
    Peer(PeerNode<'w>, Calm),
    Intruder(Intruder),
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
    stock: Stock<'w>,
    events: std::collections::VecDeque<(Instant, Event)>,
    entropy: Rng,
    boards: usize,
    heal: Instant,
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
        plan: &Plan,
        stock: Stock<'w>,
        observer: Option<&'o mut Observer<'o>>,
    ) -> Self {
        let mut entropy = Rng::new(!plan.seed);
        let ports = plan.delays.iter().map(|&delay| Port::new(entropy.next_u64(), delay));
        let mut world = Self {
            switch: Switch::new(ports.collect(), observer),
            nodes: Vec::new(),
            deadlines: vec![Some(Instant::ZERO); plan.nodes()],
            stock,
            events: plan.events.iter().copied().collect(),
            entropy,
            boards: plan.boards.len(),
            heal: plan.heal,
            healed: false,
            look: plan.heal,
            stage: Stage::Running,
            retired: Vec::new(),
            polls: 0,
            violation: None,
        };
        world.people(plan);
        world
    }

    /// Boots every machine of the plan.
    fn people(&mut self, plan: &Plan) {
        let configs: Vec<NetConfig> = [1, 11, 12, 13]
            .into_iter()
            .take(plan.boards.len())
            .map(|number| net_config(number, 0))
            .collect();
        let collector = net_config(2, 0).ipv4.address();
        for (number, (&board, &config)) in plan.boards.iter().zip(&configs).enumerate() {
            let mut board = BoardNode::new(board, number, config, collector);
            let entropy = self.entropy.next_u64();
            let end = &mut self.switch.ports[number].wire.end(Side::Board);
            board.boot(Instant::ZERO, &mut self.stock, end, entropy);
            self.nodes.push(Node::Board(board, Wakeups::default()));
        }
        for (number, jobs) in plan.peers.iter().enumerate() {
            let node = self.nodes.len();
            let config = net_config(2 + number as u8, 0);
            let entropy = self.entropy.next_u64();
            let end = &mut self.switch.ports[node].wire.end(Side::Board);
            let (first, now) = (number == 0, Instant::ZERO);
            let peer = PeerNode::new(config, jobs, first, now, &mut self.stock, end, entropy);
            self.nodes.push(Node::Peer(peer, Calm::new(node, configs.clone(), plan.nodes())));
        }
        for number in 0..plan.intruders {
            let config = net_config(66 + number as u8, 0);
            let seed = self.entropy.next_u64();
            let intruder = Intruder::new(config, configs.clone(), seed);
            self.nodes.push(Node::Intruder(intruder));
        }
    }

    /// All that happens at `now`.
    pub(super) fn step(&mut self, now: Instant) -> Step {
        while let Some(&(at, event)) = self.events.front()
            && at <= now
        {
            self.events.pop_front();
            self.happen(now, event);
        }
        self.switch.pump(now);
        for index in 0..self.nodes.len() {
            let arrived = self.switch.ports[index].wire.next_arrival(Side::Board).is_some();
            if arrived || self.deadlines[index].is_some_and(|deadline| deadline <= now) {
                self.poll(index, now, arrived);
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
        next = earliest(next, self.events.front().map(|&(at, _)| at));
        next = earliest(next, self.healed.then_some(self.look));
        for &deadline in &self.deadlines {
            next = earliest(next, deadline);
        }
        Step::Next(next.map(|next| next.max(now)))
    }

    fn poll(&mut self, index: usize, now: Instant, arrived: bool) {
        self.polls += 1;
        let wire = &mut self.switch.ports[index].wire;
        let polled = match &mut self.nodes[index] {
            Node::Board(board, _) => match &mut board.firmware {
                Some(firmware) => Ok(firmware.poll(now, &mut wire.end(Side::Board))),
                None => {
                    wire.in_flight(Side::Board).clear();
                    Ok(None)
                }
            },
            Node::Intruder(intruder) => {
                let polled = intruder.poll(now, &mut wire.end(Side::Board));
                polled.map_err(|text| violation("answer", text))
            }
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
        if self.violation.is_some() {
            return;
        }
        let sent = self.switch.collect(index, now);
        self.check_board(index, now, arrived || sent > 0);
    }

    fn poll_peer(&mut self, index: usize, now: Instant) -> Result<Option<Instant>, Violation> {
        let (boards, others) = self.nodes.split_at_mut(self.boards);
        let booted = |board: usize, boot: usize| match boards.get(board)? {
            Node::Board(board, _) => board.booted.get(boot).copied(),
            _ => None,
        };
        let Node::Peer(peer, calm) = &mut others[index - self.boards] else {
            return Ok(None);
        };
        let mut end = self.switch.ports[index].wire.end(Side::Board);
        let polled = peer.poll(now, &mut end, calm, &booted);
        polled.map_err(|text| violation("stream", text))
    }

    /// What must hold whenever a board was polled.
    fn check_board(&mut self, index: usize, now: Instant, worked: bool) {
        let next = self.deadlines[index];
        let (boards, peers) = self.nodes.split_at_mut(self.boards);
        let Some(Node::Board(board, wakeups)) = boards.get_mut(index) else {
            return;
        };
        if worked {
            wakeups.still = 0;
        } else {
            wakeups.still = if wakeups.at == Some(now) { wakeups.still + 1 } else { 0 };
            if wakeups.second != now.secs() {
                (wakeups.second, wakeups.idle) = (now.secs(), 0);
            }
            wakeups.idle += 1;
        }
        wakeups.at = Some(now);
        let found = if wakeups.still > STILL {
            Some(violation("spin", format!("board {index} is never content")))
        } else if wakeups.idle > IDLE_WAKEUPS {
            Some(violation("wake-ups", format!("board {index} wakes up for nothing; {next:?}")))
        } else {
            None
        };
        if let Some(firmware) = &board.firmware {
            let counters = firmware.stack().counters();
            let (stalls, given_up) =
                (counters.stalls, counters.evicted + counters.handshakes_expired);
            for peer in &mut peers[..] {
                if let Node::Peer(_, calm) = peer {
                    calm.gave_up(index, now, given_up);
                }
            }
            if stalls > 0 {
                let text = format!("board {index}: smoltcp asked for {stalls} polls in vain");
                self.violation = Some(violation("stalls", text));
                return;
            }
        }
        if found.is_some() {
            self.violation = found;
            return;
        }
        if board.reset_requested() {
            let at = now + REBOOT;
            let place = self.events.partition_point(|&(other, _)| other <= at);
            self.events.insert(place, (at, Event::PowerOn { board: index }));
            self.happen(now, Event::PowerOff { board: index });
        }
    }

    /// A board whose cable was put in again does not send to a machine that was taken away before.
    fn check_neighbors(&mut self, index: usize) {
        let Node::Board(board, _) = &self.nodes[index] else {
            return;
        };
        for sent in self.switch.ports[index].wire.in_flight(Side::Peer).iter() {
            let stale = self
                .retired
                .iter()
                .any(|(mac, at)| sent.frame.starts_with(&mac.0) && *at <= board.plugged);
            if stale {
                let text = format!(
                    "board {index}, plugged in at {}, sends to a NIC that was taken out before",
                    board.plugged
                );
                self.violation = Some(violation("neighbour", text));
                return;
            }
        }
    }

    fn trouble(&mut self, node: usize, now: Option<Instant>) {
        for peer in &mut self.nodes {
            if let Node::Peer(_, calm) = peer {
                match now {
                    None => calm.begin(node),
                    Some(now) => calm.end(node, now),
                }
            }
        }
    }

    fn happen(&mut self, now: Instant, event: Event) {
        match event {
            Event::Fault { node, to, setting } => {
                self.trouble(node, None);
                self.switch.ports[node].link.set(to, setting);
            }
            Event::Calm { node } => {
                self.switch.ports[node].heal();
                self.settle(node, now);
            }
            Event::Unplug { node } => {
                self.trouble(node, None);
                self.switch.ports[node].link.plug(false);
            }
            Event::Plug { node } => self.plug(node, now),
            Event::PowerOff { board } => self.power_off(board),
            Event::PowerOn { board } => self.power_on(board, now),
            Event::Swap { peer } => self.swap(self.boards + peer, now),
            Event::Campaign { intruder, campaign } => {
                let index = self.nodes.len() - 1 - intruder;
                if let Node::Intruder(intruder) = &mut self.nodes[index] {
                    intruder.begin(campaign, now);
                    self.deadlines[index] = Some(now);
                }
            }
            Event::Heal => self.heal(now),
        }
    }

    /// Notes the end of a node's trouble, unless its cable is out or its faults go on.
    fn settle(&mut self, node: usize, now: Instant) {
        let on = match &self.nodes[node] {
            Node::Board(board, _) => board.firmware.is_some(),
            Node::Peer(..) | Node::Intruder(_) => true,
        };
        if on && self.switch.ports[node].healthy() {
            self.trouble(node, Some(now));
        }
    }

    fn plug(&mut self, node: usize, now: Instant) {
        if self.switch.ports[node].link.plugged() {
            return;
        }
        self.switch.ports[node].link.plug(true);
        match &mut self.nodes[node] {
            Node::Board(board, _) => {
                board.plugged = now;
                if let Some(firmware) = &mut board.firmware {
                    firmware.link_up();
                }
            }
            Node::Peer(peer, _) => peer.stack.link_up(),
            Node::Intruder(_) => {}
        }
        self.deadlines[node] = Some(now);
        self.settle(node, now);
    }

    fn power_off(&mut self, index: usize) {
        self.trouble(index, None);
        self.switch.ports[index].deafen();
        self.deadlines[index] = None;
        if let Node::Board(board, _) = &mut self.nodes[index] {
            board.firmware = None;
        }
    }

    fn power_on(&mut self, index: usize, now: Instant) {
        let entropy = self.entropy.next_u64();
        if let Node::Board(board, wakeups) = &mut self.nodes[index]
            && board.firmware.is_none()
        {
            let wire = &mut self.switch.ports[index].wire;
            wire.in_flight(Side::Board).clear();
            board.boot(now, &mut self.stock, &mut wire.end(Side::Board), entropy);
            board.plugged = now;
            *wakeups = Wakeups::default();
            self.deadlines[index] = Some(now);
            self.settle(index, now);
        }
    }

    fn swap(&mut self, index: usize, now: Instant) {
        let entropy = self.entropy.next_u64();
        self.trouble(index, None);
        let port = &mut self.switch.ports[index];
        let plugged = port.link.plugged();
        // What is under way to and from the old machine goes with it.
        port.link.plug(false);
        port.link.plug(plugged);
        port.deafen();
        if let Node::Peer(peer, _) = &mut self.nodes[index] {
            self.retired.push((peer.config.mac, now));
            let number = peer.config.mac.0[5];
            let config = net_config(number, self.retired.len() as u8);
            let end = &mut port.wire.end(Side::Board);
            peer.swap(config, now, &mut self.stock, end, entropy);
        }
        self.deadlines[index] = Some(now);
        self.settle(index, now);
    }

    /// From now on everything is well.
    fn heal(&mut self, now: Instant) {
        self.healed = true;
        self.events.clear();
        for node in 0..self.nodes.len() {
            self.switch.ports[node].heal();
            if node < self.boards {
                self.power_on(node, now);
            }
            self.plug(node, now);
            self.settle(node, now);
            if let Node::Intruder(intruder) = &mut self.nodes[node] {
                intruder.stop();
            }
        }
    }

    /// Whether the world has come to its end, or to a violation.
    fn is_over(&mut self, now: Instant) -> bool {
        match (self.stage, self.unfinished(now)) {
            (Stage::Running, None) => {
                self.close(now);
                false
            }
            (Stage::Running, Some(text)) if now > self.heal + SETTLE => {
                let text = format!("{SETTLE} after the last fault: {text}");
                self.violation = Some(violation("completion", text));
                true
            }
            (Stage::Closing(_), None) => true,
            (Stage::Closing(until), Some(text)) if now > until => {
                self.violation = Some(violation("leak", text));
                true
            }
            _ => false,
        }
    }

    /// What is still to be done, if anything.
    fn unfinished(&self, now: Instant) -> Option<String> {
        let closing = self.stage != Stage::Running;
        let mut telemetry = 0;
        for (index, node) in self.nodes.iter().enumerate().take(self.boards) {
            let Node::Board(board, _) = node else {
                continue;
            };
            let Some(firmware) = &board.firmware else {
                return Some(format!("board {index} is off"));
            };
            let open = usize::from(board.telemetry() && !closing);
            telemetry += open;
            let free = firmware.stack().free_slots();
            if free + open != TCP_SLOTS {
                return Some(format!("board {index} has {free} free slots of {TCP_SLOTS}"));
            }
        }
        for (index, node) in self.nodes.iter().enumerate().skip(self.boards) {
            let Node::Peer(peer, _) = node else {
                continue;
            };
            if let Some(client) = peer.clients.iter().find(|client| !client.done()) {
                return Some(format!("peer {index}: {}", client.describe()));
            }
            let mut open = 0;
            if let Some(collector) = &peer.collector
                && !closing
            {
                open = telemetry;
                if collector.open() != open {
                    return Some(format!("{} telemetry connections", collector.open()));
                }
                if let Some(text) = self.stale(&collector.last, now) {
                    return Some(text);
                }
            }
            let free = peer.stack.free_slots();
            if free + open != PEER_SLOTS {
                return Some(format!("peer {index} has {free} free slots of {PEER_SLOTS}"));
            }
        }
        None
    }

    /// Which board's telemetry is old, if any.
    fn stale(&self, last: &[(usize, Instant)], now: Instant) -> Option<String> {
        let old = |index: usize| {
            let last = last.iter().find(|(board, _)| *board == index).map(|&(_, at)| at);
            last.is_none_or(|at| at + FRESH < now)
        };
        let boards = self.nodes.iter().enumerate();
        let mut sending =
            boards.filter(|(_, node)| matches!(node, Node::Board(board, _) if board.telemetry()));
        let (index, _) = sending.find(|&(index, _)| old(index))?;
        Some(format!("board {index} sends no telemetry"))
    }

    /// Lets every machine close its sockets.
    fn close(&mut self, now: Instant) {
        self.stage = Stage::Closing(now + CLOSING);
        for (node, deadline) in self.nodes.iter_mut().zip(&mut self.deadlines) {
            match node {
                Node::Board(board, _) => {
                    if let Some(firmware) = &mut board.firmware {
                        firmware.shutdown();
                    }
                }
                Node::Peer(peer, _) => {
                    if let Some(collector) = &mut peer.collector {
                        collector.shutdown(&mut peer.stack);
                    }
                }
                Node::Intruder(_) => {}
            }
            *deadline = Some(now);
        }
    }

    /// Every machine's sockets and counters.
    pub(super) fn netstat(&self) -> String {
        let mut text = String::new();
        for (index, node) in self.nodes.iter().enumerate() {
            match node {
                Node::Board(board, _) => match &board.firmware {
                    Some(firmware) => {
                        let name = format!("board {index}, {}", board.config.ipv4.address());
                        text += &netstat(&name, firmware.stack());
                    }
                    None => text += &format!("-- board {index} is off\n"),
                },
                Node::Peer(peer, _) => {
                    let name = format!("peer {index}, {}", peer.config.ipv4.address());
                    text += &netstat(&name, &peer.stack);
                }
                Node::Intruder(_) => {}
            }
        }
        text
    }
}
