//! What is outstanding of a connection, as runs of bytes with the same fate (RFC 6675 2, RFC 8985 5.2).
//!
//! The first run begins at SND.UNA, the last ends at SND.NXT. When there are more fates than places, what is least worth
//! is forgotten: first when something was sent, then that the peer has it. Both cost at most a segment sent twice.

use core::ops::Range;

use heapless::Vec;
use smoltcp::time::{Duration, Instant};

/// A time in units of 1.024 ms, which wraps after a minute: only what is outstanding has one, and no timeout is longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick(u16);

/// Microseconds of a [`Tick`].
const MICROS: u64 = 1 << 10;

impl Tick {
    /// This moment.
    pub(crate) const fn new(now: Instant) -> Self {
        Self((now.total_micros() as u64 / MICROS) as u16)
    }

    /// So many ticks.
    pub(crate) const fn ticks(duration: Duration) -> u16 {
        let ticks = duration.total_micros() / MICROS;
        if ticks < u16::MAX as u64 { ticks as u16 } else { u16::MAX }
    }

    /// Their time.
    pub(crate) const fn duration(ticks: u16) -> Duration {
        Duration::from_micros(ticks as u64 * MICROS)
    }

    /// The same, or less by less than `step`, a power of two.
    pub(crate) const fn round(self, step: u16) -> Self {
        Self(self.0 & !(step - 1))
    }

    /// How much later than `earlier` it is, at least 0.
    pub(crate) const fn since(self, earlier: Self) -> u16 {
        let ticks = self.0.wrapping_sub(earlier.0).cast_signed();
        if ticks < 0 { 0 } else { ticks.unsigned_abs() }
    }
}

/// All that is outstanding.
pub(crate) const ALL: Range<u32> = 0..u32::MAX;

/// What has become of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Sent once.
    Sent,
    /// Sent again.
    Resent,
    /// Lost, as far as can be told, and to be sent again.
    Lost,
    /// The peer has them (SACK).
    Sacked,
}

/// Bytes in a row with one fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    len: u16,
    /// When they were last sent.
    pub(crate) at: Tick,
    pub(crate) status: Status,
}

impl Run {
    /// Bytes.
    pub(crate) fn len(self) -> u32 {
        u32::from(self.len)
    }

    /// Whether they are under way (RFC 6675 4).
    pub(crate) const fn under_way(self) -> bool {
        matches!(self.status, Status::Sent | Status::Resent)
    }
}

/// Most runs that are told apart: three holes in a window, or a dozen.
const RUNS: usize = if cfg!(feature = "wide-scoreboard") { 24 } else { 7 };

/// The runs; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Scoreboard {
    runs: Vec<Run, RUNS, u8>,
}

impl Scoreboard {
    pub(crate) const fn new() -> Self {
        Self { runs: Vec::new() }
    }

    /// Nothing is outstanding any more.
    pub(crate) fn clear(&mut self) {
        self.runs.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Each run, with the bytes before its end.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u32, &Run)> {
        self.runs.iter().scan(0, |end, run| {
            *end += u32::from(run.len);
            Some((*end, run))
        })
    }

    /// Bytes for which `is` says so. On a chip never inlined: it is in many places.
    #[cfg_attr(target_os = "none", inline(never))]
    fn sum(&self, is: fn(&Run) -> bool) -> u32 {
        self.runs.iter().filter(|run| is(run)).map(|run| u32::from(run.len)).sum()
    }

    /// Bytes outstanding, with those that the peer has.
    pub(crate) fn len(&self) -> u32 {
        self.sum(|_| true)
    }

    /// Bytes under way (pipe, RFC 6675 4).
    pub(crate) fn pipe(&self) -> u32 {
        self.sum(|run| run.under_way())
    }

    /// Bytes to be sent again.
    pub(crate) fn lost(&self) -> u32 {
        self.sum(|run| run.status == Status::Lost)
    }

    /// Bytes that the peer has.
    pub(crate) fn sacked(&self) -> u32 {
        self.sum(|run| run.status == Status::Sacked)
    }

