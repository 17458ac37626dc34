//! Every limit of the firmware's services and profiles, with the relations between them asserted; those of the stack
//! are in [`tapboard_net::limits`], and are here too.
//!
//! Durations are in the firmware's own time (the `now` handed to [`crate::Firmware::poll`]); sizes are
//! in bytes unless the name says otherwise.

use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};
#[cfg(feature = "ipv6")]
use smoltcp::wire::{Ipv6Address, Ipv6Cidr};
use tapboard_net::EthernetAddress;
use tapboard_net::NetConfig;

pub use tapboard_net::limits::*;

/// The board of this project's examples: 192.0.2.1/24, and `2001:db8::1/64` with the feature `ipv6`
/// (RFC 5737, RFC 3849).
pub const BOARD_NET: NetConfig = example(1);

/// The other end of the board's wire: 192.0.2.2/24, and `2001:db8::2/64`.
pub const PEER_NET: NetConfig = example(2);

const fn example(number: u8) -> NetConfig {
    let net = NetConfig::new(EthernetAddress([0x02, 0, 0x5e, 0, 0, number]))
        .with_limits(LIMITS)
        .with_ipv4(Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, number), 24));
    #[cfg(feature = "ipv6")]
    let net = net.with_ipv6(Ipv6Cidr::new(
        Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number as u16),
        64,
    ));
    net
}

/// The stack's limits as this firmware has them: no handle of a service is unused for long, for all are polled each
/// time.
pub const LIMITS: Limits = Limits::new().with_abandoned(Some(ABANDONED));

/// Silence after which a probe asks whether the peer is still there (RFC 9293 3.8.4).
pub const KEEP_ALIVE: Duration = LIMITS.keep_alive();

/// Silence, in spite of data or probes sent, after which a connection is given up (RFC 9293 3.8.3, R2).
pub const USER_TIMEOUT: Duration = LIMITS.user_timeout();

/// A handle that nobody used for this long was dropped without `close`: what it held is reclaimed. A firmware polls each
/// of its services each time.
pub const ABANDONED: Duration = Duration::from_secs(600);

/// Bytes that one connection of a service may move in one poll.
pub const SERVICE_BUDGET: usize = 64 * 1024;

/// Ports that the firmware's own services listen on. A further service raises it, and the slots follow.
pub const SERVICES: usize = if cfg!(feature = "http") { 5 } else { 4 };

/// Connections that one service can hold at once, while the others and the client side hold none.
pub const CONNECTIONS: usize = 4;

/// TCP slots of the firmware's profiles: those connections, and one kept free for each of the others.
pub const TCP_SLOTS: usize = CONNECTIONS + SERVICES;

/// UDP sockets of the firmware's profiles.
pub const UDP_SLOTS: usize = 2;

/// Connection requests that found no slot and are remembered: a crowd of so many at once waits for slots alone,
/// not for its next SYNs.
pub const REQUESTS: usize = 4 * TCP_SLOTS;

/// Listening TCP ports at most.
pub const LISTENERS: usize = 8;

/// Datagrams that one UDP service takes in one poll.
pub const DATAGRAM_BUDGET: usize = SERVICE_BUDGET / DATAGRAM_SIZE;

/// How soon a service tries again when it could not get its listening socket.
pub const LISTEN_RETRY: Duration = Duration::from_secs(1);

/// Bytes read at a time, on the call stack, when a service has no use for what it receives.
pub const SCRATCH: usize = 256;

/// Bytes an echo connection may have received and not yet been able to send back, on a stack that cannot tell its room.
pub const ECHO_CARRY: usize = 72;

/// Longest line the shell takes.
pub const SHELL_LINE: usize = 80;

/// Longest line the shell prints.
pub const SHELL_OUTPUT: usize = 160;

/// Bytes of input the shell takes from its socket at a time.
pub const SHELL_INPUT: usize = 32;

/// Bytes of a telnet subnegotiation skipped before the shell takes what follows for text again.
pub const TELNET_SUBNEGOTIATION: u8 = 128;

/// Longest token that a change may ask for, in bytes.
#[cfg(feature = "http")]
pub const TOKEN: usize = 64;

/// How long the answer to a wrong token takes, and until any other is judged.
#[cfg(feature = "http")]
pub const LOGIN_DELAY: Duration = Duration::from_secs(1);

/// Addresses whose wrong tokens make nobody else wait, and one for those of all others.
#[cfg(feature = "http")]
pub const LOGIN_GATES: usize = 4;

/// Wrong tokens after which a connection is closed.
#[cfg(feature = "http")]
pub const LOGIN_FAILURES: u8 = 3;

/// HTTP connections at most; further ones wait in the backlog.
#[cfg(feature = "http")]
pub const HTTP_CONNECTIONS: usize = CONNECTIONS;

/// Those of them that are streams of events at most, so that others are served beside.
#[cfg(feature = "http")]
pub const HTTP_STREAMS: u8 = 2;

/// Requests after which a connection is closed, so that others have their turn.
#[cfg(feature = "http")]
pub const HTTP_REQUESTS: u8 = 100;

/// Longest request line, and longest field that something is asked of.
#[cfg(feature = "http")]
pub const HTTP_LINE: usize = 128;

/// Longest head of a request.
#[cfg(feature = "http")]
pub const HTTP_HEAD: usize = 8192;

/// Longest `Host`: an IPv6 address in brackets with a port, or [`BOARD_NAME`] with `.local` and a port.
#[cfg(feature = "http")]
pub const HTTP_AUTHORITY: usize = 48;

