//! Two ends, the cable between them, and the virtual time in which they run.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration as StdDuration;

use smoltcp::time::{Duration, Instant};

use super::artifacts::{self, Failure};
use super::cable::Cable;
use super::core::Core;
use super::flight::{Flight, Recorder};
use super::nic::Nic;
use crate::capture::{Capture, CaptureError};
use crate::clock::VirtualClock;
use crate::link::{Link, LinkEvents, Side};
use crate::nic::impairment::{Impairment, Observer, Watch};
use crate::world::{Outcome, Step, drive};

/// When a step was, the frames that had been sent by then, and those that were not taken.
pub(super) type State = (Instant, u64, usize);

/// A cable with an interface at either end, in virtual time, for any two stacks: [`Nic`]s are theirs, and
/// [`drive`](Self::drive) polls them whenever something is to be done.
///
/// It keeps the last 16 MiB of frames. If it is dropped while its thread panics, they are written as a capture and a
/// ladder; see [`check`](super::check), which has a seed besides.
#[derive(Debug)]
pub struct Network {
    cable: Cable,
    pub(crate) clock: VirtualClock,
    pub(super) flight: Rc<RefCell<Flight>>,
}

impl Network {
    /// Both ends on `link`, at time zero.
    #[must_use]
    pub fn new(link: Link) -> Self {
        let flight = Rc::new(RefCell::new(Flight::default()));
        let mut impairment = Impairment::new(link);
        impairment.watch(Watch::Flight, Some(Box::new(Recorder(Rc::clone(&flight)))));
        let cable = Cable(Rc::new(RefCell::new(Core::new(impairment))));
        Self { cable, clock: VirtualClock::new(), flight }
    }

    /// The cable, to be changed at any time.
    #[must_use]
    pub fn cable(&self) -> Cable {
        self.cable.clone()
    }

    /// The interface at that end.
    #[must_use]
    pub fn nic(&self, side: Side) -> Nic {
        Nic { cable: self.cable(), side }
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Lets at most `duration` pass. Each `step` polls both ends at the time that it is given, and returns when one of
    /// them wants to be polled again though nothing arrives; it is called as well when a frame arrives.
    ///
    /// A frame that an end does not take when it has arrived, as one whose power is off, waits for it and wakes nobody
    /// again. Of those that wait at the peer's end, what exceeds [`HELD_MAX`](crate::link::HELD_MAX) is lost.
    ///
    /// # Panics
    /// If a step asks for a moment in the past.
    pub fn drive(&mut self, duration: Duration, mut step: impl FnMut(Instant) -> Step) -> Outcome {
        let mut clock = self.clock;
        let limit = clock.now() + duration;
        let mut before = None;
        let outcome = drive(&mut clock, limit, |now| self.or_arrival(step(now), now, &mut before));
        self.clock = clock;
        outcome
    }

    /// What a step at `now` came to, with the next frame's arrival. `before` is [`None`] at first and is kept between
    /// the steps.
    pub(crate) fn or_arrival(&self, step: Step, now: Instant, before: &mut Option<State>) -> Step {
        let Step::Next(next) = step else { return Step::Done };
        self.pump(now);
        let state = self.state(now);
        let moved = before.replace(state) != Some(state);
        Step::Next(self.arrival(now, moved).into_iter().chain(next).min())
    }

    /// Lets arrive at the peer's end what does by `now`.
    pub(super) fn pump(&self, now: Instant) {
        self.cable.0.borrow_mut().pump(now);
    }

    pub(super) fn state(&self, now: Instant) -> State {
        (now, self.flight.borrow().progress, self.cable.0.borrow().waiting())
    }

    /// When the next frame arrives at either end; those that wait count if something has `moved`.
    pub(super) fn arrival(&self, now: Instant, moved: bool) -> Option<Instant> {
        let core = self.cable.0.borrow();
        let arrivals = [Side::Board, Side::Peer].map(|side| {
            core.next_arrival(side).filter(|&at| at > now || moved).map(|at| at.max(now))
        });
        arrivals.into_iter().flatten().min()
    }

    /// Writes every frame from now on to this pcapng file, with what the cable did to it. Its time begins in
    /// 1970, so that the same run writes the same bytes.
    pub fn capture(&mut self, path: &Path) -> Result<(), CaptureError> {
        let capture = Capture::create(path, "board", StdDuration::ZERO)?;
        self.cable.0.borrow_mut().impairment.watch(Watch::Capture, Some(Box::new(ToFile(capture))));
        Ok(())
    }

    /// Writes the frames there have been, the last 16 MiB of them, to this pcapng file.
    pub fn write_capture(&self, path: &Path) -> Result<(), CaptureError> {
        self.flight.borrow().write_capture(path)
    }

    /// Those frames as a sequence diagram.
    #[must_use]
    pub fn ladder(&self) -> String {
        self.flight.borrow().ladder()
    }

    /// Puts a text beside the capture, should it be written: an end's sockets, say, under the title `netstat`. A later
    /// one of the same title replaces it.
    pub fn note(&self, title: &str, text: impl Into<String>) {
        self.flight.borrow_mut().note(title, text.into());
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.flight.borrow().owned {
            let name = artifacts::test_name();
            let name = name.as_deref();
            let failure = Failure { name, seed: None, what: "it panicked", tested: true };
            eprintln!("{}", failure.write(&artifacts::directory(), &[Rc::clone(&self.flight)]));
        }
    }
}

/// Writes every frame to a file.
struct ToFile(Capture);

impl Observer for ToFile {
    fn frame(&mut self, now: Instant, to: Side, frame: &[u8], events: &LinkEvents) {
        let written = self.0.record(now, to.into(), frame, &events.to_string());
        written.expect("a file that can be written to its end");
    }
}
