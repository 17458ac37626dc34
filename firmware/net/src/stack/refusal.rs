//! ICMP errors of our own: port unreachable, protocol unreachable, parameter problem (RFC 792, RFC 4443 3).
//!
//! smoltcp says when one is due, by what it would answer; but its errors are sent to everybody and for everything, and
//! quote an IPv4 header that it made anew. So its own is swallowed (iface/interface/{ipv4,ipv6,udp}.rs), and this one sent if RFC 1122 3.2.2
//! and RFC 4443 2.4 (e) allow it: never for a packet to more than one host, on the link either, and ten a second. Who
//! sent the packet is who gets the answer: no MAC address is asked for.

use smoltcp::phy::TxToken;
use smoltcp::time::Instant;
#[cfg(feature = "ipv6")]
use smoltcp::wire::Icmpv6Packet;
use smoltcp::wire::{Icmpv4Packet, IpAddress, IpProtocol, IpRepr, UDP_HEADER_LEN};

use super::NetStack;
use super::pass::Recipient;
use super::transmit::MeteredToken;
use crate::frame::{ETHERNET_HEADER, Link, Packet, ethertype, put_link};
use crate::limits::{ICMP_ERROR_BURST, ICMP_ERROR_INTERVAL};

/// Longest packet with an error in it: RFC 1812 4.3.2.3, RFC 4443 3.
const ERROR_SIZE: usize = 576;
#[cfg(feature = "ipv6")]
const ERROR_SIZE_IPV6: usize = 1280;

/// Type, code, and the word behind the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IcmpError(pub(super) u8, pub(super) u8, pub(super) u32);

/// So many at once, and then one each interval.
#[derive(Debug)]
pub(super) struct TokenBucket {
    tokens: u8,
    /// When the last token came in.
    filled: Instant,
}

impl TokenBucket {
    /// Full.
    pub(super) const fn new(now: Instant) -> Self {
        Self { tokens: ICMP_ERROR_BURST, filled: now }
    }

    /// Takes a token, if there is one.
    fn take(&mut self, now: Instant) -> bool {
        while self.tokens < ICMP_ERROR_BURST && now - self.filled >= ICMP_ERROR_INTERVAL {
            self.tokens += 1;
            self.filled += ICMP_ERROR_INTERVAL;
        }
        if self.tokens == ICMP_ERROR_BURST {
            self.filled = now;
        }
        let taken = self.tokens.checked_sub(1);
        self.tokens = taken.unwrap_or(0);
        taken.is_some()
    }
}

