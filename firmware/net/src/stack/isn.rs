//! Connections begin with the sequence number that [`Secret::isn`](crate::secret::Secret::isn) gives.

use core::mem::swap;

use smoltcp::iface::Interface;
use smoltcp::phy::{Device, TxToken};
use smoltcp::socket::tcp::State;
use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address, TcpControl, TcpSeqNumber};

use super::NetStack;
use super::transmit::MeteredToken;
use crate::fmt::warning;
use crate::frame::{FourTuple, Link, Segment};
use crate::workaround::isn;

impl NetStack<'_> {
    /// Gives a connection request to the slot that listens for it, which answers with the number `isn`.
    #[inline(never)]
    pub(super) fn deliver_request<T: TxToken>(
        &mut self,
        index: usize,
        isn: TcpSeqNumber,
        bytes: &[u8],
        link: Option<Link>,
        segment: &Segment<'_>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let own = segment.destination.addr;
        let mut own = self.secret.in_use.then(|| self.interface_with(isn, own));
        if let Some(own) = &mut own {
            swap(own, &mut self.interface);
        }
        self.deliver(index, bytes, link, segment, transmit);
        if let Some(own) = own {
            self.interface = own;
        }
    }

    /// Makes a free slot's socket send a connection request. `None`: smoltcp will not.
    #[inline(never)]
    pub(super) fn connect(
        &mut self,
        index: usize,
        port: u16,
        remote: IpEndpoint,
    ) -> Option<FourTuple> {
        let addr = self.source_for(&remote.addr)?;
        let ends = FourTuple { local: IpEndpoint::new(addr, port), remote };
        let isn = self.secret.isn(&ends, self.now, None);
        let mut other = self.secret.in_use.then(|| self.interface_with(isn, addr));
        let context = other.as_mut().unwrap_or(&mut self.interface).context();
        self.pool.socket_mut(index).connect(context, remote, ends.local).ok()?;
        Some(ends)
    }

    fn interface_with(&self, isn: TcpSeqNumber, own: IpAddress) -> Interface {
        isn::interface(isn, own, &self.capabilities, self.now)
    }

    /// Finds out whether smoltcp uses the sequence numbers that it is given: one of its sockets connects, and takes an
    /// answer that acknowledges just that number. If not, smoltcp's own are better than none.
    #[inline(never)]
    pub(super) fn check_isn<D: Device + ?Sized>(&mut self) {
        let isn = self.secret.derive(2) as u32;
        self.secret.in_use = self.takes_isn::<D::TxToken<'_>>(isn);
        if !self.secret.in_use {
            warning!("initial sequence numbers are smoltcp's own, for it did not take {}", isn);
        }
    }

    fn takes_isn<T: TxToken>(&mut self, isn: u32) -> bool {
        if self.pool.slots.is_empty() {
            return false;
        }
        // Neither has to be anybody's: nothing leaves.
        let end = |last| IpEndpoint::new(Ipv4Address::new(192, 0, 2, last).into(), 1024);
        let ends = FourTuple { local: end(1), remote: end(2) };
        let isn = TcpSeqNumber(isn.cast_signed());
        let mut own = self.interface_with(isn, ends.local.addr);
        swap(&mut own, &mut self.interface);
        let context = self.interface.context();
        let connected = self.pool.socket_mut(0).connect(context, ends.remote, ends.local).is_ok();
        self.inject_bare::<T>(0, TcpControl::Syn, &ends, TcpSeqNumber(0), Some(isn + 1), 1024);
        let established = self.pool.socket(0).state() == State::Established;
        self.pool.recycle(0);
        self.interface = own;
        connected && established
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use crate::ethernet::EthernetAddress;
    use smoltcp::phy::DeviceCapabilities;
    use smoltcp::time::Instant;

    use super::*;
    use crate::ip_interface::{Mute, NoToken};
    use crate::{NetConfig, Sockets, Storage};

    #[test]
    fn smoltcp_uses_each_number_it_is_given() {
        let config = NetConfig::new(EthernetAddress([2, 0, 0, 0, 0, 1]));
        let mut capabilities = DeviceCapabilities::default();
        capabilities.max_transmission_unit = 1514;
        let mut storage = Storage::<2, 1072, 1, 1472>::new();
        let mut sockets = Sockets::<2, 1>::new();
        let device = &mut Mute(&capabilities);
        let mut stack =
            NetStack::new(&config, device, Instant::ZERO, 1, &mut storage, &mut sockets);
        stack.poll(Instant::ZERO, device);
        assert!(stack.secret.in_use, "the check at the first poll");
        let fixed = [0, 1, 0xdead_beef, u32::MAX, u32::MAX - 1, 1 << 31, 0x1234_5678];
        // Behind this one, smoltcp would draw for its `ipv4_id` again.
        let again = (0..u32::MAX).find(|&isn| isn::is_drawn_again(isn));
        let random: Vec<u32> = (0..500).map(|_| stack.random() as u32).collect();
        for isn in fixed.into_iter().chain(again).chain(random) {
            assert!(stack.takes_isn::<NoToken>(isn), "{isn:#x}");
        }
        assert_eq!(stack.free_slots(), 2);
    }
}
