//! In place of `udp` without that feature: there is no UDP socket.

use smoltcp::iface::SocketSet;

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