    /// `len` more bytes behind the others.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn push(&mut self, len: u32, at: Tick, status: Status) {
        let mut rest = len;
        while rest > 0 {
            match self.runs.last_mut() {
                Some(last) if (last.at, last.status) == (at, status) && last.len < u16::MAX => {
                    let more = rest.min(u32::from(u16::MAX - last.len)) as u16;
                    last.len += more;
                    rest -= u32::from(more);
                }
                _ => {
                    self.make_room(1);
                    let _ = self.runs.push(Run { len: 0, at, status });
                }
            }
        }
    }

    /// The first `len` bytes are acknowledged: `each` is told of each run, and of the bytes before its end.
    pub(crate) fn pop(&mut self, len: u32, each: &mut dyn FnMut(u32, u32, &Run)) {
        let mut end = 0;
        while let Some(run) = self.runs.first_mut().filter(|_| end < len) {
            let part = (len - end).min(u32::from(run.len));
            end += part;
            each(end, part, run);
            run.len -= part as u16;
            if run.len == 0 {
                self.runs.remove(0);
            }
        }
    }

    /// Gives the runs within `range` another status, and time, but for those that the peer has. `each` is told of each of
    /// them as it was: the bytes before its end, its length, and itself; `false` leaves it as it is.
    pub(crate) fn mark(
        &mut self,
        range: Range<u32>,
        status: Status,
        at: Option<Tick>,
        each: &mut dyn FnMut(u32, u32, &Run) -> bool,
    ) {
        self.make_room(usize::from(range.start > 0) + usize::from(range.end < self.len()));
        let (mut begin, mut index) = (0, 0);
        while let Some(&run) = self.runs.get(index) {
            let end = begin + u32::from(run.len);
            let (from, to) = (begin.max(range.start), end.min(range.end));
            if from < to && run.status != Status::Sacked && each(to, to - from, &run) {
                if from > begin {
                    if !self.split(index, (from - begin) as u16) {
                        return;
                    }
                    (begin, index) = (from, index + 1);
                }
                if to < end && !self.split(index, (to - begin) as u16) {
                    return;
                }
                let run = &mut self.runs[index];
                (run.status, run.at) = (status, at.unwrap_or(run.at));
            }
            begin += u32::from(self.runs[index].len);
            index += 1;
        }
        self.join();
    }

    /// Makes two of a run, the first of `len` bytes, if there is a place.
    fn split(&mut self, index: usize, len: u16) -> bool {
        let run = self.runs[index];
        let rest = Run { len: run.len - len, ..run };
        let split = self.runs.insert(index + 1, rest).is_ok();
        if split {
            self.runs[index].len = len;
        }
        split
    }

    /// All that is outstanding has its time from `at` on.
    pub(crate) fn restart(&mut self, at: Tick) {
        self.runs.iter_mut().for_each(|run| run.at = at);
    }

    /// Neighbours with the same fate become one.
    fn join(&mut self) {
        let mut index = 1;
        while index < self.runs.len() {
            let (before, run) = (self.runs[index - 1], self.runs[index]);
            let timeless = matches!(run.status, Status::Lost | Status::Sacked);
            if before.status == run.status && (before.at == run.at || timeless) {
                if !self.merge(index - 1) {
                    index += 1;
                }
            } else {
                index += 1;
            }
        }
    }

    /// Makes one of a run and the next, if one can be as long.
    fn merge(&mut self, index: usize) -> bool {
        let (run, next) = (self.runs[index], self.runs[index + 1]);
        let Some(len) = run.len.checked_add(next.len) else { return false };
        let at = if next.at.since(run.at) > 0 { next.at } else { run.at };
        let status = match (run.status, next.status) {
            (one, other) if one == other => one,
            (Status::Sacked, other) | (other, Status::Sacked) => other,
            // Found lost a second time, if it is.
            _ => Status::Resent,
        };
        self.runs[index] = Run { len, at, status };
        self.runs.remove(index + 1);
        true
    }

    /// What it would cost to make one of a run and the next.
    fn merge_cost(&self, index: usize) -> u32 {
        let (run, next) = (self.runs[index], self.runs[index + 1]);
        if u32::from(run.len) + u32::from(next.len) > u32::from(u16::MAX) {
            return u32::MAX;
        }
        match (run.status, next.status) {
            (one, other) if one == other => {
                u32::from(next.at.since(run.at)) + u32::from(run.at.since(next.at))
            }
            (Status::Sacked, _) => 2 << 16 | u32::from(run.len),
            (_, Status::Sacked) => 2 << 16 | u32::from(next.len),
            _ => 1 << 16 | u32::from(run.len.min(next.len)),
        }
    }

    /// Forgets what is least worth until there is room for `more` runs.
    fn make_room(&mut self, more: usize) {
        while self.runs.len() + more > RUNS {
            let cheapest = (0..self.runs.len() - 1).min_by_key(|&index| self.merge_cost(index));
            if !cheapest.is_some_and(|index| self.merge(index)) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;

    /// Bytes at most, which have places for themselves, and for what splits them.
    const BYTES: u32 = RUNS as u32 - 2;

    /// What is done to it.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push(u32),
        Pop(u32),
        Mark(u32, u32, Status),
    }

    /// A byte at a time: its fate, and when it was last sent.
    type Model = Vec<(Status, u16)>;

    /// Does it to both, and compares them: what is told of the step, each byte, and the sums.
    fn step(board: &mut Scoreboard, bytes: &mut Model, step: Step, time: u16) {
        match step {
            Step::Push(len) => {
                board.push(len, Tick(time), Status::Sent);
                bytes.extend(vec![(Status::Sent, time); len as usize]);
            }
            Step::Pop(len) => {
                let mut told = Vec::new();
                board.pop(len, &mut |end, part, run| {
                    assert_eq!(end, told.len() as u32 + part);
                    told.extend(vec![run.status; part as usize]);
                });
                let popped = bytes.drain(..bytes.len().min(len as usize));
                assert_eq!(told, popped.map(|(status, _)| status).collect::<Vec<_>>(), "{step:?}");
            }
            Step::Mark(from, to, status) => {
                // Who marks what is sent again has sent it now.
                let at = (status == Status::Resent).then_some(Tick(time));
                let mut told = vec![None; bytes.len()];
                board.mark(from..to, status, at, &mut |end, part, run| {
                    told[(end - part) as usize..end as usize].fill(Some(run.status));
                    true
                });
                for (index, byte) in bytes.iter_mut().enumerate() {
                    let within = (from..to).contains(&(index as u32));
                    let marked = within && byte.0 != Status::Sacked;
                    assert_eq!(told[index], marked.then_some(byte.0), "{step:?}");
                    if marked {
                        *byte = (status, at.map_or(byte.1, |at| at.0));
                    }
                }
            }
        }
        let mut runs = Vec::new();
        for (end, run) in board.runs() {
            runs.extend(vec![(run.status, run.at.0); run.len() as usize]);
            assert_eq!(end as usize, runs.len());
        }
        assert_eq!(runs.len(), bytes.len());
        for (run, byte) in runs.iter().zip(bytes.iter()) {
            // Nobody asks when what is lost, or has arrived, was sent.
            assert_eq!(run.0, byte.0, "{step:?}: {runs:?}, not {bytes:?}");
            let under_way = matches!(byte.0, Status::Sent | Status::Resent);
            assert!(!under_way || run.1 == byte.1, "{step:?}: {runs:?}, not {bytes:?}");
        }
        let count = |is: &[Status]| bytes.iter().filter(|byte| is.contains(&byte.0)).count() as u32;
        let sums = [board.pipe(), board.lost(), board.sacked(), board.len()];
        let under_way = count(&[Status::Sent, Status::Resent]);
        let wanted = [under_way, count(&[Status::Lost]), count(&[Status::Sacked])];
        assert_eq!(sums[..3], wanted);
        assert_eq!(sums[3], wanted.iter().sum());
        assert_eq!(board.is_empty(), bytes.is_empty());
    }

    /// As long as there are places for all, nothing is forgotten: every way to do three things to four bytes.
    #[test]
    fn whatever_is_done_each_byte_has_the_fate_it_had() {
        const LEN: u32 = 4;
        const { assert!(LEN < BYTES) };
        let mut steps = vec![Step::Push(1), Step::Pop(1), Step::Pop(2), Step::Pop(LEN)];
        for from in 0..LEN {
            for to in from + 1..=LEN {
                for status in [Status::Sacked, Status::Lost, Status::Resent] {
                    steps.push(Step::Mark(from, to, status));
                }
            }
        }
        let begin = || {
            let (mut board, mut bytes) = (Scoreboard::new(), Vec::new());
            // Two that were sent at once, and one each later.
            for (len, time) in [(2, 1), (1, 2), (1, 3)] {
                step(&mut board, &mut bytes, Step::Push(len), time);
            }
            (board, bytes)
        };
        for &first in &steps {
            for &second in &steps {
                for &third in &steps {
                    let (mut board, mut bytes) = begin();
                    for (time, next) in (4..).zip([first, second, third]) {
                        step(&mut board, &mut bytes, next, time);
                    }
                }
            }
        }
    }
}
