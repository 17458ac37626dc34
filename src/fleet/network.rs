//! A fleet: machines, each with its own cable, on one switch, in whatever time the caller has.
//!
//! [`Network::turn`] takes what has come from outside, gives a turn to each machine that has a frame or whose time has
//! come, moves what they sent, and returns when the next is due. A machine with nothing to do costs nothing but its
//! memory: a heap has the deadlines, and nobody is asked who has not named one. **Cost.** A turn runs at most [`TURNS`]
//! machines and takes [`BURST`] frames from each side; what is left is due at once.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;

use smoltcp::phy::{Device, RxToken, TxToken};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::earliest;
use tapboard_firmware::netstat::Counters;

use super::machine::{Ask, Mailbox, Running};
use super::nic::Spare;
use super::switch::{Destination, Port, Switch};
use super::trunks::Trunks;
use crate::link::{Link, Side};

/// Machines that run in one turn of the network.
const TURNS: usize = 256;
/// Frames from the uplink in one turn.
const BURST: usize = 256;
/// Frames that wait for the uplink.
const OUTBOX: usize = 4096;

/// Switches a machine on: its number, and the mailbox that it is to use.
pub(super) type Boot = dyn FnMut(usize, Rc<Mailbox>) -> Running;

/// A machine's place: its cable and, while it has power, the machine.
struct Node {
    mailbox: Rc<Mailbox>,
    running: Option<Running>,
    link: Link,
    /// When its power comes.
    power_at: Option<Instant>,
    /// Its entry in the agenda that counts.
    due: Option<Instant>,
    /// It is among those that run next.
    ready: bool,
}

/// See the module's documentation.
pub(super) struct Network {
    nodes: Vec<Node>,
    boot: Box<Boot>,
    pub(super) switch: Switch,
    pub(super) trunks: Trunks,
    /// Whether the uplink leads anywhere.
    pub(super) uplink: bool,
    /// Deadlines, the earliest first. An entry that is not its node's `due` is of the past.
    agenda: BinaryHeap<Reverse<(Instant, usize)>>,
    ready: VecDeque<usize>,
    outbox: VecDeque<Vec<u8>>,
    spare: Spare,
    /// Machines that have pulled their reset lines.
    resets: Vec<usize>,
    /// Frames for the uplink that found no room.
    pub(super) dropped: u64,
}

impl Network {
    /// A network on which machines with these cables are; all are off.
    pub(super) fn new(links: impl IntoIterator<Item = Link>, boot: Box<Boot>) -> Self {
        let spare = Spare::default();
        let node = |link| Node {
            mailbox: Mailbox::new(Instant::ZERO, spare.clone()),
            running: None,
            link,
            power_at: None,
            due: None,
            ready: false,
        };
        Self {
            nodes: links.into_iter().map(node).collect(),
            boot,
            switch: Switch::default(),
            trunks: Trunks::default(),
            uplink: true,
            agenda: BinaryHeap::new(),
            ready: VecDeque::new(),
            outbox: VecDeque::new(),
            spare,
            resets: Vec::new(),
            dropped: 0,
        }
    }

    /// One turn; see the module's documentation. Returns when the next is due.
    pub(super) fn turn<D: Device>(&mut self, now: Instant, uplink: &mut D) -> Option<Instant> {
        let mut more = self.take_from_trunks(now);
        more |= self.take_from_uplink(now, uplink);
        while let Some(&Reverse((at, node))) = self.agenda.peek().filter(|next| next.0.0 <= now) {
            self.agenda.pop();
            if self.nodes[node].due == Some(at) {
                self.nodes[node].due = None;
                self.wake(node);
            }
        }
        for _ in 0..self.ready.len().min(TURNS) {
            let Some(node) = self.ready.pop_front() else { break };
            self.run(node, now);
        }
        more |= self.send_to_uplink(now, uplink);
        self.trunks.flush();
        if more || !self.ready.is_empty() || self.trunks.unread() {
            Some(now)
        } else {
            earliest(self.next_due(), self.trunks.retry_at())
        }
    }

    /// The earliest deadline.
    fn next_due(&mut self) -> Option<Instant> {
        while let Some(&Reverse((at, node))) = self.agenda.peek() {
            if self.nodes[node].due == Some(at) {
                return Some(at);
            }
            self.agenda.pop();
        }
        None
    }

    /// Returns whether there may be more.
    fn take_from_uplink<D: Device>(&mut self, now: Instant, uplink: &mut D) -> bool {
        for _ in 0..BURST {
            let Some((frame, _)) = uplink.receive(now) else { return false };
            frame.consume(|frame| self.forward(Port::Uplink, now, frame));
        }
        true
    }

