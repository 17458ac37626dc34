//! Why a capture cannot be replayed, and what helps.

use std::fmt;
use std::net::IpAddr;

use super::FRAMES_MAX;
use crate::capture::CaptureError;

/// Why a capture cannot be replayed.
#[derive(Debug)]
pub enum ReplayError {
    /// It cannot be read, or a file cannot be written.
    Capture(CaptureError),
    /// It has more frames than are kept.
    TooLong,
    /// There is no frame of IP in it.
    NoFrames,
    /// Nobody in it is known for the board.
    NoBoard(Vec<IpAddr>),
    /// Several in it may be the board.
    Boards(Vec<IpAddr>),
    /// Who was named is not in it.
    Absent(IpAddr, Vec<IpAddr>),
    /// No conversation of the board can be replayed, for these reasons.
    Nothing(Vec<String>),
    /// The board cannot have that address.
    Address(IpAddr),
    /// There is no difference that a smaller capture could show.
    Same,
}

impl From<CaptureError> for ReplayError {
    fn from(error: CaptureError) -> Self {
        Self::Capture(error)
    }
}

/// `A, B and C`, and no more than some of many.
fn listed(addresses: &[IpAddr]) -> String {
    const SHOWN: usize = 6;
    let mut shown: Vec<_> = addresses.iter().take(SHOWN).map(ToString::to_string).collect();
    if addresses.len() > SHOWN {
        shown.push(format!("{} more", addresses.len() - SHOWN));
    }
    match shown.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "nobody".into(),
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(error) => error.fmt(f),
            Self::TooLong => write!(
                f,
                "it has more than {FRAMES_MAX} frames; cut a part out, from the first frame of a conversation on: \
                 editcap -r FILE PART.pcapng 1-50000"
            ),
            Self::NoFrames => f.write_str(
                "no frame in it carries ARP or IP; `tapboard ladder FILE` shows what is there",
            ),
            Self::NoBoard(hosts) => write!(
                f,
                "nobody in it is known for the board, for nobody is asked at a port of the board's; there are {}: name it with \
                 --board ADDR, and with --port THEIRS:BOARD a port that stands for one of the board's",
                listed(hosts)
            ),
            Self::Boards(boards) => write!(
                f,
                "{} may be the board; name the one with --board ADDR",
                listed(boards)
            ),
            Self::Absent(board, hosts) => write!(
                f,
                "there is no frame of {board} in it; there are {}: name the board with --board ADDR",
                listed(hosts)
            ),
            Self::Nothing(reasons) => write!(
                f,
                "no conversation of the board in it can be replayed: {}",
                if reasons.is_empty() {
                    "nobody says anything to it; `tapboard ladder FILE` shows what is there".into()
                } else {
                    reasons.join("; ")
                }
            ),
            Self::Address(address) => write!(
                f,
                "the board cannot have the address {address}; name another of its addresses with --board ADDR"
            ),
            Self::Same => f.write_str(
                "the board says what it said in the capture: there is nothing to minimize; name another \
                 capture, or let --strict count what is no fault",
            ),
        }
    }
}

impl std::error::Error for ReplayError {}
