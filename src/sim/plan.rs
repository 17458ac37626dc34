//! What happens in a world, drawn from its seed before it begins.
//!
//! A world has two parts. Until [`WorldPlan::heal`] there is chaos: clients come, cables fail, boards lose
//! their power, adversaries do what they can. From then on everything is well, and what well-behaved
//! clients want has to be done within [`SETTLE`]. Drawing everything at once makes the seed the whole
//! story, and bounds the memory: there are as many boots as there are in the plan.

use smoltcp::time::{Duration, Instant};
use tapboard_firmware::rng::Rng;

use super::adversary::{Attack, AttackWindow};
use super::arena::{BOOTS, PEER_BOOTS};
use super::check::SHELL;
use crate::link::{Burst, Chance, Setting};
use crate::nic::wire::Side;

/// Virtual time within which everything well-behaved is done after the last fault: the dead connections
/// of adversaries need 120 s (keep-alive and user timeout) to give their slots back, a retransmission
/// may be 60 s away (RFC 6298 2.5), and so may be the end of a neighbour entry that a flipped bit
/// poisoned; then a client connects anew and does its work.
pub const SETTLE: Duration = Duration::from_secs(240);

/// Which profile a board has, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BoardPlan {
    pub(super) large: bool,
    pub(super) telemetry: bool,
}

/// How a stream's client ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// FIN, and then it reads to the other side's FIN.
    Fin,
    /// `close`, whatever is still to be read.
    Close,
    /// A reset, after that many bytes.
    Abort(u32),
}

/// A slow reader: so many bytes at a time, so often.
pub(super) type Pace = Option<(usize, Duration)>;

/// What a client wants of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// So many bytes there and back.
    Echo { bytes: u32, pace: Pace, ending: Ending },
    /// So many bytes there.
    Discard { bytes: u32 },
    /// So many bytes of the pattern.
    Chargen { bytes: u32, pace: Pace, ending: Ending },
    /// Lines of [`SHELL`], by their index, then `exit`.
    Shell { lines: [u8; 3] },
    /// `reset`.
    Reset,
    /// So many datagrams of that size to the echo port, one after the other.
    Datagrams { count: u16, size: u16 },
    /// A connection to a port that nobody registered.
    Refused { port: u16 },
    /// A connection that does nothing for a while.
    Idle { hold: Duration },
}

/// Work for a client, and when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) at: Instant,
    pub(super) board: usize,
    pub(super) ipv6: bool,
    pub(super) salt: u8,
    pub(super) work: Work,
}

/// What befalls the world from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Fault {
        node: usize,
        to: Option<Side>,
        setting: Setting,
    },
    /// The end of every fault of that node's link.
    ClearFaults {
        node: usize,
    },
    Unplug {
        node: usize,
    },
    Plug {
        node: usize,
    },
    PowerOff {
        board: usize,
    },
    PowerOn {
        board: usize,
    },
    /// Another machine takes a peer's place, with its addresses but for the MAC address.
    Swap {
        peer: usize,
    },
    Attack {
        adversary: usize,
        window: AttackWindow,
    },
    Heal,
}

/// A whole world.
#[derive(Clone, Debug)]
pub struct WorldPlan {
    pub(super) seed: u64,
    pub(super) boards: Vec<BoardPlan>,
    pub(super) peers: Vec<Vec<Job>>,
    pub(super) adversaries: usize,
    /// What a frame takes on each node's cable.
    pub(super) delays: Vec<Duration>,
    /// In the order of time.
    pub(super) events: Vec<(Instant, Event)>,
    pub(super) heal: Instant,
}

