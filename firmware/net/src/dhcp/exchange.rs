//! Which answers of servers are taken: those to the last question, from whom it went to, about what it was about.

use crate::ethernet::EthernetAddress;
use smoltcp::time::Instant;
use smoltcp::wire::Ipv4Address;

use super::lease::{Lease, is_unicast};
use super::message::{self, Received};
use crate::limits::LEASE_MIN_S;

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

/// What becomes of a server's message.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is not for us, not an answer, or of no use.
    Ignore,
    /// The address that it offers is to be asked for.
    Offer,
    /// Our lease from now on is the one that was put there.
    Lease,
    /// We may not have the address.
    Nak,
}

/// An address that may be ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) address: Ipv4Address,
    pub(crate) server: Ipv4Address,
    from: Ipv4Address,
}

/// What was asked, and offered.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    question: Question,
    pub(crate) xid: u32,
    pub(crate) offer: Option<Offer>,
    /// The transaction of a question of our own, whether the lease still holds.
    pub(crate) reboot: Option<u32>,
}

impl Exchange {
    /// Notes a question that left.
    pub(crate) fn asked(&mut self, question: Question, xid: u32) {
        (self.question, self.xid) = (question, xid);
    }

    /// Judges a server's message, which `from` sent to this MAC address; `lease` is what we have, and
    /// `granted` where a new one is put. What it answers is answered then.
    #[inline(never)]
    pub(crate) fn answer(
        &mut self,
        message: &[u8],
        from: Ipv4Address,
        mac: EthernetAddress,
        lease: Option<&Lease>,
        granted: &mut Option<Lease>,
        now: Instant,
    ) -> Answer {
        self.judge(message, from, mac, lease, granted, now).unwrap_or(Answer::Ignore)
    }

    fn judge(
        &mut self,
        message: &[u8],
        from: Ipv4Address,
        mac: EthernetAddress,
        lease: Option<&Lease>,
        granted: &mut Option<Lease>,
        now: Instant,
    ) -> Option<Answer> {
        let received = Received::parse(message, mac)?;
        let server = received.address(message::SERVER).filter(|server| is_unicast(*server))?;
        if !is_unicast(from) {
            return None;
        }
        let Received { xid, kind, address: given, .. } = received;
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
                if kind != message::OFFER || !is_useful(&received) {
                    return None;
                }
                self.offer = Some(Offer { address: given, server, from });
                // Before the REQUEST has left, nothing else is an answer.
                self.question = Question::None;
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
            message::NAK => Answer::Nak,
            message::ACK if given == address => {
                // Renewals go to whom the offer was from.
                let known = lease.map(|lease| lease.from);
                let offered = self.offer.filter(|_| question == Question::Request);
                let from = offered.map(|offer| offer.from).or(known).unwrap_or(from);
                *granted = Lease::granted(&received, server, from, now);
                granted.as_ref().map(|_| Answer::Lease)?
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
fn is_useful(offer: &Received<'_>) -> bool {
    let short = offer.number(message::LEASE_TIME).is_some_and(|seconds| seconds < LEASE_MIN_S);
    is_unicast(offer.address) && !short
}
