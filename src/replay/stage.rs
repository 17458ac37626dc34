//! The replay itself: one board, the peers of its conversations, and virtual time.
//!
//! The board is polled when a frame arrives and at its deadlines. Its questions for addresses are answered at once by
//! whoever is asked for, and its boot is [`BEGIN_US`] over when the capture's first frame is due. Nothing in it waits for
//! ever: each conversation waits in vain once at most, and the whole replay has a limit.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;
use tapboard_firmware::PEER_NET;

use super::actor::{Actor, Plan};
use super::conversation::{Conversation, Ends, Protocol, of_error};
use super::packet::{ICMPV6, Packet, SYN, TCP, UDP};
use super::recording::{Arp, Body, Frame};
use super::reframe::{self, Route};
use crate::capture::{Direction, LinkType, Record};
use crate::clock::VirtualClock;
use crate::link::Side;
use crate::nic::wire::{End, InFlight, Wire};

/// Microseconds from the board's boot to the capture's first frame: until then it has announced its addresses.
pub(super) const BEGIN_US: i64 = 5_000_000;
/// How long the board is listened to after the end of the capture, microseconds.
pub(super) const TAIL_US: i64 = 1_000_000;
/// How much longer than the capture the replay may be, microseconds.
const LONGER_US: i64 = 1_000_000_000;
/// Polls without time passing after which a board never has enough.
const POLLS_MAX: u32 = 100_000;

/// A board in a replay: the firmware, or whatever is to be compared with a capture.
pub trait Subject {
    /// Takes what has arrived at `nic`, does what is due, and returns when it wants to be polled again though nothing
    /// arrives.
    fn poll(&mut self, now: Instant, nic: &mut End<'_>) -> Option<Instant>;

    /// Whether it has pulled its reset line, so that its power is to be cycled.
    fn reset_requested(&self) -> bool {
        false
    }
}

/// How a boot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootEnd {
    /// The board has reset itself and is to be booted once more.
    Reset,
    /// The replay is over.
    Over,
}

/// Sees each frame of a replay.
pub(super) type Watcher<'w> = dyn FnMut(Instant, Direction, &[u8]) + 'w;

/// Where the replay takes place.
#[expect(missing_debug_implementations, reason = "a watcher has none")]
pub struct Stage<'c> {
    pub(super) actors: Vec<Actor<'c>>,
    routes: Vec<Route>,
    /// Who begins when that one has ended.
    followers: Vec<Vec<usize>>,
    /// When each actor has something to do next.
    agenda: BTreeSet<(i64, usize)>,
    due: Vec<Option<i64>>,
    /// Whose conversation a frame of the board is in.
    active: BTreeMap<Ends, usize>,
    /// The MAC addresses of who may be asked for.
    neighbors: BTreeMap<IpAddr, EthernetAddress>,
    board_mac: EthernetAddress,
    wire: Wire,
    clock: VirtualClock,
    end_us: i64,
    deadline: Option<Instant>,
    /// Frames of the board so far.
    frames: usize,
    /// What the board said to somebody without such a conversation.
    pub(super) unasked: BTreeMap<String, usize>,
    /// The board never has enough.
    pub(super) spins: bool,
    pub(super) resets: usize,
    watcher: Option<&'c mut Watcher<'c>>,
}

