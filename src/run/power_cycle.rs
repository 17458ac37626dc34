//! One boot of the board, from its first turn to its reset or to the end of the run.
//!
//! A turn of [`PowerCycle::run`] carries out what the console or the dashboard says, polls the board, has what stands
//! behind the NIC do its part, shows how things are, and sleeps until the earliest deadline or the next event.

use std::sync::atomic::{AtomicBool, Ordering};

use mio::Events;
use smoltcp::time::{Duration, Instant};

use super::control::{self, ConsoleStep};
use super::endpoint::Endpoint;
use super::nic::{ENDPOINT, Nic, WAKE};
use super::session::Session;
use super::sleep::{Sleeper, TIMER, Until};
use crate::clock::RealClock;
use crate::snapshot::Meter;

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
        self.session.work.boots += 1;
        loop {
            let now = self.clock.now();
            self.session.work.turns += 1;
            closing = self.begin_to_close(now, closing);
            let console = self.ask_console(now);
            // At once: what has its power cut answers nobody any more.
            if self.endpoint.reset_requested() {
                return Ok(BootEnd::Reset);
            }
            link = self.tell_of_link(link);
            let board = self.poll_board(now);
            let behind = self.nic.turn(now)?;
            let scrapes = self.session.answer_scrapes(now, self.endpoint, self.nic);
            let in_flight = self.session.impairment.next_event(now);
            if self.endpoint.reset_requested() {
                return Ok(BootEnd::Reset);
            }
            let due = [behind, in_flight].into_iter().flatten().any(|at| at <= now);
            let Some((next, limit)) = self.close(now, closing, due) else {
                return Ok(BootEnd::Stopped);
            };
            closing = next;
            let drawn = self.session.draw(now, self.endpoint, self.nic);
            let next = [board, behind, limit, console, scrapes, drawn];
            let coarse = next.into_iter().flatten().min();
            self.sleep(&mut events, now, Until { exact: in_flight, coarse })?;
            let slept = self.sleeper.take_slept();
            self.session.work.asleep += slept;
            self.endpoint.slept(slept);
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
            if self.session.metrics.as_mut().is_some_and(|metrics| metrics.ready(event.token())) {
                continue;
            }
            match event.token() {
                WAKE | TIMER => {}
                ENDPOINT => self.endpoint.ready(),
                _ => self.nic.ready(event),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use mio::event::Event;
    use smoltcp::phy::Device;

    use super::*;
    use crate::console::{CommandSource, Console};
    use crate::link::{Link, Side};
    use crate::nic::impairment::Impairment;
    use crate::nic::wire::{End, Wire};
    use crate::snapshot::BoardSnapshot;

    /// A NIC whose link is up in some turns only.
    struct Flapping {
        wire: Wire,
        turns: usize,
        up: &'static [bool],
        aborted: bool,
    }

    impl Nic for Flapping {
        type Device<'a> = End<'a>;

        fn device(&mut self) -> End<'_> {
            self.wire.end(Side::Board)
        }

        fn ready(&mut self, _event: &Event) {}

        fn turn(&mut self, _now: Instant) -> Result<Option<Instant>, String> {
            self.turns += 1;
            Ok(None)
        }

        fn link(&self) -> bool {
            self.up.get(self.turns).copied().unwrap_or(true)
        }

        fn abort(&mut self) {
            self.aborted = true;
        }

        fn summary(&self) -> String {
            String::new()
        }
    }

    /// An endpoint that always has something to do, and remembers what it was told, and in which of its turns.
    #[derive(Default)]
    struct Told {
        turns: usize,
        heard: Vec<(usize, &'static str)>,
        /// It is reset in this turn.
        reset_at: Option<usize>,
    }

    impl Told {
        fn hear(&mut self, what: &'static str) {
            self.heard.push((self.turns, what));
        }
    }

    impl Endpoint for Told {
        fn poll<D: Device>(&mut self, now: Instant, _device: &mut D) -> Option<Instant> {
            self.turns += 1;
            Some(now)
        }

        fn link_up(&mut self) {
            self.hear("link up");
        }

        fn shutdown(&mut self) {
            self.hear("shutdown");
        }

        fn idle(&self) -> bool {
            false
        }

        fn abort(&mut self) {
            self.hear("abort");
        }

        fn reset(&mut self) {}

        fn reset_requested(&self) -> bool {
            self.reset_at == Some(self.turns)
        }

        fn snapshot(&self) -> BoardSnapshot {
            unreachable!("nobody asks")
        }

        fn summary(&self) -> String {
            String::new()
        }
    }

    /// How long a boot of `endpoint` took, and how it ended.
    fn run(endpoint: &mut Told, nic: &mut Flapping, stop: bool) -> (Duration, BootEnd) {
        let clock = RealClock::new();
        let mut sleeper = Sleeper::new(clock).unwrap();
        let impairment = Impairment::new(Link::new(1));
        let console = Console::open(&CommandSource::None, || ()).unwrap();
        let mut session = Session::new(impairment, console, clock.now());
        let stop = AtomicBool::new(stop);
        let (sleeper, session, from) = (&mut sleeper, &mut session, clock.now());
        let boot = PowerCycle { sleeper, clock, stop: &stop, session, endpoint, nic };
        let end = boot.run().unwrap();
        (clock.now() - from, end)
    }

    fn flapping(up: &'static [bool]) -> Flapping {
        Flapping { wire: Wire::default(), turns: 0, up, aborted: false }
    }

    #[test]
    fn the_board_is_told_each_time_that_the_link_comes_up() {
        let mut endpoint = Told { reset_at: Some(8), ..Told::default() };
        let mut nic = flapping(&[true, false, false, true, true, false]);
        let (_, end) = run(&mut endpoint, &mut nic, false);
        assert_eq!(end, BootEnd::Reset);
        assert_eq!(endpoint.heard, [(3, "link up"), (6, "link up")]);
    }

    #[test]
    fn what_does_not_close_in_order_is_reset_and_what_is_not_idle_then_left() {
        let (mut endpoint, mut nic) = (Told::default(), flapping(&[]));
        let (took, end) = run(&mut endpoint, &mut nic, true);
        assert_eq!(end, BootEnd::Stopped);
        let heard: Vec<_> = endpoint.heard.iter().map(|(_, what)| *what).collect();
        assert_eq!(heard, ["shutdown", "abort"]);
        assert_eq!(endpoint.heard[0].0, 0, "before the first poll");
        assert!(nic.aborted);
        assert!(took >= CLOSE + RESET, "{took}");
    }
}
