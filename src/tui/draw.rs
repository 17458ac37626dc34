//! The whole picture: header, panels, footer, help; or that there is no room for it.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::layout::{LEAST, Panels};
use super::look::Ink;
use super::model::Model;
use super::panel;
use crate::ladder::Rung;

/// Keys at the bottom of the screen, which can be clicked as well.
pub(super) const FOOTER: [(char, &str); 8] = [
    ('c', "cable"),
    ('h', "heal"),
    ('p', "power-cycle"),
    ('w', "capture"),
    ('s', "stats"),
    (':', "command"),
    ('?', "help"),
    ('q', "quit"),
];

/// What `?` shows, within the least number of rows.
const HELP: &str = "\
c        pull the cable, put it in
l d j r  loss, delay, jitter, rate: then + - or left, right; 0 is off
x        cut the wire, in the directions that are to change
t        which directions that is
h        heal: take all faults away
p        power-cycle the board
w        write a capture, end it
s n      counters and sockets, in the log
:        any command of the console; `help` lists them
Tab      from the cable to the sockets and back; up, down, Enter
Esc      the ladder of all connections
f        hold the ladder, let it go on
PgUp PgDn  the log, further up and down
q        quit; Ctrl-Z stops
The mouse: switches, sliders (the wheel too), sockets, the keys below.";

/// Draws it. The model learns how large the screen is.
pub(super) fn draw(model: &mut Model, rungs: &VecDeque<Rung>, frame: &mut Frame<'_>) {
    let area = frame.area();
    model.size = area.as_size();
    model.keep(rungs);
    model.frames = rungs.back().map_or(0, |rung| rung.number);
    let Some(panels) = Panels::of(area) else {
        too_small(area, frame.buffer_mut());
        return;
    };
    let buffer = frame.buffer_mut();
    header(model, panels.header, buffer);
    panel::sockets::draw(model, panels.sockets, buffer);
    panel::cable::draw(model, panels.cable, buffer);
    panel::graphs::draw(model, panels.graphs, buffer);
    panel::ladder::draw(model, rungs, panels.ladder, buffer);
    panel::log(model, panels.log, buffer);
    if model.help {
        help(model, area, buffer);
    }
    if let Some(prompt) = &model.prompt {
        // Its end is seen.
        let room = usize::from(panels.footer.width).saturating_sub(3);
        let skip = prompt.chars().count().saturating_sub(room);
        let line: String = prompt.chars().skip(skip).collect();
        let end = 2 + crate::output::width(&line) as u16;
        Line::raw(format!(": {line}")).render(panels.footer, buffer);
        frame.set_cursor_position(Position::new(end, panels.footer.y));
    } else {
        footer(model, panels.footer, buffer);
    }
}

fn too_small(area: Rect, buffer: &mut Buffer) {
    let lines = [
        format!("{}x{} is too small:", area.width, area.height),
        format!("{}x{} at least; q quits", LEAST.0, LEAST.1),
    ];
    for (line, row) in lines.into_iter().zip(area.rows()) {
        Line::raw(line).render(row, buffer);
    }
}

fn header(model: &Model, area: Rect, buffer: &mut Buffer) {
    let look = model.look;
    let up = model.up.secs();
    let cable = if model.view.plugged { ("cable in", Ink::Good) } else { ("CABLE OUT", Ink::Bad) };
    let capture =
        if model.view.capture { ("capture on", Ink::Mark) } else { ("capture off", Ink::Plain) };
    let led = match model.view.led {
        None => "",
        Some(true) => "  LED on",
        Some(false) => "  LED off",
    };
    let line = Line::from(vec![
        Span::styled(model.board.clone(), look.style(Ink::Title)),
        Span::raw(format!("  {}:{:02}:{:02}  ", up / 3600, up / 60 % 60, up % 60)),
        Span::styled(cable.0, look.style(cable.1)),
        Span::raw("  "),
        Span::styled(capture.0, look.style(capture.1)),
        Span::raw(format!("  boot {}{led}", model.view.boots)),
    ]);
    line.render(area, buffer);
}

/// A key's place, as it is written.
fn place((key, name): (char, &str)) -> String {
    format!("{key} {name}")
}

fn footer(model: &Model, area: Rect, buffer: &mut Buffer) {
    let mut spans = Vec::new();
    for entry in FOOTER {
        spans.push(Span::styled(entry.0.to_string(), model.look.style(Ink::Selected)));
        spans.push(Span::raw(format!(" {}  ", entry.1)));
    }
    Line::from(spans).render(area, buffer);
}

/// The key of the footer in a column.
pub(super) fn footer_at(column: u16) -> Option<usize> {
    let mut from = 0;
    for (index, entry) in FOOTER.into_iter().enumerate() {
        let width = place(entry).chars().count();
        if (from..from + width).contains(&usize::from(column)) {
            return Some(index);
        }
        from += width + 2;
    }
    None
}

fn help(model: &Model, area: Rect, buffer: &mut Buffer) {
    let lines: Vec<_> = HELP.lines().collect();
    let width = lines.iter().map(|line| line.len()).max().unwrap_or(0) as u16 + 4;
    let height = lines.len() as u16 + 2;
    let over = Rect {
        x: area.x + area.width.saturating_sub(width) / 2,
        y: area.y + area.height.saturating_sub(height) / 2,
        width: width.min(area.width),
        height: height.min(area.height),
    };
    Clear.render(over, buffer);
    let rule = model.look.rule().repeat(over.width.into());
    for (index, row) in over.rows().enumerate() {
        let text = match index.checked_sub(1).map(|index| lines.get(index)) {
            None | Some(None) => rule.clone(),
            Some(Some(line)) => format!("  {line}"),
        };
        Line::raw(text).render(row, buffer);
    }
}
