//! In place of `udp` without that feature: there is no UDP socket.

use core::marker::PhantomData;

use smoltcp::iface::SocketStorage;

/// A socket that there is not.
#[derive(Debug)]
pub(crate) struct UdpSlot<'a>(PhantomData<&'a ()>);

/// Room for none.
#[derive(Debug, Default)]
pub(crate) struct UdpPlaces<'a, const UDP: usize>(PhantomData<&'a ()>);

impl<'a, const UDP: usize> UdpPlaces<'a, UDP> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }

    #[expect(clippy::unused_self, reason = "as with UDP")]
    pub(crate) const fn lend<const DATAGRAMS: usize>(
        &'a mut self,
        _buffers: &'a mut [[[u8; DATAGRAMS]; 2]],
        _places: &'a mut [SocketStorage<'a>],
    ) -> &'a mut [UdpSlot<'a>] {
        &mut []
    }
}
