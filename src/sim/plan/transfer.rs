//! Worlds of one transfer that has to be fast: what is lost is drawn, and how long that may take follows from it.
//!
//! A board of large buffers and a host have a cable of a constant delay between them that loses some of all frames.
//! There is one job, [`bounded`](super::Job::bounded), and nothing else befalls them.

use smoltcp::time::{Duration, Instant};

use super::draw::Draw;
use super::nic::Offload;
use super::{Ending, Event, Job, Profile, Stack, TimedEvent, Work, WorldPlan};
use crate::link::{Chance, Setting};
use crate::nic::wire::Side;

/// One in so many worlds.
const SHARE: u32 = 16;
/// When the last fault ends: long after the transfer.
const HEAL: Duration = Duration::from_secs(60);
/// Of IPv6 and TCP.
const HEADERS: u32 = 60;
/// Round trips that a narrow window makes of a transfer at most.
const TRIPS: u32 = 150;
/// When it begins: addresses have been announced.
const BEGIN: Instant = Instant::from_millis_const(3000);

impl WorldPlan {
    /// The world of a seed if it is one of these.
    pub(super) fn draw_transfer(seed: u64, faults: bool) -> Option<Self> {
        let mut draw = Draw::new(seed ^ 0x600d_9077);
        if !draw.one_in(SHARE) {
            return None;
        }
        let mut plan = Self::idle(false, HEAL);
        plan.seed = Some(seed);
        let mut delay = || match draw.below(3) {
            0 => draw.millis(1, 30),
            _ => Duration::from_micros(draw.between(20, 2_000).into()),
        };
        let delays = [delay(), delay()];
        let board = &mut plan.boards[0];
        board.profile = Profile::Large;
        board.nic.offload =
            [Some(Offload::Segmentation), Some(Offload::Checksums), None][draw.below(3)];
        (board.cable.delay, board.cable.seed) = (delays[0], draw.size(32).into());
        let peer = &mut plan.peers[0];
        (peer.cable.delay, peer.cable.seed) = (delays[1], draw.size(32).into());
        if draw.one_in(3) {
            peer.nic.mtu = Some(draw.between(576, 1500) as u16);
        }
        let bytes = draw.between(50_000, 400_000);
        let work = if draw.one_in(2) {
            Work::Discard { bytes }
        } else {
            if draw.one_in(3) {
                peer.stack = Stack::Smoltcp;
            }
            Work::Chargen { bytes, pace: None, ending: Ending::Abort(bytes) }
        };
        let (ipv6, salt) = (draw.one_in(4), draw.below(256) as u8);
        plan.jobs = vec![Job { at: BEGIN, peer: 0, board: 0, ipv6, salt, work, bounded: true }];
        if faults && !draw.one_in(4) {
            let to = [None, Some(Side::Board), Some(Side::Peer)][draw.below(3)];
            let set = Setting::Loss(Chance::from_millipercent(draw.between(100, 5_000)));
            plan.events = vec![TimedEvent { at: BEGIN, event: Event::Fault { node: 0, to, set } }];
        }
        plan.draw_narrow(&mut draw);
        Some(plan)
    }

    /// Most hosts on bare smoltcp have a window of a segment alone, and worse cables: whatever is lost there, no other overtakes
    /// it.
    fn draw_narrow(&mut self, draw: &mut Draw) {
        let peer = &mut self.peers[0];
        if peer.stack != Stack::Smoltcp || draw.one_in(4) {
            return;
        }
        let segment = u32::from(peer.nic.mtu.unwrap_or(1500)) - HEADERS;
        let window = draw.between(segment / 2, segment);
        peer.window = Some(window as u16);
        if let Work::Chargen { bytes, ending, .. } = &mut self.jobs[0].work {
            *bytes = (*bytes).min(window * TRIPS);
            *ending = Ending::Abort(*bytes);
        }
        for timed in &mut self.events {
            if let Event::Fault { set, .. } = &mut timed.event {
                *set = Setting::Loss(Chance::from_millipercent(draw.between(1_000, 15_000)));
            }
        }
    }

    /// The transfer that has to be fast, if there is one.
    pub(in crate::sim) fn transfer(&self) -> Option<&Job> {
        self.jobs.iter().find(|job| job.bounded)
    }
}