    fn take_from_trunks(&mut self, now: Instant) -> bool {
        let mut trunks = std::mem::take(&mut self.trunks);
        for gone in trunks.look(now) {
            self.switch.forget(gone);
        }
        let mut left = BURST;
        // What goes back out meanwhile is for others than who sent it.
        let mut passed = Vec::new();
        while left > 0
            && let Some((trunk, frame)) = trunks.receive()
        {
            left -= 1;
            passed.push((trunk, self.spare.copy(frame)));
        }
        self.trunks = trunks;
        for (trunk, frame) in passed {
            self.forward(Port::Trunk(trunk), now, &frame);
            self.spare.give(frame);
        }
        left == 0
    }

    /// Returns whether there is more, and room for it soon: the uplink has taken some.
    fn send_to_uplink<D: Device>(&mut self, now: Instant, uplink: &mut D) -> bool {
        let mut taken = false;
        while let Some(frame) = self.outbox.pop_front() {
            let Some(token) = uplink.transmit(now) else {
                self.outbox.push_front(frame);
                if !taken {
                    // As on a cable that leads nowhere.
                    self.dropped += self.outbox.len() as u64;
                    self.outbox.drain(..).for_each(|frame| self.spare.give(frame));
                }
                return taken;
            };
            token.consume(frame.len(), |buffer| buffer.copy_from_slice(&frame));
            self.spare.give(frame);
            taken = true;
        }
        false
    }

    /// Runs a machine once, and moves what has arrived at either end of its cable.
    fn run(&mut self, index: usize, now: Instant) {
        let node = &mut self.nodes[index];
        node.ready = false;
        node.due = None;
        if node.power_at.is_some_and(|at| at <= now) {
            node.power_at = None;
            node.mailbox.now.set(now);
            node.running = Some((self.boot)(index, Rc::clone(&node.mailbox)));
        }
        while let Some(frame) = node.link.take(Side::Board, now) {
            if node.running.is_some() {
                node.mailbox.nic.borrow_mut().arrive(frame);
            }
        }
        while let Some(frame) = self.nodes[index].link.take(Side::Peer, now) {
            self.forward(Port::Machine(index), now, &frame);
            self.nodes[index].link.recycle(Side::Peer, frame);
        }
        let node = &mut self.nodes[index];
        let mut next = None;
        if let Some(running) = &node.running {
            node.mailbox.now.set(now);
            running.resume();
            if node.mailbox.reset.take() {
                self.resets.push(index);
            }
            let mailbox = Rc::clone(&node.mailbox);
            while let Some(frame) = { mailbox.nic.borrow_mut().sent() } {
                self.leave(index, now, frame);
            }
            next = mailbox.next.get();
            if mailbox.nic.borrow().unread() {
                next = Some(now);
            }
        }
        let node = &self.nodes[index];
        let link = &node.link;
        let arrival = earliest(link.next_arrival(Side::Board), link.next_arrival(Side::Peer));
        let next = earliest(earliest(next, arrival), node.power_at);
        if let Some(at) = next {
            self.schedule(index, at, now);
        }
    }

    /// A machine has sent a frame.
    fn leave(&mut self, index: usize, now: Instant, frame: Vec<u8>) {
        let link = &mut self.nodes[index].link;
        if link.transparent() {
            self.forward(Port::Machine(index), now, &frame);
        } else {
            link.offer(Side::Peer, now, &frame);
        }
        self.spare.give(frame);
    }

    /// A frame has come to the switch.
    fn forward(&mut self, from: Port, now: Instant, frame: &[u8]) {
        let destination = self.switch.destination(from, frame);
        match destination {
            Destination::None => {}
            Destination::One(port) => self.deliver(port, now, frame),
            Destination::Outside | Destination::All => {
                if from != Port::Uplink {
                    self.deliver(Port::Uplink, now, frame);
                }
                for trunk in self.trunks.ports().filter(|trunk| from != Port::Trunk(*trunk)) {
                    self.trunks.send(trunk, frame);
                }
            }
        }
        if destination == Destination::All {
            for machine in (0..self.nodes.len()).filter(|&machine| from != Port::Machine(machine)) {
                self.deliver(Port::Machine(machine), now, frame);
            }
        }
    }

