//! Two stacks at the ends of a wire, in virtual time.
//!
//! `board` has the `mcu` profile; `peer` is a larger stack that plays the clients. A scenario runs as
//! steps: its closure looks at both stacks and uses their sockets, then both are polled, then time jumps
//! to the next event.

use smoltcp::time::{Duration, Instant};
use tapboard::clock::VirtualClock;
use tapboard::nic::wire::{Side, Wire};
use tapboard::world::{Outcome, Step, drive};
use tapboard_firmware::{self as firmware, BoardSockets, McuStorage, NetConfig, NetStack, Sockets};

/// TCP slots of the peer: more than any scenario has clients.
pub(crate) const PEER_SLOTS: usize = 64;

/// Receive and send buffers, a pair for each socket.
type Buffers<const SIZE: usize> = Vec<[[u8; SIZE]; 2]>;

/// The memory of a [`Pair`], to be made first and to outlive it.
pub(crate) struct Memory<'a> {
    board: (Box<McuStorage>, BoardSockets<'a>),
    peer: (Buffers<8192>, Buffers<2048>, Sockets<'a, PEER_SLOTS, 8, 72>),
}

impl Memory<'_> {
    pub(crate) fn new() -> Self {
        Self {
            board: (Box::default(), Sockets::new()),
            // Too much for a test thread's stack, on which a box would be filled.
            peer: (vec![[[0; 8192]; 2]; PEER_SLOTS], vec![[[0; 2048]; 2]; 8], Sockets::new()),
        }
    }
}

/// Two stacks and the wire between them.
pub(crate) struct Pair<'a> {
    pub(crate) clock: VirtualClock,
    pub(crate) wire: Wire,
    pub(crate) board: NetStack<'a>,
    pub(crate) peer: NetStack<'a>,
    /// Polls of the board so far.
    pub(crate) polls: u64,
}

impl<'a> Pair<'a> {
    /// A pair on a wire of that delay; `seed` decides all sequence numbers and ports.
    pub(crate) fn new(memory: &'a mut Memory<'a>, delay: Duration, seed: u64) -> Self {
        let mut wire = Wire::new(delay);
        let now = Instant::ZERO;
        let (storage, sockets) = &mut memory.board;
        let mut end = wire.end(Side::Board);
        let board = NetStack::new(&NetConfig::BOARD, &mut end, now, seed, &mut **storage, sockets);
        let (tcp, udp, sockets) = &mut memory.peer;
        let storage = firmware::Buffers { tcp, udp };
        let mut end = wire.end(Side::Peer);
        let peer = NetStack::new(&NetConfig::PEER, &mut end, now, !seed, storage, sockets);
        Self { clock: VirtualClock::new(), wire, board, peer, polls: 0 }
    }

    /// Runs until `scenario` returns true, or for at most `limit` from now.
    pub(crate) fn run(
        &mut self,
        limit: Duration,
        mut scenario: impl FnMut(Instant, &mut NetStack<'a>, &mut NetStack<'a>, &mut Wire) -> bool,
    ) -> Outcome {
        let Self { clock, wire, board, peer, polls } = self;
        let limit = clock.now() + limit;
        drive(clock, limit, |now| {
            if scenario(now, board, peer, wire) {
                return Step::Done;
            }
            *polls += 1;
            let board = board.poll_with(now, &mut wire.end(Side::Board), |_, _| None);
            let peer = peer.poll_with(now, &mut wire.end(Side::Peer), |_, _| None);
            let arrivals = [wire.next_arrival(Side::Board), wire.next_arrival(Side::Peer)];
            let arrivals = arrivals.map(|at| at.map(|at| at.max(now)));
            Step::Next([board, peer, arrivals[0], arrivals[1]].into_iter().flatten().min())
        })
    }

    /// Lets everything settle for `duration` without using any socket.
    pub(crate) fn settle(&mut self, duration: Duration) {
        self.run(duration, |_, _, _, _| false);
    }

    /// All sockets and counters of both ends, for a failing test's message.
    pub(crate) fn netstat(&self) -> String {
        use std::fmt::Write;
        use tapboard_firmware::netstat::Introspect;
        let mut out = String::new();
        for (name, stack) in [("board", &self.board), ("peer", &self.peer)] {
            let _ = writeln!(out, "-- {name}");
            for row in (0..).map_while(|index| stack.row(index)) {
                let _ = writeln!(out, "{row}");
            }
            for (name, value) in (0..).map_while(|index| stack.counter(index)) {
                if value != 0 {
                    let _ = writeln!(out, "{name} {value}");
                }
            }
        }
        out
    }
}
