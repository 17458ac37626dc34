//! What a plan says of an adversary: the ways to misbehave, and when.

use serde::{Deserialize, Serialize};
use smoltcp::time::{Duration, Instant};

/// A way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::sim) enum Attack {
    /// Connection requests from addresses that nobody has.
    SynFlood,
    /// Likewise, but the neighbours answer for them.
    SynFloodAnswered,
    /// The same request several times, with another sequence number each.
    DuplicateSyn,
    /// Requests with a wrong checksum.
    WrongChecksum,
    /// Requests to all ports.
    PortScan,
    /// Frames of random bytes, some of which look like something.
    Garbage,
    /// Datagrams to everybody.
    Broadcast,
    /// Datagrams from a port that answers by itself.
    EchoToEcho,
    /// Connections that send data and acknowledge nothing.
    NeverAck,
    /// Connections that are never heard of again.
    Vanish,
    /// Connections that begin with a FIN.
    FinFirst,
    /// Connections that end in a reset, which fits or does not.
    Reset,
    /// Connections that do nothing and stay.
    Squat,
}

impl Attack {
    pub(in crate::sim) const ALL: [Self; 13] = [
        Self::SynFlood,
        Self::SynFloodAnswered,
        Self::DuplicateSyn,
        Self::WrongChecksum,
        Self::PortScan,
        Self::Garbage,
        Self::Broadcast,
        Self::EchoToEcho,
        Self::NeverAck,
        Self::Vanish,
        Self::FinFirst,
        Self::Reset,
        Self::Squat,
    ];
}

/// An attack, against whom, how often and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::sim) struct AttackWindow {
    pub(in crate::sim) attack: Attack,
    pub(in crate::sim) board: usize,
    #[serde(with = "super::text::instant")]
    pub(in crate::sim) until: Instant,
    #[serde(with = "super::text::duration")]
    pub(in crate::sim) gap: Duration,
}
