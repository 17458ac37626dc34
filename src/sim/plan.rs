//! What happens in a world: its machines, what they want, and what befalls them, all settled before it begins.
//!
//! A world has two parts. Until [`WorldPlan::heal`] there is chaos: clients come, cables fail, boards lose
//! their power, adversaries do what they can. From then on everything is well, and what well-behaved
//! clients want has to be done within [`SETTLE`]. A plan is the whole story, and bounds the memory: there are as
//! many boots as there are in it.
//!
//! A plan is drawn from a seed ([`WorldPlan::draw`]). What a seed draws changes whenever the drawing does, so a
//! plan worth keeping is frozen: [`WorldPlan::to_text`] writes all of it as JSON that can be read and edited,
//! and [`WorldPlan::from_text`] reads it.
//!
//! # Servers of addresses
//! In a world with servers ([`WorldPlan::draw_with_servers`]), most boards ask for their addresses (DHCP, SLAAC). The servers
//! vanish, lie and change until [`WorldPlan::heal`], and are honest then; a minute or two more is given for that. A
//! connection may break whenever a board's addresses have changed.
//!
//! # Peers on bare smoltcp
//! Some peers have no layer of ours over smoltcp, so that a fault which both ends of our own stack share shows
//! ([`Stack::Smoltcp`]). smoltcp 0.14 has faults of its own, and each oracle was looked at for whether they make it
//! cry wolf:
//!
//! - *completion*: its retransmission timer doubles up to 60 s and is not set back when a fault ends, and it is deaf
//!   in LAST-ACK. [`SETTLE`] has a minute for such a timer in any case, so nothing is relaxed.
//! - *stream*: it takes a FIN behind data that it cut to its window, so that its application hears of the end too
//!   soon. A board sends nothing beyond a window, so nothing is relaxed: a stream that ends too soon is a failure.
//! - *stream*: it gives a connection up after its user timeout, which is the firmware's own here; that needs a fault
//!   to explain it, as with other peers.
//! - *leak*: a connection counts until smoltcp has closed it; a reset that cannot leave, for nobody has the address of the
//!   other end any more, it keeps for ever. Its listening sockets are no connections.
//! - *deadline*, *spin*, *wake-ups*, *stalls*, *content* and *neighbour* look at boards alone. smoltcp asks to be
//!   polled at once, over and over, while it waits for a neighbour; such a peer is polled each millisecond.

mod attack;
mod conduct;
mod draw;
mod file;
mod hardware;
mod nic;
mod text;
mod transfer;
mod validate;

use serde::{Deserialize, Serialize};
use smoltcp::time::{Duration, Instant};

pub(super) use self::attack::{Attack, AttackWindow};
pub(super) use self::conduct::{ADDRESSED, Conduct, Lie, ServerPlan};
pub(super) use self::nic::{NicPlan, Offload};
use crate::link::Setting;
use crate::nic::wire::Side;

/// Virtual time within which everything well-behaved is done after the last fault: the dead connections
/// of adversaries need 120 s (keep-alive and user timeout) to give their slots back, a retransmission
/// may be 60 s away (RFC 6298 2.5), and so may be the end of a neighbour entry that a flipped bit
/// poisoned; then a client connects anew and does its work.
pub const SETTLE: Duration = Duration::from_secs(240);

/// The version of the form of a plan's text.
const VERSION: u32 = 1;

/// A node's cable while nothing is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CablePlan {
    /// What a frame takes on it.
    #[serde(with = "text::duration")]
    pub(super) delay: Duration,
    /// Which frames a fault hits.
    pub(super) seed: u64,
}

/// The size of a board's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Profile {
    Mcu,
    Large,
}

/// Which profile a board has, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BoardPlan {
    pub(super) profile: Profile,
    pub(super) telemetry: bool,
    pub(super) cable: CablePlan,
    /// Of its first boot; each further boot has the next number.
    pub(super) entropy: u64,
    /// It asks servers for its addresses. Else it knows them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) asks: bool,
    #[serde(default, skip_serializing_if = "NicPlan::is_plain")]
    pub(super) nic: NicPlan,
}

/// What a peer's sockets are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stack {
    /// The firmware's own stack.
    Tapboard,
    /// smoltcp's `Interface` and sockets, and nothing else.
    Smoltcp,
}

/// A well-behaved host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PeerPlan {
    pub(super) stack: Stack,
    pub(super) cable: CablePlan,
    /// As a board's.
    pub(super) entropy: u64,
    #[serde(default, skip_serializing_if = "NicPlan::is_plain")]
    pub(super) nic: NicPlan,
    /// Bytes that each connection it opens has room for, on bare smoltcp; as many as with others unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) window: Option<u16>,
}

/// A host that misbehaves when an event says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdversaryPlan {
    pub(super) cable: CablePlan,
    /// What its attacks are made of.
    pub(super) entropy: u64,
}

/// How a stream's client ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ending {
    /// FIN, and then it reads to the other side's FIN.
    Fin,
    /// `close`, whatever is still to be read.
    Close,
    /// A reset, after that many bytes.
    Abort(u32),
}

/// A slow reader: so many bytes at a time, so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pace {
    pub(super) bytes: u32,
    #[serde(with = "text::duration")]
    pub(super) every: Duration,
}

