//! A captured conversation once more: its peers act again towards a board, in virtual time, and what that board says is
//! compared with what the one in the capture said.
//!
//! [`Replay::read`] takes a capture, ours or one of tcpdump or Wireshark, finds the board in it and what its peers said.
//! [`Replay::run`] boots the firmware with the board's addresses and plays the peers; the [`Report`] has what differs.
//! [`Replay::minimize`] leaves out of the capture whatever is not needed for a difference, and [`Replay::write`] keeps
//! what is left as a capture again, that is replayed for ever.
//!
//! ```
//! use tapboard::capture;
//! use tapboard::replay::{Replay, ReplayOptions};
//!
//! let reader = capture::read("tests/replays/echo-lossy.pcapng".as_ref())?;
//! let report = Replay::read(reader, &ReplayOptions::default())?.run();
//! assert!(!report.differs(false), "{report}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **When a peer's frame is sent.** After what it answers: when the board has said what the peer had heard then, as much
//! later as in the capture; what answers nothing is sent at its time. So a board that is slower is waited for, and none is
//! answered what it has not said. Frames that our cable lost on the way to the board are not sent, and
//! of what it lost on the way to the peer, the peer waits for the next transmission.
//!
//! | | |
//! |---|---|
//! | `recording`, `conversation`, `packet`, `who` | what a capture holds, and which end is the board |
//! | `cause`, `actor`, `reframe`, `stage` | when a peer's frame is sent, and as what; board, peers and time |
//! | `said`, `compare`, `align`, `datagrams` | what the board said then and says now, TCP's and the rest |
//! | `difference`, `sides`, `report` | what differs, and how it is told |
//! | `minimize`, `reduce` | the smallest capture that differs |
//!
//! **What is not replayed** is counted: connections that began before the capture, fragments, multicasts.
//!
//! The same capture, options and seed are the same frames. Another stack than the firmware is a [`Subject`], booted by
//! whoever implements [`PowerOn`].

mod actor;
mod align;
mod cause;
mod command;
mod compare;
mod conversation;
mod datagrams;
mod difference;
mod error;
mod firmware;
mod minimize;
mod packet;
mod recording;
mod reduce;
mod reframe;
mod report;
mod said;
mod script;
mod sides;
mod stage;
mod transcript;
mod who;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};
use tapboard_firmware::{BOARD_NET, NetConfig, PEER_NET};

pub use self::command::{ReplayCommand, Verdict, command};
use self::conversation::{Conversation, conversations};
pub use self::difference::{Difference, Kind};
pub use self::error::ReplayError;
pub use self::firmware::{PowerOn, StockFirmware};
pub use self::minimize::Minimized;
use self::recording::Recording;
use self::reframe::Route;
pub use self::report::{ConversationReport, Report};
use self::stage::Watcher;
pub use self::stage::{BootEnd, Stage, Subject};
use self::who::Who;
use crate::capture::{Capture, CaptureError, Reader};
use crate::run::Profile;

/// Frames that are replayed at most: all of them are kept in memory.
pub const FRAMES_MAX: usize = 200_000;

/// Ports at which the firmware answers.
const PORTS: [u16; 5] = [7, 9, 19, 23, 80];

/// How to replay a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayOptions {
    /// Who in the capture was the board; found out, unless it is named.
    pub board: Option<IpAddr>,
    /// Ports of the capture, each with the one of the firmware's that takes its place.
    pub ports: Vec<(u16, u16)>,
    /// The board's memory; unless given, the smaller one if no window in the capture was wider.
    pub profile: Option<Profile>,
    /// What the board's entropy follows from.
    pub seed: u64,
    /// How much longer an answer may take than in the capture.
    pub tolerance: Duration,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self {
            board: None,
            ports: Vec::new(),
            profile: None,
            seed: 1,
            tolerance: Duration::from_millis(300),
        }
    }
}

