//! What an acknowledgement tells: what has arrived, what is lost, and what was taken for lost without need.

use smoltcp::time::Instant;
use smoltcp::wire::TcpSeqNumber;

use super::scoreboard::{ALL, Run, Status, Tick};
use super::{Loss, Recovery};
use crate::planted::{Fault, is_planted};
use crate::seq::{distance, later};
use crate::time::{WrappingInstant, sooner};

/// An acknowledgement that came in.
#[derive(Debug)]
pub(crate) struct Acknowledgement<'s> {
    /// SND.UNA before.
    pub(crate) una: TcpSeqNumber,
    /// And after.
    pub(crate) ack: TcpSeqNumber,
    /// SND.NXT.
    pub(crate) nxt: TcpSeqNumber,
    /// What the peer has behind it.
    pub(crate) blocks: &'s [Option<(u32, u32)>; 3],
    /// It says nothing else (RFC 5681 2).
    pub(crate) duplicate: bool,
}

/// What has arrived with it.
#[derive(Debug, Default)]
struct Delivery {
    bytes: u32,
    /// Sent last of all that has arrived: when, and its end.
    newest: Option<(Tick, TcpSeqNumber)>,
    /// Sent last of all that was sent but once.
    once: Option<Tick>,
    /// Something had been overtaken.
    overtaken: bool,
    /// Something had been taken for lost that was not sent again.
    unneeded: bool,
}

impl Delivery {
    /// Notes that `len` bytes of a run have arrived, the last of them before `end`: `overtaken` by others, and late enough to
    /// be what was sent last.
    #[inline(never)]
    fn note(&mut self, run: Run, len: u32, end: TcpSeqNumber, overtaken: bool, late: bool) {
        self.bytes += len;
        let once = run.status != Status::Resent;
        self.unneeded |= run.status == Status::Lost;
        self.overtaken |= once && overtaken;
        if run.status == Status::Sent {
            self.once = Some(run.at);
        }
        // Sooner than anything can be answered: that is about what was sent before.
        if once || late {
            let sent = (run.at, end);
            if self.newest.is_none_or(|newest| is_later(sent, newest)) {
                self.newest = Some(sent);
            }
        }
    }
}

impl Loss {
    /// An acknowledgement that is to be believed has come in.
    pub(crate) fn received(&mut self, news: &Acknowledgement<'_>, now: Instant) {
        let &Acknowledgement { una, ack, nxt, mut blocks, duplicate } = news;
        if is_planted(Fault::SackIgnored) {
            blocks = &[None; 3];
        }
        let advance = distance(ack, una).max(0).unsigned_abs();
        let full = self.board.pipe() + self.segment() >= self.window.size();
        let mut delivery = self.take(una, advance, blocks, now);
        if Self::told_before(ack, blocks) {
            self.unneeded();
        }
        if let Some(sent) = delivery.once {
            let ticks = Tick::new(now).since(sent);
            self.trip.sample(Tick::duration(ticks));
            self.unneeded_probes = 0;
            self.window.trip(ticks);
        }
        if let Some(newest) = delivery.newest
            && self.rack.is_none_or(|rack| is_later(newest, rack))
        {
            self.rack = Some(newest);
            self.rack_trip = Tick::new(now).since(newest.0);
        }
        if delivery.overtaken && self.patience == 0 {
            self.patience = 1;
        }
        if delivery.unneeded && self.recovery == Recovery::Timeout {
            self.unlose(now);
        }
        if advance > 0 {
            self.duplicates = 0;
            if !is_planted(Fault::RtoNotReset) {
                self.backoff = 0;
            }
        }
        if duplicate && !self.sack {
            self.duplicates = self.duplicates.saturating_add(1);
            // Something has arrived that the peer cannot name.
            delivery.bytes = self.segment().min(self.board.len());
        }
        if advance > 0 || delivery.bytes > 0 {
            self.since = WrappingInstant::new(now);
            self.probed = false;
        }
        if self.recovery != Recovery::None && distance(ack, self.recovery_point) >= 0 {
            self.window.recovered();
            self.recovery = Recovery::None;
        }
        let shortest = self.shortest();
        self.window.delivered(delivery.bytes, ack, nxt, shortest, now);
        let partial = advance > 0 && self.recovery == Recovery::Fast;
        let lost = if self.sack { self.find_lost(ack, now) } else { self.first_lost(partial) };
        match self.recovery {
            Recovery::Fast if self.window.is_reducing() => {
                let safe = advance > 0 && !lost;
                self.window.recover(delivery.bytes, self.board.pipe(), self.segment(), safe);
            }
            Recovery::None if lost => self.recover(nxt, delivery.bytes),
            Recovery::None if !full => {}
            _ => self.window.grow(advance, self.segment()),
        }
    }

