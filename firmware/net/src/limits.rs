//! Every limit of the stack, in one place, with the relations between them asserted.
//!
//! What a user may want otherwise is in [`Limits`], or a const parameter of [`Storage`](crate::Storage) and
//! [`Sockets`](crate::Sockets); the rest are constants. Durations are in the stack's own time (the `now` handed to
//! [`NetStack::poll`](crate::NetStack::poll)); sizes are in bytes unless the name says otherwise.

mod chosen;

use smoltcp::time::Duration;

pub use self::chosen::Limits;

/// Largest Ethernet frame without its checksum: 14 bytes of header and 1500 of payload (IEEE 802.3).
pub const FRAME_SIZE: usize = 1514;

/// Most data of a TCP segment in such a frame: 1500 - 20 - 20.
pub const SEGMENT_SIZE: usize = 1460;

/// Most data of a TCP segment in the longest IPv4 packet, which a device that segments takes: 65535 - 20 - 20.
pub const SUPERFRAME_DATA: usize = 65_495;

/// Largest buffer of a TCP connection: what a window tells without a scale. smoltcp takes the window of our SYN, which
/// is never scaled, for one that is (tcp.rs:1708); so a peer may send past the end of a larger buffer, where
/// smoltcp panics (`ring_buffer.rs`:345).
pub const TCP_BUFFER_MAX: usize = u16::MAX as usize;

/// Largest UDP payload that fits one IPv4 frame: 1500 - 20 - 8.
pub const DATAGRAM_SIZE: usize = 1472;

/// Frames taken from the device in one poll before the application gets its turn; it gets it after each datagram, too, so that
/// it can be read before the next one finds no room.
pub const INGRESS_BUDGET: usize = 64;

/// Segments that one connection sends in one poll at most.
pub const EGRESS_BUDGET: usize = 64;

/// Segments that one socket sends in a row while others have some too. What joins consecutive segments of a connection -
/// an interface that segments, a kernel that receives - has more to join than if they took turns.
pub const EGRESS_BURST: usize = 8;

/// Datagrams that one UDP socket can queue each way, as far as their bytes together fit its buffer.
pub const UDP_PACKETS: usize = 4;

/// With no slot free, a handshake may be evicted from this age on; in a flood of requests from any, without the feature
/// `syn-cookies`. While slots are free, it is given up as any connection is: its peer may be established since the first
/// SYN-ACK, and in the dark. SYN-ACKs go out at 0, 1, 3, 7, 15, 31 and 63 s.
pub const SYN_RECEIVED_EVICT: Duration = Duration::from_secs(2);

/// With no slot free, one whose connection has ended but for its peer's FIN is given to the next request this long after the
/// peer has acknowledged everything: a client with a pool of connections may not look at them for long.
pub const FIN_WAIT_2_EVICT: Duration = Duration::from_millis(500);

/// Bytes of data, both ways together, that are progress of a connection: who says a byte now and then makes none.
pub const PROGRESS: usize = 64;

/// A request that found no slot is forgotten after this long. Each time its sender asks again it is twice as long, as is
/// the time until it asks once more (RFC 6298 5.5): 1, 2, 4, 8 s and so on. Who asks only once does not take a slot much
/// later, and who is patient is not forgotten in between, even if one of its SYNs is lost.
pub const SYN_HELD: Duration = Duration::from_secs(4);

/// The longest that a request is remembered after its sender's last SYN.
pub const SYN_HELD_MAX: Duration = Duration::from_secs(64);

/// How long a cookie may be given back, at the least; and twice that at the most.
#[cfg(feature = "syn-cookies")]
pub const COOKIE: Duration = Duration::from_micros(1 << COOKIE_SHIFT);
/// Its logarithm, in microseconds: more than two minutes.
#[cfg(feature = "syn-cookies")]
pub(crate) const COOKIE_SHIFT: u32 = 27;

/// Fewer requests that wait at the same time are a crowd.
pub const FLOOD: usize = 16;

