//! Which TAP to open, and how.

use smoltcp::wire::{IpCidr, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};

use crate::nic::KernelOffload;

/// Which TAP, and the host's addresses if it has to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapConfig {
    /// The interface: 1 to 15 bytes.
    pub name: String,
    /// The host's own IPv4 address on it, with the length of the on-link prefix.
    pub host_ipv4: Ipv4Cidr,
    /// The host's own IPv6 address on it, if any.
    pub host_ipv6: Option<Ipv6Cidr>,
    /// What the kernel may leave to us, and we to it.
    pub offload: KernelOffload,
}

impl Default for TapConfig {
    /// `tap0`, 192.0.2.2/24 (RFC 5737) and `2001:db8::2/64` (RFC 3849), with the default offload.
    fn default() -> Self {
        let ipv6 = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
        Self {
            name: "tap0".into(),
            host_ipv4: Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 2), 24),
            host_ipv6: Some(Ipv6Cidr::new(ipv6, 64)),
            offload: KernelOffload::default(),
        }
    }
}

impl TapConfig {
    /// The shell command by which an administrator makes this TAP once, for the user who runs it.
    #[must_use]
    pub fn setup_command(&self) -> String {
        let Self { name, host_ipv4, host_ipv6, .. } = self;
        let ipv6 = host_ipv6.map_or_else(String::new, |host_ipv6| {
            format!(" && sudo ip addr add {host_ipv6} dev {name} nodad")
        });
        format!(
            "sudo ip tuntap add {name} mode tap user $(id -un) && \
             sudo ip addr add {host_ipv4} dev {name} && sudo ip link set {name} up{ipv6}"
        )
    }

    /// The host's addresses.
    pub(super) fn hosts(&self) -> Vec<IpCidr> {
        let ipv6 = self.host_ipv6.map(IpCidr::Ipv6);
        [IpCidr::Ipv4(self.host_ipv4)].into_iter().chain(ipv6).collect()
    }
}
