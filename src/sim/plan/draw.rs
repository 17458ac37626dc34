//! Plans drawn from seeds. What a seed draws changes with the code here, and with nothing else.

use smoltcp::time::{Duration, Instant};
use tapboard_firmware::rng::Rng;
use tapboard_firmware::service::http;

use super::{
    AdversaryPlan, Attack, AttackWindow, BoardPlan, CablePlan, Ending, Event, Job, NicPlan, Pace,
    PeerPlan, Profile, Stack, TimedEvent, VERSION, Work, WorldPlan,
};
use crate::link::{Burst, Chance, Setting};
use crate::nic::wire::Side;
use crate::sim::arena::{BOOTS, PEER_BOOTS};
use crate::sim::check::SHELL;

/// Random numbers in the shapes a plan needs.
pub(super) struct Draw(Rng);

impl Draw {
    pub(super) const fn new(seed: u64) -> Self {
        Self(Rng::new(seed))
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound as u32) as usize
    }

    pub(super) fn between(&mut self, least: u32, most: u32) -> u32 {
        least + self.0.below(most - least + 1)
    }

    pub(super) fn one_in(&mut self, n: u32) -> bool {
        self.0.below(n) == 0
    }

    pub(super) fn millis(&mut self, least: u32, most: u32) -> Duration {
        Duration::from_millis(self.between(least, most).into())
    }

    /// A number of up to `bits` bits, each length being as likely as any other.
    pub(super) fn size(&mut self, bits: u32) -> u32 {
        let bits = self.between(1, bits);
        self.between(1 << (bits - 1), u32::MAX >> (32 - bits))
    }

    fn percent(&mut self, most: u32) -> Chance {
        Chance::from_millipercent(self.between(100, most * 1000))
    }

    fn moment(&mut self, before: Instant) -> Instant {
        Instant::from_micros(
            (self.0.next_u64() % before.total_micros().cast_unsigned()).cast_signed(),
        )
    }

    fn pace(&mut self) -> Option<Pace> {
        self.one_in(4).then(|| Pace { bytes: self.between(1, 1500), every: self.millis(1, 150) })
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
        let slow = |pace: Option<Pace>| match pace {
            Some(Pace { bytes: chunk, .. }) => bytes.min(chunk * 50),
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
            14 => match self.between(24, 65_000) as u16 {
                http::PORT => Work::Refused { port: http::PORT + 1 },
                port => Work::Refused { port },
            },
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
        if let Some(plan) = Self::draw_transfer(seed, faults) {
            return plan;
        }
        let mut draw = Draw::new(seed);
        let heal = Instant::ZERO + draw.millis(15_000, 90_000);
        let boards = [1, 1, 1, 2, 2, 3][draw.below(6)];
        let boards: Vec<_> = (0..boards).map(|_| (draw.one_in(4), !draw.one_in(4))).collect();
        let peers = 1 + draw.below(2);
        let adversaries = [0, 1, 1, 2][draw.below(4)];
        let nodes = boards.len() + peers + adversaries;
        // A board's frames take some time, or a stream without end would come to no end in no time.
        let delays = (0..nodes).map(|node| match draw.below(4) {
            0 if node >= boards.len() => Duration::ZERO,
            3 => draw.millis(1, 40),
            _ => Duration::from_micros(draw.between(20, 2_000).into()),
        });
        let delays: Vec<_> = delays.collect();
        let mut entropy = Rng::new(!seed);
        // Short enough to be read, and for any reader of JSON to keep.
        let mut number = || entropy.next_u64() >> 32;
        let cables = delays.into_iter().map(|delay| CablePlan { delay, seed: number() });
        let mut cables = cables.collect::<Vec<_>>().into_iter();
        let mut cable = || cables.next().expect("one for each node");
        let mut plan = Self {
            version: VERSION,
            seed: Some(seed),
            heal,
            boards: boards
                .into_iter()
                .map(|(large, telemetry)| BoardPlan {
                    profile: if large { Profile::Large } else { Profile::Mcu },
                    telemetry,
                    cable: cable(),
                    entropy: number(),
                    asks: false,
                    nic: NicPlan::default(),
                })
                .collect(),
            peers: (0..peers)
                .map(|_| PeerPlan {
                    stack: Stack::Tapboard,
                    cable: cable(),
                    entropy: number(),
                    nic: NicPlan::default(),
                    window: None,
                })
                .collect(),
            adversaries: (0..adversaries)
                .map(|_| AdversaryPlan { cable: cable(), entropy: number() })
                .collect(),
            servers: Vec::new(),
            jobs: Vec::new(),
            events: Vec::new(),
        };
        plan.draw_jobs(&mut draw);
        plan.draw_attacks(&mut draw);
        if faults {
            plan.draw_faults(&mut draw);
            plan.draw_power(&mut draw);
        }
        for peer in &mut plan.peers {
            if draw.one_in(4) {
                peer.stack = Stack::Smoltcp;
            }
        }
        plan.draw_hardware(seed);
        // Stable: events of one moment stay as they were drawn.
        plan.events.sort_by_key(|timed| timed.at);
        plan
    }

    fn event(&mut self, at: Instant, event: Event) {
        self.events.push(TimedEvent { at, event });
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
            let (ipv6, salt, work) = (false, 0, Work::Reset);
            self.jobs.push(Job { at, peer: 0, board, ipv6, salt, work, bounded: false });
        }
    }

    fn draw_job(&mut self, draw: &mut Draw, fixed: Option<(Instant, usize)>) {
        let at = draw.moment(self.heal);
        let board = draw.below(self.boards.len());
        let (at, board) = fixed.unwrap_or((at, board));
        let peer = draw.below(self.peers.len());
        let (ipv6, salt) = (draw.one_in(4), draw.below(256) as u8);
        let work = draw.work();
        self.jobs.push(Job { at, peer, board, ipv6, salt, work, bounded: false });
    }

    fn draw_attacks(&mut self, draw: &mut Draw) {
        for adversary in 0..self.adversaries.len() {
            let mut at = draw.moment(self.heal);
            while at < self.heal {
                let until = (at + draw.millis(200, 10_000)).min(self.heal);
                let window = AttackWindow {
                    attack: Attack::ALL[draw.below(Attack::ALL.len())],
                    board: draw.below(self.boards.len()),
                    until,
                    gap: draw.millis(5, 400),
                };
                self.event(at, Event::Attack { adversary, window });
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
                self.event(at, Event::Unplug { node });
                self.event(at + out, Event::Plug { node });
                continue;
            }
            let to = [None, Some(Side::Board), Some(Side::Peer)][draw.below(3)];
            for _ in 0..draw.between(1, 3) {
                let set = match draw.setting() {
                    Setting::Corrupt(chance) if node != corrupt => Setting::Duplicate(chance),
                    setting => setting,
                };
                self.event(at, Event::Fault { node, to, set });
            }
            self.event(at + draw.millis(500, 20_000), Event::ClearFaults { node });
        }
    }

    fn draw_power(&mut self, draw: &mut Draw) {
        // One boot each, and one more for the shell's reset.
        for _ in 0..draw.below(BOOTS - self.boards.len()).min(3) {
            let (board, at) = (draw.below(self.boards.len()), draw.moment(self.heal));
            let off = if draw.one_in(2) { draw.millis(0, 100) } else { draw.millis(100, 10_000) };
            self.event(at, Event::PowerOff { board });
            self.event(at + off, Event::PowerOn { board });
        }
        for _ in self.peers.len()..PEER_BOOTS {
            if draw.one_in(6) {
                let peer = draw.below(self.peers.len());
                let board = draw.below(self.boards.len());
                let at = draw.moment(self.heal);
                let out = draw.millis(100, 10_000);
                self.event(at, Event::Unplug { node: board });
                self.event(at, Event::Swap { peer });
                self.event(at + out, Event::Plug { node: board });
            }
        }
    }
}
