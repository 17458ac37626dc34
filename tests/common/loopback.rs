//! One board on its loopback, in virtual time: both ends of every connection are its own.

use std::net::SocketAddr;

use embedded_nal::nb;
use smoltcp::time::{Duration, Instant};
use tapboard::clock::VirtualClock;
use tapboard::nic::loopback::Loopback;
use tapboard::world::{Step, drive};
use tapboard_firmware::{BOARD_NET, BoardSockets, Error, McuStorage, NetStack};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(200);

/// The memory of a [`Looped`] board, to be made first and to outlive it.
pub(crate) struct LoopedMemory<'a>(Box<McuStorage>, BoardSockets<'a>);

impl LoopedMemory<'_> {
    pub(crate) fn new() -> Self {
        Self(Box::default(), BoardSockets::new())
    }
}

/// A board on its loopback.
pub(crate) struct Looped<'a> {
    pub(crate) stack: NetStack<'a>,
    pub(crate) nic: Loopback,
    pub(crate) clock: VirtualClock,
    /// While the cable is out, what is sent is lost.
    pub(crate) unplugged: bool,
}

impl<'a> Looped<'a> {
    /// A board whose frames take `delay` to come back.
    pub(crate) fn new(memory: &'a mut LoopedMemory<'a>, delay: Duration) -> Self {
        let mut nic = Loopback::new(delay);
        let LoopedMemory(storage, sockets) = memory;
        let (net, now) = (BOARD_NET, Instant::ZERO);
        let stack = NetStack::new(&net, &mut nic, now, 5, &mut **storage, sockets);
        Self { stack, nic, clock: VirtualClock::new(), unplugged: false }
    }

    /// Where this board's own port is.
    pub(crate) fn at(port: u16) -> SocketAddr {
        SocketAddr::from((BOARD_NET.ipv4_address(), port))
    }

    fn poll(&mut self, now: Instant) -> Option<Instant> {
        let next = self.stack.poll_with(now, &mut self.nic, |_, _| None);
        if self.unplugged {
            self.nic.in_flight().clear();
        }
        let arrival = self.nic.next_arrival().map(|at| at.max(now));
        [next, arrival].into_iter().flatten().min()
    }

    /// Lets time pass until `call` has a result other than `WouldBlock`.
    #[track_caller]
    pub(crate) fn until<T>(
        &mut self,
        mut call: impl FnMut(&mut NetStack<'a>) -> nb::Result<T, Error>,
    ) -> Result<T, Error> {
        let mut result = None;
        let mut clock = self.clock;
        let limit = clock.now() + PATIENCE;
        drive(&mut clock, limit, |now| {
            for _ in 0..2 {
                match call(&mut self.stack) {
                    Err(nb::Error::WouldBlock) => {}
                    Err(nb::Error::Other(error)) => result = Some(Err(error)),
                    Ok(value) => result = Some(Ok(value)),
                }
                let next = self.poll(now);
                if result.is_some() {
                    return Step::Done;
                }
                if next.is_none_or(|next| next > now) {
                    continue;
                }
                return Step::Next(next);
            }
            Step::Next(self.poll(now))
        });
        self.clock = clock;
        result.expect("it happens in time")
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let mut clock = self.clock;
        let limit = clock.now() + duration;
        drive(&mut clock, limit, |now| Step::Next(self.poll(now)));
        self.clock = clock;
    }
}
