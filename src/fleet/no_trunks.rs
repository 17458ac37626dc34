//! Where a fleet runs in virtual time only: nobody joins.

use smoltcp::time::Instant;

/// Nobody.
#[derive(Debug, Default)]
pub(super) struct Trunks;

impl Trunks {
    pub(super) fn look(&mut self, _now: Instant) -> Vec<usize> {
        Vec::new()
    }

    pub(super) fn receive(&mut self) -> Option<(usize, &[u8])> {
        None
    }

    pub(super) fn ports(&self) -> std::iter::Empty<usize> {
        std::iter::empty()
    }

    pub(super) fn send(&mut self, _port: usize, _frame: &[u8]) {}

    pub(super) fn flush(&mut self) {}

    pub(super) fn unread(&self) -> bool {
        false
    }

    pub(super) fn retry_at(&self) -> Option<Instant> {
        None
    }

    pub(super) fn dropped(&self) -> u64 {
        0
    }
}
