//! A node's NIC: what its stack leaves to it, and how long its frames are at most.
//!
//! The cable has ordinary frames in any case. It costs nothing where a NIC does nothing.

use smoltcp::phy::{Device, DeviceCapabilities};
use smoltcp::time::Instant;
use tapboard_firmware::config::FRAME_SIZE;

use super::plan::{NicPlan, Offload};
use crate::nic::Offloads;
use crate::nic::mac::{Mac, MacRx, MacTx};
use crate::nic::wire::{End, Received, Transmit};

/// Bytes of Ethernet header, which an MTU does not count.
const ETHERNET: usize = 14;

/// The NIC at the end of a cable, for one poll.
pub(super) struct Nic<'w> {
    mac: Mac<End<'w>>,
    mtu: Option<u16>,
}

impl<'w> Nic<'w> {
    pub(super) const fn new(end: End<'w>, plan: NicPlan) -> Self {
        let board = match plan.offload {
            None => Offloads::NONE,
            Some(Offload::Checksums) => Offloads::CHECKSUM,
            Some(Offload::Segmentation) => {
                Offloads { checksum: true, segmentation: true, receive: false }
            }
        };
        Self { mac: Mac::new(end, board, Offloads::NONE), mtu: plan.mtu }
    }
}

impl Device for Nic<'_> {
    type RxToken<'a>
        = MacRx<Received<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = MacTx<Transmit<'a>>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        self.mac.receive(now)
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        self.mac.transmit(now)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = self.mac.capabilities();
        capabilities.max_transmission_unit =
            self.mtu.map_or(FRAME_SIZE, |mtu| usize::from(mtu) + ETHERNET);
        capabilities
    }
}
