//! What a board said, in terms in which two boards can be compared: numbers that begin at 0, and no identifiers.

use std::fmt::{self, Write as _};

use super::packet::{ACK, CWR, ECE, FIN, PSH, Packet, RST, SYN, Tcp, URG, options, u16_at, u32_at};
use super::recording::{Arp, Body};
use crate::output::counted;

/// One thing that the board said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// The frame's number in the capture; of a replay, counted from 1.
    pub(super) number: usize,
    /// When, in microseconds since the first frame of the capture, or of the replay.
    pub(super) at_us: i64,
    /// How many frames of the peer the board had had.
    pub(super) after: usize,
    /// It did not come to the peer.
    pub(super) lost: bool,
    pub(super) what: What,
}

/// What it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Tcp(Segment),
    /// A datagram's payload, or what a ping's answer carries.
    Datagram(Vec<u8>),
    /// An answer to a question for an address.
    IsAt,
    /// An error of ICMP: type and code.
    Error(u8, u8),
}

/// A TCP segment with numbers that begin at 0 with the SYN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) flags: u8,
    pub(super) seq: u32,
    /// 0 without the flag.
    pub(super) ack: u32,
    pub(super) window: u16,
    /// Blocks that are acknowledged selectively.
    pub(super) sack: Vec<(u32, u32)>,
    pub(super) mss: Option<u16>,
    pub(super) scale: Option<u8>,
    pub(super) sack_permitted: bool,
    pub(super) timestamps: bool,
    pub(super) data: Vec<u8>,
}

impl Segment {
    /// Of a segment whose numbers are relative to these: its sender's, and its receiver's.
    pub(super) fn read(segment: &[u8], own: u32, other: u32) -> Option<Self> {
        let tcp = Tcp::read(segment)?;
        let mut this = Self {
            flags: tcp.flags,
            seq: tcp.seq.wrapping_sub(own),
            ack: if tcp.has(ACK) { tcp.ack.wrapping_sub(other) } else { 0 },
            window: tcp.window,
            sack: Vec::new(),
            mss: None,
            scale: None,
            sack_permitted: false,
            timestamps: false,
            data: segment[tcp.header..].to_vec(),
        };
        for (kind, range) in options(segment, tcp.header) {
            let value = &segment[range];
            match kind {
                2 => this.mss = u16_at(value, 0),
                3 => this.scale = value.first().copied(),
                4 => this.sack_permitted = true,
                5 => {
                    let block = |at| Some((u32_at(value, at)?, u32_at(value, at + 4)?));
                    let blocks = (0..value.len() / 8).filter_map(|index| block(index * 8));
                    let relative = |(start, end): (u32, u32)| {
                        (start.wrapping_sub(other), end.wrapping_sub(other))
                    };
                    this.sack = blocks.map(relative).collect();
                }
                8 => this.timestamps = true,
                _ => {}
            }
        }
        Some(this)
    }

    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Numbers that it takes: bytes, SYN and FIN.
    pub(super) fn len(&self) -> u32 {
        self.data.len() as u32 + u32::from(self.has(SYN)) + u32::from(self.has(FIN))
    }

    /// The number behind it.
    pub(super) fn end(&self) -> u32 {
        self.seq.wrapping_add(self.len())
    }

    /// The number of its first byte.
    pub(super) fn data_seq(&self) -> u32 {
        self.seq.wrapping_add(u32::from(self.has(SYN)))
    }

    /// The names of those flags that are of note beside SYN, FIN, RST and ACK.
    pub(super) const fn odd_flags(&self) -> u8 {
        self.flags & (URG | ECE | CWR)
    }

    /// What a SYN offers, in Wireshark's words.
    pub(super) fn offer(&self) -> String {
        let mut out = String::new();
        if let Some(mss) = self.mss {
            let _ = write!(out, "MSS={mss} ");
        }
        if let Some(scale) = self.scale {
            let _ = write!(out, "WS={} ", 1_u32 << scale.min(14));
        }
        for (has, name) in [(self.sack_permitted, "SACK_PERM "), (self.timestamps, "TS ")] {
            out.push_str(if has { name } else { "" });
        }
        if out.is_empty() { "nothing".into() } else { out.trim_end().into() }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (SYN, "SYN "),
            (FIN, "FIN "),
            (RST, "RST "),
            (PSH, "PSH "),
            (ACK, "ACK "),
            (URG, "URG "),
            (ECE, "ECE "),
            (CWR, "CWR "),
        ];
        for (flag, name) in names {
            f.write_str(if self.has(flag) { name } else { "" })?;
        }
        write!(f, "seq={}", self.seq)?;
        if self.has(ACK) {
            write!(f, " ack={}", self.ack)?;
        }
        for (index, (start, end)) in self.sack.iter().enumerate() {
            write!(f, "{}{start}-{end}", if index == 0 { " sack=" } else { "," })?;
        }
        if !self.data.is_empty() {
            write!(f, " {}", counted(self.data.len(), "byte"))?;
        }
        if self.has(SYN) || self.window == 0 {
            write!(f, " win={}", self.window)?;
        }
        Ok(())
    }
}

impl What {
    /// Of a packet that is not TCP's. `None` if it is nothing that is compared.
    pub(super) fn of(body: &Body) -> Option<Self> {
        match body {
            Body::Arp(Arp { request: false, .. }) => Some(Self::IsAt),
            Body::Arp(_) => None,
            Body::Ip(packet) => Self::of_packet(packet),
        }
    }

    fn of_packet(packet: &Packet) -> Option<Self> {
        use super::packet::{ICMPV6, UDP};
        match packet.protocol {
            UDP => Some(Self::Datagram(packet.payload.get(8..)?.to_vec())),
            _ if packet.is_ping() => Some(Self::Datagram(packet.payload.get(4..)?.to_vec())),
            _ if packet.is_icmp_error() => {
                Some(Self::Error(packet.payload[0], *packet.payload.get(1)?))
            }
            ICMPV6 if packet.payload.first() == Some(&136) => Some(Self::IsAt),
            _ => None,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(segment) => segment.fmt(f),
            Self::Datagram(data) => f.write_str(&counted(data.len(), "byte")),
            Self::IsAt => f.write_str("its address"),
            Self::Error(kind, code) => write!(f, "ICMP error of type {kind}, code {code}"),
        }
    }
}