/// Longest content of a request.
#[cfg(feature = "http")]
pub const HTTP_CONTENT: usize = 64;

/// Bytes of input the HTTP server takes from its socket at a time.
#[cfg(feature = "http")]
pub const HTTP_INPUT: usize = 32;

/// Longest head of an answer, and longest chunk of one that is made on the way.
#[cfg(feature = "http")]
pub const HTTP_OUTPUT: usize = 256;

/// Longest part of such an answer.
#[cfg(feature = "http")]
pub const HTTP_PART: usize = 216;

/// How long a request may take from its first byte to its last.
#[cfg(feature = "http")]
pub const HTTP_REQUEST_TIME: Duration = Duration::from_secs(10);

/// How long an answer may take, or one event of a stream.
#[cfg(feature = "http")]
pub const HTTP_ANSWER_TIME: Duration = Duration::from_secs(30);

/// How long a connection may stay without a request.
#[cfg(feature = "http")]
pub const HTTP_IDLE: Duration = Duration::from_secs(5);

/// How long it may after its first one while all [`HTTP_CONNECTIONS`] are taken, or somebody waits for a slot.
#[cfg(feature = "http")]
pub const HTTP_IDLE_FULL: Duration = Duration::from_millis(250);

/// How long a connection may go on from request to request while somebody waits for a slot. So a crowd that keeps its
/// connections takes turns, and does not make a new one for each request.
#[cfg(feature = "http")]
pub const HTTP_TURN: Duration = Duration::from_millis(250);

/// How long what is left of a refused request is read away, so that the refusal arrives (RFC 9112 9.6).
#[cfg(feature = "http")]
pub const HTTP_LINGER: Duration = Duration::from_secs(2);

/// Time between two events of a stream.
#[cfg(feature = "http")]
pub const HTTP_EVENT_INTERVAL: Duration = Duration::from_secs(1);

/// How long the answer to the shell's `reset` may take to reach the peer before the board resets.
pub const RESET_WAIT: Duration = Duration::from_secs(1);

/// Shell connections at most; further ones wait in the backlog.
pub const SHELL_CONNECTIONS: usize = 4;

/// Time between two telemetry lines.
pub const TELEMETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Longest name of a board, in bytes of UTF-8.
pub const BOARD_NAME: usize = 32;

/// Longest telemetry line: every byte of the name as `\u0000`, every number at its longest.
pub const TELEMETRY_LINE: usize = if cfg!(feature = "sntp") { 384 } else { 352 };

/// Bytes of all settings together, as text.
pub const SETTINGS_SIZE: usize = 256;

/// Longest name of telemetry's host among the settings, in bytes.
pub const TARGET_NAME: usize = 64;

/// First wait before telemetry connects again; doubled at each failure, with jitter.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(250);

/// Longest wait before telemetry connects again, jitter included.
pub const BACKOFF_MAX: Duration = Duration::from_secs(4);

/// Wait before telemetry looks up a name again that there is not, or that has no address.
pub const LOOKUP_RETRY: Duration = Duration::from_secs(30);

/// All the RAM of a chip's board but its call stack: storage, sockets, the firmware itself and [`BOARD_RAM`].
pub const MCU_RAM: usize = 48 * 1024;

/// What of that is the board's own: two frames for its driver, its hardware and its log, and its settings if it keeps any.
pub const BOARD_RAM: usize =
    2 * (FRAME_SIZE + 2) + 128 + if cfg!(feature = "settings") { SETTINGS_SIZE + 48 } else { 0 };

const _: () = {
    LIMITS.check();
    assert!(NEIGHBORS >= TCP_SLOTS + UDP_SLOTS);
    assert!(FIN_WAIT_2.total_micros() < ABANDONED.total_micros());
    assert!(BACKOFF_FIRST.total_micros() < BACKOFF_MAX.total_micros());
    assert!(CONNECTIONS > 1 && SERVICES < LISTENERS);
    assert!(SHELL_CONNECTIONS <= TCP_SLOTS);
    assert!(DATAGRAM_BUDGET >= UDP_PACKETS, "a full queue is emptied in one poll");
    assert!(SCRATCH <= SERVICE_BUDGET && ECHO_CARRY <= SERVICE_BUDGET);
    assert!(LISTEN_RETRY.total_micros() > 0 && TELEMETRY_INTERVAL.total_micros() > 0);
    assert!(BACKOFF_MAX.total_micros() <= u32::MAX as u64, "jitter is drawn from 32 bits");
    assert!(TCP_SLOTS <= u8::MAX as usize);
    assert!(LISTENERS <= u8::MAX as usize);
};

#[cfg(feature = "http")]
const _: () = {
    assert!(HTTP_STREAMS as usize <= HTTP_CONNECTIONS / 2, "a page is served beside the streams");
    assert!("Authorization: Bearer ".len() + TOKEN <= HTTP_LINE);
    assert!(HTTP_CONTENT <= HTTP_LINE && HTTP_LINE < HTTP_HEAD && HTTP_INPUT <= SERVICE_BUDGET);
    assert!(BOARD_NAME + ".local:65535".len() <= HTTP_AUTHORITY);
    assert!(HTTP_IDLE_FULL.total_micros() < HTTP_IDLE.total_micros());
    assert!(
        HTTP_TURN.total_micros() <= HTTP_IDLE_FULL.total_micros(),
        "who asks has no more than who does not"
    );
    assert!(LOGIN_DELAY.total_micros() < HTTP_REQUEST_TIME.total_micros());
    assert!(LOGIN_GATES > 1);
};
