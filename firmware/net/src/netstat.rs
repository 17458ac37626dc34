//! What the stack can tell about itself: a row for each socket and a list of counters.
//!
//! Rows and counters are numbered, so that a service with a small send buffer can print one line at a
//! time and go on later. A snapshot costs nothing until it is read; a row may appear or vanish between
//! two reads.

mod plain;
mod state;

use core::fmt::{self, Write};
use core::net::{IpAddr, SocketAddr};

use smoltcp::time::Duration;

pub use self::plain::Plain;
pub use self::state::STATES;
pub(crate) use self::state::state_name;

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
    /// State by its RFC 9293 name, one of [`STATES`], or `BOUND`; empty for UDP.
    pub state: &'static str,
}

impl Row {
    /// Column headings for the lines that [`Row`]'s `Display` writes.
    pub const HEADING: &str =
        "Proto Recv-Q Send-Q Local Address          Remote Address         State";
}

/// An endpoint padded to a column.
struct Column<'a>(Option<IpAddr>, u16, &'a str);

impl Column<'_> {
    /// Characters, without the space behind it.
    const WIDTH: usize = 22;
}

impl fmt::Display for Column<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(address, port, none) = self;
        let mut column = Padded { f, missing: Self::WIDTH };
        let port = u32::from(*port);
        match address {
            _ if port == 0 => column.write_str(none)?,
            None => write!(column, "*:{port}")?,
            Some(address @ IpAddr::V4(_)) => write!(column, "{}:{port}", Plain(address))?,
            Some(address @ IpAddr::V6(_)) => write!(column, "[{}]:{port}", Plain(address))?,
        }
        let Padded { f, missing } = column;
        (0..missing).try_for_each(|_| f.write_char(' '))
    }
}

/// Counts what is missing to a width, in ASCII.
struct Padded<'f, 'b> {
    f: &'f mut fmt::Formatter<'b>,
    missing: usize,
}

impl Write for Padded<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.missing = self.missing.saturating_sub(text.len());
        self.f.write_str(text)
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        self.missing = self.missing.saturating_sub(1);
        self.f.write_char(character)
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
        // All numbers are of one type, so that one way to write them is linked.
        let queues = (self.receive_queue as u32, self.send_queue as u32);
        write!(f, "{protocol:<5} {:>6} {:>6} {local} {remote} {}", queues.0, queues.1, self.state)
    }
}

/// Where an address is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was given by the user.
    Static,
    /// It is leased (RFC 2131).
    Dhcp,
    /// It follows from what a router says (RFC 4862).
    Slaac,
    /// It is good on this link only: of our own choice, as no server answers (RFC 3927), or an IPv6 one (RFC 4291).
    LinkLocal,
}

impl Origin {
    /// As `ip` shows it.
    const fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Dhcp => "dhcp",
            Self::Slaac => "slaac",
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
    /// Of the address before it, unless it is for ever: for how many seconds new connections are made with it, and for how
    /// many it is used at all.
    #[cfg(feature = "slaac")]
    Lifetime(u32, u32),
    /// An address that is not used, for somebody else has it.
    #[cfg(feature = "slaac")]
    Duplicate(IpAddr),
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
        let (name, address) = match self {
            Self::Mac([first, rest @ ..]) => {
                write!(f, "mac      {:02x}", u32::from(*first))?;
                return rest.iter().try_for_each(|&byte| write!(f, ":{:02x}", u32::from(byte)));
            }
            Self::Address(address, ..) => ("address", address),
            Self::Gateway(address) => ("gateway", address),
            Self::Dns(address) => ("dns", address),
            #[cfg(feature = "slaac")]
            Self::Lifetime(preferred, valid) => {
                return write!(f, "lifetime {preferred} s preferred, {valid} s valid");
            }
            #[cfg(feature = "slaac")]
            Self::Duplicate(address) => {
                return write!(f, "not used {}, somebody has it", Plain(address));
            }
            #[cfg(feature = "mdns")]
            Self::Name(name) => return write!(f, "name     {name}.local"),
            Self::Time(address) => ("ntp", address),
            Self::Lease(server, left) => {
                return write!(f, "lease    {left} s left, of {}", Plain(server));
            }
        };
        write!(f, "{name:<8} {}", Plain(address))?;
        if let Self::Address(_, len, origin) = self {
            write!(f, "/{} {}", u32::from(*len), origin.name())?;
        }
        Ok(())
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
    ($($(#[doc = $doc:literal])+ $(#[cfg($when:meta)])? $name:ident,)+) => {
        /// Events since boot.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $doc])+ $(#[cfg($when)])? pub $name: Count,)+
        }

        impl Counters {
            /// Name and value of counter `index`, in the order of the fields.
            #[must_use]
            pub fn get(&self, index: usize) -> Option<(&'static str, Count)> {
                const NAMES: &[&str] = &[$($(#[cfg($when)])? stringify!($name)),+];
                let values = [$($(#[cfg($when)])? self.$name),+];
                Some((NAMES.get(index)?, *values.get(index)?))
            }

            /// What counter `index` is of, as documented; each line of it begins with a space.
            #[must_use]
            pub fn help(index: usize) -> Option<&'static str> {
                const HELP: &[&str] = &[$($(#[cfg($when)])? concat!($($doc),+)),+];
                HELP.get(index).copied()
            }
        }
    };
}

counters! {
    /// Calls of `poll`.
    polls,
    /// Frames taken from the device.
    frames_in,
    /// Bytes in the frames taken from the device.
    bytes_in,
    /// Frames handed to the device.
    frames_out,
    /// Bytes in the frames handed to the device.
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
    /// ICMP errors that were not believed: about a segment that we cannot have sent, or that has arrived.
    errors_disbelieved,
    /// Redirects that were believed: of the next hop in use, about a packet that this board may have sent.
    #[cfg(feature = "redirects")]
    redirects_believed,
    /// Redirects that were not believed.
    #[cfg(feature = "redirects")]
    redirects_disbelieved,
    /// ARP packets and neighbour discovery messages that are not well-formed, or of a kind that this stack has no use for.
    discovery_dropped,
    /// IP fragments, which this stack does not reassemble.
    fragments_dropped,
    /// Datagrams for which their socket had no room, or with a wrong checksum.
    #[cfg(feature = "udp")]
    udp_dropped,
    /// SYNs for a registered port not answered because no slot was free.
    syn_unanswered,
    /// SYNs answered with a cookie, for there were too many of them.
    #[cfg(feature = "syn-cookies")]
    cookies_sent,
    /// Connections that began with one.
    #[cfg(feature = "syn-cookies")]
    cookies_taken,
    /// SYNs remembered until a slot is free that had to make room for newer ones, or were broken.
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
mod tests;
