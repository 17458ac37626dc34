//! The real-time driver: polls the board, then sleeps until its deadline or until something is ready.
//!
//! There is one loop for every NIC, and for every [`Endpoint`]: the firmware here, or a board in another
//! process. With nothing to do it sleeps in the kernel, and what wakes it is a frame, a kernel socket, a
//! signal or a timer that some part named. In the midst of traffic it may look for the next event for some
//! microseconds before it sleeps: see `sleep` and `busy_poll`.
//! The first Ctrl-C or SIGTERM closes every connection in order, for at most half a second, then resets what
//! is left; the second ends the process at once.

mod busy_poll;
mod control;
mod endpoint;
mod options;
mod sleep;
#[cfg_attr(not(target_os = "linux"), path = "run/no_timer.rs")]
mod timer;
mod traffic;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::event::Event;
use mio::{Events, Registry, Token, Waker};
use smoltcp::phy::Device;
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::config::{LISTENERS, RESERVE, SERVICES, TCP_SLOTS, UDP_SLOTS};
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{Firmware, LargeStorageOf, McuStorageOf, NetStack, Sockets};

use self::control::ConsoleStep;
use self::endpoint::Booted;
pub use self::endpoint::{Endpoint, OwnServices};
pub use self::options::{Profile, RunOptions, Telemetry};
use self::sleep::{Sleeper, Until};
use self::traffic::Meter;
pub use self::traffic::Traffic;
use crate::board::SimBoard;
use crate::clock::RealClock;
use crate::console::{self, CommandSource, Console};
use crate::identity::Identity;
use crate::link::LinkOptions;
use crate::nic::Offloads;
use crate::nic::impairment::{Impairment, Observer, Watch};
use crate::nic::mac::Mac;
use crate::output::say;

/// How long connections may take to close in order at the end.
const CLOSE: Duration = Duration::from_millis(500);
/// How long the resets of the rest may take.
const RESET: Duration = Duration::from_millis(100);

const WAKE: Token = Token(0);
/// The token of a [`Endpoint`].
pub const ENDPOINT: Token = Token(1);
/// The first token a [`Nic`] may use for itself.
pub const NIC: Token = Token(2);

/// A NIC that real time drives, with whatever stands behind it.
pub trait Nic {
    /// The board's device.
    type Device<'a>: Device
    where
        Self: 'a;

    /// The board's device, for one poll.
    fn device(&mut self) -> Self::Device<'_>;

    /// Notes that a source registered under a token from [`NIC`] on is ready.
    fn ready(&mut self, event: &Event);

    /// Runs what stands behind the NIC after the board was polled. Returns when it, or the board because
    /// of it, has something to do again: `now` if a frame waits for the board.
    fn turn(&mut self, now: Instant) -> Result<Option<Instant>, String>;

    /// Leaves `offloads` to the NIC from now on, as far as it can; returns what it does. What it does not do of the
    /// checksums, the board's MAC does.
    fn set_offloads(&mut self, _offloads: Offloads) -> Offloads {
        Offloads::NONE
    }

    /// Whether the NIC itself is up.
    fn link(&self) -> bool {
        true
    }

    /// Shows the other end that the cable was taken out or put in; its frames are dropped in any case.
    fn plug(&mut self, _plugged: bool) {}

    /// What else is to be said when the cable is taken out.
    fn unplugged(&self) -> Option<&'static str> {
        None
    }

    /// Learns whether the other end works at the same time as we do, on another core.
    fn set_concurrent(&mut self, _concurrent: bool) {}

    /// Whether what stands behind the NIC has passed on all that the board gave it.
    fn idle(&self) -> bool {
        true
    }

    /// Breaks off what stands behind the NIC, in a way that nobody can take for an orderly end.
    fn abort(&mut self) {}

    /// What to print at the end, beside the board's counters.
    fn summary(&self) -> String;
}

