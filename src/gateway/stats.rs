//! What a gateway counts, each limit beside its use.

use std::fmt;

use serde_json::{Map, Value, json};

/// A number of the gateway's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is of.
    pub name: &'static str,
    /// How many now, or since the start if there is no limit.
    pub value: u64,
    /// How many there can be.
    pub limit: Option<u64>,
}

impl Stat {
    pub(super) const fn used(name: &'static str, value: usize, limit: usize) -> Self {
        Self { name, value: value as u64, limit: Some(limit as u64) }
    }

    pub(super) const fn count(name: &'static str, value: u64) -> Self {
        Self { name, value, limit: None }
    }
}

/// As a line of the console's `stats`.
impl fmt::Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, limit } = self;
        write!(f, "{name:<20} {value}")?;
        limit.map_or(Ok(()), |limit| write!(f, " of {limit}"))
    }
}

/// As the API has them.
pub(super) fn to_json(stats: &[Stat]) -> Value {
    let value = |stat: &Stat| match stat.limit {
        Some(limit) => json!({ "used": stat.value, "limit": limit }),
        None => stat.value.into(),
    };
    let all: Map<_, _> = stats.iter().map(|stat| (stat.name.to_string(), value(stat))).collect();
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_stands_beside_its_use() {
        let stats = [Stat::used("gateway_flows", 3, 32), Stat::count("gateway_resets", 7)];
        assert_eq!(stats[0].to_string(), "gateway_flows        3 of 32");
        assert_eq!(stats[1].to_string(), "gateway_resets       7");
        let expected = json!({ "gateway_flows": { "used": 3, "limit": 32 }, "gateway_resets": 7 });
        assert_eq!(to_json(&stats), expected);
    }
}
