//! What every driver must do, tried on a model of its chip: with the feature `test-support`, for whoever writes one.
//!
//! [`conformance!`](crate::conformance) makes a test of each function here for one driver, given a function that starts
//! it on a model: a [`Chip`] with [`Registers`]. `tests/outside.rs` of this crate is one, from the outside.
//!
//! A model is as strict as it can be: it panics at what a chip would answer with garbage, such as reading
//! an empty FIFO. Interrupts are level-triggered lines. To find lost wake-ups, an event happens between
//! any two accesses of the driver.

use std::boxed::Box;
use std::cell::{Cell, RefCell};
use std::vec::Vec;
use std::{format, vec};

use smoltcp::phy::{RxToken, TxToken};
use smoltcp::time::Instant;
use tapboard_firmware::EthernetAddress;
use tapboard_firmware::config::FRAME_SIZE;

use super::{Ethernet, Fifo, Mac};
use crate::registers::Registers;

/// The address that drivers are started under.
pub const ADDRESS: EthernetAddress = EthernetAddress([2, 0, 0x5e, 0x10, 0x20, 0x30]);

/// A model of a chip.
pub trait Chip: Default + 'static {
    /// The wire brings a frame.
    fn arrive(&mut self, frame: &[u8]);

    /// From now on a transmission goes on until [`Chip::finish`].
    fn hold(&mut self);

    /// The transmission under way, if any, is over.
    fn finish(&mut self);

    /// The frames that were sent since the last call, without what the chip adds to them.
    fn sent(&mut self) -> Vec<Vec<u8>>;

    /// The address that the chip was given.
    fn address(&self) -> EthernetAddress;

    /// The interrupt line.
    fn line(&self) -> bool;
}

/// Something that happens to a chip.
type Event<C> = fn(&mut C);

/// A chip that the driver shares with the test.
#[derive(Debug)]
pub struct Shared<C> {
    /// The model.
    pub chip: RefCell<C>,
    accesses: Cell<usize>,
    /// What happens right before which access.
    event: Cell<Option<(usize, Event<C>)>>,
}

impl<C: Chip> Shared<C> {
    /// The chip, for ever.
    pub fn leak(chip: C) -> &'static Self {
        let chip = RefCell::new(chip);
        Box::leak(Box::new(Self { chip, accesses: Cell::new(0), event: Cell::new(None) }))
    }

    /// One access of the driver, before which something may happen.
    pub fn access<T>(&self, access: impl FnOnce(&mut C) -> T) -> T {
        let mut chip = self.chip.borrow_mut();
        if let Some((at, event)) = self.event.get()
            && at == self.accesses.get()
        {
            event(&mut chip);
            self.event.set(None);
        }
        self.accesses.set(self.accesses.get() + 1);
        access(&mut chip)
    }
}

impl<C: Chip + Registers> Registers for &'static Shared<C> {
    fn read(&mut self, offset: usize) -> u32 {
        self.access(|chip| chip.read(offset))
    }

    fn write(&mut self, offset: usize, value: u32) {
        self.access(|chip| chip.write(offset, value));
    }
}

/// The interface of a chip whose words the processor moves.
pub fn ethernet<F: Fifo>(fifo: F) -> Ethernet<'static, F> {
    Ethernet::new(fifo, [Box::leak(Box::default()), Box::leak(Box::default())])
}

/// A driver and its chip.
#[expect(missing_debug_implementations, reason = "what happens to a chip has none")]
pub struct Bench<C: 'static, D> {
    /// The chip.
    pub shared: &'static Shared<C>,
    device: D,
}

