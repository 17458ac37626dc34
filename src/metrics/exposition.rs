//! A snapshot in the words of Prometheus: names in snake case with their unit, in base units; what only grows is a counter,
//! whose name ends in `_total`.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text as openmetrics};
use prometheus_client::registry::Registry;
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::netstat::{Protocol, STATES};

use super::families::{Families, seconds};
use super::{SCRAPERS, cable};
use crate::http::ServerUse;
use crate::nic::{Offloads, Stat};
use crate::snapshot::{BoardKind, BoardSnapshot, NicSnapshot, Snapshot, Work};

/// A form of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Version 0.0.4 of Prometheus' own.
    Prometheus,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

impl Format {
    /// The better one of those that `accept` has, RFC 9110 12.5.1; without a look at their weights, for whoever names
    /// `OpenMetrics` understands it.
    pub(super) fn of(accept: &str) -> Self {
        let mut kinds = accept.split(',').filter_map(|kind| kind.split(';').next());
        let understood = kinds.any(|kind| kind.trim() == "application/openmetrics-text");
        if understood { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All of a snapshot.
pub(super) fn text(
    snapshot: Snapshot,
    used: ServerUse,
    format: Format,
) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("tapboard");
    registry.register_collector(Box::new(Scrape { snapshot, used }));
    let mut text = String::new();
    match format {
        Format::Prometheus => prometheus_text::encode(&mut text, &registry)?,
        Format::OpenMetrics => openmetrics::encode(&mut text, &registry)?,
    }
    Ok(text)
}

#[derive(Debug)]
struct Scrape {
    snapshot: Snapshot,
    used: ServerUse,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let families = &mut Families(encoder);
        let Snapshot { at, work, cable, nic, board } = &self.snapshot;
        run(families, *at, *work)?;
        server(families, self.used)?;
        cable::families(families, cable)?;
        self::nic(families, nic)?;
        self::board(families, board)
    }
}

fn run(families: &mut Families<'_>, at: Instant, work: Work) -> fmt::Result {
    families.info("build", "The program.", ("version", env!("CARGO_PKG_VERSION")))?;
    let uptime = Duration::from_micros(at.total_micros().unsigned_abs());
    families.gauge("uptime_seconds", "Time since the program started.", seconds(uptime))?;
    families.counter("boots", "Boots of the board, the first included.", work.boots)?;
    families.counter(
        "turns",
        "Turns of the loop, in each of which the board is polled.",
        work.turns,
    )?;
    let asleep = seconds(work.asleep);
    families.counter("asleep_seconds", "Time asleep in the kernel, between turns.", asleep)
}

/// Of the server that tells all this, as it was before.
fn server(families: &mut Families<'_>, used: ServerUse) -> fmt::Result {
    let ServerUse { clients, answered, refused } = used;
    families.stat(
        "metrics",
        &Stat::used("clients", "Clients connected for metrics.", clients, SCRAPERS),
    )?;
    families.counter("metrics_requests", "Requests for metrics that were answered.", answered)?;
    let help = "Requests for metrics that were answered with an error.";
    families.counter("metrics_refused", help, refused)
}

fn nic(families: &mut Families<'_>, nic: &NicSnapshot) -> fmt::Result {
    families.gauge("nic_up", "Whether the NIC is up.", u32::from(nic.up))?;
    let work = |offloads: Offloads| {
        let Offloads { checksum, segmentation, receive } = offloads;
        [("checksum", checksum), ("segmentation", segmentation), ("receive", receive)]
            .map(|(work, left)| ([("work", work)], u32::from(left)))
            .to_vec()
    };
    let help = "Whether the board leaves this work to its MAC.";
    families.gauges("nic_offloaded", help, work(nic.offloaded))?;
    let help = "Whether the NIC does this work, in place of the board and its MAC.";
    families.gauges("nic_offload", help, work(nic.offloads))?;
    nic.stats.iter().try_for_each(|stat| families.stat(nic.kind, stat))
}

fn board(families: &mut Families<'_>, board: &BoardSnapshot) -> fmt::Result {
    let prefix = board.kind.name();
    board.counters.iter().try_for_each(|counter| families.stat(prefix, counter))?;
    if board.kind != BoardKind::Firmware {
        return Ok(());
    }
    let led = board.led.map(|led| ([], u32::from(led)));
    families.gauges("board_led_lit", "Whether the LED is lit.", led.into_iter().collect())?;
    sockets(families, board)
}

fn sockets(families: &mut Families<'_>, board: &BoardSnapshot) -> fmt::Result {
    let rows = || board.sockets.iter().map(|socket| &socket.row);
    let mut states = BTreeMap::from(STATES.map(|state| (state, 0_u32)));
    for row in rows().filter(|row| row.protocol == Protocol::Tcp) {
        *states.entry(row.state).or_default() += 1;
    }
    let states = states.into_iter().map(|(state, count)| ([("state", state)], count)).collect();
    families.gauges("board_tcp_sockets", "TCP sockets by state.", states)?;
    let udp = rows().filter(|row| row.protocol == Protocol::Udp).count();
    families.gauge("board_udp_sockets", "UDP sockets.", udp)?;
    let received: usize = rows().map(|row| row.receive_queue).sum();
    let help = "Bytes received that the services have not read yet.";
    families.gauge("board_receive_queue_bytes", help, received)?;
    let sent: usize = rows().map(|row| row.send_queue).sum();
    let help = "Bytes of the services that peers have not acknowledged yet.";
    families.gauge("board_send_queue_bytes", help, sent)?;
    let trips = || board.sockets.iter().filter_map(|socket| socket.round_trip);
    let one = |trip: Option<Duration>| trip.map(|trip| ([], seconds(trip))).into_iter().collect();
    let help = "The smoothed round-trip time (RFC 6298) of the connection on which it is shortest.";
    families.gauges("board_shortest_round_trip_seconds", help, one(trips().min()))?;
    let help = "The smoothed round-trip time (RFC 6298) of the connection on which it is longest.";
    families.gauges("board_longest_round_trip_seconds", help, one(trips().max()))
}
