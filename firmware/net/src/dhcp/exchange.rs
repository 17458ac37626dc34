//! Which answers are let through to smoltcp: those to the last question, from whom it went to, about what it was about.
//!
//! smoltcp 0.14 compares the transaction and the MAC address, and no more (socket/dhcpv4.rs, `process`): after an OFFER it
//! takes an ACK or a NAK from any server, for any address, and in use a second ACK or a late NAK.

use smoltcp::time::Instant;
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, EthernetFrame, Ipv4Address, Ipv4Packet,
};

use super::lease::{Lease, is_unicast};
use crate::limits::LEASE_MIN_S;

/// Option 53, the kind of a message (RFC 2132 9.6).
const MESSAGE_TYPE: u8 = 53;
/// Where smoltcp's own message begins in its frame: behind Ethernet, IPv4 without options, and UDP.
const OFFSET: usize = 14 + 20 + 8;

/// The last question to a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Question {
    /// None, or it is answered.
    #[default]
    None,
    /// Who has an address?
    Discover,
    /// May we have the one that was offered?
    Request,
    /// May we keep it? To its server.
    Renew,
    /// The same, to all.
    Rebind,
}

/// A message of smoltcp's that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Departed {
    pub(crate) question: Question,
    xid: u32,
}

impl Departed {
    /// Reads a frame of smoltcp's client. `None`: it is none.
    #[inline(never)]
    pub(crate) fn read(frame: &[u8]) -> Option<Self> {
        let packet = DhcpPacket::new_checked(frame.get(OFFSET..)?).ok()?;
        let kind = packet.options().find(|option| option.kind == MESSAGE_TYPE)?;
        let to =
            Ipv4Packet::new_unchecked(EthernetFrame::new_unchecked(frame).payload()).dst_addr();
        let question = match DhcpMessageType::from(*kind.data.first()?) {
            DhcpMessageType::Discover => Question::Discover,
            DhcpMessageType::Request if packet.client_ip().is_unspecified() => Question::Request,
            DhcpMessageType::Request if to.is_broadcast() => Question::Rebind,
            DhcpMessageType::Request => Question::Renew,
            _ => return None,
        };
        Some(Self { question, xid: packet.transaction_id() })
    }
}

/// What becomes of a server's message.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is not for us, not an answer, or of no use.
    Ignore,
    /// smoltcp is to see it.
    Offer,
    /// Our lease from now on; smoltcp is to see it if it asked.
    Lease(Lease),
    /// We may not have the address.
    Nak,
}

#[derive(Clone, Copy, Debug)]
struct Offer {
    address: Ipv4Address,
    server: Ipv4Address,
    from: Ipv4Address,
}

/// What was asked, and offered.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    question: Question,
    xid: u32,
    offer: Option<Offer>,
    /// The transaction of a question of our own, whether the lease still holds.
    pub(crate) reboot: Option<u32>,
}

impl Exchange {
    /// Notes a question of smoltcp's.
    pub(crate) fn asked(&mut self, departed: Departed) {
        (self.question, self.xid) = (departed.question, departed.xid);
        if departed.question == Question::Discover {
            self.offer = None;
        }
    }

    /// Judges a server's message, which `from` sent to this MAC address; `lease` is what we have. What it answers is
    /// answered then.
    #[inline(never)]
    pub(crate) fn answer(
        &mut self,
        message: &[u8],
        from: Ipv4Address,
        mac: EthernetAddress,
        lease: Option<&Lease>,
        now: Instant,
    ) -> Answer {
        self.judge(message, from, mac, lease, now).unwrap_or(Answer::Ignore)
    }

    fn judge(
        &mut self,
        message: &[u8],
        from: Ipv4Address,
        mac: EthernetAddress,
        lease: Option<&Lease>,
        now: Instant,
    ) -> Option<Answer> {
        let packet = DhcpPacket::new_checked(message).ok()?;
        let repr = DhcpRepr::parse(&packet).ok()?;
        let server = repr.server_identifier.filter(|server| is_unicast(*server))?;
        if repr.client_hardware_address != mac || !is_unicast(from) {
            return None;
        }
        let (xid, kind) = (repr.transaction_id, repr.message_type);
        let rebooting = self.reboot == Some(xid);
        let question = if rebooting {
            Question::Rebind
        } else if xid == self.xid {
            self.question
        } else {
            return None;
        };
        let (address, only) = match question {
            Question::None => return None,
            Question::Discover => {
                if kind != DhcpMessageType::Offer || self.offer.is_some() || !is_useful(&repr) {
                    return None;
                }
                self.offer = Some(Offer { address: repr.your_ip, server, from });
                // Before the REQUEST has left, nothing else is an answer.
                return Some(Answer::Offer);
            }
            Question::Request => self.offer.map(|offer| (offer.address, Some(offer.server)))?,
            Question::Renew => lease.map(|lease| (lease.address.address(), Some(lease.server)))?,
            Question::Rebind => lease.map(|lease| (lease.address.address(), None))?,
        };
        if only.is_some_and(|only| only != server) {
            return None;
        }
        let answer = match kind {
            DhcpMessageType::Nak => Answer::Nak,
            DhcpMessageType::Ack if repr.your_ip == address => {
                // Where smoltcp sends renewals: to whom the offer was from.
                let known = lease.map(|lease| lease.from);
                let offered = self.offer.filter(|_| question == Question::Request);
                let from = offered.map(|offer| offer.from).or(known).unwrap_or(from);
                Answer::Lease(Lease::granted(&packet, &repr, from, now)?)
            }
            _ => return None,
        };
        if rebooting {
            self.reboot = None;
        } else {
            self.question = Question::None;
        }
        Some(answer)
    }
}

/// Whether an offer can become a lease: an address, and time to use it. The rest may come with the ACK.
fn is_useful(offer: &DhcpRepr<'_>) -> bool {
    let short = offer.lease_duration.is_some_and(|seconds| seconds < LEASE_MIN_S);
    is_unicast(offer.your_ip) && !short
}
