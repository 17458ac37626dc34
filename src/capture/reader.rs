//! Reads captures: pcapng of either byte order, with any interfaces and blocks, and classic pcap.
//!
//! A [`Reader`] hands out one frame after another, of whatever link, and holds no more than one block, of at most
//! [`BLOCK_MAX`](super::BLOCK_MAX) bytes, whatever the file says of itself. A file that is compressed with gzip or zstd is unpacked as
//! it is read. Blocks that are not known are passed over and counted, and half a block at the end is what a killed
//! writer leaves: [`Reader::truncated`] tells of it. What breaks the format's rules is an error, and the end.
//!
//! It is our own because of what was found in others, 2026-11: `pcap-file` is a release candidate, `pcap-parser`
//! (nom) wants the same interfaces, times and options read out of its blocks by its user, and tells neither the
//! place of a damage nor whether a file ends within a block.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::compressed::Unpacked;
use super::error::CaptureError;
use super::format::BLOCK_SECTION;
use super::pcap::Pcap;
use super::pcapng::Section;
use super::record::Record;
use super::source::Source;

/// Opens a capture.
pub fn read(path: &Path) -> Result<Reader<BufReader<File>>, CaptureError> {
    let file =
        File::open(path).map_err(|error| CaptureError::Open { path: path.to_path_buf(), error })?;
    Reader::new(BufReader::new(file))
}

/// The frames of a capture, in the file's order.
#[derive(Debug)]
pub struct Reader<R> {
    pub(super) source: Source<Unpacked<R>>,
    format: Format,
    over: bool,
}

#[derive(Debug)]
enum Format {
    Pcapng(Section),
    Pcap(Pcap),
}

impl<R: Read> Reader<R> {
    /// A reader of `source`, which stands at the file's first byte and had better be buffered.
    pub fn new(source: R) -> Result<Self, CaptureError> {
        let unpacked = Unpacked::new(source).map_err(CaptureError::Read)?;
        let mut source = Source::new(unpacked.map_err(CaptureError::Compressed)?);
        if !source.fill(4)? {
            let empty = source.bytes.is_empty();
            return Err(if empty { CaptureError::Empty } else { CaptureError::NotACapture });
        }
        let format = if source.u32(0) == BLOCK_SECTION {
            let mut section = Section::default();
            if source.section()? {
                source.enter(&mut section)?;
            }
            Format::Pcapng(section)
        } else {
            Format::Pcap(source.pcap()?.ok_or(CaptureError::NotACapture)?)
        };
        Ok(Self { source, format, over: false })
    }

    /// Whether the file ended within a block: its writer was stopped, or still writes.
    pub const fn truncated(&self) -> bool {
        self.source.truncated
    }

    /// Blocks of types that are not known, by type, so far: they may have held frames.
    pub fn unknown_blocks(&self) -> BTreeMap<u32, u64> {
        match &self.format {
            Format::Pcapng(section) => section.unknown.clone(),
            Format::Pcap(_) => BTreeMap::new(),
        }
    }

    /// The next frame; `None` at the end.
    fn next_record(&mut self) -> Result<Option<Record>, CaptureError> {
        match &mut self.format {
            Format::Pcap(pcap) => self.source.pcap_record(*pcap),
            Format::Pcapng(section) => self.source.pcapng_record(section),
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Record, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let result = self.next_record().transpose();
        self.over = !matches!(result, Some(Ok(_)));
        result
    }
}
