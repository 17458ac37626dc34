//! What must hold in a world: at every poll of a board, and in the end.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetFrame, IpCidr};
use tapboard_firmware::config::TCP_SLOTS;

use super::{Node, Stage, World, violation};
use crate::nic::wire::{InFlight, Side};
use crate::output::counted;
use crate::sim::nic::Nic;
use crate::sim::plan::{Event, TimedEvent};
use crate::sim::server::{Told, made};

/// How long a board that reset itself is off.
const REBOOT: Duration = Duration::from_millis(50);
/// How old the last line of telemetry may be at the end: one a second, and a lost one's retransmission.
const FRESH: Duration = Duration::from_secs(4);
/// How long closing takes at most: an orphan and its TIME-WAIT.
const CLOSING: Duration = Duration::from_secs(60);
/// How long a server's word takes to a board at the longest.
const ON_ITS_WAY: Duration = Duration::from_secs(10);
/// Of how many polls one is followed by a look at a board's addresses though they are the same.
const LOOK_AGAIN: u64 = 8;
/// Polls of one board at one moment without any frame.
const STILL: u32 = 16;
/// Wake-ups of one board within a second of which nothing comes and for which nothing came.
const IDLE_WAKEUPS: u32 = 100;

impl World<'_, '_> {
    /// What must hold whenever a board was polled.
    pub(super) fn check_board(&mut self, index: usize, now: Instant, worked: bool) {
        let next = self.deadlines[index];
        let (boards, peers) = self.nodes.split_at_mut(self.boards);
        let Some(Node::Board(board, wakeups)) = boards.get_mut(index) else {
            return;
        };
        if worked {
            wakeups.still = 0;
        } else {
            if wakeups.second != now.secs() {
                (wakeups.second, wakeups.idle) = (now.secs(), 0);
            }
            // Who is polled once more at the same moment has not slept.
            if wakeups.at == Some(now) {
                wakeups.still += 1;
            } else {
                wakeups.still = 0;
                wakeups.idle += 1;
            }
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
                if let Node::Peer(_, history) = peer {
                    history.gave_up(index, now, given_up);
                }
            }
            if stalls > 0 {
                let text =
                    format!("board {index}: smoltcp asked in vain for {}", counted(stalls, "poll"));
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
            let place = self.events.partition_point(|other| other.at <= at);
            let event = Event::PowerOn { board: index };
            self.events.insert(place, TimedEvent { at, event });
            self.happen(now, Event::PowerOff { board: index });
        }
    }

    /// A board that wants nothing before some later moment has nothing to do now: asked again, it sends
    /// nothing and says the same. Otherwise it forgot something, which the next frame would hide.
    pub(super) fn check_content(&mut self, index: usize, now: Instant) {
        let (Node::Board(board, _), next) = (&mut self.nodes[index], self.deadlines[index]) else {
            return;
        };
        let wire = &mut self.switch.ports[index].wire;
        let nic = board.nic();
        let Some(firmware) = &mut board.firmware else {
            return;
        };
        if next == Some(now) || wire.next_arrival(Side::Board).is_some() {
            return;
        }
        let again = firmware.poll(now, &mut Nic::new(wire.end(Side::Board), nic));
        let frames = wire.in_flight(Side::Peer).len();
        if again != next || frames > 0 {
            let text = format!(
                "board {index} wanted nothing before {next:?}; asked again, it sends {} and waits \
                 for {again:?}",
                counted(frames, "frame")
            );
            self.violation = Some(violation("content", text));
        }
    }

    /// Notes which machines that were taken away a board has just heard of: an old frame tells where to answer it.
    pub(super) fn note_late(&mut self, index: usize, now: Instant) {
        let Node::Board(board, _) = &mut self.nodes[index] else {
            return;
        };
        for InFlight { at, frame } in self.switch.ports[index].wire.in_flight(Side::Board).iter() {
            let source = EthernetFrame::new_checked(frame.as_slice()).map(|frame| frame.src_addr());
            let retired = |source: &_| self.retired.iter().any(|(mac, _)| mac == source);
            board.late.extend(source.ok().filter(|source| *at <= now && retired(source)));
        }
    }

    /// A board whose cable was put in again does not send to a machine that was taken away before.
    pub(super) fn check_neighbors(&mut self, index: usize) {
        let Node::Board(board, _) = &self.nodes[index] else {
            return;
        };
        for sent in self.switch.ports[index].wire.in_flight(Side::Peer).iter() {
            let stale = self.retired.iter().any(|(mac, at)| {
                sent.frame.starts_with(&mac.0) && *at <= board.plugged && !board.late.contains(mac)
            });
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

    /// A board that asks for its addresses uses what a server gave it, as long as it said, or what is good on the link alone.
    pub(super) fn check_addresses(&mut self, index: usize, now: Instant) {
        let Node::Board(board, _) = &mut self.nodes[index] else {
            return;
        };
        let Some(firmware) = board.firmware.as_ref().filter(|_| board.asks()) else {
            return;
        };
        let addresses = firmware.stack().interface().ip_addrs();
        let mac = board.config.mac();
        if *addresses == board.addresses[..] && !self.polls.is_multiple_of(LOOK_AGAIN) {
            return;
        }
        let changed = *addresses != board.addresses[..];
        board.addresses = addresses.to_vec();
        let servers = self.nodes.iter().filter_map(|node| match node {
            Node::Server(server) => Some(&server.told),
            _ => None,
        });
        let told: Vec<Told> = servers.flatten().copied().collect();
        let Node::Board(board, _) = &self.nodes[index] else {
            return;
        };
        let bad = board.addresses.iter().find(|own| match own {
            IpCidr::Ipv4(own) => {
                let own = own.address();
                !own.is_link_local()
                    && !told.iter().any(|told| {
                        matches!(*told, Told::Address(to, address, until)
                        if (to, address) == (mac, own) && now <= until + ON_ITS_WAY)
                    })
            }
            IpCidr::Ipv6(own) => {
                let own = own.address();
                !own.is_unicast_link_local()
                    && !told.iter().any(|told| {
                        matches!(*told, Told::Prefix(prefix, until)
                        if made(prefix, mac) == own && now <= until + ON_ITS_WAY)
                    })
            }
        });
        if let Some(bad) = bad {
            let text = format!("board {index} has {bad}, which nobody gave it, or no longer");
            self.violation = Some(violation("address", text));
        } else if changed {
            self.readdressed(index, now);
        }
    }

    /// Whether the world has come to its end, or to a violation.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        match (self.stage, self.unfinished(now)) {
            (Stage::Running, None) => {
                self.close(now);
                false
            }
            (Stage::Running, Some(text)) if now > self.end => {
                let text = format!("{} after the last fault: {text}", self.end - self.heal);
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
                return Some(format!(
                    "board {index} has {} of {TCP_SLOTS}",
                    counted(free, "free slot")
                ));
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
                    return Some(counted(collector.open(), "telemetry connection"));
                }
                if let Some(text) = self.stale(&collector.last, now) {
                    return Some(text);
                }
            }
            let connections = peer.stack.connections();
            if connections != open {
                return Some(format!(
                    "peer {index} has {}, not {open}",
                    counted(connections, "connection")
                ));
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
                        collector.shutdown(&mut peer.stack.sockets());
                    }
                }
                Node::Adversary(_) | Node::Server(_) => {}
            }
            *deadline = Some(now);
        }
    }
}
