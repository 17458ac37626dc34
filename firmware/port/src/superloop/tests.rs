//! The loop on hardware that is variables, and writes down what is done with it.

use core::cell::{Cell, RefCell};
use std::boxed::Box;
use std::vec::Vec;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{BOARD_NET, BoardSockets, McuStorage};

use super::*;

/// What is done with the hardware, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Polled,
    Acknowledged,
    Cleared,
    Slept,
}

#[derive(Default)]
struct Hardware {
    steps: RefCell<Vec<Step>>,
    seconds: Cell<i64>,
    /// The interface has something to do.
    pending: Cell<bool>,
    /// Its cable has come in.
    came_up: Cell<bool>,
    /// The next deadline has passed before the clock is armed.
    late: Cell<bool>,
}

impl Hardware {
    fn now(&self) -> Instant {
        Instant::from_secs(self.seconds.get())
    }

    fn step(&self, step: Step) {
        self.steps.borrow_mut().push(step);
    }
}

struct Nic<'h>(&'h Hardware);
struct Nothing;

impl RxToken for Nothing {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, _: F) -> R {
        unreachable!("no frame is given")
    }
}

impl TxToken for Nothing {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        f(&mut std::vec![0; length])
    }
}

impl Device for Nic<'_> {
    type RxToken<'a>
        = Nothing
    where
        Self: 'a;
    type TxToken<'a>
        = Nothing
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Nothing, Nothing)> {
        if self.0.steps.borrow().last() != Some(&Step::Polled) {
            self.0.step(Step::Polled);
        }
        None
    }

    fn transmit(&mut self, _: Instant) -> Option<Nothing> {
        Some(Nothing)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

impl Mac for Nic<'_> {
    fn acknowledge(&mut self) {
        self.0.step(Step::Acknowledged);
    }

    fn link_came_up(&mut self) -> bool {
        self.0.came_up.take()
    }

    fn pending(&mut self) -> bool {
        self.0.pending.get()
    }
}

struct Clock<'h>(&'h Hardware);

impl Timer for Clock<'_> {
    fn now(&mut self) -> Instant {
        self.0.now()
    }

    fn arm(&mut self, _: Option<Instant>) -> bool {
        !self.0.late.get()
    }
}

/// It sleeps for a second, until an interrupt that is neither the clock's nor the interface's.
struct Foreign<'h>(&'h Hardware);

impl Sleeper for Foreign<'_> {
    fn clear(&mut self) {
        self.0.step(Step::Cleared);
    }

    fn sleep(&mut self) {
        self.0.step(Step::Slept);
        self.0.seconds.update(|seconds| seconds + 1);
    }
}

struct Lit;

impl Board for Lit {
    fn set_led(&mut self, _: bool) {}

    fn led(&self) -> bool {
        true
    }

    fn temperature_mc(&mut self) -> i32 {
        0
    }

    fn entropy(&mut self) -> Option<u64> {
        Some(1)
    }

    fn reset(&mut self) {}
}

/// What is done in a turn of a board that has nothing to do of itself.
fn turned(hardware: &Hardware) -> Vec<Step> {
    let (mut storage, mut sockets) = (Box::<McuStorage>::default(), BoardSockets::new());
    let config = ServiceConfig { name: "loop".try_into().unwrap(), telemetry: None };
    let (mut nic, now) = (Nic(hardware), hardware.now());
    let firmware =
        Firmware::new(&BOARD_NET, config, Lit, &mut nic, now, &mut *storage, &mut sockets);
    let mut firmware = firmware.unwrap();
    while firmware.poll(now, &mut nic) == Some(now) {}
    hardware.steps.take();
    turn(&mut firmware, &mut nic, &mut Clock(hardware), &mut Foreign(hardware));
    hardware.steps.take()
}

#[test]
fn a_turn_ends_with_the_sleep_whatever_has_ended_that() {
    let hardware = Hardware::default();
    let steps = turned(&hardware);
    assert_eq!(steps, [Step::Polled, Step::Acknowledged, Step::Cleared, Step::Slept]);
}

/// Between that an interrupt is cleared and the sleep.
#[test]
fn what_there_is_to_do_keeps_it_from_sleeping() {
    for at in 0..3 {
        let hardware = Hardware::default();
        hardware.pending.set(at == 0);
        hardware.came_up.set(at == 1);
        hardware.late.set(at == 2);
        assert_eq!(turned(&hardware), [Step::Polled, Step::Acknowledged, Step::Cleared], "{at}");
    }
}
