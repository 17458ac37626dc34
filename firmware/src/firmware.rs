//! The firmware: a board, a stack, the services, and the superloop's one function.

use smoltcp::phy::Device;
use smoltcp::time::Instant;

use crate::board::Board;
use crate::moment::earliest;
use crate::service::{ServiceConfig, Services};
use crate::stack::{NetConfig, NetStack};
use crate::storage::{Buffers, Sockets};

/// Why the firmware does not come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootError {
    /// [`Board::entropy`] has nothing to give: sequence numbers and ports would be guessable.
    NoEntropy,
}

impl core::fmt::Display for BootError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoEntropy => f.write_str(
                "the board has no entropy; give its `Board::entropy` a hardware random source",
            ),
        }
    }
}

impl core::error::Error for BootError {}

/// A booted board: what a superloop calls.
#[derive(Debug)]
pub struct Firmware<'a, B> {
    stack: NetStack<'a>,
    services: Services<NetStack<'a>>,
    board: B,
    started: bool,
}

impl<'a, B: Board> Firmware<'a, B> {
    /// Boots: takes the memory, seeds the stack from the board's entropy. The first [`Firmware::poll`]
    /// opens the services' ports before it looks at a frame: a connection request that is waiting in the
    /// device is not refused.
    pub fn new<const BUFFER: usize, const DATAGRAMS: usize, const TCP: usize, const UDP: usize>(
        net: &NetConfig,
        services: ServiceConfig,
        mut board: B,
        device: &mut (impl Device + ?Sized),
        now: Instant,
        buffers: impl Into<Buffers<'a, BUFFER, DATAGRAMS>>,
        sockets: &'a mut Sockets<'a, TCP, UDP>,
    ) -> Result<Self, BootError> {
        let entropy = board.entropy().ok_or(BootError::NoEntropy)?;
        Ok(Self::assemble(net, services, board, device, now, entropy, buffers, sockets))
    }

    /// Nothing but the value, and never inlined, so that each part is made where it is to be: a copy on
    /// the way is up to 4 KiB of a chip's stack.
    #[inline(never)]
    #[expect(clippy::too_many_arguments, reason = "those of `new`, and the entropy")]
    fn assemble<const BUFFER: usize, const DATAGRAMS: usize, const TCP: usize, const UDP: usize>(
        net: &NetConfig,
        services: ServiceConfig,
        board: B,
        device: &mut (impl Device + ?Sized),
        now: Instant,
        entropy: u64,
        buffers: impl Into<Buffers<'a, BUFFER, DATAGRAMS>>,
        sockets: &'a mut Sockets<'a, TCP, UDP>,
    ) -> Self {
        Self {
            stack: NetStack::new(net, device, now, entropy, buffers, sockets),
            services: Services::new(services, 0, now),
            board,
            started: false,
        }
    }

    /// One turn of the superloop: bounded ingress, services, bounded egress.
    ///
    /// Call it when a frame has arrived, when the device can transmit again, and at the moment it
    /// returned last. It returns the earliest moment it wants to be called again, never before `now`;
    /// `None`: only a frame gives it work. It is `now` only if a budget ran out.
    pub fn poll<D: Device + ?Sized>(&mut self, now: Instant, device: &mut D) -> Option<Instant> {
        self.open_ports(now);
        let Self { stack, services, board, .. } = self;
        stack.poll_with(now, device, |stack, now| services.poll(now, stack, board))
    }

    /// As [`Firmware::poll`], and gives services of one's own their turn too, right after the firmware's: they
    /// keep to the contract of [`crate::service`]. `own` may be called more than once. What it opened it has
    /// to close itself before [`Firmware::shutdown`] can come to an end.
    pub fn poll_with<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        device: &mut D,
        mut own: impl FnMut(Instant, &mut NetStack<'a>, &mut B) -> Option<Instant>,
    ) -> Option<Instant> {
        if self.open_ports(now) {
            // It is polled again below.
            let _ = own(now, &mut self.stack, &mut self.board);
        }
        let Self { stack, services, board, .. } = self;
        stack.poll_with(now, device, |stack, now| {
            earliest(services.poll(now, stack, board), own(now, stack, board))
        })
    }

    /// In the first poll after boot, lets the services open their ports before a frame is looked at. Returns
    /// whether it is the first.
    fn open_ports(&mut self, now: Instant) -> bool {
        let Self { stack, services, board, started } = self;
        if *started {
            return false;
        }
        *started = true;
        services.reseed(stack.random());
        // Only for the ports: they are all polled again.
        let _ = services.poll(now, stack, board);
        true
    }

    /// The cable is in again. Whoever is at its other end may have another MAC address now, and whoever
    /// waited need not wait longer: neighbours are asked for anew, and telemetry connects at once.
    ///
    /// Connections are left alone: they survive a short pull, and end by
    /// [`crate::config::USER_TIMEOUT`] after a long one. That the cable is out needs no call.
    pub fn link_up(&mut self) {
        self.stack.link_up();
        self.services.link_up();
    }

    /// Closes every port and connection, so that each peer gets what is due and then a FIN. `poll` must
    /// go on until [`NetStack::free_slots`] says all are free, or patience ends.
    pub fn shutdown(&mut self) {
        self.services.shutdown(&mut self.stack);
    }

    /// The network side.
    pub const fn stack(&self) -> &NetStack<'a> {
        &self.stack
    }

    /// The network side, to be changed.
    pub const fn stack_mut(&mut self) -> &mut NetStack<'a> {
        &mut self.stack
    }

    /// The hardware.
    pub const fn board(&self) -> &B {
        &self.board
    }

    /// The hardware, to be changed.
    pub const fn board_mut(&mut self) -> &mut B {
        &mut self.board
    }
}
