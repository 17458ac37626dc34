//! What smoltcp is shown in the place of a segment that would mean something else to it.
//!
//! A FIN is believed only with all the data before it, and not forgotten if that comes later. smoltcp 0.14 (socket/tcp.rs,
//! `process`) cuts a segment to the receive window and takes the FIN behind what it cut off, so that the application reads
//! an early end of a stream that looks whole; its own fast retransmit sends such segments, for it heeds no window. And a
//! FIN with a hole before it, it ignores. So it is shown a segment that has both data and FIN without the FIN, and the FIN
//! alone once all the data is in. A device that hands over superframes has to leave the FIN to an ordinary frame.

use smoltcp::socket::tcp::State;
use smoltcp::wire::{TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};

use super::behind;
use crate::frame::Segment;
use crate::limits::FRAME_SIZE;
use crate::seq::{distance, later};
use crate::tcp::tcb::{SocketSnapshot, Tcb};
use crate::workaround::inject::bare;

/// The acknowledgement and the window that a segment should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) ack: TcpSeqNumber,
    pub(crate) window: u16,
}

/// Copies the frame of a sound segment to `buffer` with these numbers and without its FIN; `None` if it is no ordinary
/// frame.
pub(crate) fn mend<'b>(
    segment: &Segment<'_>,
    frame: &[u8],
    newest: Newest,
    buffer: &'b mut [u8; FRAME_SIZE],
) -> Option<&'b [u8]> {
    let copy = buffer.get_mut(..frame.len())?;
    copy.copy_from_slice(frame);
    let mut packet = TcpPacket::new_unchecked(&mut copy[segment.range()]);
    packet.set_fin(false);
    packet.set_ack_number(newest.ack);
    packet.set_window_len(newest.window);
    packet.fill_checksum(&segment.source.addr, &segment.destination.addr);
    Some(copy)
}

impl Tcb {
    /// Remembers the FIN of a sound segment, if it is within the window (RFC 9293 3.10.7.4, SHLD-31).
    pub(crate) fn hold_fin(&mut self, segment: &Segment<'_>, socket: SocketSnapshot) {
        let end = later(segment.seq, segment.len);
        let ahead = distance(end, self.rcv_nxt(socket));
        let within = usize::try_from(ahead).is_ok_and(|ahead| ahead <= socket.room);
        let known = segment.ack.is_some()
            && (socket.state != State::SynReceived || segment.ack == self.snd_max());
        if segment.fin && within && known && socket.unfinished() {
            self.fin = Some(end);
        }
    }

    /// Whether a FIN is remembered.
    pub(crate) const fn holds_fin(&self) -> bool {
        self.fin.is_some()
    }

    /// The number of the FIN that is remembered, if its turn has come, after smoltcp has taken in `segment`, with or
    /// without its FIN. It is forgotten if there is text behind it: somebody has not told the truth, and text is harder to
    /// guess.
    pub(crate) fn take_fin(
        &mut self,
        segment: &Segment<'_>,
        socket: SocketSnapshot,
    ) -> Option<TcpSeqNumber> {
        let fin = self.fin?;
        let within = distance(segment.seq, later(self.rcv_nxt(socket), socket.room)) < 0;
        let text_behind =
            segment.len > 0 && within && distance(later(segment.seq, segment.len), fin) > 0;
        if text_behind || !socket.unfinished() {
            self.fin = None;
            return None;
        }
        let due = fin == self.rcv_nxt(socket) && socket.state != State::SynReceived;
        due.then(|| self.fin.take()).flatten()
    }

    /// The newest numbers that have come in.
    pub(crate) const fn newest(&self) -> Newest {
        Newest { ack: self.snd_una(), window: self.snd_wnd() }
    }

