//! The ladder as an SVG document: self-contained, legible on light and on dark ground.
//!
//! A [`Drawing`] keeps its rungs, at most [`RUNGS_MAX`] of them, because the columns are as wide as
//! the longest label needs. The document names no font that has to be there, and no other file. Each rung is a group
//! with the frame's number as its anchor (`#f12`) and all that is known of it as its hover text.
//!
//! Up to [`WHOLE_MAX`] rungs the document is a picture, for any program. A longer one is for browsers: its rungs are
//! in pages within a `foreignObject`, which a browser lays out when they come into sight (CSS `content-visibility`),
//! and below titles that stay. A hundred thousand rungs are there in some five seconds then, and not in fifty.

mod draw;
pub(super) mod element;
mod layout;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::IpAddr;

use smoltcp::time::Instant;

use self::draw::Pen;
use self::element::{Escaped, Px};
use self::layout::{Layout, MARGIN, ROW};
use super::frame::Frame;
use super::rung::{Rung, Rungs};
use crate::capture::Direction;

/// Frames that a document shows.
pub const RUNGS_MAX: usize = 200_000;
/// Frames of a document that is drawn as one picture.
pub const WHOLE_MAX: usize = 500;
/// Columns at most. Of more hosts, some share the last one.
pub const HOSTS_MAX: usize = 64;

/// Rungs of a page.
const PAGE: usize = 100;

