//! A fleet in virtual time: nothing is outside of its switch, and an hour takes as long as its frames do.
//!
//! Hosts on the same switch, one for every [`BOARDS_PER_HOST`] boards, collect their telemetry and ask them for echoes. At
//! the end each board that has had power and a healthy cable for [`SETTLED`] has to have been heard and to have echoed
//! lately. The same options, script and seed are the same run, frame for frame.

use std::cell::RefCell;
use std::rc::Rc;

use smoltcp::time::{Duration, Instant};
use tapboard_firmware::earliest;
use tapboard_firmware::rng::Rng;

use super::boards::Fleet;
use super::machine::BoardConfig;
use super::options::{BOARDS_PER_HOST, FleetOptions};
use super::visitor::{self, Notes, Seen};
use crate::clock::{RealClock, VirtualClock};
use crate::console::{CommandSource, Console, ConsoleCommand, Next};
use crate::link::Link;
use crate::nic::wire::{Side, Wire};
use crate::output::{counted, say};
use crate::run::Endpoint;
use crate::settings::Telemetry;
use crate::world::{Outcome, Step, drive};

/// The seed, unless one is given.
const SEED: u64 = 1;
/// After which time without a change a board has to be well.
const SETTLED: Duration = Duration::from_secs(15);
/// How long ago the last sign of a board that is well may be: the time from visit to visit, twice, and some.
const LATELY: Duration = Duration::from_secs(12);
/// Boards that are named when they are not well.
const NAMED: usize = 10;

/// A fleet, its hosts and what they have seen.
struct Simulation {
    fleet: Fleet,
    notes: Vec<Notes>,
    console: Console,
    telemetry: bool,
}

/// Runs the fleet for that time, or until its script says `quit`, and says what came of it.
pub(super) fn run(options: &FleetOptions, time: Duration) -> Result<(), String> {
    let real = RealClock::new();
    let mut simulation = Simulation::new(options)?;
    let now = simulation.run(time)?;
    say!("{}", simulation.fleet.summary());
    say!("{}", simulation.tell());
    say!(
        "{:.1} virtual s in {:.1} s",
        now.total_millis() as f64 / 1e3,
        real.now().total_millis() as f64 / 1e3
    );
    simulation.judge(now)
}

impl Simulation {
    fn new(options: &FleetOptions) -> Result<Self, String> {
        let seed = options.faults.seed.unwrap_or(SEED);
        let boards = options.boards as usize;
        let telemetry = options.run.telemetry != Telemetry::Off;
        let hosts: Vec<_> = options.hosts().collect();
        let addresses: Vec<_> = hosts.iter().map(|host| host.ipv4().address()).collect();
        let (profile, token) = (options.run.profile, options.run.token);
        let config = move |index: usize| {
            let to = (addresses[index / BOARDS_PER_HOST], visitor::TELEMETRY);
            let telemetry = telemetry.then(|| std::net::SocketAddr::from(to).into());
            BoardConfig { profile, telemetry, token }
        };
        let notes = |host: usize| {
            let of = host * BOARDS_PER_HOST..((host + 1) * BOARDS_PER_HOST).min(boards);
            Rc::new(RefCell::new(
                of.map(|index| Seen::new(&options.board(options.first + index as u32))).collect(),
            ))
        };
        let notes: Vec<Notes> = (0..hosts.len()).map(notes).collect();
        let cables = hosts.iter().map(|_| Link::new(seed));
        let (booting, seen, mut rng) = (hosts.clone(), notes.clone(), Rng::new(!seed));
        let boot = move |host: usize, mailbox| {
            visitor::host(booting[host].net, rng.next_u64(), Rc::clone(&seen[host]), mailbox)
        };
        let mut fleet = Fleet::new(options, config, seed, Instant::ZERO, cables, boot);
        fleet.network.uplink = false;
        for (index, host) in hosts.iter().enumerate() {
            fleet.network.switch.add(boards + index, host.net.mac(), host.addresses());
            fleet.network.power_on(boards + index, Instant::ZERO, Instant::ZERO);
        }
        let source = options.run.script.clone().map_or(CommandSource::None, CommandSource::Script);
        let console = Console::open(&source, || ())?;
        Ok(Self { fleet, notes, console, telemetry })
    }