/// A capture that can be replayed.
#[derive(Clone, Debug)]
pub struct Replay {
    options: ReplayOptions,
    who: Who,
    net: NetConfig,
    conversations: Vec<Conversation>,
    /// Frames that are in none of them, by why.
    passed: BTreeMap<&'static str, usize>,
    end_us: i64,
    cut_short: bool,
}

impl Replay {
    /// Reads a capture, and finds the board in it.
    pub fn read<R: Read>(reader: Reader<R>, options: &ReplayOptions) -> Result<Self, ReplayError> {
        let recording = Recording::read(reader)?;
        let ports: Vec<_> =
            PORTS.into_iter().chain(options.ports.iter().map(|(port, _)| *port)).collect();
        let who = Who::find(&recording, options.board, &ports)?;
        let (conversations, passed) = conversations(&recording, &who);
        let (end_us, cut_short) = (recording.end_us, recording.cut_short);
        Self::of(options.clone(), who, conversations, passed, (end_us, cut_short))
    }

    fn of(
        options: ReplayOptions,
        who: Who,
        conversations: Vec<Conversation>,
        passed: BTreeMap<&'static str, usize>,
        (end_us, cut_short): (i64, bool),
    ) -> Result<Self, ReplayError> {
        let can = |conversation: &Conversation| {
            conversation.script.why_not.is_none() && !conversation.script.steps.is_empty()
        };
        if !conversations.iter().any(can) {
            let why: BTreeSet<_> =
                conversations.iter().filter_map(|one| one.script.why_not.clone()).collect();
            return Err(ReplayError::Nothing(why.into_iter().collect()));
        }
        let net = net(&who, &conversations)?;
        Ok(Self { options, who, net, conversations, passed, end_us, cut_short })
    }

    /// The board's addresses in the replay.
    #[must_use]
    pub const fn net(&self) -> &NetConfig {
        &self.net
    }

    /// The board's memory in the replay.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.options.profile.unwrap_or_else(|| {
            let widest = self.conversations.iter().map(Conversation::widest).max().unwrap_or(0);
            if widest > 0 && widest <= SMALL_WINDOW { Profile::Mcu } else { Profile::Large }
        })
    }

    /// Replays it to the firmware.
    #[must_use]
    pub fn run(&self) -> Report {
        self.run_with(&mut self.firmware(), None)
    }

    /// The firmware, as this replay boots it.
    fn firmware(&self) -> StockFirmware {
        let opened = self.conversations.iter().filter(|one| one.script.board_opens);
        let telemetry = opened.map(|one| {
            let route = self.route(one);
            std::net::SocketAddr::new(route.peer, one.ends.peer.port())
        });
        StockFirmware::new(self.profile(), telemetry.min(), self.options.seed)
    }

    /// Replays it to the firmware, and writes the replay's frames to a capture.
    pub fn run_captured(&self, path: &Path) -> Result<Report, CaptureError> {
        let mut capture = Capture::create(path, "replay", std::time::Duration::ZERO)?;
        let mut failed = None;
        let report = self.run_with(
            &mut self.firmware(),
            Some(&mut |now, direction, frame| {
                if let Err(error) = capture.record(now, direction, frame, "") {
                    failed = Some(error);
                }
            }),
        );
        match failed {
            Some(error) => Err(CaptureError::Create { path: path.into(), error }),
            None => Ok(report),
        }
    }

    /// Replays it to a board of one's own.
    #[must_use]
    pub fn run_on(&self, board: &mut dyn PowerOn) -> Report {
        self.run_with(board, None)
    }

    fn run_with<'w>(
        &'w self,
        board: &mut dyn PowerOn,
        watcher: Option<&'w mut Watcher<'w>>,
    ) -> Report {
        let port = |port| self.port(port);
        let route = |conversation: &Conversation| self.route(conversation);
        let mut stage = Stage::new(&self.conversations, self.end_us, port, route, watcher);
        while board.power_on(&self.net, &mut stage) == BootEnd::Reset && stage.resets < RESETS_MAX {
        }
        Report::of(self, &stage)
    }

    /// The board's port that takes the place of one in the capture.
    fn port(&self, port: u16) -> u16 {
        let mapped = self.options.ports.iter().find(|(theirs, _)| *theirs == port);
        mapped.map_or(port, |(_, ours)| *ours)
    }

    /// The ends of a conversation in the replay.
    fn route(&self, conversation: &Conversation) -> Route {
        let ends = conversation.ends;
        let board_mac = self.net.mac();
        let known = conversation.mac.filter(|&mac| mac != board_mac && mac.is_unicast());
        let peer_mac = known.unwrap_or_else(|| other_mac(board_mac));
        let (peer, board) = (ends.peer.ip(), ends.board.ip());
        // On a loopback, both ends are one.
        let (peer, board) = match board {
            IpAddr::V4(_) if board.is_loopback() => {
                (PEER_NET.ipv4_address().into(), self.net.ipv4_address().into())
            }
            IpAddr::V6(_) if board.is_loopback() => (ipv6(&PEER_NET), ipv6(&self.net)),
            _ => (peer, board),
        };
        Route { peer_mac, board_mac, peer, board }
    }

    /// Writes what is replayed of it as a capture, as small as it is: addresses and times are those of the capture that
    /// was read.
    pub fn write(&self, path: &Path) -> Result<(), CaptureError> {
        reduce::write(self, path)
    }
}