/// Largest frame of a SYN: 14 bytes of Ethernet, 40 of IPv6, 20 of TCP and its options for MSS, window scale, SACK and
/// timestamps, padded.
pub const SYN_SIZE: usize = 14 + 40 + 20 + 24;

/// The retransmission timeout while no round trip has been measured (RFC 6298 2.1).
pub const RTO_INITIAL: Duration = Duration::from_secs(1);

/// The least that the timeout has beyond the round trip, as in Linux; RFC 6298 2.4 would have a second for the whole.
pub const RTO_MIN: Duration = Duration::from_millis(200);

/// The longest timeout, however often it was doubled (RFC 6298 2.5).
pub const RTO_MAX: Duration = Duration::from_secs(60);

/// How long a peer may hold back the acknowledgement of a single segment (RFC 8985 7.2).
pub const ACK_DELAY_MAX: Duration = Duration::from_millis(200);

/// How long most peers do: Linux 40 ms, smoltcp 10.
pub const ACK_DELAY_USUAL: Duration = Duration::from_millis(50);

/// The least time without an answer before the last segment is sent once more (RFC 8985 7.2).
pub const PROBE_MIN: Duration = Duration::from_millis(10);

/// What may be under way before anything was acknowledged, bytes (RFC 6928 2).
pub const INITIAL_WINDOW: u16 = 14_600;

/// A closed connection whose peer has all data and does not close its own direction is reset after this long, as in Linux.
pub const FIN_WAIT_2: Duration = Duration::from_secs(60);

/// TIME-WAIT ends at the latest this long after that; smoltcp's own is 10 s, counted anew
/// when the peer repeats its FIN.
pub const TIME_WAIT_MAX: Duration = Duration::from_secs(20);

/// How long the RST of an aborted connection may wait for the wire before the slot is taken back.
pub const RST_WAIT: Duration = Duration::from_secs(1);

/// Neighbours on the link whose MAC address is remembered. smoltcp's features `iface-neighbor-cache-count-*` set it; more
/// than the peers of all slots are good.
pub const NEIGHBORS: usize = smoltcp::config::IFACE_NEIGHBOR_CACHE_COUNT;

/// Time between two questions for the same neighbour (RFC 1122 2.3.2.1, RFC 4861 10).
pub const NEIGHBOR_ASK: Duration = Duration::from_secs(1);

/// Questions that a neighbour may leave unanswered before its MAC address is forgotten (RFC 4861 10).
pub const NEIGHBOR_ASKS: u8 = 3;

/// Destinations whose packets go to another next hop than the gateway, as that said.
#[cfg(feature = "redirects")]
pub const REDIRECTS: usize = 4;

/// How long such a next hop may leave the questions for it unanswered, from when it was named.
#[cfg(feature = "redirects")]
pub const REDIRECT_WAIT: Duration = Duration::from_secs(3);

/// How long a MAC address is good after its neighbour was last heard of (RFC 4861 10: 30 s).
pub const NEIGHBOR_FRESH: Duration = Duration::from_secs(30);

/// How soon after another a conflict over an address is reported, and answered by an announcement, again
/// (RFC 5227 2.4).
pub const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// How long after a conflict that only we were told of our addresses are announced; they are at once, if others may have
/// learned that they are somebody else's.
pub const DEFEND_WAIT: Duration = Duration::from_secs(1);

/// Time before our addresses are announced anew, milliseconds (RFC 5227 1.1, `ANNOUNCE_INTERVAL`); at random up to twice
/// that.
pub const ANNOUNCE_INTERVAL_MS: u32 = 2000;

/// How often at most that is done after what may be an echo, or somebody else's announcement at the same moment.
pub const ANNOUNCE_REPEATS: u8 = 2;

/// How long a frame of ours to everybody may take to come back to us, on a loopback or from a network with a loop.
pub const ECHO_WINDOW: Duration = Duration::from_millis(100);

/// Longest wait before the first question whether an address is free, milliseconds (RFC 5227 1.1, `PROBE_WAIT`).
#[cfg(feature = "dhcp")]
pub const PROBE_WAIT_MS: u32 = 1000;

