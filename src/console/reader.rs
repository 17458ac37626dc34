//! Bytes and lines from an input that may keep its reader waiting.
//!
//! A thread reads and the driver takes; neither waits for the other but through a queue of [`CHUNKS`]
//! chunks, so that an input faster than the board is held back and not stored. The thread wakes the
//! driver with each chunk and at the end. It lives until the input ends or, once nobody takes any more,
//! until its next chunk; nothing waits for it. Memory: a few chunks and one line.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

/// Bytes of the longest line.
pub(super) const LINE_MAX: usize = 4096;
/// Bytes read at once.
const CHUNK: usize = 4096;
/// Chunks that wait for the driver.
const CHUNKS: usize = 2;

type Chunk = Result<Vec<u8>, String>;

/// Bytes as they come.
#[derive(Debug)]
pub(super) struct Bytes {
    /// `None` once the input has ended.
    receiver: Option<Receiver<Chunk>>,
    chunk: Vec<u8>,
    at: usize,
    error: Option<String>,
}

impl Bytes {
    /// Reads with `read`, which may block, on a thread of its own; calls `wake` from there whenever there
    /// is something new.
    pub(super) fn new<R, W>(read: R, wake: W) -> Result<Self, String>
    where
        R: FnMut(&mut [u8]) -> io::Result<usize> + Send + 'static,
        W: Fn() + Send + 'static,
    {
        let (sender, receiver) = sync_channel(CHUNKS);
        thread::Builder::new()
            .name("console".into())
            .spawn(move || {
                forward(read, &sender, &wake);
                drop(sender);
                wake();
            })
            .map_err(|error| format!("cannot start the console: {error}"))?;
        Ok(Self { receiver: Some(receiver), chunk: Vec::new(), at: 0, error: None })
    }

    /// The next byte, if it is there already.
    pub(super) fn next(&mut self) -> Option<u8> {
        if self.at == self.chunk.len() {
            self.refill();
        }
        let byte = *self.chunk.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn refill(&mut self) {
        let Some(receiver) = &self.receiver else { return };
        match receiver.try_recv() {
            Ok(Ok(chunk)) => (self.chunk, self.at) = (chunk, 0),
            Ok(Err(error)) => {
                self.error = Some(error);
                self.receiver = None;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => self.receiver = None,
        }
    }

    /// Whether there will be no byte any more.
    pub(super) fn ended(&self) -> bool {
        self.receiver.is_none() && self.at == self.chunk.len()
    }

    /// Why the input ended, unless in order; once.
    pub(super) fn take_error(&mut self) -> Option<String> {
        self.error.take()
    }
}

fn forward<R>(mut read: R, sender: &SyncSender<Chunk>, wake: &impl Fn())
where
    R: FnMut(&mut [u8]) -> io::Result<usize>,
{
    let mut buffer = [0; CHUNK];
    loop {
        let chunk = match read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => Ok(buffer[..len].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(format!("cannot read commands any more: {error}")),
        };
        let failed = chunk.is_err();
        if sender.send(chunk).is_err() || failed {
            return;
        }
        wake();
    }
}

/// What [`Lines::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A line, without its end, or why there is none.
    Line(Result<String, String>),
    /// No whole line yet, but more bytes are there.
    More,
    /// No whole line yet.
    Nothing,
    /// The last line was taken.
    End,
}

/// Lines as they come.
#[derive(Debug)]
pub(super) struct Lines {
    bytes: Bytes,
    line: Vec<u8>,
    overlong: bool,
}

impl Lines {
    pub(super) const fn new(bytes: Bytes) -> Self {
        Self { bytes, line: Vec::new(), overlong: false }
    }

    /// The next line; looks at no more than [`LINE_MAX`] bytes. One longer than that ends it all: whatever
    /// writes it writes no commands.
    pub(super) fn next(&mut self) -> Found {
        if self.overlong {
            return Found::End;
        }
        for _ in 0..=LINE_MAX {
            let Some(byte) = self.bytes.next() else { return self.dry() };
            if byte == b'\n' {
                return Found::Line(self.take());
            }
            if self.line.len() == LINE_MAX {
                self.overlong = true;
                let error = format!("a line of more than {LINE_MAX} bytes: no commands any more");
                return Found::Line(Err(error));
            }
            self.line.push(byte);
        }
        Found::More
    }

