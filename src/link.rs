//! One seeded model of a bad cable, for every NIC, in real and in virtual time.
//!
//! A [`Link`] is handed each frame as it is sent and hands it out as it arrives, perhaps later, twice,
//! changed or never; what it did is told in [`LinkEvents`]. Each direction has its own [`Faults`] and its own
//! random numbers, so that the same seed and the same frames give the same verdicts. It owns no clock
//! and no NIC. A frame costs at most six random numbers and a copy; a direction holds at most
//! [`HELD_MAX`] frames.
//!
//! The order of what befalls a frame: cable and partition, MTU, loss, corruption, rate and its queue,
//! delay with jitter, reordering, duplication. Jitter alone never reorders: a later frame waits for an
//! earlier one, as on a cable. What is under way keeps the time it was given; once rate, delay or jitter
//! have changed, or the cable was out, later frames do not wait for it.

mod chance;
mod counters;
mod describe;
mod event;
mod faults;
mod model;
mod options;
mod setting;
mod side;

pub use self::chance::Chance;
pub use self::counters::{Dropped, LinkCounters};
pub use self::event::{HELD_MAX, LinkEvent, LinkEvents};
pub use self::faults::{Burst, Faults};
pub use self::model::Link;
pub use self::options::LinkOptions;
pub(crate) use self::setting::duration as duration_text;
pub use self::setting::{Setting, parse_duration};
pub use self::side::Side;

#[cfg(test)]
mod tests;