/// Questions whether an address is free (RFC 5227 1.1).
#[cfg(feature = "dhcp")]
pub const PROBE_NUM: u8 = 3;

/// Shortest time between two of them, milliseconds (RFC 5227 1.1).
#[cfg(feature = "dhcp")]
pub const PROBE_MIN_MS: u32 = 1000;

/// Longest time between two of them, milliseconds (RFC 5227 1.1).
#[cfg(feature = "dhcp")]
pub const PROBE_MAX_MS: u32 = 2000;

/// Time after the last of them until the address is ours (RFC 5227 1.1).
#[cfg(feature = "dhcp")]
pub const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);

/// Addresses found in use by others, one after another, after which the next is tried no sooner than
/// [`PROBE_RATE_LIMIT`] later (RFC 5227 1.1, `MAX_CONFLICTS`).
#[cfg(feature = "dhcp")]
pub const PROBE_CONFLICTS: u8 = 10;

/// How long that is (RFC 5227 1.1, `RATE_LIMIT_INTERVAL`).
#[cfg(feature = "dhcp")]
pub const PROBE_RATE_LIMIT: Duration = Duration::from_secs(60);

/// Time between a DHCPDECLINE and the next DHCPDISCOVER (RFC 2131 3.1.5).
#[cfg(feature = "dhcp")]
pub const DECLINE_WAIT: Duration = Duration::from_secs(10);

/// How long no server may answer before an address of our own choice is tried (RFC 3927 leaves it open): two DISCOVERs.
#[cfg(feature = "dhcp")]
pub const DHCP_ALONE: Duration = Duration::from_secs(12);

/// Time between the first two DHCPDISCOVERs, milliseconds; twice as long each time (RFC 2131 4.1), give or take a second.
#[cfg(feature = "dhcp")]
pub const DHCP_RETRY_FIRST_MS: u32 = 4000;

/// The longest that it becomes, milliseconds (RFC 2131 4.1).
#[cfg(feature = "dhcp")]
pub const DHCP_RETRY_MAX_MS: u32 = 64_000;

/// How often a server is asked whether a lease still holds before a new one is looked for, while the old one is kept.
#[cfg(feature = "dhcp")]
pub const REBOOT_ASKS: u8 = 2;

/// Servers for names that are kept of what comes with a lease.
#[cfg(feature = "dhcp")]
pub const NAME_SERVERS_MAX: usize = 3;

/// A lease of fewer seconds is none: it would be renewed all the time.
#[cfg(feature = "dhcp")]
pub const LEASE_MIN_S: u32 = 20;

/// Time after a lease before the next renewal at the soonest, whatever its server says.
#[cfg(feature = "dhcp")]
pub const RENEW_MIN: Duration = Duration::from_secs(5);

/// Time that a renewal waits for the MAC address of its server, before it waits as for an answer.
#[cfg(feature = "dhcp")]
pub const RENEW_STALL: Duration = Duration::from_secs(3);

/// Time between two attempts to renew at the least (RFC 2131 4.4.5).
#[cfg(feature = "dhcp")]
pub const RENEW_RETRY: Duration = Duration::from_secs(60);

/// IPv6 prefixes in which the stack makes itself an address at a time: two, so that a network can change its own, or one if
/// smoltcp has not places for four addresses (its feature `iface-max-addr-count-4`).
#[cfg(feature = "slaac")]
pub const SLAAC_PREFIXES: usize = if smoltcp::config::IFACE_MAX_ADDR_COUNT > 3 { 2 } else { 1 };

/// Routers that are remembered (RFC 4861 6.3.4: at least two), and servers for names that they told of.
#[cfg(feature = "slaac")]
pub const ROUTERS: usize = 2;

/// Longest wait before an address is asked for, milliseconds (RFC 4861 10, `MAX_RTR_SOLICITATION_DELAY`): boards that come up
/// together, or hear the same advertisement, do not ask together.
#[cfg(feature = "slaac")]
pub const PROBE_DELAY_MS: u32 = 1000;