/// What a client wants of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Work {
    /// So many bytes there and back.
    Echo { bytes: u32, pace: Option<Pace>, ending: Ending },
    /// So many bytes there.
    Discard { bytes: u32 },
    /// So many bytes of the pattern.
    Chargen { bytes: u32, pace: Option<Pace>, ending: Ending },
    /// Lines of [`SHELL`](super::check::SHELL), by their index, then `exit`.
    Shell {
        #[serde(with = "text::shell")]
        lines: [u8; 3],
    },
    /// `reset`.
    Reset,
    /// So many datagrams of that size to the echo port, one after the other.
    Datagrams { count: u16, size: u16 },
    /// A connection to a port that nobody registered.
    Refused { port: u16 },
    /// A connection that does nothing for a while.
    Idle {
        #[serde(with = "text::duration")]
        hold: Duration,
    },
}

/// Work for a client, and when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
    #[serde(with = "text::instant")]
    pub(super) at: Instant,
    /// Whose work it is.
    pub(super) peer: usize,
    pub(super) board: usize,
    pub(super) ipv6: bool,
    /// Makes its stream another one than other clients'.
    pub(super) salt: u8,
    pub(super) work: Work,
    /// It has to be as fast as its cables let it; see the oracle *goodput*.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) bounded: bool,
}

/// What befalls the world from outside. Nodes are numbered boards first, then peers, then adversaries, then servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Event {
    Fault {
        node: usize,
        /// In one direction, or in both.
        #[serde(with = "text::direction")]
        to: Option<Side>,
        #[serde(with = "text::setting")]
        set: Setting,
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
    /// From now on a server conducts itself so.
    Serve {
        server: usize,
        conduct: Conduct,
    },
}

/// An event and its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimedEvent {
    #[serde(with = "text::instant")]
    pub(super) at: Instant,
    pub(super) event: Event,
}

/// A whole world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldPlan {
    /// The version of the form of this file, [`VERSION`].
    version: u32,
    /// The seed that drew it, if one did; nothing follows from it.
    pub(super) seed: Option<u64>,
    /// When all faults end.
    #[serde(with = "text::instant")]
    pub(super) heal: Instant,
    pub(super) boards: Vec<BoardPlan>,
    pub(super) peers: Vec<PeerPlan>,
    pub(super) adversaries: Vec<AdversaryPlan>,
    /// Of addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) servers: Vec<ServerPlan>,
    pub(super) jobs: Vec<Job>,
    /// In the order of time; what comes after the end of all faults does not happen.
    pub(super) events: Vec<TimedEvent>,
}

impl WorldPlan {
    /// A board and a peer that have nothing to do for that long but, perhaps, telemetry.
    #[must_use]
    pub fn idle(telemetry: bool, duration: Duration) -> Self {
        let cable = CablePlan { delay: Duration::from_micros(100), seed: 0 };
        Self {
            version: VERSION,
            seed: None,
            heal: Instant::ZERO + duration,
            boards: vec![BoardPlan {
                profile: Profile::Mcu,
                telemetry,
                cable,
                entropy: 1,
                asks: false,
                nic: NicPlan::default(),
            }],
            peers: vec![PeerPlan {
                stack: Stack::Tapboard,
                cable,
                entropy: 2,
                nic: NicPlan::default(),
                window: None,
            }],
            adversaries: Vec::new(),
            servers: Vec::new(),
            jobs: Vec::new(),
            events: Vec::new(),
        }
    }

    /// A board with large buffers and a peer that echoes so many bytes on each of four connections.
    #[must_use]
    pub fn busy(bytes: u32) -> Self {
        let work = Work::Echo { bytes, pace: None, ending: Ending::Fin };
        let (ipv6, bounded) = (false, false);
        let job = Job { at: Instant::ZERO, peer: 0, board: 0, ipv6, salt: 0, work, bounded };
        let mut plan = Self::idle(false, Duration::from_micros(1));
        plan.boards[0].profile = Profile::Large;
        plan.jobs = (0..4).map(|salt| Job { salt, ..job }).collect();
        plan
    }

    /// How many boards there are; they are the first of the nodes.
    #[must_use]
    pub const fn boards(&self) -> usize {
        self.boards.len()
    }

    /// How many of its peers run bare smoltcp.
    #[must_use]
    pub fn bare_peers(&self) -> usize {
        self.peers.iter().filter(|peer| peer.stack == Stack::Smoltcp).count()
    }

    pub(super) const fn nodes(&self) -> usize {
        self.boards.len() + self.peers.len() + self.adversaries.len() + self.servers.len()
    }

    /// How long everything well-behaved may take after the last fault.
    pub(super) fn settle(&self) -> Duration {
        if self.servers.is_empty() { SETTLE } else { SETTLE + ADDRESSED }
    }

    /// Each node's cable, in the order of the nodes.
    pub(super) fn cables(&self) -> impl Iterator<Item = CablePlan> {
        let boards = self.boards.iter().map(|board| board.cable);
        let peers = self.peers.iter().map(|peer| peer.cable);
        let adversaries = self.adversaries.iter().map(|adversary| adversary.cable);
        let servers = self.servers.iter().map(|server| server.cable);
        boards.chain(peers).chain(adversaries).chain(servers)
    }
}
