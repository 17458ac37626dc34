//! What a link did to a frame: told to whoever watches, and written into captures as the frame's comment.

use std::borrow::Cow;
use std::fmt;

use smoltcp::time::Duration;

use super::chance::Chance;
use super::setting;
use crate::output::counted;

/// Frames that one direction holds at most; further ones are dropped, and the event says so.
pub const HELD_MAX: usize = 10_000;
/// One thing that befell a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The cable was out.
    Unplugged,
    /// This direction was cut.
    Partition,
    /// It was longer than the MTU, in bytes.
    Mtu(usize),
    /// It was lost at random, at this chance.
    Loss(Chance),
    /// It was lost in a burst.
    Burst,
    /// The rate limit's queue, of that many bytes, was full.
    QueueFull(usize),
    /// The link held as many frames as it can.
    HeldMax,
    /// This bit of that byte was flipped.
    Corrupted {
        /// From 0, the least significant.
        bit: u8,
        /// From 0, the first of the Ethernet header.
        byte: usize,
    },
    /// It arrived this much later than it was sent.
    Delayed(Duration),
    /// It arrived so much later than its turn that others may overtake it.
    Reordered(Duration),
    /// It arrived twice.
    Duplicated,
}

impl LinkEvent {
    /// Whether the frame did not arrive.
    #[must_use]
    pub const fn dropped(self) -> bool {
        matches!(
            self,
            Self::Unplugged
                | Self::Partition
                | Self::Mtu(_)
                | Self::Loss(_)
                | Self::Burst
                | Self::QueueFull(_)
                | Self::HeldMax
        )
    }
}

impl fmt::Display for LinkEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unplugged => f.write_str("dropped: the cable is out"),
            Self::Partition => f.write_str("dropped: this direction is cut"),
            Self::Mtu(mtu) => write!(f, "dropped: longer than the MTU of {mtu}"),
            Self::Loss(chance) => write!(f, "dropped by loss {chance}"),
            Self::Burst => f.write_str("dropped in a burst"),
            Self::QueueFull(bytes) => {
                write!(f, "dropped: the queue of {} is full", counted(*bytes, "byte"))
            }
            Self::HeldMax => write!(f, "dropped: {HELD_MAX} frames are under way"),
            Self::Corrupted { bit, byte } => write!(f, "bit {bit} of byte {byte} flipped"),
            Self::Delayed(delay) => write!(f, "delayed {}", setting::duration(*delay)),
            Self::Reordered(delay) => write!(f, "reordered by {}", setting::duration(*delay)),
            Self::Duplicated => f.write_str("duplicated"),
        }
    }
}

/// All that befell a frame, in the order in which it did; empty if nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkEvents(heapless::Vec<LinkEvent, 4>);

impl LinkEvents {
    pub(super) fn add(&mut self, event: LinkEvent) {
        // At most corruption, a delay, a reordering and a duplicate; or one reason to drop.
        let _ = self.0.push(event);
    }

    /// The events.
    #[must_use]
    pub fn as_slice(&self) -> &[LinkEvent] {
        &self.0
    }

    /// The frame as it arrives, if it does: with the bit flipped that is said to be.
    #[must_use]
    pub fn as_arrived<'f>(&self, frame: &'f [u8]) -> Cow<'f, [u8]> {
        let mut frame = Cow::Borrowed(frame);
        for event in &self.0 {
            if let LinkEvent::Corrupted { bit, byte } = *event {
                frame.to_mut()[byte] ^= 1 << bit;
            }
        }
        frame
    }

    /// Whether the frame did not arrive.
    #[must_use]
    pub fn dropped(&self) -> bool {
        self.0.iter().any(|event| event.dropped())
    }
}

impl fmt::Display for LinkEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, event) in self.0.iter().enumerate() {
            write!(f, "{}{event}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