/// Random numbers in the shapes a plan needs.
struct Draw(Rng);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound as u32) as usize
    }

    fn between(&mut self, least: u32, most: u32) -> u32 {
        least + self.0.below(most - least + 1)
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.0.below(n) == 0
    }

    fn millis(&mut self, least: u32, most: u32) -> Duration {
        Duration::from_millis(self.between(least, most).into())
    }

    /// A number of up to `bits` bits, each length being as likely as any other.
    fn size(&mut self, bits: u32) -> u32 {
        let bits = self.between(1, bits);
        self.between(1 << (bits - 1), (1 << bits) - 1)
    }

    fn percent(&mut self, most: u32) -> Chance {
        Chance::from_millipercent(self.between(100, most * 1000))
    }

    fn moment(&mut self, before: Instant) -> Instant {
        Instant::from_micros(
            (self.0.next_u64() % before.total_micros().cast_unsigned()).cast_signed(),
        )
    }

    fn pace(&mut self) -> Pace {
        self.one_in(4).then(|| (self.between(1, 1500) as usize, self.millis(1, 150)))
    }

    fn ending(&mut self, bytes: u32) -> Ending {
        match self.below(6) {
            0 => Ending::Abort(self.0.below(bytes + 1)),
            1 => Ending::Close,
            _ => Ending::Fin,
        }
    }

    fn work(&mut self) -> Work {
        // A slow reader reads no more than it can in a few seconds.
        let bytes = if self.one_in(8) { self.size(17) } else { self.size(14) };
        let slow = |pace: Pace| match pace {
            Some((chunk, _)) => bytes.min(chunk as u32 * 50),
            None => bytes,
        };
        match self.below(16) {
            0..=4 => {
                let pace = self.pace();
                let bytes = slow(pace);
                let ending = match self.ending(bytes) {
                    Ending::Close => Ending::Fin,
                    ending => ending,
                };
                Work::Echo { bytes, pace, ending }
            }
            5 | 6 => Work::Discard { bytes },
            7..=9 => {
                let pace = self.pace();
                let bytes = slow(pace);
                Work::Chargen { bytes, pace, ending: self.ending(bytes) }
            }
            10..=12 => Work::Shell { lines: [(); 3].map(|()| self.below(SHELL.len()) as u8) },
            13 => Work::Datagrams {
                count: self.between(1, 5) as u16,
                size: self.between(2, 1400) as u16,
            },
            14 => Work::Refused { port: self.between(24, 65_000) as u16 },
            _ => Work::Idle { hold: self.millis(100, 40_000) },
        }
    }

    fn setting(&mut self) -> Setting {
        match self.below(14) {
            0..=2 => Setting::Loss(self.percent(30)),
            3 => {
                let (enter, leave) = (self.percent(10), self.percent(60));
                Setting::Burst(Some(Burst { enter, leave }))
            }
            4 => Setting::Corrupt(self.percent(20)),
            5 => Setting::Duplicate(self.percent(30)),
            6 | 7 => Setting::Reorder(self.percent(40)),
            8 => Setting::Delay(self.millis(1, 400)),
            9 => Setting::Jitter(self.millis(1, 200)),
            10 => Setting::Rate(Some(u64::from(self.between(256, 10_000)) * 1000)),
            11 => Setting::Queue(self.between(2, 64) as usize * 1024),
            12 => Setting::Mtu(self.between(576, 1500) as usize),
            _ => Setting::Partition(true),
        }
    }
}

impl WorldPlan {
    /// The world of that seed; without `faults`, every cable and every board is well throughout.
    #[must_use]
    pub fn draw(seed: u64, faults: bool) -> Self {
        let mut draw = Draw(Rng::new(seed));
        let heal = Instant::ZERO + draw.millis(15_000, 90_000);
        let boards = [1, 1, 1, 2, 2, 3][draw.below(6)];
        let boards: Vec<_> = (0..boards)
            .map(|_| BoardPlan { large: draw.one_in(4), telemetry: !draw.one_in(4) })
            .collect();
        let peers = 1 + draw.below(2);
        let adversaries = [0, 1, 1, 2][draw.below(4)];
        let nodes = boards.len() + peers + adversaries;
        // A board's frames take some time, or a stream without end would come to no end in no time.
        let delays = (0..nodes).map(|node| match draw.below(4) {
            0 if node >= boards.len() => Duration::ZERO,
            3 => draw.millis(1, 40),
            _ => Duration::from_micros(draw.between(20, 2_000).into()),
        });
        let delays = delays.collect();
        let mut plan = Self {
            seed,
            peers: vec![Vec::new(); peers],
            adversaries,
            boards,
            delays,
            events: vec![(heal, Event::Heal)],
            heal,
        };
        plan.draw_jobs(&mut draw);
        plan.draw_attacks(&mut draw);
        if faults {
            plan.draw_faults(&mut draw);
            plan.draw_power(&mut draw);
        }
        // Stable: events of one moment stay as they were drawn.
        plan.events.sort_by_key(|&(at, _)| at);
        plan
    }

    /// A board and a peer that have nothing to do for that long but, perhaps, telemetry.
    #[must_use]
    pub fn idle(telemetry: bool, duration: Duration) -> Self {
        let heal = Instant::ZERO + duration;
        Self {
            seed: 0,
            boards: vec![BoardPlan { large: false, telemetry }],
            peers: vec![Vec::new()],
            adversaries: 0,
            delays: vec![Duration::from_micros(100); 2],
            events: vec![(heal, Event::Heal)],
            heal,
        }
    }

