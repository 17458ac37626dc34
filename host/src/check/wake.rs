//! The checks of waking and sleeping: a frame ends the board's sleep at once, and nothing else keeps it awake.
//!
//! An interrupt that is never enabled leaves a board that works: something else, a timer of its own, ends its sleep a
//! little later. One that is never cleared leaves a board that works too, and never sleeps. Neither fails any other
//! check.
//!
//! How long an answer takes is a matter of the network too, but that takes as long for each. So lone pings are sent
//! after pauses of many lengths: for a board that a timer wakes, they come at any time before that.

use std::time::Duration;

use crate::check::failure::{CheckFailure, Seen};
use crate::check::plan::{CheckPlan, ECHO, SHELL};
use crate::check::shell::answer;
use crate::check::tcp::quiet;
use crate::check::wire::{Wire, deadline};
use crate::clock;
use crate::pattern::Pattern;
use crate::stats::Samples;
use crate::units::show_time;

/// Pings of a series, and their bytes.
const PINGS: u64 = 24;
const PING: usize = 64;
/// Pauses before them are of all lengths below this, in milliseconds, and no two neighbours alike.
const PAUSE_MS: u64 = 61;
const STRIDE: u64 = 37;
/// The most that half of them may take beyond the quickest tenth: more than the jitter of most networks, and less than what a
/// board waits for a timer that is not a tick.
const WAIT_MAX: Duration = Duration::from_millis(10);
/// Series of which one has to be good: this machine may be busy too.
const SERIES: u32 = 3;
/// The share of `timeout` in which a further series is begun.
const AGAIN: u32 = 4;

/// How long the board's sleep is watched.
const WATCHED: Duration = Duration::from_secs(1);
/// The least share of it that the board sleeps, in per cent.
const ASLEEP_MIN: u64 = 75;
/// The counter in the shell's `stats`: milliseconds asleep since boot, in 32 bits on a chip.
const COUNTER: &str = "asleep_ms";

/// Half of a series of pings are answered within the first time, a tenth of them within the second.
fn series(wire: &mut Wire) -> Result<(Duration, Duration), String> {
    let pattern = Pattern::new(1, 5);
    let (mut ping, mut times) = ([0; PING], Samples::default());
    for number in 0..PINGS {
        let pause = Duration::from_millis(number * STRIDE % PAUSE_MS);
        quiet(wire, pause).map_err(|seen| format!("before ping {number}, {seen}"))?;
        let offset = number * PING as u64;
        pattern.fill(offset, &mut ping);
        let begun = clock::now();
        wire.write_all(&ping)?;
        wire.read_all(&mut ping, format_args!("ping {number}"))?;
        times.push(clock::now() - begun);
        if pattern.first_difference(offset, &ping).is_some() {
            return Err(format!("ping {number} came back changed"));
        }
    }
    let sorted = times.sorted();
    let [half, tenth] = [50, 10].map(|percent| sorted.percentile(percent).unwrap_or_default());
    Ok((half, tenth))
}

pub(super) fn round_trip(plan: &CheckPlan) -> Seen {
    let begun = clock::now();
    let mut wire = Wire::connect(plan, ECHO, deadline(plan))?;
    let mut seen = String::new();
    for _ in 0..SERIES {
        let (half, tenth) = series(&mut wire)?;
        let limit = plan.round_trip.unwrap_or(tenth + WAIT_MAX);
        let beyond = if half <= limit { "" } else { ", which is too long" };
        seen = format!("p50 {}{beyond}; p10 {}", show_time(half), show_time(tenth));
        if half <= limit {
            return Ok(seen);
        }
        if clock::now() - begun > plan.timeout / AGAIN {
            break;
        }
    }
    Err(seen.into())
}

/// The counter of the board's sleep, if it has one.
fn asleep_ms(wire: &mut Wire) -> Result<Option<u64>, String> {
    wire.write_all(b"stats\n")?;
    let text = answer(wire, "stats")?;
    let values = text.lines().find_map(|line| line.trim_start().strip_prefix(COUNTER));
    values
        .map(|value| {
            value.trim().parse().map_err(|_| format!("{COUNTER} is not a number in `stats`"))
        })
        .transpose()
}

pub(super) fn asleep(plan: &CheckPlan) -> Seen {
    let mut wire = Wire::connect(plan, SHELL, deadline(plan) + WATCHED)?;
    answer(&mut wire, "the greeting")?;
    let begun = clock::now();
    let Some(before) = asleep_ms(&mut wire)? else {
        let why =
            format!("its `stats` have no `{COUNTER}`: nobody tells its firmware when it sleeps");
        return Err(CheckFailure::Unseen(why));
    };
    quiet(&mut wire, WATCHED).map_err(|seen| format!("while it is watched, {seen}"))?;
    let asked = clock::now();
    let after =
        asleep_ms(&mut wire)?.ok_or_else(|| format!("`{COUNTER}` has gone from `stats`"))?;
    // On a chip it begins anew after seven weeks.
    let slept = if after < before { after + (1 << 32) - before } else { after - before };
    let share = slept * 100 / (asked - begun).as_millis().max(1) as u64;
    let seen = format!("asleep for {} % of {}", share.min(100), show_time(asked - begun));
    if share < ASLEEP_MIN { Err(seen.into()) } else { Ok(seen) }
}
