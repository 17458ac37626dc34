//! Every limit of the firmware, in one place, with the relations between them asserted.
//!
//! Durations are in the firmware's own time (the `now` handed to [`crate::Firmware::poll`]); sizes are
//! in bytes unless the name says otherwise.

use smoltcp::time::Duration;

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

/// Frames taken from the device in one poll before the services get their turn.
pub const INGRESS_BUDGET: usize = 64;

/// Rounds over all sockets in one poll's egress; a round sends at most one segment a socket.
pub const EGRESS_BUDGET: usize = 64;

/// Bytes that one connection of a service may move in one poll.
pub const SERVICE_BUDGET: usize = 64 * 1024;

/// Listening TCP ports at most.
pub const LISTENERS: usize = 8;

/// Ports that the firmware's own services listen on. A further service raises it, and the slots follow.
pub const SERVICES: usize = 4;

/// Connections that one service can hold at once, while the others and the client side hold none.
pub const CONNECTIONS: usize = 4;

/// TCP slots of the firmware's profiles: those connections, and the reserves of all others.
pub const TCP_SLOTS: usize = CONNECTIONS + SERVICES * RESERVE;

/// UDP sockets of the firmware's profiles.
pub const UDP_SLOTS: usize = 2;

/// Datagrams that one UDP socket can queue each way, whatever their size.
pub const UDP_PACKETS: usize = 4;

/// TCP slots kept free for each listening port, and for the client side, while it holds none.
pub const RESERVE: usize = 1;

/// A handshake that takes longer is forgotten. SYN-ACKs go out at 0, 1, 3 and 7 s.
pub const SYN_RECEIVED: Duration = Duration::from_secs(8);

/// With the pool empty, a handshake may be evicted from this age on.
pub const SYN_RECEIVED_EVICT: Duration = Duration::from_secs(2);

/// Connection requests that found no slot and are remembered: a crowd of so many at once waits for slots alone,
/// not for its next SYNs.
pub const BACKLOG: usize = 4 * TCP_SLOTS;

/// Such a request is forgotten after this long. Each time its sender asks again it is twice as long, as is the time
/// until it asks once more (RFC 6298 5.5): 1, 2, 4, 8 s and so on. Who asks only once does not take a slot much
/// later, and who is patient is not forgotten in between, even if one of its SYNs is lost.
pub const SYN_HELD: Duration = Duration::from_secs(4);

/// The longest that a request is remembered after its sender's last SYN.
pub const SYN_HELD_MAX: Duration = Duration::from_secs(64);

/// Largest frame of a remembered SYN: 14 bytes of Ethernet, 40 of IPv6, 20 of TCP and its options for
/// MSS, window scale and SACK, padded.
pub const SYN_SIZE: usize = 14 + 40 + 20 + 12;

/// How long to wait for an acknowledgement before the stack helps smoltcp to retransmit, while no round
/// trip has been measured. With [`ACK_DELAY_MAX`] it is the second of RFC 6298 2.1.
pub const RECOVERY_UNKNOWN: Duration = Duration::from_millis(800);

/// What the wait has beyond the round trips, for a peer that is slow in its own work.
pub const RECOVERY_MARGIN: Duration = Duration::from_millis(20);

/// How long a peer may hold back the acknowledgement of a single segment (RFC 8985 7.2).
pub const ACK_DELAY_MAX: Duration = Duration::from_millis(200);

/// Longest such wait. Shorter than [`KEEP_ALIVE`]: smoltcp would send its probe's byte in the place of the
/// last one that is outstanding.
pub const RECOVERY_MAX: Duration = Duration::from_secs(16);

/// A connect that takes longer fails.
pub const CONNECT: Duration = Duration::from_secs(15);

/// Silence after which a probe asks whether the peer is still there (RFC 9293 3.8.4).
pub const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Silence, in spite of data or probes sent, after which a connection is given up (RFC 9293 3.8.3, R2).
pub const USER_TIMEOUT: Duration = Duration::from_secs(100);

/// With the pool empty, a connection that moved no data for this long may be evicted.
pub const IDLE_EVICT: Duration = Duration::from_secs(600);

/// A closed connection whose peer acknowledges nothing more for this long is reset.
pub const ORPHAN: Duration = Duration::from_secs(20);

/// TIME-WAIT ends at the latest this long after an orphan's time; smoltcp's own is 10 s, counted anew
/// when the peer repeats its FIN.
pub const TIME_WAIT_MAX: Duration = Duration::from_secs(20);

/// A handle that nobody used for this long was dropped without `close`: what it held is reclaimed.
pub const ABANDONED: Duration = Duration::from_secs(600);

/// How long the RST of an aborted connection may wait for the wire before the slot is taken back.
pub const RST_WAIT: Duration = Duration::from_secs(1);

/// Neighbours on the link whose MAC address is remembered: more than the peers of all slots, and those whom the first
/// datagram of each UDP socket is for. No more than smoltcp's cache has (`iface-neighbor-cache-count-16`).
pub const NEIGHBORS: usize = 16;

/// Time between two questions for the same neighbour (RFC 1122 2.3.2.1, RFC 4861 10).
pub const NEIGHBOR_ASK: Duration = Duration::from_secs(1);

/// Questions that a neighbour may leave unanswered before its MAC address is forgotten (RFC 4861 10).
pub const NEIGHBOR_ASKS: u8 = 3;

/// How long a MAC address is good after its neighbour was last heard of (RFC 4861 10: 30 s).
pub const NEIGHBOR_FRESH: Duration = Duration::from_secs(30);

/// How long smoltcp may rely on what it was told; its own limit is 60 s.
pub const NEIGHBOR_TOLD: Duration = Duration::from_secs(40);

