//! The titles above the lanes.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Ladder;

impl Ladder {
    /// What stands above the lanes. Titles that do not fit beside each other are cut at their beginnings, and where
    /// that makes two of them alike, each has a line.
    pub(super) fn header(&self) -> String {
        let mut out = String::new();
        if let Some(digits) = self.digits {
            let _ = write!(out, "{:>digits$} ", "#");
        }
        let _ = write!(out, "{:>width$} ", self.times.title(), width = self.time - 1);
        let lanes = self.lanes();
        let room = |index: usize| lanes.get(index + 1).map_or(usize::MAX, |n| n - lanes[index] - 1);
        let cut: Vec<_> = self.titles.iter().enumerate().map(|(i, t)| tail(t, room(i))).collect();
        // As far as all have room, for else they differ only by where they are cut.
        let least = (0..cut.len()).map(room).min().unwrap_or(0);
        let ends: Vec<_> = self.titles.iter().map(|title| tail(title, least)).collect();
        let alike = (1..ends.len()).any(|index| ends[..index].contains(&ends[index]));
        if self.narrow() || alike {
            self.titles_below_each_other(&lanes, &mut out);
            return out;
        }
        let mut column = self.margin();
        for (title, lane) in cut.iter().zip(&lanes) {
            let at = self.margin() + lane;
            // What came before was cut to end before this lane.
            let _ = write!(out, "{:pad$}{title}", "", pad = at - column);
            column = at + title.width();
        }
        out
    }

    /// A line for each title, which begins at its lane or ends at the last one.
    fn titles_below_each_other(&self, lanes: &[usize], out: &mut String) {
        let room = self.width - self.margin();
        for (index, title) in self.titles.iter().enumerate() {
            if index > 0 {
                let _ = write!(out, "\n{:width$}", "", width = self.margin());
            }
            let title = tail(title, room);
            let at = lanes[index].min(room - title.width());
            let mut row = vec![' '; at];
            for &lane in lanes[..index].iter().filter(|&&lane| lane < at) {
                row[lane] = '|';
            }
            out.extend(row);
            out.push_str(&title);
        }
    }
}

/// A title's last word, or its end, for that tells addresses of one network apart.
fn tail(title: &str, room: usize) -> String {
    const CUT: &str = "..";
    if title.width() <= room {
        return title.to_string();
    }
    if let Some((_, last)) = title.rsplit_once(' ').filter(|(_, last)| last.width() <= room) {
        return last.to_string();
    }
    let mut left = room.saturating_sub(CUT.len());
    let fits = |character: &char| {
        let width = character.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    let kept: usize = title.chars().rev().take_while(fits).map(char::len_utf8).sum();
    let end = format!("{CUT}{}", &title[title.len() - kept..]);
    if room < CUT.len() { CUT[..room].to_string() } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_cut_at_its_beginning_to_the_room_that_there_is() {
        assert_eq!(tail("192.168.1.23", 12), "192.168.1.23");
        assert_eq!(tail("192.168.1.23", 8), "..8.1.23");
        assert_eq!(tail("192.168.1.23", 1), ".");
        assert_eq!(tail("board 192.0.2.1", 9), "192.0.2.1");
        assert_eq!(tail("board 192.0.2.1", 7), "..0.2.1");
        assert_eq!(tail("接口接口", 7), "..接口");
        assert_eq!(tail("", 0), "");
    }
}
