//! Two stacks at the ends of a wire, in virtual time.
//!
//! `board` has the `mcu` profile; `peer` is a larger stack that plays the clients. A scenario runs as
//! steps: both stacks are polled, the closure looks at them and uses their sockets, both are polled
//! again, and time jumps to the next event. A tap sees each frame when it is sent, and may lose or delay
//! it.

use smoltcp::time::{Duration, Instant};
use tapboard::clock::VirtualClock;
use tapboard::nic::wire::{Side, Wire};
use tapboard::world::{Outcome, Step, drive};
use tapboard_firmware::config::TCP_SLOTS;
use tapboard_firmware::netstat::Introspect;
use tapboard_firmware::{
    BOARD_NET, Backlog, BoardSockets, Buffers, McuStorage, NetConfig, NetStack, PEER_NET, Sockets,
};

/// TCP slots of the peer: more than any scenario has clients.
pub(crate) const PEER_SLOTS: usize = 64;

/// The memory of a [`Pair`], to be made first and to outlive it.
pub(crate) struct Memory<'a> {
    board: Box<McuStorage>,
    board_sockets: BoardSockets<'a>,
    // Too much for a test thread's stack, on which a box would be filled.
    peer_tcp: Vec<[[u8; 8192]; 2]>,
    peer_udp: Vec<[[u8; 2048]; 2]>,
    peer_backlog: Backlog,
    peer_sockets: Sockets<'a, PEER_SLOTS, 8>,
}

impl Memory<'_> {
    pub(crate) fn new() -> Self {
        Self {
            board: Box::default(),
            board_sockets: Sockets::new(),
            peer_tcp: vec![[[0; 8192]; 2]; PEER_SLOTS],
            peer_udp: vec![[[0; 2048]; 2]; 8],
            peer_backlog: Backlog::new(),
            peer_sockets: Sockets::new(),
        }
    }
}

/// What becomes of a frame on its way to the named side: `None` loses it, a duration is added to the
/// wire's delay.
pub(crate) type Tap<'t> = dyn FnMut(Instant, Side, &[u8]) -> Option<Duration> + 't;

/// Two stacks and the wire between them.
pub(crate) struct Pair<'a> {
    pub(crate) clock: VirtualClock,
    pub(crate) wire: Wire,
    pub(crate) board: NetStack<'a>,
    pub(crate) peer: NetStack<'a>,
    pub(crate) tap: Box<Tap<'a>>,
}

impl<'a> Pair<'a> {
    /// A pair on a wire of that delay; `seed` decides all sequence numbers and ports.
    pub(crate) fn new(memory: &'a mut Memory<'a>, delay: Duration, seed: u64) -> Self {
        Self::of([BOARD_NET, PEER_NET], memory, delay, seed)
    }

    /// A pair of these two.
    pub(crate) fn of(
        [board, peer]: [NetConfig; 2],
        memory: &'a mut Memory<'a>,
        delay: Duration,
        seed: u64,
    ) -> Self {
        let mut wire = Wire::new(delay);
        let now = Instant::ZERO;
        let board = NetStack::new(
            &board,
            &mut wire.end(Side::Board),
            now,
            seed,
            &mut *memory.board,
            &mut memory.board_sockets,
        );
        let buffers = Buffers {
            tcp: &mut memory.peer_tcp,
            udp: &mut memory.peer_udp,
            backlog: (&mut memory.peer_backlog).into(),
        };
        let peer = NetStack::new(
            &peer,
            &mut wire.end(Side::Peer),
            now,
            !seed,
            buffers,
            &mut memory.peer_sockets,
        );
        Self {
            clock: VirtualClock::new(),
            wire,
            board,
            peer,
            tap: Box::new(|_, _, _| Some(Duration::ZERO)),
        }
    }

    /// Runs until `scenario` returns true, or for at most `limit` from now.
    pub(crate) fn run(
        &mut self,
        limit: Duration,
        mut scenario: impl FnMut(Instant, &mut NetStack<'a>, &mut NetStack<'a>) -> bool,
    ) -> Outcome {
        let mut clock = self.clock;
        let limit = clock.now() + limit;
        let outcome = drive(&mut clock, limit, |now| {
            self.poll(now);
            let done = scenario(now, &mut self.board, &mut self.peer);
            let next = self.poll(now);
            if done { Step::Done } else { Step::Next(next) }
        });
        self.clock = clock;
        outcome
    }

    /// Polls both stacks once; returns when the next thing happens.
    fn poll(&mut self, now: Instant) -> Option<Instant> {
        let board = self.poll_side(Side::Board, now);
        let peer = self.poll_side(Side::Peer, now);
        let [to_board, to_peer] = [Side::Board, Side::Peer].map(|side| {
            let at = self.wire.next_arrival(side)?;
            Some(at.max(now))
        });
        [board, peer, to_board, to_peer].into_iter().flatten().min()
    }

    fn poll_side(&mut self, side: Side, now: Instant) -> Option<Instant> {
        let stack = match side {
            Side::Board => &mut self.board,
            Side::Peer => &mut self.peer,
        };
        let before = self.wire.in_flight(side.other()).len();
        let next = stack.poll_with(now, &mut self.wire.end(side), |_, _| None);
        let queue = self.wire.in_flight(side.other());
        for mut sent in queue.split_off(before) {
            if let Some(delay) = (self.tap)(now, side.other(), &sent.frame) {
                sent.at += delay;
                let place = queue.partition_point(|other| other.at <= sent.at);
                queue.insert(place, sent);
            }
        }
        next
    }

    /// Lets everything settle for `duration` without using any socket.
    pub(crate) fn settle(&mut self, duration: Duration) {
        self.run(duration, |_, _, _| false);
    }

    /// All sockets and counters of both ends, for a failing test's message.
    pub(crate) fn netstat(&self) -> String {
        super::netstat("board", &self.board) + &super::netstat("peer", &self.peer)
    }

    /// Nothing may be held any more at either end, and nothing may have gone wrong silently.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        for (stack, slots) in [(&self.board, TCP_SLOTS), (&self.peer, PEER_SLOTS)] {
            assert_eq!(stack.free_slots(), slots, "{}", self.netstat());
            assert_eq!(stack.counters().stalls, 0, "{}", self.netstat());
            assert!(stack.row(0).is_none(), "{}", self.netstat());
        }
    }
}
