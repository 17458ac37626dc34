//! The boards of a fleet: what is done to some of them, and what they all add up to.

use std::cell::Cell;
use std::rc::Rc;

use smoltcp::phy::Device;
use smoltcp::time::Instant;
use tapboard_firmware::netstat::Counters;
use tapboard_firmware::rng::Rng;

use super::machine::{self, Ask, BoardConfig, Mailbox, Running};
use super::network::{Network, spread};
use super::options::FleetOptions;
use crate::console::{self, BoardSet, BoardsAction, BoardsCommand};
use crate::identity::{Identity, link_local};
use crate::link::Link;
use crate::nic::Stat;
use crate::output::{counted, say};
use crate::run::Endpoint;
use crate::snapshot::{BoardKind, BoardSnapshot, Traffic};

/// A fleet. Machines of the network from the number of boards on are others: hosts in virtual time.
pub(super) struct Fleet {
    pub(super) network: Network,
    first: u32,
    /// All boards, in the order in which a share takes them.
    drawn: Vec<usize>,
    /// Now, as of the last turn.
    now: Instant,
    /// What boots that are over have counted.
    past: Sum,
    boots: Rc<Cell<u64>>,
    cuts: u64,
    /// When something was last done to each.
    changed: Vec<Instant>,
}

/// Counters of many boots, added up.
#[derive(Clone, Debug, Default)]
struct Sum(Vec<(&'static str, u64)>);

impl Sum {
    fn add(&mut self, counters: &Counters) {
        for (index, (name, count)) in (0..).map_while(|index| counters.get(index)).enumerate() {
            match self.0.get_mut(index) {
                Some((_, sum)) => *sum = sum.wrapping_add(count),
                None => self.0.push((name, count)),
            }
        }
    }

    fn stats(&self) -> impl Iterator<Item = Stat> {
        let stat = |(index, &(name, sum)): (usize, &(&'static str, u64))| {
            Stat::count(name, Counters::help(index).unwrap_or_default().trim(), sum)
        };
        self.0.iter().enumerate().map(stat)
    }

    fn get(&self, name: &str) -> u64 {
        self.0.iter().find(|(known, _)| *known == name).map_or(0, |(_, sum)| *sum)
    }
}

impl Fleet {
    /// The fleet's boards, of which each gets power within the first second from `now`. `others` are the cables of
    /// further machines, which `boot_other` switches on. The entropy of board after board and boot after boot follows
    /// from `seed`.
    pub(super) fn new(
        options: &FleetOptions,
        config: impl Fn(usize) -> BoardConfig + 'static,
        seed: u64,
        now: Instant,
        others: impl Iterator<Item = Link>,
        mut boot_other: impl FnMut(usize, Rc<Mailbox>) -> Running + 'static,
    ) -> Self {
        let boards: Rc<[Identity]> =
            (0..options.boards).map(|index| options.board(options.first + index)).collect();
        let mut rng = Rng::new(seed);
        let links = boards.iter().map(|_| options.faults.link(rng.next_u64())).collect::<Vec<_>>();
        let mut drawn: Vec<usize> = (0..boards.len()).collect();
        for last in (1..drawn.len()).rev() {
            drawn.swap(last, rng.below(last as u32 + 1) as usize);
        }
        let boots = Rc::new(Cell::new(0));
        let (booting, booted) = (Rc::clone(&boards), Rc::clone(&boots));
        let boot = move |index: usize, mailbox| match booting.get(index) {
            Some(identity) => {
                booted.update(|boots: u64| boots + 1);
                machine::board(identity, config(index), rng.next_u64(), mailbox)
            }
            None => boot_other(index - booting.len(), mailbox),
        };
        let mut network = Network::new(links.into_iter().chain(others), Box::new(boot));
        for (index, board) in boards.iter().enumerate() {
            let mac = board.net.mac();
            network.switch.add(index, mac, board.addresses().chain([link_local(mac).into()]));
        }
        let mut fleet = Self {
            network,
            first: options.first,
            drawn,
            now,
            past: Sum::default(),
            boots,
            cuts: 0,
            changed: vec![now; boards.len()],
        };
        fleet.power_on(&(0..boards.len()).collect::<Vec<_>>());
        fleet
    }

    /// How many boards there are.
    pub(super) fn len(&self) -> usize {
        self.drawn.len()
    }

    /// How many of them have power.
    pub(super) fn up(&self) -> usize {
        (0..self.len()).filter(|&index| self.network.is_up(index)).count()
    }

    /// The number of a board.
    pub(super) fn number(&self, index: usize) -> u32 {
        self.first + index as u32
    }

    /// One turn of all of them. Returns when the next is due.
    pub(super) fn turn<D: Device>(&mut self, now: Instant, uplink: &mut D) -> Option<Instant> {
        self.now = now;
        let next = self.network.turn(now, uplink);
        let mut resets = self.network.take_resets();
        resets.retain(|index| *index < self.len());
        if resets.is_empty() {
            return next;
        }
        for &index in &resets {
            say!("fleet: board {} resets itself", self.number(index));
        }
        self.reset_boards(&resets);
        Some(now)
    }

    /// Since when a board has had power and a healthy cable, if it has.
    pub(super) fn well_since(&self, index: usize) -> Option<Instant> {
        let well = self.network.is_up(index) && self.network.link(index).transparent();
        well.then(|| self.changed[index])
    }

    fn power_on(&mut self, boards: &[usize]) {
        let off: Vec<_> =
            boards.iter().copied().filter(|&index| self.network.is_off(index)).collect();
        for (place, &index) in off.iter().enumerate() {
            self.network.power_on(index, spread(self.now, place, off.len()), self.now);
        }
    }

    fn power_off(&mut self, boards: &[usize]) {
        for &index in boards {
            if let Some(counted) = self.network.power_off(index) {
                self.past.add(&counted);
                self.cuts += 1;
            }
        }
    }

    /// Notes that something is done to them now.
    fn change(&mut self, boards: &[usize]) {
        for &index in boards {
            self.changed[index] = self.now;
        }
    }

    fn reset_boards(&mut self, boards: &[usize]) {
        self.power_off(boards);
        self.power_on(boards);
        self.change(boards);
    }

    /// Does that to those boards; returns what is to be said.
    pub(super) fn carry_out(&mut self, command: &BoardsCommand) -> Result<String, String> {
        let BoardsCommand { boards: set, action } = command;
        let boards = set.of(self.first, &self.drawn)?;
        self.change(&boards);
        let done = match action {
            BoardsAction::Power(true) => {
                self.power_on(&boards);
                "have power, or get it within a second".to_owned()
            }
            BoardsAction::Power(false) => {
                self.power_off(&boards);
                "have no power".to_owned()
            }
            BoardsAction::Reset => {
                self.reset_boards(&boards);
                "are reset".to_owned()
            }
            BoardsAction::Plug(plugged) => {
                for &index in &boards {
                    let link = self.network.link_mut(index);
                    let was = link.plugged();
                    link.plug(*plugged);
                    if *plugged && !was {
                        self.network.ask(index, Ask::LinkUp);
                    }
                }
                format!("have their cable {}", if *plugged { "in" } else { "out" })
            }
            BoardsAction::Fault { to, setting } => {
                for &index in &boards {
                    self.network.link_mut(index).set(*to, *setting);
                }
                format!("have {setting} on their cables")
            }
            BoardsAction::Heal => {
                for &index in &boards {
                    self.network.link_mut(index).heal();
                }
                "have healthy cables".to_owned()
            }
        };
        Ok(format!("fleet: boards {set} ({} of {}) {done}", boards.len(), self.len()))
    }

    /// What all boots of all boards have counted.
    fn sum(&self) -> Sum {
        let mut sum = self.past.clone();
        for index in 0..self.len() {
            if let Some(counters) = self.network.counters(index) {
                sum.add(&counters);
            }
        }
        sum
    }

    /// Frames that found no room within the switch.
    fn lost(&self) -> u64 {
        self.network.dropped + self.network.overrun() + self.network.trunks.dropped()
    }

    /// What is counted of the fleet itself.
    fn stats(&self) -> [Stat; 4] {
        [
            Stat::used("fleet_boards_up", "Boards that have power.", self.up(), self.len()),
            Stat::count("fleet_boots", "Boots of all boards.", self.boots.get()),
            Stat::count("fleet_power_cuts", "Boots that a power cut has ended.", self.cuts),
            Stat::count(
                "fleet_lost_frames",
                "Frames that found no room within the switch.",
                self.lost(),
            ),
        ]
    }

    /// What they all come to, in two lines.
    pub(super) fn tell(&self) -> String {
        let (up, sum) = (self.up(), self.sum());
        let get = |name| sum.get(name);
        let lost = self.lost();
        format!(
            "fleet: {}, {up} up; {}, {}; {} lost within the switch\n\
             boards: {} in, {} out; {} accepted, {} made; {} failed, {} in",
            counted(self.len() as u64, "board"),
            counted(self.boots.get(), "boot"),
            counted(self.cuts, "power cut"),
            counted(lost, "frame"),
            counted(get("frames_in"), "frame"),
            get("frames_out"),
            counted(get("passive_opens"), "connection"),
            get("active_opens"),
            counted(get("failed_connects"), "connect"),
            counted(get("resets_in"), "reset"),
        )
    }
}

/// What needs every board's word asks them one after the other.
impl Endpoint for Fleet {
    fn poll<D: Device>(&mut self, now: Instant, device: &mut D) -> Option<Instant> {
        self.turn(now, device)
    }

    fn ready(&mut self) {
        #[cfg(target_os = "linux")]
        self.network.trunks.ready();
    }

    fn shutdown(&mut self) {
        for index in 0..self.len() {
            if self.network.is_up(index) {
                self.network.ask(index, Ask::Shutdown);
            } else {
                // It comes up no more.
                self.network.power_off(index);
            }
        }
    }

    fn idle(&self) -> bool {
        self.network.idle()
    }

    fn abort(&mut self) {
        (0..self.len()).for_each(|index| self.network.ask(index, Ask::Abort));
    }

    fn reset(&mut self) {
        let command = BoardsCommand { boards: BoardSet::All, action: BoardsAction::Reset };
        self.boards(&command);
    }

    fn help(&self) -> String {
        console::boards_help()
    }

    fn boards(&mut self, command: &BoardsCommand) {
        match self.carry_out(command) {
            Ok(text) | Err(text) => say!("{text}"),
        }
    }

    fn snapshot(&self) -> BoardSnapshot {
        let sum = self.sum();
        BoardSnapshot {
            kind: BoardKind::Fleet,
            traffic: Traffic {
                frames_in: sum.get("frames_in"),
                bytes_in: sum.get("bytes_in"),
                frames_out: sum.get("frames_out"),
                bytes_out: sum.get("bytes_out"),
            },
            counters: self.stats().into_iter().chain(sum.stats()).collect(),
            sockets: Vec::new(),
            led: None,
            notes: self.tell().lines().map(String::from).collect(),
        }
    }

    fn summary(&self) -> String {
        self.tell()
    }
}

#[cfg(test)]
mod tests;