    /// The bare acknowledgement, or reset, that a segment carries. Notes whether it is to be answered.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn acknowledgement(
        &mut self,
        segment: &Segment<'_>,
        socket: SocketSnapshot,
    ) -> TcpRepr<'static> {
        let ends = segment.received_on();
        // That of a SYN is never scaled (RFC 7323 2.2).
        let window = if segment.syn { segment.window >> self.snd_shift() } else { segment.window };
        let seq = self.rcv_nxt(socket);
        self.repeated |= behind(self, segment, seq) >= 0 && !segment.syn;
        let control = if segment.rst { TcpControl::Rst } else { TcpControl::None };
        bare(control, &ends, seq, segment.ack, window)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use smoltcp::wire::{IpEndpoint, Ipv4Address};

    use super::*;
    use crate::frame::{Content, FourTuple};
    use crate::workaround::inject::InjectedSegment;

    /// The one's complement sum of 16-bit words, a word at a time (RFC 1071 1).
    fn sum(words: impl IntoIterator<Item = u16>) -> u16 {
        words.into_iter().fold(0, |sum: u16, word| {
            let (sum, carry) = sum.overflowing_add(word);
            sum + u16::from(carry)
        })
    }

    fn words(bytes: &[u8]) -> impl Iterator<Item = u16> {
        bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]))
    }

    /// A checksum after a word of what it covers was `old` and is `new` (RFC 1624 3, equation 3).
    fn update(checksum: u16, old: u16, new: u16) -> u16 {
        !sum([!checksum, !old, new])
    }

    /// A copy's checksum is made anew. By each window that there is, it takes on every value; of those that differ by what is
    /// in one word, equation 3 of RFC 1624 tells one from the other, where equation 2 has the other zero.
    #[test]
    fn a_copy_has_the_checksum_that_its_changes_make() {
        let end = |last, port| IpEndpoint::new(Ipv4Address::new(192, 0, 2, last).into(), port);
        let ends = FourTuple { local: end(1, 7), remote: end(2, 50_000) };
        let ack = TcpSeqNumber(0x1234_5678);
        let repr = bare(TcpControl::Fin, &ends, TcpSeqNumber(-7), Some(ack), 1000);
        let written = InjectedSegment::new(&repr, &ends);
        let segment = written.segment().unwrap();
        let before = segment.packet().checksum();
        // FIN and ACK, behind the length of the header.
        let without_fin = update(before, 0x5011, 0x5010);
        let mut seen = Vec::new();
        let mut buffer = [0; FRAME_SIZE];
        for window in 0..=u16::MAX {
            let copy =
                mend(&segment, written.bytes(), Newest { ack, window }, &mut buffer).unwrap();
            let mended = Content::parse(copy).segment().unwrap();
            let checksum = mended.packet().checksum();
            assert_eq!(checksum, update(without_fin, 1000, window), "{window:#x}");
            let pseudo = [6, segment.range().len() as u16];
            let all = words(&copy[12..20]).chain(words(&copy[mended.range()])).chain(pseudo);
            assert_eq!(sum(all), 0xffff, "{window:#x}");
            seen.push(checksum);
        }
        seen.sort_unstable();
        seen.dedup();
        // All but the second zero.
        assert_eq!((seen.len(), seen[0], *seen.last().unwrap()), (0xffff, 0, 0xfffe));
    }

    /// Of the two zeros, a peer may send either (RFC 1624 3): in words, both are right.
    #[test]
    fn either_zero_is_right() {
        let end = |last, port| IpEndpoint::new(Ipv4Address::new(192, 0, 2, last).into(), port);
        let ends = FourTuple { local: end(1, 7), remote: end(2, 50_000) };
        let of = |window| {
            InjectedSegment::new(
                &bare(TcpControl::None, &ends, TcpSeqNumber(1), Some(TcpSeqNumber(2)), window),
                &ends,
            )
        };
        let zero = of(!sum([!of(0).segment().unwrap().packet().checksum()]));
        let segment = zero.segment().unwrap();
        assert_eq!((segment.packet().checksum(), segment.is_sound(true)), (0, true));
        let mut bytes = zero.bytes().to_vec();
        let begin = segment.range().start;
        for (checksum, sound) in [(0xffff, true), (0xfffe, false), (1, false)] {
            TcpPacket::new_unchecked(&mut bytes[begin..]).set_checksum(checksum);
            let segment = Content::parse(&bytes).segment().unwrap();
            assert_eq!(segment.is_sound(true), sound, "{checksum:#x}");
        }
    }
}
