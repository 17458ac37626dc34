//! Traffic, round trip, loss and retransmissions over time: a column a second.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Sparkline, Widget};

use crate::snapshot::Quantity;
use crate::tui::layout::below_title;
use crate::tui::look::Ink;
use crate::tui::model::{Histories, Model};

/// Draws them.
pub(in crate::tui) fn draw(model: &Model, panels: [Rect; 4], buffer: &mut Buffer) {
    let Histories { traffic, round_trip, lost, lost_share, retransmitted } = &model.histories;
    let round_trip_text = match round_trip.last() {
        0 => "-".to_owned(),
        micros => super::time(micros),
    };
    let share = lost_share.last();
    let graphs = [
        (format!("traffic {}", Quantity(traffic.last() as f64, "B/s")), traffic, Ink::Good),
        (format!("RTT {round_trip_text}"), round_trip, Ink::Remark),
        (format!("lost {}/s {}.{}%", lost.last(), share / 10, share % 10), lost, Ink::Bad),
        (format!("sent again {}/s", retransmitted.last()), retransmitted, Ink::Mark),
    ];
    for ((title, history, ink), panel) in graphs.into_iter().zip(panels) {
        super::title(model.look, &title, false, panel, buffer);
        let area = below_title(panel);
        let values = history.latest(area.width.into());
        // The latest is at the right from the beginning.
        let gap = usize::from(area.width) - values.len();
        let values: Vec<_> = std::iter::repeat_n(0, gap).chain(values).collect();
        Sparkline::default()
            .data(values)
            .bar_set(model.look.bars())
            .style(model.look.style(ink))
            .render(area, buffer);
    }
}
