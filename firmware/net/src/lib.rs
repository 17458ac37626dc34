//! BSD-style sockets over [smoltcp]: `listen`, `accept`, `connect`, a backlog, slots that come back, loss recovery.
//! `no_std`, no heap, no `unsafe`, no clock: time and device are arguments.
//!
//! # The superloop
//!
//! ```text
//!              +--------------------- the turn, NetStack::poll --------------------+
//!              |                                                                   |
//!  frame, ---> |  ingress  -->  expiry  -->  (application)  -->  loss, egress      | ---> the next deadline
//!  deadline,   |  at most 64    handshakes,   poll_with's        at most 64        |      or None
//!  wants_poll  |  frames        the closed,   closure            segments          |
//!              |                the idle                         a socket          |
//!              +-------------------------------------------------------------------+
//!                     the application may as well use the sockets between two turns
//! ```
//!
//! # Contract of `poll`
//!
//! - [`NetStack::poll`] never blocks, and its work is bounded: [`limits::INGRESS_BUDGET`] frames in, and none behind a
//!   datagram that the application has yet to read; [`limits::EGRESS_BUDGET`] segments of each socket out.
//! - Poll when the device has a frame, when it has room again after it had none, when the time comes that the last call
//!   returned, and when [`NetStack::wants_poll`] says so, which it does after a call that left something to send. More often does no harm.
//! - What it returns is the earliest moment at which there is something to do, never before `now`; `None`: only a frame or
//!   a call gives it work. It is `now` if a budget ran out, or a request that waited can have a slot now. An idle stack asks
//!   for nothing.
//! - `now` must not go back. If it jumps ahead, as after a chip's sleep, what was due meanwhile is done late, once.
//! - No call on a socket blocks: what cannot be done yet is [`nb::Error::WouldBlock`](embedded_nal::nb::Error).
//! - Nothing that a peer sends makes it panic. Each state of a connection has a time limit but the established one; those
//!   give way to a request that waits once they have made no progress for [`Limits::with_pressure_evict`]'s time. One that has ended keeps its slot until its
//!   owner closes it.
//!
//! # The device
//!
//! Any [`Device`](smoltcp::phy::Device) that moves whole frames of 1514 bytes (or IP packets).
//! Its capabilities are read once, in [`NetStack::new`]. `receive` gives `None` also while there is no room for the
//! answer, and `transmit` while there is none for a frame; then the stack asks again in a second, or as soon as it is polled,
//! so poll when there is room. One that hands over segments put together must leave a FIN to a frame of its own. Pings are
//! answered.
//!
//! # A server, and a client of it
//!
//! The device here is smoltcp's loopback, in memory; a board has its own [`Device`](smoltcp::phy::Device).
//!
//! ```
//! use tapboard_net::smoltcp::phy::{Loopback, Medium};
//! use tapboard_net::smoltcp::time::{Duration, Instant};
//! use tapboard_net::EthernetAddress;
//! use tapboard_net::smoltcp::wire::{Ipv4Address, Ipv4Cidr};
//! use tapboard_net::{NetConfig, NetStack, Sockets, Storage, TcpSocket};
//!
//! // 4 TCP connections of 2 KiB each way and 1 UDP socket.
//! let mut storage = Storage::<4, 2048, 1, 1472>::new();
//! let mut sockets = Sockets::<4, 1>::new();
//! let mut device = Loopback::new(Medium::Ethernet);
//! let config = NetConfig::new(EthernetAddress([0x02, 0, 0x5e, 0, 0, 1]))
//!     .with_ipv4(Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 1), 24));
//! let mut now = Instant::ZERO;
//! let entropy = 0x5eed; // From the chip's generator, different at each boot.
//! let mut stack = NetStack::new(&config, &mut device, now, entropy, &mut storage, &mut sockets);
//!
//! let listener = stack.tcp_listen(7)?;
//! let mut served: Option<TcpSocket> = None;
//! let mut client = stack.tcp_connect("192.0.2.1:7".parse().unwrap())?;
//! let mut asked = false;
//! let mut buffer = [0; 64];
//! let answer = loop {
//!     stack.poll(now, &mut device);
//!     // The server: an echo.
//!     if let Some(connection) = &served {
//!         if let Ok(count @ 1..) = stack.tcp_receive(connection, &mut buffer) {
//!             let _ = stack.tcp_send(connection, &buffer[..count]);
//!         }
//!     } else {
//!         served = stack.tcp_accept(&listener).ok().map(|(connection, _peer)| connection);
//!     }
//!     // The client.
//!     if !asked && stack.tcp_connected(&mut client).is_ok() {
//!         asked = stack.tcp_send(&client, b"hello").is_ok();
//!     }
//!     if let Ok(count @ 1..) = stack.tcp_receive(&client, &mut buffer) {
//!         break &buffer[..count];
//!     }
//!     // A real loop waits here for a frame, until the time that `poll` returned.
//!     now += Duration::from_millis(1);
//! };
//! assert_eq!(answer, b"hello");
//! # Ok::<(), tapboard_net::Error>(())
//! ```
//!
//! # What is where
//!
//! | for | see |
//! |---|---|
//! | addresses, gateways, MAC address | [`NetConfig`]; while it runs, [`NetStack::reconfigure`] |
//! | how many sockets, of what size | [`Storage`], [`Sockets`] |
//! | reserves and times | [`Limits`]; the rest, as constants, [`limits`] |
//! | a TCP server | [`NetStack::tcp_listen`], [`tcp_accept`](NetStack::tcp_accept), [`tcp_receive`](NetStack::tcp_receive), [`tcp_send`](NetStack::tcp_send), [`tcp_close`](NetStack::tcp_close) |
//! | a TCP client | [`NetStack::tcp_connect`], then [`tcp_connected`](NetStack::tcp_connected) |
//! | no copy | [`NetStack::tcp_send_with`], [`tcp_receive_with`](NetStack::tcp_receive_with) |
//! | half-close, reset, looking ahead | [`NetStack::shutdown`], [`abort`](NetStack::abort), [`peek`](NetStack::peek) |
//! | UDP | [`NetStack::udp_bind`], [`udp_connect`](NetStack::udp_connect), [`udp_send_to`](NetStack::udp_send_to), [`udp_receive`](NetStack::udp_receive) |
//! | crates written for [`embedded_nal`] | [`NetStack`] implements all four traits |
//! | crates that own their stack | [`Shared`] |
//! | `async` code, and crates written for it | feature `async`: module `asynch` |
//! | an address from a server, or of one's own choice | feature `dhcp`: `NetConfig::with_dhcp`, `NetStack::lease` |
//! | IPv6 addresses and a router by themselves | feature `slaac`: `NetConfig::with_slaac` |
//! | names of hosts | feature `dns`: `NetStack::resolve`, `embedded_nal::Dns` |
//! | a name of one's own, services that are found | feature `mdns`: `NetConfig::with_mdns` |
//! | the time of day | feature `sntp`: `NetConfig::with_time_server`, `NetStack::time_of_day` |
//! | ICMP, raw, broadcasts | feature `smoltcp-sockets`: `NetStack::add_socket` |
//! | groups | feature `multicast`: `NetStack::join`, `leave` |
//! | the cable is in again | [`NetStack::link_up`] |
//! | the end of a program | [`NetStack::abort_all`], [`idle`](NetStack::idle), [`free_slots`](NetStack::free_slots) |
//! | who else has our address | [`NetStack::conflict`] |
//! | what went wrong | [`Error`]; [`netstat`] for sockets and counters |
//!
//! # Sources
//!
//! From top to bottom; a module imports from those below it only:
//!
//! | module | what it does |
//! |---|---|
//! | `asynch`, `shared` | the stack for tasks, and for crates that own their stack |
//! | `stack` | frames in and out, the calls, and what each protocol below sends |
//! | `storage` | all the RAM there is |
//! | `guard` | which segments count |
//! | `tcp`, `udp` | slots, requests, expiry, one `Tcb` for each connection; datagrams |
//! | `parsers` | what fuzzing reads |
//! | `dhcp`, `slaac`, `sntp` | addresses and time from the network |
//! | `netstat` | what is shown |
//! | `mdns`, `dns`, `dns_message`, `hostname` | names, and their format |
//! | `neighbors` | MAC addresses |
//! | `workaround` | smoltcp's faults |
//! | `loss` | what was lost is sent again |
//! | `frame`, `ethernet`, `ip_interface` | the parser of headers; addresses of Ethernet; smoltcp's interface |
//! | `error`, `limits`, `time`, `seq`, `secret`, `rng`, `place`, `wake`, `fmt`, `planted` | what all of them use |
//!
//! What is seen on the wire, or in a call, is decided in one file:
//!
//! | what | file |
//! |---|---|
//! | a frame is not for us, or no good: its addresses, its header, a checksum that is missing | `stack/ingress.rs`, `stack/hygiene.rs`; of headers that smoltcp cannot read, `stack/repair.rs` |
//! | a segment of a connection is taken, dropped, or answered with a challenge ACK: RST, SYN, FIN, numbers that are out of the window | `guard.rs`; how often one is challenged, `tcp/throttle.rs` |
//! | it is taken, and smoltcp makes something else of it than the RFC says | `guard/mend.rs`; what it must not see at all, `stack/deliver.rs`; its faults one by one, the files of `workaround/` |
//! | a connection is opened, or again out of TIME-WAIT, waits for a slot, or takes another one's | `tcp/admission.rs`; those that wait, and when they are a flood, `tcp/backlog.rs` |
//! | it is accepted, closed, half-closed, reset by its owner; a FIN that has to wait | `tcp.rs` |
//! | it ends too soon, or not at all: time limits, keep-alive, TIME-WAIT | `tcp/expiry.rs` |
//! | the number that it begins with; the port of a client | `tcp/isn.rs`; `stack.rs` |
//! | what is sent again: losses, duplicates, SACK; where a recovery begins and ends | `loss/acknowledgement.rs` |
//! | when it is sent again: timeouts, back-off, the probes of a tail and of a closed window | `loss/timer.rs`; of a SYN and SYN-ACK, smoltcp's own timer |
//! | how much is under way: slow start, the congestion window | `loss/window.rs` |
//! | what waits though it could go: small segments, an acknowledgement that is owed | `tcp/tcb/sending.rs` |
//! | the size of the segments that we send: the peer's, the path's | `guard/syn.rs`, `stack/icmp.rs` |
//! | the options of our own SYN and SYN-ACK: segment size, window scale, SACK | smoltcp's, from the device's MTU and the buffers; with a cookie, `stack/cookie.rs` |
//! | blocks of SACK that we send | `workaround/blocks.rs` |
//! | how a frame leaves: its headers, what is counted of it, what its connection notes | `stack/transmit.rs` |
//! | a limit that is too low or too high | `limits.rs`; those that a user may choose, `limits/chosen.rs` |
//! | a datagram: which socket it is for, and one that finds no room there | `stack/udp.rs` |
//! | what a call returns | `stack/tcp.rs`, `stack/udp.rs`; of `embedded-nal`, `stack/nal.rs` |
//! | a task is woken, or is not | `stack/tcp/wake.rs`, `stack/udp/wake.rs` |
//! | the deadline that `poll` returns, and what goes out in a turn | `stack/egress.rs` |
//! | ICMP: errors that we send, `port unreachable` | `stack/refusal.rs` |
//! | ICMP: errors that come in, and what they do to a connection | `stack/icmp.rs` |
//! | which MAC address is believed, who is asked, how often | `neighbors.rs` |
//! | the cable comes in again: what is forgotten, told and tried anew | `stack.rs`; of an address from a server, `stack/dhcp.rs` |
//! | our own address: who else has it, who is told of it; the question itself | `stack/resolve.rs` |
//! | the way to another network; the address of ours that something is sent from, whatever it is | `stack/interface.rs` |
//! | DHCP: what is asked, and when; to whom it goes, and what becomes of the address when a lease ends, a server refuses it, or the cable comes in again; which answer is taken; what a lease says, and until when | `dhcp.rs`; `stack/dhcp.rs`; `dhcp/exchange.rs`; `dhcp/lease.rs` |
//! | IPv6 addresses: what a router's word does to them; which router is used | `slaac.rs`; `slaac/routers.rs` |
//! | a name is looked up: whom we ask, and when; what of an answer is read; which servers there are | `stack/dns.rs`; `dns.rs`; `stack/interface.rs` |
//! | our own name, and when it is said; its records | `stack/mdns.rs`; `mdns/records.rs` |
//! | the time of day: whom we ask, and when; what of an answer is believed | `stack/sntp.rs`; `sntp.rs` |
//! | groups: who is told that we listen | `stack/mld.rs`; a router's question for IPv4, `workaround/report.rs` |
//! | sockets of smoltcp's own, and what they send | `stack/others.rs`, `stack/held.rs` |
//! | a header that is read wrongly | `frame/ip.rs`, `frame/extension.rs`; ARP and neighbour discovery, `frame/discovery.rs`; the rest, `frame.rs` |
//! | what `netstat` shows; its counters | `stack/introspect.rs`; `netstat.rs` |
//!
//! # Features
//!
//! Only `medium-ethernet`, `smoltcp-sockets` and `udp` are on by default; none but the first changes what is there without it.
//!
//! | feature | |
//! |---|---|
//! | `medium-ethernet` | smoltcp's medium Ethernet, for devices that name it, and its own type of a MAC address as `EthernetAddress`; the stack needs neither, and is smaller without, 7 KiB with `ipv6` |
//! | `udp` | UDP sockets of the stack; a server of TCP alone saves flash without them |
//! | `smoltcp-sockets` | sockets of smoltcp's own beside the stack's, ICMP, raw, UDP for groups (`add_socket`); who needs none saves flash without them, more than a KiB |
//! | `ipv6` | IPv6 addresses beside IPv4 ones, or alone |
//! | `multicast` | `join` and `leave` groups (IGMP, MLD); brings `smoltcp-sockets` |
//! | `dhcp` | an IPv4 address from a server (RFC 2131), or a link-local one (RFC 3927), each probed first (RFC 5227) |
//! | `slaac` | IPv6 addresses from what routers say (RFC 4862), each probed first, and the routers (RFC 4861); brings `ipv6` |
//! | `dns` | names become addresses (RFC 1035), those of `.local` too (RFC 6762) |
//! | `mdns` | a name in the network, and services that are found (RFC 6762, RFC 6763) |
//! | `sntp` | the time of day from a server (RFC 4330) |
//! | `redirects` | redirects are followed (RFC 1122 3.2.2.2, RFC 4861 8) |
//! | `syn-cookies` | a flood of SYNs is answered with cookies (RFC 4987 3.6) |
//! | `wide-scoreboard`, `segmentation-offload` | for windows of many segments, and devices that take several as one frame: simulators, not chips |
//! | `deferred-accept` | a SYN-ACK that waits until the application admits the peer, for proxies |
//! | `async` | the traits of edge-nal, embedded-nal-async and embedded-io-async, with a waker for each who waits; brings `udp` |
//! | `log`, `defmt` | messages through either crate, smoltcp's too |
//!
//! With an IPv4 and an IPv6 address on Ethernet there is a third, link-local one: enable smoltcp's feature
//! `iface-max-addr-count-3` in your own `Cargo.toml`; with `slaac`, `iface-max-addr-count-4`.
//!
//! # The pinned smoltcp
//!
//! This crate asks for smoltcp `=0.14.0`, because it steers around faults of exactly that version; see the README. Use
//! the one that is exported here.
#![no_std]
#![forbid(unsafe_code)]
// With IPv4 alone an address is four bytes; with both families it is 17, and smaller code by reference.
#![cfg_attr(not(feature = "ipv6"), allow(clippy::trivially_copy_pass_by_ref))]
// What is said of UDP, and of smoltcp's own sockets, has nothing to refer to then.
#![cfg_attr(
    not(all(feature = "udp", feature = "smoltcp-sockets")),
    allow(rustdoc::broken_intra_doc_links)
)]

