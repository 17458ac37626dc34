//! One world, of a seed or a plan, with every frame on its boards' cables captured and drawn.
//!
//! A frame that goes from one board's cable to another's is there twice, once on each; what happens on
//! cables without a board at their end is not shown.

use std::fs;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::Path;
use std::time::Duration;

use smoltcp::time::Instant;

use super::arena::Arena;
use super::options::SimOptions;
use super::plan::WorldPlan;
use super::run::{WorldReport, run};
use crate::capture::{Capture, Direction};
use crate::ladder::{Ladder, Style};
use crate::link::LinkEvents;
use crate::nic::wire::Side;
use crate::output;

/// Bytes of a plan's text at most.
const PLAN_MAX: u64 = 16 << 20;

fn read_plan(path: &Path) -> Result<WorldPlan, String> {
    let mut text = String::new();
    let read = if output::is_standard(path) {
        io::stdin().take(PLAN_MAX).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(PLAN_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| {
        format!(
            "cannot read the plan {}: {error}; name a file that `tapboard sim --seed N --write-plan FILE` wrote",
            path.display()
        )
    })?;
    WorldPlan::from_text(&text).map_err(|what| format!("the plan {}, {what}", path.display()))
}

fn write_plan(path: &Path, plan: &WorldPlan) -> Result<(), String> {
    let text = plan.to_text();
    if output::is_standard(path) {
        return io::stdout().write_all(text.as_bytes()).or_else(|error| output::shown(&error));
    }
    fs::write(path, text)
        .map_err(|error| format!("cannot write the plan {}: {error}", path.display()))
}

/// Runs the world that the options name.
pub(super) fn replay(options: &SimOptions) -> Result<WorldReport, String> {
    let plan = match &options.plan {
        Some(path) => read_plan(path)?,
        None => options.draw(options.seeds.start),
    };
    if let Some(path) = &options.write_plan {
        write_plan(path, &plan)?;
    }
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
