//! Rows in virtual time: the board, and plain smoltcp in its place, with a client beyond a bad link.
//!
//! The client's buffers are 64 KiB. A run is from the client's connection until all has come, or, of what it sends, has been
//! acknowledged.

use smoltcp::socket::tcp::CongestionControl;
use smoltcp::time::{Duration, Instant};
use tapboard::nic::wire::{End, Side};
use tapboard_firmware::config::SUPERFRAME_DATA;
use tapboard_firmware::{BOARD_NET, BoardSockets, PEER_NET};

use super::row::{Direction, Row};
use crate::path::{Path, Poll};
use crate::traffic::{self, CHARGEN, DISCARD, ECHO, Job, Memory, Progress, Use};

/// The most that a run takes.
pub(super) const LIMIT: Duration = Duration::from_secs(120);

/// Who is at which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// The board, and a client on bare smoltcp, whose ACKs have one SACK block.
    BoardAndSmoltcp,
    /// The board, and a client on the same stack.
    BoardAndBoard,
    /// smoltcp alone, at both ends.
    Smoltcp,
}

impl Ends {
    /// Whether that says something: a client on bare smoltcp sends as smoltcp does.
    pub(super) fn runs(self, row: &Row) -> bool {
        self != Self::BoardAndSmoltcp || row.direction == Direction::From
    }

    /// How long it takes, in seconds; `None` if longer than [`LIMIT`].
    pub(super) fn run(self, row: &Row, seed: u32) -> Result<Option<f64>, String> {
        match row.buffer {
            0..=2048 => self.run_with::<2048>(row, seed.into()),
            2049..=8192 => self.run_with::<8192>(row, seed.into()),
            _ => self.run_with::<SUPERFRAME_DATA>(row, seed.into()),
        }
    }

    fn run_with<const SIZE: usize>(self, row: &Row, seed: u64) -> Result<Option<f64>, String> {
        let (port, send) = match row.direction {
            Direction::From => (CHARGEN, 0),
            Direction::To => (DISCARD, row.bytes),
            Direction::Echo => (ECHO, row.bytes),
        };
        let job = Job { net: PEER_NET, port, send };
        let progress = Progress::new();
        let (mut memory, mut sockets) = (Memory::<SIZE>::new(), BoardSockets::new());
        let mut client_memory = Memory::<SUPERFRAME_DATA>::new();
        let mut client_sockets = BoardSockets::new();
        let mut path = Path::new(row.link(seed)?);
        path.join(Side::Board, BOARD_NET.mac(), |end: &mut End<'_>| -> Poll<'_> {
            if self == Self::Smoltcp {
                let uses = vec![(Use::Serve(port), Progress::new())];
                traffic::bare(&BOARD_NET, (seed, SIZE), CongestionControl::None, uses, end)
            } else {
                traffic::board(&mut memory, &mut sockets, seed, end)
            }
        });
        path.join(Side::Peer, PEER_NET.mac(), |end: &mut End<'_>| -> Poll<'_> {
            if self == Self::BoardAndBoard {
                let (memory, sockets) = (&mut client_memory, &mut client_sockets);
                traffic::client(memory, sockets, (job, !seed), &progress, end)
            } else {
                let uses = vec![(Use::Job(job), progress.clone())];
                let size = (!seed, SUPERFRAME_DATA);
                traffic::bare(&PEER_NET, size, CongestionControl::None, uses, end)
            }
        });
        let bytes = row.bytes;
        let done = |now: Instant, _: &mut _| {
            let over = progress.connected.get().is_some_and(|since| now >= since + LIMIT);
            let moved = match row.direction {
                Direction::To => progress.acknowledged.get(),
                _ => progress.received.get(),
            };
            over || progress.failed.get() || moved >= bytes
        };
        let end = path.run(Instant::ZERO + LIMIT * 2, done).unwrap_or(Instant::ZERO + LIMIT * 2);
        if progress.failed.get() {
            return Err(format!("{:?}: broken after {} bytes", row, progress.received.get()));
        }
        let Some(since) = progress.connected.get() else {
            return Err(format!("{row:?}: no connection"));
        };
        let took = end - since;
        Ok((took < LIMIT).then(|| took.total_micros() as f64 / 1e6))
    }
}
