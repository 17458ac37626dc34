//! The cable: what it has done to frames, and what it is set to, each direction by itself.

use std::fmt;

use super::families::{Families, seconds};
use crate::link::{Burst, Faults};
use crate::snapshot::{CableSnapshot, DirectionSnapshot};

/// A number of a direction.
type Reading<V> = (&'static str, &'static str, fn(&DirectionSnapshot) -> V);

const COUNTERS: [Reading<u64>; 6] = [
    ("link_frames", "Frames sent into the cable.", |way| way.counters.sent),
    ("link_bytes", "Bytes sent into the cable, from the Ethernet header on.", |way| {
        way.counters.sent_bytes
    }),
    ("link_corrupted_frames", "Frames of which a bit was flipped.", |way| way.counters.corrupted),
    ("link_delayed_frames", "Frames that took time.", |way| way.counters.delayed),
    ("link_reordered_frames", "Frames that later ones could overtake.", |way| {
        way.counters.reordered
    }),
    ("link_duplicated_frames", "Frames that arrived twice.", |way| way.counters.duplicated),
];

/// `None` is no limit, and then not told.
const GAUGES: [Reading<Option<f64>>; 14] = [
    ("link_held_frames", "Frames under way.", |way| Some(way.held as f64)),
    ("link_queued_bytes", "Bytes that wait for the rate limit.", |way| Some(way.queued as f64)),
    ("link_loss_ratio", "Chance of a frame to be lost, as it is set.", |way| {
        Some(way.faults.loss.ratio())
    }),
    (
        "link_burst_enter_ratio",
        "Chance of a frame to begin a burst of losses, as it is set.",
        |way| Some(burst(&way.faults, |burst| burst.enter.ratio())),
    ),
    ("link_burst_leave_ratio", "Chance of a frame in a burst to end it, as it is set.", |way| {
        Some(burst(&way.faults, |burst| burst.leave.ratio()))
    }),
    ("link_corrupt_ratio", "Chance of a frame to have a bit flipped, as it is set.", |way| {
        Some(way.faults.corrupt.ratio())
    }),
    ("link_duplicate_ratio", "Chance of a frame to arrive twice, as it is set.", |way| {
        Some(way.faults.duplicate.ratio())
    }),
    ("link_reorder_ratio", "Chance of a frame to be overtaken, as it is set.", |way| {
        Some(way.faults.reorder.ratio())
    }),
    ("link_delay_seconds", "How long a frame takes, as it is set.", |way| {
        Some(seconds(way.faults.delay))
    }),
    ("link_jitter_seconds", "By how much more or less, as it is set.", |way| {
        Some(seconds(way.faults.jitter))
    }),
    ("link_rate_bytes_per_second", "The rate limit, if there is one.", |way| {
        way.faults.rate.map(|bits| bits as f64 / 8.0)
    }),
    ("link_queue_limit_bytes", "Bytes that may wait for the rate limit, as it is set.", |way| {
        Some(way.faults.queue as f64)
    }),
    ("link_mtu_bytes", "The longest IP packet, as it is set.", |way| Some(way.faults.mtu as f64)),
    ("link_partitioned", "Whether this direction is cut, as it is set.", |way| {
        Some(f64::from(u8::from(way.faults.partition)))
    }),
];

fn burst(faults: &Faults, ratio: impl Fn(Burst) -> f64) -> f64 {
    faults.burst.map_or(0.0, ratio)
}

/// Writes all of them.
pub(super) fn families(families: &mut Families<'_>, cable: &CableSnapshot) -> fmt::Result {
    let ways = [("to_board", &cable.to_board), ("from_board", &cable.from_board)];
    families.info("link_seed", "What chance follows from.", ("seed", &cable.seed.to_string()))?;
    let plugged = u32::from(cable.plugged);
    families.gauges("link_plugged", "Whether the cable is in.", vec![([], plugged)])?;
    for (name, help, read) in COUNTERS {
        let samples = ways.map(|(direction, way)| ([("direction", direction)], read(way)));
        families.counters(name, help, samples.to_vec())?;
    }
    let dropped = ways.iter().flat_map(|(direction, way)| {
        let reasons = way.counters.dropped.by_reason();
        reasons.map(|(reason, count)| ([("direction", *direction), ("reason", reason)], count))
    });
    let help = "Frames that did not arrive, by what befell them.";
    families.counters("link_dropped_frames", help, dropped.collect())?;
    for (name, help, read) in GAUGES {
        let samples = ways
            .iter()
            .filter_map(|(direction, way)| Some(([("direction", *direction)], read(way)?)));
        families.gauges(name, help, samples.collect())?;
    }
    Ok(())
}