    /// Takes what has arrived off the scoreboard, or notes it there.
    fn take(
        &mut self,
        una: TcpSeqNumber,
        advance: u32,
        blocks: &[Option<(u32, u32)>; 3],
        now: Instant,
    ) -> Delivery {
        let mut delivery = Delivery::default();
        let now = Tick::new(now);
        let shortest = self.shortest();
        let sacked = |(end, run): (u32, &Run)| (run.status == Status::Sacked).then_some(end);
        let highest = self.board.runs().filter_map(sacked).last().unwrap_or(0);
        let sack = &mut self.sack;
        let late = |run: &Run| now.since(run.at) >= shortest;
        self.board.pop(advance, &mut |end, len, run| {
            if run.status != Status::Sacked {
                delivery.note(*run, len, later(una, end as usize), end <= highest, late(run));
            }
        });
        let ack = later(una, advance as usize);
        let highest = highest.saturating_sub(advance);
        let outstanding = self.board.len();
        for &(left, right) in blocks.iter().flatten() {
            let left = distance(TcpSeqNumber(left.cast_signed()), ack);
            let right = distance(TcpSeqNumber(right.cast_signed()), ack);
            if let (Ok(left), Ok(right)) = (u32::try_from(left), u32::try_from(right))
                && left < right
                && right <= outstanding
            {
                *sack = true;
                self.board.mark(left..right, Status::Sacked, None, &mut |end, len, run| {
                    delivery.note(*run, len, later(ack, end as usize), end <= highest, late(run));
                    true
                });
            }
        }
        delivery
    }

    /// Whether the first block tells of something that the peer has received twice (DSACK, RFC 2883 4).
    fn told_before(ack: TcpSeqNumber, blocks: &[Option<(u32, u32)>; 3]) -> bool {
        let number = |number: u32| TcpSeqNumber(number.cast_signed());
        let Some((left, right)) = blocks[0] else { return false };
        if right.wrapping_sub(left) == 1 {
            // The byte of a keep-alive, which the peer always has.
            return false;
        }
        let behind = distance(number(right), ack) <= 0;
        let within = blocks[1].is_some_and(|(begin, end)| {
            distance(number(left), number(begin)) >= 0 && distance(number(right), number(end)) <= 0
        });
        behind || within
    }

    /// Something was sent again without need. If all was, so was the recovery (RFC 3708), and the path reorders, unless it
    /// was a timer that took a lost acknowledgement for lost data.
    fn unneeded(&mut self) {
        let left = self.resent.checked_sub(1);
        self.resent = left.unwrap_or(0);
        if left == Some(0) && self.inferred {
            self.patience = (self.patience.max(1) + 1).min(16);
        }
        if self.recovery == Recovery::None && !self.inferred {
            self.unneeded_probes = self.unneeded_probes.saturating_add(1);
        }
        if self.resent == 0 && self.recovery != Recovery::None {
            self.window.undo();
        }
    }

    /// What was taken for lost after a timeout is under way: it was late, no more.
    fn unlose(&mut self, now: Instant) {
        let tick = Tick::new(now);
        self.board.mark(ALL, Status::Sent, Some(tick), &mut |_, _, run| run.status == Status::Lost);
        self.window.undo();
        (self.recovery, self.resent) = (Recovery::None, 0);
    }

    /// Recovery begins, with what `nxt` is before.
    pub(super) fn recover(&mut self, nxt: TcpSeqNumber, bytes: u32) {
        // The last one was needed: there is less reordering than was thought, for a while (RFC 8985 6.2, step 4).
        if self.inferred && self.resent > 0 && self.patience > 1 {
            self.patience -= 1;
        }
        (self.recovery, self.recovery_point, self.resent) = (Recovery::Fast, nxt, 0);
        if self.window.is_congested(self.shortest()) {
            self.window.lose(self.board.len(), self.segment());
            self.window.recover(bytes, self.board.pipe(), self.segment(), false);
        }
    }

    /// Finds what was sent before something that has arrived, too long ago to have been overtaken (RFC 8985 6.2). Says
    /// whether there is something new of that.
    pub(super) fn find_lost(&mut self, una: TcpSeqNumber, now: Instant) -> bool {
        self.reordered_at = None;
        let Some(rack) = self.rack else { return false };
        let quarter = self.shortest() / 4;
        let late = quarter.saturating_mul(self.patience.max(1).into()).max(1);
        let smoothed = Tick::ticks(self.trip.smoothed());
        let three = self.board.sacked() >= 3 * self.segment();
        let at_once = self.patience == 0 && (three || self.recovery != Recovery::None);
        let reordering = if at_once { 0 } else { late.min(smoothed.max(1)) };
        let wait = self.rack_trip.saturating_add(reordering);
        let (mut lost, mut next) = (0, None);
        self.board.mark(ALL, Status::Lost, None, &mut |end, len, run| {
            if !run.under_way() || !is_later(rack, (run.at, later(una, end as usize))) {
                return false;
            }
            let waited = Tick::new(now).since(run.at);
            if waited >= wait {
                lost += len;
                return true;
            }
            sooner(&mut next, now + Tick::duration(wait - waited));
            false
        });
        self.reordered_at = next.map(WrappingInstant::new);
        self.window.lost(lost);
        lost > 0
    }

    /// Without SACK, the first segment is lost after three duplicates, and after a `partial` acknowledgement.
    fn first_lost(&mut self, partial: bool) -> bool {
        let third = self.duplicates == 3 && self.recovery == Recovery::None;
        let mut lost = false;
        if third || partial {
            let first = self.segment().min(self.board.len());
            self.board.mark(0..first, Status::Lost, None, &mut |_, _, run| {
                lost |= run.under_way();
                run.under_way()
            });
        }
        lost
    }
}

/// Whether `one` was sent after `other` (RFC 8985 6.1).
fn is_later(one: (Tick, TcpSeqNumber), other: (Tick, TcpSeqNumber)) -> bool {
    one.0.since(other.0) > 0 || (one.0 == other.0 && distance(one.1, other.1) > 0)
}