/// Time until an address that somebody else has is tried again, if there is no other one.
#[cfg(feature = "slaac")]
pub const DUPLICATE_RETRY: Duration = Duration::from_secs(60);

/// Addresses of a prefix that are tried one after another, with a secret (RFC 7217 7, `IDGEN_RETRIES`).
#[cfg(feature = "slaac")]
pub const IDENTIFIER_RETRIES: u8 = 3;

/// Time between the first two questions for routers, milliseconds (RFC 7559 2.1); twice as long each time.
#[cfg(feature = "slaac")]
pub const SOLICIT_FIRST_MS: u32 = 4000;

/// The longest that it becomes, milliseconds (RFC 7559 2.1).
#[cfg(feature = "slaac")]
pub const SOLICIT_MAX_MS: u32 = 3_600_000;

/// How long after the first router's word, when the link has come up again, what nobody has told of is still taken for true:
/// three questions.
#[cfg(feature = "slaac")]
pub const LINK_CONFIRM: Duration = Duration::from_secs(12);

/// A router cannot cut the life of an address to fewer seconds (RFC 4862 5.5.3 e).
#[cfg(feature = "slaac")]
pub const VALID_MIN_S: u32 = 2 * 3600;

/// Bytes of a packet that every link takes (RFC 8200 5).
#[cfg(feature = "slaac")]
pub const LINK_MTU_MIN: u16 = 1280;

/// Longest name of a host that can be looked up, in bytes.
#[cfg(feature = "dns")]
pub const HOST_NAME: usize = 128;

/// Servers for names that can be given.
#[cfg(feature = "dns")]
pub const DNS_SERVERS: usize = 2;

/// Names that are looked up at a time.
#[cfg(feature = "dns")]
pub const LOOKUPS: usize = 2;

/// Time that a server for names has to answer before the next one is asked; twice as long in each round.
#[cfg(feature = "dns")]
pub const DNS_RETRY_FIRST: Duration = Duration::from_secs(1);

/// Rounds in which each server is asked once.
#[cfg(feature = "dns")]
pub const DNS_ROUNDS: u8 = 4;

/// Aliases that are followed one after another.
#[cfg(feature = "dns")]
pub const DNS_ALIASES: usize = 8;

/// An address is kept for so many seconds at the least, for who asked to take it.
#[cfg(feature = "dns")]
pub const DNS_KEPT_MIN_S: u32 = 5;

/// And at the most, whatever its server says.
#[cfg(feature = "dns")]
pub const DNS_KEPT_MAX_S: u32 = 3600;

/// Services that multicast DNS tells of.
#[cfg(feature = "mdns")]
pub const MDNS_SERVICES: usize = 4;

/// Longest message of multicast DNS: all records of so many services, with the longest names.
#[cfg(feature = "mdns")]
pub const MDNS_SIZE: usize = 752;

/// Questions whether a name is free, the time between two, and before the first at the most, milliseconds
/// (RFC 6762 8.1).
#[cfg(feature = "mdns")]
pub const MDNS_PROBES: u8 = 3;
/// That time.
#[cfg(feature = "mdns")]
pub const MDNS_PROBE_MS: u32 = 250;

/// Announcements of a name (RFC 6762 8.3), a second apart.
#[cfg(feature = "mdns")]
pub const MDNS_ANNOUNCEMENTS: u8 = 2;

/// Time between two of them, and before a record is multicast again (RFC 6762 6).
#[cfg(feature = "mdns")]
pub const MDNS_INTERVAL: Duration = Duration::from_secs(1);

/// Time before what others may answer too is answered, milliseconds: at least so long, and so much more at random
/// (RFC 6762 6).
#[cfg(feature = "mdns")]
pub const MDNS_SHARED_MS: (u32, u32) = (20, 101);

/// Likewise, if who asks has not said all yet of what it knows (RFC 6762 7.2).
#[cfg(feature = "mdns")]
pub const MDNS_MORE_MS: (u32, u32) = (400, 101);

/// Names found in use by others, one after another, after which the next is tried no sooner than [`MDNS_RATE_LIMIT`] later
/// (RFC 6762 8.1).
#[cfg(feature = "mdns")]
pub const MDNS_CONFLICTS: u8 = 15;

