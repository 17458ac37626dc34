//! Captures: every frame of a run in a pcapng file that Wireshark opens, with what the link did to it.
//!
//! A [`Capture`] writes; [`read`] reads such a file back, and what tcpdump and Wireshark write. The file
//! has one section and one Ethernet interface; each frame is an enhanced packet block with its direction
//! as the board sees it, nanosecond time, and the link's notes as its comment. A record is one `write`
//! and no buffer outlives it, so that a killed run keeps every frame up to its last: some 4 us a frame.
//! The first record that cannot be written is the end of the capture, not of the board.
//!
//! A capture can go to standard output as well, for a program that reads along. Who reads too slowly cannot stop
//! the board: what the pipe has no room for is left out, and the next frame says how many were.
//!
//! Format: `draft-ietf-opsawg-pcapng`, the sections named beside the numbers in `format`.

mod format;
mod reader;
mod source;

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use smoltcp::time::{Duration, Instant};

use crate::nic::wire::Side;
use crate::output::{self, counted};

use self::format::{
    BLOCK_ENHANCED_PACKET, BLOCK_INTERFACE, BLOCK_SECTION, BYTE_ORDER_MAGIC, DIRECTION_INBOUND,
    DIRECTION_OUTBOUND, LINKTYPE_ETHERNET, OPT_COMMENT, OPT_END, OPT_EPB_DROPCOUNT, OPT_EPB_FLAGS,
    OPT_IF_NAME, OPT_IF_TSRESOL, OPT_SHB_USERAPPL, VERSION,
};
pub use self::reader::{BLOCK_MAX, INTERFACES_MAX, Reader, Record, read};

/// Who wrote the file, for whoever opens it.
const APPLICATION: &str = concat!("tapboard ", env!("CARGO_PKG_VERSION"));
/// Bytes of the pipe to who reads along: what is sent in a fraction of a second of bulk.
#[cfg(target_os = "linux")]
const PIPE_LEN: usize = 1 << 20;
/// How often a capture looks whether its file still has a name.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Inbound, as the board sees it.
    ToBoard,
    /// Outbound, as the board sees it.
    ToPeer,
}

impl From<Side> for Direction {
    fn from(to: Side) -> Self {
        match to {
            Side::Board => Self::ToBoard,
            Side::Peer => Self::ToPeer,
        }
    }
}

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
    /// The file is neither pcapng nor pcap.
    NotACapture,
    /// The file breaks the format's rules.
    Malformed {
        /// Where in the file the block or record begins.
        offset: u64,
        /// The rule.
        what: &'static str,
    },
    /// A pcap file of another link than Ethernet, by `LINKTYPE_` number.
    LinkType(u32),
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
            Self::NotACapture => f.write_str(
                "it is neither a pcapng nor a pcap file; write one with `tapboard --pcap FILE` or \
                 `tcpdump -w FILE`",
            ),
            Self::Malformed { offset, what } => {
                write!(f, "it is damaged at byte {offset}: {what}; what comes before can be read")
            }
            Self::LinkType(number) => write!(
                f,
                "its link type is {number}, and only Ethernet (1) is read; capture on an Ethernet \
                 interface, e.g. `tcpdump -i tap0 -w FILE`"
            ),
        }
    }
}

impl std::error::Error for CaptureError {}

/// A capture being written.
#[derive(Debug)]
pub struct Capture {
    file: File,
    place: Place,
    /// Instant 0 in nanoseconds since 1970.
    epoch_ns: u64,
    /// One block, to be written at once.
    block: Block,
    frames: u64,
    /// Frames that were left out, in all and since the last that was not.
    left_out: u64,
    left_out_since: u64,
    over: bool,
}

/// Where a capture goes.
#[derive(Debug)]
enum Place {
    Named {
        path: PathBuf,
        /// Bytes of whole blocks in the file.
        len: u64,
        looked: Option<Instant>,
    },
    Stdout {
        /// Whether to wait for its reader.
        wait: bool,
    },
}

