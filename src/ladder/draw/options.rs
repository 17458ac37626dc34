//! What `tapboard ladder` is asked for.

use std::path::{Path, PathBuf};

use crate::ladder::filter::Filter;
use crate::ladder::graph::Graph;
use crate::ladder::lanes::HostName;
use crate::ladder::text::Style;
use crate::ladder::time::TimeFormat;

/// Width from which on frames are numbered unless told otherwise.
const WIDTH_NUMBERED: usize = 80;

/// What `tapboard ladder` is to draw, and where.
#[derive(Clone, Debug, Default)]
pub struct LadderOptions {
    /// The capture, or standard input (`-`).
    pub file: PathBuf,
    /// Draw an SVG document into this file, or on standard output (`-`), in place of lines of text.
    pub svg: Option<PathBuf>,
    /// Which graph the document is of a connection, in place of a diagram of all; on standard output unless
    /// [`svg`](Self::svg) says where else.
    pub graph: Option<GraphChoice>,
    /// Which frames; all of them unless given.
    pub filter: Option<Filter>,
    /// List conversations in place of frames.
    pub list: bool,
    /// Print JSON in place of text.
    pub json: bool,
    /// Use ANSI colours.
    pub colour: When,
    /// Show the frames' numbers.
    pub numbers: When,
    /// Which times to show.
    pub times: TimeFormat,
    /// Which hosts have a column.
    pub hosts: Option<HostChoice>,
}

/// A graph, and of which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphChoice {
    /// What it shows.
    pub graph: Graph,
    /// The direction with less data.
    pub reversed: bool,
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Where it fits.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Which hosts have a column of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostChoice {
    /// So many, those of the most frames.
    Busiest(usize),
    /// These, in this order.
    These(Vec<HostName>),
}

impl LadderOptions {
    /// Where a document goes, if one is asked for.
    pub(super) fn document(&self) -> Option<&Path> {
        let standard = self.graph.map(|_| Path::new("-"));
        self.svg.as_deref().or(standard)
    }

    /// How text looks where it goes.
    pub(super) fn style(&self) -> Style {
        let style = Style::of_output();
        match self.colour {
            When::Auto => style,
            When::Always => Style { colour: true, ..style },
            When::Never => Style { colour: false, ..style },
        }
    }

    /// Whether frames are numbered at that width.
    pub(super) const fn numbered(&self, width: usize) -> bool {
        match self.numbers {
            When::Auto => width >= WIDTH_NUMBERED,
            When::Always => true,
            When::Never => false,
        }
    }
}
