//! Where a byte of the captured stream is in the replay's, though a value between them has other digits.
//!
//! A board tells how warm it is, how long it runs and what it has counted. Such a value is a run of digits, which may differ
//! and be of another length; everything else has to be the same. What the peer acknowledges is moved with the bytes.

/// What two streams have in common, as far as both are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Alignment {
    /// How much of each is known to correspond.
    then: usize,
    now: usize,
    /// Bytes of the captured stream from which on it is elsewhere in the replay's, and where.
    shifts: Vec<(usize, usize)>,
    /// The first value that differs.
    pub(super) value: Option<(usize, usize)>,
    /// Where other bytes differ.
    pub(super) differs: Option<(usize, usize)>,
}

/// Bytes of the run of digits that begins there.
fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// How long a value is at most: longer runs of digits are data.
const VALUE_MAX: usize = 20;

impl Alignment {
    /// Compares further. With `over`, nothing more will be said, so that a value at the end is whole.
    pub(super) fn advance(&mut self, then: &[u8], now: &[u8], over: bool) {
        while self.differs.is_none() && self.then < then.len() && self.now < now.len() {
            let (left, right) = (&then[self.then..], &now[self.now..]);
            // Streams are mostly equal.
            let same = left.iter().zip(right).take_while(|(a, b)| a == b).count();
            // From the beginning of the value, if it is one in which they differ.
            let tail = left[..same].iter().rev().take(VALUE_MAX + 1);
            let before = tail.take_while(|byte| byte.is_ascii_digit()).count();
            let ends = same == left.len().min(right.len());
            if ends && (!over || before == 0 || left.len() == right.len()) {
                let held = if over || before > VALUE_MAX { 0 } else { before };
                (self.then, self.now) = (self.then + same - held, self.now + same - held);
                return;
            }
            let begin = same - before;
            let (old, new) = (digits(&left[begin..]), digits(&right[begin..]));
            if old.min(new) == 0 || old.max(new) > VALUE_MAX {
                (self.then, self.now) = (self.then + same, self.now + same);
                // Where one of them ends, nothing differs.
                self.differs = (!ends).then_some((self.then, self.now));
                return;
            }
            if !over && (begin + new == right.len() || begin + old == left.len()) {
                // More of it may come.
                (self.then, self.now) = (self.then + begin, self.now + begin);
                return;
            }
            (self.then, self.now) = (self.then + begin + old, self.now + begin + new);
            if old == new && left[begin..begin + old] == right[begin..begin + new] {
                continue;
            }
            self.value = self.value.or(Some((self.then - old, self.now - new)));
            if old != new {
                self.shifts.push((self.then, self.now));
            }
        }
    }

    /// Where a byte of the captured stream is in the replay's.
    pub(super) fn place(&self, then: usize) -> usize {
        let known = self.shifts.partition_point(|(from, _)| *from <= then);
        known.checked_sub(1).map_or(then, |index| {
            let (from, now) = self.shifts[index];
            now.saturating_add(then - from)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aligned(then: &str, now: &str) -> Alignment {
        let mut alignment = Alignment::default();
        // As it comes: byte by byte.
        for len in 0..now.len() {
            alignment.advance(then.as_bytes(), &now.as_bytes()[..len], false);
        }
        alignment.advance(then.as_bytes(), now.as_bytes(), true);
        alignment
    }

    #[test]
    fn values_may_differ_and_move_what_follows() {
        let same = aligned("up 12 s", "up 12 s");
        assert_eq!((same.value, same.differs, same.place(7)), (None, None, 7));
        let longer = aligned("up 99 s, led on", "up 10432 s, led on");
        assert_eq!((longer.value, longer.differs), (Some((3, 3)), None));
        assert_eq!((longer.place(3), longer.place(5), longer.place(15)), (3, 8, 18));
        let shorter = aligned("at 1000 mC, 5 left", "at 7 mC, 12 left");
        assert_eq!((shorter.place(11), shorter.place(18)), (8, 16));
        // A value at the end, of which more came.
        assert_eq!(aligned("n=5", "n=57").place(3), 4);
    }

    #[test]
    fn other_bytes_may_not() {
        assert_eq!(aligned("led on 5", "led off 5").differs, Some((5, 5)));
        assert_eq!(aligned("at 5 s, led on", "at 52 s, led off").differs, Some((13, 14)));
        // A number where there was none, and one that is too long for a value.
        assert!(aligned("a 5", "a x").differs.is_some());
        let (ones, twos) = ("1".repeat(30), "2".repeat(30));
        assert!(aligned(&ones, &twos).differs.is_some());
    }
}
