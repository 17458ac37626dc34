//! What a packetdrill script says, as data: events with their times, in the order of the script.

/// A script that has been read.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) config: Config,
    pub(crate) events: Vec<Event>,
}

/// Its options, the lines that begin with `--`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) ipv6: bool,
    pub(crate) tolerance_us: i64,
    /// `--board`, an option of ours: its windows, options, PSH flags and times are the board's, and after its end nothing
    /// is left unsaid.
    pub(crate) board: bool,
    /// `--non_fatal=syscall`: the result of a call may differ.
    pub(crate) lenient_calls: bool,
}

/// One thing that the script does, or expects.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) line: usize,
    pub(crate) time: Time,
    pub(crate) kind: Kind,
}

/// When: microseconds since the script began, or since the event before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    At {
        relative: bool,
        us: i64,
    },
    Range {
        relative: bool,
        from_us: i64,
        to_us: i64,
    },
    /// `*`
    Any,
    /// `0.1...0.2`: a call that is made at the first and returns at the second.
    Blocking {
        relative: bool,
        us: i64,
        end_us: i64,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// The peer sends it.
    In(Packet),
    /// The board is to send it.
    Out(Packet),
    /// A router sends an error about what the board sent.
    Icmp(Icmp),
    Call(Call),
    /// In backticks.
    Command(String),
    /// Between `%{` and `}%`.
    Code(String),
}

/// A TCP segment. Sequence numbers are the script's: the board's begin at 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The header's bits.
    pub(crate) flags: u8,
    /// `None` for `...`
    pub(crate) seq: Option<Number>,
    pub(crate) len: usize,
    pub(crate) ack: Option<Number>,
    pub(crate) window: Option<u16>,
    /// `None` for `<...>`
    pub(crate) options: Option<Vec<TcpOption>>,
}

/// A sequence number, as on the wire (`!`) or as the script counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) value: u32,
    pub(crate) absolute: bool,
}

impl Number {
    /// The number behind it.
    pub(crate) fn next(self) -> Self {
        Self { value: self.value.wrapping_add(1), ..self }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TcpOption {
    Eol,
    Nop,
    Mss(u16),
    WindowScale(u8),
    SackPermitted,
    Sack(Vec<(u32, u32)>),
    Timestamp(u32, u32),
}

/// An ICMP error: `unreachable WHAT mtu N [SEQ:SEQ(LEN)]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Icmp {
    pub(crate) what: String,
    pub(crate) mtu: u16,
    pub(crate) seq: u32,
}

/// A system call, and what it is to return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) result: Outcome,
}

/// What a system call returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Value(i64),
    /// -1 and this `errno`
    Failure(String),
}

impl Call {
    /// A number among the arguments.
    pub(crate) fn number(&self, index: usize) -> Option<i64> {
        parse_number(self.arguments.get(index)?.trim_matches(['[', ']']))
    }

    pub(crate) fn argument(&self, index: usize) -> &str {
        self.arguments.get(index).map_or("", String::as_str)
    }
}

/// A decimal or hexadecimal number.
pub(crate) fn parse_number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;
pub(crate) const URG: u8 = 32;
pub(crate) const ECE: u8 = 64;
pub(crate) const CWR: u8 = 128;

/// The flags' letters, with `.` for ACK.
pub(crate) fn flag_letters(flags: u8) -> String {
    let letters = [
        (SYN, 'S'),
        (FIN, 'F'),
        (RST, 'R'),
        (PSH, 'P'),
        (URG, 'U'),
        (ECE, 'E'),
        (CWR, 'W'),
        (ACK, '.'),
    ];
    let set = letters.iter().filter(|(bit, _)| flags & bit != 0);
    set.map(|&(_, letter)| letter).collect()
}

impl Icmp {
    /// Type and code of the message, if there is one in this family.
    pub(crate) fn code(&self, ipv6: bool) -> Option<(u8, u8)> {
        let messages = if ipv6 { &ICMPV6[..] } else { &ICMPV4 };
        let found = messages.iter().find(|(name, ..)| *name == self.what);
        found.map(|&(_, kind, code)| (kind, code))
    }
}

/// Names of messages, with their types and codes (RFC 792, RFC 1122 3.2.2.1).
const ICMPV4: [(&str, u8, u8); 20] = [
    ("net_unreachable", 3, 0),
    ("host_unreachable", 3, 1),
    ("protocol_unreachable", 3, 2),
    ("port_unreachable", 3, 3),
    ("frag_needed", 3, 4),
    ("source_route_failed", 3, 5),
    ("net_unknown", 3, 6),
    ("host_unknown", 3, 7),
    ("source_host_isolated", 3, 8),
    ("net_prohibited", 3, 9),
    ("host_prohibited", 3, 10),
    ("net_unreachable_for_tos", 3, 11),
    ("host_unreachable_for_tos", 3, 12),
    ("packet_filtered", 3, 13),
    ("precedence_violation", 3, 14),
    ("precedence_cutoff", 3, 15),
    ("source_quench", 4, 0),
    ("redirect", 5, 0),
    ("ttl_exceeded_in_transit", 11, 0),
    ("frag_reass_exceeded", 11, 1),
];

/// Likewise (RFC 4443).
const ICMPV6: [(&str, u8, u8); 11] = [
    ("no_route", 1, 0),
    ("admin_prohibited", 1, 1),
    ("not_neighbour", 1, 2),
    ("address_unreachable", 1, 3),
    ("port_unreachable", 1, 4),
    ("packet_too_big", 2, 0),
    ("exceeded_hop_limit", 3, 0),
    ("exceeded_frag_time", 3, 1),
    ("header_field", 4, 0),
    ("unknown_next_header", 4, 1),
    ("unknown_option", 4, 2),
];