#[cfg(any(test, feature = "planted-faults"))]
extern crate std;

#[cfg(feature = "async")]
pub mod asynch;
#[cfg(feature = "dhcp")]
pub mod dhcp;
#[cfg(feature = "dns")]
pub mod dns;
#[cfg(any(feature = "dns", feature = "mdns"))]
mod dns_message;
mod error;
mod ethernet;
mod fmt;
mod frame;
mod guard;
#[cfg(any(feature = "dhcp", feature = "mdns"))]
mod hostname;
mod ip_interface;
pub mod limits;
mod loss;
#[cfg(feature = "mdns")]
pub mod mdns;
mod neighbors;
pub mod netstat;
#[cfg(feature = "_parsers")]
#[doc(hidden)]
pub mod parsers;
mod place;
#[cfg(feature = "planted-faults")]
#[doc(hidden)]
pub mod planted;
#[cfg(not(feature = "planted-faults"))]
mod planted;
pub mod rng;
mod secret;
mod seq;
mod shared;
#[cfg(feature = "slaac")]
pub mod slaac;
#[cfg(feature = "sntp")]
mod sntp;
pub mod stack;
pub mod storage;
mod tcp;
mod time;
#[cfg_attr(not(feature = "udp"), path = "no_udp.rs")]
mod udp;
#[cfg(feature = "async")]
mod wake;
mod workaround;

#[cfg(feature = "async")]
pub use asynch::Async;
/// What a program needs of this crate, in one line: `use tapboard_net::prelude::*;`.
///
/// The `embedded-nal` traits are not in it: their calls have the same names for TCP and UDP, and the stack's own do not.
pub mod prelude {
    #[cfg(feature = "udp")]
    pub use crate::UdpSocket;
    pub use crate::{Error, Limits, NetConfig, NetStack, Shared, Sockets, Storage, TcpSocket};
    pub use embedded_nal::nb;
}

pub use error::{Error, LookupError};
pub use ethernet::EthernetAddress;
#[cfg(any(feature = "dhcp", feature = "mdns"))]
pub use hostname::Hostname;
pub use limits::Limits;
pub use shared::Shared;
#[cfg(feature = "udp")]
pub use stack::UdpSocket;
pub use stack::{Conflict, NetConfig, NetStack, TcpSocket};
pub use storage::{Buffers, Sockets, Storage};
pub use tcp::backlog::{Backlog, BacklogView};
pub use time::earliest;
pub use {embedded_nal, heapless, smoltcp};

/// The code of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
