//! Runs what is left of a shard, block by block, and records it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::blocks_left;
use super::record::{FailureResult, RangeResult, Record, Result as Recorded};
use crate::sim::options::SimOptions;
use crate::sim::part::Shard;
use crate::sim::run::{Failure, WorldReport};
use crate::sim::totals::Totals;

/// Blocks some of whose worlds have ended.
struct Blocks {
    /// All of them, in order.
    left: Vec<Range<u64>>,
    /// By their first seeds.
    begun: BTreeMap<u64, Totals>,
}

impl Blocks {
    /// Counts a world. Returns its block if that was its last one.
    fn add(&mut self, seed: u64, report: &WorldReport) -> Option<RangeResult> {
        let block = &self.left[self.left.partition_point(|block| block.end <= seed)];
        let totals = self.begun.entry(block.start).or_default();
        totals.add(Some(seed), report);
        let totals = *totals;
        (totals.worlds == block.end - block.start).then(|| {
            self.begun.remove(&block.start);
            RangeResult { first: block.start, end: block.end, totals }
        })
    }
}

/// Has `all` run the seeds of the options' shard that its record does not have, and writes the rest of the record. `done`
/// hears of each world, and how many of how many there are. Returns the sums of the whole shard, the record's part
/// included.
///
/// `all` runs every seed once and calls with each seed's report; it ends early if that returns `false`.
pub(in crate::sim) fn run_shard(
    options: &SimOptions,
    begin: impl FnOnce(u64),
    all: impl FnOnce(Vec<Range<u64>>, &mut dyn FnMut(u64, WorldReport) -> bool),
    mut failed: impl FnMut(&Failure),
) -> Result<Totals, String> {
    let shard = options.shard.unwrap_or(Shard::WHOLE);
    let part = shard.part(&options.seeds);
    let (mut record, done) = match &options.resume {
        Some(path) => Record::resume(path, options, shard)?,
        None => (Record::on_stdout(options, shard), Vec::new()),
    };
    let ranges: Vec<Range<u64>> = done.iter().map(RangeResult::seeds).collect();
    let mut totals = Totals::default();
    for range in &done {
        totals += range.totals;
    }
    let left = blocks_left(&part, &ranges);
    begin(left.iter().map(|block| block.end - block.start).sum());
    let mut blocks = Blocks { left: left.clone(), begun: BTreeMap::new() };
    all(left, &mut |seed, report| {
        if let Some(failure) = &report.failure {
            failed(failure);
            record.write(Recorded::Failure(FailureResult::new(failure, options)));
        }
        if let Some(range) = blocks.add(seed, &report) {
            totals += range.totals;
            record.write(Recorded::Range(range));
        }
        record.error.is_none()
    });
    record.error.map_or(Ok(totals), Err)
}
