//! A router's question for groups (IGMP, MLD) is answered in its time.
//!
//! smoltcp 0.14 (iface/interface/multicast.rs, `process_igmp` and `process_mldv2`) notes when its reports are due, but
//! `Interface::poll_at` does not name that time; a board that sleeps until then would be taken for gone. So the stack is polled
//! sixteen times until the longest time that the router gives, whatever else happens. Cost: those turns, once in a router's
//! interval of about two minutes.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IgmpPacket, IgmpRepr, IpProtocol};

use crate::frame::Packet;

/// What a router that names no time gives (RFC 2236 4).
const UNNAMED: Duration = Duration::from_secs(10);

/// Polls in that time.
const POLLS: u32 = 16;

/// When reports may be due.
#[derive(Debug)]
pub(crate) struct Reports {
    /// Until when the last question is to be answered, and how often to look.
    open: Option<(Instant, Duration)>,
}

impl Reports {
    pub(crate) const fn new() -> Self {
        Self { open: None }
    }

    /// Notes a router's question.
    pub(crate) fn hear(&mut self, packet: &Packet<'_>, now: Instant) {
        if let Some(limit) = limit(packet) {
            let limit = if limit == Duration::ZERO { UNNAMED } else { limit };
            self.open = Some((now + limit, limit / POLLS));
        }
    }

    /// When to poll for a report; to be asked after egress.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Instant> {
        let (until, step) = self.open.filter(|&(until, _)| now < until)?;
        Some(until.min(now + step.max(Duration::from_millis(1))))
    }
}

/// How long the answer may take, if it is a question.
fn limit(packet: &Packet<'_>) -> Option<Duration> {
    match packet.protocol {
        IpProtocol::Igmp => {
            let igmp = IgmpPacket::new_checked(packet.payload).ok()?;
            match IgmpRepr::parse(&igmp).ok()? {
                IgmpRepr::MembershipQuery { max_resp_time, .. } => Some(max_resp_time),
                _ => None,
            }
        }
        #[cfg(feature = "ipv6")]
        IpProtocol::Icmpv6 => {
            let [130, _, _, _, high, low, ..] = *packet.payload else { return None };
            Some(Duration::from_millis(u16::from_be_bytes([high, low]).into()))
        }
        _ => None,
    }
}