const STYLE: &str = "\
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328}
.ground{fill:#fff}.title{font-weight:bold}.time,.port{fill:#59636e}.time,.e{text-anchor:end}.m{text-anchor:middle}
path{stroke-width:1.4;stroke:#1f2328;fill:#1f2328}.lane{stroke:#c4cbd3;fill:none}
.mark{fill:#8a5a00}.note{fill:#0550ae}.drop{fill:#c0202b}
.again{stroke:#b87700;fill:#b87700}.lost{stroke:#c0202b;fill:none}
g:hover path{stroke-width:2.4}g:target path{stroke-width:3}g:target text{font-weight:bold}a:hover text{text-decoration:underline}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.time,.port{fill:#9198a1}
path{stroke:#e6edf3;fill:#e6edf3}.lane{stroke:#3d444d;fill:none}
.mark{fill:#e3b341}.note{fill:#79c0ff}.drop{fill:#ff7b72}
.again{stroke:#d29922;fill:#d29922}.lost{stroke:#ff7b72;fill:none}}
";
/// Labels that cross lanes.
const CROWDED: &str = "\
.m,.port{paint-order:stroke;stroke:#fff;stroke-width:3px}
@media(prefers-color-scheme:dark){.m,.port{stroke:#0d1117}}
";
/// Pages, and the titles above them.
const PAGED: &str = "\
.all{width:100%;height:100%;overflow:auto;background:#fff}.titles{position:sticky;top:0;z-index:1;background:#fff}
.all svg{display:block}.page{content-visibility:auto}g{scroll-margin-top:20vh}
@media(prefers-color-scheme:dark){.all,.titles{background:#0d1117}.all{color-scheme:dark}}
";

/// A document in the making.
#[derive(Debug)]
pub struct Drawing {
    rungs: Rungs,
    drawn: Vec<Rung>,
    left_out: u64,
}

impl Default for Drawing {
    fn default() -> Self {
        Self { rungs: Rungs::default().of_columns(HOSTS_MAX), drawn: Vec::new(), left_out: 0 }
    }
}

impl Drawing {
    /// Draws the board of these addresses; see [`Rungs::of_board`].
    #[must_use]
    pub fn of_board(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.rungs = self.rungs.of_board(addresses);
        self
    }

    /// Adds an Ethernet frame that was sent on our link at `now`. With `None` for a direction, see
    /// [`Frame::direction`].
    pub fn frame(
        &mut self,
        now: Instant,
        direction: impl Into<Option<Direction>>,
        frame: &[u8],
        notes: &str,
    ) {
        self.add(&Frame::sent(now, direction.into(), frame, notes));
    }

    /// Adds any frame; nothing of one whose link is not one that can be drawn.
    pub fn add(&mut self, frame: &Frame<'_>) {
        if self.drawn.len() < RUNGS_MAX {
            self.drawn.extend(self.rungs.frame(frame));
        } else if self.rungs.look(frame).is_some() {
            self.left_out += 1;
        }
    }

    /// Draws the frames that these make rungs of, in their columns.
    #[must_use]
    pub fn of_rungs(mut self, rungs: Rungs) -> Self {
        self.rungs = rungs;
        self
    }

    /// What the frames were made to rungs by.
    #[must_use]
    pub fn into_rungs(self) -> Rungs {
        self.rungs
    }

    /// Whether there is nothing to be seen.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.drawn.is_empty()
    }

    /// Frames for which there was no room.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The document.
    #[must_use]
    pub fn finish(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out).expect("a vector takes all");
        String::from_utf8(out).expect("it was written as text")
    }

    /// Writes the document, a page at a time.
    pub fn write(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let titles = self.rungs.titles();
        let layout = Layout::new(&titles, &self.drawn);
        let pen = Pen { layout: &layout, titles: &titles };
        let whole = self.drawn.len() <= WHOLE_MAX;
        let height = layout.header + self.drawn.len() as f64 * ROW + MARGIN;
        let size = if whole {
            let (width, height) = (Px(layout.right), Px(height));
            format!(
                "width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\""
            )
        } else {
            "width=\"100%\" height=\"100%\"".into()
        };
        let crowded = if layout.crowded { CROWDED } else { "" };
        let paged = if whole { "" } else { PAGED };
        write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" {size}>\n<title>Conversation of {}</title>\n\
             <style>\n{STYLE}{crowded}{paged}</style>\n",
            Escaped(&titles.join(", "))
        )?;
        if whole {
            let mut text = "<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n".to_string();
            pen.titles(&mut text);
            pen.lanes(&mut text, layout.header, height - MARGIN / 2.0);
            for (index, rung) in self.drawn.iter().enumerate() {
                pen.rung(&mut text, rung, layout.header + index as f64 * ROW);
            }
            out.write_all(text.as_bytes())?;
        } else {
            self.pages(out, &pen)?;
        }
        out.write_all(b"</svg>\n")
    }

    /// All pages within a `foreignObject`, and what programs show that are no browsers.
    fn pages(&self, out: &mut (impl Write + ?Sized), pen: &Pen<'_>) -> io::Result<()> {
        let layout = pen.layout;
        let (width, header) = (Px(layout.right), Px(layout.header));
        let svg = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\"");
        let mut text = String::new();
        pen.titles(&mut text);
        write!(
            out,
            "<switch><foreignObject width=\"100%\" height=\"100%\" \
             requiredExtensions=\"http://www.w3.org/1999/xhtml\">\
             <div xmlns=\"http://www.w3.org/1999/xhtml\" class=\"all\">\
             <div class=\"titles\" style=\"width:{width}px\">{svg} height=\"{header}\">\n{text}</svg></div>\n"
        )?;
        for page in self.drawn.chunks(PAGE) {
            let height = page.len() as f64 * ROW;
            text.clear();
            pen.lanes(&mut text, 0.0, height);
            for (index, rung) in page.iter().enumerate() {
                pen.rung(&mut text, rung, index as f64 * ROW);
            }
            let height = Px(height);
            writeln!(
                out,
                "<div class=\"page\" style=\"contain-intrinsic-size:{width}px {height}px\">\
                 {svg} height=\"{height}\">\n{text}</svg></div>"
            )?;
        }
        let mut count = String::new();
        let _ = write!(count, "{} frames: open this document in a browser", self.drawn.len());
        writeln!(out, "</div></foreignObject><text x=\"{MARGIN}\" y=\"32\">{count}</text></switch>")
    }
}

#[cfg(test)]
mod tests;