    /// A board with large buffers and a peer that echoes so many bytes on each of four connections.
    #[must_use]
    pub fn busy(bytes: u32) -> Self {
        let work = Work::Echo { bytes, pace: None, ending: Ending::Fin };
        let job = Job { at: Instant::ZERO, board: 0, ipv6: false, salt: 0, work };
        let jobs = (0..4).map(|salt| Job { salt, ..job }).collect();
        let idle = Self::idle(false, Duration::from_micros(1));
        let board = BoardPlan { large: true, telemetry: false };
        Self { boards: vec![board], peers: vec![jobs], ..idle }
    }

    /// How many boards there are; they are the first of the nodes.
    #[must_use]
    pub const fn boards(&self) -> usize {
        self.boards.len()
    }

    pub(super) fn nodes(&self) -> usize {
        self.boards.len() + self.peers.len() + self.adversaries
    }

    fn draw_jobs(&mut self, draw: &mut Draw) {
        let jobs = draw.between(2, 24);
        for _ in 0..jobs {
            self.draw_job(draw, None);
        }
        // More clients than slots, all at once.
        if draw.one_in(4) {
            let (at, board) = (draw.moment(self.heal), draw.below(self.boards.len()));
            for _ in 0..draw.between(8, 20) {
                let at = at + draw.millis(0, 50);
                self.draw_job(draw, Some((at, board)));
            }
        }
        if draw.one_in(8) {
            let at = draw.moment(self.heal);
            let board = draw.below(self.boards.len());
            let job = Job { at, board, ipv6: false, salt: 0, work: Work::Reset };
            self.peers[0].push(job);
        }
    }

    fn draw_job(&mut self, draw: &mut Draw, fixed: Option<(Instant, usize)>) {
        let at = draw.moment(self.heal);
        let board = draw.below(self.boards.len());
        let (at, board) = fixed.unwrap_or((at, board));
        let peer = draw.below(self.peers.len());
        let (ipv6, salt) = (draw.one_in(4), draw.below(256) as u8);
        self.peers[peer].push(Job { at, board, ipv6, salt, work: draw.work() });
    }

    fn draw_attacks(&mut self, draw: &mut Draw) {
        for adversary in 0..self.adversaries {
            let mut at = draw.moment(self.heal);
            while at < self.heal {
                let until = (at + draw.millis(200, 10_000)).min(self.heal);
                let window = AttackWindow {
                    attack: Attack::ALL[draw.below(Attack::ALL.len())],
                    board: draw.below(self.boards.len()),
                    until,
                    gap: draw.millis(5, 400),
                };
                self.events.push((at, Event::Attack { adversary, window }));
                at = until + draw.millis(0, 20_000);
            }
        }
    }

    fn draw_faults(&mut self, draw: &mut Draw) {
        // Two flipped bits may cancel out in the checksum, so only one link of a frame's way flips any.
        let corrupt = draw.below(self.boards.len() + self.peers.len());
        for _ in 0..draw.below(16) {
            let node = draw.below(self.boards.len() + self.peers.len());
            let at = draw.moment(self.heal);
            if draw.one_in(4) {
                // From 0.1 s to 60 s, short ones being as likely as long ones.
                let out = Duration::from_millis(u64::from(draw.size(16)).clamp(100, 60_000));
                self.events.push((at, Event::Unplug { node }));
                self.events.push((at + out, Event::Plug { node }));
                continue;
            }
            let to = [None, Some(Side::Board), Some(Side::Peer)][draw.below(3)];
            for _ in 0..draw.between(1, 3) {
                let setting = match draw.setting() {
                    Setting::Corrupt(chance) if node != corrupt => Setting::Duplicate(chance),
                    setting => setting,
                };
                self.events.push((at, Event::Fault { node, to, setting }));
            }
            self.events.push((at + draw.millis(500, 20_000), Event::ClearFaults { node }));
        }
    }

    fn draw_power(&mut self, draw: &mut Draw) {
        // One boot each, and one more for the shell's reset.
        for _ in 0..draw.below(BOOTS - self.boards.len()).min(3) {
            let (board, at) = (draw.below(self.boards.len()), draw.moment(self.heal));
            let off = if draw.one_in(2) { draw.millis(0, 100) } else { draw.millis(100, 10_000) };
            self.events.push((at, Event::PowerOff { board }));
            self.events.push((at + off, Event::PowerOn { board }));
        }
        for _ in self.peers.len()..PEER_BOOTS {
            if draw.one_in(6) {
                let peer = draw.below(self.peers.len());
                let board = draw.below(self.boards.len());
                let at = draw.moment(self.heal);
                let out = draw.millis(100, 10_000);
                self.events.push((at, Event::Unplug { node: board }));
                self.events.push((at, Event::Swap { peer }));
                self.events.push((at + out, Event::Plug { node: board }));
            }
        }
    }
}