/// Boots of a board at most.
const RESETS_MAX: usize = 100;
/// The widest window of a board with the smaller memory.
const SMALL_WINDOW: u32 = 2048;

fn ipv6(net: &NetConfig) -> IpAddr {
    net.ipv6().map_or(Ipv6Address::UNSPECIFIED, |ipv6| ipv6.address()).into()
}

/// The MAC address of whoever the capture has none of.
fn other_mac(board: EthernetAddress) -> EthernetAddress {
    let peer = PEER_NET.mac();
    if peer == board { BOARD_NET.mac() } else { peer }
}

/// The board's addresses in the replay: those that it had. Peers outside its network are behind a gateway.
fn net(who: &Who, conversations: &[Conversation]) -> Result<NetConfig, ReplayError> {
    const PREFIX: u8 = 24;
    let (ipv4, ipv6) = who.in_replay()?;
    let mut net = BOARD_NET.with_mac(who.mac);
    let peers: BTreeSet<IpAddr> = conversations.iter().map(|one| one.ends.peer.ip()).collect();
    if let Some(own) = ipv4 {
        let unusable = own.is_broadcast() || own.is_multicast() || own.is_unspecified();
        let network = Ipv4Cidr::new(own, PREFIX);
        let last = own.octets()[3];
        // The network's own number, and everybody's, are a host's in a wider network.
        let network = if last == 0 || last == 255 { Ipv4Cidr::new(own, 16) } else { network };
        if unusable || Some(own) == network.broadcast() {
            return Err(ReplayError::Address(own.into()));
        }
        net = net.with_ipv4(network);
        let [a, b, c, _] = own.octets();
        let free = |last: &u8| {
            let address = Ipv4Address::new(a, b, c, *last);
            address != own && !peers.contains(&IpAddr::V4(address))
        };
        if let Some(last) = (1..255).rev().find(free) {
            net = net.with_ipv4_gateway(Ipv4Addr::new(a, b, c, last));
        }
    }
    if let Some(own) = ipv6 {
        let router = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xfffe);
        net = net.with_ipv6(Ipv6Cidr::new(own, 64)).with_ipv6_gateway(router);
    }
    Ok(net)
}

impl Conversation {
    /// The widest window that the board told of, without a scale.
    fn widest(&self) -> u32 {
        let windows = self.script.said.iter().filter_map(|said| match &said.what {
            said::What::Tcp(segment) if !segment.has(packet::RST) => {
                Some(u32::from(segment.window))
            }
            _ => None,
        });
        windows.max().unwrap_or(0)
    }

    /// Frames of the peer.
    fn steps(&self) -> usize {
        self.script.steps.len()
    }
}

#[cfg(test)]
mod tests;
