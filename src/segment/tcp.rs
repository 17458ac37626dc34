//! TCP segments: the header as far as it is shown, with numbers relative to where a direction began.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};

use super::checksum::{self, Checksum};
use super::recent::Recent;
use super::view::View;
use crate::output::counted;

/// Blocks of a selective acknowledgement that have room in a header (RFC 2018, 3).
const SACK_BLOCKS: usize = 4;

/// A TCP segment's header, as far as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "they are the header's flags")]
pub struct Segment {
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// SYN is set.
    pub syn: bool,
    /// ACK is set.
    pub ack: bool,
    /// FIN is set.
    pub fin: bool,
    /// RST is set.
    pub rst: bool,
    /// PSH is set.
    pub psh: bool,
    /// URG is set.
    pub urg: bool,
    /// ECE is set (RFC 3168).
    pub ece: bool,
    /// CWR is set (RFC 3168).
    pub cwr: bool,
    /// Sequence number, relative to `initial`.
    pub seq: u32,
    /// Acknowledgement number, relative to the peer's initial sequence number.
    pub ack_number: u32,
    /// The sender's initial sequence number; 0 if nothing is known of it.
    pub initial: u32,
    /// Payload bytes, those that were not captured included.
    pub len: usize,
    /// The window field, unscaled.
    pub window: u16,
    /// The longest segment that the sender wants, from a SYN's option.
    pub mss: Option<u16>,
    /// A SYN permits selective acknowledgements (RFC 2018, 2).
    pub sack_permitted: bool,
    /// A SYN's or any segment's timestamp, and the one that it echoes (RFC 7323, 3).
    pub timestamps: Option<(u32, u32)>,
    /// By how many bits the sender's later windows are to be shifted, from a SYN's option.
    pub window_scale: Option<u8>,
    /// Blocks that are acknowledged selectively, relative as `ack_number` is.
    pub sack: [Option<(u32, u32)>; SACK_BLOCKS],
    /// The checksum is right, is missing, or was left to a NIC by the one who captured.
    pub sound: bool,
    /// What the numbers are relative to.
    pub start: Start,
}

/// What is known of where a segment's numbers begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// They are relative to initial numbers that are known, or were taken from earlier segments.
    Known,
    /// Likewise, and this segment is the first: the connection began before the capture.
    Taken,
    /// Nothing is known, for one of them at least, which is shown as it is in the segment.
    Absolute,
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut none = true;
        for name in self.flags() {
            f.write_str(if none { "" } else { " " })?;
            f.write_str(name)?;
            none = false;
        }
        write!(f, "{} seq={}", if none { "no flags" } else { "" }, self.seq)?;
        if self.ack {
            write!(f, " ack={}", self.ack_number)?;
        }
        let mut separator = " sack=";
        for (start, end) in self.sack.iter().flatten() {
            write!(f, "{separator}{start}-{end}")?;
            separator = ",";
        }
        if self.len > 0 {
            write!(f, " {}", counted(self.len, "byte"))?;
        }
        Ok(())
    }
}

/// Sender and receiver.
pub(crate) type FourTuple = (SocketAddr, SocketAddr);

/// Where one direction's numbers begin.
#[derive(Clone, Copy, Debug)]
struct Beginning {
    number: u32,
    /// From a segment whose checksum is wrong: the next may know better.
    doubtful: bool,
}

/// Where each direction of a connection begins.
#[derive(Debug, Default)]
pub(super) struct Beginnings(Recent<FourTuple, Beginning>);

/// A header's fields.
struct Fields<'a> {
    view: View<'a>,
    seq: u32,
    ack_number: u32,
    header_len: usize,
    flags: u8,
}

impl Fields<'_> {
    const fn has(&self, bit: u8) -> bool {
        self.flags >> bit & 1 == 1
    }

    /// The first of the options (RFC 9293, 3.1) of this kind.
    fn option(&self, kind: u8) -> Option<&[u8]> {
        let end = self.header_len.min(self.view.bytes.len());
        let mut rest = self.view.bytes.get(20..end)?;
        loop {
            match *rest {
                [] | [0, ..] => return None,
                [1, ref after @ ..] => rest = after,
                [found, len, ..] => {
                    let option = rest.get(2..usize::from(len))?;
                    if found == kind {
                        return Some(option);
                    }
                    rest = &rest[usize::from(len)..];
                }
                [_] => return None,
            }
        }
    }
}

impl Fields<'_> {
    fn number(&self, kind: u8) -> Option<u16> {
        Some(u16::from_be_bytes(self.option(kind)?.try_into().ok()?))
    }

    fn timestamps(&self) -> Option<(u32, u32)> {
        let (words, []) = self.option(8)?.as_chunks::<4>() else { return None };
        let [value, echo] = words else { return None };
        Some((u32::from_be_bytes(*value), u32::from_be_bytes(*echo)))
    }
}

impl Segment {
    /// The names of the flags that are set.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &'static str> + use<> {
        let flags = [
            (self.syn, "SYN"),
            (self.fin, "FIN"),
            (self.rst, "RST"),
            (self.psh, "PSH"),
            (self.ack, "ACK"),
            (self.urg, "URG"),
            (self.ece, "ECE"),
            (self.cwr, "CWR"),
        ];
        flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name)
    }

    /// A SYN's options in Wireshark's words, each after a space.
    pub(crate) fn syn_options(&self) -> String {
        let mut out = String::new();
        if !self.syn {
            return out;
        }
        if let Some(mss) = self.mss {
            let _ = write!(out, " MSS={mss}");
        }
        if let Some(scale) = self.window_scale {
            // More counts as 14 (RFC 7323, 2.3).
            let _ = write!(out, " WS={}", 1_u32 << scale.min(14));
        }
        if self.sack_permitted {
            out.push_str(" SACK_PERM");
        }
        if let Some((value, _)) = self.timestamps {
            let _ = write!(out, " TSval={value}");
        }
        out
    }
}

