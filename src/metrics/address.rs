//! Where metrics are to be had.

use std::net::{Ipv4Addr, SocketAddr};

/// Reads `127.0.0.1:9100`, `[::1]:9100`, or `9100` for a port of 127.0.0.1. Port 0 is a free one.
pub fn metrics_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().map_err(|_| {
        format!("{text:?} is neither a port nor an address and a port, e.g. 9100 or 127.0.0.1:9100")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_this_machine() {
        for (text, address) in [
            ("9100", "127.0.0.1:9100"),
            ("0", "127.0.0.1:0"),
            ("127.0.0.2:9100", "127.0.0.2:9100"),
            ("[::1]:9100", "[::1]:9100"),
            ("0.0.0.0:9100", "0.0.0.0:9100"),
        ] {
            assert_eq!(metrics_address(text).unwrap().to_string(), address);
        }
        for bad in ["", "x", "65536", "localhost:9100", "127.0.0.1", "unix:/tmp/x"] {
            assert!(metrics_address(bad).unwrap_err().contains("e.g. 9100"), "{bad}");
        }
    }
}
