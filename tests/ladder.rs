//! Ladders of a real conversation, in virtual time: as text, as SVG, and from a capture.

mod common;

use common::conversation::conversation;
use common::snapshot;
use tapboard::ladder::svg::Drawing;
use tapboard::ladder::{Ladder, Style};

fn text(width: usize) -> String {
    let mut ladder = Ladder::new(Style { width, colour: false });
    let line = |sent: common::conversation::Sent| {
        ladder.line(sent.at, sent.direction, &sent.frame, &sent.notes) + "\n"
    };
    conversation().into_iter().map(line).collect()
}

#[test]
fn a_conversation_with_losses() {
    let text = text(100);
    snapshot::assert_is("ladder.txt", &text);
    assert!(text.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn the_same_on_a_narrow_terminal() {
    let text = text(70);
    snapshot::assert_is("ladder-narrow.txt", &text);
    assert!(text.lines().all(|line| line.chars().count() <= 70));
}

#[test]
fn the_same_as_a_document() {
    let mut drawing = Drawing::default();
    for sent in conversation() {
        drawing.frame(sent.at, sent.direction, &sent.frame, &sent.notes);
    }
    snapshot::assert_is("ladder.svg", &drawing.finish());
}