impl Capture {
    /// Begins a capture of one interface; a file of that name is replaced. `epoch` is the time of
    /// instant 0, since 1970: zero in virtual time.
    pub fn create(
        path: &Path,
        interface: &str,
        epoch: std::time::Duration,
    ) -> Result<Self, CaptureError> {
        let path = path.to_path_buf();
        if is_fifo(&path) {
            return Err(CaptureError::Fifo { path });
        }
        let begun = File::create(&path).and_then(|file| {
            let place = Place::Named { path: path.clone(), len: 0, looked: None };
            Self::begin(file, place, interface, epoch)
        });
        begun.map_err(|error| CaptureError::Create { path, error })
    }

    /// Begins a capture of one interface on standard output, which is then nobody else's. If it is not to
    /// `wait` for its reader, it leaves out what that has no room for.
    pub fn on_stdout(
        interface: &str,
        epoch: std::time::Duration,
        wait: bool,
    ) -> Result<Self, CaptureError> {
        if io::stdout().is_terminal() {
            return Err(CaptureError::Terminal);
        }
        stdout()
            .and_then(|file| Self::begin(file, Place::Stdout { wait }, interface, epoch))
            .map_err(CaptureError::Stdout)
    }

    fn begin(
        mut file: File,
        mut place: Place,
        interface: &str,
        epoch: std::time::Duration,
    ) -> io::Result<Self> {
        let mut block = Block::default();
        let mut header = Vec::new();
        header.extend_from_slice(block.section());
        header.extend_from_slice(block.interface(interface));
        file.write_all(&header)?;
        if let Place::Named { len, .. } = &mut place {
            *len = header.len() as u64;
        }
        Ok(Self {
            file,
            place,
            epoch_ns: u64::try_from(epoch.as_nanos()).unwrap_or(u64::MAX),
            block,
            frames: 0,
            left_out: 0,
            left_out_since: 0,
            over: false,
        })
    }

    /// Appends a frame as it is sent at `now`, with what the link did to it; no notes, no comment. The
    /// frame is in the file when this returns, or counted as left out.
    ///
    /// # Errors
    /// Once, when the file can no longer be written or has been removed, or standard output has no reader
    /// any more. The capture then ends with its last whole frame, and what follows is ignored.
    pub fn record(
        &mut self,
        now: Instant,
        direction: Direction,
        frame: &[u8],
        notes: &str,
    ) -> io::Result<()> {
        if self.over {
            return Ok(());
        }
        if matches!(self.place, Place::Stdout { wait: false }) && !output::has_room(&self.file) {
            self.left_out += 1;
            self.left_out_since += 1;
            return Ok(());
        }
        let since_start = u64::try_from(now.total_micros()).unwrap_or(0).saturating_mul(1000);
        let time_ns = self.epoch_ns.saturating_add(since_start);
        let block = self.block.packet(time_ns, direction, frame, notes, self.left_out_since);
        let looked = match &mut self.place {
            Place::Named { looked, .. } => look(&self.file, looked, now),
            Place::Stdout { .. } => Ok(()),
        };
        match looked.and_then(|()| self.file.write_all(block)) {
            Ok(()) => {
                if let Place::Named { len, .. } = &mut self.place {
                    *len += block.len() as u64;
                }
                self.frames += 1;
                self.left_out_since = 0;
                Ok(())
            }
            Err(error) => Err(self.end(&error)),
        }
    }

    /// Ends the capture with its last whole frame. Returns the error with what came of it.
    fn end(&mut self, error: &io::Error) -> io::Error {
        self.over = true;
        let name = match &self.place {
            Place::Named { path, len, .. } => {
                // Best effort: a reader copes with half a block as well.
                let _ = self.file.set_len(*len);
                path.display().to_string()
            }
            Place::Stdout { .. } => "on standard output".into(),
        };
        let frames = counted(self.frames, "frame");
        let text =
            format!("the capture {name} ends after {frames}: {error}; the board goes on without");
        io::Error::new(error.kind(), text)
    }

    /// Frames that were left out because the reader of standard output was slow.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Frames in the file.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether [`Capture::record`] has failed, so that nothing is captured any more.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.over
    }
}

