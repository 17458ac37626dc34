//! The board's memory, and its boot.

use smoltcp::phy::Device;
use smoltcp::time::Instant;
use tapboard_firmware::config::UDP_SLOTS;
use tapboard_firmware::service::Service;
use tapboard_firmware::{Firmware, LargeStorageOf, McuStorageOf, NetStack, Sockets};

use super::options::Profile;
use crate::board::SimBoard;
use crate::identity::Identity;

/// The board's RAM, gone with each power-cycle.
pub(super) enum BoardMemory<'a, const SLOTS: usize> {
    Mcu(Box<McuStorageOf<SLOTS>>, Sockets<'a, SLOTS, UDP_SLOTS>),
    Large(Box<LargeStorageOf<SLOTS>>, Sockets<'a, SLOTS, UDP_SLOTS>),
}

impl<'a, const SLOTS: usize> BoardMemory<'a, SLOTS> {
    pub(super) fn new(profile: Profile) -> Self {
        match profile {
            Profile::Mcu => Self::Mcu(Box::default(), Sockets::new()),
            Profile::Large => Self::Large(Box::default(), Sockets::new()),
        }
    }

    /// Boots the firmware on `device`, as part of `board`.
    pub(super) fn boot<D: Device, V: Service<NetStack<'a>, SimBoard>>(
        &'a mut self,
        identity: &Identity,
        board: SimBoard,
        services: V,
        device: &mut D,
        now: Instant,
    ) -> Result<Firmware<'a, SimBoard, V>, String> {
        let net = &identity.net;
        match self {
            Self::Mcu(storage, sockets) => {
                let storage = &mut **storage;
                Firmware::with_services(net, services, board, device, now, storage, sockets)
            }
            Self::Large(storage, sockets) => {
                let storage = &mut **storage;
                Firmware::with_services(net, services, board, device, now, storage, sockets)
            }
        }
        .map_err(|error| error.to_string())
    }
}
