//! Is what the board sent what the script expects?
//!
//! Flags, sequence numbers, lengths, acknowledgements, SACK blocks, sizes of segments, and the text itself, always. With
//! `--board`, windows, PSH and all options in their order too. Without it, a script speaks of another stack, and what is
//! that stack's own is mapped: windows count only as open or closed, PSH not at all, padding and timestamps are left out of
//! the options, and a window scale is one whatever its shift. Of SACK blocks the board may tell fewer. Several segments may make up one of the script, as with an
//! interface that segments.

use super::calls::pattern;
use super::packet::Wire;
use super::script::{ACK, FIN, Number, PSH, Packet, RST, SYN, TcpOption};

/// The sequence number of the peer's first SYN when the script says 0; its numbers wrap early.
const PEER_FIRST: u32 = u32::MAX - 1000;

/// The script's sequence numbers and the wire's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    /// The board's on the wire, less the script's.
    pub(crate) board: u32,
    /// Whether the board's next SYN may have a number of its own.
    pub(crate) opens: bool,
    /// The script's number of the first byte that the peer sends.
    pub(crate) first: u32,
    /// The text of the peer's last segment, on the wire.
    pub(crate) last_in: (u32, u32),
    /// What the board has acknowledged last, on the wire.
    pub(crate) last_ack: u32,
}

impl Numbers {
    pub(crate) fn board_to_wire(self, number: Number) -> u32 {
        if number.absolute { number.value } else { number.value.wrapping_add(self.board) }
    }

    pub(crate) fn peer_to_wire(number: Number) -> u32 {
        if number.absolute { number.value } else { number.value.wrapping_add(PEER_FIRST) }
    }

    /// In the script's numbers: the board's, and what it acknowledges.
    pub(crate) fn show(self, wire: &Wire) -> String {
        let mut shown = wire.clone();
        for option in &mut shown.options {
            if let TcpOption::Sack(blocks) = option {
                for (left, right) in blocks {
                    *left = left.wrapping_sub(PEER_FIRST);
                    *right = right.wrapping_sub(PEER_FIRST);
                }
            }
        }
        shown.show(wire.seq.wrapping_sub(self.board), wire.ack.wrapping_sub(PEER_FIRST))
    }

    /// Learns the board's initial sequence number from a SYN, if one is expected.
    pub(crate) fn learn(&mut self, expected: &Packet, wire: &Wire) {
        if expected.flags & SYN != 0 && wire.flags & SYN != 0 && self.opens {
            let script = expected.seq.filter(|seq| !seq.absolute).map_or(0, |seq| seq.value);
            self.board = wire.seq.wrapping_sub(script);
            self.opens = false;
        }
    }

    /// Whether `wire` is (the next part of) the segment that is expected, of which the first `before` bytes have come;
    /// what differs.
    pub(crate) fn differ(
        self,
        expected: &Packet,
        wire: &Wire,
        before: usize,
        board: bool,
    ) -> Result<(), String> {
        let len = wire.payload.len();
        let is_last = before + len == expected.len;
        // Flags that only the last of several segments has.
        let late = if is_last { 0 } else { FIN | PSH };
        let ignored = if board { 0 } else { PSH };
        let flags = expected.flags & !(late | ignored);
        if flags != wire.flags & !ignored {
            return Err("flags".to_owned());
        }
        let seq = expected.seq.map(|seq| self.board_to_wire(seq).wrapping_add(before as u32));
        if seq.is_some_and(|seq| seq != wire.seq) {
            return Err("sequence number".to_owned());
        }
        let whole = board || len == 0 || expected.flags & SYN != 0;
        let cut = before + len < expected.len && whole;
        if before + len > expected.len || cut {
            return Err("length".to_owned());
        }
        let ack = expected.ack.map(Self::peer_to_wire);
        if wire.flags & ACK != 0 && ack.is_some_and(|ack| ack != wire.ack) {
            return Err("acknowledgement".to_owned());
        }
        if expected.window.is_some_and(|window| !same_window(window, wire, board)) {
            return Err("window".to_owned());
        }
        if let Some(options) = &expected.options
            && !self.same_options(options, wire, board)
        {
            return Err("options".to_owned());
        }
        let number = wire.seq.wrapping_sub(self.board);
        let right = |(at, &byte): (usize, &u8)| byte == pattern(number.wrapping_add(at as u32));
        if wire.payload != [0] && !wire.payload.iter().enumerate().all(right) {
            return Err("text".to_owned());
        }
        Ok(())
    }

    fn same_options(self, expected: &[TcpOption], wire: &Wire, board: bool) -> bool {
        let blocks = |option: &TcpOption| match option {
            TcpOption::Sack(blocks) => TcpOption::Sack(
                blocks
                    .iter()
                    .map(|&(left, right)| {
                        (left.wrapping_add(PEER_FIRST), right.wrapping_add(PEER_FIRST))
                    })
                    .collect(),
            ),
            option => option.clone(),
        };
        let expected: Vec<_> = expected.iter().map(blocks).collect();
        if board {
            return expected == wire.options;
        }
        let scales = |options: &[TcpOption]| {
            options.iter().any(|option| matches!(option, TcpOption::WindowScale(_)))
        };
        let size = |options: &[TcpOption]| {
            options.iter().find(|option| matches!(option, TcpOption::Mss(_))).cloned()
        };
        let permits = |options: &[TcpOption]| options.contains(&TcpOption::SackPermitted);
        size(&expected) == size(&wire.options)
            && permits(&expected) == permits(&wire.options)
            && self.same_blocks(&sacked(&expected), &sacked(&wire.options), wire.ack)
            && (scales(&expected) || !scales(&wire.options))
            && !wire.options.iter().any(|option| matches!(option, TcpOption::Timestamp(..)))
    }

    /// The board tells what came in twice if that was a whole segment (RFC 2883 leaves it to the receiver), and may tell fewer
    /// blocks. What came twice has to come first where the script has it, then the script's blocks from the first on; where
    /// the acknowledgement has moved, in any order (RFC 2018 4). It never tells a block that the script has not.
    fn same_blocks(self, expected: &[(u32, u32)], told: &[(u32, u32)], ack: u32) -> bool {
        let after = |left: u32, right: u32| right.wrapping_sub(left).cast_signed() > 0;
        let Some((&first, rest)) = expected.split_first() else { return told.is_empty() };
        let twice = !after(ack, first.1)
            || rest.iter().any(|other| !after(first.0, other.0) && !after(other.1, first.1));
        if twice && first == self.last_in {
            return told.first() == Some(&first)
                && told[1..].iter().all(|block| rest.contains(block));
        }
        let blocks = if twice { rest } else { expected };
        match told {
            [] => blocks.is_empty(),
            _ if after(self.last_ack, ack) => told.iter().all(|block| blocks.contains(block)),
            _ => blocks.starts_with(told),
        }
    }
}

fn sacked(options: &[TcpOption]) -> Vec<(u32, u32)> {
    let blocks = |option: &TcpOption| match option {
        TcpOption::Sack(blocks) => Some(blocks.clone()),
        _ => None,
    };
    options.iter().find_map(blocks).unwrap_or_default()
}

fn same_window(expected: u16, wire: &Wire, board: bool) -> bool {
    if board {
        return expected == wire.window;
    }
    // A reset's says nothing.
    wire.flags & RST != 0 || (expected == 0) == (wire.window == 0)
}
