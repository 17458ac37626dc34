//! To whom a request was sent (RFC 3986 3.2), and whether that is this board.

use heapless::Vec;
#[cfg(feature = "mdns")]
use tapboard_net::netstat::Fact;
use tapboard_net::netstat::Introspect;

use crate::config::HTTP_AUTHORITY;

/// A host and perhaps a port, as far as it fits.
pub(super) type Authority = Vec<u8, HTTP_AUTHORITY>;

/// A host of too many bytes is none of ours, and empty.
pub(super) fn authority(text: &[u8]) -> Authority {
    Authority::from_slice(text).unwrap_or_default()
}

/// Networks' own domains, in which nobody outside of them has a name (RFC 6762, RFC 8375, and ICANN's reservation).
const DOMAINS: [&[u8]; 4] = [b".local", b".lan", b".home.arpa", b".internal"];

/// Whether `host` is an address, to which no name leads, or a name of the board's: `name`, or that by which its neighbours
/// know it, alone or in a network's own domain, or `localhost`.
#[inline(never)]
pub(super) fn is_ours(host: &[u8], name: &str, stack: &impl Introspect) -> bool {
    let host = match host.iter().rposition(|&byte| byte == b':') {
        Some(colon) if host[colon + 1..].iter().all(u8::is_ascii_digit) => &host[..colon],
        _ => host,
    };
    if host.is_empty() {
        return false;
    }
    let is_ipv4 = host.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    // Not `[x]:80]`, for the port was cut off; what is between the brackets can be no name.
    let is_ipv6 = host.starts_with(b"[") && host.ends_with(b"]");
    let mut label = host;
    for domain in DOMAINS {
        if let Some((name, end)) = host.split_at_checked(host.len().wrapping_sub(domain.len()))
            && end.eq_ignore_ascii_case(domain)
        {
            label = name;
        }
    }
    is_ipv4
        || is_ipv6
        || host.eq_ignore_ascii_case(b"localhost")
        || label.eq_ignore_ascii_case(name.as_bytes())
        || is_known_as(label, stack)
}

/// Whether `label` is the board's in multicast DNS, where another may have had its name before.
#[cfg(feature = "mdns")]
fn is_known_as(label: &[u8], stack: &impl Introspect) -> bool {
    (0..).map_while(|index| stack.fact(index)).any(|fact| match fact {
        Fact::Name(name) => label.eq_ignore_ascii_case(name.as_str().as_bytes()),
        _ => false,
    })
}

#[cfg(not(feature = "mdns"))]
const fn is_known_as(_label: &[u8], _stack: &impl Introspect) -> bool {
    false
}