/// How soon after another a conflict over an address is reported, and answered by an announcement, again
/// (RFC 5227 2.4).
pub const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// Time before our addresses are announced anew, milliseconds (RFC 5227 1.1, `ANNOUNCE_INTERVAL`); at random up to twice
/// that.
pub const ANNOUNCE_INTERVAL_MS: u32 = 2000;

/// How often at most that is done after what may be an echo, or somebody else's announcement at the same moment.
pub const ANNOUNCE_REPEATS: u8 = 2;

/// How long a frame of ours to everybody may take to come back to us, on a loopback or from a network with a loop.
pub const ECHO_WINDOW: Duration = Duration::from_millis(100);

/// How long a datagram may wait for its neighbour's MAC address, asked for at 0, 1 and 2 s. Those behind
/// it wait too.
pub const DATAGRAM_WAIT: Duration = Duration::from_secs(3);

/// How soon to try again when the device refused a frame, should its driver not say when it is ready.
pub const TX_RETRY: Duration = Duration::from_secs(1);

/// How soon to try again when smoltcp asks to be polled at once and then does nothing.
pub const STALL_RETRY: Duration = Duration::from_millis(10);

/// First of the ephemeral ports, 49152-65535 (RFC 6335 6).
pub const EPHEMERAL_FIRST: u16 = 49152;

/// Datagrams that one UDP service takes in one poll.
pub const DATAGRAM_BUDGET: usize = SERVICE_BUDGET / DATAGRAM_SIZE;

/// How soon a service tries again when it could not get its listening socket.
pub const LISTEN_RETRY: Duration = Duration::from_secs(1);

/// Bytes read at a time, on the call stack, when a service has no use for what it receives.
pub const SCRATCH: usize = 256;

/// Bytes an echo connection may have received and not yet been able to send back.
pub const ECHO_CARRY: usize = 72;

/// Longest line the shell takes.
pub const SHELL_LINE: usize = 80;

/// Longest line the shell prints.
pub const SHELL_OUTPUT: usize = 160;

/// Bytes of input the shell takes from its socket at a time.
pub const SHELL_INPUT: usize = 32;

/// Bytes of a telnet subnegotiation skipped before the shell takes what follows for text again.
pub const TELNET_SUBNEGOTIATION: u8 = 128;

/// How long the answer to the shell's `reset` may take to reach the peer before the board resets.
pub const RESET_WAIT: Duration = Duration::from_secs(1);

/// Shell connections at most; further ones wait in the backlog.
pub const SHELL_CONNECTIONS: usize = 4;

/// Time between two telemetry lines.
pub const TELEMETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Longest name of a board, in bytes of UTF-8.
pub const BOARD_NAME: usize = 32;

/// Longest telemetry line: every byte of the name as `\u0000`, every number at its longest.
pub const TELEMETRY_LINE: usize = 352;

/// First wait before telemetry connects again; doubled at each failure, with jitter.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(250);

/// Longest wait before telemetry connects again, jitter included.
pub const BACKOFF_MAX: Duration = Duration::from_secs(4);

/// All the RAM of a chip's board but its call stack: storage, sockets, the firmware itself and [`BOARD_RAM`].
pub const MCU_RAM: usize = 48 * 1024;

/// What of that is the board's own: two frames for its driver, its hardware and its log.
pub const BOARD_RAM: usize = 2 * (FRAME_SIZE + 2) + 128;

const _: () = {
    assert!(DATAGRAM_SIZE + 14 + 20 + 8 == FRAME_SIZE);
    assert!(SEGMENT_SIZE + 14 + 20 + 20 == FRAME_SIZE);
    assert!(SYN_RECEIVED_EVICT.total_micros() < SYN_RECEIVED.total_micros());
    assert!(SYN_RECEIVED.total_micros() < CONNECT.total_micros());
    assert!(NEIGHBORS >= TCP_SLOTS + UDP_SLOTS);
    assert!(NEIGHBOR_TOLD.total_micros() < 60_000_000, "smoltcp's ENTRY_LIFETIME");
    assert!(NEIGHBOR_ASK.total_micros() < DATAGRAM_WAIT.total_micros());
    assert!(
        SYN_HELD.total_micros() < SYN_RECEIVED.total_micros(),
        "a flood is over when it is over"
    );
    assert!(SYN_HELD.total_micros() < SYN_HELD_MAX.total_micros());
    assert!(KEEP_ALIVE.total_micros() * 4 <= USER_TIMEOUT.total_micros());
    assert!(RECOVERY_UNKNOWN.total_micros() < RECOVERY_MAX.total_micros());
    assert!(RECOVERY_MAX.total_micros() < KEEP_ALIVE.total_micros());
    assert!(RST_WAIT.total_micros() < ORPHAN.total_micros());
    assert!(ORPHAN.total_micros() < IDLE_EVICT.total_micros());
    assert!(BACKOFF_FIRST.total_micros() < BACKOFF_MAX.total_micros());
    assert!(CONNECTIONS > RESERVE && SERVICES < LISTENERS);
    assert!(SHELL_CONNECTIONS <= TCP_SLOTS);
    assert!(DATAGRAM_BUDGET >= UDP_PACKETS, "a full queue is emptied in one poll");
    assert!(SCRATCH <= SERVICE_BUDGET && ECHO_CARRY <= SERVICE_BUDGET);
    assert!(LISTEN_RETRY.total_micros() > 0 && TELEMETRY_INTERVAL.total_micros() > 0);
    assert!(BACKOFF_MAX.total_micros() <= u32::MAX as u64, "jitter is drawn from 32 bits");
    assert!(TCP_SLOTS <= u8::MAX as usize && LISTENERS <= u8::MAX as usize);
};
