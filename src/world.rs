//! The virtual-time driver: does what is to be done now, then jumps to the earliest event.
//!
//! A simulated hour of an idle board costs a few thousand steps. The driver owns no node and no NIC; a
//! step function polls them all and says when the next thing happens. That keeps a run exactly as
//! repeatable as the step function is.

use smoltcp::time::Instant;

use crate::clock::VirtualClock;

/// What a step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// What the run was for has happened.
    Done,
    /// Nothing before this moment, unless it is now; `None`: nothing ever again by itself.
    Next(Option<Instant>),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A step said so.
    Done,
    /// The time limit came first.
    Limit,
    /// No event is left, and none can come.
    Quiet,
    /// The clock stood still for [`STEPS_AT_ONE_INSTANT`] steps: some node never has enough.
    Spinning,
}

/// How many steps may follow each other without time moving on.
pub const STEPS_AT_ONE_INSTANT: u32 = 100_000;

/// Runs `step` until it is done, until `limit`, or until nothing more can happen. On
/// [`Outcome::Limit`] and [`Outcome::Quiet`] the clock stands at `limit`.
///
/// # Panics
/// If a step asks for a moment in the past: that is a bug in a node's deadline.
pub fn drive(
    clock: &mut VirtualClock,
    limit: Instant,
    mut step: impl FnMut(Instant) -> Step,
) -> Outcome {
    let mut still = 0;
    loop {
        let now = clock.now();
        let next = match step(now) {
            Step::Done => return Outcome::Done,
            Step::Next(None) => {
                clock.advance_to(limit);
                return Outcome::Quiet;
            }
            Step::Next(Some(next)) => next,
        };
        assert!(next >= now, "deadline {next} lies in the past of {now}");
        if next > limit {
            clock.advance_to(limit);
            return Outcome::Limit;
        }
        still = if next == now { still + 1 } else { 0 };
        if still >= STEPS_AT_ONE_INSTANT {
            return Outcome::Spinning;
        }
        clock.advance_to(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Instant = Instant::from_millis_const(1000);

    #[test]
    fn it_jumps_from_event_to_event() {
        let mut clock = VirtualClock::new();
        let mut seen = Vec::new();
        let outcome = drive(&mut clock, SECOND, |now| {
            seen.push(now.total_millis());
            Step::Next(Some(Instant::from_millis(now.total_millis() + 300)))
        });
        assert_eq!((outcome, seen), (Outcome::Limit, vec![0, 300, 600, 900]));
        assert_eq!(clock.now(), SECOND);
    }

    #[test]
    fn a_node_that_never_has_enough_is_found_out() {
        let mut clock = VirtualClock::new();
        let outcome = drive(&mut clock, SECOND, |now| Step::Next(Some(now)));
        assert_eq!(outcome, Outcome::Spinning);
    }

    #[test]
    #[should_panic(expected = "lies in the past")]
    fn a_deadline_in_the_past_is_a_bug() {
        let mut clock = VirtualClock::new();
        clock.advance_to(SECOND);
        drive(&mut clock, SECOND, |_| Step::Next(Some(Instant::ZERO)));
    }
}
