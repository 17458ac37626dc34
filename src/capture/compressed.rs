//! A capture that may be compressed: gzip and zstd are read as they come, other forms are named.
//!
//! Both decoders are Rust without C, and hold their window only: 32 KiB, and for zstd at most
//! [`WINDOW_MAX`], which is what `zstd` writes unless it is told `--long` or `--ultra`.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::mem;

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Bytes that a zstd frame may ask to be remembered.
const WINDOW_MAX: u64 = 8 << 20;
/// Bytes that are unpacked at a time.
const PART: usize = 128 << 10;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Forms that are not read, and what unpacks them.
const OTHERS: &[(&[u8], &str)] = &[
    (&[0xfd, b'7', b'z', b'X'], "xz"),
    (b"BZh", "bzip2"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
    (b"LZIP", "lzip"),
];

/// What was read of it to tell, and the rest.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

/// A file's bytes, unpacked.
pub(super) enum Unpacked<R> {
    Plain(Whole<R>),
    Gzip(Box<MultiGzDecoder<Whole<R>>>),
    Zstd(Box<Zstd<BufReader<Whole<R>>>>),
}

impl<R> std::fmt::Debug for Unpacked<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
        })
    }
}

impl<R: Read> Unpacked<R> {
    /// Looks at the first four bytes. The inner error is the name of a program that unpacks what is not read.
    pub(super) fn new(mut from: R) -> io::Result<Result<Self, &'static str>> {
        let mut first = Vec::new();
        (&mut from).take(4).read_to_end(&mut first)?;
        if let Some((_, program)) = OTHERS.iter().find(|(magic, _)| first.starts_with(magic)) {
            return Ok(Err(program));
        }
        let gzip = first.starts_with(GZIP);
        let zstd = first.starts_with(ZSTD);
        let whole = Cursor::new(first).chain(from);
        Ok(Ok(if gzip {
            Self::Gzip(Box::new(MultiGzDecoder::new(whole)))
        } else if zstd {
            Self::Zstd(Box::new(Zstd::new(BufReader::new(whole))))
        } else {
            Self::Plain(whole)
        }))
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(from) => from.read(out),
            Self::Gzip(from) => from.read(out).map_err(|error| match error.kind() {
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => damaged("gzip"),
                _ => error,
            }),
            Self::Zstd(from) => from.read(out),
        }
    }
}

/// The error of data that `program` has packed, and something has changed since. What was before that has been read.
fn damaged(program: &str) -> io::Error {
    let remedy = format!("its {program} data is damaged from here on; copy the file anew");
    io::Error::new(io::ErrorKind::InvalidData, remedy)
}

/// One zstd frame after another. What was unpacked before a damage, or where the file was cut, comes before the error.
pub(super) struct Zstd<R> {
    from: R,
    decoder: FrameDecoder,
    state: State,
}

/// Where the decoder stands.
enum State {
    Between,
    Within,
    Failed(io::Error),
    Over,
}

impl<R: BufRead> Zstd<R> {
    fn new(from: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_MAX);
        Self { from, decoder, state: State::Between }
    }

    /// A file that is cut within a frame ends there, as one that is not compressed does.
    fn error(&mut self, error: &FrameDecoderError) -> io::Error {
        let cut = self.from.fill_buf().is_ok_and(<[u8]>::is_empty);
        if cut {
            io::Error::new(io::ErrorKind::UnexpectedEof, error.to_string())
        } else {
            damaged("zstd")
        }
    }

    /// Begins the next frame; `false` at the end of the file.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.from.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.from) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut (&mut self.from).take(length.into()), &mut io::sink())?;
                }
                Err(FrameDecoderError::WindowSizeTooBig { .. }) => {
                    return Err(io::Error::other(
                        "its zstd window is above 8 MiB; unpack it first: \
                         zstd -dc --long=31 FILE | tapboard ladder -",
                    ));
                }
                Err(error) => return Err(self.error(&error)),
            }
        }
        Ok(false)
    }

    /// Unpacks a part more.
    fn unpack(&mut self) -> io::Result<()> {
        let strategy = BlockDecodingStrategy::UptoBytes(PART);
        if let Err(error) = self.decoder.decode_blocks(&mut self.from, strategy) {
            let error = self.error(&error);
            // The decoder keeps back a window until the frame ends: it is told that here is the end. A last block
            // without anything in it (RFC 8878, 3.1.1.2), and a checksum.
            let end: &[u8] = &[1, 0, 0, 0, 0, 0, 0];
            let _ = self.decoder.decode_blocks(end, BlockDecodingStrategy::UptoBlocks(1));
            return Err(error);
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(out);
            }
            if matches!(self.state, State::Within) && self.decoder.is_finished() {
                self.state = State::Between;
            }
            match self.state {
                State::Between => {
                    self.state = if self.begin()? { State::Within } else { State::Over };
                }
                State::Within => {
                    if let Err(error) = self.unpack() {
                        self.state = State::Failed(error);
                    }
                }
                State::Failed(_) => {
                    let State::Failed(error) = mem::replace(&mut self.state, State::Over) else {
                        continue;
                    };
                    return Err(error);
                }
                State::Over => return Ok(0),
            }
        }
    }
}
