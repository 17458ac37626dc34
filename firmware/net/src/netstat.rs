//! What the stack can tell about itself: a row for each socket and a list of counters.
//!
//! Rows and counters are numbered, so that a service with a small send buffer can print one line at a
//! time and go on later. A snapshot costs nothing until it is read; a row may appear or vanish between
//! two reads.

use core::fmt::{self, Write};
use core::net::{IpAddr, SocketAddr};

use smoltcp::time::Duration;

/// Transport protocol of a [`Row`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 9293.
    Tcp,
    /// RFC 768.
    Udp,
}

/// One socket, as `netstat` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Bytes received and not yet read by the service.
    pub receive_queue: usize,
    /// Bytes sent by the service and not yet acknowledged by the peer.
    pub send_queue: usize,
    /// Own address, or `None` for any.
    pub local_address: Option<IpAddr>,
    /// Own port.
    pub local_port: u16,
    /// The peer, if there is one.
    pub remote: Option<SocketAddr>,
    /// State by its RFC 9293 name; empty for UDP.
    pub state: &'static str,
}

impl Row {
    /// Column headings for the lines that [`Row`]'s `Display` writes.
    pub const HEADING: &str =
        "Proto Recv-Q Send-Q Local Address          Remote Address         State";
}

/// An endpoint padded to a column, written without an intermediate buffer.
struct Column<'a>(Option<IpAddr>, u16, &'a str);

impl fmt::Display for Column<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = heapless::String::<48>::new();
        let Self(address, port, none) = self;
        match address {
            _ if *port == 0 => line.write_str(none)?,
            None => write!(line, "*:{port}")?,
            Some(IpAddr::V4(address)) => write!(line, "{address}:{port}")?,
            #[cfg(feature = "ipv6")]
            Some(IpAddr::V6(address)) => write!(line, "[{address}]:{port}")?,
            // How to write one takes more than a KiB.
            #[cfg(not(feature = "ipv6"))]
            Some(IpAddr::V6(_)) => return Err(fmt::Error),
        }
        f.pad(&line)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        let local = Column(self.local_address, self.local_port, "*");
        let remote = Column(
            self.remote.map(|remote| remote.ip()),
            self.remote.map_or(0, |remote| remote.port()),
            "*",
        );
        let (receive_queue, send_queue, state) = (self.receive_queue, self.send_queue, self.state);
        write!(
            f,
            "{protocol:<5} {receive_queue:>6} {send_queue:>6} {local:<22} {remote:<22} {state}"
        )
    }
}

/// Where an address is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was given by the user.
    Static,
    /// It is leased (RFC 2131).
    Dhcp,
    /// It is good on this link only: of our own choice, as no server answers (RFC 3927), or an IPv6 one (RFC 4291).
    LinkLocal,
}

impl Origin {
    /// As `ip` shows it.
    const fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Dhcp => "dhcp",
            Self::LinkLocal => "link-local",
        }
    }
}

/// The time of day, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeOfDay {
    /// Nobody is asked for it.
    NotAsked,
    /// It is not known yet.
    Unknown,
    /// So much time since the beginning of 1970 in UTC, without leap seconds.
    Unix(Duration),
}

/// Something that is so of a stack's place in its network, as `ip` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// The MAC address.
    Mac([u8; 6]),
    /// An address with the length of its network's prefix, and where it is from.
    Address(IpAddr, u8, Origin),
    /// The next hop for what is outside the own networks.
    Gateway(IpAddr),
    /// A server for names.
    Dns(IpAddr),
    /// The name in the network, without the `.local` behind it.
    #[cfg(feature = "mdns")]
    Name(crate::mdns::Label),
    /// A server for the time of day.
    Time(IpAddr),
    /// The server that leased the IPv4 address, and how many seconds are left.
    Lease(IpAddr, u64),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac([first, rest @ ..]) => {
                write!(f, "mac      {first:02x}")?;
                rest.iter().try_for_each(|byte| write!(f, ":{byte:02x}"))
            }
            Self::Address(address, len, origin) => {
                write!(f, "address  {}/{len} {}", Plain(address), origin.name())
            }
            Self::Gateway(address) => write!(f, "gateway  {}", Plain(address)),
            Self::Dns(address) => write!(f, "dns      {}", Plain(address)),
            #[cfg(feature = "mdns")]
            Self::Name(name) => write!(f, "name     {name}.local"),
            Self::Time(address) => write!(f, "ntp      {}", Plain(address)),
            Self::Lease(server, left) => write!(f, "lease    {left} s left, of {}", Plain(server)),
        }
    }
}

/// An address of a family that this stack has, to be shown; how to write an IPv6 one takes more than a KiB.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a>(pub &'a IpAddr);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            #[cfg(feature = "ipv6")]
            IpAddr::V6(address) => address.fmt(f),
            #[cfg(not(feature = "ipv6"))]
            IpAddr::V6(_) => Err(fmt::Error),
        }
    }
}

/// What events and bytes are counted in. Wraps: on a chip, where 64 bits cost flash, after 4.3 GB; on a host never.
pub type Count = Word;
#[cfg(target_os = "none")]
type Word = u32;
#[cfg(not(target_os = "none"))]
type Word = u64;

/// A stack that can describe its sockets and its history.
pub trait Introspect {
    /// Row `index`, counted from 0, or `None` past the last.
    fn row(&self, index: usize) -> Option<Row>;

    /// The smoothed round-trip time of the connection in row `index` (RFC 6298 2), or `None` if it was not measured yet,
    /// or that row is none. A stack that is not its own does not know it.
    fn round_trip(&self, _index: usize) -> Option<Duration> {
        None
    }

    /// Whether a client waits for a slot, to connect to `port`: what is idle there may make room. A stack that is not its
    /// own does not know it.
    fn is_awaited(&self, _port: u16) -> bool {
        false
    }

