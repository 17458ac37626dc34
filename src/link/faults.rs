//! What is wrong with one direction of a link.

use smoltcp::time::Duration;

use super::chance::Chance;

/// Loss in bursts after Gilbert and Elliott: a frame is lost while the link is in its bad state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// Chance for each frame of the good state to turn bad.
    pub enter: Chance,
    /// Chance for each frame of the bad state to turn good.
    pub leave: Chance,
}

/// What is wrong with one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Frames lost at random.
    pub loss: Chance,
    /// Frames lost in bursts.
    pub burst: Option<Burst>,
    /// Frames of which one bit is flipped.
    pub corrupt: Chance,
    /// Frames that arrive twice.
    pub duplicate: Chance,
    /// Frames that later ones overtake.
    pub reorder: Chance,
    /// How long each frame takes.
    pub delay: Duration,
    /// By how much more or less it may take.
    pub jitter: Duration,
    /// Bits a second, or `None` for no limit.
    pub rate: Option<u64>,
    /// Bytes that may wait for the rate limit; the more, the longer a frame may wait.
    pub queue: usize,
    /// Largest IP packet, in bytes.
    pub mtu: usize,
    /// Nothing gets through this way.
    pub partition: bool,
}

impl Faults {
    /// A good cable.
    pub const NONE: Self = Self {
        loss: Chance::NEVER,
        burst: None,
        corrupt: Chance::NEVER,
        duplicate: Chance::NEVER,
        reorder: Chance::NEVER,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        rate: None,
        queue: 64 * 1024,
        mtu: 1500,
        partition: false,
    };

    /// Whether chance has a part in them, so that the seed matters.
    #[must_use]
    pub fn random(&self) -> bool {
        let chances = [self.loss, self.corrupt, self.duplicate, self.reorder];
        chances.into_iter().any(|chance| chance != Chance::NEVER)
            || self.burst.is_some()
            || self.jitter > Duration::ZERO
    }
}
