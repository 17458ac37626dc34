//! Protocols that a filter knows by what their frames' summaries begin with.

use super::Test;
use crate::segment::{PacketSummary, ip_protocol};

/// In the words of the summaries, but in small letters.
const NAMED: &[&str] = &[
    "ah", "bootp", "cdp", "coap", "dccp", "dhcp", "dhcpv6", "dns", "dtp", "eapol", "eigrp", "esp",
    "gre", "hsrp", "igmp", "ipx", "isakmp", "l2tp", "lldp", "llmnr", "mdns", "mstp", "nbns", "ntp",
    "ospf", "pim", "ppp", "pppoe", "ptp", "radius", "rip", "rsvp", "rstp", "sctp", "sflow", "sip",
    "snmp", "ssdp", "stp", "stun", "syslog", "tftp", "udld", "vrrp", "vtp",
];

/// The protocols that a filter knows, and the tests for them.
const TESTS: &[(&str, Test)] = &[
    ("arp", Test::Arp),
    ("ip", Test::Ip4),
    ("ip4", Test::Ip4),
    ("ipv4", Test::Ip4),
    ("ip6", Test::Ip6),
    ("ipv6", Test::Ip6),
    ("tcp", Test::Tcp),
    ("udp", Test::Udp),
    ("icmp", Test::Icmp4),
    ("icmp6", Test::Icmp6),
    ("icmpv6", Test::Icmp6),
    ("fragment", Test::Fragment),
    ("marked", Test::Marked),
    ("retransmission", Test::Retransmission),
    ("dropped", Test::Dropped),
];

/// The test that a word is by itself.
pub(super) fn test(word: &str) -> Option<Test> {
    let known = TESTS.iter().find(|(known, _)| *known == word).map(|(_, test)| test.clone());
    let named = || NAMED.iter().find(|name| **name == word).map(|name| Test::Named(name));
    known.or_else(named)
}

/// The words that are tests, for who looks for one.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    TESTS.iter().map(|(word, _)| *word).chain(NAMED.iter().copied())
}

/// Whether a summary begins with that word.
pub(super) fn is_named(summary: &PacketSummary, name: &str) -> bool {
    let begins = |text: &str| {
        let (word, rest) = text.split_at_checked(name.len()).unwrap_or_default();
        word.eq_ignore_ascii_case(name) && !rest.starts_with(|c: char| c.is_alphanumeric())
    };
    match summary {
        PacketSummary::Udp { says: Some(text), .. } | PacketSummary::Named(text) => begins(text),
        PacketSummary::Ip { protocol, .. } | PacketSummary::Fragment { protocol, .. } => {
            begins(&ip_protocol(*protocol))
        }
        _ => false,
    }
}