    /// Runs for that time, or until the script says `quit`. Returns when it ended.
    fn run(&mut self, time: Duration) -> Result<Instant, String> {
        let mut clock = VirtualClock::new();
        let mut nowhere = Wire::default();
        let outcome = drive(&mut clock, Instant::ZERO + time, |now| {
            let mut next = None;
            match self.console.next(now) {
                Next::Command(ConsoleCommand::Quit) => return Step::Done,
                Next::Command(command) => {
                    self.carry_out(&command);
                    next = Some(now);
                }
                Next::Bad(text) => {
                    say!("{text}");
                    next = Some(now);
                }
                Next::At(at) => next = Some(at),
                // A script does not type.
                Next::Forwarded | Next::Idle | Next::Ended => {}
            }
            let due = self.fleet.turn(now, &mut nowhere.end(Side::Board));
            Step::Next(earliest(due, next))
        });
        match outcome {
            Outcome::Spinning => Err("the fleet spins: some machine never has enough".to_owned()),
            Outcome::Done | Outcome::Limit | Outcome::Quiet => Ok(clock.now()),
        }
    }

    fn carry_out(&mut self, command: &ConsoleCommand) {
        match command {
            ConsoleCommand::Boards(command) => self.fleet.boards(command),
            ConsoleCommand::Reset => self.fleet.reset(),
            ConsoleCommand::Stats => {
                for line in self.fleet.snapshot().lines() {
                    say!("{line}");
                }
            }
            _ => say!(
                "in virtual time a script can only name boards, `reset`, `stats`, `sleep` or `quit`"
            ),
        }
    }

    /// What the hosts have seen, in a line.
    fn tell(&self) -> String {
        let (mut reports, mut echoes, mut unanswered, mut heard, mut echoed) = (0, 0, 0, 0, 0);
        for seen in self.notes.iter().flat_map(|notes| notes.borrow().clone()) {
            reports += seen.reports;
            echoes += seen.echoes;
            unanswered += seen.unanswered;
            heard += u64::from(seen.reports > 0);
            echoed += u64::from(seen.echoes > 0);
        }
        format!(
            "hosts: {} from {}; {} from {}, {unanswered} not answered",
            counted(reports, "report"),
            counted(heard, "board"),
            counted(echoes, "echo").replace("echos", "echoes"),
            counted(echoed, "board"),
        )
    }

    /// An error that names the boards that are not well.
    fn judge(&self, now: Instant) -> Result<(), String> {
        let seen = self.notes.iter().flat_map(|notes| notes.borrow().clone()).enumerate();
        let complaints = seen.filter_map(|(index, seen)| {
            let settled = self.fleet.well_since(index).is_some_and(|since| since + SETTLED <= now);
            let lately = |at: Option<Instant>| at.is_some_and(|at| at + LATELY >= now);
            let why = match &seen.wrong {
                Some(wrong) => format!("said {wrong}"),
                None if !settled => return None,
                None if self.telemetry && !lately(seen.heard) => "was not heard".to_owned(),
                None if !lately(seen.echoed) => "did not echo".to_owned(),
                None => return None,
            };
            Some(format!("board {} {why}", self.fleet.number(index)))
        });
        let complaints: Vec<_> = complaints.collect();
        if complaints.is_empty() {
            return Ok(());
        }
        let named = complaints.iter().take(NAMED).cloned().collect::<Vec<_>>().join("\n");
        let boards = counted(complaints.len() as u64, "board");
        Err(format!("{boards} not well at the end, the first of them:\n{named}"))
    }
}
