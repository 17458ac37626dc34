//! What a plan has to keep to, whoever wrote it: what a drawn one keeps to by itself.

use std::fmt;

use smoltcp::time::{Duration, Instant};

use super::hardware::{MTU, WINDOW};
use super::{BoardPlan, Ending, Event, Job, Stack, TimedEvent, Work, WorldPlan};
use crate::link::{Chance, Setting};
use crate::sim::arena::{BOOTS, PEER_BOOTS};

/// Boards at most: as many as there are addresses for.
const BOARDS_MAX: usize = 4;
/// Servers at most.
const SERVERS_MAX: usize = 4;
/// Adversaries at most.
const ADVERSARIES_MAX: usize = 8;
/// Bytes of a datagram: its number, and no more than a frame takes.
const DATAGRAM: std::ops::RangeInclusive<u16> = 2..=1400;
/// Ports that the services have.
const SERVICES: [u16; 5] = [7, 9, 19, 23, 80];
/// The end of all faults comes no later: virtual time has an end, and so has patience.
const HEAL_MAX: Instant = Instant::from_micros_const(86_400_000_000);

/// How long after the end of all faults a job may begin.
const LATE: Duration = Duration::from_secs(1);

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The list, or the field of the plan.
    pub(super) list: &'static str,
    /// Which of its elements, counted from 0.
    pub(super) index: Option<usize>,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { list, index, what } = self;
        match index {
            Some(index) => write!(f, "{list}[{index}]: {what}"),
            None => write!(f, "{list}: {what}"),
        }
    }
}

/// Makes a fault of what was found in an element of a list.
fn each<T>(
    list: &'static str,
    elements: &[T],
    check: impl Fn(&T) -> Result<(), String>,
) -> Result<(), Fault> {
    for (index, element) in elements.iter().enumerate() {
        check(element).map_err(|what| Fault { list, index: Some(index), what })?;
    }
    Ok(())
}

/// Whether there is a thing of that number.
fn exists(thing: &str, number: usize, count: usize) -> Result<(), String> {
    if number < count {
        return Ok(());
    }
    Err(match count {
        0 => format!("there is no {thing} {number}; the plan has none"),
        1 => format!("there is no {thing} {number}; write 0, the only one"),
        _ => format!("there is no {thing} {number}; write one from 0 to {}", count - 1),
    })
}

fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl WorldPlan {
    /// Finds the first thing that no world can have.
    pub(super) fn validate(&self) -> Result<(), Fault> {
        let field =
            |list, what: Result<(), String>| what.map_err(|what| Fault { list, index: None, what });
        let within = |name: &str, count: usize, least: usize, most: usize| {
            require((least..=most).contains(&count), || {
                format!("{count} are no number of {name} for a world; have {least} to {most}")
            })
        };
        field("boards", within("boards", self.boards.len(), 1, BOARDS_MAX))?;
        field("peers", within("peers", self.peers.len(), 1, PEER_BOOTS))?;
        field("adversaries", within("adversaries", self.adversaries.len(), 0, ADVERSARIES_MAX))?;
        field("servers", within("servers", self.servers.len(), 0, SERVERS_MAX))?;
        let heal = (Instant::from_micros(1)..=HEAL_MAX).contains(&self.heal);
        field("heal", require(heal, || "write a time from 1 us to a day".into()))?;
        each("boards", &self.boards, board)?;
        each("boards", &self.boards, |board| {
            require(!board.asks || !self.servers.is_empty(), || {
                "nobody gives it an address; have an element in `servers`, or leave `asks` out"
                    .into()
            })
        })?;
        each("peers", &self.peers, |peer| nic(peer.nic.mtu))?;
        each("peers", &self.peers, |peer| {
            let good = peer
                .window
                .is_none_or(|window| peer.stack == Stack::Smoltcp && WINDOW.contains(&window));
            require(good, || {
                "write a `window` of 1 byte or more, of a peer whose `stack` is \"smoltcp\"".into()
            })
        })?;
        each("jobs", &self.jobs, |job| self.job(job))?;
        each("events", &self.events, |timed| self.event_at(timed))?;
        self.order()?;
        self.boots()
    }

    fn job(&self, job: &Job) -> Result<(), String> {
        exists("peer", job.peer, self.peers.len())?;
        exists("board", job.board, self.boards.len())?;
        require(job.at <= self.heal + LATE, || {
            format!(
                "it begins at {}, long after the end of all faults at {}; begin it before, or end them later",
                job.at, self.heal
            )
        })?;
        let streams = matches!(
            job.work,
            Work::Discard { .. } | Work::Chargen { pace: None, ending: Ending::Abort(_), .. }
        );
        require(!job.bounded || self.jobs.len() == 1 && streams, || {
            "a `bounded` job is the only one, and is `discard`, or `chargen` without a pace that ends in `abort`; \
             leave `bounded` out"
                .into()
        })?;
        match job.work {
            Work::Datagrams { count, size } => {
                require(count > 0 && DATAGRAM.contains(&size), || {
                    format!(
                        "write a `count` from 1, and a `size` from {} to {}",
                        DATAGRAM.start(),
                        DATAGRAM.end()
                    )
                })
            }
            Work::Refused { port } => require(port > 0 && !SERVICES.contains(&port), || {
                format!("port {port} is not refused; write one that no service has, e.g. 81")
            }),
            Work::Echo { pace: Some(pace), .. } | Work::Chargen { pace: Some(pace), .. } => {
                require(pace.bytes > 0 && pace.every > Duration::ZERO, || {
                    "this reader never reads; write `bytes` from 1 and an `every` above 0 us".into()
                })
            }
            _ => Ok(()),
        }
    }

    fn event_at(&self, TimedEvent { event, .. }: &TimedEvent) -> Result<(), String> {
        match *event {
            Event::Fault { node, .. }
            | Event::ClearFaults { node }
            | Event::Unplug { node }
            | Event::Plug { node } => exists("node", node, self.nodes()),
            Event::PowerOff { board } | Event::PowerOn { board } => {
                exists("board", board, self.boards.len())
            }
            Event::Swap { peer } => exists("peer", peer, self.peers.len()),
            Event::Serve { server, .. } => exists("server", server, self.servers.len()),
            Event::Attack { adversary, window } => {
                exists("adversary", adversary, self.adversaries.len())?;
                exists("board", window.board, self.boards.len())?;
                require(window.gap >= Duration::from_millis(1), || {
                    format!(
                        "a gap of {} leaves no time for anything else; write 1 ms or more",
                        window.gap
                    )
                })
            }
        }
    }

    /// Events come in the order of time, and only one node's link flips bits.
    fn order(&self) -> Result<(), Fault> {
        let fault = |index, what| Err(Fault { list: "events", index: Some(index), what });
        let mut last = Instant::ZERO;
        let mut corrupt = None;
        for (index, &TimedEvent { at, event }) in self.events.iter().enumerate() {
            if at < last {
                return fault(
                    index,
                    format!("it comes before the one above it; sort by `at`, {last} or later"),
                );
            }
            last = at;
            let Event::Fault { node, set: Setting::Corrupt(chance), .. } = event else {
                continue;
            };
            if chance != Chance::NEVER && *corrupt.get_or_insert(node) != node {
                let text = "bits are flipped on another node's link already, and two flipped bits may cancel out \
                            in a checksum; corrupt on one node alone";
                return fault(index, text.into());
            }
        }
        Ok(())
    }

    /// There is memory for so many boots.
    fn boots(&self) -> Result<(), Fault> {
        let count = |wanted: fn(&Event) -> bool| {
            self.events.iter().filter(|timed| wanted(&timed.event)).count()
        };
        let swaps = count(|event| matches!(event, Event::Swap { .. }));
        let resets = self.jobs.iter().filter(|job| job.work == Work::Reset).count();
        let fault = |what| Fault { list: "events", index: None, what };
        if self.peers.len() + swaps > PEER_BOOTS {
            let most = PEER_BOOTS - self.peers.len();
            return Err(fault(format!("{swaps} swaps of peers are too many; have up to {most}")));
        }
        // Each of these is followed by a boot at the latest when all faults end.
        let cycles = count(|event| matches!(event, Event::PowerOff { .. })) + resets;
        let most = BOOTS - self.boards.len();
        require(cycles <= most, || {
            format!("boards lose their power {cycles} times, jobs that reset among them; have up to {most} of both")
        })
        .map_err(fault)
    }
}

