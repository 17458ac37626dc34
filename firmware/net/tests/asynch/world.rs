//! Two stacks at the ends of a wire in memory, in virtual time, and the tasks that use them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use tapboard_net::smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use tapboard_net::smoltcp::time::{Duration, Instant};
use tapboard_net::smoltcp::wire::{Ipv4Address, Ipv4Cidr};
use tapboard_net::{Async, Limits, NetConfig, NetStack, Sockets, Storage, earliest};

use super::executor::Executor;

pub(crate) const SLOTS: usize = 8;
pub(crate) const BUFFER: usize = 2048;
pub(crate) const UDP: usize = 3;
const DELAY: Duration = Duration::from_millis(1);

type Lose = Box<dyn FnMut(&[u8]) -> bool>;

/// Frames on their way to one side, in the order of their arrival.
#[derive(Default)]
struct Direction {
    frames: RefCell<VecDeque<(Instant, Vec<u8>)>>,
    /// Whether the wire loses a frame.
    lose: RefCell<Option<Lose>>,
    cut: Cell<bool>,
}

/// One end of the wire.
pub(crate) struct End {
    incoming: Rc<Direction>,
    outgoing: Rc<Direction>,
}

impl End {
    /// At the other end is nobody.
    pub(crate) fn unplugged() -> Self {
        let outgoing = Rc::<Direction>::default();
        outgoing.cut.set(true);
        Self { incoming: Rc::default(), outgoing }
    }
}

pub(crate) struct Received(Vec<u8>);
pub(crate) struct Slot<'d>(&'d Direction, Instant);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Slot<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        let lost = self.0.lose.borrow_mut().as_mut().is_some_and(|lose| lose(&frame));
        if !lost && !self.0.cut.get() {
            self.0.frames.borrow_mut().push_back((self.1 + DELAY, frame));
        }
        result
    }
}

impl Device for End {
    type RxToken<'d> = Received;
    type TxToken<'d> = Slot<'d>;

    fn receive(&mut self, now: Instant) -> Option<(Received, Slot<'_>)> {
        let mut frames = self.incoming.frames.borrow_mut();
        frames.front().filter(|(at, _)| *at <= now)?;
        let (_, frame) = frames.pop_front()?;
        Some((Received(frame), Slot(&self.outgoing, now)))
    }

    fn transmit(&mut self, now: Instant) -> Option<Slot<'_>> {
        Some(Slot(&self.outgoing, now))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

/// A stack with its memory, which a test leaks.
pub(crate) struct Board {
    pub(crate) stack: &'static RefCell<NetStack<'static>>,
    end: RefCell<End>,
}

impl Board {
    fn new(number: u8, seed: u64, limits: Limits, mut end: End) -> Self {
        let config = NetConfig::new(tapboard_net::EthernetAddress([2, 0, 0x5e, 0, 0, number]))
            .with_limits(limits)
            .with_ipv4(Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, number), 24));
        let storage = Box::leak(Box::new(Storage::<SLOTS, BUFFER, UDP, 2048>::new()));
        let sockets = Box::leak(Box::new(Sockets::<SLOTS, UDP, 8, { UDP + 1 }>::new()));
        let stack = NetStack::new(&config, &mut end, Instant::ZERO, seed, storage, sockets);
        Self { stack: Box::leak(Box::new(RefCell::new(stack))), end: end.into() }
    }

    pub(crate) fn net(&self) -> Async<'static, 'static> {
        Async::new(self.stack)
    }

    /// TCP slots that nothing holds.
    pub(crate) fn free(&self) -> usize {
        self.stack.borrow().free_slots()
    }

    fn poll(&self, now: Instant) -> Option<Instant> {
        self.net().poll(now, &mut *self.end.borrow_mut())
    }
}

pub(crate) struct World<'t> {
    pub(crate) now: Rc<Cell<Instant>>,
    /// 192.0.2.1 and 192.0.2.2.
    pub(crate) boards: [Board; 2],
    pub(crate) tasks: Executor<'t>,
}

impl World<'_> {
    pub(crate) fn new() -> Self {
        Self::with(1, Limits::new())
    }

    pub(crate) fn with(seed: u64, limits: Limits) -> Self {
        let (to, from) = (Rc::<Direction>::default(), Rc::<Direction>::default());
        let ends = [(&to, &from), (&from, &to)].map(|(incoming, outgoing)| End {
            incoming: Rc::clone(incoming),
            outgoing: Rc::clone(outgoing),
        });
        let [one, two] = ends;
        Self {
            now: Rc::new(Cell::new(Instant::ZERO)),
            boards: [Board::new(1, seed, limits, one), Board::new(2, !seed, limits, two)],
            tasks: Executor::default(),
        }
    }

    /// Both stacks, for tasks.
    pub(crate) fn nets(&self) -> [Async<'static, 'static>; 2] {
        self.boards.each_ref().map(Board::net)
    }

    /// What a board sends is lost if `lose` says so of it.
    pub(crate) fn lose(&self, board: usize, lose: impl FnMut(&[u8]) -> bool + 'static) {
        let end = self.boards[board].end.borrow();
        *end.outgoing.lose.borrow_mut() = Some(Box::new(lose));
    }

    /// From now on, or no more, nothing of what a board sends arrives.
    pub(crate) fn cut(&self, board: usize, cut: bool) {
        self.boards[board].end.borrow().outgoing.cut.set(cut);
    }

    /// One turn: the tasks that were woken, then both stacks. Returns when the next has something to do.
    fn turn(&mut self) -> Option<Instant> {
        let now = self.now.get();
        self.tasks.run();
        let mut next = None;
        for board in &self.boards {
            next = earliest(next, board.poll(now));
        }
        for board in &self.boards {
            let end = board.end.borrow();
            let frames = end.incoming.frames.borrow();
            next = earliest(next, frames.front().map(|&(at, _)| at));
        }
        if self.tasks.run() || self.boards.iter().any(|board| board.net().wants_poll()) {
            return Some(now);
        }
        next.map(|next| next.max(now))
    }

    /// Runs until `done`, for at most `limit`; says whether it came to that.
    pub(crate) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let limit = self.now.get() + limit;
        let mut still = 0;
        loop {
            let next = self.turn();
            if done(self) {
                return true;
            }
            let Some(next) = next.filter(|&next| next <= limit) else {
                self.now.set(limit);
                return false;
            };
            still = if next == self.now.get() { still + 1 } else { 0 };
            assert!(still < 1000, "time stands still at {next}");
            self.now.set(next);
        }
    }

    /// Likewise, but no task runs: what is woken stays so.
    pub(crate) fn run_stacks_until(&mut self, limit: Duration, done: impl Fn() -> bool) -> bool {
        let tasks = core::mem::take(&mut self.tasks);
        let done = self.run_until(limit, |_| done());
        self.tasks = tasks;
        done
    }

    /// Runs until all tasks have ended, which must come to pass.
    pub(crate) fn finish(&mut self, limit: Duration) {
        let done = self.run_until(limit, |world| world.tasks.is_done());
        assert!(done, "tasks wait still: {}", self.counters());
    }

    /// Runs for that long.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Both stacks have all their slots again, in time.
    pub(crate) fn all_is_free(&mut self) {
        self.pass(Duration::from_secs(120));
        for board in &self.boards {
            assert_eq!(board.free(), SLOTS, "{}", self.counters());
        }
    }

    /// What happened on both sides.
    pub(crate) fn counters(&self) -> String {
        format!("{:#?}", self.boards.each_ref().map(|board| *board.stack.borrow().counters()))
    }
}
