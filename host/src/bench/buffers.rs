//! What the runs of a connection write from and read into, made once.

use crate::bench::cyclic_pattern::CyclicPattern;
use crate::bench::plan::{BenchPlan, PING};

/// What all runs of a connection share.
#[derive(Debug)]
pub(super) struct BenchBuffers {
    /// What is sent.
    pub(super) random: CyclicPattern,
    /// What chargen sends.
    pub(super) chargen: CyclicPattern,
    /// Read into; no longer than what a pattern yields at once.
    pub(super) receive: Vec<u8>,
}

impl BenchBuffers {
    pub(super) fn new(plan: &BenchPlan) -> Self {
        // A ping's answer is read with room for a byte too many.
        let chunk = plan.chunk.max(2 * PING);
        let (random, chargen) = (CyclicPattern::random(chunk), CyclicPattern::chargen(chunk));
        Self { random, chargen, receive: vec![0; chunk] }
    }
}
