//! A machine of a fleet while it has power: a coroutine whose locals are the machine's RAM.
//!
//! The firmware borrows its memory for as long as it runs, and a fleet's boards come and go one by one. So each boot is
//! a future of its own: it owns the memory and what borrows it, does one turn each time that it is resumed, and a power cut
//! is that it is dropped, with all it had. It waits for nothing but its next turn; what goes in and comes out is in a
//! [`Mailbox`], and nothing in it is ever woken.
//!
//! **Cost.** The buffers are zeroed memory of the system's, of which a page is used when a connection first uses it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use smoltcp::time::Instant;
use tapboard_firmware::config::{DATAGRAM_SIZE, REQUESTS, SUPERFRAME_DATA, TCP_SLOTS, UDP_SLOTS};
use tapboard_firmware::netstat::Counters;
use tapboard_firmware::service::{ServiceConfig, Services, Target, Token};
use tapboard_firmware::{Backlog, BoardSockets, Buffers, Firmware};

use super::nic::{MachineNic, Spare};
use crate::board::VirtualBoard;
use crate::buffers::Zeroed;
use crate::identity::Identity;
use crate::run::Profile;

/// Bytes of each buffer of profile `mcu`.
const MCU: usize = 2048;
/// Bytes of each UDP buffer of profile `large`.
const LARGE_DATAGRAMS: usize = 16 * 1024;

/// What a machine is asked to do in its next turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ask {
    /// To look at its frames and its time.
    #[default]
    Poll,
    /// To hear that its cable is in again.
    LinkUp,
    /// To close every connection in order.
    Shutdown,
    /// To reset what is left.
    Abort,
    /// To tell its counters.
    Count,
}

/// What goes into a machine, and what comes out.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) now: Cell<Instant>,
    pub(super) ask: Cell<Ask>,
    pub(super) nic: RefCell<MachineNic>,
    /// When it wants its next turn though nothing has arrived.
    pub(super) next: Cell<Option<Instant>>,
    /// It has pulled its reset line.
    pub(super) reset: Cell<bool>,
    /// Nothing is left to close.
    pub(super) idle: Cell<bool>,
    pub(super) counters: Cell<Counters>,
}

impl Mailbox {
    pub(super) fn new(now: Instant, spare: Spare) -> Rc<Self> {
        Rc::new(Self {
            now: Cell::new(now),
            ask: Cell::default(),
            nic: RefCell::new(MachineNic::new(spare)),
            next: Cell::new(None),
            reset: Cell::new(false),
            idle: Cell::new(false),
            counters: Cell::default(),
        })
    }
}

/// A machine that has power.
pub(super) struct Running {
    task: RefCell<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Running {
    pub(super) fn new(task: impl Future<Output = ()> + 'static) -> Self {
        Self { task: RefCell::new(Box::pin(task)) }
    }

    /// One turn.
    pub(super) fn resume(&self) {
        let mut context = Context::from_waker(Waker::noop());
        let ended = self.task.borrow_mut().as_mut().poll(&mut context).is_ready();
        debug_assert!(!ended, "a machine runs until its power is cut");
    }
}

/// Ends a turn: the next begins here.
pub(super) async fn next_turn() {
    let mut over = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut over, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// What all boards of a fleet are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct BoardConfig {
    pub(super) profile: Profile,
    pub(super) telemetry: Option<Target>,
    pub(super) token: Option<Token>,
}

/// A board that boots with this entropy.
pub(super) fn board(
    identity: &Identity,
    config: BoardConfig,
    entropy: u64,
    mailbox: Rc<Mailbox>,
) -> Running {
    let identity = identity.clone();
    match config.profile {
        Profile::Mcu => {
            Running::new(boot::<MCU, DATAGRAM_SIZE>(identity, config, entropy, mailbox))
        }
        Profile::Large => Running::new(boot::<SUPERFRAME_DATA, LARGE_DATAGRAMS>(
            identity, config, entropy, mailbox,
        )),
    }
}

async fn boot<const BUFFER: usize, const DATAGRAMS: usize>(
    identity: Identity,
    config: BoardConfig,
    entropy: u64,
    mailbox: Rc<Mailbox>,
) {
    let mut tcp = Zeroed::<BUFFER>::new(TCP_SLOTS);
    let mut udp = Zeroed::<DATAGRAMS>::new(UDP_SLOTS);
    let (mut backlog, mut sockets) = (Backlog::<REQUESTS>::new(), BoardSockets::new());
    let buffers = Buffers { tcp: tcp.pairs(), udp: udp.pairs(), backlog: (&mut backlog).into() };
    let now = mailbox.now.get();
    let services = ServiceConfig { name: identity.name.clone(), telemetry: config.telemetry };
    let mut services = Services::new(services, 0, now);
    services.set_token(config.token);
    let hardware = VirtualBoard::new(entropy);
    let firmware = {
        let device = &mut *mailbox.nic.borrow_mut();
        Firmware::with_services(
            &identity.net,
            services,
            hardware,
            device,
            now,
            buffers,
            &mut sockets,
        )
    };
    let mut firmware = firmware.expect("the hardware has entropy");
    loop {
        match mailbox.ask.take() {
            Ask::Poll => {}
            Ask::LinkUp => firmware.link_up(),
            Ask::Shutdown => firmware.shutdown(),
            Ask::Abort => firmware.stack_mut().abort_all(),
            Ask::Count => {
                mailbox.counters.set(*firmware.stack().counters());
                next_turn().await;
                continue;
            }
        }
        mailbox.next.set(firmware.poll(mailbox.now.get(), &mut *mailbox.nic.borrow_mut()));
        mailbox.reset.set(firmware.board().reset_requested());
        mailbox.idle.set(firmware.stack().idle());
        next_turn().await;
    }
}
