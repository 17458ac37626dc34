//! Documents of frames that are made up here.

use std::collections::BTreeSet;

use super::*;
use crate::capture::LinkType;
use crate::ladder::mark::Mark;

/// An IPv4 packet without payload, of a protocol that nothing is known of.
fn packet(from: u8, to: u8) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 20, 0, 0, 0, 0, 64, 253, 0, 0, 10, 0, 0, from, 10, 0, 0, to];
    smoltcp::wire::Ipv4Packet::new_unchecked(&mut packet).fill_checksum();
    packet
}

fn frame<'a>(millis: i64, bytes: &'a [u8], notes: &'a str) -> Frame<'a> {
    Frame {
        at: Some(Instant::from_millis(millis)),
        direction: None,
        link: LinkType(101),
        bytes,
        len: bytes.len(),
        notes,
        ours: false,
    }
}

/// A document of that many frames, of which two hosts send every other one.
fn document(frames: usize) -> String {
    let mut drawing = Drawing::default();
    for millis in (0..).take(frames) {
        let bytes = if millis % 2 == 0 { packet(1, 2) } else { packet(2, 1) };
        drawing.add(&frame(millis, &bytes, "a <note>"));
    }
    drawing.finish()
}

/// Fails unless all elements end in the order in which they began.
fn assert_well_formed(document: &str) {
    let mut open = Vec::new();
    for tag in document.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("it ends");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().expect("a name"));
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
    }
    assert!(open.is_empty(), "{open:?}");
}

/// What stands between two texts, each time.
fn between<'a>(document: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    let rest = document.split(start).skip(1);
    rest.map(|rest| rest.split(end).next().expect("the first")).collect()
}

#[test]
fn each_rung_has_its_number_for_an_anchor_and_all_of_it_as_hover_text() {
    let document = document(3);
    assert_well_formed(&document);
    assert_eq!(between(&document, "<g id=\"", "\""), ["f1", "f2", "f3"]);
    assert_eq!(between(&document, "<a href=\"", "\""), ["#f1", "#f2", "#f3"]);
    let hover = between(&document, "<g id=\"f2\"><title>", "</title>");
    assert_eq!(
        hover,
        ["frame 2, 0.001000 s\n10.0.0.2 &gt; 10.0.0.1\nIP protocol 253\na &lt;note&gt;"]
    );
}

#[test]
fn a_long_document_has_all_rungs_in_pages_below_titles_that_stay() {
    let whole = document(WHOLE_MAX);
    assert!(!whole.contains("foreignObject") && whole.contains("viewBox"));
    for frames in [WHOLE_MAX + 1, 1234] {
        let paged = document(frames);
        assert_well_formed(&paged);
        assert_eq!(paged.matches("class=\"page\"").count(), frames.div_ceil(PAGE));
        assert_eq!(paged.matches("class=\"titles\"").count(), 1);
        let anchors: BTreeSet<_> = between(&paged, "<g id=\"f", "\"").into_iter().collect();
        assert_eq!(anchors.len(), frames);
        // What is no browser says what it is.
        assert!(paged.contains(&format!(">{frames} frames: open this document in a browser<")));
    }
    // The last page is as high as its rungs.
    let heights = between(&document(1234), "px\"><svg", ">").len();
    assert_eq!(heights, 14, "the titles and thirteen pages");
    assert!(document(1234).contains("height=\"952\""), "of 34 rungs");
}

#[test]
fn sixty_four_hosts_have_a_lane_each_and_no_label_leaves_them() {
    // As of a file in which no more were found.
    let rungs = Rungs::default().of_columns(usize::MAX);
    let mut drawing = Drawing::default().of_rungs(rungs);
    for index in 0..300_u16 {
        let from = (index % 64) as u8;
        let bytes = packet(from, ((index + 1) % 64) as u8);
        drawing.add(&frame(index.into(), &bytes, ""));
    }
    let document = drawing.finish();
    assert_well_formed(&document);
    assert_eq!(document.matches("class=\"title\"").count(), 64);
    assert!(!document.contains("others"), "all have a lane");
    let titles = drawing.rungs.titles();
    let layout = Layout::new(&titles, &drawing.drawn);
    assert!(layout.crowded && layout.slanted);
    assert!(layout.lane(1) - layout.lane(0) >= 20.0, "they can be told apart");
    assert!(layout.last() < 1800.0, "and seen at once");
    let label = "IP protocol 253";
    for middle in [layout.left, layout.last()] {
        let (half, at) = (element::width(label) / 2.0, layout.above(middle, element::width(label)));
        assert!(at - half > layout.left && at + half < layout.last(), "{at}");
    }
}

#[test]
fn few_hosts_are_as_far_apart_as_their_labels_are_long() {
    let titles = ["10.0.0.1".to_string(), "10.0.0.2".to_string()];
    let mut drawing = Drawing::default();
    drawing.add(&frame(0, &packet(1, 2), ""));
    let mut rungs = drawing.drawn.clone();
    let narrow = Layout::new(&titles, &rungs);
    rungs[0].label = "x".repeat(200);
    let wide = Layout::new(&titles, &rungs);
    assert!(wide.lane(1) - wide.lane(0) > element::width(&rungs[0].label));
    assert!(narrow.lane(1) < wide.lane(1) && !wide.crowded && !wide.slanted);
}

#[test]
fn what_was_sent_again_has_an_arrow_of_its_own_and_what_was_lost_has_no_head() {
    let mut drawing = Drawing::default();
    drawing.add(&frame(0, &packet(1, 2), ""));
    let first = drawing.drawn[0].clone();
    drawing.drawn.push(Rung { number: 2, marks: vec![Mark::Retransmission], ..first.clone() });
    drawing.drawn.push(Rung { number: 3, dropped: true, ..first });
    let document = drawing.finish();
    assert_eq!(document.matches("<path class=\"arrow\"").count(), 1);
    assert_eq!(document.matches("<path class=\"again\"").count(), 1);
    assert_eq!(between(&document, "<path class=\"lost\" d=\"", "\"")[0].matches('z').count(), 0);
}
