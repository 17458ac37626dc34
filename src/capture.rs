//! Captures: every frame of a run in a pcapng file that Wireshark opens, with what the link did to it.
//!
//! A [`Capture`] writes; [`read`] reads such a file back, and what tcpdump and Wireshark write. The file
//! has one section and one Ethernet interface; each frame is an enhanced packet block with its direction
//! as the board sees it, nanosecond time, and the link's notes as its comment. A record is one `write`
//! and no buffer outlives it, so that a killed run keeps every frame up to its last: some 4 us a frame.
//! The first record that cannot be written is the end of the capture, not of the board.
//!
//! A capture can go to standard output as well, for a program that reads along. Who reads too slowly cannot stop
//! the board: what the pipe has no room for is left out, and the next frame says how many were.
//!
//! Format: `draft-ietf-opsawg-pcapng`, the sections named beside the numbers in `format`. `writer` and `block` write; `reader`,
//! `pcapng`, `pcap`, `source` and `compressed` read.

mod block;
mod compressed;
mod direction;
mod error;
mod format;
mod linktype;
mod pcap;
mod pcapng;
mod reader;
mod record;
mod source;
mod writer;

pub use self::direction::Direction;
pub use self::error::CaptureError;
pub use self::linktype::LinkType;
pub use self::reader::{Reader, read};
pub use self::record::{BLOCK_MAX, INTERFACES_MAX, Record};
pub use self::writer::Capture;

#[cfg(test)]
mod tests;
