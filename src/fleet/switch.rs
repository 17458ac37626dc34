//! Where a frame goes: the tables of the switch that a fleet's machines are on.
//!
//! A machine is known by its addresses from the start; who is behind the uplink or another process's trunk is learned from
//! what it sends, up to [`LEARNED`] addresses. What is for everybody goes to everybody, with two exceptions, without which
//! a thousand boards that boot would be a million frames. A question for somebody's MAC address, by ARP or as a neighbour
//! solicitation, goes to the machine whose address it asks for, and if that is none of the fleet, out of it only, as with
//! the flood reduction of RFC 9161. And what a machine tells of itself, to routers of its groups (RFC 4541 2.1.1) or to
//! everybody of its address, goes out of the fleet only: within it nobody changes addresses.
//!
//! **Cost.** A look or two into a table for each frame. Nothing is sent or kept here.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use smoltcp::wire::{
    ArpOperation, ArpPacket, EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv6Message,
    IpProtocol, Ipv6Address, Ipv6Packet,
};

/// Addresses of machines outside of the fleet that are remembered; with more, all are learned anew.
const LEARNED: usize = 16 * 1024;
/// Bytes of the header of a neighbour solicitation with its target (RFC 4861 4.3).
const SOLICITATION: usize = 24;
/// The groups of routers, and of those who listen to reports (RFC 2464 7, RFC 3810 5.2.14).
const ROUTERS: [EthernetAddress; 2] =
    [EthernetAddress([0x33, 0x33, 0, 0, 0, 2]), EthernetAddress([0x33, 0x33, 0, 0, 0, 0x16])];

/// A place on the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// A machine of the fleet.
    Machine(usize),
    /// The TAP, or the network that this process has joined.
    Uplink,
    /// A process that has joined this one.
    Trunk(usize),
}

/// Who gets a frame, apart from who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// That place alone.
    One(Port),
    /// Everybody who is no machine of the fleet.
    Outside,
    /// Everybody.
    All,
    /// Nobody.
    None,
}

/// The tables.
#[derive(Debug, Default)]
pub(super) struct Switch {
    machines: HashMap<EthernetAddress, usize, RandomState>,
    addresses: HashMap<IpAddr, usize, RandomState>,
    learned: HashMap<EthernetAddress, Port, RandomState>,
}

impl Switch {
    /// A machine with these addresses is on the switch.
    pub(super) fn add(
        &mut self,
        machine: usize,
        mac: EthernetAddress,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) {
        self.machines.insert(mac, machine);
        self.addresses.extend(addresses.into_iter().map(|address| (address, machine)));
    }

    /// Whoever was behind that trunk is no longer there.
    pub(super) fn forget(&mut self, trunk: usize) {
        self.learned.retain(|_, port| *port != Port::Trunk(trunk));
    }

    /// Where a frame goes that comes in at `from`.
    pub(super) fn destination(&mut self, from: Port, frame: &[u8]) -> Destination {
        let Ok(ethernet) = EthernetFrame::new_checked(frame) else { return Destination::None };
        if !matches!(from, Port::Machine(_)) && !self.learn(ethernet.src_addr(), from) {
            return Destination::None;
        }
        let to = ethernet.dst_addr();
        if to.is_unicast() {
            let machine = self.machines.get(&to).map(|machine| Port::Machine(*machine));
            return match machine.or_else(|| self.learned.get(&to).copied()) {
                Some(port) if port == from => Destination::None,
                Some(port) => Destination::One(port),
                // No machine of the fleet has another address than its own.
                None => Destination::Outside,
            };
        }
        match asked_for(&ethernet) {
            Some((address, told)) => match self.addresses.get(&address) {
                // Of itself, which no other machine of the fleet needs to be told.
                Some(machine) if Port::Machine(*machine) == from => Destination::Outside,
                Some(machine) if !told => Destination::One(Port::Machine(*machine)),
                None if !told => Destination::Outside,
                Some(_) | None => Destination::All,
            },
            None if matches!(from, Port::Machine(_)) && ROUTERS.contains(&to) => {
                Destination::Outside
            }
            None => Destination::All,
        }
    }

