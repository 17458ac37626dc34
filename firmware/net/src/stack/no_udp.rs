//! In place of `udp` without that feature: there is no UDP socket.

use smoltcp::phy::Device;
use smoltcp::time::Instant;
use smoltcp::wire::IpAddress;

use super::NetStack;
use super::pass::Recipient;
use crate::frame::Packet;
use crate::netstat::Row;

#[expect(clippy::unused_self, reason = "as with UDP")]
impl NetStack<'_> {
    pub(super) const fn udp_port_in_use(&self, _port: u16) -> bool {
        false
    }

    pub(super) const fn reclaim_udp(&mut self) -> Option<Instant> {
        None
    }

    pub(super) const fn expire_udp(&mut self) -> Option<Instant> {
        None
    }

    #[expect(clippy::unnecessary_wraps, reason = "as with UDP")]
    pub(super) const fn udp_egress<D: Device + ?Sized>(&mut self, _device: &mut D) -> Option<bool> {
        Some(false)
    }

    pub(super) const fn recipient(&self, _packet: &Packet<'_>) -> Recipient {
        Recipient::Others
    }

    pub(super) const fn udp_waiting(&self, _recipient: Recipient) -> usize {
        0
    }

    pub(super) fn note_datagram(&mut self, _recipient: Recipient, _before: usize, _empty: bool) {
        self.unread |= self.has_added();
    }

    pub(super) const fn udp_target(&self, _index: usize) -> Option<IpAddress> {
        None
    }

    pub(super) const fn udp_row(&self, _index: usize) -> Option<Row> {
        None
    }
}
