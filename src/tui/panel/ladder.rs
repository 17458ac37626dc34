//! The ladder of the selected connection, or of all: the latest rungs, the last one at the bottom.

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::ladder::{Rung, To, arrow, named};
use crate::tui::layout::below_title;
use crate::tui::look::Ink;
use crate::tui::model::{Ends, Model};

/// Columns of the time.
const TIME: usize = 9;
/// The lanes' share of the rest, and what they take at most.
const LANES: (usize, usize) = (7, 10);
const LANES_MAX: usize = 70;

/// Draws it.
pub(in crate::tui) fn draw(
    model: &Model,
    rungs: &VecDeque<Rung>,
    panel: Rect,
    buffer: &mut Buffer,
) {
    let held = if model.held.is_some() { "held, " } else { "" };
    let whose = model.selected.map(|(local, remote)| format!("{local} - {remote}"));
    let whose = whose.as_deref().unwrap_or("all");
    let title = format!("ladder, {held}the board at the left: {whose}");
    super::title(model.look, &title, false, panel, buffer);
    let area = below_title(panel);
    let room = usize::from(area.height);
    let rungs = if model.held.is_some() { &model.held_rungs } else { rungs };
    let chosen = |rung: &&Rung| model.selected.is_none_or(|ends| is_of(rung, ends));
    let mut shown: Vec<_> = rungs.iter().rev().filter(chosen).take(room).collect();
    shown.reverse();
    for (rung, row) in shown.into_iter().zip(area.rows()) {
        line(model, rung, row.width.into()).render(row, buffer);
    }
}

fn is_of(rung: &Rung, (one, other): Ends) -> bool {
    rung.ends == Some((one, other)) || rung.ends == Some((other, one))
}

fn line(model: &Model, rung: &Rung, width: usize) -> Line<'static> {
    let look = model.look;
    let micros = rung.micros.unwrap_or(0);
    let time = format!("{:>4}.{:03} ", micros / 1_000_000, micros / 1000 % 1000);
    let lanes = ((width - TIME) * LANES.0 / LANES.1).min(LANES_MAX);
    let rightward = rung.from == 0;
    let between = rightward || rung.to == To::Column(0);
    let (drawn, rest) =
        if between { arrow(rung, lanes - 2, rightward) } else { (String::new(), named(rung)) };
    let ink = if rung.dropped {
        Ink::Bad
    } else if rung.marks.is_empty() {
        Ink::Plain
    } else {
        Ink::Mark
    };
    let remarks = rung.remarks();
    let gap = if rest.is_empty() || remarks.is_empty() { "" } else { ", " };
    let said = format!(" {rest}{gap}");
    let lane = || Span::styled("|", look.style(Ink::Faint));
    Line::from(vec![
        Span::styled(time, look.style(Ink::Faint)),
        lane(),
        Span::styled(format!("{drawn:<len$}", len = lanes - 2), look.style(ink)),
        lane(),
        Span::raw(said),
        Span::styled(remarks, look.style(if rung.dropped { Ink::Bad } else { Ink::Remark })),
    ])
}
