//! The document that `--svg` asks for: the ladder, or a graph.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::options::{GraphChoice, LadderOptions};
use super::stdout;
use crate::ladder::frame::Frame;
use crate::ladder::graph::{self, Plot};
use crate::ladder::rung::Rungs;
use crate::ladder::svg::{self, Drawing};
use crate::output::{counted, is_standard, shown};

/// A document in the making.
pub(super) enum Document {
    Ladder(Drawing),
    Graph(Plot),
}

impl Document {
    /// What the options ask for, of the frames that `rungs` makes rungs of.
    pub(super) fn new(options: &LadderOptions, rungs: Rungs) -> Self {
        match options.graph {
            None => Self::Ladder(Drawing::default().of_rungs(rungs)),
            Some(GraphChoice { graph, reversed }) => {
                Self::Graph(Plot::new(graph).reversed(reversed).of_rungs(rungs))
            }
        }
    }

    pub(super) fn add(&mut self, frame: &Frame<'_>) {
        match self {
            Self::Ladder(drawing) => drawing.add(frame),
            Self::Graph(plot) => plot.add(frame),
        }
    }

    /// Writes it, unless there is nothing to be seen.
    pub(super) fn write(self, path: &Path, name: &str) -> Result<Rungs, String> {
        let (left_out, max) = match &self {
            Self::Ladder(drawing) => (drawing.left_out(), svg::RUNGS_MAX),
            Self::Graph(plot) => (plot.left_out(), graph::SEGMENTS_MAX),
        };
        let rungs = match self {
            Self::Ladder(drawing) => {
                if !drawing.is_empty() {
                    write(path, |out| drawing.write(out))?;
                }
                drawing.into_rungs()
            }
            Self::Graph(plot) => {
                match plot.finish() {
                    Ok(text) => write(path, |out| out.write_all(text.as_bytes()))?,
                    Err(error) if !plot.is_empty() => return Err(format!("{name}: {error}")),
                    Err(_) => {}
                }
                plot.into_rungs()
            }
        };
        if left_out > 0 {
            log::warn!(
                "only the first {max} frames are drawn; left out: {}",
                counted(left_out, "frame")
            );
        }
        Ok(rungs)
    }
}

fn write(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), String> {
    if is_standard(path) {
        let mut out = stdout();
        return write(&mut out).and_then(|()| out.flush()).or_else(|error| shown(&error));
    }
    let written = File::create(path).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush()
    });
    written.map_err(|error| {
        format!(
            "cannot write {}: {error}; name a file in a directory that you may write",
            path.display()
        )
    })
}
