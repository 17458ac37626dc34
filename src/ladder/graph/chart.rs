//! A chart: title, axes with a grid, legend, and what is drawn between them.

use std::fmt::Write;

use super::axis::{Axis, Quantity};
use crate::ladder::svg::element::{Escaped, Px, width};

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 580.0;
/// The plot's edges.
const LEFT: f64 = 76.0;
const RIGHT: f64 = WIDTH - 28.0;
pub(super) const TOP: f64 = 110.0;
pub(super) const BOTTOM: f64 = HEIGHT - 52.0;
/// About as many ticks.
const TICKS: (f64, f64) = (10.0, 7.0);
/// The classes that there are, in the legend's order.
const LEGEND: [&str; 9] =
    ["data", "flow", "dots", "again", "bars", "lost", "sack", "ack", "window"];
/// Where the legend is.
const LEGEND_AT: f64 = 86.0;
/// Marks of a kind that have a hover text each.
const HOVERS_MAX: usize = 4000;

const STYLE: &str = "\
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328}
.ground{fill:#fff}.title{font-size:15px;font-weight:bold}.small{fill:#59636e}.e{text-anchor:end}.m{text-anchor:middle}
.grid{stroke:#e6eaef}.axis{stroke:#8c959f}path{fill:none;stroke-width:1.5;stroke-linejoin:round}
.data,.flow{stroke:#0969da}.data{stroke-width:2}.ack{stroke:#1a7f37}.window{stroke:#8c959f}.again{stroke:#d4620a;stroke-width:2.5}
.lost{stroke:#cf222e;stroke-width:1.8}.sack{stroke:#8250df;stroke-width:2.5;opacity:.75}
.area{fill:#0969da;fill-opacity:.12;stroke:none}.dots{stroke:#0969da;stroke-width:4;stroke-linecap:round;opacity:.7}
.bars{fill:#d4620a;stroke:none}.mean{stroke:#8c959f;stroke-dasharray:5 4}
.word{paint-order:stroke;stroke:#fff;stroke-width:4px}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.small{fill:#9198a1}
.grid{stroke:#21262d}.axis{stroke:#6e7681}.data,.flow{stroke:#58a6ff}.ack{stroke:#3fb950}.window,.mean{stroke:#6e7681}
.again{stroke:#f0883e}.lost{stroke:#ff7b72}.sack{stroke:#bc8cff}.area{fill:#58a6ff}.dots{stroke:#58a6ff}.bars{fill:#f0883e}.word{stroke:#0d1117}}
";

/// How a kind of thing is drawn, and what it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) class: &'static str,
    pub(super) name: &'static str,
}

/// A chart in the making.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// What stands at the vertical axis, without the unit.
    name: &'static str,
    legend: Vec<Kind>,
    body: String,
}

impl Chart {
    /// An empty chart from one time to another, in microseconds, and between two values.
    pub(super) fn new(
        times: (i64, i64),
        name: &'static str,
        quantity: Quantity,
        values: (f64, f64),
    ) -> Self {
        // Something in the first moment is not on the axis.
        let (first, last) = (times.0 as f64, times.1 as f64);
        let pad = (last - first) * 0.01;
        let x = Axis::exact(Quantity::Time, (first - pad, last + pad), (LEFT, RIGHT), TICKS.0);
        let y = Axis::round(quantity, values, (BOTTOM, TOP), TICKS.1);
        Self { x, y, name, legend: Vec::new(), body: String::new() }
    }

    pub(super) fn at(&self, micros: i64, value: f64) -> (f64, f64) {
        (self.x.pixel(micros as f64), self.y.pixel(value))
    }

    /// Draws a line, unless there is nothing of it, and names it in the legend.
    pub(super) fn line(&mut self, kind: Kind, line: &Line) {
        if !line.path.is_empty() {
            self.name(kind);
            let _ = writeln!(self.body, "<path class=\"{}\" d=\"{}\"/>", kind.class, line.path);
        }
    }

    /// The ground below a line.
    pub(super) fn area(&mut self, class: &str, line: &Line) {
        if let (Some((first, _)), Some((last, _))) = (line.first, line.last) {
            let (first, last, bottom) = (Px(first), Px(last), Px(BOTTOM));
            let path = line.path.replacen('M', "L", 1);
            let _ = writeln!(
                self.body,
                "<path class=\"{class}\" d=\"M{first} {bottom}{path}L{last} {bottom}z\"/>"
            );
        }
    }

    /// Draws marks of one kind, each a path with a hover text; of too many, the paths as one.
    pub(super) fn marks(&mut self, kind: Kind, marks: &[(String, String)]) {
        if marks.is_empty() {
            return;
        }
        self.name(kind);
        let class = kind.class;
        if marks.len() > HOVERS_MAX {
            let _ = write!(self.body, "<path class=\"{class}\" d=\"");
            let mut last = "";
            for (path, _) in marks {
                if path != last {
                    self.body.push_str(path);
                }
                last = path;
            }
            self.body.push_str("\"/>\n");
            return;
        }
        let _ = write!(self.body, "<g class=\"{class}\">");
        for (path, hover) in marks {
            let hover = Escaped(hover);
            let _ = write!(
                self.body,
                "<path class=\"{class}\" d=\"{path}\"><title>{hover}</title></path>"
            );
        }
        self.body.push_str("</g>\n");
    }

    /// A word beside a point, left of it where it would leave the plot.
    pub(super) fn word(&mut self, (x, y): (f64, f64), word: &str) {
        let (class, x) =
            if x + width(word) + 5.0 > RIGHT { ("word e", x - 5.0) } else { ("word", x + 5.0) };
        let y = (y - 5.0).max(TOP + 10.0);
        let _ = writeln!(
            self.body,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\">{word}</text>",
            Px(x),
            Px(y)
        );
    }

    fn name(&mut self, kind: Kind) {
        if !kind.name.is_empty() && !self.legend.contains(&kind) {
            self.legend.push(kind);
        }
    }

    /// The document, with a title and the lines below it.
    pub(super) fn finish(mut self, title: &str, summary: &[String]) -> String {
        let title = Escaped(title);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
             <rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n\
             <text class=\"title\" x=\"16\" y=\"26\">{title}</text>\n",
        );
        for (index, line) in summary.iter().enumerate() {
            let (y, line) = (Px(46.0 + index as f64 * 17.0), Escaped(line));
            let _ = writeln!(out, "<text class=\"small\" x=\"16\" y=\"{y}\">{line}</text>");
        }
        self.axes(&mut out);
        out.push_str(&self.body);
        let place = |kind: &Kind| LEGEND.iter().position(|class| *class == kind.class);
        self.legend.sort_by_key(|kind| place(kind).unwrap_or(LEGEND.len()));
        let mut x = LEFT;
        for Kind { class, name } in &self.legend {
            let y = LEGEND_AT;
            // As bars and dots are drawn.
            let sample = match *class {
                "dots" => format!("M{} {y}h0", Px(x + 9.0)),
                "bars" => format!("M{} {}h12v10h-12z", Px(x + 3.0), Px(y - 5.0)),
                "data" | "again" | "sack" => format!("M{} {}v10", Px(x + 9.0), Px(y - 5.0)),
                "lost" => format!("M{} {}l8 8m0-8l-8 8", Px(x + 5.0), Px(y - 4.0)),
                _ => format!("M{} {y}h18", Px(x)),
            };
            let _ = writeln!(
                out,
                "<path class=\"{class}\" d=\"{sample}\"/><text x=\"{}\" y=\"{}\">{name}</text>",
                Px(x + 24.0),
                Px(y + 4.0),
            );
            x += 24.0 + width(name) + 22.0;
        }
        out.push_str("</svg>\n");
        out
    }

    fn axes(&self, out: &mut String) {
        let (left, right, top, bottom) = (Px(LEFT), Px(RIGHT), Px(TOP), Px(BOTTOM));
        let mut grid = String::new();
        for (y, label) in self.y.ticks() {
            let _ = write!(grid, "M{left} {}H{right}", Px(y));
            let (x, y) = (Px(LEFT - 8.0), Px(y + 4.0));
            let _ = writeln!(out, "<text class=\"small e\" x=\"{x}\" y=\"{y}\">{label}</text>");
        }
        for (x, label) in self.x.ticks() {
            let _ = write!(grid, "M{} {top}V{bottom}", Px(x));
            let (x, y) = (Px(x), Px(BOTTOM + 18.0));
            let _ = writeln!(out, "<text class=\"small m\" x=\"{x}\" y=\"{y}\">{label}</text>");
        }
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"{grid}\"/>\n<path class=\"axis\" d=\"M{left} {top}V{bottom}H{right}\"/>\n\
             <text class=\"m\" x=\"{}\" y=\"{}\">time, {}</text>\n\
             <text class=\"m\" transform=\"translate(20 {})rotate(-90)\">{}, {}</text>",
            Px(f64::midpoint(LEFT, RIGHT)),
            Px(HEIGHT - 14.0),
            self.x.unit(),
            Px(f64::midpoint(TOP, BOTTOM)),
            self.name,
            self.y.unit(),
        );
    }
}

/// A line through points of which the first coordinate grows. Of points within half a pixel, it keeps the first, the
/// last, the highest and the lowest, so that it has no more than a picture can show.
#[derive(Debug, Default)]
pub(super) struct Line {
    path: String,
    first: Option<(f64, f64)>,
    last: Option<(f64, f64)>,
    column: Option<Column>,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    x: f64,
    first: f64,
    low: f64,
    high: f64,
    last: f64,
}

impl Line {
    /// A line through these points.
    pub(super) fn through(points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut line = Self::default();
        for point in points {
            line.point(point);
        }
        line.end();
        line
    }

    /// A line that stays where it is until the next point, and then goes there at once.
    pub(super) fn steps(points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut line = Self::default();
        let mut level = None;
        for (x, y) in points {
            if let Some(level) = level {
                line.point((x, level));
            }
            line.point((x, y));
            level = Some(y);
        }
        line.end();
        line
    }

    fn point(&mut self, (x, y): (f64, f64)) {
        self.first = self.first.or(Some((x, y)));
        self.last = Some((x, y));
        let x = (x * 2.0).round() / 2.0;
        match &mut self.column {
            Some(column) if (column.x - x).abs() < 0.25 => {
                (column.low, column.high) = (column.low.min(y), column.high.max(y));
                column.last = y;
            }
            _ => {
                self.end();
                self.column = Some(Column { x, first: y, low: y, high: y, last: y });
            }
        }
    }

    fn end(&mut self) {
        let Some(Column { x, first, low, high, last }) = self.column.take() else { return };
        let verb = if self.path.is_empty() { 'M' } else { 'L' };
        let _ = write!(self.path, "{verb}{} {}", Px(x), Px(first));
        let (bottom, top) = (first.min(last), first.max(last));
        for y in [(low < bottom).then_some(low), (high > top).then_some(high)].into_iter().flatten()
        {
            let _ = write!(self.path, "V{}", Px(y));
        }
        if (high - low) >= 0.05 {
            let _ = write!(self.path, "V{}", Px(last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_more_points_than_a_picture_can_show() {
        let many = (0..1_000_000).map(|i| (f64::from(i) / 1000.0, f64::from(i % 100)));
        let line = Line::through(many);
        assert!(line.path.len() < 100_000, "{}", line.path.len());
        assert_eq!(line.last, Some((999.999, 99.0)));
        assert!(line.path.contains("V99") && line.path.contains("V0"), "the extremes stay");
    }

    #[test]
    fn steps_are_level_up_to_the_next_point() {
        let line = Line::steps([(1.0, 9.0), (5.0, 4.0)]);
        assert_eq!(line.path, "M1 9L5 9V4");
        assert_eq!(Line::through([]).path, "");
    }
}
