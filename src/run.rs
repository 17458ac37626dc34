//! The real-time driver: polls the board, then sleeps until its deadline or until something is ready.
//!
//! There is one loop for every NIC, and for every [`Endpoint`]: the firmware here, a board in another process, or a fleet
//! of boards. With nothing to do it sleeps in the kernel, and what wakes it is a frame, a kernel socket, a
//! signal or a timer that some part named. In the midst of traffic it may look for the next event for some
//! microseconds before it sleeps: see `sleep` and `busy_poll`.
//! The first Ctrl-C or SIGTERM closes every connection in order, for at most half a second, then resets what
//! is left; the second ends the process at once.

mod busy_poll;
mod control;
mod endpoint;
mod memory;
mod nic;
mod options;
mod power_cycle;
mod session;
mod sleep;
#[cfg_attr(not(target_os = "linux"), path = "run/no_timer.rs")]
mod timer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::{Registry, Waker};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::NetStack;
use tapboard_firmware::config::{LISTENERS, SERVICES, TCP_SLOTS};
use tapboard_firmware::service::command::Commands;
use tapboard_firmware::service::{Service, ServiceConfig, Services};

use self::endpoint::Booted;
pub use self::endpoint::Endpoint;
use self::memory::BoardMemory;
use self::nic::WAKE;
pub use self::nic::{ENDPOINT, NIC, Nic};
pub use self::options::{Profile, RunOptions};
use self::power_cycle::{BootEnd, PowerCycle};
use self::session::Session;
use self::sleep::Sleeper;
use crate::board::SimBoard;
use crate::clock::RealClock;
use crate::console::{CommandSource, Console};
use crate::identity::Identity;
use crate::link::LinkOptions;
use crate::metrics::Metrics;
use crate::nic::impairment::{Impairment, Observer, Watch};
use crate::output::say;
use crate::settings::Chosen;
use crate::snapshot::BoardKind;
use crate::tui::{self, Dashboard};

/// The loop in real time, with its clock: [`run`](Self::run) runs a board until Ctrl-C or SIGTERM, which it catches
/// from its creation on.
#[expect(missing_debug_implementations, reason = "an observer has none")]
pub struct Driver {
    sleeper: Sleeper,
    waker: Arc<Waker>,
    stop: Arc<AtomicBool>,
    clock: RealClock,
    /// Sees every frame, once it runs.
    capture: Option<Box<dyn Observer>>,
    metrics: Option<Metrics>,
}

impl Driver {
    /// A driver that listens for Ctrl-C and SIGTERM from now on, of which a process has one. Without the feature `cli`
    /// it does not: see [`stop_handle`](Self::stop_handle).
    pub fn new() -> Result<Self, String> {
        let driver = Self::without_signals()?;
        #[cfg(feature = "cli")]
        {
            let handle = driver.stop_handle();
            let handler = move || {
                if handle.is_stopped() {
                    tui::restore();
                    crate::console::restore();
                    // 128 + SIGINT, as a shell reports it.
                    std::process::exit(130);
                }
                handle.stop();
            };
            ctrlc::set_handler(handler).map_err(|error| format!("cannot catch Ctrl-C: {error}"))?;
        }
        Ok(driver)
    }

    /// A driver that leaves signals alone, of which a process may have many: a test's. Its
    /// [`stop_handle`](Self::stop_handle), or `quit` in a script, ends it.
    pub fn without_signals() -> Result<Self, String> {
        let clock = RealClock::new();
        let sleeper =
            Sleeper::new(clock).map_err(|error| format!("cannot wait for events: {error}"))?;
        let waker = Waker::new(sleeper.registry(), WAKE)
            .map_err(|error| format!("cannot wait for signals: {error}"))?;
        let waker = Arc::new(waker);
        let stop = Arc::new(AtomicBool::new(false));
        Ok(Self { sleeper, waker, stop, clock, capture: None, metrics: None })
    }

