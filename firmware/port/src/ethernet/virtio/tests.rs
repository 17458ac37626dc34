//! The driver on a model of the device.

use std::boxed::Box;

use super::super::Ethernet;
use super::super::conformance::{ADDRESS, Bench, Chip, Shared, ethernet, frame};
use super::*;
use crate::virtio::model::{Device, Heap};

type Driver = VirtioNet<Heap, &'static Shared<Device>>;

/// The driver, with something that may happen before any call of it: what it looks at is memory.
struct Watched {
    driver: Driver,
    device: &'static Shared<Device>,
}

impl Watched {
    fn driver(&mut self) -> &mut Driver {
        self.device.access(|_| ());
        &mut self.driver
    }
}

impl Fifo for Watched {
    const FRAMES: usize = Driver::FRAMES;

    fn received(&mut self) -> bool {
        self.driver().received()
    }

    fn read_frame(&mut self, frame: &mut Frame) -> Option<usize> {
        self.driver().read_frame(frame)
    }

    fn has_room(&mut self) -> bool {
        self.driver().has_room()
    }

    fn write_frame(&mut self, frame: &mut Frame, length: usize) {
        self.driver().write_frame(frame, length);
    }

    fn clear_interrupt(&mut self) {
        self.driver().clear_interrupt();
    }

    fn enable_interrupt(&mut self, room: bool) {
        self.driver().enable_interrupt(room);
    }

    fn link_came_up(&mut self) -> bool {
        self.driver().link_came_up()
    }
}

fn start(device: &'static Shared<Device>) -> Result<Driver, Error> {
    let buffers = Box::leak(Box::new([const { [const { Buffer::new() }; BUFFERS] }; 2]));
    VirtioNet::new(device, ADDRESS, buffers)
}

fn open(device: &'static Shared<Device>) -> Ethernet<'static, Watched> {
    ethernet(Watched { driver: start(device).unwrap(), device })
}

crate::conformance!(open);

#[test]
fn buffers_go_round_for_ever() {
    let mut bench = Bench::new(open);
    for round in 0..70_000 {
        bench.arrive(&frame(60 + round % 100));
        assert_eq!(bench.receive(), Some(frame(60 + round % 100)));
        assert!(bench.transmit(&frame(60)));
        assert_eq!(bench.sent().len(), 1);
    }
}

#[test]
fn frames_beyond_the_buffers_wait_in_the_device() {
    let mut bench = Bench::new(open);
    for length in 0..3 * BUFFERS {
        bench.arrive(&frame(60 + length));
    }
    for length in 0..3 * BUFFERS {
        assert_eq!(bench.receive(), Some(frame(60 + length)));
    }
    assert_eq!(bench.receive(), None);
}

#[test]
fn a_length_that_cannot_be_is_no_frame() {
    let mut bench = Bench::new(open);
    let shortest = (NET_HEADER + HEADER) as u32;
    for length in [0, 1, NET_HEADER as u32, shortest - 1, BUFFER as u32 + 1, 1 << 16, u32::MAX] {
        bench.shared.chip.borrow_mut().claim = Some(length);
        bench.arrive(&frame(64));
        bench.shared.chip.borrow_mut().claim = None;
        assert_eq!(bench.receive(), None, "{length}");
        assert!(bench.sleeps());
        bench.arrive(&frame(100));
        assert_eq!(bench.receive(), Some(frame(100)), "after {length}");
    }
}

/// Whatever it returns in place of a buffer that it has, nothing panics, and nobody is kept awake.
#[test]
fn a_device_that_returns_what_it_has_not_is_left_alone() {
    for token in [BUFFERS as u32, 0xffff, u32::MAX] {
        let mut bench = Bench::new(open);
        bench.shared.chip.borrow_mut().token = Some(token);
        bench.arrive(&frame(64));
        bench.shared.chip.borrow_mut().token = None;
        assert_eq!(bench.receive(), None, "{token}");
        bench.arrive(&frame(64));
        assert_eq!(bench.receive(), None, "{token}");
        assert!(bench.sleeps());
        bench.shared.chip.borrow_mut().token = Some(token);
        assert!(bench.transmit(&frame(64)));
        while bench.transmit(&frame(64)) {}
        assert!(bench.sleeps());
    }
}

#[test]
fn a_buffer_that_is_returned_twice_is_taken_once() {
    let mut bench = Bench::new(open);
    bench.shared.chip.borrow_mut().hold();
    while bench.transmit(&frame(64)) {}
    assert_eq!(bench.sent().len(), BUFFERS);
    bench.shared.chip.borrow_mut().token = Some(1);
    bench.finish();
    assert!(bench.transmit(&frame(64)));
    assert!(!bench.transmit(&frame(64)), "the others may be the device's still");
    assert!(bench.sleeps());
}

#[test]
fn the_cable_is_noticed_when_it_comes_in() {
    let mut bench = Bench::new(open);
    for _ in 0..2 {
        assert!(bench.sleeps() && !bench.link_came_up());
        bench.shared.chip.borrow_mut().set_link(false);
        assert!(bench.line() && bench.sleeps() && !bench.link_came_up());
        bench.shared.chip.borrow_mut().set_link(true);
        assert!(bench.line() && bench.sleeps());
        assert!(bench.link_came_up());
        assert!(!bench.link_came_up(), "it is said once");
    }
}

#[test]
fn what_is_missing_is_an_error() {
    let start_with = |change: fn(&mut Device)| {
        let mut device = Device::default();
        change(&mut device);
        start(Shared::leak(device)).err()
    };
    assert_eq!(start_with(|_| ()), None);
    assert_eq!(
        start_with(|device| device.offered = 1 << 32),
        None,
        "with neither address nor status"
    );
    assert_eq!(start_with(|device| device.kind = DeviceType::Block), Some(Error::Absent));
    assert_eq!(start_with(|device| device.legacy = true), Some(Error::Legacy));
    assert_eq!(start_with(|device| device.offered = 1 << 5), Some(Error::Legacy));
    assert_eq!(start_with(|device| device.refuses = true), Some(Error::Features));
    assert_eq!(start_with(|device| device.queues = 1), Some(Error::Queue));
    assert_eq!(start_with(|device| device.mac.0[5] ^= 1), Some(Error::Address));
}
