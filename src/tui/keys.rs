//! What keys and the mouse mean: a change of what is chosen, or a command of the console's.

use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::{Position, Rect};

use super::draw::{FOOTER, footer_at};
use super::layout::Panels;
use super::model::{CableRow, Focus, Model};
use super::panel::{cable, sockets};
use super::sliders::Slider;
use crate::console::{ConsoleCommand, Line, parse};
use crate::link::{Setting, Side};

/// Characters of a command that is typed at most.
const PROMPT_MAX: usize = 200;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A command of the console's.
    Command(ConsoleCommand),
    /// Begin a capture in a file of its own, or end the one there is.
    Capture,
    /// What was typed is no command.
    Bad(String),
}

/// Takes an event. Returns what is to be done besides drawing.
pub(super) fn take(model: &mut Model, event: &Event) -> Option<Action> {
    if let Some(key) = event.as_key_press_event() {
        return if model.prompt.is_some() { typed(model, key) } else { pressed(model, key) };
    }
    match event {
        Event::Mouse(mouse) => clicked(model, *mouse),
        _ => None,
    }
}

/// A key of the line in which a command is typed.
fn typed(model: &mut Model, key: KeyEvent) -> Option<Action> {
    let prompt = model.prompt.as_mut()?;
    match key.code {
        KeyCode::Char(letter) if prompt.chars().count() < PROMPT_MAX => prompt.push(letter),
        KeyCode::Backspace if prompt.pop().is_some() => {}
        KeyCode::Backspace | KeyCode::Esc => model.prompt = None,
        KeyCode::Enter => {
            let line = model.prompt.take().unwrap_or_default();
            return match parse(&line) {
                Ok(None) => None,
                Ok(Some(Line::Command(command))) => Some(Action::Command(command)),
                Ok(Some(Line::Sleep(_))) => {
                    Some(Action::Bad("`sleep` is for scripts and pipes: here, just wait".into()))
                }
                Err(error) => Some(Action::Bad(error)),
            };
        }
        _ => {}
    }
    None
}

/// A key that is a command by itself.
fn pressed(model: &mut Model, key: KeyEvent) -> Option<Action> {
    if key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::CONTROL) {
        return None;
    }
    if model.help {
        // Any key takes it away.
        model.help = false;
        return None;
    }
    let slider = |model: &mut Model, slider| {
        choose(model, CableRow::Slider(slider));
        None
    };
    match key.code {
        KeyCode::Char(letter) => match letter {
            'l' => slider(model, Slider::Loss),
            'd' => slider(model, Slider::Delay),
            'j' => slider(model, Slider::Jitter),
            'r' => slider(model, Slider::Rate),
            't' => {
                next_way(model);
                None
            }
            'f' => {
                model.held = if model.held.is_some() { None } else { Some(model.frames) };
                None
            }
            'x' => switch(model, CableRow::Partition),
            '+' | '=' => moved(model, true),
            '-' | '_' => moved(model, false),
            '0' => slider_set(model, 0),
            ' ' => chosen_row(model),
            letter => command(model, letter),
        },
        KeyCode::Right if model.focus == Focus::Cable => moved(model, true),
        KeyCode::Left if model.focus == Focus::Cable => moved(model, false),
        KeyCode::Enter => chosen_row(model),
        KeyCode::Tab | KeyCode::BackTab => {
            model.focus = match model.focus {
                Focus::Sockets => Focus::Cable,
                Focus::Cable => Focus::Sockets,
            };
            None
        }
        KeyCode::Up | KeyCode::Down => {
            let down = key.code == KeyCode::Down;
            match model.focus {
                Focus::Sockets => select(model, down),
                Focus::Cable => {
                    let last = CableRow::ALL.len() - 1;
                    let row = model.cable_row;
                    model.cable_row =
                        if down { (row + 1).min(last) } else { row.saturating_sub(1) };
                }
            }
            None
        }
        KeyCode::PageUp | KeyCode::PageDown => {
            scroll(model, key.code == KeyCode::PageUp);
            None
        }
        KeyCode::Esc => {
            (model.selected, model.held) = (None, None);
            None
        }
        _ => None,
    }
}

/// What a letter stands for, at the bottom of the screen or in the help.
fn command(model: &mut Model, letter: char) -> Option<Action> {
    let command = match letter {
        'c' => return switch(model, CableRow::Plug),
        'w' => return Some(Action::Capture),
        ':' => {
            model.prompt = Some(String::new());
            return None;
        }
        '?' => {
            model.help = true;
            return None;
        }
        'h' => ConsoleCommand::Heal,
        'p' => ConsoleCommand::Reset,
        's' => ConsoleCommand::Stats,
        'n' => ConsoleCommand::Netstat,
        'q' => ConsoleCommand::Quit,
        _ => return None,
    };
    Some(Action::Command(command))
}

