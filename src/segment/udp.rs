//! What datagrams to well-known ports say: DNS with its question, DHCP, NTP, and others by name.

use super::view::View;

/// Ports by the names that Wireshark shows, or the like.
const NAMES: &[(u16, &str)] = &[
    (53, "DNS"),
    (67, "DHCP"),
    (68, "DHCP"),
    (69, "TFTP"),
    (88, "Kerberos"),
    (123, "NTP"),
    (137, "NBNS"),
    (138, "NetBIOS datagram"),
    (161, "SNMP"),
    (162, "SNMP trap"),
    (319, "PTP"),
    (320, "PTP"),
    (389, "CLDAP"),
    (443, "QUIC"),
    (500, "ISAKMP"),
    (514, "syslog"),
    (520, "RIP"),
    (521, "RIPng"),
    (546, "DHCPv6"),
    (547, "DHCPv6"),
    (646, "LDP"),
    (1194, "OpenVPN"),
    (1701, "L2TP"),
    (1812, "RADIUS"),
    (1813, "RADIUS"),
    (1900, "SSDP"),
    (1985, "HSRP"),
    (2055, "NetFlow"),
    (2123, "GTP control"),
    (2152, "GTP"),
    (3478, "STUN"),
    (3544, "Teredo"),
    (3702, "WS-Discovery"),
    (3784, "BFD"),
    (4342, "LISP control"),
    (4500, "IPsec over UDP"),
    (4789, "VXLAN"),
    (5060, "SIP"),
    (5246, "CAPWAP control"),
    (5247, "CAPWAP"),
    (5351, "NAT-PMP"),
    (5353, "mDNS"),
    (5355, "LLMNR"),
    (5683, "CoAP"),
    (5684, "DTLS"),
    (6081, "Geneve"),
    (6343, "sFlow"),
    (47808, "BACnet"),
    (51820, "WireGuard"),
];

/// Names of a message's types, from 1 on.
const DHCP: [&str; 8] =
    ["discover", "offer", "request", "decline", "ACK", "NAK", "release", "inform"];
const DHCPV6: [&str; 13] = [
    "solicit",
    "advertise",
    "request",
    "confirm",
    "renew",
    "rebind",
    "reply",
    "release",
    "decline",
    "reconfigure",
    "information request",
    "relay forward",
    "relay reply",
];
const NTP: [&str; 6] =
    ["symmetric active", "symmetric passive", "client", "server", "broadcast", "control"];

/// What a datagram says, if its port is known.
pub(super) fn says(source: u16, destination: u16, payload: View<'_>) -> Option<String> {
    let by = |port: u16| NAMES.iter().find(|(known, _)| *known == port).map(|(_, name)| *name);
    let name = by(destination).or_else(|| by(source))?;
    let more = match name {
        "DNS" | "mDNS" | "LLMNR" => dns(payload),
        "DHCP" => dhcp(payload),
        "DHCPv6" => payload.u8(0).and_then(|kind| nth(&DHCPV6, kind)),
        "NTP" => payload.u8(0).and_then(|first| nth(&NTP, first & 7)),
        _ => None,
    };
    Some(match more {
        Some(more) => format!("{name} {more}"),
        None => format!("{name} {}", crate::output::counted(payload.len, "byte")),
    })
}

fn nth(names: &[&str], number: u8) -> Option<String> {
    let index = usize::from(number).checked_sub(1)?;
    names.get(index).map(|name| (*name).to_string())
}

/// RFC 2131, 2 and RFC 2132, 9.6.
fn dhcp(payload: View<'_>) -> Option<String> {
    const MAGIC: u32 = 0x6382_5363;
    const MESSAGE_TYPE: u8 = 53;
    if payload.u32(236)? != MAGIC {
        return None;
    }
    let mut rest = payload.bytes.get(240..)?;
    loop {
        match *rest {
            [0, ref after @ ..] => rest = after,
            [MESSAGE_TYPE, 1, kind, ..] => return nth(&DHCP, kind),
            [255, ..] | [] | [_] => return Some("BOOTP".to_string()),
            [_, len, ref after @ ..] => rest = after.get(usize::from(len)..)?,
        }
    }
}

/// The question, or without one the first answer (RFC 1035, 4.1).
fn dns(payload: View<'_>) -> Option<String> {
    const TYPES: &[(u16, &str)] = &[
        (1, "A"),
        (2, "NS"),
        (5, "CNAME"),
        (6, "SOA"),
        (12, "PTR"),
        (15, "MX"),
        (16, "TXT"),
        (28, "AAAA"),
        (33, "SRV"),
        (35, "NAPTR"),
        (41, "OPT"),
        (43, "DS"),
        (46, "RRSIG"),
        (47, "NSEC"),
        (48, "DNSKEY"),
        (64, "SVCB"),
        (65, "HTTPS"),
        (252, "AXFR"),
        (255, "ANY"),
    ];
    const CODES: [&str; 5] = ["format error", "SERVFAIL", "NXDOMAIN", "not implemented", "REFUSED"];
    let flags = payload.u16(2)?;
    let (questions, answers) = (payload.u16(4)?, payload.u16(6)?);
    let answer = flags & 0x8000 != 0;
    let mut out = match (flags >> 11 & 0xf, answer) {
        (0, false) => "query",
        (0, true) => "answer",
        (5, _) => "update",
        (4, _) => "notify",
        _ => return None,
    }
    .to_string();
    if questions > 0 || answers > 0 {
        let (name, at) = dns_name(payload)?;
        let number = payload.u16(at)?;
        let kind = TYPES.iter().find(|(known, _)| *known == number);
        let kind = kind.map_or_else(|| format!("type {number}"), |(_, name)| (*name).to_string());
        out = format!("{out} {kind} {name}");
    }
    if answer && let Some(code) = nth(&CODES, (flags & 0xf) as u8) {
        out = format!("{out} {code}");
    }
    Some(out)
}

/// The name behind the header, and where it ends. There is nothing yet that it could point back to.
fn dns_name(payload: View<'_>) -> Option<(String, usize)> {
    let (mut name, mut at) = (String::new(), 12);
    loop {
        let len = usize::from(payload.u8(at)?);
        at += 1;
        if len == 0 {
            break;
        }
        // RFC 1035, 2.3.4.
        if len > 63 || name.len() > 255 {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8_lossy(payload.bytes.get(at..at + len)?));
        at += len;
    }
    if name.is_empty() {
        name.push('.');
    }
    Some((name, at))
}