    fn deliver(&mut self, to: Port, now: Instant, frame: &[u8]) {
        match to {
            Port::Trunk(trunk) => self.trunks.send(trunk, frame),
            Port::Uplink if !self.uplink => {}
            Port::Uplink if self.outbox.len() < OUTBOX => {
                self.outbox.push_back(self.spare.copy(frame));
            }
            Port::Uplink => self.dropped += 1,
            Port::Machine(index) => {
                let node = &mut self.nodes[index];
                if node.running.is_none() {
                    return;
                }
                if node.link.transparent() {
                    node.mailbox.nic.borrow_mut().arrive(self.spare.copy(frame));
                    self.wake(index);
                } else {
                    node.link.offer(Side::Board, now, frame);
                    if let Some(at) = node.link.next_arrival(Side::Board) {
                        self.schedule(index, at, now);
                    }
                }
            }
        }
    }

    /// Lets a machine run in this turn or the next.
    fn wake(&mut self, index: usize) {
        if !std::mem::replace(&mut self.nodes[index].ready, true) {
            self.ready.push_back(index);
        }
    }

    /// Lets a machine run at that moment, unless it does so earlier.
    fn schedule(&mut self, index: usize, at: Instant, now: Instant) {
        if at <= now {
            return self.wake(index);
        }
        if self.nodes[index].due.is_some_and(|due| due <= at) {
            return;
        }
        self.nodes[index].due = Some(at);
        if self.agenda.len() > 4 * self.nodes.len() {
            // Most of it is of the past.
            let nodes = self.nodes.iter().enumerate();
            self.agenda =
                nodes.filter_map(|(index, node)| Some(Reverse((node.due?, index)))).collect();
        } else {
            self.agenda.push(Reverse((at, index)));
        }
    }

    /// Gives a machine power `at` that moment, or at once if that is past. One that has it keeps it, and one that gets it
    /// already gets it when it would have.
    pub(super) fn power_on(&mut self, index: usize, at: Instant, now: Instant) {
        if self.is_off(index) {
            self.nodes[index].power_at = Some(at);
            self.schedule(index, at, now);
        }
    }

    /// Cuts a machine's power. Returns what it had counted, if it had power.
    pub(super) fn power_off(&mut self, index: usize) -> Option<Counters> {
        let counted = self.counters(index);
        let node = &mut self.nodes[index];
        node.running = None;
        node.power_at = None;
        node.mailbox.nic.borrow_mut().clear();
        counted
    }

    /// Whether a machine has power.
    pub(super) fn is_up(&self, index: usize) -> bool {
        self.nodes[index].running.is_some()
    }

    /// Whether a machine has no power, and gets none.
    pub(super) fn is_off(&self, index: usize) -> bool {
        let Node { running, power_at, .. } = &self.nodes[index];
        running.is_none() && power_at.is_none()
    }

    /// The machines that have pulled their reset lines since this was asked last.
    pub(super) fn take_resets(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.resets)
    }

    /// What a machine that has power has counted since its boot.
    pub(super) fn counters(&self, index: usize) -> Option<Counters> {
        let Node { mailbox, running, .. } = &self.nodes[index];
        let before = mailbox.ask.replace(Ask::Count);
        let counted = running.as_ref().map(Running::resume);
        mailbox.ask.set(before);
        counted.map(|()| mailbox.counters.get())
    }

    /// Asks a machine for something in its next turn, which is at once.
    pub(super) fn ask(&mut self, index: usize, ask: Ask) {
        if self.is_up(index) {
            self.nodes[index].mailbox.ask.set(ask);
            self.wake(index);
        }
    }

    /// Whether no machine has anything left to close.
    pub(super) fn idle(&self) -> bool {
        self.ready.is_empty()
            && self.nodes.iter().all(|node| node.running.is_none() || node.mailbox.idle.get())
    }

    /// A machine's cable.
    pub(super) fn link(&self, index: usize) -> &Link {
        &self.nodes[index].link
    }

    /// A machine's cable, to be changed.
    pub(super) fn link_mut(&mut self, index: usize) -> &mut Link {
        &mut self.nodes[index].link
    }

    /// Frames that machines' own queues had no room for.
    pub(super) fn overrun(&self) -> u64 {
        self.nodes.iter().map(|node| node.mailbox.nic.borrow().dropped).sum()
    }
}

/// When the `index`th of `count` machines gets power, of those that get it together: over a second, so that what each does
/// once a second is spread likewise.
pub(super) fn spread(now: Instant, index: usize, count: usize) -> Instant {
    now + Duration::from_micros(1_000_000 * index as u64 / count.max(1) as u64)
}

#[cfg(test)]
mod tests;
