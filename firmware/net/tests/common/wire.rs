//! A wire in memory: what one port sends, every other port gets, after a delay, unless it is lost.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use tapboard_net::rng::Rng;
use tapboard_net::smoltcp::phy::{self, DeviceCapabilities, Medium};
use tapboard_net::smoltcp::time::{Duration, Instant};

struct Wire {
    /// What is under way to each port, and when it gets there.
    queues: Vec<VecDeque<(Instant, Vec<u8>)>>,
    delay: Duration,
    loss_percent: u32,
    rng: Rng,
    /// Every frame ever sent, with the port that sent it, the lost ones too.
    sent: Vec<(usize, Vec<u8>)>,
}

/// One end of the wire: the device of one host.
#[derive(Clone)]
pub(crate) struct Port {
    wire: Rc<RefCell<Wire>>,
    index: usize,
    medium: Medium,
    /// The longest frame, bytes.
    mtu: usize,
}

impl Port {
    /// A wire of a medium, with its first port.
    pub(crate) fn first(medium: Medium) -> Self {
        let wire = Wire {
            queues: vec![VecDeque::new()],
            delay: Duration::ZERO,
            loss_percent: 0,
            rng: Rng::new(1),
            sent: Vec::new(),
        };
        let mtu = if medium == Medium::Ethernet { 1514 } else { 1500 };
        Self { wire: Rc::new(RefCell::new(wire)), index: 0, medium, mtu }
    }

    /// From now on further ports take frames of so many bytes.
    pub(crate) fn set_mtu(&mut self, mtu: usize) {
        self.mtu = mtu;
    }

    /// A further port of the same wire.
    pub(crate) fn another(&self) -> Self {
        let mut wire = self.wire.borrow_mut();
        wire.queues.push(VecDeque::new());
        Self { index: wire.queues.len() - 1, ..self.clone() }
    }

    /// From now on each frame takes this long.
    pub(crate) fn set_delay(&self, delay: Duration) {
        self.wire.borrow_mut().delay = delay;
    }

    /// From now on this many of a hundred frames are lost, at random.
    pub(crate) fn set_loss(&self, percent: u32, seed: u64) {
        let mut wire = self.wire.borrow_mut();
        (wire.loss_percent, wire.rng) = (percent, Rng::new(seed));
    }

    /// When the next frame is here.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.wire.borrow().queues[self.index].front().map(|&(at, _)| at)
    }

    /// Sends a frame made by hand.
    pub(crate) fn send(&self, now: Instant, frame: &[u8]) {
        let mut wire = self.wire.borrow_mut();
        wire.sent.push((self.index, frame.to_vec()));
        let lost = wire.rng.below(100) < wire.loss_percent;
        let at = now + wire.delay;
        if lost {
            return;
        }
        for (index, queue) in wire.queues.iter_mut().enumerate() {
            if index != self.index {
                queue.push_back((at, frame.to_vec()));
            }
        }
    }

    /// Takes the next frame that has arrived.
    pub(crate) fn take(&self, now: Instant) -> Option<Vec<u8>> {
        let queue = &mut self.wire.borrow_mut().queues[self.index];
        queue.front().filter(|(at, _)| *at <= now)?;
        queue.pop_front().map(|(_, frame)| frame)
    }

    /// The frames that this port has sent since the last call, whether they arrived or not.
    pub(crate) fn take_sent(&self) -> Vec<Vec<u8>> {
        let mut wire = self.wire.borrow_mut();
        let (mine, others) =
            std::mem::take(&mut wire.sent).into_iter().partition(|(port, _)| *port == self.index);
        wire.sent = others;
        let mine: Vec<(usize, Vec<u8>)> = mine;
        mine.into_iter().map(|(_, frame)| frame).collect()
    }
}

pub(crate) struct RxToken(Vec<u8>);

impl phy::RxToken for RxToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

pub(crate) struct TxToken(Port, Instant);

impl phy::TxToken for TxToken {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.send(self.1, &frame);
        result
    }
}

impl phy::Device for Port {
    type RxToken<'a> = RxToken;
    type TxToken<'a> = TxToken;

    fn receive(&mut self, now: Instant) -> Option<(RxToken, TxToken)> {
        let frame = self.take(now)?;
        Some((RxToken(frame), TxToken(self.clone(), now)))
    }

    fn transmit(&mut self, now: Instant) -> Option<TxToken> {
        Some(TxToken(self.clone(), now))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = self.medium;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}