impl NetStack<'_> {
    /// Gives smoltcp a packet that is no TCP. If nobody wants it, its sender is told, should it have been for `ours` alone.
    pub(super) fn offer<T: TxToken>(
        &mut self,
        bytes: &[u8],
        link: Option<Link>,
        packet: &Packet<'_>,
        ours: bool,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let recipient = self.recipient(packet);
        // A raw socket of the user's own sees what is for others too.
        if self.has_added() && !matches!(recipient, Recipient::Others) {
            self.swallows::<T>(Recipient::Others, bytes);
        }
        let before = self.udp_waiting(recipient);
        if !self.swallows::<T>(recipient, bytes) {
            self.note_datagram(recipient, before, packet.payload.len() <= UDP_HEADER_LEN);
            return;
        }
        let error = match (packet.protocol, packet.source) {
            (IpProtocol::Udp, IpAddress::Ipv4(_)) => IcmpError(3, 3, 0),
            (_, IpAddress::Ipv4(_)) => IcmpError(3, 2, 0),
            #[cfg(feature = "ipv6")]
            (IpProtocol::Udp, IpAddress::Ipv6(_)) => IcmpError(1, 4, 0),
            #[cfg(feature = "ipv6")]
            (_, IpAddress::Ipv6(_)) => IcmpError(4, 1, packet.named_at.into()),
            #[allow(unreachable_patterns, reason = "smoltcp's own features may be wider than ours")]
            _ => return,
        };
        self.refuse(link, packet, ours, error, transmit);
    }

    /// Gives smoltcp a packet. Returns whether it would have answered: nobody wants it.
    fn swallows<T: TxToken>(&mut self, recipient: Recipient, bytes: &[u8]) -> bool {
        let mut sent = self.nothing_sent(None);
        let swallow = MeteredToken::<'_, '_, T> { token: None, sent: &mut sent };
        self.pass(recipient, bytes, swallow);
        sent.swallowed
    }

    /// Sends an ICMP error for a packet, if that is `allowed`.
    #[inline(never)]
    pub(super) fn refuse<T: TxToken>(
        &mut self,
        link: Option<Link>,
        packet: &Packet<'_>,
        allowed: bool,
        IcmpError(kind, code, word): IcmpError,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let own = Some(packet.destination).filter(|&destination| self.is_own(&destination));
        let own = own.or_else(|| self.source_for(&packet.source));
        let Some(own) = own.filter(|_| allowed && self.errors.take(self.now)) else {
            self.counters.errors_unsent = self.counters.errors_unsent.wrapping_add(1);
            return;
        };
        let (protocol, size) = match own {
            IpAddress::Ipv4(_) => (IpProtocol::Icmp, ERROR_SIZE),
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => (IpProtocol::Icmpv6, ERROR_SIZE_IPV6),
            #[allow(unreachable_patterns, reason = "smoltcp's own features may be wider than ours")]
            _ => return,
        };
        let whole = packet.without_padding();
        let checksums = &self.capabilities.checksum;
        let mut ip = IpRepr::new(own, packet.source, protocol, 0, 64);
        let room = size.min(self.capabilities.ip_mtu()).saturating_sub(ip.header_len() + 8);
        let quote = &whole[..whole.len().min(room)];
        ip.set_payload_len(8 + quote.len());
        let link = self.mac().zip(link);
        let link = link.map(|(mac, link)| Link { source: mac, destination: link.source });
        let begin = if link.is_some() { ETHERNET_HEADER } else { 0 };
        let Some(token) = transmit.token else { return };
        let len = begin + ip.buffer_len();
        token.consume(len, |frame| {
            if let Some(link) = link {
                put_link(frame, link, ethertype(&own));
            }
            let frame = &mut frame[begin..];
            ip.emit(&mut *frame, checksums);
            let icmp = &mut frame[ip.header_len()..];
            icmp[..4].copy_from_slice(&[kind, code, 0, 0]);
            icmp[4..8].copy_from_slice(&word.to_be_bytes());
            icmp[8..].copy_from_slice(quote);
            match (own, packet.source) {
                (IpAddress::Ipv4(_), _) if checksums.icmpv4.tx() => {
                    Icmpv4Packet::new_unchecked(icmp).fill_checksum();
                }
                #[cfg(feature = "ipv6")]
                (IpAddress::Ipv6(own), IpAddress::Ipv6(peer)) if checksums.icmpv6.tx() => {
                    Icmpv6Packet::new_unchecked(icmp).fill_checksum(&own, &peer);
                }
                _ => {}
            }
        });
        self.counters.count_frame(len);
    }
}

const _: () = assert!(ICMP_ERROR_INTERVAL.total_micros() > 0);

#[cfg(test)]
mod tests {
    use smoltcp::time::Duration;

    use super::*;

    #[test]
    fn ten_at_once_and_ten_a_second() {
        let mut now = Instant::from_secs(100);
        let mut bucket = TokenBucket::new(now);
        let mut take = |now| (0..100).filter(|_| bucket.take(now)).count();
        assert_eq!(take(now), 10);
        now += Duration::from_millis(99);
        assert_eq!(take(now), 0);
        now += Duration::from_millis(1);
        assert_eq!(take(now), 1);
        now += Duration::from_millis(250);
        assert_eq!(take(now), 2);
        now += Duration::from_millis(50);
        assert_eq!(take(now), 1);
        now += Duration::from_secs(1 << 30);
        assert_eq!(take(now), 10);
        let all: usize = (0..1000)
            .map(|_| {
                now += Duration::from_millis(7);
                take(now)
            })
            .sum();
        assert_eq!(all, 70);
    }
}
