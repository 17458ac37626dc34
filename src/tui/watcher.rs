//! What passes the cable, for the ladder and the graphs: an observer of every frame.
//!
//! It remembers the latest [`RUNGS_MAX`] rungs and counts the rest. Cost: a frame is decoded and set down in text, as
//! for `--ladder`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;

use smoltcp::time::Instant;

use crate::capture::Direction;
use crate::ladder::{Rung, Rungs};
use crate::link::{LinkEvents, Side};
use crate::nic::impairment::Observer;

/// Rungs that are remembered.
const RUNGS_MAX: usize = 2000;

/// What has passed since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    /// Frames that were sent, either way.
    pub(super) frames: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Frames that the cable lost.
    pub(super) lost: u64,
    /// Segments that were sent again.
    pub(super) retransmitted: u64,
}

/// What a [`Watcher`] has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    rungs: Rungs,
    pub(super) latest: VecDeque<Rung>,
    pub(super) passed: Passed,
}

impl Seen {
    /// Of a board with these addresses.
    pub(super) fn of_board(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self { rungs: Rungs::default().of_board(addresses), ..Self::default() }
    }

    /// A frame was sent to that side.
    pub(super) fn frame(&mut self, now: Instant, to: Side, frame: &[u8], events: &LinkEvents) {
        let direction = Some(Direction::from(to));
        let rung = self.rungs.rung(now, direction, frame, &events.to_string());
        self.passed.frames += 1;
        self.passed.bytes += frame.len() as u64;
        self.passed.lost += u64::from(rung.dropped);
        self.passed.retransmitted +=
            u64::from(rung.marks.iter().any(|mark| mark.is_retransmission()));
        if self.latest.len() == RUNGS_MAX {
            self.latest.pop_front();
        }
        self.latest.push_back(rung);
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Watcher(pub(super) Rc<RefCell<Seen>>);

impl Observer for Watcher {
    fn frame(&mut self, now: Instant, to: Side, frame: &[u8], events: &LinkEvents) {
        self.0.borrow_mut().frame(now, to, frame, events);
    }
}
