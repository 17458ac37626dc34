//! Ladders: a conversation as a sequence diagram, one rung a frame, one column a host.
//!
//! [`Rungs`] turns frames, in the order in which they were sent, into [`Rung`]s: between which columns,
//! with what label, what a look at the frames before tells ([`Mark`]), and what the link did. [`Ladder`]
//! draws each as lines of text at once, while the board runs; [`svg::Drawing`] collects them for a
//! document, and [`graph::Plot`] draws one connection over time. Whatever a frame holds, all state is bounded.

mod analysis;
mod conversation;
mod draw;
mod filter;
mod frame;
pub mod graph;
mod half;
mod hosts;
mod json;
mod lanes;
mod list;
mod mark;
mod marker;
mod printable;
mod refused;
mod roundtrip;
mod rung;
mod seq;
pub mod svg;
mod text;
mod time;

pub use self::conversation::{Conversation, LISTED_MAX, Place, Protocol, Way};
pub use self::draw::{GraphChoice, HostChoice, LadderOptions, When, run};
pub use self::filter::{Filter, FilterError};
pub use self::frame::Frame;
pub use self::hosts::To;
pub use self::lanes::{HOSTS_MAX, HostName};
pub use self::mark::Mark;
pub use self::refused::Refused;
pub use self::roundtrip::RoundTrip;
pub use self::rung::{Rung, Rungs};
pub use self::text::{Ladder, Style};
#[cfg(feature = "cli")]
pub(crate) use self::text::{arrow, named};
pub use self::time::TimeFormat;

#[cfg(test)]
mod tests;
