//! What a gateway is told.

use tapboard_firmware::{NetConfig, PEER_NET};

use super::api_address::ApiAddress;
use super::dhcp::DhcpRange;
use super::dns;
use super::error::GatewayError;
use super::forward::Forward;
use super::host_port::HostPort;
use super::limits::ALLOWED;
use super::resolver::Resolver;

/// Who it is, what passes, and who may change that.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// The gateway's own addresses, within the board's networks; [`PEER_NET`] unless told.
    pub net: NetConfig,
    /// The host's ports that lead to the board.
    pub forwards: Vec<Forward>,
    /// The ports that the board may reach, of 127.0.0.1 unless they have an address.
    pub allowed: Vec<HostPort>,
    /// Whom the board may ask for names.
    pub resolver: Option<Resolver>,
    /// The addresses for who is not the board.
    pub dhcp_range: DhcpRange,
    /// Where ports are added and removed over HTTP.
    pub api: Option<ApiAddress>,
}

impl Default for GatewayConfig {
    /// Nothing passes.
    fn default() -> Self {
        Self {
            net: PEER_NET,
            forwards: Vec::new(),
            allowed: Vec::new(),
            resolver: None,
            dhcp_range: DhcpRange::default(),
            api: None,
        }
    }
}

impl GatewayConfig {
    /// Whether the ports that are allowed go together.
    pub(super) fn check(&self) -> Result<(), GatewayError> {
        if self.allowed.len() > ALLOWED {
            return Err(GatewayError::TooManyAllowed(self.allowed.len()));
        }
        for (index, &second) in self.allowed.iter().enumerate() {
            if second.port == dns::PORT {
                return Err(GatewayError::NamesAllowed(second));
            }
            let same = |first: &&HostPort| {
                first.port == second.port && first.protocol.overlaps(second.protocol)
            };
            if let Some(&first) = self.allowed[..index].iter().find(same) {
                return Err(GatewayError::AllowedTwice(first, second));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allowed: &[&str]) -> Result<(), String> {
        let allowed = allowed.iter().map(|text| text.parse().unwrap()).collect();
        let config = GatewayConfig { allowed, ..GatewayConfig::default() };
        config.check().map_err(|error| error.to_string())
    }

    #[test]
    fn a_port_of_the_gateway_leads_to_one_place() {
        assert_eq!(check(&["9000", "tcp:127.0.0.2:80", "udp:[::1]:80"]), Ok(()));
        let error = check(&["9000", "udp:127.0.0.2:9000"]).unwrap_err();
        assert!(error.contains("both 9000 and udp:127.0.0.2:9000; allow one"), "{error}");
        let error = check(&["udp:127.0.0.3:53"]).unwrap_err();
        assert!(error.ends_with("use --allow-dns=127.0.0.3"), "{error}");
        let ports: Vec<_> = (1..=ALLOWED + 1).map(|port| (1000 + port).to_string()).collect();
        let ports: Vec<_> = ports.iter().map(String::as_str).collect();
        assert_eq!(check(&ports[..ALLOWED]), Ok(()));
        assert!(check(&ports).unwrap_err().contains("allow fewer"));
    }
}
