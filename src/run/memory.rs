//! The board's memory, and its boot.

use std::net::SocketAddr;

use smoltcp::phy::Device;
use smoltcp::time::Instant;
use tapboard_firmware::config::UDP_SLOTS;
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{Firmware, LargeStorageOf, McuStorageOf, Sockets};

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

    /// Boots the firmware on `device`.
    pub(super) fn boot<D: Device>(
        &'a mut self,
        identity: &Identity,
        telemetry: Option<SocketAddr>,
        device: &mut D,
        now: Instant,
    ) -> Result<Firmware<'a, SimBoard>, String> {
        let Identity { net, name } = identity;
        let services = ServiceConfig { name: name.clone(), telemetry };
        let board = SimBoard::new();
        match self {
            Self::Mcu(storage, sockets) => {
                Firmware::new(net, services, board, device, now, &mut **storage, sockets)
            }
            Self::Large(storage, sockets) => {
                Firmware::new(net, services, board, device, now, &mut **storage, sockets)
            }
        }
        .map_err(|error| error.to_string())
    }
}