/// A board's frames take some time, or a stream without end would come to no end in no time.
fn board(board: &BoardPlan) -> Result<(), String> {
    nic(board.nic.mtu)?;
    require(board.cable.delay > Duration::ZERO, || {
        "write a `delay` above 0 us for a board's cable".into()
    })
}

fn nic(mtu: Option<u16>) -> Result<(), String> {
    require(mtu.is_none_or(|mtu| MTU.contains(&mtu)), || {
        format!("write an `mtu` from {} to {} bytes", MTU.start(), MTU.end())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::plan::{Attack, AttackWindow, Conduct};

    /// A plan with one thing changed, and what is said of it.
    fn found(change: impl FnOnce(&mut WorldPlan)) -> String {
        let mut plan = WorldPlan::draw(3, true);
        assert_eq!(plan.validate(), Ok(()));
        change(&mut plan);
        plan.validate().expect_err("it is wrong").to_string()
    }

    fn timed(plan: &mut WorldPlan, events: &[Event]) {
        let at = plan.events.last().map_or(plan.heal, |last| last.at);
        plan.events.extend(events.iter().map(|&event| TimedEvent { at, event }));
    }

    #[test]
    fn what_no_world_can_have_is_refused_with_a_remedy() {
        let corrupt = |node| Event::Fault { node, to: None, set: Setting::Corrupt(Chance::ALWAYS) };
        let window = |gap| AttackWindow {
            attack: Attack::Garbage,
            board: 0,
            until: Instant::from_secs(1),
            gap: Duration::from_micros(gap),
        };
        let attack = |adversary, gap| Event::Attack { adversary, window: window(gap) };
        for (said, remedy) in [
            (
                found(|plan| plan.boards.clear()),
                "boards: 0 are no number of boards for a world; have 1 to 4",
            ),
            (found(|plan| plan.heal = Instant::ZERO), "heal: write a time"),
            (
                found(|plan| plan.boards[1].cable.delay = Duration::ZERO),
                "boards[1]: write a `delay` above 0 us",
            ),
            (
                found(|plan| plan.jobs[2].peer = 7),
                "jobs[2]: there is no peer 7; write 0, the only one",
            ),
            (
                found(|plan| plan.jobs[0].board = 2),
                "jobs[0]: there is no board 2; write one from 0 to 1",
            ),
            (found(|plan| plan.jobs[0].at = plan.heal + Duration::from_secs(9)), "begin it before"),
            (found(|plan| plan.jobs[0].work = Work::Refused { port: 7 }), "e.g. 81"),
            (found(|plan| plan.jobs[0].bounded = true), "leave `bounded` out"),
            (found(|plan| plan.peers[0].nic.mtu = Some(127)), "an `mtu` from 128 to 1500"),
            (
                found(|plan| {
                    (plan.peers[0].stack, plan.peers[0].window) = (Stack::Tapboard, Some(9));
                }),
                "whose `stack` is \"smoltcp\"",
            ),
            (
                found(|plan| plan.jobs[0].work = Work::Datagrams { count: 1, size: 1401 }),
                "2 to 1400",
            ),
            (found(|plan| plan.events.reverse()), "sort by `at`"),
            (found(|plan| timed(plan, &[corrupt(0), corrupt(1)])), "corrupt on one node alone"),
            (found(|plan| timed(plan, &[Event::Plug { node: 99 }])), "there is no node 99"),
            (found(|plan| timed(plan, &[attack(2, 5000)])), "there is no adversary 2"),
            (
                found(|plan| {
                    let conduct = Conduct::HONEST;
                    timed(plan, &[Event::Serve { server: 0, conduct }]);
                }),
                "there is no server 0; the plan has none",
            ),
            (found(|plan| plan.boards[0].asks = true), "have an element in `servers`"),
            (found(|plan| timed(plan, &[attack(0, 0)])), "write 1 ms or more"),
            (found(|plan| timed(plan, &[Event::PowerOff { board: 0 }; 7])), "have up to 6 of both"),
            (found(|plan| timed(plan, &[Event::Swap { peer: 0 }; 4])), "have up to 3"),
        ] {
            assert!(said.contains(remedy), "{said}");
        }
    }
}