/// Ctrl-C and SIGTERM, as the driver sees them.
#[expect(missing_debug_implementations, reason = "an observer has none")]
pub struct Driver {
    sleeper: Sleeper,
    waker: Arc<Waker>,
    stop: Arc<AtomicBool>,
    clock: RealClock,
    /// Where every frame goes, once it runs.
    capture: Option<Box<dyn Observer>>,
}

impl Driver {
    /// A driver that listens for signals from now on.
    pub fn new() -> Result<Self, String> {
        let clock = RealClock::new();
        let sleeper =
            Sleeper::new(clock).map_err(|error| format!("cannot wait for events: {error}"))?;
        let waker = Waker::new(sleeper.registry(), WAKE)
            .map_err(|error| format!("cannot wait for signals: {error}"))?;
        let waker = Arc::new(waker);
        let wake = Arc::clone(&waker);
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let handler = move || {
            if flag.swap(true, Ordering::SeqCst) {
                console::restore();
                // 128 + SIGINT, as a shell reports it.
                std::process::exit(130);
            }
            let _ = wake.wake();
        };
        ctrlc::set_handler(handler).map_err(|error| format!("cannot catch Ctrl-C: {error}"))?;
        Ok(Self { sleeper, waker, stop, clock, capture: None })
    }

    /// In the midst of traffic, looks for the next event for up to `limit` before it sleeps.
    pub fn busy_poll(&mut self, limit: Duration) {
        self.sleeper.busy_poll(limit);
    }

    /// Opens the capture that the options ask for: before anything is up, for it may fail. One on standard
    /// output that nobody reads any more ends the run in order.
    pub fn capture(&mut self, options: &RunOptions) -> Result<(), String> {
        let Some(path) = &options.pcap else { return Ok(()) };
        let epoch = self.clock.epoch();
        self.capture = Some(if options.captures_to_stdout() {
            let (stop, waker) = (Arc::clone(&self.stop), Arc::clone(&self.waker));
            control::capture_to_stdout(epoch, move || {
                stop.store(true, Ordering::SeqCst);
                let _ = waker.wake();
            })?
        } else {
            control::capture(path, epoch)?
        });
        Ok(())
    }

    /// Where NICs register what they wait for.
    pub fn registry(&self) -> Result<Registry, String> {
        self.sleeper
            .registry()
            .try_clone()
            .map_err(|error| format!("cannot watch sockets: {error}"))
    }

    /// The driver's time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Runs the board, through any number of resets, until a signal ends it. Telemetry goes to
    /// `telemetry` unless the options say otherwise.
    pub fn run<N: Nic>(
        self,
        identity: &Identity,
        options: &RunOptions,
        telemetry: SocketAddr,
        nic: &mut N,
    ) -> Result<(), String> {
        let own = || |_: Instant, _: &mut NetStack<'_>, _: &mut SimBoard| None;
        self.run_slots::<N, _, TCP_SLOTS>(identity, options, telemetry, nic, own, true)
    }

    /// As [`Driver::run`], with services of one's own on the board, beside the firmware's. `own` makes them
    /// anew for each boot, as a reset does on a chip. The board has a slot more for each port that they may
    /// listen on, so that they take none from the firmware's.
    pub fn run_with<N: Nic, O: OwnServices>(
        self,
        identity: &Identity,
        options: &RunOptions,
        telemetry: SocketAddr,
        nic: &mut N,
        own: impl FnMut() -> O,
    ) -> Result<(), String> {
        const SLOTS: usize = TCP_SLOTS + (LISTENERS - SERVICES) * RESERVE;
        self.run_slots::<N, O, SLOTS>(identity, options, telemetry, nic, own, false)
    }

