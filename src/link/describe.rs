//! What is wrong with a cable, in the words in which one sets it.
//!
//! Each part of a direction's text, `loss 5%` or `delay 40 ms`, is a command that brings that fault back.

use std::fmt;

use smoltcp::time::Duration;

use super::chance::Chance;
use super::faults::{Burst, Faults};
use super::model::Link;
use super::setting;
use super::side::Side;

/// `loss 5%, delay 40 ms`, or `nothing wrong`.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (name, chance) in [
            ("loss", self.loss),
            ("corrupt", self.corrupt),
            ("duplicate", self.duplicate),
            ("reorder", self.reorder),
        ] {
            if chance != Chance::NEVER {
                parts.push(format!("{name} {chance}"));
            }
        }
        if let Some(Burst { enter, leave }) = self.burst {
            parts.push(format!("burst {enter}/{leave}"));
        }
        for (name, time) in [("delay", self.delay), ("jitter", self.jitter)] {
            if time != Duration::ZERO {
                parts.push(format!("{name} {}", setting::duration(time)));
            }
        }
        if let Some(bits) = self.rate {
            parts.push(format!("rate {}", setting::rate(bits)));
        }
        if self.queue != Self::NONE.queue {
            parts.push(format!("queue {}", self.queue));
        }
        if self.mtu != Self::NONE.mtu {
            parts.push(format!("mtu {}", self.mtu));
        }
        if self.partition {
            parts.push("partition on".into());
        }
        if parts.is_empty() {
            return f.write_str("nothing wrong");
        }
        f.write_str(&parts.join(", "))
    }
}

/// One line: `the cable is in; to the board: loss 5%; from the board: nothing wrong`. Of a good cable it says only
/// that nothing is wrong, and of a good one that is out, only that.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cable = if self.plugged() { "in" } else { "out" };
        let (to, from) = (self.faults(Side::Board), self.faults(Side::Peer));
        write!(f, "the cable is {cable}")?;
        match [*to, *from] {
            [Faults::NONE, Faults::NONE] if self.plugged() => write!(f, "; {to}"),
            [Faults::NONE, Faults::NONE] => Ok(()),
            _ => write!(f, "; to the board: {to}; from the board: {from}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Setting;

    #[test]
    fn every_fault_reads_back_as_it_is_described() {
        let mut all = Faults::NONE;
        for (name, example) in Setting::NAMES {
            let mut one = Faults::NONE;
            // The example of the queue is its default, which goes without saying.
            let example = if name == "queue" { "10k" } else { example };
            let setting = Setting::parse(name, example).unwrap();
            one.set(setting);
            all.set(setting);
            assert!(one.to_string().starts_with(name), "{name}: {one}");
        }
        let mut read = Faults::NONE;
        for part in all.to_string().split(", ") {
            let (name, value) = part.split_once(' ').unwrap();
            read.set(Setting::parse(name, value).unwrap());
        }
        assert_eq!(read, all);
    }

    #[test]
    fn a_link_tells_its_directions_apart() {
        let mut link = Link::new(7);
        assert_eq!(link.to_string(), "the cable is in; nothing wrong");
        link.plug(false);
        assert_eq!(link.to_string(), "the cable is out");
        link.plug(true);
        link.set(Some(Side::Board), Setting::parse("loss", "5%").unwrap());
        link.set(None, Setting::parse("rate", "1500kbit").unwrap());
        link.plug(false);
        assert_eq!(
            link.to_string(),
            "the cable is out; to the board: loss 5%, rate 1500kbit; from the board: rate 1500kbit"
        );
    }
}
