//! Reads captures: pcapng of either byte order, with any interfaces and blocks, and classic pcap.
//!
//! A [`Reader`] hands out one Ethernet frame after another and holds no more than one block, of at most
//! [`BLOCK_MAX`] bytes, whatever the file says of itself. Blocks it does not know are skipped, frames of
//! other links are skipped and counted, and half a block at the end is what a killed writer leaves:
//! [`Reader::truncated`] tells of it. What breaks the format's rules is an error, and the end.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::Duration;

use super::direction::Direction;
use super::error::CaptureError;
use super::format::{
    BLOCK_ENHANCED_PACKET, BLOCK_INTERFACE, BLOCK_SECTION, BLOCK_SIMPLE_PACKET, BYTE_ORDER_MAGIC,
    DIRECTION_INBOUND, DIRECTION_MASK, DIRECTION_OUTBOUND, LINKTYPE_ETHERNET, OPT_COMMENT, OPT_END,
    OPT_EPB_FLAGS, OPT_IF_TSOFFSET, OPT_IF_TSRESOL, PCAP_MICROS, PCAP_NANOS, VERSION,
};
use super::source::Source;

/// Bytes of the longest block that is read: four of the longest packets that tcpdump writes.
pub const BLOCK_MAX: u32 = 1 << 20;
/// Interfaces a section may have.
pub const INTERFACES_MAX: usize = 4096;

const NANOS: u128 = 1_000_000_000;

/// A frame of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When, since 1970, or since the run's beginning in virtual time. A frame without a time has that
    /// of the one before.
    pub at: Duration,
    /// Direction from the view of who captured, if the file says.
    pub direction: Option<Direction>,
    /// The Ethernet frame, as far as it was captured.
    pub frame: Vec<u8>,
    /// Bytes of the whole frame.
    pub original_len: usize,
    /// The packet's comments, separated by `, `.
    pub notes: String,
}

/// Opens a capture.
pub fn read(path: &Path) -> Result<Reader<BufReader<File>>, CaptureError> {
    let file =
        File::open(path).map_err(|error| CaptureError::Open { path: path.to_path_buf(), error })?;
    Reader::new(BufReader::new(file))
}

/// The frames of a capture, in the file's order.
#[derive(Debug)]
pub struct Reader<R> {
    pub(super) source: Source<R>,
    format: Format,
    last: Duration,
    skipped: u64,
    over: bool,
}

#[derive(Debug)]
enum Format {
    Pcapng { interfaces: Vec<Interface> },
    Pcap { nanos: bool },
}

/// What a packet's reading needs of its interface.
#[derive(Clone, Copy, Debug)]
struct Interface {
    ethernet: bool,
    snap_len: u32,
    ticks_per_second: u128,
    offset_s: i64,
}

impl<R: Read> Reader<R> {
    /// A reader of `source`, which stands at the file's first byte and had better be buffered.
    pub fn new(source: R) -> Result<Self, CaptureError> {
        let mut source = Source::new(source);
        if !source.fill(4)? {
            return Err(CaptureError::NotACapture);
        }
        let first: [u8; 4] = source.bytes[..].try_into().expect("four bytes were read");
        let format = if u32::from_le_bytes(first) == BLOCK_SECTION {
            source.section()?;
            Format::Pcapng { interfaces: Vec::new() }
        } else {
            let word = u32::from_le_bytes(first);
            source.big_endian = ![PCAP_MICROS, PCAP_NANOS].contains(&word);
            let nanos = match source.u32(0) {
                PCAP_MICROS => false,
                PCAP_NANOS => true,
                _ => return Err(CaptureError::NotACapture),
            };
            source.pcap_header()?;
            Format::Pcap { nanos }
        };
        Ok(Self { source, format, last: Duration::ZERO, skipped: 0, over: false })
    }

    /// Whether the file ended within a block: its writer was stopped, or still writes.
    pub const fn truncated(&self) -> bool {
        self.source.truncated
    }

