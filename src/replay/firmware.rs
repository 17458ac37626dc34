//! The board of a replay: the firmware with its stock services, or whatever somebody else boots.

use std::net::SocketAddr;

use smoltcp::time::Instant;
use tapboard_firmware::config::{DATAGRAM_SIZE, REQUESTS, SUPERFRAME_DATA, TCP_SLOTS, UDP_SLOTS};
use tapboard_firmware::rng::Rng;
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{Backlog, BoardSockets, Buffers, Firmware, NetConfig};

use super::stage::{BootEnd, Stage, Subject};
use crate::board::VirtualBoard;
use crate::identity::{Given, Identity};
use crate::nic::wire::End;
use crate::run::Profile;

/// Boots a board of a replay.
pub trait PowerOn {
    /// Boots a board with these addresses on the stage's NIC, lets the stage play with it, and returns what that returns.
    fn power_on(&mut self, net: &NetConfig, stage: &mut Stage<'_>) -> BootEnd;
}

impl Subject for Firmware<'_, VirtualBoard> {
    fn poll(&mut self, now: Instant, nic: &mut End<'_>) -> Option<Instant> {
        Firmware::poll(self, now, nic)
    }

    fn reset_requested(&self) -> bool {
        self.board().reset_requested()
    }
}

/// The firmware with its stock services.
#[derive(Clone, Debug)]
pub struct StockFirmware {
    profile: Profile,
    telemetry: Option<SocketAddr>,
    entropy: Rng,
}

impl StockFirmware {
    /// A firmware with that memory, whose telemetry goes there, if anywhere. All its entropy follows from the seed.
    #[must_use]
    pub const fn new(profile: Profile, telemetry: Option<SocketAddr>, seed: u64) -> Self {
        Self { profile, telemetry, entropy: Rng::new(seed) }
    }
}

/// Bytes of each TCP buffer of profile `mcu`.
const MCU: usize = 2048;
/// Bytes of each UDP buffer of profile `large`.
const LARGE_DATAGRAMS: usize = 16 * 1024;

impl PowerOn for StockFirmware {
    fn power_on(&mut self, net: &NetConfig, stage: &mut Stage<'_>) -> BootEnd {
        match self.profile {
            Profile::Mcu => self.boot::<MCU, DATAGRAM_SIZE>(net, stage),
            Profile::Large => self.boot::<SUPERFRAME_DATA, LARGE_DATAGRAMS>(net, stage),
        }
    }
}

impl StockFirmware {
    fn boot<const BUFFER: usize, const DATAGRAMS: usize>(
        &mut self,
        net: &NetConfig,
        stage: &mut Stage<'_>,
    ) -> BootEnd {
        // In vectors, for a box is filled on the call stack.
        let mut tcp = vec![[[0; BUFFER]; 2]; TCP_SLOTS];
        let mut udp = vec![[[0; DATAGRAMS]; 2]; UDP_SLOTS];
        let (mut backlog, mut sockets) = (Backlog::<REQUESTS>::new(), BoardSockets::new());
        let buffers = Buffers {
            tcp: tcp.as_mut_slice(),
            udp: udp.as_mut_slice(),
            backlog: (&mut backlog).into(),
        };
        let identity = Identity::new(&Given { mac: Some(net.mac()), ..Given::default() });
        let services =
            ServiceConfig { name: identity.name, telemetry: self.telemetry.map(Into::into) };
        let hardware = VirtualBoard::new(self.entropy.next_u64());
        let (now, nic) = (stage.now(), &mut stage.nic());
        let board = Firmware::new(net, services, hardware, nic, now, buffers, &mut sockets);
        stage.play(&mut board.expect("the hardware has entropy"))
    }
}