impl Beginnings {
    /// The segment in an IP packet's payload, and what its checksum says. `None` if its header was not captured.
    pub(super) fn read(
        &mut self,
        from: IpAddr,
        to: IpAddr,
        view: View<'_>,
    ) -> Option<(Segment, Checksum)> {
        let source = SocketAddr::new(from, view.u16(0)?);
        let destination = SocketAddr::new(to, view.u16(2)?);
        let fields = Fields {
            view,
            seq: view.u32(4)?,
            ack_number: view.u32(8)?,
            header_len: usize::from(view.u8(12)? >> 4) * 4,
            flags: view.u8(13)?,
        };
        if fields.header_len < 20 {
            return None;
        }
        let checksum = checksum::transport((from, to), 6, view, 16);
        let sound = checksum != Checksum::Wrong;
        let (there, back) = ((source, destination), (destination, source));
        let (taken, initial, peer) = self.learn(there, back, &fields, sound);
        let relative =
            |number: u32, initial: Option<u32>| number.wrapping_sub(initial.unwrap_or(0));
        let (syn, ack) = (fields.has(1), fields.has(4));
        let mut sack = [None; SACK_BLOCKS];
        if let Some(blocks) = fields.option(5) {
            for (block, edges) in sack.iter_mut().zip(blocks.as_chunks::<4>().0.as_chunks::<2>().0)
            {
                let [start, end] = edges.map(|edge| relative(u32::from_be_bytes(edge), peer));
                *block = Some((start, end));
            }
        }
        let start = match (initial, peer) {
            // A RST without a number of its own answers what was never a connection (RFC 9293, 3.10.7.1).
            (None, Some(_)) if fields.has(2) && fields.seq == 0 => Start::Known,
            (None, _) => Start::Absolute,
            (_, None) if ack => Start::Absolute,
            _ if taken => Start::Taken,
            _ => Start::Known,
        };
        let scale = fields.option(3).and_then(|option| option.first().copied());
        let segment = Segment {
            source,
            destination,
            syn,
            ack,
            fin: fields.has(0),
            rst: fields.has(2),
            psh: fields.has(3),
            urg: fields.has(5),
            ece: fields.has(6),
            cwr: fields.has(7),
            seq: relative(fields.seq, initial),
            ack_number: relative(fields.ack_number, peer),
            initial: initial.unwrap_or(0),
            len: view.len.saturating_sub(fields.header_len),
            window: view.u16(14)?,
            mss: fields.number(2).filter(|_| syn),
            sack_permitted: syn && fields.option(4).is_some(),
            timestamps: fields.timestamps(),
            window_scale: if syn { scale } else { None },
            sack,
            sound,
            start,
        };
        Some((segment, checksum))
    }

    /// Takes the initial sequence numbers of both directions from a segment, as far as it tells; whether it is
    /// the first of its connection and no SYN, and what is known then. A RST may answer to a connection that never
    /// was, with numbers of its own. A segment whose checksum is wrong teaches only what nobody else has.
    fn learn(
        &mut self,
        there: FourTuple,
        back: FourTuple,
        fields: &Fields<'_>,
        sound: bool,
    ) -> (bool, Option<u32>, Option<u32>) {
        let (syn, ack, rst) = (fields.has(1), fields.has(4), fields.has(2));
        let missing = |known: Option<Beginning>| known.is_none_or(|known| known.doubtful && sound);
        let (mut mine, mut peer) = (self.0.get(&there), self.0.get(&back));
        let new = missing(mine) && missing(peer);
        let other = syn && mine.is_some_and(|known| known.number != fields.seq);
        let answered = fields.ack_number.wrapping_sub(1);
        // Another answer to the same SYN: the peer goes by the first one.
        let second = other && ack && !missing(mine) && peer.is_some_and(|p| p.number == answered);
        if syn && !second && (sound || missing(mine)) {
            // The same ports again are another connection.
            if other && !ack {
                self.0.remove(&back);
                peer = None;
            } else if other {
                peer = Some(self.remember(back, answered, !sound));
            }
            mine = Some(self.remember(there, fields.seq, !sound));
        } else if !rst && missing(mine) {
            mine = Some(self.remember(there, fields.seq.wrapping_sub(1), !sound));
        }
        if (syn || !rst) && ack && missing(peer) {
            peer = Some(self.remember(back, fields.ack_number.wrapping_sub(1), !sound));
        }
        let number = |known: Option<Beginning>| known.map(|known| known.number);
        (new && !syn && !rst, number(mine), number(peer))
    }

    fn remember(&mut self, tuple: FourTuple, number: u32, doubtful: bool) -> Beginning {
        let beginning = Beginning { number, doubtful };
        *self.0.entry(tuple, || beginning) = beginning;
        beginning
    }
}

#[cfg(test)]
impl Segment {
    /// A segment with nothing in it but these letters' flags (`SAFR`), for tests.
    pub(crate) fn with_flags(source: SocketAddr, destination: SocketAddr, flags: &str) -> Self {
        Self {
            source,
            destination,
            syn: flags.contains('S'),
            ack: flags.contains('A'),
            fin: flags.contains('F'),
            rst: flags.contains('R'),
            psh: false,
            urg: false,
            ece: false,
            cwr: false,
            seq: 0,
            ack_number: 0,
            initial: 1,
            len: 0,
            window: 100,
            mss: None,
            sack_permitted: false,
            timestamps: None,
            window_scale: None,
            sack: [None; SACK_BLOCKS],
            sound: true,
            start: Start::Known,
        }
    }
}
