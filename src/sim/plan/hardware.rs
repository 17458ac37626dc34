//! NICs and buffers of hosts, drawn from a seed: superframes, short segments, narrow windows.

use super::draw::Draw;
use super::nic::Offload;
use super::{Ending, Job, Stack, Work, WorldPlan};

/// Bytes of an IP packet: 128 are the headers of IPv4 and TCP, and an MSS of 88.
pub(super) const MTU: std::ops::RangeInclusive<u16> = 128..=1500;
/// Bytes of a receive buffer, and so of a window.
pub(super) const WINDOW: std::ops::RangeInclusive<u16> = 1..=u16::MAX;
/// Headers of a datagram at most: IPv6 and UDP.
const DATAGRAM_HEADERS: u16 = 48;
/// A stream has no more round trips than that by a narrow window alone.
const TRIPS: u32 = 50;
/// A shell's tables take too long through a window that is narrower.
const TABLES: u16 = 64;
/// Through a window as wide, 64 KiB take no more than a few seconds.
const WIDE: u16 = 1024;
/// Lines of the shell whose answers are short; see [`SHELL`](crate::sim::check::SHELL).
const SHORT_ANSWERS: u8 = 5;

impl WorldPlan {
    /// Draws the NICs, and the windows of hosts on bare smoltcp.
    pub(super) fn draw_hardware(&mut self, seed: u64) {
        let mut draw = Draw::new(seed ^ 0x0ff1_0ad5);
        for board in &mut self.boards {
            board.nic.offload =
                [Some(Offload::Segmentation), Some(Offload::Checksums), None, None][draw.below(4)];
        }
        for peer in &mut self.peers {
            if draw.one_in(3) {
                let (least, most) = (*MTU.start(), *MTU.end());
                peer.nic.mtu = Some(draw.between(least.into(), most.into()) as u16);
            }
            if draw.one_in(2) && peer.stack == Stack::Smoltcp {
                peer.window = Some(draw.size(13) as u16);
            }
        }
        for job in &mut self.jobs {
            let peer = self.peers[job.peer];
            fit(job, peer.nic.mtu, peer.window);
        }
    }
}

/// Makes a job one that a host with such a NIC and window can do in time.
fn fit(Job { work, .. }: &mut Job, mtu: Option<u16>, window: Option<u16>) {
    let trips = window.map_or(u32::MAX, |window| u32::from(window) * TRIPS);
    let narrow = window.is_some_and(|window| window < TABLES);
    match work {
        Work::Datagrams { size, .. } => {
            *size = mtu.map_or(*size, |mtu| (*size).min(mtu - DATAGRAM_HEADERS));
        }
        Work::Echo { bytes, .. } => *bytes = (*bytes).min(trips),
        Work::Chargen { bytes, ending, .. } => {
            *bytes = (*bytes).min(trips);
            // Behind a FIN all that the board has made already would have to pass.
            if window.is_some_and(|window| window < WIDE) && *ending == Ending::Fin {
                *ending = Ending::Abort(*bytes);
            }
        }
        Work::Shell { lines } if narrow => {
            *lines = lines.map(|line| line % SHORT_ANSWERS);
        }
        _ => {}
    }
}
