//! In place of `udp` without that feature: there is no UDP socket.

use smoltcp::iface::SocketSet;
use smoltcp::time::Instant;
use smoltcp::wire::IpAddress;

use super::NetStack;
use crate::netstat::Row;

/// A socket that there is not.
#[derive(Debug)]
pub(crate) enum UdpSlot {}

/// Room for none.
#[derive(Debug, Default)]
pub(crate) struct UdpPlaces<const UDP: usize>;

impl<const UDP: usize> UdpPlaces<UDP> {
    pub(crate) const fn new() -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "as with UDP")]
    pub(crate) const fn lend<'a, const DATAGRAMS: usize>(
        &'a mut self,
        _buffers: &'a mut [[[u8; DATAGRAMS]; 2]],
        _set: &mut SocketSet<'a>,
    ) -> &'a mut [UdpSlot] {
        &mut []
    }
}

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

    pub(super) const fn udp_target(&self, _index: usize) -> Option<IpAddress> {
        None
    }

    pub(super) fn udp_rows(&self) -> impl Iterator<Item = Row> {
        core::iter::empty()
    }
}
