//! The NICs a simulated board can have: each is a [`smoltcp::phy::Device`] of 1514-byte Ethernet frames,
//! so that the firmware cannot tell them apart, but for a NIC that it leaves segmentation to.

pub mod dgram;
pub(crate) mod forwarding_table;
pub mod frame_socket;
pub(crate) mod framing;
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, unreachable_pub, reason = "a part of it is the TAP's alone")
)]
mod header_layout;
pub mod impairment;
pub mod loopback;
pub mod mac;
mod offloads;
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "a part of it is the TAP's alone"))]
mod segmenter;
mod stat;
pub mod stream;
#[cfg(target_os = "linux")]
pub mod tap;
pub mod wire;

pub use self::offloads::Offloads;
pub use self::stat::Stat;

use smoltcp::phy::{Device, DeviceCapabilities};
use smoltcp::time::Instant;

/// What a NIC does for the board, beside passing frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KernelOffload {
    /// Nothing: each frame is a system call.
    Off,
    /// Many segments of a connection take one system call; the board sees each as a frame.
    #[default]
    Segments,
}

/// A borrowed device, where a device by value is wanted.
#[derive(Debug)]
pub struct DeviceRef<'d, D>(pub &'d mut D);

impl<D: Device> Device for DeviceRef<'_, D> {
    type RxToken<'a>
        = D::RxToken<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = D::TxToken<'a>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        self.0.receive(now)
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        self.0.transmit(now)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.0.capabilities()
    }
}
