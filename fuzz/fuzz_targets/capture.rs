//! The reader of captures, the ladder, and its pictures. The first byte says what the program is: a file, what comes
//! behind a file's header, a filter, or frames of one link type, so that any bytes get somewhere.
#![no_main]

use std::io::Cursor;

use smoltcp::time::Instant;
use tapboard::capture::{LinkType, Reader};
use tapboard::ladder::graph::{Graph, Plot};
use tapboard::ladder::svg::Drawing;
use tapboard::ladder::{Filter, Frame, Ladder, Style};

const LINKS: [u16; 60] = [
    0, 1, 1, 1, 1, 1, 1, 6, 7, 8, 9, 10, 12, 50, 51, 100, 101, 104, 105, 106, 107, 108, 109, 113,
    117, 119, 122, 123, 127, 129, 138, 143, 163, 166, 178, 179, 180, 182, 192, 195, 197, 204, 206,
    219, 226, 227, 229, 230, 239, 240, 242, 252, 253, 258, 274, 276, 281, 283, 284, 285,
];

const PCAP: &[u8] = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0";
const PCAPNG: &[u8] = b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0\
    \x01\0\0\0\x14\0\0\0\x01\0\0\0\0\0\0\0\x14\0\0\0";

libfuzzer_sys::fuzz_target!(|program: &[u8]| {
    let Some((&form, rest)) = program.split_first() else { return };
    match form {
        0..64 => file(form, rest),
        64..128 => file(form, &[PCAP, rest].concat()),
        128..188 => file(form, &[PCAPNG, rest].concat()),
        188..192 => filter(&String::from_utf8_lossy(rest)),
        _ => frames(form, rest),
    }
});

/// What frames are drawn as: a program is one of them.
enum Sheet {
    Text(Ladder),
    Document(Drawing),
    Graph(Plot),
}

impl Sheet {
    /// Of any number.
    fn new(number: u8) -> Self {
        match usize::from(number % 8) {
            0..3 => Self::Text(Ladder::new(Style::default())),
            3 => Self::Document(Drawing::default()),
            graph => Self::Graph(Plot::new(Graph::ALL[graph - 4]).reversed(number & 8 > 0)),
        }
    }

    fn add(&mut self, frame: &Frame<'_>) {
        match self {
            Self::Text(ladder) => {
                ladder.frame(frame);
            }
            Self::Document(drawing) => drawing.add(frame),
            Self::Graph(plot) => plot.add(frame),
        }
    }

    fn finish(&self) {
        let document = match self {
            Self::Text(_) => return,
            Self::Document(drawing) => Some(drawing.finish()),
            Self::Graph(plot) => plot.finish().ok(),
        };
        let Some(document) = document else { return };
        assert!(document.ends_with("</svg>\n"));
        for nonsense in ["NaN", "inf "] {
            let found = document.find(&format!("=\"{nonsense}"));
            assert!(found.is_none(), "{nonsense}: {document}");
        }
    }
}

/// Reads a file and draws it. What it hands out was in it, unless that is compressed.
fn file(form: u8, bytes: &[u8]) {
    let Ok(reader) = Reader::new(Cursor::new(bytes)) else { return };
    let mut sheet = Sheet::new(form);
    // A small file may unpack to a large one.
    for record in reader.take(1000).flatten() {
        let micros = record.at.and_then(|at| i64::try_from(at.as_micros()).ok());
        sheet.add(&Frame {
            at: micros.map(Instant::from_micros),
            direction: record.direction,
            link: record.link,
            bytes: &record.frame,
            len: record.original_len,
            notes: &record.notes,
            ours: record.ours,
        });
    }
    sheet.finish();
}

/// Reads a filter. What is wrong with it is pointed at.
fn filter(text: &str) {
    if let Err(error) = text.parse::<Filter>() {
        assert_eq!(error.to_string().lines().count(), 3, "{error}");
    }
}

/// Draws frames, each as long as the byte before it says; as what, the second byte of the program says.
fn frames(form: u8, rest: &[u8]) {
    let link = LinkType(LINKS[usize::from(form) % LINKS.len()]);
    let Some((&number, mut rest)) = rest.split_first() else { return };
    let mut sheet = Sheet::new(number);
    let mut micros = 0;
    while let Some((&len, after)) = rest.split_first() {
        let (bytes, next) = after.split_at(usize::from(len).min(after.len()));
        micros += i64::from(len);
        let frame = Frame {
            at: Some(Instant::from_micros(micros)),
            direction: None,
            link,
            bytes,
            len: bytes.len() + usize::from(len & 3),
            notes: "",
            ours: false,
        };
        if let Sheet::Text(ladder) = &mut sheet {
            assert!(ladder.frame(&frame).is_some(), "{link} is drawn");
        } else {
            sheet.add(&frame);
        }
        rest = next;
    }
    sheet.finish();
}
