//! Where the panels are. The ladder and the log get what the others leave.

use ratatui::layout::{Position, Rect};

use super::model::CABLE_ROWS;

/// The least columns and rows that a dashboard has room in; tmux takes one of a terminal's 24.
pub(super) const LEAST: (u16, u16) = (70, 18);
/// Columns of the cable's panel.
const CABLE: u16 = 30;
/// Rows of the graphs, their titles included.
const GRAPHS: u16 = 3;

/// See the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Panels {
    pub(super) header: Rect,
    pub(super) sockets: Rect,
    pub(super) cable: Rect,
    pub(super) graphs: [Rect; 4],
    pub(super) ladder: Rect,
    pub(super) log: Rect,
    pub(super) footer: Rect,
}

impl Panels {
    /// The panels in `area`, unless that is too small.
    pub(super) fn of(area: Rect) -> Option<Self> {
        if area.width < LEAST.0 || area.height < LEAST.1 {
            return None;
        }
        let row = |y, height| Rect { y: area.y + y, height, ..area };
        let top = CABLE_ROWS + 1;
        let rest = area.height - 2 - top - GRAPHS;
        let log = (rest * 2 / 5).max(3);
        let upper = row(1, top);
        let beside = area.width - CABLE;
        let quarter = |index: u16| {
            let (from, to) = (area.width * index / 4, area.width * (index + 1) / 4);
            // A column between two.
            let width = to - from - u16::from(index < 3);
            Rect { x: area.x + from, width, ..row(1 + top, GRAPHS) }
        };
        Some(Self {
            header: row(0, 1),
            sockets: Rect { width: beside - 1, ..upper },
            cable: Rect { x: area.x + beside, width: CABLE, ..upper },
            graphs: [quarter(0), quarter(1), quarter(2), quarter(3)],
            ladder: row(1 + top + GRAPHS, rest - log),
            log: row(area.height - 1 - log, log),
            footer: row(area.height - 1, 1),
        })
    }
}

/// What is in a panel below its title.
pub(super) const fn below_title(panel: Rect) -> Rect {
    Rect { y: panel.y + 1, height: panel.height.saturating_sub(1), ..panel }
}

/// The row of `area` that a position is in, from 0.
pub(super) fn row_at(area: Rect, at: Position) -> Option<usize> {
    area.contains(at).then(|| usize::from(at.y - area.y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_fill_the_screen_and_do_not_overlap() {
        for (width, height) in [LEAST, (80, 23), (80, 24), (120, 40), (301, 99)] {
            let area = Rect::new(0, 0, width, height);
            let panels = Panels::of(area).expect("room");
            let Panels { header, sockets, cable, graphs, ladder, log, footer } = panels;
            let all = [
                header, sockets, cable, graphs[0], graphs[1], graphs[2], graphs[3], ladder, log,
                footer,
            ];
            for (index, one) in all.iter().enumerate() {
                assert_eq!(one.intersection(area), *one, "{width}x{height}: {one:?}");
                assert!(
                    one.height > 0 && all[index + 1..].iter().all(|other| !one.intersects(*other))
                );
            }
            let rows = header.height
                + cable.height
                + graphs[0].height
                + ladder.height
                + log.height
                + footer.height;
            assert_eq!(rows, height);
            assert!(log.height >= 3 && ladder.height >= 2, "{panels:?}");
        }
        assert_eq!(Panels::of(Rect::new(0, 0, LEAST.0 - 1, 50)), None);
        assert_eq!(Panels::of(Rect::new(0, 0, 200, LEAST.1 - 1)), None);
    }
}
