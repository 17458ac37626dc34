//! What a direction of a link has done to its frames, counted.

use super::event::{LinkEvent, LinkEvents};

/// Frames of one direction since the start. Of those that were `sent`, and those that were `duplicated`, each was
/// dropped, has arrived, or is under way.
///
/// A superframe, of several segments, is one frame while the link is transparent; else its segments are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Frames that were sent into it.
    pub sent: u64,
    /// Bytes of these, from the Ethernet header on.
    pub sent_bytes: u64,
    /// Frames that did not arrive.
    pub dropped: Dropped,
    /// Frames of which a bit was flipped.
    pub corrupted: u64,
    /// Frames that took longer than no time.
    pub delayed: u64,
    /// Frames that later ones could overtake.
    pub reordered: u64,
    /// Frames that arrived twice.
    pub duplicated: u64,
}

/// Frames that did not arrive, by what befell them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The cable was out, or came out while they were under way.
    pub unplugged: u64,
    /// The direction was cut.
    pub partition: u64,
    /// They were longer than the MTU.
    pub mtu: u64,
    /// They were lost at random.
    pub loss: u64,
    /// They were lost in a burst.
    pub burst: u64,
    /// The rate limit's queue was full.
    pub queue_full: u64,
    /// The link held as many frames as it can.
    pub held_max: u64,
}

impl Dropped {
    /// Each reason with its count.
    #[must_use]
    pub const fn by_reason(&self) -> [(&'static str, u64); 7] {
        let Self { unplugged, partition, mtu, loss, burst, queue_full, held_max } = *self;
        [
            ("unplugged", unplugged),
            ("partition", partition),
            ("mtu", mtu),
            ("loss", loss),
            ("burst", burst),
            ("queue_full", queue_full),
            ("held_max", held_max),
        ]
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason().iter().map(|(_, count)| count).sum()
    }
}

impl LinkCounters {
    /// A frame of `len` bytes was sent, and this befell it.
    pub(super) fn count(&mut self, len: usize, events: &LinkEvents) {
        self.pass(len);
        for event in events.as_slice() {
            let counter = match event {
                LinkEvent::Unplugged => &mut self.dropped.unplugged,
                LinkEvent::Partition => &mut self.dropped.partition,
                LinkEvent::Mtu(_) => &mut self.dropped.mtu,
                LinkEvent::Loss(_) => &mut self.dropped.loss,
                LinkEvent::Burst => &mut self.dropped.burst,
                LinkEvent::QueueFull(_) => &mut self.dropped.queue_full,
                LinkEvent::HeldMax => &mut self.dropped.held_max,
                LinkEvent::Corrupted { .. } => &mut self.corrupted,
                LinkEvent::Delayed(_) => &mut self.delayed,
                LinkEvent::Reordered(_) => &mut self.reordered,
                LinkEvent::Duplicated => &mut self.duplicated,
            };
            *counter += 1;
        }
    }

    /// A frame of `len` bytes passed without the link's being asked.
    pub(crate) const fn pass(&mut self, len: usize) {
        self.sent += 1;
        self.sent_bytes += len as u64;
    }
}

#[cfg(test)]
mod tests;