    /// What ends the run from another thread.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle { waker: Arc::clone(&self.waker), stop: Arc::clone(&self.stop) }
    }

    /// In the midst of traffic, looks for the next event for up to `limit` before it sleeps.
    pub fn busy_poll(&mut self, limit: Duration) {
        self.sleeper.busy_poll(limit);
    }

    /// Opens the capture that the options ask for, listens for who wants metrics, and sees that there is a terminal
    /// for a dashboard: before anything is up, for all may fail.
    pub fn open(&mut self, options: &RunOptions) -> Result<(), String> {
        if options.dashboard {
            tui::prepare()?;
        }
        // Before the capture, so that no file is replaced in vain.
        let open = |address| Metrics::open(address, self.registry()?);
        self.metrics = options.metrics.map(open).transpose()?;
        self.capture(options)
    }

    /// Opens the capture. One on standard output that nobody reads any more ends the run in order.
    fn capture(&mut self, options: &RunOptions) -> Result<(), String> {
        let Some(path) = &options.pcap else { return Ok(()) };
        let epoch = self.clock.epoch();
        self.capture = Some(if options.captures_to_stdout() {
            let handle = self.stop_handle();
            control::capture_to_stdout(epoch, move || handle.stop())?
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

    /// Runs the board, through any number of resets, until a signal or `quit` ends it. Telemetry goes to
    /// `telemetry` unless the options say otherwise.
    pub fn run<N: Nic>(
        self,
        identity: &Identity,
        options: &RunOptions,
        telemetry: SocketAddr,
        nic: &mut N,
    ) -> Result<(), String> {
        self.run_slots::<N, _, _, TCP_SLOTS>(identity, options, telemetry, nic, || ((), ()), true)
    }

    /// As [`Driver::run`], with commands of one's own in the shell, and services of one's own on the board, beside
    /// the firmware's. `own` makes them anew for each boot, as a reset does on a chip; `()` is none. The board has a
    /// slot more for each port that they may listen on, so that they take none from the firmware's.
    pub fn run_with<N, C, V>(
        self,
        identity: &Identity,
        options: &RunOptions,
        telemetry: SocketAddr,
        nic: &mut N,
        own: impl FnMut() -> (C, V),
    ) -> Result<(), String>
    where
        N: Nic,
        C: Commands<SimBoard>,
        V: for<'a> Service<NetStack<'a>, SimBoard>,
    {
        const SLOTS: usize = TCP_SLOTS + LISTENERS - SERVICES;
        self.run_slots::<N, C, V, SLOTS>(identity, options, telemetry, nic, own, false)
    }

    fn run_slots<N, C, V, const SLOTS: usize>(
        mut self,
        identity: &Identity,
        options: &RunOptions,
        telemetry: SocketAddr,
        nic: &mut N,
        mut own: impl FnMut() -> (C, V),
        alone: bool,
    ) -> Result<(), String>
    where
        N: Nic,
        C: Commands<SimBoard>,
        V: for<'a> Service<NetStack<'a>, SimBoard>,
    {
        let choose = || Chosen::read(identity, options.telemetry, options.settings.as_ref());
        let mut chosen = choose()?;
        let address = chosen.telemetry.destination(telemetry).and_then(|to| to.address());
        let name = format!("{} {}", chosen.identity.name, chosen.identity.ipv4().address());
        let mut session = self.session(options, name, &chosen.identity, address)?;
        session.offloads = options.offloads.complete();
        let who = |nic| if nic { "NIC" } else { "firmware" };
        log::info!("the {} does the checksums of TCP and UDP", who(session.offloads.checksum));
        log::info!("the {} makes TCP's segments", who(session.offloads.segmentation));
        loop {
            let mut memory = BoardMemory::<SLOTS>::new(options.profile);
            let now = self.clock.now();
            chosen.tell();
            let Chosen { identity, settings, .. } = chosen;
            let telemetry = chosen.telemetry.destination(telemetry);
            let config = ServiceConfig { name: identity.name.clone(), telemetry };
            let (commands, beside) = own();
            let mut stock = Services::with_commands(config, 0, now, commands);
            stock.set_token(options.token);
            let services = (stock, beside);
            let board = SimBoard::new().with_settings(settings);
            let firmware = memory.boot(&identity, board, services, &mut session.mac(nic), now)?;
            // Services of one's own may connect too.
            let only = telemetry.filter(|_| alone);
            let mut booted = Booted {
                firmware,
                telemetry: only,
                told: None,
                told_ipv6: None,
                label: None,
                trouble: None,
            };
            if self.power_cycle(&mut booted, nic, &mut session)? == BootEnd::Stopped {
                session.dashboard = None;
                print_summary(&booted, nic);
                return Ok(());
            }
            chosen = choose()?;
            if chosen.identity != identity {
                nic.moved(&chosen.identity);
            }
        }
    }

    /// Runs `endpoint` in place of the board until a signal or `quit` ends it. Its telemetry goes to `telemetry`.
    pub fn run_endpoint<N: Nic, E: Endpoint>(
        mut self,
        options: &RunOptions,
        telemetry: SocketAddr,
        endpoint: &mut E,
        nic: &mut N,
    ) -> Result<(), String> {
        let identity = Identity::default();
        let kind = endpoint.snapshot().kind;
        let mut session = self.session(options, kind.name().into(), &identity, Some(telemetry))?;
        if kind == BoardKind::Fleet {
            session.console.completes_boards();
        }
        self.power_cycle(endpoint, nic, &mut session)?;
        session.dashboard = None;
        print_summary(endpoint, nic);
        Ok(())
    }

    /// The cable that the options ask for, with what watches it, and the console or the dashboard. `identity` is who
    /// is drawn as the board, `name` what it is called.
    fn session(
        &mut self,
        options: &RunOptions,
        name: String,
        identity: &Identity,
        telemetry: Option<SocketAddr>,
    ) -> Result<Session, String> {
        if let Some(url) = self.metrics.as_ref().and_then(Metrics::url) {
            say!("  curl {url:<25} # what is counted, for Prometheus");
        }
        let mut impairment = impairment(&options.link)?;
        let seed_shown = control::show_seed(impairment.link());
        impairment.watch(Watch::Capture, self.capture.take());
        if options.ladder {
            impairment.watch(Watch::Ladder, Some(control::ladder(identity, telemetry)));
        }
        // The dashboard has the keys.
        let typed = if options.dashboard { CommandSource::None } else { CommandSource::Stdin };
        let source = options.script.clone().map_or(typed, CommandSource::Script);
        match source {
            CommandSource::Stdin => {
                say!("\nHere, `unplug` pulls the cable and `help` lists the rest; Ctrl-C ends it.");
            }
            CommandSource::Script(_) | CommandSource::None => say!("\nCtrl-C ends it."),
        }
        let waker = Arc::clone(&self.waker);
        let wake = move || drop(waker.wake());
        let console = Console::open(&source, wake.clone())?;
        let now = self.clock.now();
        let mut session = Session::new(impairment, console, now);
        session.metrics = self.metrics.take();
        session.seed_shown = seed_shown;
        if options.dashboard {
            let dashboard = Dashboard::open(name, identity.addresses(), now, wake)?;
            session.impairment.watch(Watch::Dashboard, Some(dashboard.observer()));
            session.dashboard = Some(dashboard);
        }
        Ok(session)
    }

    /// Runs one boot of `endpoint` to its end.
    fn power_cycle<N: Nic, E: Endpoint>(
        &mut self,
        endpoint: &mut E,
        nic: &mut N,
        session: &mut Session,
    ) -> Result<BootEnd, String> {
        let Self { sleeper, clock, stop, .. } = self;
        PowerCycle { sleeper, clock: *clock, stop, session, endpoint, nic }.run()
    }
}

/// Ends a [`Driver`]'s run in order, as Ctrl-C does, from any thread.
#[derive(Clone, Debug)]
pub struct StopHandle {
    waker: Arc<Waker>,
    stop: Arc<AtomicBool>,
}

impl StopHandle {
    /// Lets the run end: it closes every connection, for at most half a second, and returns.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = self.waker.wake();
    }

    /// Whether somebody has stopped it.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
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

fn print_summary<N: Nic, E: Endpoint>(endpoint: &E, nic: &N) {
    say!("{}", endpoint.summary());
    let summary = nic.summary();
    if !summary.is_empty() {
        say!("{summary}");
    }
}
