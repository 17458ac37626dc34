//! Writes a capture, to a file or to standard output, one `write` a frame.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use smoltcp::time::Instant;

use super::block::Block;
use super::direction::Direction;
use super::error::CaptureError;
use crate::output::{self, counted};

/// Bytes of the pipe to who reads along: what is sent in a fraction of a second of bulk.
#[cfg(target_os = "linux")]
const PIPE_LEN: usize = 1 << 20;

/// A capture being written.
#[derive(Debug)]
pub struct Capture {
    file: File,
    sink: Sink,
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
enum Sink {
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
            let sink = Sink::Named { path: path.clone(), len: 0, looked: None };
            Self::begin(file, sink, interface, epoch)
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
            .and_then(|file| Self::begin(file, Sink::Stdout { wait }, interface, epoch))
            .map_err(CaptureError::Stdout)
    }

    fn begin(
        mut file: File,
        mut sink: Sink,
        interface: &str,
        epoch: std::time::Duration,
    ) -> io::Result<Self> {
        let mut block = Block::default();
        let mut header = Vec::new();
        header.extend_from_slice(block.section());
        header.extend_from_slice(block.interface(interface));
        file.write_all(&header)?;
        if let Sink::Named { len, .. } = &mut sink {
            *len = header.len() as u64;
        }
        Ok(Self {
            file,
            sink,
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
        if matches!(self.sink, Sink::Stdout { wait: false }) && !output::has_room(&self.file) {
            self.left_out += 1;
            self.left_out_since += 1;
            return Ok(());
        }
        let since_start = u64::try_from(now.total_micros()).unwrap_or(0).saturating_mul(1000);
        let time_ns = self.epoch_ns.saturating_add(since_start);
        let block = self.block.packet(time_ns, direction, frame, notes, self.left_out_since);
        let looked = match &mut self.sink {
            Sink::Named { looked, .. } => look(&self.file, looked, now),
            Sink::Stdout { .. } => Ok(()),
        };
        match looked.and_then(|()| self.file.write_all(block)) {
            Ok(()) => {
                if let Sink::Named { len, .. } = &mut self.sink {
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
        let name = match &self.sink {
            Sink::Named { path, len, .. } => {
                // Best effort: a reader copes with half a block as well.
                let _ = self.file.set_len(*len);
                path.display().to_string()
            }
            Sink::Stdout { .. } => "on standard output".into(),
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
    const EVERY: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(1);
    if looked.is_some_and(|looked| now < looked + EVERY) {
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
