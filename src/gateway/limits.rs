//! How much passes a gateway at once.

/// Connections through the gateway at most.
pub const FLOWS: usize = 32;
/// UDP mappings through the gateway at most; the longest idle makes room.
pub const DATAGRAM_FLOWS: usize = 64;
/// Ports the board may be allowed to reach at most.
pub const ALLOWED: usize = tapboard_firmware::config::LISTENERS;
/// Addresses and ports of this machine that lead to the board at most.
pub const FORWARDS: usize = 64;
/// Leases at most.
pub(super) const LEASES: usize = 100;
/// Clients of the API at once at most.
pub(super) const API_CLIENTS: usize = 8;
