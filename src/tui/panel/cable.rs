//! The cable: switches and sliders.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::link::Side;
use crate::tui::layout::{below_title, row_at};
use crate::tui::look::Ink;
use crate::tui::model::{CableRow, Focus, Model};
use crate::tui::sliders::STOPS;

/// Columns of a row's name and the space after it.
const NAME: u16 = 7;

/// Draws it.
pub(in crate::tui) fn draw(model: &Model, panel: Rect, buffer: &mut Buffer) {
    let focus = model.focus == Focus::Cable;
    super::title(model.look, "cable", focus, panel, buffer);
    let area = below_title(panel);
    for ((index, row), area) in CableRow::ALL.into_iter().enumerate().zip(area.rows()) {
        let chosen = focus && index == model.cable_row;
        let name = if chosen { Ink::Selected } else { Ink::Plain };
        let mut spans = vec![
            Span::styled(format!("{:<6}", name_of(row)), model.look.style(name)),
            Span::raw(" "),
        ];
        spans.extend(value(model, row));
        Line::from(spans).render(area, buffer);
    }
}

const fn name_of(row: CableRow) -> &'static str {
    match row {
        CableRow::Plug => "cable",
        CableRow::Partition => "cut",
        CableRow::Slider(slider) => slider.name(),
        CableRow::Way => "change",
    }
}

fn value(model: &Model, row: CableRow) -> Vec<Span<'static>> {
    let look = model.look;
    let switch = |on: bool, text: &'static str, bad: bool| {
        let mark = if on { "[x] " } else { "[ ] " };
        vec![
            Span::raw(mark),
            Span::styled(text, look.style(if bad { Ink::Bad } else { Ink::Good })),
        ]
    };
    let [to, from] = &model.view.faults;
    match row {
        CableRow::Plug => {
            let plugged = model.view.plugged;
            switch(plugged, if plugged { "in" } else { "out" }, !plugged)
        }
        CableRow::Partition => {
            let text = match (to.partition, from.partition) {
                (false, false) => "no",
                (true, true) => "both ways",
                (true, false) => "to the board",
                (false, true) => "from the board",
            };
            let on = model.faults().partition;
            switch(on, text, to.partition || from.partition)
        }
        CableRow::Slider(slider) => {
            let set = slider.stop(model.faults());
            let [full, empty] = look.slider();
            let bar = format!("{}{}", full.repeat(set), empty.repeat(STOPS - 1 - set));
            let (to, from) = (slider.value(to), slider.value(from));
            let text = if to == from { to } else { format!("{to}/{from}") };
            let ink = if text == "off" { Ink::Plain } else { Ink::Bad };
            let bar_ink = if set > 0 { Ink::Mark } else { Ink::Plain };
            vec![
                Span::raw("["),
                Span::styled(bar, look.style(bar_ink)),
                Span::raw("] "),
                Span::styled(text, look.style(ink)),
            ]
        }
        CableRow::Way => vec![Span::raw(match model.way {
            None => "both ways",
            Some(Side::Board) => "to the board",
            Some(Side::Peer) => "from the board",
        })],
    }
}

/// What of the panel is at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tui) struct Hit {
    /// The row's number.
    pub(in crate::tui) index: usize,
    /// The row.
    pub(in crate::tui) row: CableRow,
    /// Of a slider, the stop.
    pub(in crate::tui) stop: Option<usize>,
}

/// Finds it.
pub(in crate::tui) fn hit(panel: Rect, at: Position) -> Option<Hit> {
    let area = below_title(panel);
    let index = row_at(area, at)?;
    let row = *CableRow::ALL.get(index)?;
    // The bracket before the bar is the first stop.
    let bar = area.x + NAME;
    let stop = at.x.checked_sub(bar).map(usize::from).filter(|stop| *stop < STOPS);
    let stop = stop.filter(|_| matches!(row, CableRow::Slider(_)));
    Some(Hit { index, row, stop })
}