    /// Frames of links that are not Ethernet, so far.
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The next frame; `None` at the end.
    fn next_record(&mut self) -> Result<Option<Record>, CaptureError> {
        match &mut self.format {
            Format::Pcap { nanos } => self.source.pcap_record(*nanos),
            Format::Pcapng { interfaces } => loop {
                let Some(block_type) = self.source.block()? else {
                    return Ok(None);
                };
                let packet = match block_type {
                    BLOCK_SECTION => {
                        interfaces.clear();
                        continue;
                    }
                    BLOCK_INTERFACE => {
                        if interfaces.len() >= INTERFACES_MAX {
                            return Err(self.source.malformed("there are too many interfaces"));
                        }
                        interfaces.push(self.source.interface()?);
                        continue;
                    }
                    BLOCK_ENHANCED_PACKET => self.source.enhanced_packet(interfaces)?,
                    BLOCK_SIMPLE_PACKET => self.source.simple_packet(interfaces, self.last)?,
                    _ => continue,
                };
                match packet {
                    Some(record) => {
                        self.last = record.at;
                        return Ok(Some(record));
                    }
                    None => self.skipped += 1,
                }
            },
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

impl<R: Read> Source<R> {
    // ---- pcapng --------------------------------------------------------------------------------

    /// The next block's type; its body is in `bytes` if the type is one that is read. `None` at the end.
    fn block(&mut self) -> Result<Option<u32>, CaptureError> {
        if !self.begin(4)? {
            return Ok(None);
        }
        let block_type = self.u32(0);
        if block_type == BLOCK_SECTION {
            return Ok(self.section()?.then_some(block_type));
        }
        if !self.fill(4)? {
            return Ok(None);
        }
        let len = self.u32(0);
        if len < 12 || !len.is_multiple_of(4) {
            return Err(self.malformed("a block's length is no multiple of 4, or below 12"));
        }
        let known = [BLOCK_INTERFACE, BLOCK_ENHANCED_PACKET, BLOCK_SIMPLE_PACKET];
        if !known.contains(&block_type) {
            return Ok(self.skip_to_end(len - 12, len)?.then_some(block_type));
        }
        if len > BLOCK_MAX {
            return Err(self.malformed("a packet's block is longer than 1 MiB"));
        }
        if !self.fill(len - 8)? {
            return Ok(None);
        }
        let end = self.bytes.len() - 4;
        self.check_trailer(end, len)?;
        self.bytes.truncate(end);
        Ok(Some(block_type))
    }

    /// Skips the rest of a block but its length at the end, which has to be `len` again. `false` if the
    /// file ends before.
    fn skip_to_end(&mut self, rest: u32, len: u32) -> Result<bool, CaptureError> {
        if !self.skip(rest)? || !self.fill(4)? {
            return Ok(false);
        }
        self.check_trailer(0, len)?;
        Ok(true)
    }

    fn check_trailer(&self, at: usize, len: u32) -> Result<(), CaptureError> {
        if self.u32(at) == len {
            return Ok(());
        }
        Err(self.malformed("a block's lengths at its two ends differ"))
    }

    /// The rest of a section header block. `false` if the file ends within it.
    fn section(&mut self) -> Result<bool, CaptureError> {
        if !self.fill(12)? {
            return Ok(false);
        }
        self.big_endian = false;
        if self.u32(4) != BYTE_ORDER_MAGIC {
            self.big_endian = true;
            if self.u32(4) != BYTE_ORDER_MAGIC {
                return Err(self.malformed("a section has no byte-order magic"));
            }
        }
        let len = self.u32(0);
        if self.u16(8) != VERSION.0 {
            return Err(self.malformed("a section has an unknown major version"));
        }
        if len < 28 || !len.is_multiple_of(4) {
            return Err(
                self.malformed("a section header's length is no multiple of 4, or below 28")
            );
        }
        self.skip_to_end(len - 20, len)
    }

    fn interface(&self) -> Result<Interface, CaptureError> {
        if self.bytes.len() < 8 {
            return Err(self.malformed("an interface description is too short"));
        }
        let mut interface = Interface {
            ethernet: self.u16(0) == LINKTYPE_ETHERNET,
            snap_len: self.u32(4),
            ticks_per_second: 1_000_000,
            offset_s: 0,
        };
        self.options(8, |code, at, len| match (code, len) {
            (OPT_IF_TSRESOL, 1) => {
                let exponent = u32::from(self.bytes[at] & 0x7f);
                let base: u128 = if self.bytes[at] & 0x80 == 0 { 10 } else { 2 };
                // Finer than 10^-38 s overflows, and all 64-bit times of it are 0 s.
                interface.ticks_per_second = base.checked_pow(exponent).unwrap_or(u128::MAX);
            }
            (OPT_IF_TSOFFSET, 8) => interface.offset_s = self.u64(at).cast_signed(),
            _ => {}
        })?;
        Ok(interface)
    }

    /// `None` for a frame that is not Ethernet.
    fn enhanced_packet(&self, interfaces: &[Interface]) -> Result<Option<Record>, CaptureError> {
        if self.bytes.len() < 20 {
            return Err(self.malformed("a packet's block is too short"));
        }
        let Some(interface) = interfaces.get(self.u32(0) as usize) else {
            return Err(self.malformed("a packet is of an interface that is not described"));
        };
        let len = self.u32(12) as usize;
        let frame = self.bytes[20..].get(..len);
        let Some(frame) = frame else {
            return Err(self.malformed("a packet is longer than its block"));
        };
        let mut record = Record {
            at: interface.time(u64::from(self.u32(4)) << 32 | u64::from(self.u32(8))),
            direction: None,
            frame: frame.to_vec(),
            original_len: self.u32(16) as usize,
            notes: String::new(),
        };
        self.options(20 + len.next_multiple_of(4), |code, at, len| match (code, len) {
            (OPT_COMMENT, _) => {
                if !record.notes.is_empty() {
                    record.notes.push_str(", ");
                }
                record.notes.push_str(&String::from_utf8_lossy(&self.bytes[at..at + len]));
            }
            (OPT_EPB_FLAGS, 4) => {
                record.direction = match self.u32(at) & DIRECTION_MASK {
                    DIRECTION_INBOUND => Some(Direction::ToBoard),
                    DIRECTION_OUTBOUND => Some(Direction::ToPeer),
                    _ => None,
                }
            }
            _ => {}
        })?;
        Ok(interface.ethernet.then_some(record))
    }

    /// A packet without time and options, of the first interface.
    fn simple_packet(
        &self,
        interfaces: &[Interface],
        last: Duration,
    ) -> Result<Option<Record>, CaptureError> {
        let Some(interface) = interfaces.first() else {
            return Err(self.malformed("a packet is of an interface that is not described"));
        };
        if self.bytes.len() < 4 {
            return Err(self.malformed("a packet's block is too short"));
        }
        let original = self.u32(0);
        let len = match interface.snap_len {
            0 => original,
            snap => original.min(snap),
        };
        let Some(frame) = self.bytes[4..].get(..len as usize) else {
            return Err(self.malformed("a packet is longer than its block"));
        };
        let record = Record {
            at: last,
            direction: None,
            frame: frame.to_vec(),
            original_len: original as usize,
            notes: String::new(),
        };
        Ok(interface.ethernet.then_some(record))
    }

    /// Calls `each` with code, place and length of every option from `at` on.
    fn options(
        &self,
        mut at: usize,
        mut each: impl FnMut(u16, usize, usize),
    ) -> Result<(), CaptureError> {
        // A block may end without an end of options.
        while at + 4 <= self.bytes.len() {
            let (code, len) = (self.u16(at), usize::from(self.u16(at + 2)));
            if code == OPT_END {
                return Ok(());
            }
            at += 4;
            if at + len > self.bytes.len() {
                return Err(self.malformed("an option is longer than its block"));
            }
            each(code, at, len);
            at += len.next_multiple_of(4);
        }
        Ok(())
    }

    // ---- Classic pcap --------------------------------------------------------------------------

    /// The file's header after its first word.
    fn pcap_header(&mut self) -> Result<(), CaptureError> {
        if !self.fill(20)? {
            return Ok(());
        }
        // The upper bits tell of a frame check sequence.
        match self.u32(16) & 0xffff {
            link if link == u32::from(LINKTYPE_ETHERNET) => Ok(()),
            other => Err(CaptureError::LinkType(other)),
        }
    }

    fn pcap_record(&mut self, nanos: bool) -> Result<Option<Record>, CaptureError> {
        if !self.begin(16)? {
            return Ok(None);
        }
        let fraction = u64::from(self.u32(4)) * if nanos { 1 } else { 1000 };
        let at = Duration::from_secs(u64::from(self.u32(0))) + Duration::from_nanos(fraction);
        let (len, original_len) = (self.u32(8), self.u32(12) as usize);
        if len > BLOCK_MAX {
            return Err(self.malformed("a packet is longer than 1 MiB"));
        }
        if !self.fill(len)? {
            return Ok(None);
        }
        let frame = std::mem::take(&mut self.bytes);
        Ok(Some(Record { at, direction: None, frame, original_len, notes: String::new() }))
    }
}

impl Interface {
    /// Ticks since 1970, of which no less than 0 s and no more than fits is made.
    fn time(&self, ticks: u64) -> Duration {
        let ticks = u128::from(ticks);
        let whole = i128::try_from(ticks / self.ticks_per_second).unwrap_or(i128::MAX);
        // Below 2^64 ticks, so that the product fits.
        let rest = ticks % self.ticks_per_second;
        let nanos = (rest * NANOS / self.ticks_per_second) as u32;
        let seconds = (whole + i128::from(self.offset_s)).max(0);
        Duration::new(u64::try_from(seconds).unwrap_or(u64::MAX), nanos)
    }
}
