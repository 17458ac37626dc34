//! One world, from its plan to its report.

use std::panic::{AssertUnwindSafe, catch_unwind};

use smoltcp::time::{Duration, Instant};
use tapboard_firmware::BoardSockets;

use super::arena::{Arena, BOOTS, PEER_BOOTS, PeerSockets};
use super::node::BootMemory;
use super::plan::{SETTLE, WorldPlan};
use super::switch::Observer;
use super::world::World;
use crate::clock::VirtualClock;
use crate::world::{Outcome, drive};

/// What did not hold in a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The world's seed, if one drew its plan.
    pub seed: Option<u64>,
    /// When, in virtual time.
    pub at: Instant,
    /// The name of what should have held.
    pub oracle: &'static str,
    /// What was found instead.
    pub text: String,
    /// Every machine's sockets and counters at that moment.
    pub netstat: String,
}

/// What a world came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldReport {
    /// Virtual time that passed.
    pub elapsed: Duration,
    /// Frames that machines sent.
    pub frames: u64,
    /// Polls of machines.
    pub polls: u64,
    /// What did not hold, if anything.
    pub failure: Option<Failure>,
}

/// Runs a world to its end, or to the first thing that does not hold. `observer` sees every frame; see
/// [`Observer`].
pub fn run<'o>(
    plan: &WorldPlan,
    arena: &mut Arena,
    observer: Option<&'o mut Observer<'o>>,
) -> WorldReport {
    let mut boards: Vec<BoardSockets<'_>> = (0..BOOTS).map(|_| BoardSockets::new()).collect();
    let mut peers: Vec<PeerSockets<'_>> = (0..PEER_BOOTS).map(|_| PeerSockets::new()).collect();
    let memory =
        BootMemory { lent: arena.lend(), boards: boards.iter_mut(), peers: peers.iter_mut() };
    let mut clock = VirtualClock::new();
    let mut world = World::new(plan, memory, observer);
    let limit = plan.heal + SETTLE * 2;
    let outcome =
        catch_unwind(AssertUnwindSafe(|| drive(&mut clock, limit, |now| world.step(now))));
    let violation = match outcome {
        Ok(Outcome::Done) => world.violation.take().map(|found| (found.oracle, found.text)),
        Ok(outcome) => Some(("end", format!("the world ended by {outcome:?}"))),
        Err(panic) => Some(("panic", panic_text(&*panic))),
    };
    let failure = violation.map(|(oracle, text)| Failure {
        seed: plan.seed,
        at: clock.now(),
        oracle,
        text,
        netstat: world.netstat(),
    });
    WorldReport {
        elapsed: clock.now() - Instant::ZERO,
        frames: world.switch.frames,
        polls: world.polls,
        failure,
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