    fn run_slots<N: Nic, O: OwnServices, const SLOTS: usize>(
        mut self,
        identity: &Identity,
        options: &RunOptions,
        telemetry: SocketAddr,
        nic: &mut N,
        mut own: impl FnMut() -> O,
        alone: bool,
    ) -> Result<(), String> {
        let telemetry = options.telemetry.destination(telemetry);
        let mut session = self.session(options, identity, telemetry)?;
        session.offloads = options.offloads.complete();
        let who = |nic| if nic { "NIC" } else { "firmware" };
        log::info!("the {} does the checksums of TCP and UDP", who(session.offloads.checksum));
        log::info!("the {} makes TCP's segments", who(session.offloads.segmentation));
        loop {
            let mut memory = BoardMemory::<SLOTS>::new(options.profile);
            let firmware = memory.boot(identity, telemetry, nic, &session, self.clock.now())?;
            // Services of one's own may connect too.
            let only = telemetry.filter(|_| alone);
            let mut booted = Booted { firmware, own: own(), telemetry: only };
            if self.power_cycle(&mut booted, nic, &mut session)? == End::Stopped {
                print_summary(&booted, nic);
                return Ok(());
            }
        }
    }

    /// Runs with `endpoint` in place of the board until a signal ends it. Its telemetry goes to `telemetry`.
    pub fn run_endpoint<N: Nic, S: Endpoint>(
        mut self,
        options: &RunOptions,
        telemetry: SocketAddr,
        endpoint: &mut S,
        nic: &mut N,
    ) -> Result<(), String> {
        let mut session = self.session(options, &Identity::default(), Some(telemetry))?;
        self.power_cycle(endpoint, nic, &mut session)?;
        print_summary(endpoint, nic);
        Ok(())
    }

    /// The cable that the options ask for, with what watches it, and the console. `identity` is who is drawn as
    /// the board.
    fn session(
        &mut self,
        options: &RunOptions,
        identity: &Identity,
        telemetry: Option<SocketAddr>,
    ) -> Result<Session, String> {
        let mut impairment = impairment(&options.link)?;
        let seed_shown = control::show_seed(impairment.link());
        impairment.watch(Watch::Capture, self.capture.take());
        if options.ladder {
            impairment.watch(Watch::Ladder, Some(control::ladder(identity, telemetry)));
        }
        let source = options.script.clone().map_or(CommandSource::Stdin, CommandSource::Script);
        match source {
            CommandSource::Stdin => {
                say!("\nHere, `unplug` pulls the cable and `help` lists the rest; Ctrl-C ends it.");
            }
            CommandSource::Script(_) | CommandSource::None => say!("\nCtrl-C ends it."),
        }
        let waker = Arc::clone(&self.waker);
        let console = Console::open(&source, move || drop(waker.wake()))?;
        let meter = Meter::new(self.clock.now());
        Ok(Session { impairment, console, offloads: Offloads::NONE, seed_shown, meter })
    }

