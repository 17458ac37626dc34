//! Why a capture cannot be written or read, and what helps.

use std::path::PathBuf;
use std::{error, fmt, io};

/// Why a capture cannot be written or read.
#[derive(Debug)]
pub enum CaptureError {
    /// The file cannot be made, or not be written from its first byte.
    Create {
        /// What was to be written.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The path names a FIFO or the like: its reader could stop the board.
    Fifo {
        /// What was to be written.
        path: PathBuf,
    },
    /// Standard output cannot be written to.
    Stdout(io::Error),
    /// Standard output is a terminal, which shows no capture.
    Terminal,
    /// The file cannot be opened for reading.
    Open {
        /// What was to be read.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file cannot be read on.
    Read(io::Error),
    /// There is nothing in the file, or nothing that could be unpacked.
    Empty,
    /// The file is neither pcapng nor pcap.
    NotACapture,
    /// The file breaks the format's rules.
    Malformed {
        /// Where in the file the block or record begins.
        offset: u64,
        /// The rule.
        what: &'static str,
    },
    /// It is compressed in a form that is not read; the program unpacks it.
    Compressed(&'static str),
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { path, error } => write!(
                f,
                "cannot write the capture {}: {error}; name a file in a directory that you may write",
                path.display()
            ),
            Self::Fifo { path } => write!(
                f,
                "cannot capture to {0}: it is no file, and who reads it could stop the board; \
                 capture to standard output, tapboard --pcap - | wireshark -k -i -, or to a file \
                 and follow that: tail -c +1 -f FILE | wireshark -k -i -",
                path.display()
            ),
            Self::Stdout(error) => {
                write!(f, "cannot write the capture to standard output: {error}; name a file")
            }
            Self::Terminal => f.write_str(
                "cannot capture to a terminal; name a file, or give it to a program: \
                 tapboard --pcap - | wireshark -k -i -",
            ),
            Self::Open { path, error } => {
                write!(f, "cannot open {}: {error}", path.display())
            }
            Self::Read(error) => write!(f, "cannot read on: {error}"),
            Self::Empty => f.write_str(
                "it is empty, not even a capture's header is in it: nothing was written yet, or it was cut short",
            ),
            Self::NotACapture => f.write_str(
                "it is neither a pcapng nor a pcap file; write one with `tapboard --pcap FILE` or \
                 `tcpdump -w FILE`, or make one of another tool's capture with `editcap OLD NEW.pcapng`",
            ),
            Self::Malformed { offset, what } => {
                write!(f, "it is damaged at byte {offset}: {what}; what comes before can be read")
            }
            Self::Compressed(program) => write!(
                f,
                "it is compressed with {program}; unpack it first: \
                 {program} -dc FILE | tapboard ladder -"
            ),
        }
    }
}

impl error::Error for CaptureError {}
