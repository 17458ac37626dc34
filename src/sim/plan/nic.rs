//! What a plan says of a NIC.

use serde::{Deserialize, Serialize};

/// Work that a board leaves to its NIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::sim) enum Offload {
    /// Checksums of TCP and UDP.
    Checksums,
    /// These, and TCP's segments: the board sends superframes of up to 64 KiB over IPv4.
    Segmentation,
}

/// A NIC; without anything here one of 1500 bytes that does nothing of a stack's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::sim) struct NicPlan {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::sim) offload: Option<Offload>,
    /// Bytes of an IP packet that it sends at most, of which follows the MSS that its stack names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::sim) mtu: Option<u16>,
}

impl NicPlan {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    pub(super) fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}