    /// Runs one boot of the board to its end.
    fn power_cycle<N: Nic, S: Endpoint>(
        &mut self,
        endpoint: &mut S,
        nic: &mut N,
        session: &mut Session,
    ) -> Result<End, String> {
        let mut events = Events::with_capacity(256);
        let mut closing = Closing::No;
        let mut link = true;
        session.meter = Meter::new(self.clock.now());
        loop {
            let now = self.clock.now();
            if closing == Closing::No && self.stop.load(Ordering::SeqCst) {
                endpoint.shutdown();
                closing = Closing::InOrder { until: now + CLOSE };
            }
            let at = (now, self.clock.epoch());
            let asked = match control::turn(session, endpoint, nic, at) {
                ConsoleStep::Next(next) => next,
                ConsoleStep::Quit => {
                    self.stop.store(true, Ordering::SeqCst);
                    Some(now)
                }
            };
            // At once: what has its power cut answers nobody any more.
            if endpoint.reset_requested() {
                return Ok(End::Reset);
            }
            let was =
                std::mem::replace(&mut link, nic.link() && session.impairment.link().plugged());
            if link && !was {
                endpoint.link_up();
            }
            let board = {
                let done = session.set_offloads(nic);
                let mut device = session.impairment.behind(nic.device());
                device.pump(now);
                endpoint.poll(now, &mut Mac::new(device, session.offloads, done))
            };
            let behind = nic.turn(now)?;
            let under_way = session.impairment.next_event(now);
            if endpoint.reset_requested() {
                return Ok(End::Reset);
            }
            let due = [behind, under_way].into_iter().flatten().any(|at| at <= now);
            let idle = endpoint.idle() && nic.idle() && !due;
            let limit = match closing {
                Closing::No => None,
                Closing::InOrder { .. } | Closing::Reset { .. } if idle => return Ok(End::Stopped),
                Closing::InOrder { until } if now >= until => {
                    endpoint.abort();
                    nic.abort();
                    closing = Closing::Reset { until: now + RESET };
                    Some(now)
                }
                Closing::Reset { until } if now >= until => return Ok(End::Stopped),
                Closing::InOrder { until } | Closing::Reset { until } => Some(until),
            };
            let coarse = [board, behind, limit, asked].into_iter().flatten().min();
            let until = Until { exact: under_way, coarse };
            self.sleeper
                .wait(&mut events, now, until)
                .map_err(|error| format!("cannot wait for events: {error}"))?;
            nic.set_concurrent(self.sleeper.concurrent());
            for event in &events {
                match event.token() {
                    WAKE | sleep::TIMER => {}
                    ENDPOINT => endpoint.ready(),
                    _ => nic.ready(event),
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    InOrder { until: Instant },
    Reset { until: Instant },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Reset,
    Stopped,
}

/// What the user has a hand on while it runs.
struct Session {
    impairment: Impairment,
    console: Console,
    /// What the board leaves to its MAC.
    offloads: Offloads,
    /// The cable's seed was printed.
    seed_shown: bool,
    /// Of the traffic since the board's boot.
    meter: Meter,
}

impl Session {
    /// Passes on to the NIC what the board leaves to its MAC, but for the checksums while the cable changes or shows
    /// anything; returns what the NIC does.
    fn set_offloads<N: Nic>(&self, nic: &mut N) -> Offloads {
        let checksum = self.offloads.checksum && self.impairment.bare();
        nic.set_offloads(Offloads { checksum, ..self.offloads })
    }
}

/// A cable with these faults.
fn impairment(options: &LinkOptions) -> Result<Impairment, String> {
    let seed = match options.seed {
        Some(seed) => seed,
        None => getrandom::u32().map_err(|error| format!("no entropy: {error}"))?.into(),
    };
    Ok(Impairment::new(options.link(seed)))
}

/// The board's RAM, gone with each power-cycle.
enum BoardMemory<'a, const SLOTS: usize> {
    Mcu(Box<McuStorageOf<SLOTS>>, Sockets<'a, SLOTS, UDP_SLOTS>),
    Large(Box<LargeStorageOf<SLOTS>>, Sockets<'a, SLOTS, UDP_SLOTS>),
}

impl<'a, const SLOTS: usize> BoardMemory<'a, SLOTS> {
    fn new(profile: Profile) -> Self {
        match profile {
            Profile::Mcu => Self::Mcu(Box::default(), Sockets::new()),
            Profile::Large => Self::Large(Box::default(), Sockets::new()),
        }
    }

    fn boot<N: Nic>(
        &'a mut self,
        identity: &Identity,
        telemetry: Option<SocketAddr>,
        nic: &mut N,
        session: &Session,
        now: Instant,
    ) -> Result<Firmware<'a, SimBoard>, String> {
        let Identity { net, name } = identity;
        let services = ServiceConfig { name: name.clone(), telemetry };
        let done = session.set_offloads(nic);
        let mut device = Mac::new(nic.device(), session.offloads, done);
        let board = SimBoard::new();
        match self {
            Self::Mcu(storage, sockets) => {
                Firmware::new(net, services, board, &mut device, now, &mut **storage, sockets)
            }
            Self::Large(storage, sockets) => {
                Firmware::new(net, services, board, &mut device, now, &mut **storage, sockets)
            }
        }
        .map_err(|error| error.to_string())
    }
}

fn print_summary<N: Nic, S: Endpoint>(endpoint: &S, nic: &N) {
    say!("{}", endpoint.summary());
    let summary = nic.summary();
    if !summary.is_empty() {
        say!("{summary}");
    }
}
