//! The sockets with their states. One of the connections may be selected.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::Widget;
use tapboard_firmware::netstat::Protocol;

use crate::output::counted;
use crate::snapshot::SocketSnapshot;
use crate::tui::layout::{below_title, row_at};
use crate::tui::look::Ink;
use crate::tui::model::{Focus, Model, ends_of};

/// Columns from which on the queues are shown.
const WIDE: u16 = 64;

/// Draws them.
pub(in crate::tui) fn draw(model: &Model, panel: Rect, buffer: &mut Buffer) {
    let sockets = &model.view.sockets;
    let connections = model.connections().len();
    let title = format!("{}: {}", model.view.whose, counted(connections as u64, "connection"));
    super::title(model.look, &title, model.focus == Focus::Sockets, panel, buffer);
    let area = below_title(panel);
    let wide = area.width >= WIDE;
    let queues = if wide { " Recv-Q Send-Q" } else { "" };
    let heading = format!("{:<9} {:<19} {:<12}{queues} {:>6}", "Local", "Remote", "State", "RTT");
    Line::styled(clipped(&heading, area.width), model.look.style(Ink::Faint)).render(area, buffer);
    for (socket, row) in sockets[first(model, area)..].iter().zip(area.rows().skip(1)) {
        let ends = ends_of(&socket.row);
        let selected = ends.is_some() && ends == model.selected;
        let ink = match socket.row.state {
            _ if selected => Ink::Selected,
            "ESTABLISHED" => Ink::Good,
            "LISTEN" | "" => Ink::Faint,
            _ => Ink::Mark,
        };
        let text = clipped(&text(socket, wide), area.width);
        Line::styled(text, model.look.style(ink)).render(row, buffer);
    }
}

/// The first socket that is shown: the selected one is always among those that are.
fn first(model: &Model, area: Rect) -> usize {
    let room = usize::from(area.height.saturating_sub(1));
    let place = model.connections().iter().position(|ends| Some(*ends) == model.selected);
    place.map_or(0, |place| (place + 1).saturating_sub(room))
}

fn text(socket: &SocketSnapshot, wide: bool) -> String {
    let row = &socket.row;
    let protocol = match row.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    let local = format!("{protocol} {}", row.local_port);
    let remote = row.remote.map_or_else(|| "*".to_owned(), |remote| remote.to_string());
    let round_trip =
        socket.round_trip.map_or_else(String::new, |time| super::time(time.total_micros()));
    let queues = if wide {
        format!(" {:>6} {:>6}", row.receive_queue, row.send_queue)
    } else {
        String::new()
    };
    format!("{local:<9} {remote:<19} {:<12}{queues} {round_trip:>6}", row.state)
}

fn clipped(text: &str, width: u16) -> String {
    text.chars().take(width.into()).collect()
}

/// The place of the connection at a position, in their order.
pub(in crate::tui) fn hit(model: &Model, panel: Rect, at: Position) -> Option<usize> {
    let area = below_title(panel);
    let place = row_at(area, at)?.checked_sub(1)? + first(model, area);
    (place < model.connections().len()).then_some(place)
}
