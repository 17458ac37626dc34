//! The buffers of the sockets of a world's stacks of our own: they outlive worlds, and are lent to one at a time.
//!
//! A power-cycle has to lose the RAM, and a stack borrows its RAM for as long as the world lasts; so each
//! boot takes buffers that no boot of this world has had. They are not zeroed: no stack reads what it has not written, and a
//! world that is run again tells. A thread makes
//! one arena, 11 MiB of address space of which only what is used becomes memory, and lends it to world
//! after world. What a boot has besides, its firmware or stack and the tables of its sockets, is allocated for the
//! world. Peers on bare smoltcp take nothing from here.

use tapboard_firmware::config::{DATAGRAM_SIZE, SUPERFRAME_DATA, TCP_SLOTS, UDP_SLOTS};
use tapboard_firmware::{Backlog, Buffers, Sockets};

/// Boots of all boards of a world at most.
pub(super) const BOOTS: usize = 8;
/// Boots of all peers of a world at most.
pub(super) const PEER_BOOTS: usize = 4;
/// TCP slots of a peer: more than a board has, so that one peer alone can exhaust it.
pub(super) const PEER_SLOTS: usize = 24;
/// UDP sockets of a peer.
pub(super) const PEER_UDP: usize = 4;

const MCU: usize = 2048;
const LARGE: usize = SUPERFRAME_DATA;
const LARGE_DATAGRAMS: usize = 16 * 1024;
/// Bytes of each buffer of a peer's connection.
pub(super) const PEER: usize = 16 * 1024;
const PEER_DATAGRAMS: usize = 2048;

/// The sockets of a peer's boot.
pub(super) type PeerSockets<'w> = Sockets<'w, PEER_SLOTS, PEER_UDP>;

/// Buffers of the `mcu` profile.
pub(super) type McuBuffers<'w> = Buffers<'w, MCU, DATAGRAM_SIZE>;
/// Buffers of the `large` profile.
pub(super) type LargeBuffers<'w> = Buffers<'w, LARGE, LARGE_DATAGRAMS>;
/// Buffers of a peer.
pub(super) type PeerBuffers<'w> = Buffers<'w, PEER, PEER_DATAGRAMS>;

/// Pairs (receive, send) of buffers.
type Pairs<const SIZE: usize> = Vec<[[u8; SIZE]; 2]>;

/// The memory of one world after another.
pub struct Arena {
    mcu: (Pairs<MCU>, Pairs<DATAGRAM_SIZE>),
    large: (Pairs<LARGE>, Pairs<LARGE_DATAGRAMS>),
    peer: (Pairs<PEER>, Pairs<PEER_DATAGRAMS>),
    /// One for each boot, of whatever kind.
    backlogs: Vec<Backlog>,
}

impl std::fmt::Debug for Arena {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arena").finish_non_exhaustive()
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

fn pairs<const SIZE: usize>(count: usize) -> Pairs<SIZE> {
    vec![[[0; SIZE]; 2]; count]
}

impl Arena {
    /// Memory for any world.
    #[must_use]
    pub fn new() -> Self {
        Self {
            mcu: (pairs(BOOTS * TCP_SLOTS), pairs(BOOTS * UDP_SLOTS)),
            large: (pairs(BOOTS * TCP_SLOTS), pairs(BOOTS * UDP_SLOTS)),
            peer: (pairs(PEER_BOOTS * PEER_SLOTS), pairs(PEER_BOOTS * PEER_UDP)),
            backlogs: (0..BOOTS + PEER_BOOTS).map(|_| Backlog::new()).collect(),
        }
    }

    /// Lends all of it to a world.
    pub(super) fn lend(&mut self) -> Lent<'_> {
        Lent {
            mcu: (&mut self.mcu.0, &mut self.mcu.1),
            large: (&mut self.large.0, &mut self.large.1),
            peer: (&mut self.peer.0, &mut self.peer.1),
            backlogs: self.backlogs.iter_mut(),
        }
    }
}

type Slices<'w, const TCP: usize, const UDP: usize> =
    (&'w mut [[[u8; TCP]; 2]], &'w mut [[[u8; UDP]; 2]]);

/// What no boot of the world has taken yet.
pub(super) struct Lent<'w> {
    mcu: Slices<'w, MCU, DATAGRAM_SIZE>,
    large: Slices<'w, LARGE, LARGE_DATAGRAMS>,
    peer: Slices<'w, PEER, PEER_DATAGRAMS>,
    backlogs: std::slice::IterMut<'w, Backlog>,
}

fn take<'w, const TCP: usize, const UDP: usize>(
    slices: &mut Slices<'w, TCP, UDP>,
    (tcp, udp): (usize, usize),
    backlogs: &mut std::slice::IterMut<'w, Backlog>,
) -> Buffers<'w, TCP, UDP> {
    let (all_tcp, all_udp) = std::mem::take(slices);
    let (tcp, rest_tcp) = all_tcp.split_at_mut(tcp);
    let (udp, rest_udp) = all_udp.split_at_mut(udp);
    *slices = (rest_tcp, rest_udp);
    let backlog = backlogs.next().expect("one for each boot");
    Buffers { tcp, udp, backlog: backlog.into() }
}

impl<'w> Lent<'w> {
    /// Buffers for a boot of a board with the `mcu` profile.
    pub(super) fn mcu(&mut self) -> McuBuffers<'w> {
        take(&mut self.mcu, (TCP_SLOTS, UDP_SLOTS), &mut self.backlogs)
    }

    /// Buffers for a boot of a board with the `large` profile.
    pub(super) fn large(&mut self) -> LargeBuffers<'w> {
        take(&mut self.large, (TCP_SLOTS, UDP_SLOTS), &mut self.backlogs)
    }

    /// Buffers for a boot of a peer.
    pub(super) fn peer(&mut self) -> PeerBuffers<'w> {
        take(&mut self.peer, (PEER_SLOTS, PEER_UDP), &mut self.backlogs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{WorldPlan, run};

    impl Arena {
        /// What earlier worlds could have left there.
        fn fill(&mut self, byte: u8) {
            fn fill<const SIZE: usize>(pairs: &mut Pairs<SIZE>, byte: u8) {
                pairs.as_flattened_mut().as_flattened_mut().fill(byte);
            }
            fill(&mut self.mcu.0, byte);
            fill(&mut self.mcu.1, byte);
            fill(&mut self.large.0, byte);
            fill(&mut self.large.1, byte);
            fill(&mut self.peer.0, byte);
            fill(&mut self.peer.1, byte);
        }
    }

    #[test]
    fn what_an_earlier_world_left_in_the_buffers_changes_nothing() {
        let mut arena = Arena::new();
        for plan in (0..30).map(|seed| WorldPlan::draw_with_servers(seed, true)) {
            let [zeroed, used] = [0, 0xa5].map(|byte| {
                arena.fill(byte);
                run(&plan, &mut arena, None)
            });
            assert_eq!(zeroed, used, "seed {:?}", plan.seed);
        }
    }
}
