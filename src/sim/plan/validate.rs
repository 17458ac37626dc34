//! What a plan has to keep to, whoever wrote it: what a drawn one keeps to by itself.

use std::fmt;

use smoltcp::time::{Duration, Instant};

use super::{BoardPlan, Event, Job, TimedEvent, Work, WorldPlan};
use crate::link::{Chance, Setting};
use crate::sim::arena::{BOOTS, PEER_BOOTS};

/// Boards at most: as many as there are addresses for.
const BOARDS_MAX: usize = 4;
/// Adversaries at most.
const ADVERSARIES_MAX: usize = 8;
/// Bytes of a datagram: its number, and no more than a frame takes.
const DATAGRAM: std::ops::RangeInclusive<u16> = 2..=1400;
/// Ports that the services have.
const SERVICES: [u16; 4] = [7, 9, 19, 23];
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
        let heal = (Instant::from_micros(1)..=HEAL_MAX).contains(&self.heal);
        field("heal", require(heal, || "write a time from 1 us to a day".into()))?;
        each("boards", &self.boards, board)?;
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
    require(board.cable.delay > Duration::ZERO, || {
        "write a `delay` above 0 us for a board's cable".into()
    })
}
