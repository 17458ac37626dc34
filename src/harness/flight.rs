//! The flight recorder: the last frames of a network, kept in memory for what is written when a test fails.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use smoltcp::time::Instant;

use crate::capture::{Capture, CaptureError};
use crate::ladder::{Ladder, Style};
use crate::link::{LinkEvents, Side};
use crate::nic::impairment::Observer;

/// Bytes of frames that are kept; of more, the last.
const KEPT_BYTES: usize = 16 << 20;
/// Characters of a ladder's line.
const WIDTH: usize = 120;

/// A frame, and what befell it.
#[derive(Debug)]
struct Recorded {
    at: Instant,
    to: Side,
    frame: Vec<u8>,
    events: LinkEvents,
}

/// What a network leaves behind.
#[derive(Debug, Default)]
pub(super) struct Flight {
    frames: VecDeque<Recorded>,
    bytes: usize,
    /// Frames that were left out, the earliest ones.
    forgotten: u64,
    /// Frames that were offered and taken: whether anything moves.
    pub(super) progress: u64,
    /// What was said of it: a title and a text, such as both ends' sockets.
    pub(super) notes: Vec<(String, String)>,
    /// A [`Run`](super::Run) writes it, if it is to be written.
    pub(super) owned: bool,
}

impl Flight {
    /// Frames there are to be seen.
    pub(super) fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Frames that were forgotten.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Writes them as pcapng. The time begins in 1970, so that the same frames are the same bytes.
    pub(super) fn write_capture(&self, path: &Path) -> Result<(), CaptureError> {
        let mut capture = Capture::create(path, "board", Duration::ZERO)?;
        for Recorded { at, to, frame, events } in &self.frames {
            capture
                .record(*at, (*to).into(), frame, &events.to_string())
                .map_err(|error| CaptureError::Create { path: path.into(), error })?;
        }
        Ok(())
    }

    /// Draws them.
    pub(super) fn ladder(&self) -> String {
        let mut ladder = Ladder::new(Style { width: WIDTH, colour: false });
        let mut text = String::new();
        for Recorded { at, to, frame, events } in &self.frames {
            let direction = crate::capture::Direction::from(*to);
            let _ = writeln!(text, "{}", ladder.line(*at, direction, frame, &events.to_string()));
        }
        text
    }

    /// Says something of it, in place of what was said under that title before.
    pub(super) fn note(&mut self, title: &str, text: String) {
        match self.notes.iter_mut().find(|(other, _)| other == title) {
            Some((_, old)) => *old = text,
            None => self.notes.push((title.into(), text)),
        }
    }
}

/// Keeps what passes.
#[derive(Debug)]
pub(super) struct Recorder(pub(super) Rc<RefCell<Flight>>);

impl Observer for Recorder {
    fn frame(&mut self, now: Instant, to: Side, frame: &[u8], events: &LinkEvents) {
        let flight = &mut *self.0.borrow_mut();
        flight.bytes += frame.len();
        let recorded = Recorded { at: now, to, frame: frame.to_vec(), events: events.clone() };
        flight.frames.push_back(recorded);
        flight.progress += 1;
        while flight.bytes > KEPT_BYTES
            && let Some(first) = flight.frames.pop_front()
        {
            flight.bytes -= first.frame.len();
            flight.forgotten += 1;
        }
    }
}
