//! Ticks at the lower edge of a chart, where something was sent again.

use super::chart::{BOTTOM, Chart, Kind};
use super::connection::Direction;
use crate::ladder::svg::element::Px;

const AGAIN: Kind = Kind { class: "again", name: "retransmission" };

pub(super) fn ticks(chart: &mut Chart, direction: &Direction) {
    let again = direction.data.iter().filter(|data| data.again);
    let ticks = again.map(|data| {
        let x = chart.x.pixel(data.micros as f64);
        let hover = format!("frame {}: {}-{} sent again", data.number, data.start, data.end);
        (format!("M{} {}v-12", Px(x), Px(BOTTOM)), hover)
    });
    let ticks: Vec<_> = ticks.collect();
    chart.marks(AGAIN, &ticks);
}