/// What starts a driver, under [`ADDRESS`].
pub type Open<C, D> = fn(&'static Shared<C>) -> D;

impl<C: Chip, D: Mac> Bench<C, D> {
    /// A chip that was just started.
    pub fn new(open: Open<C, D>) -> Self {
        let shared = Shared::<C>::leak(C::default());
        let mut device = open(shared);
        device.acknowledge();
        assert_eq!(shared.chip.borrow().address(), ADDRESS);
        Self { shared, device }
    }

    /// The wire brings a frame.
    pub fn arrive(&self, frame: &[u8]) {
        self.shared.chip.borrow_mut().arrive(frame);
    }

    /// The next frame that the driver has, if any.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let (frame, _) = self.device.receive(Instant::ZERO)?;
        Some(frame.consume(<[u8]>::to_vec))
    }

    /// Sends a frame, unless the driver has no room.
    pub fn transmit(&mut self, frame: &[u8]) -> bool {
        let Some(token) = self.device.transmit(Instant::ZERO) else { return false };
        token.consume(frame.len(), |room| room.copy_from_slice(frame));
        true
    }

    /// The frames that were sent since the last call.
    pub fn sent(&self) -> Vec<Vec<u8>> {
        self.shared.chip.borrow_mut().sent()
    }

    /// The transmission under way is over.
    pub fn finish(&self) {
        self.shared.chip.borrow_mut().finish();
    }

    /// The interrupt line.
    pub fn line(&self) -> bool {
        self.shared.chip.borrow().line()
    }

    /// Whether the cable has come in since this was asked last.
    pub fn link_came_up(&mut self) -> bool {
        self.device.link_came_up()
    }

    /// What the superloop does before it sleeps, and whether it would.
    pub fn sleeps(&mut self) -> bool {
        self.device.acknowledge();
        !self.device.pending() && !self.line()
    }
}

/// A frame of this length, unlike those of others.
#[must_use]
pub fn frame(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + length) as u8).collect()
}

/// Two at a time, in order.
pub fn frames_of_every_length_are_received<C: Chip, D: Mac>(open: Open<C, D>) {
    let mut bench = Bench::new(open);
    assert_eq!(bench.receive(), None);
    for length in 60..=FRAME_SIZE {
        bench.arrive(&frame(length));
        bench.arrive(&frame(FRAME_SIZE - length + 60));
        assert_eq!(bench.receive(), Some(frame(length)));
        assert_eq!(bench.receive(), Some(frame(FRAME_SIZE - length + 60)), "after {length} bytes");
        assert_eq!(bench.receive(), None);
    }
}

/// From a header alone to the longest.
pub fn frames_of_every_length_are_sent<C: Chip, D: Mac>(open: Open<C, D>) {
    let mut bench = Bench::new(open);
    for length in 14..=FRAME_SIZE {
        assert!(bench.transmit(&frame(length)));
        assert_eq!(bench.sent(), vec![frame(length)]);
    }
}

/// What smoltcp does not take is not passed on.
pub fn a_frame_too_long_makes_way_for_the_next<C: Chip, D: Mac>(open: Open<C, D>) {
    let mut bench = Bench::new(open);
    for length in [FRAME_SIZE + 1, FRAME_SIZE + 4, 2000] {
        bench.arrive(&frame(length));
        bench.arrive(&frame(64));
        assert_eq!(bench.receive(), Some(frame(64)), "behind {length} bytes");
        assert_eq!(bench.receive(), None);
    }
}

/// The interrupt says that a frame is there, and ceases when it was taken.
pub fn a_frame_wakes_once<C: Chip, D: Mac>(open: Open<C, D>) {
    let mut bench = Bench::new(open);
    assert!(bench.sleeps());
    for _ in 0..3 {
        bench.arrive(&frame(64));
        assert!(bench.line());
        assert!(!bench.sleeps());
        assert!(bench.receive().is_some());
        assert!(bench.sleeps());
    }
}

/// Who was refused is told when there is room, once, and nobody is kept awake meanwhile. Whatever was
/// sent before, what is accepted fits.
pub fn a_busy_transmitter_refuses_and_wakes<C: Chip, D: Mac>(open: Open<C, D>) {
    for first in (14..=FRAME_SIZE).step_by(50) {
        let mut bench = Bench::new(open);
        bench.shared.chip.borrow_mut().hold();
        assert!(bench.transmit(&frame(first)));
        let mut accepted = 1;
        while bench.transmit(&frame(FRAME_SIZE)) {
            accepted += 1;
            assert!(accepted < 100, "it never refuses");
        }
        assert!(bench.sleeps());
        bench.finish();
        assert!(bench.line());
        assert!(!bench.sleeps());
        assert_eq!(bench.sent().len(), accepted);
        assert!(bench.sleeps(), "the firmware had nothing more to send");
    }
}

