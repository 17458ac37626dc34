//! What a capture holds: its packets in the order of their times, with what our cable did to them.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::Ipv4Addr;

use smoltcp::wire::EthernetAddress;

use super::FRAMES_MAX;
use super::error::ReplayError;
use super::packet::{Packet, u16_at, u32_at};
use crate::capture::{Direction, Reader, Record};
use crate::segment::{Inner, unwrap};

/// The longest time from the first frame to another, microseconds: a week. What is further away has a damaged time.
const TIME_MAX_US: i128 = 7 * 24 * 3600 * 1_000_000;

/// A frame of the capture. Times are microseconds since the first one.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each befell it or not")]
pub(super) struct Frame {
    /// Its number, as Wireshark's.
    pub(super) number: usize,
    /// When it was captured: in our captures, when it was sent.
    pub(super) at_us: i64,
    /// When it came to the other end, as far as that is known.
    pub(super) arrives_us: i64,
    /// Which way it went, where the capture says so.
    pub(super) direction: Option<Direction>,
    /// It did not arrive.
    pub(super) lost: bool,
    /// A checksum of it does not hold.
    pub(super) damaged: bool,
    /// It arrived twice.
    pub(super) twice: bool,
    /// Not all of it was captured.
    pub(super) cut: bool,
    pub(super) from: Option<EthernetAddress>,
    pub(super) to: Option<EthernetAddress>,
    pub(super) body: Body,
}

/// What a frame carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Arp(Arp),
    Ip(Packet),
}

/// ARP of IPv4 over Ethernet (RFC 826).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arp {
    pub(super) request: bool,
    pub(super) mac: EthernetAddress,
    pub(super) sender: Ipv4Addr,
    pub(super) target: Ipv4Addr,
}

impl Arp {
    fn read(bytes: &[u8]) -> Option<Self> {
        let kind = (u16_at(bytes, 0)?, u16_at(bytes, 2)?, u16_at(bytes, 4)?);
        let request = match u16_at(bytes, 6)? {
            1 => true,
            2 => false,
            _ => return None,
        };
        Some(Self {
            request,
            mac: EthernetAddress(bytes.get(8..14)?.try_into().ok()?),
            sender: u32_at(bytes, 14)?.into(),
            target: u32_at(bytes, 24)?.into(),
        })
        .filter(|_| kind == (1, 0x0800, 0x0604))
    }

    /// The frame that carries it.
    pub(super) fn frame(&self, to: EthernetAddress) -> Vec<u8> {
        let target = if self.request { [0; 6] } else { to.0 };
        [
            &to.0[..],
            &self.mac.0,
            &[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, if self.request { 1 } else { 2 }],
            &self.mac.0,
            &self.sender.octets(),
            &target,
            &self.target.octets(),
        ]
        .concat()
    }
}

/// All that was read of a capture.
#[derive(Clone, Debug, Default)]
pub(super) struct Recording {
    pub(super) frames: Vec<Frame>,
    /// Frames that say nothing here, by why.
    pub(super) passed: BTreeMap<&'static str, usize>,
    /// Microseconds from the first frame to the last.
    pub(super) end_us: i64,
    /// The file ends within a frame.
    pub(super) cut_short: bool,
}

impl Recording {
    /// Reads a capture to its end.
    pub(super) fn read<R: Read>(mut reader: Reader<R>) -> Result<Self, ReplayError> {
        let mut this = Self::default();
        let (mut first, mut last_ns) = (None, 0);
        for (index, record) in reader.by_ref().enumerate() {
            let record = record.map_err(ReplayError::Capture)?;
            if index >= FRAMES_MAX {
                return Err(ReplayError::TooLong);
            }
            // A frame without a time was there when the one before it was.
            let at_ns = record.at.map_or(last_ns, |at| at.as_nanos());
            last_ns = at_ns;
            let first = *first.get_or_insert(at_ns);
            let since = i128::try_from(at_ns).unwrap_or(0) - i128::try_from(first).unwrap_or(0);
            if (since / 1000).abs() > TIME_MAX_US {
                *this.passed.entry("more than a week from the first one").or_default() += 1;
                continue;
            }
            let at_us = (since / 1000) as i64;
            this.end_us = this.end_us.max(at_us);
            match Frame::of(index + 1, at_us, &record) {
                Ok(frame) => this.frames.push(frame),
                Err(why) => *this.passed.entry(why).or_default() += 1,
            }
        }
        this.cut_short = reader.truncated();
        this.frames.sort_by_key(|frame| frame.at_us);
        Ok(this)
    }
}

