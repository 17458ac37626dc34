//! What a gateway counts, as its API has it.

use serde_json::{Map, Value, json};

use crate::nic::Stat;

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
        let stats = [Stat::used("gateway_flows", "", 3, 32), Stat::count("gateway_resets", "", 7)];
        assert_eq!(stats[0].to_string(), "gateway_flows        3 of 32");
        assert_eq!(stats[1].to_string(), "gateway_resets       7");
        let expected = json!({ "gateway_flows": { "used": 3, "limit": 32 }, "gateway_resets": 7 });
        assert_eq!(to_json(&stats), expected);
    }
}
