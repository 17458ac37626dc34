//! Addresses as text.

use core::fmt;
use core::net::IpAddr;

/// An address of a family that this stack has, to be shown. Not by `core`, whose way takes more than a KiB, for it can
/// pad; without IPv6, an address of that family is an error.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a>(pub &'a IpAddr);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => {
                let [first, second, third, last] = address.octets().map(u32::from);
                write!(f, "{first}.{second}.{third}.{last}")
            }
            #[cfg(feature = "ipv6")]
            IpAddr::V6(address) => write_ipv6(f, address.segments()),
            #[cfg(not(feature = "ipv6"))]
            IpAddr::V6(_) => Err(fmt::Error),
        }
    }
}

/// Writes an address as RFC 5952 4 has it: of the longest run of zeros, and the first of those, only two colons are left.
#[cfg(feature = "ipv6")]
fn write_ipv6(f: &mut fmt::Formatter<'_>, segments: [u16; 8]) -> fmt::Result {
    // A single zero is written.
    let (mut gap, mut len) = (segments.len(), 1);
    for begin in 0..segments.len() {
        let run = segments[begin..].iter().take_while(|segment| **segment == 0).count();
        if run > len {
            (gap, len) = (begin, run);
        }
    }
    let mut parted = true;
    for (index, segment) in segments.into_iter().enumerate() {
        if index == gap {
            f.write_str("::")?;
            parted = true;
        } else if !(gap..gap + len).contains(&index) {
            let colon = if parted { "" } else { ":" };
            write!(f, "{colon}{:x}", u32::from(segment))?;
            parted = false;
        }
    }
    Ok(())
}