    /// Name and value of counter `index`, counted from 0, or `None` past the last.
    fn counter(&self, index: usize) -> Option<(&'static str, Count)>;

    /// Fact `index`, counted from 0, or `None` past the last. A stack that is not its own knows none.
    fn fact(&self, _index: usize) -> Option<Fact> {
        None
    }

    /// The time of day. A stack that asks nobody does not know it.
    fn time_of_day(&self) -> TimeOfDay {
        TimeOfDay::NotAsked
    }
}

/// Defines [`Counters`] and the list of their names from one table.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Events since boot.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: Count,)+
        }

        impl Counters {
            /// Name and value of counter `index`, in the order of the fields.
            #[must_use]
            pub fn get(&self, index: usize) -> Option<(&'static str, Count)> {
                const NAMES: &[&str] = &[$(stringify!($name)),+];
                let values = [$(self.$name),+];
                Some((NAMES.get(index)?, *values.get(index)?))
            }
        }
    };
}

counters! {
    /// Calls of `poll`.
    polls,
    /// Frames taken from the device.
    frames_in,
    /// Bytes in those frames.
    bytes_in,
    /// Frames handed to the device.
    frames_out,
    /// Bytes in those frames.
    bytes_out,
    /// Times the device refused a frame.
    tx_refused,
    /// Frames for another MAC address, and packets for a TCP or UDP port that were not addressed to this board alone or
    /// claimed to come from it.
    not_ours_dropped,
    /// Packets from or to an address that no packet has (RFC 1122 3.2.1.3), or with a source route.
    martians_dropped,
    /// Packets whose headers contradict themselves: extension headers, lengths, a checksum that has to be there. Or
    /// that carry nothing.
    malformed_dropped,
    /// ICMP errors that were not sent: the packet was not for this board alone, or there were too many.
    errors_unsent,
    /// ICMP errors that were believed: about a segment of ours that was not acknowledged yet (RFC 5927 4.1).
    errors_believed,
    /// ICMP errors that were not: about a segment that we cannot have sent, or that has arrived.
    errors_disbelieved,
    /// ARP packets and neighbour discovery messages that are not well-formed, or of a kind that this stack has no use for.
    discovery_dropped,
    /// IP fragments, which this stack does not reassemble.
    fragments_dropped,
    /// SYNs for a registered port not answered because no slot was free.
    syn_unanswered,
    /// Remembered ones among them that had to make room for newer ones, or were broken.
    syn_dropped,
    /// Connections established by a peer.
    passive_opens,
    /// Connections established by this board.
    active_opens,
    /// Connects that were refused or ran out of time.
    failed_connects,
    /// Resets received for a connection.
    resets_in,
    /// Segments sent again.
    retransmitted,
    /// Times that something was sent again, one segment or many, or could not be for want of a MAC address.
    recoveries,
    /// Handshakes that never completed.
    handshakes_expired,
    /// Connections given up because the peer went silent.
    timeouts,
    /// Closed connections whose peer never finished closing.
    orphans_expired,
    /// Connections ended to make room for a new one.
    evicted,
    /// Handles dropped without `close`.
    abandoned,
    /// Resets that could not be sent in time.
    resets_unsent,
    /// Times a UDP socket's queue was dropped because the neighbour of its first datagram did not answer.
    datagrams_unsent,
    /// Segments dropped without an answer, for they cannot be of the connection that they are for: a reset outside of its
    /// window, any before its SYN has left, one that half the sequence space is between and what comes next; or, within a
    /// second after another, one to be challenged.
    unacceptable_dropped,
    /// Segments dropped and answered with a challenge ACK, which says where their connection stands (RFC 5961).
    challenged,
    /// Segments of which smoltcp was shown a copy, for it would have taken them for something else.
    mended,
    /// Signs that somebody else on the network uses an address of this board's (RFC 5227 2.4).
    address_conflicts,
    /// Times smoltcp asked to be polled at once and then did nothing.
    stalls,
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_row_lines_up_with_the_heading() {
        let row = Row {
            protocol: Protocol::Tcp,
            receive_queue: 1,
            send_queue: 22,
            local_address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
            local_port: 7,
            remote: Some("192.0.2.2:49152".parse().unwrap()),
            state: "ESTABLISHED",
        };
        let line = row.to_string();
        for (heading, value) in
            [("Local", "192.0.2.1:7"), ("Remote", "192.0.2.2:49152"), ("State", "ESTABLISHED")]
        {
            assert_eq!(Row::HEADING.find(heading), line.find(value), "{line}");
        }
        let listener = Row { local_address: None, remote: None, state: "LISTEN", ..row };
        assert!(listener.to_string().contains(" *:7  "), "{listener}");
    }

    #[test]
    fn facts_are_read_as_a_list() {
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        for (fact, line) in [
            (Fact::Mac([2, 0, 0x5e, 0, 0, 10]), "mac      02:00:5e:00:00:0a"),
            (Fact::Address(address, 24, Origin::Static), "address  192.0.2.1/24 static"),
            (Fact::Gateway(address), "gateway  192.0.2.1"),
            (Fact::Dns(address), "dns      192.0.2.1"),
            (Fact::Lease(address, 60), "lease    60 s left, of 192.0.2.1"),
        ] {
            assert_eq!(fact.to_string(), line);
        }
    }

    #[test]
    fn counters_are_listed_in_field_order_and_end() {
        let counters = Counters { polls: 3, stalls: 9, ..Counters::default() };
        assert_eq!(counters.get(0), Some(("polls", 3)));
        let last = (0..).map_while(|index| counters.get(index)).last();
        assert_eq!(last, Some(("stalls", 9)));
    }
}
