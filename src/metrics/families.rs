//! Families of metrics, as they are written.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use smoltcp::time::Duration;

use crate::nic::Stat;

/// Writes families of metrics.
#[derive(Debug)]
pub(super) struct Families<'e>(pub(super) DescriptorEncoder<'e>);

/// A sample of each set of labels.
type Samples<const L: usize, V> = Vec<([(&'static str, &'static str); L], V)>;

impl Families<'_> {
    /// What only grows, without labels. The name is without `_total`.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeCounterValue,
    ) -> fmt::Result {
        self.counters(name, help, vec![([], value)])
    }

    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        self.gauges(name, help, vec![([], value)])
    }

    /// What only grows, by labels. The name is without `_total`.
    pub(super) fn counters<const L: usize, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: Samples<L, V>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in samples {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    /// By labels; nothing at all if there is no sample.
    pub(super) fn gauges<const L: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: Samples<L, V>,
    ) -> fmt::Result {
        if samples.is_empty() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in samples {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// What is told by labels alone. The name is without `_info`.
    pub(super) fn info(&mut self, name: &str, help: &str, label: (&str, &str)) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Info)?;
        family.encode_info(&[label])
    }

    /// A number of a part of this program, `prefix` for its name.
    pub(super) fn stat(&mut self, prefix: &str, stat: &Stat) -> fmt::Result {
        let Stat { name, help, value, limit } = *stat;
        let name =
            name.strip_prefix(prefix).and_then(|name| name.strip_prefix('_')).unwrap_or(name);
        let (name, help) = (format!("{prefix}_{name}"), help.trim());
        let Some(limit) = limit else { return self.counter(&name, help, value) };
        self.gauge(&name, help, value)?;
        let help = format!("The limit of tapboard_{name}.");
        self.gauge(&format!("{name}_limit"), &help, limit)
    }
}

pub(super) fn seconds(time: Duration) -> f64 {
    time.total_micros() as f64 / 1e6
}
