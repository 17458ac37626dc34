//! pcapng (`draft-ietf-opsawg-pcapng`): block by block, with what a section says of its interfaces.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use super::block::APPLICATION_NAME;
use super::direction::Direction;
use super::error::CaptureError;
use super::format::{
    BLOCK_ENHANCED_PACKET, BLOCK_INTERFACE, BLOCK_PACKET, BLOCK_SECTION, BLOCK_SIMPLE_PACKET,
    BLOCKS_WITHOUT_FRAMES, BYTE_ORDER_MAGIC, DIRECTION_INBOUND, DIRECTION_MASK, DIRECTION_OUTBOUND,
    OPT_COMMENT, OPT_END, OPT_EPB_FLAGS, OPT_IF_TSOFFSET, OPT_IF_TSRESOL, OPT_SHB_USERAPPL,
    VERSION,
};
use super::linktype::LinkType;
use super::record::{BLOCK_MAX, INTERFACES_MAX, Record};
use super::source::Source;

const NANOS: u128 = 1_000_000_000;
/// Types of unknown blocks that are counted apart.
const TYPES_MAX: usize = 64;

/// The current section, and what was passed over.
#[derive(Debug, Default)]
pub(super) struct Section {
    interfaces: Vec<Interface>,
    /// It was written by tapboard.
    ours: bool,
    /// Blocks of types that are not known, by type.
    pub(super) unknown: BTreeMap<u32, u64>,
}

/// What a packet's reading needs of its interface.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    snap_len: u32,
    ticks_per_second: u128,
    offset_s: i64,
}

impl<R: Read> Source<R> {
    /// The next packet; `None` at the end.
    pub(super) fn pcapng_record(
        &mut self,
        section: &mut Section,
    ) -> Result<Option<Record>, CaptureError> {
        loop {
            let Some(block_type) = self.block()? else {
                return Ok(None);
            };
            let interfaces = &mut section.interfaces;
            let record = match block_type {
                BLOCK_SECTION => {
                    self.enter(section)?;
                    continue;
                }
                BLOCK_INTERFACE => {
                    if interfaces.len() >= INTERFACES_MAX {
                        return Err(self.malformed("there are too many interfaces"));
                    }
                    interfaces.push(self.interface()?);
                    continue;
                }
                BLOCK_ENHANCED_PACKET => self.packet(self.u32_at(0)?, interfaces)?,
                BLOCK_PACKET => {
                    self.packet(u32::from(self.u32_at(0).map(|_| self.u16(0))?), interfaces)?
                }
                BLOCK_SIMPLE_PACKET => self.simple_packet(interfaces)?,
                known if BLOCKS_WITHOUT_FRAMES.contains(&known) => continue,
                unknown => {
                    if section.unknown.len() < TYPES_MAX || section.unknown.contains_key(&unknown) {
                        *section.unknown.entry(unknown).or_default() += 1;
                    }
                    continue;
                }
            };
            // What others say of their frames' ways and fates is not our link's.
            let direction = record.direction.filter(|_| section.ours);
            return Ok(Some(Record { direction, ours: section.ours, ..record }));
        }
    }

    /// Begins a section, whose header has been read.
    pub(super) fn enter(&self, section: &mut Section) -> Result<(), CaptureError> {
        section.interfaces.clear();
        section.ours = false;
        self.options(8, |code, at, len| {
            if code == OPT_SHB_USERAPPL {
                section.ours = self.bytes[at..at + len].starts_with(APPLICATION_NAME.as_bytes());
            }
        })
    }

    fn u32_at(&self, at: usize) -> Result<u32, CaptureError> {
        if self.bytes.len() < at + 4 {
            return Err(self.malformed("a packet's block is too short"));
        }
        Ok(self.u32(at))
    }

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
        let known = [BLOCK_INTERFACE, BLOCK_ENHANCED_PACKET, BLOCK_SIMPLE_PACKET, BLOCK_PACKET];
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

    /// The rest of a section header block; its section's length and options are in `bytes` then. `false` if the
    /// file ends within it.
    pub(super) fn section(&mut self) -> Result<bool, CaptureError> {
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
        if len > BLOCK_MAX {
            self.bytes.clear();
            return self.skip_to_end(len - 20, len);
        }
        if !self.fill(len - 16)? {
            return Ok(false);
        }
        let end = self.bytes.len() - 4;
        self.check_trailer(end, len)?;
        self.bytes.truncate(end);
        Ok(true)
    }

    fn interface(&self) -> Result<Interface, CaptureError> {
        if self.bytes.len() < 8 {
            return Err(self.malformed("an interface description is too short"));
        }
        let mut interface = Interface {
            link: LinkType(self.u16(0)),
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

    /// An enhanced or obsolete packet block of that interface; the two differ in its number only.
    fn packet(&self, interface: u32, interfaces: &[Interface]) -> Result<Record, CaptureError> {
        if self.bytes.len() < 20 {
            return Err(self.malformed("a packet's block is too short"));
        }
        let Some(interface) = interfaces.get(interface as usize) else {
            return Err(self.malformed("a packet is of an interface that is not described"));
        };
        let len = self.u32(12) as usize;
        let frame = self.bytes[20..].get(..len);
        let Some(frame) = frame else {
            return Err(self.malformed("a packet is longer than its block"));
        };
        let mut record = Record {
            at: Some(interface.time(u64::from(self.u32(4)) << 32 | u64::from(self.u32(8)))),
            direction: None,
            link: interface.link,
            frame: frame.to_vec(),
            original_len: self.u32(16) as usize,
            notes: String::new(),
            ours: false,
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
        Ok(record)
    }

    /// A packet without time and options, of the first interface.
    fn simple_packet(&self, interfaces: &[Interface]) -> Result<Record, CaptureError> {
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
        Ok(Record {
            at: None,
            direction: None,
            link: interface.link,
            frame: frame.to_vec(),
            original_len: original as usize,
            notes: String::new(),
            ours: false,
        })
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
