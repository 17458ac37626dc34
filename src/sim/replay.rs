//! One world again, with every frame on its boards' cables captured and drawn.
//!
//! A frame that goes from one board's cable to another's is there twice, once on each; what happens on
//! cables without a board at their end is not shown.

use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use smoltcp::time::Instant;

use super::{Arena, Plan, Report, SimOptions, run};
use crate::capture::{Capture, Direction};
use crate::ladder::{Ladder, Style};
use crate::link::LinkEvents;
use crate::nic::wire::Side;
use crate::output;

/// Runs the world that the options name.
pub(super) fn replay(options: &SimOptions) -> Result<Report, String> {
    let plan = Plan::draw(options.seeds.start, options.faults);
    let capture = |path: &Path| {
        if options.captures_to_stdout() {
            // No board waits for its reader: time is virtual.
            Capture::on_stdout("boards", Duration::ZERO, true)
        } else {
            Capture::create(path, "boards", Duration::ZERO)
        }
    };
    let mut capture =
        options.pcap.as_deref().map(capture).transpose().map_err(|error| error.to_string())?;
    let mut ladder = options.ladder.then(|| Ladder::new(Style::of_output()));
    let mut out = BufWriter::new(output::stream());
    let mut error = None;
    let mut observer = |now: Instant, node: usize, to: Side, frame: &[u8], notes: &LinkEvents| {
        if node >= plan.boards() {
            return;
        }
        let direction = match to {
            Side::Board => Direction::ToBoard,
            Side::Peer => Direction::ToPeer,
        };
        let (frame, notes) = (notes.as_arrived(frame), notes.to_string());
        if let Some(capture) = &mut capture
            && let Err(failed) = capture.record(now, direction, &frame, &notes)
            // Who reads along and has seen enough is no failure of the world.
            && failed.kind() != ErrorKind::BrokenPipe
        {
            error = Some(failed.to_string());
        }
        if let Some(drawn) = &mut ladder
            && writeln!(out, "{}", drawn.line(now, direction, &frame, &notes)).is_err()
        {
            // Nobody reads any more.
            ladder = None;
        }
    };
    let report = run(&plan, &mut Arena::new(), Some(&mut observer));
    let _ = out.flush();
    error.map_or(Ok(report), Err)
}