/// Standard output without a buffer between, so that a frame is one `write`.
#[cfg(unix)]
fn stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    // Room for a burst, if it is a pipe and the kernel grants it.
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(&file, PIPE_LEN);
    Ok(file)
}

#[cfg(not(unix))]
fn stdout() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
fn is_fifo(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|data| data.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_fifo(_path: &Path) -> bool {
    false
}

/// Finds out, once in a while, whether the file was removed: writing to it would go on in silence.
#[cfg(unix)]
fn look(file: &File, looked: &mut Option<Instant>, now: Instant) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    if looked.is_some_and(|looked| now < looked + LOOK_EVERY) {
        return Ok(());
    }
    *looked = Some(now);
    let data = file.metadata()?;
    if data.is_file() && data.nlink() == 0 {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the file was removed"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn look(_file: &File, _looked: &mut Option<Instant>, _now: Instant) -> io::Result<()> {
    Ok(())
}

/// One block at a time, little-endian, in a buffer that is used again.
#[derive(Debug, Default)]
struct Block(Vec<u8>);

impl Block {
    /// Section header block (4.1), of unknown section length.
    fn section(&mut self) -> &[u8] {
        self.begin(BLOCK_SECTION);
        self.u32(BYTE_ORDER_MAGIC);
        self.0.extend_from_slice(&VERSION.0.to_le_bytes());
        self.0.extend_from_slice(&VERSION.1.to_le_bytes());
        self.0.extend_from_slice(&u64::MAX.to_le_bytes());
        self.option(OPT_SHB_USERAPPL, APPLICATION.as_bytes());
        self.end_with_options()
    }

    /// Interface description block (4.2): Ethernet, no snap length, times in nanoseconds.
    fn interface(&mut self, name: &str) -> &[u8] {
        self.begin(BLOCK_INTERFACE);
        self.u32(u32::from(LINKTYPE_ETHERNET));
        self.u32(0);
        self.option(OPT_IF_NAME, short(name).as_bytes());
        self.option(OPT_IF_TSRESOL, &[9]);
        self.end_with_options()
    }

    /// Enhanced packet block (4.3) on the only interface, before which that many were left out.
    fn packet(
        &mut self,
        time_ns: u64,
        direction: Direction,
        frame: &[u8],
        notes: &str,
        left_out: u64,
    ) -> &[u8] {
        let len = u32::try_from(frame.len()).expect("a frame is shorter than 4 GiB");
        let direction = match direction {
            Direction::ToBoard => DIRECTION_INBOUND,
            Direction::ToPeer => DIRECTION_OUTBOUND,
        };
        self.begin(BLOCK_ENHANCED_PACKET);
        self.u32(0);
        self.u32((time_ns >> 32) as u32);
        self.u32(time_ns as u32);
        self.u32(len);
        self.u32(len);
        self.padded(frame);
        if !notes.is_empty() {
            self.option(OPT_COMMENT, short(notes).as_bytes());
        }
        self.option(OPT_EPB_FLAGS, &direction.to_le_bytes());
        if left_out > 0 {
            self.option(OPT_EPB_DROPCOUNT, &left_out.to_le_bytes());
        }
        self.end_with_options()
    }

    fn begin(&mut self, block_type: u32) {
        self.0.clear();
        self.u32(block_type);
        self.u32(0);
    }

    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let len = u16::try_from(value.len()).expect("texts were shortened");
        self.0.extend_from_slice(&code.to_le_bytes());
        self.0.extend_from_slice(&len.to_le_bytes());
        self.padded(value);
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// Ends the options, and puts the block's length at either end.
    fn end_with_options(&mut self) -> &[u8] {
        self.option(OPT_END, &[]);
        let len = u32::try_from(self.0.len() + 4).expect("a frame and its notes are short");
        self.0[4..8].copy_from_slice(&len.to_le_bytes());
        self.u32(len);
        &self.0
    }
}

/// As much of a text as an option holds.
fn short(text: &str) -> &str {
    let end =
        (0..=text.len().min(usize::from(u16::MAX))).rev().find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests;