fn clicked(model: &mut Model, mouse: MouseEvent) -> Option<Action> {
    let panels = Panels::of(Rect::from((Position::ORIGIN, model.size)))?;
    let at = Position::new(mouse.column, mouse.row);
    let left = match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) => true,
        MouseEventKind::Drag(MouseButton::Left)
        | MouseEventKind::ScrollUp
        | MouseEventKind::ScrollDown => false,
        _ => return None,
    };
    if model.help {
        model.help = !left;
        return None;
    }
    if panels.footer.contains(at) {
        return footer_at(at.x)
            .filter(|_| left && model.prompt.is_none())
            .and_then(|place| command(model, FOOTER[place].0));
    }
    if panels.log.contains(at) {
        if !left {
            scroll(model, mouse.kind == MouseEventKind::ScrollUp);
        }
        return None;
    }
    if panels.sockets.contains(at) {
        match mouse.kind {
            MouseEventKind::ScrollUp => select(model, false),
            MouseEventKind::ScrollDown => select(model, true),
            _ => {
                model.focus = Focus::Sockets;
                let place = sockets::hit(model, panels.sockets, at);
                model.selected = place.and_then(|place| model.connections().get(place).copied());
            }
        }
        return None;
    }
    let hit = cable::hit(panels.cable, at)?;
    if left {
        model.focus = Focus::Cable;
        model.cable_row = hit.index;
    }
    match (mouse.kind, hit.row) {
        (MouseEventKind::ScrollUp | MouseEventKind::ScrollDown, CableRow::Slider(slider)) => {
            let worse = mouse.kind == MouseEventKind::ScrollUp;
            Some(set(model, slider.moved(model.faults(), worse)))
        }
        (_, CableRow::Slider(slider)) => {
            let stop = hit.stop.filter(|stop| slider.stop(model.faults()) != *stop)?;
            Some(set(model, slider.setting(stop)))
        }
        (_, row) if left => switch(model, row),
        _ => None,
    }
}

/// Moves the log by two lines, which are in any pane.
fn scroll(model: &mut Model, up: bool) {
    let below = model.log_below;
    // Drawing finds where it begins.
    model.log_below = if up { below + 2 } else { below.saturating_sub(2) };
}

/// Chooses the next or the previous connection; before the first one is none.
fn select(model: &mut Model, down: bool) {
    let connections = model.connections();
    let place = connections.iter().position(|ends| Some(*ends) == model.selected);
    let next = match (place, down) {
        (None, true) => Some(0),
        (None, false) => None,
        (Some(place), true) => Some((place + 1).min(connections.len() - 1)),
        (Some(place), false) => place.checked_sub(1),
    };
    model.selected = next.and_then(|next| connections.get(next).copied());
}

fn choose(model: &mut Model, row: CableRow) {
    model.focus = Focus::Cable;
    let place = CableRow::ALL.iter().position(|one| *one == row);
    model.cable_row = place.unwrap_or(model.cable_row);
}

fn next_way(model: &mut Model) {
    model.way = match model.way {
        None => Some(Side::Board),
        Some(Side::Board) => Some(Side::Peer),
        Some(Side::Peer) => None,
    };
}

/// Enter or space, on the row that the keys are for.
fn chosen_row(model: &mut Model) -> Option<Action> {
    match CableRow::ALL[model.cable_row] {
        row if model.focus == Focus::Cable => switch(model, row),
        _ => None,
    }
}

fn switch(model: &mut Model, row: CableRow) -> Option<Action> {
    choose(model, row);
    match row {
        CableRow::Plug if model.view.plugged => Some(Action::Command(ConsoleCommand::Unplug)),
        CableRow::Plug => Some(Action::Command(ConsoleCommand::Plug)),
        CableRow::Partition => Some(set(model, Setting::Partition(!model.faults().partition))),
        CableRow::Way => {
            next_way(model);
            None
        }
        CableRow::Slider(_) => None,
    }
}

/// Moves the slider that the keys are for.
fn moved(model: &Model, worse: bool) -> Option<Action> {
    match CableRow::ALL[model.cable_row] {
        CableRow::Slider(slider) => Some(set(model, slider.moved(model.faults(), worse))),
        _ => None,
    }
}

fn slider_set(model: &Model, stop: usize) -> Option<Action> {
    match CableRow::ALL[model.cable_row] {
        CableRow::Slider(slider) => Some(set(model, slider.setting(stop))),
        _ => None,
    }
}

fn set(model: &Model, setting: Setting) -> Action {
    Action::Command(ConsoleCommand::Fault { to: model.way, setting })
}