    fn dry(&mut self) -> Found {
        if !self.bytes.ended() {
            return Found::Nothing;
        }
        if !self.line.is_empty() {
            return Found::Line(self.take());
        }
        self.bytes.take_error().map_or(Found::End, |error| Found::Line(Err(error)))
    }

    fn take(&mut self) -> Result<String, String> {
        let line = std::mem::take(&mut self.line);
        String::from_utf8(line).map_err(|_| "a line that is not UTF-8 is no command".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_mins(1);

    /// The lines of an input, each time after a wake-up when there was nothing.
    fn read_all(input: Vec<io::Result<Vec<u8>>>) -> Vec<Result<String, String>> {
        let (wake, woken) = channel();
        let mut input = input.into_iter();
        let read = move |buffer: &mut [u8]| match input.next() {
            None => Ok(0),
            Some(Err(error)) => Err(error),
            Some(Ok(bytes)) => {
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
        };
        let bytes = Bytes::new(read, move || wake.send(()).unwrap_or_default()).unwrap();
        let (mut lines, mut all) = (Lines::new(bytes), Vec::new());
        loop {
            match lines.next() {
                Found::Line(line) => all.push(line),
                Found::More => {}
                Found::Nothing => {
                    woken.recv_timeout(PATIENCE).expect("a wake-up");
                }
                Found::End => return all,
            }
        }
    }

    #[test]
    fn lines_come_whole_however_they_were_cut() {
        let text = "unplug\nloss 5%\r\n\nplug";
        for size in 1..text.len() {
            let chunks = text.as_bytes().chunks(size).map(|chunk| Ok(chunk.to_vec())).collect();
            let expected = ["unplug", "loss 5%\r", "", "plug"].map(|line| Ok(line.to_string()));
            assert_eq!(read_all(chunks), expected, "{size}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_once_after_what_could() {
        let interrupted = Err(io::ErrorKind::Interrupted.into());
        let broken = Err(io::ErrorKind::BrokenPipe.into());
        let lines = read_all(vec![Ok(b"plug\n".into()), interrupted, Ok(b"\xff\n".into()), broken]);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[0], Ok("plug".into()));
        assert!(lines[1].as_ref().unwrap_err().contains("UTF-8"));
        assert!(lines[2].as_ref().unwrap_err().contains("cannot read"));
    }

    #[test]
    fn a_line_may_have_its_limit_and_no_byte_more() {
        let line = |len: usize| -> Vec<io::Result<Vec<u8>>> {
            vec![Ok(vec![b'x'; len / 2]), Ok(vec![b'x'; len - len / 2]), Ok(b"\nplug\n".into())]
        };
        assert_eq!(read_all(line(LINE_MAX)), [Ok("x".repeat(LINE_MAX)), Ok("plug".into())]);
        let lines = read_all(line(LINE_MAX + 1));
        assert_eq!(lines.len(), 1, "the rest is not read");
        assert!(lines[0].as_ref().unwrap_err().contains("4096"));
    }

    #[test]
    fn an_endless_input_is_held_back_not_stored() {
        let (read, reads) = channel();
        let (wake, woken) = channel();
        let endless = move |buffer: &mut [u8]| {
            let _ = read.send(());
            buffer.fill(b'\n');
            Ok(buffer.len())
        };
        let mut bytes = Bytes::new(endless, move || wake.send(()).unwrap_or_default()).unwrap();
        // The queue is full, and the thread holds one more chunk that it has read.
        for _ in 0..CHUNKS {
            woken.recv_timeout(PATIENCE).unwrap();
        }
        for _ in 0..=CHUNKS {
            reads.recv_timeout(PATIENCE).unwrap();
        }
        let more = reads.recv_timeout(Duration::from_millis(100));
        assert!(more.is_err(), "it read on");
        assert_eq!(bytes.next(), Some(b'\n'));
        reads.recv_timeout(PATIENCE).expect("room, and it reads on");
    }
}
