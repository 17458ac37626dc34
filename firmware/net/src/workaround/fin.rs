//! A FIN is believed only with all the data before it.
//!
//! smoltcp 0.14 (socket/tcp.rs, `process`) cuts a segment to the receive window and takes the FIN behind what it cut off, so that the
//! application reads an early end of a stream that looks whole. Its own fast retransmit sends such
//! segments, for it heeds no window. How large the window was smoltcp does not tell; so it is shown a
//! segment that has both data and FIN without the FIN, and the FIN alone once all the data is in. What the
//! FIN came too early for, the peer sends again (RFC 9293 3.10.7.4: a segment is trimmed to the window,
//! FIN included). A device that hands over superframes has to leave the FIN to an ordinary frame. Cost: a copy
//! of the frame on the call stack, about once a connection.

use smoltcp::wire::TcpPacket;

use crate::frame::Segment;
use crate::limits::FRAME_SIZE;

/// Copies the frame of a segment to `buffer` without its FIN; `None` if it is no ordinary frame.
pub(crate) fn without_fin<'b>(
    segment: &Segment<'_>,
    frame: &[u8],
    buffer: &'b mut [u8; FRAME_SIZE],
) -> Option<&'b [u8]> {
    let copy = buffer.get_mut(..frame.len())?;
    copy.copy_from_slice(frame);
    let mut packet = TcpPacket::new_unchecked(&mut copy[segment.offset..]);
    packet.set_fin(false);
    // The word with the flags is one less, so the checksum is one more (RFC 1624).
    let (checksum, carry) = packet.checksum().overflowing_add(1);
    packet.set_checksum(checksum + u16::from(carry));
    Some(copy)
}

#[cfg(test)]
mod tests {
    use smoltcp::phy::{ChecksumCapabilities, Medium};
    use smoltcp::wire::{
        IpAddress, IpEndpoint, IpProtocol, IpRepr, Ipv4Address, TcpControl, TcpRepr, TcpSeqNumber,
    };

    use super::*;
    use crate::frame::{FourTuple, Frame};
    use crate::workaround::inject::bare;

    #[test]
    fn the_checksum_stays_right_whatever_it_was() {
        let end =
            |last, port| IpEndpoint::new(IpAddress::Ipv4(Ipv4Address::new(192, 0, 2, last)), port);
        let ends = FourTuple { local: end(1, 8), remote: end(2, 7) };
        let (source, destination) = (ends.remote.addr, ends.local.addr);
        // Every checksum there can be, by every word of payload.
        for word in 0..=u16::MAX {
            let payload = word.to_be_bytes();
            let repr = TcpRepr {
                payload: &payload,
                ..bare(TcpControl::Fin, &ends, TcpSeqNumber(9), Some(TcpSeqNumber(10)), 11)
            };
            let mut frame = [0; 14 + 20 + 22];
            frame[12..14].copy_from_slice(&[8, 0]);
            let ip = IpRepr::new(source, destination, IpProtocol::Tcp, repr.buffer_len(), 64);
            let checksums = ChecksumCapabilities::default();
            ip.emit(&mut frame[14..], &checksums);
            let mut packet = TcpPacket::new_unchecked(&mut frame[14 + 20..]);
            repr.emit(&mut packet, &source, &destination, &checksums);
            let segment = Frame::parse(&frame, Medium::Ethernet).unwrap().segment().unwrap();
            let mut buffer = [0; FRAME_SIZE];
            let unfinished = without_fin(&segment, &frame, &mut buffer).unwrap();
            let packet = TcpPacket::new_checked(&unfinished[14 + 20..]).unwrap();
            assert!(!packet.fin() && packet.ack());
            assert!(packet.verify_checksum(&source, &destination), "{word:#06x}");
        }
    }
}
