//! The dashboard's panels, each a title above what it shows.

pub(super) mod cable;
pub(super) mod graphs;
pub(super) mod ladder;
pub(super) mod sockets;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::layout::below_title;
use super::look::{Ink, Look};
use super::model::Model;
use crate::output::{counted, wrapped};

/// Draws a panel's title, with a line up to its right end.
fn title(look: Look, text: &str, focus: bool, panel: Rect, buffer: &mut Buffer) {
    let ink = if focus { Ink::Focus } else { Ink::Title };
    let rest = usize::from(panel.width).saturating_sub(text.chars().count() + 1);
    let line = Line::from(vec![
        Span::styled(text.to_owned(), look.style(ink)),
        Span::raw(" "),
        Span::styled(look.rule().repeat(rest), look.style(Ink::Faint)),
    ]);
    line.render(panel, buffer);
}

/// A time in a few characters: `431 us`, `4.1 ms`, `41 ms`, `1.2 s`.
fn time(micros: u64) -> String {
    match micros {
        0..1000 => format!("{micros} us"),
        1000..10_000 => format!("{:.1} ms", micros as f64 / 1e3),
        10_000..1_000_000 => format!("{} ms", micros / 1000),
        _ => format!("{:.1} s", micros as f64 / 1e6),
    }
}

/// Draws the log: its end, or what is further up.
pub(super) fn log(model: &mut Model, panel: Rect, buffer: &mut Buffer) {
    let area = below_title(panel);
    let room = usize::from(area.height);
    let mut lines = Vec::new();
    for line in model.log.iter().rev() {
        if lines.len() >= room + model.log_below {
            break;
        }
        let text = wrapped(line, area.width.into());
        lines.extend(text.lines().rev().map(ToOwned::to_owned));
    }
    // No further than to the first line.
    model.log_below = model.log_below.min(lines.len().saturating_sub(room));
    let text = match model.log_below {
        0 => "log".to_owned(),
        below => format!("log: {} below, PgDn", counted(below as u64, "line")),
    };
    title(model.look, &text, false, panel, buffer);
    let shown = lines.into_iter().skip(model.log_below).take(room).collect::<Vec<_>>();
    for (line, row) in shown.into_iter().rev().zip(area.rows()) {
        Line::raw(line).render(row, buffer);
    }
}
