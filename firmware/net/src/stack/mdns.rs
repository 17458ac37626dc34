//! The name in the network: the stack's side of [`crate::mdns`].

use smoltcp::phy::{Device, TxToken};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint};

use super::NetStack;
use super::datagram::{MDNS_PORT, Outgoing};
use super::transmit::MeteredToken;
use crate::dns_message::{Header, OPCODE, RESPONSE, Reader, TRUNCATED};
use crate::frame::{Link, Packet};
use crate::limits::{
    MDNS_CONFLICTS, MDNS_INTERVAL, MDNS_MORE_MS, MDNS_PROBE_MS, MDNS_PROBES, MDNS_RATE_LIMIT,
    MDNS_SHARED_MS, MDNS_SIZE,
};
use crate::mdns::records::{FLUSH, Manner, Match};
use crate::mdns::{Label, Phase, Records, Set};
use crate::time::sooner;

/// All that there is.
const ALL: Set = Set(u32::MAX);
/// Over both families.
const BOTH: u8 = 3;

impl NetStack<'_> {
    /// The label of the stack's name, which is followed by `.local`, once it is known that nobody else has it.
    #[must_use]
    pub fn mdns_label(&self) -> Option<Label> {
        let known = matches!(self.responder.phase, Phase::Announcing | Phase::Settled);
        (known && self.has_mdns()).then_some(self.responder.label)
    }

    /// Says with the next egress that the name and the services are no more, and is silent then. A reconfiguration or
    /// [`NetStack::link_up`] begins anew.
    pub fn withdraw(&mut self) {
        if matches!(self.responder.phase, Phase::Announcing | Phase::Settled) {
            self.responder.begin(Phase::Leaving, self.now);
        } else {
            self.responder.phase = Phase::Off;
        }
        self.dirty = true;
    }

    fn has_mdns(&self) -> bool {
        self.config.mdns().is_some()
    }

    /// The addresses are others, or the network may be: the name is probed, if there is one.
    pub(super) fn restart_mdns(&mut self) {
        if !self.has_mdns() {
            return;
        }
        let wait = self.rng.below(MDNS_PROBE_MS);
        self.responder.begin(Phase::Probing, self.now + Duration::from_millis(wait.into()));
        #[cfg(all(feature = "ipv6", not(feature = "multicast")))]
        self.report_mdns();
        #[cfg(feature = "multicast")]
        {
            let groups: heapless::Vec<IpAddress, 2> = self.mdns_groups().collect();
            for group in groups {
                // One without a place hears of its questions all the same where nobody looks into reports.
                let _ = self.interface.join_multicast_group(group);
            }
        }
    }

    /// What there is to say.
    #[inline(never)]
    fn records(&self) -> Records<'static> {
        let services = self.config.mdns().unwrap_or_default();
        Records::new(self.responder.label, services, self.interface.ip_addrs())
    }

    /// Whether a packet is for multicast DNS.
    pub(super) fn is_for_mdns(&self, packet: &Packet<'_>, ours: bool) -> bool {
        packet.ports().is_some_and(|(_, port)| port == MDNS_PORT)
            && self.has_mdns()
            && (ours || self.mdns_groups().any(|group| group == packet.destination))
    }

    /// Takes in what neighbours ask, and say of themselves.
    #[inline(never)]
    pub(super) fn take_mdns<T: TxToken>(
        &mut self,
        packet: &Packet<'_>,
        link: Option<Link>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        // RFC 6762 11; and what comes back of our own.
        if !self.is_neighbor(&packet.source) || self.is_own(&packet.source) {
            self.counters.not_ours_dropped = self.counters.not_ours_dropped.wrapping_add(1);
            return;
        }
        let Some(((from, _), message)) = packet.ports().zip(self.open_datagram(packet)) else {
            return;
        };
        let Some(header) = Header::read(message).filter(|header| header.flags & OPCODE == 0) else {
            return self.drop_malformed();
        };
        let records = self.records();
        if header.flags & RESPONSE == 0 {
            let asker = IpEndpoint::new(packet.source, from);
            self.take_query(&records, message, &header, asker, link, transmit);
        } else if from == MDNS_PORT {
            self.take_response(&records, message, &header);
        }
    }

    /// Answers what is asked of us.
    fn take_query<T: TxToken>(
        &mut self,
        records: &Records<'_>,
        message: &[u8],
        header: &Header,
        asker: IpEndpoint,
        link: Option<Link>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let [questions, known, proposed, _] = header.counts;
        let (mut multicast, mut unicast) = (Set::NONE, Set::NONE);
        let mut reader = Reader::new(message);
        for _ in 0..questions {
            let Some(question) = reader.question() else { return self.drop_malformed() };
            let Some(name) = records.name(message, question.name) else { continue };
            let to = if question.class & FLUSH == 0 { &mut multicast } else { &mut unicast };
            to.0 |= records.answers(name, question.kind).0;
        }
        match self.responder.phase {
            Phase::Announcing | Phase::Settled => {}
            Phase::Probing if proposed > 0 && self.responder.sent > 0 => {
                for _ in 0..known {
                    let _ = reader.record();
                }
                if records.gives_way(&mut reader, proposed) {
                    self.responder.begin(Phase::Probing, self.now + MDNS_INTERVAL);
                }
                return;
            }
            _ => return,
        }
        let legacy = asker.port != MDNS_PORT;
        let mut all = Set(multicast.0 | unicast.0);
        records.leave_out(&mut all, &mut reader, known);
        // Further messages of this one only say what it knows (RFC 6762 7.2).
        let family = usize::from(!matches!(asker.addr, IpAddress::Ipv4(_)));
        if questions == 0 {
            records.leave_out(
                &mut self.responder.pending[family].records,
                &mut Reader::new(message),
                known,
            );
            return;
        }
        (multicast.0, unicast.0) = (multicast.0 & all.0, unicast.0 & all.0);
        if legacy || !unicast.is_empty() {
            let answers = if legacy { all } else { unicast };
            if !answers.is_empty() {
                self.answer_alone(records, message, header, answers, asker, link, transmit);
            }
            if legacy {
                return;
            }
        }
        if multicast.is_empty() {
            return;
        }
        let wait = if header.flags & TRUNCATED != 0 {
            self.random_ms(MDNS_MORE_MS)
        } else if multicast.is_shared() {
            self.random_ms(MDNS_SHARED_MS)
        } else {
            Duration::ZERO
        };
        let now = self.now;
        let pending = &mut self.responder.pending[family];
        let mut at = now + wait;
        // Not again within a second, but for who is about to take our name (RFC 6762 6).
        if proposed == 0 && pending.recent.0 & multicast.0 != 0 {
            at = at.max(pending.recent_at + MDNS_INTERVAL);
        }
        pending.at = if pending.records.is_empty() { at } else { at.min(pending.at) };
        pending.records.0 |= multicast.0;
    }

    fn random_ms(&mut self, (least, more): (u32, u32)) -> Duration {
        Duration::from_millis((least + self.rng.below(more)).into())
    }

    /// Answers who asks for an answer alone, or knows of no other, with the token that came with the question.
    #[expect(clippy::too_many_arguments, reason = "what was asked, and by whom")]
    fn answer_alone<T: TxToken>(
        &mut self,
        records: &Records<'_>,
        message: &[u8],
        header: &Header,
        answers: Set,
        asker: IpEndpoint,
        link: Option<Link>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let (mut id, mut question, mut manner) = (0, &[][..], Manner::Usual);
        if asker.port != MDNS_PORT {
            // The question, if there is one alone, as resolvers ask (6.7).
            let mut reader = Reader::new(message);
            if header.counts[0] != 1 || reader.question().is_none() {
                return;
            }
            (id, question, manner) = (header.id, reader.passed(), Manner::Legacy);
        }
        let mut buffer = [0; MDNS_SIZE];
        let Some(payload) = records.write(&mut buffer, (id, question), Some(answers), manner)
        else {
            return;
        };
        let datagram = Outgoing { from: MDNS_PORT, to: asker, hop_limit: 255, payload };
        if let Some(token) = transmit.token {
            let (source, mac) = (self.source_for(&asker.addr), link.map(|link| link.source));
            self.emit_datagram(token, source, &datagram, mac);
        }
    }

    /// Looks for records of our names that say something else.
    fn take_response(&mut self, records: &Records<'_>, message: &[u8], header: &Header) {
        let [questions, answers, authorities, further] = header.counts;
        let mut reader = Reader::new(message);
        for _ in 0..questions {
            if reader.question().is_none() {
                return self.drop_malformed();
            }
        }
        let count = u32::from(answers) + u32::from(authorities) + u32::from(further);
        for _ in 0..count {
            let Some(record) = reader.record() else { return };
            // One that is to be forgotten is nobody's.
            if record.ttl > 0 && records.find(message, &record) == Some(Match::Conflict) {
                self.lose_name();
                return;
            }
        }
    }

    /// Somebody else has our name: asks whether that is so, and if it is, takes another (RFC 6762 9, 8.1).
    fn lose_name(&mut self) {
        let (now, responder) = (self.now, &mut self.responder);
        match responder.phase {
            Phase::Probing => {
                responder.rename();
                responder.conflicts = responder.conflicts.saturating_add(1);
                let many = responder.conflicts >= MDNS_CONFLICTS;
                responder.begin(Phase::Probing, if many { now + MDNS_RATE_LIMIT } else { now });
            }
            Phase::Announcing | Phase::Settled => responder.begin(Phase::Probing, now),
            Phase::Off | Phase::Leaving => {}
        }
    }

    /// Says what is due, and whether the device refused.
    pub(super) fn mdns_egress<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        self.has_mdns() && self.speak_of_ourselves(device)
    }

    #[inline(never)]
    fn speak_of_ourselves<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        let now = self.now;
        let groups = self.mdns_groups().count();
        let responder = &mut self.responder;
        if groups > 0 && responder.at <= now && responder.left == 0 {
            if (responder.phase, responder.sent) == (Phase::Probing, MDNS_PROBES) {
                responder.begin(Phase::Announcing, now);
            }
            if !matches!(responder.phase, Phase::Settled | Phase::Off) {
                responder.left = BOTH;
            }
        }
        for family in 0..2_u8 {
            let bit = 1 << family;
            if self.responder.left & bit != 0 {
                let (set, manner) = match self.responder.phase {
                    Phase::Probing => (None, Manner::Probe),
                    Phase::Leaving => (Some(ALL), Manner::Goodbye),
                    _ => (Some(ALL), Manner::Usual),
                };
                if self.multicast(device, family, set, manner) == Some(false) {
                    return true;
                }
                self.responder.left &= !bit;
                if self.responder.left == 0 {
                    self.responder.said(now);
                }
            }
            let pending = self.responder.pending[usize::from(family)];
            if !pending.records.is_empty() && pending.at <= now {
                if self.multicast(device, family, Some(pending.records), Manner::Usual)
                    == Some(false)
                {
                    return true;
                }
                self.responder.pending[usize::from(family)].records = Set::NONE;
            }
        }
        false
    }

    /// Multicasts records over a family, or the probe. `None`: there is no such group; `Some(false)`: the device refused.
    fn multicast<D: Device + ?Sized>(
        &mut self,
        device: &mut D,
        family: u8,
        set: Option<Set>,
        manner: Manner,
    ) -> Option<bool> {
        let is = |group: &IpAddress| matches!(group, IpAddress::Ipv4(_)) == (family == 0);
        let group = { self.mdns_groups() }.find(is)?;
        let records = self.records();
        let set = set.map(|set| if set == ALL { records.all() } else { set });
        if let Some(set) = set {
            let (now, pending) = (self.now, &mut self.responder.pending[usize::from(family)]);
            if now >= pending.recent_at + MDNS_INTERVAL {
                pending.recent = Set::NONE;
            }
            (pending.recent.0, pending.recent_at) = (pending.recent.0 | set.0, now);
        }
        let mut buffer = [0; MDNS_SIZE];
        let payload = records.write(&mut buffer, (0, &[]), set, manner)?;
        let to = IpEndpoint::new(group, MDNS_PORT);
        let datagram = Outgoing { from: MDNS_PORT, to, hop_limit: 255, payload };
        self.send_datagram(device, &datagram)
    }

    /// Makes `next` no later than when there is something to say.
    pub(super) fn mdns_at(&self, next: &mut Option<Instant>) {
        if !self.has_mdns() || self.mdns_groups().next().is_none() {
            return;
        }
        if !matches!(self.responder.phase, Phase::Settled | Phase::Off) {
            sooner(next, self.responder.at);
        }
        for pending in &self.responder.pending {
            if !pending.records.is_empty() {
                sooner(next, pending.at);
            }
        }
    }
}
