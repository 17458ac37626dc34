//! The capture that is drawn: a file or standard input, read in large pieces, with a bar for who waits.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::capture::{CaptureError, Reader};
use crate::output::is_standard;
use crate::progress::Progress;

/// Bytes that are read at a time.
const PIECE: usize = 256 << 10;
/// Bytes of a file for which somebody waits long enough to want to know how far it is.
const LONG: u64 = 64 << 20;

/// What a capture is read from.
pub(super) type Input = BufReader<Box<dyn Read>>;

/// Opens a capture, or standard input. How far it was read is shown on a terminal, if it takes long and `what` is
/// done with it, while nothing else is printed.
pub(super) fn open(path: &Path, what: Option<&'static str>) -> Result<Reader<Input>, CaptureError> {
    let from: Box<dyn Read> = if is_standard(path) {
        Box::new(io::stdin().lock())
    } else {
        let opened = File::open(path);
        let file = opened.map_err(|error| CaptureError::Open { path: path.into(), error })?;
        let len = file.metadata().ok().filter(Metadata::is_file).map_or(0, |data| data.len());
        match what.filter(|_| len >= LONG) {
            Some(what) => Box::new(Watched { file, bar: Progress::of_bytes(len, what) }),
            None => Box::new(file),
        }
    };
    Reader::new(BufReader::with_capacity(PIECE, from))
}

/// A file that shows how far it was read. The bar is gone with it.
struct Watched {
    file: File,
    bar: Progress,
}

impl Read for Watched {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(out)?;
        self.bar.inc(count as u64);
        Ok(count)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
