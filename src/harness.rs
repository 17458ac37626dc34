//! The harness: any stack on a bad cable in virtual time, in a `#[test]`.
//!
//! [`check`] runs a test for each of some seeds. What it gives the test is a [`Run`], which makes networks whose cable
//! follows from the seed: a [`Testbed`](crate::testbed::Testbed), which is the firmware's stack at both ends, or a
//! [`Network`], whose [`Nic`]s are for anybody's stack, or a [`Switch`] with many of them. Faults stay ([`Cable::set`]), or
//! end with their scope ([`Cable::unplugged`], [`Cable::fault`]).
//!
//! ```
//! use embedded_nal::TcpClientStack;
//! use tapboard::harness;
//! use tapboard::testbed::{TestbedMemory, at};
//! use tapboard_firmware::service::{Service, echo::Echo};
//!
//! harness::check(0..5, |run| {
//!     let (mut memory, mut echo) = (TestbedMemory::default(), Echo::new());
//!     let mut net = run.testbed(&mut memory, |now, board| echo.poll(now, board, &mut ()));
//!     net.cable().set("loss 20%")?;
//!     let mut socket = net.host.socket()?;
//!     net.until(|host| host.connect(&mut socket, at(7)))?;
//!     let cable_is_out = net.cable().unplugged();
//!     net.send_all(&mut socket, b"hello")?;
//!     net.pass_secs(3);
//!     drop(cable_is_out);
//!     let mut buffer = [0; 5];
//!     let count = net.until(|host| host.receive(&mut socket, &mut buffer))?;
//!     assert_eq!(&buffer[..count], b"hello");
//!     Ok(())
//! });
//! ```
//!
//! **The same seed is the same run**, frame by frame and microsecond by microsecond, as long as the code under test does
//! not look at a clock or at chance of its own: [`Run::rng`] is chance that follows from the seed.
//!
//! **A test that fails**, by a panic or an error, leaves a directory behind with a report, a capture, a ladder and the
//! sockets of both ends, and says where it is and which command runs it again. They are in `tapboard` of the target
//! directory, or where the environment's `TAPBOARD_ARTIFACTS` says. With `TAPBOARD_SEED`, that seed alone is run.
//! Nothing of it needs the feature `cli`.

mod artifacts;
mod cable;
mod core;
mod flight;
mod network;
mod nic;
mod switch;

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::path::PathBuf;
use std::rc::Rc;

use tapboard_firmware::rng::Rng;

use self::artifacts::{Failure, SEED};
pub use self::cable::{Cable, Fault, Unplugged};
use self::flight::Flight;
pub use self::network::Network;
pub use self::nic::{Nic, RxToken, TxToken};
pub use self::switch::Switch;
pub use crate::link::{Link, Setting, Side};

/// What a test returns: an error is a failure, as a panic is.
pub type TestResult = Result<(), Box<dyn Error>>;

/// Runs `test` once for each of the seeds, or for the one in the environment's `TAPBOARD_SEED` alone.
///
/// # Panics
/// At the first seed for which it fails. Before that, all that is known of it is written; see the module's
/// documentation.
#[track_caller]
pub fn check(seeds: impl IntoIterator<Item = u64>, mut test: impl FnMut(&Run) -> TestResult) {
    let name = artifacts::test_name();
    let mut once = |seed| {
        let mut run = Run::new("", seed);
        (run.name, run.tested) = (name.clone(), true);
        if let Err(error) = test(&run) {
            panic!("{}", run.write(&error.to_string()));
        }
    };
    match std::env::var(SEED) {
        Ok(seed) => once(seed.parse().unwrap_or_else(|_| {
            panic!("{SEED}={seed} is not a number, as the report of a failure has it")
        })),
        Err(_) => seeds.into_iter().for_each(once),
    }
}

/// One seed of a test.
#[derive(Debug)]
pub struct Run {
    name: Option<String>,
    seed: u64,
    flights: RefCell<Vec<Rc<RefCell<Flight>>>>,
    /// All that is known was written.
    written: Cell<bool>,
    directory: PathBuf,
    /// A test runner knows it by its name.
    tested: bool,
}

impl Run {
    /// A run outside of [`check`], as in a program that shows something. It has a name for its artifacts.
    #[must_use]
    pub fn new(name: &str, seed: u64) -> Self {
        let (flights, written) = (RefCell::default(), Cell::new(false));
        let (name, directory) = (Some(name.into()), artifacts::directory());
        Self { name, seed, flights, written, directory, tested: false }
    }

    /// With artifacts in that directory.
    #[must_use]
    pub fn with_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// What all chance follows from.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Chance for the test itself, apart from the cable's.
    #[must_use]
    pub const fn rng(&self) -> Rng {
        // Any constant that sets them apart.
        Rng::new(self.seed ^ 0x7465_7374)
    }

    /// A network for two stacks, with a good cable whose faults to come follow from the seed.
    #[must_use]
    pub fn network(&self) -> Network {
        let mut flights = self.flights.borrow_mut();
        // A second cable of the same run has draws of its own.
        let network = Network::new(Link::new(self.seed.wrapping_add((flights.len() as u64) << 48)));
        network.flight.borrow_mut().owned = true;
        flights.push(Rc::clone(&network.flight));
        network
    }

    /// A switch with so many ports, for as many stacks; each has a cable of its own, whose faults to come follow from the
    /// seed and the port.
    #[must_use]
    pub fn switch(&self, ports: usize) -> Switch {
        Switch::new((0..ports).map(|_| self.network()))
    }

    /// Writes all that is known so far, as for a failure, because of `what`: a finding. Returns the report.
    pub fn write(&self, what: &str) -> String {
        self.written.set(true);
        let (name, seed) = (self.name.as_deref(), Some(self.seed));
        let failure = Failure { name, seed, what, tested: self.tested };
        failure.write(&self.directory, &self.flights.borrow())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.written.get() {
            eprintln!("{}", self.write("it panicked"));
        }
    }
}

#[cfg(test)]
mod tests;
