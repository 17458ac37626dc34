//! A FIN is believed only with all the data before it.
//!
//! smoltcp 0.14 cuts a segment to the receive window and takes the FIN behind what it cut off, so that the
//! application reads an early end of a stream that looks whole. Its own fast retransmit sends such
//! segments, for it heeds no window. How large the window was smoltcp does not tell; so it is shown a
//! segment that has both data and FIN without the FIN, and the FIN alone once all the data is in. What the
//! FIN came too early for, the peer sends again (RFC 9293 3.10.7.4: a segment is trimmed to the window,
//! FIN included). A device that hands over superframes has to leave the FIN to an ordinary frame. Cost: a copy
//! of the frame on the call stack, about once a connection.

use smoltcp::wire::TcpPacket;

use crate::config::FRAME_SIZE;

/// Where in a frame the segment is that has data and a FIN, and how much data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fin {
    /// Offset of the TCP header.
    pub(crate) at: usize,
    /// Bytes of payload.
    pub(crate) len: usize,
}

/// Copies `frame` to `buffer` without its FIN; `None` if it is no ordinary frame.
pub(crate) fn without<'b>(
    fin: Fin,
    frame: &[u8],
    buffer: &'b mut [u8; FRAME_SIZE],
) -> Option<&'b [u8]> {
    let copy = buffer.get_mut(..frame.len())?;
    copy.copy_from_slice(frame);
    let mut packet = TcpPacket::new_unchecked(&mut copy[fin.at..]);
    packet.set_fin(false);
    // The word with the flags is one less, so the checksum is one more (RFC 1624).
    let (checksum, carry) = packet.checksum().overflowing_add(1);
    packet.set_checksum(checksum + u16::from(carry));
    Some(copy)
}

#[cfg(test)]
mod tests {
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{IpAddress, Ipv4Address, TcpControl, TcpRepr, TcpSeqNumber};

    use super::*;
    use crate::crafted::bare;

    #[test]
    fn the_checksum_stays_right_whatever_it_was() {
        let (source, destination) = (
            IpAddress::Ipv4(Ipv4Address::new(192, 0, 2, 2)),
            IpAddress::Ipv4(Ipv4Address::new(192, 0, 2, 1)),
        );
        // Every checksum there can be, by every word of payload.
        for word in 0..=u16::MAX {
            let payload = word.to_be_bytes();
            let repr = TcpRepr {
                payload: &payload,
                ..bare(TcpControl::Fin, (7, 8), TcpSeqNumber(9), Some(TcpSeqNumber(10)), 11)
            };
            let mut frame = [0; 14 + 22];
            let mut packet = TcpPacket::new_unchecked(&mut frame[14..]);
            repr.emit(&mut packet, &source, &destination, &ChecksumCapabilities::default());
            let mut buffer = [0; FRAME_SIZE];
            let unfinished = without(Fin { at: 14, len: 2 }, &frame, &mut buffer).unwrap();
            let packet = TcpPacket::new_checked(&unfinished[14..]).unwrap();
            assert!(!packet.fin() && packet.ack());
            assert!(packet.verify_checksum(&source, &destination), "{word:#06x}");
        }
    }
}
