//! The values of a plan as people write them: `12.5 s`, `loss 5%`, `led on`.

#![allow(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "the signatures are serde's"
)]

use std::fmt::Display;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;

/// Reads a string and makes `parse`'s value of it.
fn read<'de, D: Deserializer<'de>, T, E: Display>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(D::Error::custom)
}

/// `"40 ms"`, exact to the microsecond.
pub(in crate::sim::plan) mod duration {
    use smoltcp::time::Duration;

    use super::{Deserializer, Serializer, read};
    use crate::link::{duration_text, parse_duration};

    pub(in crate::sim::plan) fn serialize<S: Serializer>(
        time: &Duration,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&duration_text(*time))
    }

    pub(in crate::sim::plan) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Duration, D::Error> {
        read(from, parse_duration)
    }
}

/// `"12.5 s"` since the world began.
pub(in crate::sim::plan) mod instant {
    use smoltcp::time::Instant;

    use super::{Deserializer, Serializer, duration};

    pub(in crate::sim::plan) fn serialize<S: Serializer>(
        at: &Instant,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        duration::serialize(&(*at - Instant::ZERO), to)
    }

    pub(in crate::sim::plan) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Instant, D::Error> {
        Ok(Instant::ZERO + duration::deserialize(from)?)
    }
}

/// `"loss 5%"`, as at the console.
pub(in crate::sim::plan) mod setting {
    use super::{Deserializer, Serializer, read};
    use crate::link::Setting;

    pub(in crate::sim::plan) fn serialize<S: Serializer>(
        set: &Setting,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(set)
    }

    pub(in crate::sim::plan) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Setting, D::Error> {
        read(from, str::parse)
    }
}

/// `"in"` to the node, `"out"` from it, or `"both"`.
pub(in crate::sim::plan) mod direction {
    use super::{Deserializer, Serializer, read};
    use crate::nic::wire::Side;

    const NAMES: [(&str, Option<Side>); 3] =
        [("both", None), ("in", Some(Side::Board)), ("out", Some(Side::Peer))];

    pub(in crate::sim::plan) fn serialize<S: Serializer>(
        side: &Option<Side>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let name = NAMES.iter().find(|(_, known)| known == side).map_or("both", |(name, _)| name);
        to.serialize_str(name)
    }

    pub(in crate::sim::plan) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Side>, D::Error> {
        read(from, |text| {
            let known = NAMES.iter().find(|(name, _)| *name == text);
            known.map(|&(_, side)| side).ok_or_else(|| {
                format!("{text:?} is no direction; write \"in\" (to the node), \"out\" (from it) or \"both\"")
            })
        })
    }
}

/// What a client says to the shell, without the ends of the lines.
pub(in crate::sim::plan) mod shell {
    use super::{Deserialize, Deserializer, Error, Serializer};
    use crate::sim::check::SHELL;

    fn line(index: usize) -> &'static str {
        std::str::from_utf8(SHELL[index].line).unwrap_or_default().trim_end()
    }

    pub(in crate::sim::plan) fn serialize<S: Serializer>(
        lines: &[u8; 3],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(lines.iter().map(|&index| line(index.into())))
    }

    pub(in crate::sim::plan) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<[u8; 3], D::Error> {
        let texts = <[String; 3]>::deserialize(from)?;
        let mut lines = [0; 3];
        for (known, text) in lines.iter_mut().zip(&texts) {
            let index = (0..SHELL.len()).find(|&index| line(index) == text);
            let index = index.ok_or_else(|| {
                let names: Vec<&str> = (0..SHELL.len()).map(line).collect();
                D::Error::custom(format!(
                    "{text:?} is no line whose answer is known; there are {}",
                    names.join(", ")
                ))
            })?;
            *known = index as u8;
        }
        Ok(lines)
    }
}
