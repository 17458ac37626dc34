//! Blocks of a pcapng file, as they are written; the sections named are those of the format's draft.

use super::direction::Direction;
use super::format::{
    BLOCK_ENHANCED_PACKET, BLOCK_INTERFACE, BLOCK_SECTION, BYTE_ORDER_MAGIC, DIRECTION_INBOUND,
    DIRECTION_OUTBOUND, OPT_COMMENT, OPT_END, OPT_EPB_DROPCOUNT, OPT_EPB_FLAGS, OPT_IF_NAME,
    OPT_IF_TSRESOL, OPT_SHB_USERAPPL, VERSION,
};
use super::linktype::LinkType;

/// What every version's name begins with.
pub(super) const APPLICATION_NAME: &str = "tapboard ";
/// Who wrote the file, for whoever opens it.
pub(super) const APPLICATION: &str = concat!("tapboard ", env!("CARGO_PKG_VERSION"));

/// One block at a time, little-endian, in a buffer that is used again.
#[derive(Debug, Default)]
pub(super) struct Block(Vec<u8>);

impl Block {
    /// Section header block (4.1), of unknown section length.
    pub(super) fn section(&mut self) -> &[u8] {
        self.begin(BLOCK_SECTION);
        self.u32(BYTE_ORDER_MAGIC);
        self.0.extend_from_slice(&VERSION.0.to_le_bytes());
        self.0.extend_from_slice(&VERSION.1.to_le_bytes());
        self.0.extend_from_slice(&u64::MAX.to_le_bytes());
        self.option(OPT_SHB_USERAPPL, APPLICATION.as_bytes());
        self.end_with_options()
    }

    /// Interface description block (4.2): Ethernet, no snap length, times in nanoseconds.
    pub(super) fn interface(&mut self, name: &str) -> &[u8] {
        self.begin(BLOCK_INTERFACE);
        self.u32(u32::from(LinkType::ETHERNET.0));
        self.u32(0);
        self.option(OPT_IF_NAME, short(name).as_bytes());
        self.option(OPT_IF_TSRESOL, &[9]);
        self.end_with_options()
    }

    /// Enhanced packet block (4.3) on the only interface, before which that many were left out.
    pub(super) fn packet(
        &mut self,
        time_ns: u64,
        direction: Direction,
        frame: &[u8],
        notes: &str,
        left_out: u64,
    ) -> &[u8] {
        let len = u32::try_from(frame.len()).expect("a frame is shorter than 4 GiB");
        let direction = match direction {
            Direction::ToBoard => DIRECTION_INBOUND,
            Direction::ToPeer => DIRECTION_OUTBOUND,
        };
        self.begin(BLOCK_ENHANCED_PACKET);
        self.u32(0);
        self.u32((time_ns >> 32) as u32);
        self.u32(time_ns as u32);
        self.u32(len);
        self.u32(len);
        self.padded(frame);
        if !notes.is_empty() {
            self.option(OPT_COMMENT, short(notes).as_bytes());
        }
        self.option(OPT_EPB_FLAGS, &direction.to_le_bytes());
        if left_out > 0 {
            self.option(OPT_EPB_DROPCOUNT, &left_out.to_le_bytes());
        }
        self.end_with_options()
    }

    fn begin(&mut self, block_type: u32) {
        self.0.clear();
        self.u32(block_type);
        self.u32(0);
    }

    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let len = u16::try_from(value.len()).expect("texts were shortened");
        self.0.extend_from_slice(&code.to_le_bytes());
        self.0.extend_from_slice(&len.to_le_bytes());
        self.padded(value);
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// Ends the options, and puts the block's length at either end.
    fn end_with_options(&mut self) -> &[u8] {
        self.option(OPT_END, &[]);
        let len = u32::try_from(self.0.len() + 4).expect("a frame and its notes are short");
        self.0[4..8].copy_from_slice(&len.to_le_bytes());
        self.u32(len);
        &self.0
    }
}

/// As much of a text as an option holds.
pub(super) fn short(text: &str) -> &str {
    let end =
        (0..=text.len().min(usize::from(u16::MAX))).rev().find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or(0)]
}
