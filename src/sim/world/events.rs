//! What befalls a world from outside: faults, pulled cables, power-cycles, other machines.

use smoltcp::time::Instant;

use super::{Node, Wakeups, World};
use crate::nic::wire::Side;
use crate::sim::fault_history::FaultHistory;
use crate::sim::nic::Nic;
use crate::sim::node::net_config;
use crate::sim::plan::{Conduct, Event};

impl World<'_, '_> {
    fn each_history(&mut self, note: impl Fn(&mut FaultHistory)) {
        for peer in &mut self.nodes {
            if let Node::Peer(_, history) = peer {
                note(history);
            }
        }
    }

    fn trouble(&mut self, node: usize, now: Option<Instant>) {
        self.each_history(|history| match now {
            None => history.begin(node),
            Some(now) => history.end(node, now),
        });
    }

    pub(super) fn happen(&mut self, now: Instant, event: Event) {
        match event {
            Event::Fault { node, to, set } => {
                self.trouble(node, None);
                self.switch.ports[node].link.set(to, set);
            }
            Event::ClearFaults { node } => {
                self.switch.ports[node].heal();
                self.settle(node, now);
            }
            Event::Unplug { node } => {
                self.each_history(|history| history.unplug(node, now));
                self.switch.ports[node].link.plug(false);
            }
            Event::Plug { node } => self.plug(node, now),
            Event::PowerOff { board } => self.power_off(board),
            Event::PowerOn { board } => self.power_on(board, now),
            Event::Swap { peer } => self.swap(self.boards + peer, now),
            Event::Attack { adversary, window } => {
                let index = self.nodes.len() - self.servers - 1 - adversary;
                if let Node::Adversary(adversary) = &mut self.nodes[index] {
                    adversary.begin(window, now);
                    self.deadlines[index] = Some(now);
                }
            }
            Event::Serve { server, conduct } => {
                let index = self.nodes.len() - self.servers + server;
                if let Node::Server(server) = &mut self.nodes[index] {
                    server.conduct(conduct, now);
                    self.deadlines[index] = Some(now);
                }
            }
        }
    }

    /// Notes that a board's addresses are others now.
    pub(super) fn readdressed(&mut self, node: usize, now: Instant) {
        self.each_history(|history| history.pulse(node, now));
    }

    /// Notes the end of a node's trouble, unless its cable is out or its faults go on.
    fn settle(&mut self, node: usize, now: Instant) {
        let on = match &self.nodes[node] {
            Node::Board(board, _) => board.firmware.is_some(),
            Node::Peer(..) | Node::Adversary(_) | Node::Server(_) => true,
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
        self.each_history(|history| history.plug(node, now));
        match &mut self.nodes[node] {
            Node::Board(board, _) => {
                board.plugged = now;
                board.late.clear();
                if let Some(firmware) = &mut board.firmware {
                    firmware.link_up();
                }
            }
            Node::Peer(peer, _) => peer.stack.link_up(),
            Node::Adversary(_) | Node::Server(_) => {}
        }
        self.deadlines[node] = Some(now);
        self.settle(node, now);
    }

    fn power_off(&mut self, index: usize) {
        self.trouble(index, None);
        self.switch.ports[index].clear_rx();
        self.deadlines[index] = None;
        if let Node::Board(board, _) = &mut self.nodes[index] {
            board.firmware = None;
        }
    }

    fn power_on(&mut self, index: usize, now: Instant) {
        if let Node::Board(board, wakeups) = &mut self.nodes[index]
            && board.firmware.is_none()
        {
            let wire = &mut self.switch.ports[index].wire;
            wire.in_flight(Side::Board).clear();
            let nic = board.nic();
            board.boot(now, &mut self.memory, &mut Nic::new(wire.end(Side::Board), nic));
            board.plugged = now;
            board.late.clear();
            *wakeups = Wakeups::default();
            self.deadlines[index] = Some(now);
            self.settle(index, now);
        }
    }

    fn swap(&mut self, index: usize, now: Instant) {
        self.trouble(index, None);
        let port = &mut self.switch.ports[index];
        let plugged = port.link.plugged();
        // What is under way to and from the old machine goes with it.
        port.link.plug(false);
        port.link.plug(plugged);
        port.clear_rx();
        if let Node::Peer(peer, _) = &mut self.nodes[index] {
            self.retired.push((peer.config.mac(), now));
            let number = peer.config.mac().0[5];
            let config = net_config(number, self.retired.len() as u8);
            let end = &mut Nic::new(port.wire.end(Side::Board), peer.nic());
            peer.swap(config, now, &mut self.memory, end);
        }
        self.deadlines[index] = Some(now);
        self.settle(index, now);
    }

    /// From now on everything is well.
    pub(super) fn heal(&mut self, now: Instant) {
        self.healed = true;
        self.events.clear();
        for node in 0..self.nodes.len() {
            self.switch.ports[node].heal();
            if node < self.boards {
                self.power_on(node, now);
            }
            self.plug(node, now);
            self.settle(node, now);
            match &mut self.nodes[node] {
                Node::Adversary(adversary) => adversary.stop(),
                Node::Server(server) => {
                    server.conduct(Conduct::HONEST, now);
                    self.deadlines[node] = Some(now);
                }
                _ => {}
            }
        }
    }
}
