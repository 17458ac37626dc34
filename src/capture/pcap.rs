//! Classic pcap (`draft-ietf-opsawg-pcap`): of either byte order, in micro- and nanoseconds, and as modified
//! libpcaps of old wrote it.

use std::io::Read;
use std::time::Duration;

use super::error::CaptureError;
use super::format::{PCAP_MICROS, PCAP_MODIFIED, PCAP_NANOS};
use super::linktype::LinkType;
use super::record::{BLOCK_MAX, Record};
use super::source::Source;

/// What the file's header says of its packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pcap {
    link: LinkType,
    nanos: bool,
    /// Bytes of a packet's header.
    header_len: u32,
    /// Minor version: before 2.4 the two lengths stood in either order.
    minor: u16,
}

impl<R: Read> Source<R> {
    /// The file's header, whose first word has been read. `None` if it is no pcap file.
    pub(super) fn pcap(&mut self) -> Result<Option<Pcap>, CaptureError> {
        let magics = [PCAP_MICROS, PCAP_NANOS, PCAP_MODIFIED];
        self.big_endian = !magics.contains(&self.u32(0));
        let magic = self.u32(0);
        if !magics.contains(&magic) {
            return Ok(None);
        }
        let header_len = if magic == PCAP_MODIFIED { 24 } else { 16 };
        let mut pcap =
            Pcap { link: LinkType::ETHERNET, nanos: magic == PCAP_NANOS, header_len, minor: 4 };
        if self.fill(20)? {
            pcap.minor = if self.u16(0) == 2 { self.u16(2) } else { 4 };
            // The upper bits tell of a frame check sequence.
            pcap.link = LinkType(self.u32(16) as u16);
        }
        Ok(Some(pcap))
    }

    /// The next packet; `None` at the end.
    pub(super) fn pcap_record(&mut self, pcap: Pcap) -> Result<Option<Record>, CaptureError> {
        if !self.begin(pcap.header_len)? {
            return Ok(None);
        }
        let fraction = u64::from(self.u32(4)) * if pcap.nanos { 1 } else { 1000 };
        let at = Duration::from_secs(u64::from(self.u32(0))) + Duration::from_nanos(fraction);
        let (mut len, mut original_len) = (self.u32(8), self.u32(12));
        if pcap.minor < 3 || (pcap.minor == 3 && len > original_len) {
            (len, original_len) = (original_len, len);
        }
        if len > BLOCK_MAX {
            return Err(self.malformed("a packet is longer than 1 MiB"));
        }
        if !self.fill(len)? {
            return Ok(None);
        }
        Ok(Some(Record {
            at: Some(at),
            direction: None,
            link: pcap.link,
            frame: std::mem::take(&mut self.bytes),
            original_len: original_len as usize,
            notes: String::new(),
            ours: false,
        }))
    }
}