    /// Notes behind which port a machine outside is. False if a machine of the fleet has its address: the frame went
    /// round in a circle, or somebody has given out the address twice.
    fn learn(&mut self, source: EthernetAddress, from: Port) -> bool {
        if self.machines.contains_key(&source) {
            return false;
        }
        if source.is_unicast() && self.learned.get(&source) != Some(&from) {
            if self.learned.len() >= LEARNED {
                self.learned.clear();
            }
            self.learned.insert(source, from);
        }
        true
    }
}

/// The address whose owner a frame asks for its MAC address, and whether its sender rather tells everybody that it has it.
fn asked_for(ethernet: &EthernetFrame<&[u8]>) -> Option<(IpAddr, bool)> {
    match ethernet.ethertype() {
        EthernetProtocol::Arp => {
            let arp = ArpPacket::new_checked(ethernet.payload()).ok()?;
            let octets = |address: &[u8]| <[u8; 4]>::try_from(address).ok();
            let (target, source) =
                (octets(arp.target_protocol_addr())?, octets(arp.source_protocol_addr())?);
            let asks = arp.operation() == ArpOperation::Request;
            asks.then(|| (target.into(), target == source))
        }
        EthernetProtocol::Ipv6 => {
            let ipv6 = Ipv6Packet::new_checked(ethernet.payload()).ok()?;
            let message = ipv6.payload();
            let solicitation = ipv6.next_header() == IpProtocol::Icmpv6
                && message.len() >= SOLICITATION
                && message[0] == u8::from(Icmpv6Message::NeighborSolicit);
            let target = message.get(SOLICITATION - 16..SOLICITATION)?;
            let target = <[u8; 16]>::try_from(target).ok().filter(|_| solicitation)?;
            Some((Ipv6Address::from_octets(target).into(), false))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use smoltcp::wire::{ArpRepr, EthernetRepr, Ipv4Address};

    use super::*;

    const HOST: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 9]);

    fn mac(machine: u8) -> EthernetAddress {
        EthernetAddress([2, 0, 0x5e, 0, 0, machine])
    }

    fn ip(number: u8) -> Ipv4Address {
        Ipv4Address::new(198, 18, 0, number)
    }

    /// Machines 0 to 2.
    fn switch() -> Switch {
        let mut switch = Switch::default();
        for machine in 0..3 {
            let ipv6 = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, machine.into());
            let addresses = [ip(machine).into(), IpAddr::V6(ipv6)];
            switch.add(machine.into(), mac(machine), addresses);
        }
        switch
    }

    fn frame(from: EthernetAddress, to: EthernetAddress, ethertype: EthernetProtocol) -> Vec<u8> {
        let mut frame = vec![0; 60];
        let ethernet = EthernetRepr { src_addr: from, dst_addr: to, ethertype };
        ethernet.emit(&mut EthernetFrame::new_unchecked(&mut frame));
        frame
    }

    fn plain(from: EthernetAddress, to: EthernetAddress) -> Vec<u8> {
        frame(from, to, EthernetProtocol::Ipv4)
    }

    fn arp(from: EthernetAddress, source: u8, target: u8) -> Vec<u8> {
        let mut bytes = frame(from, EthernetAddress::BROADCAST, EthernetProtocol::Arp);
        let arp = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: from,
            source_protocol_addr: ip(source),
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: ip(target),
        };
        arp.emit(&mut ArpPacket::new_unchecked(&mut bytes[14..]));
        bytes
    }

    fn solicitation(from: EthernetAddress, target: u16) -> Vec<u8> {
        let group = EthernetAddress([0x33, 0x33, 0xff, 0, 0, target as u8]);
        let mut bytes = frame(from, group, EthernetProtocol::Ipv6);
        bytes.truncate(14);
        bytes.extend([0x60, 0, 0, 0, 0, SOLICITATION as u8, 58, 255]);
        bytes.extend([0; 32]);
        bytes.extend([135, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, target).octets());
        bytes
    }

    #[test]
    fn a_frame_goes_to_whom_it_is_for() {
        let mut switch = switch();
        let one = |port| Destination::One(port);
        let from_machine =
            |switch: &mut Switch, to| switch.destination(Port::Machine(0), &plain(mac(0), to));
        assert_eq!(from_machine(&mut switch, mac(2)), one(Port::Machine(2)));
        assert_eq!(
            from_machine(&mut switch, HOST),
            Destination::Outside,
            "nobody has heard it yet"
        );
        let heard = switch.destination(Port::Trunk(1), &plain(HOST, mac(1)));
        assert_eq!(heard, one(Port::Machine(1)));
        assert_eq!(from_machine(&mut switch, HOST), one(Port::Trunk(1)));
        switch.destination(Port::Uplink, &plain(HOST, mac(1)));
        assert_eq!(from_machine(&mut switch, HOST), one(Port::Uplink), "it has moved");
        switch.destination(Port::Trunk(1), &plain(HOST, mac(1)));
        switch.forget(1);
        assert_eq!(from_machine(&mut switch, HOST), Destination::Outside, "its trunk is gone");
        assert_eq!(from_machine(&mut switch, EthernetAddress::BROADCAST), Destination::All);
        assert_eq!(switch.destination(Port::Uplink, &[0; 13]), Destination::None, "no frame");
    }

    #[test]
    fn a_frame_of_ours_from_outside_and_one_back_to_its_side_go_nowhere() {
        let mut switch = switch();
        let ours = plain(mac(0), EthernetAddress::BROADCAST);
        assert_eq!(switch.destination(Port::Uplink, &ours), Destination::None);
        switch.destination(Port::Uplink, &plain(HOST, mac(1)));
        let neighbour = plain(EthernetAddress([2, 0, 0, 0, 0, 8]), HOST);
        assert_eq!(switch.destination(Port::Uplink, &neighbour), Destination::None);
    }

    #[test]
    fn with_more_addresses_than_it_has_room_for_all_are_learned_anew() {
        let mut switch = switch();
        let outside = |number: usize| {
            let [.., high, low] = number.to_be_bytes();
            EthernetAddress([2, 0, 0, 1, high, low])
        };
        let learn = |switch: &mut Switch, number| {
            switch.destination(Port::Trunk(1), &plain(outside(number), mac(1)));
        };
        let ask = |switch: &mut Switch, number| {
            switch.destination(Port::Machine(0), &plain(mac(0), outside(number)))
        };
        let known = Destination::One(Port::Trunk(1));
        (0..LEARNED).for_each(|number| learn(&mut switch, number));
        // Who is known already needs no room.
        learn(&mut switch, 0);
        assert_eq!((ask(&mut switch, 0), ask(&mut switch, LEARNED - 1)), (known, known));
        learn(&mut switch, LEARNED);
        assert_eq!(switch.learned.len(), 1);
        assert_eq!(ask(&mut switch, LEARNED), known);
        assert_eq!(ask(&mut switch, 0), Destination::Outside, "it still reaches whoever has it");
        learn(&mut switch, 0);
        assert_eq!(ask(&mut switch, 0), known);
        assert_eq!(ask(&mut switch, 2), Destination::Outside);
    }

    #[test]
    fn a_question_for_an_address_goes_to_its_owner() {
        let mut switch = switch();
        let owner = Destination::One(Port::Machine(2));
        for question in [arp(HOST, 9, 2), solicitation(HOST, 2)] {
            assert_eq!(switch.destination(Port::Uplink, &question), owner);
        }
        for question in [arp(HOST, 9, 77), solicitation(HOST, 77)] {
            assert_eq!(switch.destination(Port::Uplink, &question), Destination::Outside);
        }
        for question in [arp(mac(0), 0, 9), solicitation(mac(0), 9), solicitation(mac(0), 0)] {
            assert_eq!(switch.destination(Port::Machine(0), &question), Destination::Outside);
        }
        let told = arp(HOST, 9, 9);
        assert_eq!(switch.destination(Port::Uplink, &told), Destination::All, "gratuitous");
        let told = arp(mac(0), 0, 0);
        assert_eq!(switch.destination(Port::Machine(0), &told), Destination::Outside);
        let report = plain(mac(0), ROUTERS[1]);
        assert_eq!(switch.destination(Port::Machine(0), &report), Destination::Outside);
    }
}
