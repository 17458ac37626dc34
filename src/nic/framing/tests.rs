//! The frames of a stream that is a script, and the calls they take.

use std::collections::VecDeque;

use super::*;

/// What is read, call after call, and what was written in each; it counts the bytes it was offered for each.
#[derive(Debug, Default)]
struct Scripted {
    reads: VecDeque<Vec<u8>>,
    writes: Vec<Vec<u8>>,
    /// How much a write takes; beyond these, nothing.
    takes: VecDeque<usize>,
    /// Calls of either kind.
    calls: usize,
}

impl Read for Scripted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        let bytes = self.reads.pop_front().ok_or(ErrorKind::WouldBlock)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        let count = self.takes.pop_front().ok_or(ErrorKind::WouldBlock)?.min(bytes.len());
        self.writes.push(bytes[..count].to_vec());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn prefixed(len: usize, byte: u8) -> Vec<u8> {
    let mut bytes = (len as u32).to_be_bytes().to_vec();
    bytes.resize(PREFIX + len, byte);
    bytes
}

fn next(framed: &mut Framed<Scripted>) -> Option<Vec<u8>> {
    framed.next().unwrap().map(|range| framed.frame(range).to_vec())
}

#[test]
fn a_frame_is_one_write_and_many_are_one_read() {
    let mut framed = Framed::new(Scripted::default());
    framed.stream.takes = [OUTBOX, OUTBOX].into();
    framed.flush().unwrap();
    assert_eq!(framed.stream.calls, 0, "nothing waits");
    framed.push(60, |frame| frame.fill(1));
    framed.flush().unwrap();
    assert_eq!((framed.stream.calls, &framed.stream.writes[..]), (1, &[prefixed(60, 1)][..]));
    framed.stream.reads = [[prefixed(60, 2), prefixed(14, 3), prefixed(1514, 4)].concat()].into();
    for (len, byte) in [(60, 2), (14, 3), (1514, 4)] {
        assert_eq!(next(&mut framed), Some(vec![byte; len]));
        assert_eq!(framed.stream.calls, 2);
    }
    assert_eq!((next(&mut framed), framed.unread()), (None, false));
    // Until there is an event.
    assert_eq!((next(&mut framed), framed.stream.calls), (None, 3));
}

#[test]
fn what_is_too_long_is_passed_over_without_memory_for_it() {
    let mut framed = Framed::new(Scripted::default());
    let bytes = [prefixed(LEN_MAX, 1), prefixed(13, 1), prefixed(60, 2)].concat();
    framed.stream.reads = bytes.chunks(10_000).map(<[u8]>::to_vec).collect();
    assert_eq!(next(&mut framed), Some(vec![2; 60]));
    assert_eq!((framed.skipped(), framed.inbox.len()), (2, INBOX));
    framed.stream.reads = [((LEN_MAX + 1) as u32).to_be_bytes().to_vec()].into();
    assert!(matches!(framed.next(), Err(End::NoFrames)));
}

#[test]
fn what_the_stream_does_not_take_waits_for_an_event_and_an_error_ends_it() {
    let mut framed = Framed::new(Scripted::default());
    framed.stream.takes = [10].into();
    framed.push(60, |frame| frame.fill(1));
    framed.flush().unwrap();
    framed.stream.takes = [OUTBOX, 0].into();
    framed.flush().unwrap();
    assert_eq!(framed.stream.writes.len(), 1, "it was full");
    framed.ready();
    framed.flush().unwrap();
    assert_eq!(framed.stream.writes.concat(), prefixed(60, 1));
    framed.push(60, |frame| frame.fill(2));
    assert_eq!(framed.flush().unwrap_err().kind(), ErrorKind::WriteZero);
    assert_eq!(framed.outbox.len(), 0);
    while framed.has_room(FRAME_SIZE) {
        framed.push(FRAME_SIZE, |frame| frame.fill(3));
    }
    assert!((OUTBOX - PREFIX - FRAME_SIZE..=OUTBOX).contains(&framed.outbox.len()));
}
