//! One boot of the board, from its first turn to its reset or to the end of the run.
//!
//! A turn of [`PowerCycle::run`] carries out what the console says, polls the board, has what stands behind the NIC
//! do its part, and sleeps until the earliest deadline or the next event.

use std::sync::atomic::{AtomicBool, Ordering};

use mio::Events;
use smoltcp::time::{Duration, Instant};

use super::control::{self, ConsoleStep};
use super::endpoint::Endpoint;
use super::nic::{ENDPOINT, Nic, WAKE};
use super::session::Session;
use super::sleep::{Sleeper, TIMER, Until};
use super::traffic::Meter;
use crate::clock::RealClock;

/// How long connections may take to close in order at the end.
const CLOSE: Duration = Duration::from_millis(500);
/// How long the resets of the rest may take.
const RESET: Duration = Duration::from_millis(100);
/// Events taken from the kernel at a time.
const EVENTS: usize = 256;

/// How a boot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BootEnd {
    /// The board was reset: it boots again.
    Reset,
    /// The run is over.
    Stopped,
}

/// How far the end of the run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    /// Connections close in order.
    InOrder {
        until: Instant,
    },
    /// What did not close in time has been reset.
    Reset {
        until: Instant,
    },
}

/// A boot under way; see the module's documentation.
pub(super) struct PowerCycle<'d, E, N> {
    pub(super) sleeper: &'d mut Sleeper,
    pub(super) clock: RealClock,
    /// The run is to end in order.
    pub(super) stop: &'d AtomicBool,
    pub(super) session: &'d mut Session,
    pub(super) endpoint: &'d mut E,
    pub(super) nic: &'d mut N,
}

impl<E: Endpoint, N: Nic> PowerCycle<'_, E, N> {
    /// Runs the boot to its end.
    pub(super) fn run(mut self) -> Result<BootEnd, String> {
        let mut events = Events::with_capacity(EVENTS);
        let mut closing = Closing::No;
        let mut link = true;
        self.session.meter = Meter::new(self.clock.now());
        loop {
            let now = self.clock.now();
            closing = self.begin_to_close(now, closing);
            let console = self.ask_console(now);
            // At once: what has its power cut answers nobody any more.
            if self.endpoint.reset_requested() {
                return Ok(BootEnd::Reset);
            }
            link = self.tell_of_link(link);
            let board = self.poll_board(now);
            let behind = self.nic.turn(now)?;
            let in_flight = self.session.impairment.next_event(now);
            if self.endpoint.reset_requested() {
                return Ok(BootEnd::Reset);
            }
            let due = [behind, in_flight].into_iter().flatten().any(|at| at <= now);
            let Some((next, limit)) = self.close(now, closing, due) else {
                return Ok(BootEnd::Stopped);
            };
            closing = next;
            let coarse = [board, behind, limit, console].into_iter().flatten().min();
            self.sleep(&mut events, now, Until { exact: in_flight, coarse })?;
        }
    }

    /// Begins to close the connections, once the run is to end.
    fn begin_to_close(&mut self, now: Instant, closing: Closing) -> Closing {
        if closing != Closing::No || !self.stop.load(Ordering::SeqCst) {
            return closing;
        }
        self.endpoint.shutdown();
        Closing::InOrder { until: now + CLOSE }
    }

    /// Carries out the console's next command, if there is one. Returns when to ask again.
    fn ask_console(&mut self, now: Instant) -> Option<Instant> {
        let at = (now, self.clock.epoch());
        match control::turn(self.session, self.endpoint, self.nic, at) {
            ConsoleStep::Next(next) => next,
            ConsoleStep::Quit => {
                self.stop.store(true, Ordering::SeqCst);
                Some(now)
            }
        }
    }

    /// Tells the board if the link has come up, which was `up` in the last turn. Returns whether it is up now.
    fn tell_of_link(&mut self, up: bool) -> bool {
        let is_up = self.nic.link() && self.session.impairment.link().plugged();
        if is_up && !up {
            self.endpoint.link_up();
        }
        is_up
    }

    /// Polls the board, behind its MAC and the cable. Returns when to poll it again.
    fn poll_board(&mut self, now: Instant) -> Option<Instant> {
        let endpoint = &mut *self.endpoint;
        self.session.poll(now, self.nic, |mac| endpoint.poll(now, mac))
    }

    /// Goes on with the end of the run, if that has begun; `due`: a frame is under way that arrives now. Returns
    /// how far it has come, and when to look again; `None`: it is over.
    fn close(
        &mut self,
        now: Instant,
        closing: Closing,
        due: bool,
    ) -> Option<(Closing, Option<Instant>)> {
        let idle = self.endpoint.idle() && self.nic.idle() && !due;
        match closing {
            Closing::No => Some((closing, None)),
            Closing::InOrder { .. } | Closing::Reset { .. } if idle => None,
            Closing::InOrder { until } if now >= until => {
                self.endpoint.abort();
                self.nic.abort();
                Some((Closing::Reset { until: now + RESET }, Some(now)))
            }
            Closing::Reset { until } if now >= until => None,
            Closing::InOrder { until } | Closing::Reset { until } => Some((closing, Some(until))),
        }
    }

    /// Sleeps until an event or that time, and passes on the events.
    fn sleep(&mut self, events: &mut Events, now: Instant, until: Until) -> Result<(), String> {
        self.sleeper
            .wait(events, now, until)
            .map_err(|error| format!("cannot wait for events: {error}"))?;
        self.nic.set_concurrent(self.sleeper.concurrent());
        for event in &*events {
            match event.token() {
                WAKE | TIMER => {}
                ENDPOINT => self.endpoint.ready(),
                _ => self.nic.ready(event),
            }
        }
        Ok(())
    }
}
