//! Paths that take smaller packets than the device does (RFC 1191, RFC 8201).
//!
//! smoltcp 0.14 (socket/tcp.rs, `dispatch`) makes segments as long as the peer's MSS and the interface's MTU allow, and
//! both are fixed once a connection is open. So a socket whose path is narrower is taken out of its set for a moment and
//! polled through an interface made for that alone, which has the MTU of the path. What is sent again is smaller too. It is
//! known for each connection by itself, until that ends. Cost: two bytes a slot, and a place for one socket; for such a
//! connection, an `Interface` of about 400 bytes on the call stack, each poll.

use core::mem::swap;

use smoltcp::iface::PollResult;
use smoltcp::phy::{Device, Medium};
use smoltcp::wire::{EthernetFrame, IpCidr};

use super::NetStack;
use super::transmit::{Metered, Sent};
use crate::frame::quote::PATH_MTU_MIN;

/// More segments than fit the largest buffer.
const SEGMENTS_MAX: usize = u16::MAX as usize / (PATH_MTU_MIN as usize - 40 - 20) + 2;

impl NetStack<'_> {
    /// Lets connections send whose path takes smaller packets than the device. Says whether the device refused.
    pub(super) fn send_narrow<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        let mut refused = false;
        for index in self.pool.used() {
            if !refused && let Some(mtu) = self.pool.slots[index].tcb.path_mtu() {
                refused = self.send_along(index, mtu, device);
            }
        }
        refused
    }

    /// Lets one connection send all it may, in packets of at most `mtu` bytes.
    #[inline(never)]
    fn send_along<D: Device + ?Sized>(&mut self, index: usize, mtu: usize, device: &mut D) -> bool {
        let ethernet = self.capabilities.medium == Medium::Ethernet;
        let header = if ethernet { EthernetFrame::<&[u8]>::header_len() } else { 0 };
        let mut capabilities = self.capabilities.clone();
        if header + mtu >= capabilities.max_transmission_unit {
            return false;
        }
        capabilities.max_transmission_unit = header + mtu;
        let Some(ends) = self.pool.four_tuple(index) else { return false };
        // To it everybody is beside us, so that it needs no route.
        let own = IpCidr::new(ends.local.addr, 0);
        let mut narrow = self.config.interface_of(own, &capabilities, self.now, 0);
        if ethernet {
            let hop = self.next_hop(&ends.remote.addr);
            let Some(mac) = hop.and_then(|hop| self.neighbors.mac(&hop)) else { return false };
            swap(&mut narrow, &mut self.interface);
            self.tell_of::<D::TxToken<'_>>(&ends.remote.addr, mac);
            swap(&mut narrow, &mut self.interface);
        }
        let handle = self.pool.set_aside(index, &mut self.aside);
        let sent = Sent::new(self.pool.slots, &self.capabilities, self.now);
        let mut metered = Metered { device, sent };
        for _ in 0..SEGMENTS_MAX {
            let result = narrow.poll_egress(self.now, &mut metered, &mut self.aside);
            if result == PollResult::None || metered.sent.refused {
                break;
            }
        }
        self.counters.count_sent(&metered.sent);
        let refused = metered.sent.refused;
        self.pool.put_back(index, &mut self.aside, handle);
        refused
    }
}
