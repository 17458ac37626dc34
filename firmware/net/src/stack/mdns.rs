//! The name in the network: the stack's side of [`crate::mdns`].

use smoltcp::phy::{Device, TxToken};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint};

use super::NetStack;
use super::datagram::{MDNS_PORT, Outgoing};
use super::transmit::MeteredToken;
use crate::dns_message::{FAMILIES, Header, OPCODE, RESPONSE, Reader, TRUNCATED};
use crate::ethernet::EthernetAddress;
use crate::frame::{Link, Packet};
use crate::limits::{MDNS_INTERVAL, MDNS_MORE_MS, MDNS_PROBE_MS, MDNS_SHARED_MS, MDNS_SIZE};
use crate::mdns::records::{FLUSH, Manner};
use crate::mdns::{Label, Pending, Phase, Records, Set};
use crate::time::sooner;

impl NetStack<'_> {
    /// The label of the stack's name, which is followed by `.local`, once it is known that nobody else has it.
    #[must_use]
    pub fn mdns_label(&self) -> Option<Label> {
        self.has_name().then(|| self.label())
    }

    fn label(&self) -> Label {
        Label::new(self.config.hostname(), self.config.mac(), self.responder.number)
    }

    /// Whether the name is known to be ours.
    pub(super) const fn has_name(&self) -> bool {
        matches!(self.responder.phase, Phase::Announcing | Phase::Settled)
    }

    /// Says with the next egress that the name and the services are no more, and is silent then. A reconfiguration or
    /// [`NetStack::link_up`] begins anew.
    pub fn withdraw(&mut self) {
        let at = Some(self.now).filter(|_| self.has_name());
        if at.is_none() {
            self.responder.begin(Phase::Probing, None);
        }
        self.responder.begin(Phase::Leaving, at);
        self.dirty = true;
    }

    fn has_mdns(&self) -> bool {
        self.config.mdns().is_some()
    }

    /// The addresses are others, or the network may be: the name is probed, if there is one.
    pub(super) fn restart_mdns(&mut self) {
        let speaks = self.has_mdns() && self.names_groups().next().is_some();
        // Nothing is drawn for what is off.
        let wait = if speaks { self.rng.below(MDNS_PROBE_MS) } else { 0 };
        let at = self.now + Duration::from_millis(wait.into());
        self.responder.begin(Phase::Probing, Some(at).filter(|_| speaks));
        if speaks {
            #[cfg(all(feature = "ipv6", not(feature = "multicast")))]
            self.report_mdns();
            #[cfg(feature = "multicast")]
            {
                let groups: heapless::Vec<IpAddress, 2> = self.names_groups().collect();
                for group in groups {
                    // One without a place hears of its questions all the same where nobody looks into reports.
                    let _ = self.interface.join_multicast_group(group);
                }
            }
        }
    }

    /// What there is to say.
    #[inline(never)]
    fn records(&self) -> Records<'static> {
        let services = self.config.mdns().unwrap_or_default();
        Records::new(self.label(), services, self.interface.ip_addrs())
    }

    /// Whether a packet is for multicast DNS.
    pub(super) fn is_for_mdns(&self, packet: &Packet<'_>, ours: bool) -> bool {
        packet.ports().is_some_and(|(_, port)| port == MDNS_PORT)
            && self.has_mdns()
            && (ours || self.names_groups().any(|group| group == packet.destination))
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
        let mut reader = Reader::new(message);
        let [questions, answers, authorities, further] = header.counts;
        let (mut multicast, mut unicast) = (Set::NONE, Set::NONE);
        for _ in 0..questions {
            let Some(question) = reader.question() else { return self.drop_malformed() };
            let Some(name) = records.name(message, question.name) else { continue };
            let to = if question.class & FLUSH == 0 { &mut multicast } else { &mut unicast };
            to.0 |= records.answers(name, question.kind).0;
        }
        if header.flags & RESPONSE != 0 {
            let count = u32::from(answers) + u32::from(authorities) + u32::from(further);
            if from == MDNS_PORT && records.is_contradicted(&mut reader, count) {
                self.responder.lose(self.now);
            }
            return;
        }
        let asked = reader.passed();
        let family = usize::from(!matches!(packet.source, IpAddress::Ipv4(_)));
        let Some(pending) = self.responder.pending.get_mut(family) else { return };
        let mut all = Set(multicast.0 | unicast.0);
        if questions == 0 {
            // Further messages of this one only say what it knows (RFC 6762 7.2).
            all = pending.records;
        }
        records.leave_out(&mut all, &mut reader, answers);
        match self.responder.phase {
            Phase::Announcing | Phase::Settled => {}
            Phase::Probing if self.responder.sent > 0 => {
                if records.gives_way(&mut reader, authorities) {
                    self.responder.begin(Phase::Probing, Some(self.now + MDNS_INTERVAL));
                }
                return;
            }
            _ => return,
        }
        if questions == 0 {
            pending.records = all;
            return;
        }
        let legacy = from != MDNS_PORT;
        let alone = if legacy { all } else { Set(unicast.0 & all.0) };
        multicast.0 &= all.0;
        if !legacy && !multicast.is_empty() {
            let (least, more) = if header.flags & TRUNCATED != 0 {
                MDNS_MORE_MS
            } else if multicast.is_shared() {
                MDNS_SHARED_MS
            } else {
                (0, 0)
            };
            let wait = Duration::from_millis((least + self.rng.below(more)).into());
            // At once for who is about to take our name (RFC 6762 6).
            pending.add(multicast, self.now + wait, authorities == 0);
        }
        // The question, if there is one alone, as resolvers ask (6.7).
        if !alone.is_empty() && (!legacy || questions == 1) {
            let how = if legacy { (header.id, asked) } else { (0, &[][..]) };
            let asker = IpEndpoint::new(packet.source, from);
            self.answer_alone(&records, how, alone, asker, link, transmit);
        }
    }

    /// Answers who asks for an answer alone, or knows of no other, with the token that came with the question.
    fn answer_alone<T: TxToken>(
        &mut self,
        records: &Records<'_>,
        (id, question): (u16, &[u8]),
        answers: Set,
        asker: IpEndpoint,
        link: Option<Link>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let manner = if question.is_empty() { Manner::Usual } else { Manner::Legacy };
        let mut buffer = [0; MDNS_SIZE];
        let payload = records.write(&mut buffer, (id, question), answers, manner);
        if let Some((payload, token)) = payload.zip(transmit.token) {
            let datagram = Outgoing { from: MDNS_PORT, to: asker, hop_limit: 255, payload };
            let mac = link.map_or(EthernetAddress::BROADCAST, |link| link.source);
            self.emit_datagram(token, &datagram, mac);
        }
    }

    /// Says what is due, and whether the device refused.
    #[inline(never)]
    pub(super) fn mdns_egress<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        self.responder.advance(self.now);
        for family in 0..FAMILIES {
            if self.responder.pending[family].due().is_some_and(|at| at <= self.now) {
                if self.multicast(device, family) == Some(false) {
                    return true;
                }
                self.responder.pending[family].records = Set::NONE;
            }
        }
        false
    }

    /// Multicasts what waits for that over a family. `None`: there is no such group; `Some(false)`: the device refused.
    fn multicast<D: Device + ?Sized>(&mut self, device: &mut D, family: usize) -> Option<bool> {
        let group = self.names_group(family)?;
        let records = self.records();
        let manner = self.responder.manner();
        let pending = self.responder.pending.get_mut(family)?;
        let set = records.of(pending.records);
        pending.note(set, self.now);
        let mut buffer = [0; MDNS_SIZE];
        let payload = records.write(&mut buffer, (0, &[]), set, manner)?;
        let to = IpEndpoint::new(group, MDNS_PORT);
        let datagram = Outgoing { from: MDNS_PORT, to, hop_limit: 255, payload };
        self.send_datagram(device, &datagram)
    }

    /// Makes `next` no later than when there is something to say.
    pub(super) fn mdns_at(&self, next: &mut Option<Instant>) {
        let pending = self.responder.pending.iter().map(Pending::due);
        for at in pending.chain([self.responder.at]).flatten() {
            sooner(next, at);
        }
    }
}