impl<'c> Stage<'c> {
    /// The peers of these conversations, on a capture of so many microseconds. `route` has the ends of each.
    pub(super) fn new(
        conversations: &'c [Conversation],
        end_us: i64,
        port: impl Fn(u16) -> u16,
        route: impl Fn(&Conversation) -> Route,
        watcher: Option<&'c mut Watcher<'c>>,
    ) -> Self {
        let actor = |conversation: &'c Conversation| {
            Actor::new(conversation, BEGIN_US, port(conversation.ends.board.port()))
        };
        let actors: Vec<_> = conversations.iter().map(actor).collect();
        let routes: Vec<_> = conversations.iter().map(route).collect();
        let neighbors = routes.iter().map(|route| (route.peer, route.peer_mac)).collect();
        let board_mac = routes.first().map_or(PEER_NET.mac(), |route| route.board_mac);
        let mut stage = Self {
            due: vec![None; actors.len()],
            followers: vec![Vec::new(); actors.len()],
            actors,
            routes,
            agenda: BTreeSet::new(),
            active: BTreeMap::new(),
            neighbors,
            board_mac,
            wire: Wire::default(),
            clock: VirtualClock::new(),
            end_us,
            deadline: None,
            frames: 0,
            unasked: BTreeMap::new(),
            spins: false,
            resets: 0,
            watcher,
        };
        stage.order(conversations);
        (0..stage.actors.len()).for_each(|actor| stage.plan(actor));
        stage
    }

    /// Finds out which conversation begins after which: the last that had ended by then. Those that the board begins, it
    /// begins when it likes.
    fn order(&mut self, conversations: &[Conversation]) {
        let by_peer = |one: &&(usize, &Conversation)| {
            let script = &one.1.script;
            !script.board_opens
                && script.why_not.is_none()
                && one.1.ends.protocol != Protocol::Address
        };
        let all: Vec<_> = conversations.iter().enumerate().collect();
        let mut ended: Vec<(i64, usize)> = all
            .iter()
            .filter(by_peer)
            .filter_map(|(index, one)| Some((one.script.steps.last()?.arrives_us, *index)))
            .collect();
        ended.sort_unstable();
        for (index, one) in all {
            let first = one.script.steps.first().map_or(0, |step| step.arrives_us);
            let before = ended.partition_point(|(at, _)| *at < first);
            match before.checked_sub(1).filter(|_| by_peer(&&(index, one))) {
                Some(last) => self.followers[ended[last].1].push(index),
                None => self.actors[index].start_us = Some(BEGIN_US),
            }
        }
    }

    fn now_us(&self) -> i64 {
        self.clock.now().total_micros()
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The NIC of a board that boots.
    pub fn nic(&mut self) -> End<'_> {
        self.wire.end(Side::Board)
    }

    /// Runs a board that has just booted until the replay is over, or it resets itself.
    pub fn play(&mut self, board: &mut dyn Subject) -> BootEnd {
        self.poll(board);
        loop {
            if board.reset_requested() {
                self.resets += 1;
                return BootEnd::Reset;
            }
            let next = self.agenda.first().map(|(at, _)| *at);
            let deadline = self.deadline.map(|at| at.total_micros());
            let over = if next.is_some() { self.limit() } else { self.over() };
            let at = [next, deadline].into_iter().flatten().min().unwrap_or(over);
            if self.spins || at >= over {
                return BootEnd::Over;
            }
            self.clock.advance_to(Instant::from_micros(at.max(self.now_us())));
            // What arrives at one moment is there in one poll.
            while let Some((due, actor)) = self.agenda.first().copied()
                && due <= self.now_us()
            {
                self.act(actor);
            }
            self.poll(board);
        }
    }

    /// When the replay has to be over in any case.
    const fn limit(&self) -> i64 {
        BEGIN_US + self.end_us.saturating_mul(2) + LONGER_US
    }

    /// When it is over once nobody has anything more to say.
    fn over(&self) -> i64 {
        let lag = self.actors.iter().map(Actor::lag_us).max().unwrap_or(0).max(0);
        (BEGIN_US + self.end_us + lag + TAIL_US).min(self.limit())
    }

    /// Looks up when an actor is to act next.
    fn plan(&mut self, actor: usize) {
        let due = match self.actors[actor].plan() {
            Plan::Send(at) | Plan::Acknowledge(at) | Plan::GiveUp(at) => Some(at),
            Plan::Over => None,
        };
        if let Some(before) = std::mem::replace(&mut self.due[actor], due) {
            self.agenda.remove(&(before, actor));
        }
        if let Some(due) = due {
            self.agenda.insert((due, actor));
        } else if self.actors[actor].is_done() {
            let lag_us = self.actors[actor].lag_us();
            for follower in std::mem::take(&mut self.followers[actor]) {
                self.actors[follower].start_us = Some(BEGIN_US + lag_us);
                self.plan(follower);
            }
        }
    }

    fn act(&mut self, index: usize) {
        let now_us = self.now_us();
        match self.actors[index].plan() {
            Plan::Send(at) if at <= now_us => self.send(index),
            Plan::Acknowledge(at) if at <= now_us => {
                if let Some(packet) = self.actors[index].acknowledge(now_us) {
                    let frame =
                        reframe::addressed(&self.actors[index], packet, &self.routes[index]);
                    self.put(frame);
                }
            }
            Plan::GiveUp(at) if at <= now_us => self.actors[index].give_up(),
            _ => {}
        }
        self.plan(index);
    }

    fn send(&mut self, index: usize) {
        let step = self.actors[index].sent.len();
        let frames = reframe::frames(&self.actors[index], step, &self.routes[index]);
        self.actors[index].overrun(step);
        let now_us = self.now_us();
        self.actors[index].send(now_us);
        if !self.actors[index].conversation.script.board_opens {
            let ends = self.ends(index);
            self.active.insert(ends, index);
        }
        for frame in frames {
            self.put(frame);
        }
    }

    /// Lays a frame on the board's wire.
    fn put(&mut self, frame: Vec<u8>) {
        let at = self.clock.now();
        if let Some(watcher) = &mut self.watcher {
            watcher(at, Direction::ToBoard, &frame);
        }
        self.wire.in_flight(Side::Board).push_back(InFlight { at, frame });
    }

    /// The ends of a conversation in the replay.
    fn ends(&self, index: usize) -> Ends {
        let (actor, route) = (&self.actors[index], &self.routes[index]);
        let Ends { protocol, peer, .. } = actor.conversation.ends;
        Ends {
            protocol,
            peer: SocketAddr::new(route.peer, peer.port()),
            board: SocketAddr::new(route.board, actor.port),
        }
    }

    /// Polls the board until it has no more to do at this moment.
    fn poll(&mut self, board: &mut dyn Subject) {
        let now = self.clock.now();
        for _ in 0..POLLS_MAX {
            self.deadline = board.poll(now, &mut self.wire.end(Side::Board));
            self.listen();
            let waiting = self.wire.next_arrival(Side::Board).is_some();
            let more = waiting || self.deadline.is_some_and(|deadline| deadline <= now);
            if !more || board.reset_requested() {
                return;
            }
        }
        self.spins = true;
    }

    /// Hears what the board has sent.
    fn listen(&mut self) {
        let frames: Vec<_> = self.wire.in_flight(Side::Peer).drain(..).collect();
        for InFlight { frame, .. } in frames {
            if let Some(watcher) = &mut self.watcher {
                watcher(self.clock.now(), Direction::ToPeer, &frame);
            }
            self.frames += 1;
            let original_len = frame.len();
            let record = Record {
                at: None,
                direction: None,
                link: LinkType::ETHERNET,
                frame,
                original_len,
                notes: String::new(),
                ours: false,
            };
            let Ok(frame) = Frame::of(self.frames, 0, &record) else { continue };
            if let Some(answer) = self.answer(&frame) {
                let at = self.clock.now();
                if let Some(watcher) = &mut self.watcher {
                    watcher(at, Direction::ToBoard, &answer);
                }
                self.wire.in_flight(Side::Board).push_back(InFlight { at, frame: answer });
                continue;
            }
            self.heard(&frame);
        }
    }

    fn heard(&mut self, frame: &Frame) {
        if frame.damaged {
            // Nobody takes it.
            *self.unasked.entry("with a wrong checksum".into()).or_default() += 1;
            return;
        }
        let Some(ends) = ends_of(&frame.body) else { return };
        let known = self.active.get(&ends).copied();
        let index = known.or_else(|| self.opened(ends, &frame.body));
        let Some(index) = index else {
            if !ends.peer.ip().is_multicast() {
                let to = format!("{} to {}", ends.protocol, ends.peer);
                *self.unasked.entry(to).or_default() += 1;
            }
            return;
        };
        let now_us = self.now_us();
        self.actors[index].hear(now_us, frame.number, &frame.body);
        self.plan(index);
    }

    /// The conversation that a SYN of the board begins.
    fn opened(&mut self, ends: Ends, body: &Body) -> Option<usize> {
        let Body::Ip(packet) = body else { return None };
        packet.tcp().filter(|tcp| tcp.opens() && tcp.has(SYN))?;
        let index = (0..self.actors.len()).find(|&index| {
            let actor = &self.actors[index];
            let same = actor.conversation.ends.peer.port() == ends.peer.port()
                && self.routes[index].peer == ends.peer.ip();
            actor.conversation.script.board_opens && actor.isn.is_none() && same
        })?;
        self.actors[index].port = ends.board.port();
        self.active.insert(ends, index);
        Some(index)
    }

    /// What whoever is asked for answers at once.
    fn answer(&self, frame: &Frame) -> Option<Vec<u8>> {
        let mac_of =
            |address: IpAddr| self.neighbors.get(&address).copied().unwrap_or(PEER_NET.mac());
        match &frame.body {
            Body::Arp(arp)
                if arp.request && arp.sender != arp.target && !arp.sender.is_unspecified() =>
            {
                let mac = mac_of(arp.target.into());
                let answer = Arp { request: false, mac, sender: arp.target, target: arp.sender };
                Some(answer.frame(self.board_mac))
            }
            Body::Ip(packet)
                if packet.protocol == ICMPV6 && packet.payload.first() == Some(&135) =>
            {
                let target: [u8; 16] = packet.payload.get(8..24)?.try_into().ok()?;
                let target = Ipv6Addr::from(target);
                // Whether an address is free is not for them to say.
                (!packet.from.is_unspecified())
                    .then(|| advertisement(target, packet, mac_of(target.into()), self.board_mac))
            }
            _ => None,
        }
    }
}

