//! The firmware: a board, a stack, the services, and the superloop's one function.

use core::hint::black_box;

use smoltcp::phy::Device;
use smoltcp::time::{Duration, Instant};
use tapboard_net::{Buffers, NetConfig, NetStack, Sockets};

use crate::board::Board;
use crate::service::{Service, ServiceConfig, Services};

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

/// A booted board: what a superloop calls. `B` is its hardware, `V` its services: the stock ones, or one's own.
#[derive(Debug)]
pub struct Firmware<'a, B, V = Services<NetStack<'a>>> {
    stack: NetStack<'a>,
    services: V,
    board: B,
    stage: Stage,
}

/// How far the services are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Their ports are not open yet.
    Booted,
    Running,
    /// They have given back what they held.
    ShutDown,
}

impl<'a, B: Board> Firmware<'a, B> {
    /// Boots a board with the stock services: takes the memory, seeds the stack from the board's entropy. The
    /// first [`Firmware::poll`] opens the services' ports before it looks at a frame: a connection request that is
    /// waiting in the device is not refused.
    pub fn new<
        const BUFFER: usize,
        const DATAGRAMS: usize,
        const TCP: usize,
        const UDP: usize,
        const LISTENERS: usize,
        const OTHERS: usize,
    >(
        net: &NetConfig,
        services: ServiceConfig,
        mut board: B,
        device: &mut (impl Device + ?Sized),
        now: Instant,
        buffers: impl Into<Buffers<'a, BUFFER, DATAGRAMS>>,
        sockets: &'a mut Sockets<'a, TCP, UDP, LISTENERS, OTHERS>,
    ) -> Result<Self, BootError> {
        let entropy = board.entropy().ok_or(BootError::NoEntropy)?;
        let services = || Services::new(services, 0, now);
        Ok(Self::assemble(net, services, board, device, now, entropy, buffers, sockets))
    }
}

impl<'a, B: Board, V: Service<NetStack<'a>, B>> Firmware<'a, B, V> {
    /// As [`Firmware::new`], with `services` in place of the stock ones. To have them beside those, it is a tuple
    /// with [`Services`] in it; those of a tuple get their turn in its order. For each further port there must be
    /// one slot more in `buffers` and `sockets`; see [`crate::service`].
    ///
    /// Cost: the services are made on the call stack and moved from there, which at boot is deeper by their size,
    /// 4 KiB for the stock ones. [`Firmware::new`] makes those where they are to be.
    pub fn with_services<
        const BUFFER: usize,
        const DATAGRAMS: usize,
        const TCP: usize,
        const UDP: usize,
        const LISTENERS: usize,
        const OTHERS: usize,
    >(
        net: &NetConfig,
        services: V,
        mut board: B,
        device: &mut (impl Device + ?Sized),
        now: Instant,
        buffers: impl Into<Buffers<'a, BUFFER, DATAGRAMS>>,
        sockets: &'a mut Sockets<'a, TCP, UDP, LISTENERS, OTHERS>,
    ) -> Result<Self, BootError> {
        let entropy = board.entropy().ok_or(BootError::NoEntropy)?;
        Ok(Self::assemble(net, || services, board, device, now, entropy, buffers, sockets))
    }

    /// Nothing but the value, and never inlined, so that each part is made where it is to be: a copy on
    /// the way is up to 4 KiB of a chip's stack.
    #[inline(never)]
    #[expect(clippy::too_many_arguments, reason = "those of `new`, and the entropy")]
    fn assemble<
        const BUFFER: usize,
        const DATAGRAMS: usize,
        const TCP: usize,
        const UDP: usize,
        const LISTENERS: usize,
        const OTHERS: usize,
    >(
        net: &NetConfig,
        services: impl FnOnce() -> V,
        board: B,
        device: &mut (impl Device + ?Sized),
        now: Instant,
        entropy: u64,
        buffers: impl Into<Buffers<'a, BUFFER, DATAGRAMS>>,
        sockets: &'a mut Sockets<'a, TCP, UDP, LISTENERS, OTHERS>,
    ) -> Self {
        Self {
            stack: NetStack::new(net, device, now, entropy, buffers, sockets),
            services: services(),
            board,
            stage: Stage::Booted,
        }
    }

    /// One turn of the superloop: bounded ingress, services, bounded egress.
    ///
    /// Call it when a frame has arrived, when the device can transmit again, and at the moment it
    /// returned last. It returns the earliest moment it wants to be called again, never before `now`;
    /// `None`: only a frame gives it work. It is `now` if a budget ran out, or a request that waited can have a slot now.
    pub fn poll<D: Device + ?Sized>(&mut self, now: Instant, device: &mut D) -> Option<Instant> {
        // As in `NetStack::poll_with`: less flash where the firmware is a static.
        black_box(self).poll_once(now, device)
    }

    fn poll_once<D: Device + ?Sized>(&mut self, now: Instant, device: &mut D) -> Option<Instant> {
        self.open_ports(now);
        let Self { stack, services, board, stage } = self;
        let running = *stage == Stage::Running;
        stack.poll_with(
            now,
            device,
            |stack, now| {
                if running { services.poll(now, stack, board) } else { None }
            },
        )
    }

    /// In the first poll after boot, lets the services open their ports before a frame is looked at.
    fn open_ports(&mut self, now: Instant) {
        let Self { stack, services, board, stage } = self;
        if *stage == Stage::Booted {
            *stage = Stage::Running;
            services.reseed(stack.random());
            services.open(now, stack, board);
        }
    }

    /// The cable is in again. Whoever is at its other end may have another MAC address now, and whoever
    /// waited need not wait longer: neighbours are asked for anew, and telemetry connects at once
    /// ([`Service::link_up`]).
    ///
    /// Connections are left alone: they survive a short pull, and end by
    /// [`crate::config::USER_TIMEOUT`] after a long one. That the cable is out needs no call.
    pub fn link_up(&mut self) {
        self.stack.link_up();
        self.services.link_up(&mut self.stack, &mut self.board);
    }

    /// The processor has slept for `time` since the last poll, zero if it has not slept at all. Whoever drives the
    /// firmware says so after each poll or never; the stock services count it as `asleep_ms`, which an acceptance test
    /// looks at.
    pub fn slept(&mut self, time: Duration) {
        self.services.slept(time);
    }

    /// Closes every port and connection, so that each peer gets what is due and then a FIN. `poll` must
    /// go on until [`NetStack::free_slots`] says all are free, or patience ends.
    pub fn shutdown(&mut self) {
        self.stage = Stage::ShutDown;
        self.services.shutdown(&mut self.stack, &mut self.board);
        #[cfg(feature = "mdns")]
        self.stack.withdraw();
    }

    /// The services.
    pub const fn services(&self) -> &V {
        &self.services
    }

    /// The services, to be changed.
    pub const fn services_mut(&mut self) -> &mut V {
        &mut self.services
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
