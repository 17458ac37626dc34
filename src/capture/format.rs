//! The numbers of the pcapng format (`draft-ietf-opsawg-pcapng`) and of classic pcap
//! (`draft-ietf-opsawg-pcap`) that are written or read here.

/// Section header block (4.1): the same in either byte order.
pub(super) const BLOCK_SECTION: u32 = 0x0a0d_0d0a;
/// Interface description block (4.2).
pub(super) const BLOCK_INTERFACE: u32 = 1;
/// Packet block, obsolete, which older files have (C.1 of the draft's appendix).
pub(super) const BLOCK_PACKET: u32 = 2;
/// Simple packet block (4.4).
pub(super) const BLOCK_SIMPLE_PACKET: u32 = 3;
/// Enhanced packet block (4.3).
pub(super) const BLOCK_ENHANCED_PACKET: u32 = 6;

/// Blocks that hold no frames: names, statistics, the journal, secrets, and what applications made of their own.
pub(super) const BLOCKS_WITHOUT_FRAMES: [u32; 6] = [4, 5, 9, 10, 0x0bad, 0x4000_0bad];

/// Tells the byte order of a section.
pub(super) const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Major and minor version of the format.
pub(super) const VERSION: (u16, u16) = (1, 0);

/// End of a block's options (3.5).
pub(super) const OPT_END: u16 = 0;
/// A comment on the block, in UTF-8 (3.5.1).
pub(super) const OPT_COMMENT: u16 = 1;
/// Application that made the section (4.1).
pub(super) const OPT_SHB_USERAPPL: u16 = 4;
/// Name of the interface (4.2).
pub(super) const OPT_IF_NAME: u16 = 2;
/// Resolution of its times: 10^-n seconds, or 2^-n with the first bit set (4.2).
pub(super) const OPT_IF_TSRESOL: u16 = 9;
/// Seconds to be added to its times (4.2).
pub(super) const OPT_IF_TSOFFSET: u16 = 14;
/// Flags of a packet (4.3.1).
pub(super) const OPT_EPB_FLAGS: u16 = 2;
/// Frames that were left out since the packet before (4.3).
pub(super) const OPT_EPB_DROPCOUNT: u16 = 4;
/// The flags' bits for the direction.
pub(super) const DIRECTION_MASK: u32 = 3;
/// Received.
pub(super) const DIRECTION_INBOUND: u32 = 1;
/// Sent.
pub(super) const DIRECTION_OUTBOUND: u32 = 2;

/// First word of a pcap file whose times count microseconds.
pub(super) const PCAP_MICROS: u32 = 0xa1b2_c3d4;
/// First word of a pcap file whose times count nanoseconds.
pub(super) const PCAP_NANOS: u32 = 0xa1b2_3c4d;
/// First word of a pcap file whose packets' headers are 8 bytes longer, as patched libpcaps of old wrote them.
pub(super) const PCAP_MODIFIED: u32 = 0xa1b2_cd34;