/// How long that is.
#[cfg(feature = "mdns")]
pub const MDNS_RATE_LIMIT: Duration = Duration::from_secs(5);

/// Time between two questions for the time of day to a silent server at the least (RFC 4330 10); twice as long each time.
#[cfg(feature = "sntp")]
pub const SNTP_RETRY: Duration = Duration::from_secs(15);

/// And at the most, as after an answer.
#[cfg(feature = "sntp")]
pub const SNTP_INTERVAL: Duration = Duration::from_secs(1024);

/// An answer that took longer is not good enough.
#[cfg(feature = "sntp")]
pub const SNTP_ROUND_TRIP: Duration = Duration::from_secs(2);

/// Longest wait before the first question, at random, milliseconds: boards that come up together do not ask together.
#[cfg(feature = "sntp")]
pub const SNTP_JITTER_MS: u32 = 2000;

/// How long a datagram may wait for its neighbour's MAC address, asked for at 0, 1 and 2 s. Those behind
/// it wait too.
pub const DATAGRAM_WAIT: Duration = Duration::from_secs(3);

/// Bytes of a packet of a socket of the user's own that waits for its neighbour's MAC address. There is one at a time, the
/// latest (RFC 1122 2.3.2.2); longer ones are lost while it is asked for.
pub const HELD_SIZE: usize = 128;

/// ICMP errors of our own that may leave at once (RFC 4443 2.4 f: a token bucket).
pub const ICMP_ERROR_BURST: u8 = 10;

/// Time between two of them in the long run.
pub const ICMP_ERROR_INTERVAL: Duration = Duration::from_millis(100);

/// How soon to try again when the device refused a frame, should its driver not say when it is ready.
pub const TX_RETRY: Duration = Duration::from_secs(1);

/// How soon to try again when smoltcp asks to be polled at once and then does nothing.
pub const STALL_RETRY: Duration = Duration::from_millis(10);

/// First of the ephemeral ports, 49152-65535 (RFC 6335 6).
pub const EPHEMERAL_FIRST: u16 = 49152;

const _: () = {
    assert!(DATAGRAM_SIZE + 14 + 20 + 8 == FRAME_SIZE);
    assert!(SEGMENT_SIZE + 14 + 20 + 20 == FRAME_SIZE);
    assert!(EGRESS_BURST <= EGRESS_BUDGET);
    assert!(NEIGHBOR_ASK.total_micros() < DATAGRAM_WAIT.total_micros());
    assert!(SYN_HELD.total_micros() < SYN_HELD_MAX.total_micros());
    assert!(RTO_MIN.total_micros() < RTO_INITIAL.total_micros());
    assert!(RST_WAIT.total_micros() < FIN_WAIT_2.total_micros());
    assert!(FIN_WAIT_2_EVICT.total_micros() < FIN_WAIT_2.total_micros());
    Limits::new().check();
};

#[cfg(feature = "dhcp")]
const _: () = {
    assert!(PROBE_MIN_MS < PROBE_MAX_MS);
    assert!(RENEW_MIN.secs() * 2 < LEASE_MIN_S as u64, "T1 is half a lease");
    assert!(DHCP_RETRY_FIRST_MS > 1000, "jitter is a second");
    assert!(DHCP_RETRY_FIRST_MS < DHCP_RETRY_MAX_MS);
    assert!(RENEW_STALL.total_micros() < RENEW_RETRY.total_micros());
};

#[cfg(feature = "redirects")]
const _: () = assert!(REDIRECT_WAIT.secs() == NEIGHBOR_ASK.secs() * NEIGHBOR_ASKS as u64);

#[cfg(feature = "slaac")]
const _: () = {
    assert!(SOLICIT_FIRST_MS < SOLICIT_MAX_MS);
    assert!(SOLICIT_FIRST_MS as u64 * 3 <= LINK_CONFIRM.total_millis());
    assert!(NEIGHBOR_ASK.total_micros() < DUPLICATE_RETRY.total_micros());
};