impl Frame {
    pub(super) fn of(number: usize, at_us: i64, record: &Record) -> Result<Self, &'static str> {
        let unwrapped = unwrap(record.link, &record.frame, record.original_len)
            .ok_or("neither ARP nor IP, or its link is not read")?;
        let (cut, sound, body) = match unwrapped.inner {
            Inner::Arp(bytes) => {
                (false, true, Body::Arp(Arp::read(bytes).ok_or("another ARP than IPv4's")?))
            }
            Inner::Ip(ip) if ip.fragment => return Err("a fragment"),
            Inner::Ip(ip) => {
                let packet = Packet {
                    header: ip.header.to_vec(),
                    from: ip.from,
                    to: ip.to,
                    protocol: ip.protocol,
                    payload: ip.payload.to_vec(),
                };
                (!ip.whole, ip.sound, Body::Ip(packet))
            }
        };
        let notes = if record.ours { Notes::read(&record.notes) } else { Notes::default() };
        Ok(Self {
            number,
            at_us,
            arrives_us: at_us + notes.later_us,
            direction: record.direction,
            lost: notes.lost,
            damaged: !sound,
            twice: notes.twice,
            cut,
            from: unwrapped.from,
            to: unwrapped.to,
            body,
        })
    }
}

/// What our cable did to a frame, of its comment: see [`crate::link::LinkEvent`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Notes {
    lost: bool,
    later_us: i64,
    twice: bool,
}

impl Notes {
    fn read(comment: &str) -> Self {
        let mut notes = Self::default();
        for note in comment.split(", ") {
            notes.lost |= note.starts_with("dropped");
            notes.twice |= note == "duplicated";
            let time = note.strip_prefix("delayed ").or(note.strip_prefix("reordered by "));
            notes.later_us += time.and_then(micros).unwrap_or(0);
        }
        notes
    }
}

/// A time as notes have it, `20 ms`, in microseconds. `None`: no cable of ours has held a frame back for so long, or less than
/// not at all.
fn micros(text: &str) -> Option<i64> {
    let (number, unit) = text.split_once(' ')?;
    let scale = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, reason = "what is too long is the longest there is")]
    let micros = (number.parse::<f64>().ok()? * scale).round() as i64;
    (0..=TIME_MAX_US as i64).contains(&micros).then_some(micros)
}

#[cfg(test)]
mod tests {
    use smoltcp::time::Duration;

    use super::*;
    use crate::link::LinkEvent;

    /// What the cable writes is what is read of it.
    #[test]
    fn notes_are_read_as_the_cable_writes_them() {
        let read = |events: &[LinkEvent]| {
            let notes: Vec<_> = events.iter().map(ToString::to_string).collect();
            Notes::read(&notes.join(", "))
        };
        assert_eq!(read(&[]), Notes::default());
        for lost in [LinkEvent::Unplugged, LinkEvent::Burst, LinkEvent::QueueFull(9)] {
            assert!(read(&[lost]).lost, "{lost}");
        }
        let late = read(&[
            LinkEvent::Delayed(Duration::from_micros(20_500)),
            LinkEvent::Reordered(Duration::from_secs(2)),
            LinkEvent::Duplicated,
        ]);
        assert_eq!(late, Notes { lost: false, later_us: 2_020_500, twice: true });
        assert_eq!(read(&[LinkEvent::Delayed(Duration::from_micros(7))]).later_us, 7);
    }

    #[test]
    fn times_that_no_cable_writes_are_none() {
        for time in ["-99 s", "inf s", "-inf s", "NaN s", "1e300 ms", "604801 s", "20 h", "s"] {
            assert_eq!(Notes::read(&format!("delayed {time}")), Notes::default(), "{time}");
        }
    }
}
