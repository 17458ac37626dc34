//! Whether to read again within one poll of the board.
//!
//! A client that waits for the board's answer sends nothing before the answer is out. A read that asks for
//! more is then in vain, while the same read after the answer was written may bring the next request.
//! Where frames queue up, on the other hand, they are best read in one go. So a poll reads on as long as that
//! brings frames; once it was in vain, the next poll makes do with one read, then the next two polls do, and so on
//! up to [`POLLS_MAX`].
//!
//! Pure: it is told what each read came to.

/// Polls in a row with one read at most.
const POLLS_MAX: u32 = 64;

/// The state; see the module's documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadBackoff {
    /// Somebody says where polls end; else it never backs off.
    polls_end: bool,
    /// This poll has had its one read.
    read: bool,
    /// Polls with one read to come, and how many the next time.
    polls: u32,
    next: u32,
}

impl ReadBackoff {
    /// It does not back off before the first [`ReadBackoff::poll_ended`].
    pub(super) const fn new() -> Self {
        Self { polls_end: false, read: false, polls: 0, next: 1 }
    }

    /// Whether the poll may read now.
    pub(super) const fn may_read(&self) -> bool {
        !self.polls_end || !self.read || self.polls == 0
    }

    /// Notes that it read, and whether that brought a frame.
    pub(super) fn read(&mut self, frames: bool) {
        if self.read && frames {
            self.next = 1;
        } else if self.read {
            self.polls = self.next;
            self.next = (self.next * 2).min(POLLS_MAX);
        }
        self.read = true;
    }

    /// Notes that the next read is that of another poll.
    pub(super) fn poll_ended(&mut self) {
        self.polls_end = true;
        self.read = false;
        self.polls = self.polls.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads of one poll, of which the first `queued` bring a frame.
    fn poll(read_backoff: &mut ReadBackoff, queued: u32) -> u32 {
        read_backoff.poll_ended();
        let mut reads = 0;
        while read_backoff.may_read() {
            reads += 1;
            read_backoff.read(reads <= queued);
            if reads > queued {
                break;
            }
        }
        reads
    }

    #[test]
    fn who_is_asked_one_thing_at_a_time_reads_once() {
        let mut read_backoff = ReadBackoff::new();
        let reads: u32 = (0..10_000).map(|_| poll(&mut read_backoff, 1)).sum();
        assert!((10_000..10_200).contains(&reads), "{reads}");
    }

    #[test]
    fn a_queue_is_read_in_one_go() {
        let mut read_backoff = ReadBackoff::new();
        let reads: u32 = (0..1000).map(|_| poll(&mut read_backoff, 1)).sum();
        assert!(reads < 1100, "{reads}");
        let polls = (1..=POLLS_MAX).find(|_| poll(&mut read_backoff, 40) == 41);
        assert!(polls.is_some(), "it never reads on");
        // Each queue that ends costs one poll with one read.
        let reads: u32 = (0..100).map(|_| poll(&mut read_backoff, 40)).sum();
        assert!(reads >= 50 * 41, "{reads}");
    }

    #[test]
    fn who_does_not_say_where_polls_end_always_reads() {
        let mut read_backoff = ReadBackoff::new();
        for frames in [true, false, false, true] {
            assert!(read_backoff.may_read());
            read_backoff.read(frames);
        }
        assert!(read_backoff.may_read());
    }
}