/// A neighbour advertisement (RFC 4861 4.4) that answers a solicitation.
fn advertisement(
    target: Ipv6Addr,
    asked: &Packet,
    mac: EthernetAddress,
    to: EthernetAddress,
) -> Vec<u8> {
    let mut header = vec![0; 40];
    header[0] = 0x60;
    header[7] = 255;
    let payload = [&[136, 0, 0, 0, 0x60, 0, 0, 0][..], &target.octets(), &[2, 1], &mac.0].concat();
    let answer = Packet { header, from: target.into(), to: asked.from, protocol: ICMPV6, payload };
    answer.frame(mac, to, false)
}

/// Whose conversation a frame of the board is in.
fn ends_of(body: &Body) -> Option<Ends> {
    let ends = |protocol, peer: (IpAddr, u16), board: (IpAddr, u16)| {
        Some(Ends { protocol, peer: peer.into(), board: board.into() })
    };
    match body {
        Body::Arp(arp) if arp.request => None,
        Body::Arp(arp) => ends(Protocol::Address, (arp.target.into(), 0), (arp.sender.into(), 0)),
        Body::Ip(packet) => {
            if let Some(quoted) = packet.quoted() {
                return of_error(Side::Board, &quoted).ok();
            }
            if packet.protocol == ICMPV6 && packet.payload.first() == Some(&136) {
                return ends(Protocol::Address, (packet.to, 0), (packet.from, 0));
            }
            let protocol = match packet.protocol {
                TCP => Protocol::Tcp,
                UDP => Protocol::Udp,
                _ if packet.is_ping() => Protocol::Ping,
                _ => return None,
            };
            let (source, destination) = packet.ports()?;
            ends(protocol, (packet.to, destination), (packet.from, source))
        }
    }
}