/// A frame comes with room for its answer, so it waits with the transmitter.
pub fn a_frame_waits_for_a_busy_transmitter<C: Chip, D: Mac>(open: Open<C, D>) {
    let mut bench = Bench::new(open);
    bench.shared.chip.borrow_mut().hold();
    while bench.transmit(&frame(FRAME_SIZE)) {}
    bench.arrive(&frame(64));
    assert_eq!(bench.receive(), None);
    assert!(bench.sleeps());
    bench.finish();
    assert!(bench.line() && !bench.sleeps());
    assert_eq!(bench.receive(), Some(frame(64)));
}

/// More frames than the chip can hold: some are lost, which ones is its own affair. It goes on with those that come
/// after.
pub fn too_many_frames_are_lost_and_no_more<C: Chip, D: Mac>(open: Open<C, D>) {
    let mut bench = Bench::new(open);
    for round in 0..3 {
        for number in 0..200 {
            bench.arrive(&frame(100 + number));
        }
        assert!(!bench.sleeps());
        let mut taken = 0;
        while let Some(received) = bench.receive() {
            assert_eq!(received, frame(received.len()));
            taken += 1;
        }
        assert!(taken > 0, "round {round}");
        // A chip that says that frames were lost may wake once more for that.
        let _ = bench.sleeps();
        assert_eq!(bench.receive(), None);
        assert!(bench.sleeps());
        for length in [64, FRAME_SIZE, 60] {
            bench.arrive(&frame(length));
            assert!(bench.line() && !bench.sleeps(), "round {round}: nothing wakes it any more");
            assert_eq!(bench.receive(), Some(frame(length)), "round {round}");
            assert!(bench.sleeps());
        }
    }
}

/// Whatever happens between the driver's accesses, the superloop sees it or is woken.
pub fn no_wakeup_is_lost<C: Chip, D: Mac>(open: Open<C, D>) {
    let cases: [(&str, bool, Event<C>); 3] = [
        ("a frame arrives", false, |chip| chip.arrive(&frame(64))),
        ("the transmitter is done, another was refused", true, C::finish),
        ("a frame arrives while it is busy", true, |chip| {
            chip.arrive(&frame(64));
            chip.finish();
        }),
    ];
    for (name, busy, event) in cases {
        let mut accesses = 1;
        let mut at = 0;
        while at <= accesses {
            let what = format!("{name}, before access {at}");
            let mut bench = Bench::new(open);
            if busy {
                bench.shared.chip.borrow_mut().hold();
                while bench.transmit(&frame(FRAME_SIZE)) {}
            }
            let start = bench.shared.accesses.get();
            bench.shared.event.set(Some((start + at, event)));
            let slept = bench.sleeps();
            accesses = bench.shared.accesses.get() - start;
            if bench.shared.event.take().is_some() {
                event(&mut bench.shared.chip.borrow_mut());
                assert!(slept && bench.line(), "{what}: asleep");
            }
            assert!(!slept || bench.line(), "{what}: lost");
            assert!(!bench.sleeps() || !slept, "{what}: forgotten");
            at += 1;
        }
    }
}

/// Makes a test of each function of [`ethernet::conformance`](crate::ethernet::conformance) for one driver: that which
/// the function starts that is named, on a model of its chip.
#[macro_export]
macro_rules! conformance {
    ($open:path) => {
        $crate::conformance!($open:
            frames_of_every_length_are_received
            frames_of_every_length_are_sent
            a_frame_too_long_makes_way_for_the_next
            a_frame_wakes_once
            a_busy_transmitter_refuses_and_wakes
            a_frame_waits_for_a_busy_transmitter
            too_many_frames_are_lost_and_no_more
            no_wakeup_is_lost);
    };
    ($open:path: $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::ethernet::conformance::$name($open);
            }
        )*
    };
}
