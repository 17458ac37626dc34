//! The adapter: an interface of the harness as a driver of `embassy-net`.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use tapboard::harness::Nic;

use crate::time;

/// Bytes of an Ethernet frame.
const FRAME: usize = 1514;

/// The driver. It wakes its stack through [`Arrivals`].
#[derive(Debug)]
pub(crate) struct WireDriver {
    nic: Nic,
    mac: [u8; 6],
    arrivals: Arrivals,
}

/// Who waits for a frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals(Rc<RefCell<Option<Waker>>>);

impl Arrivals {
    /// A frame has arrived.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}

impl WireDriver {
    pub(crate) fn new(nic: Nic, mac: [u8; 6], arrivals: Arrivals) -> Self {
        Self { nic, mac, arrivals }
    }
}

impl Driver for WireDriver {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received, Room<'_>)> {
        if let Some(frame) = self.nic.take(time::now()) {
            return Some((Received(frame), Room(&mut self.nic)));
        }
        self.arrivals.0.replace(Some(cx.waker().clone()));
        None
    }

    /// There is always room.
    fn transmit(&mut self, _cx: &mut Context<'_>) -> Option<Room<'_>> {
        Some(Room(&mut self.nic))
    }

    /// A cable that is out is not told of, as by a switch in between.
    fn link_state(&mut self, _cx: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.mac)
    }
}

/// A frame that has arrived.
#[derive(Debug)]
pub(crate) struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

/// Room for one frame.
#[derive(Debug)]
pub(crate) struct Room<'a>(&'a mut Nic);

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.send(time::now(), &frame);
        result
    }
}
