//! Who the board is: the options of an [`Identity`], and what an address or a name can be.

use std::net::{Ipv4Addr, Ipv6Addr};

use clap::Args;
use smoltcp::wire::{EthernetAddress, Ipv4Cidr, Ipv6Cidr};
use tapboard_firmware::PEER_NET;
use tapboard_firmware::config::BOARD_NAME;

use crate::identity::{Given, Identity, Name, numbered_ipv6};

/// Prefix length of an IPv6 network, unless given: interface identifiers have 64 bits (RFC 4291 2.5.4).
const IPV6_PREFIX: u8 = 64;
/// Number of the host at the other end of the cable.
const HOST: u8 = PEER_NET.ipv4_address().octets()[3];

/// Who the board is on its network.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Who the board is")]
pub struct IdentityArgs {
    /// The board's number, 1 or 3 to 254 (2 is the host's). All that is not given follows from it: for 7 the
    /// MAC address 02:00:5e:00:00:07, 192.0.2.7, `2001:db8::7`, the name tapboard-02005e000007. Unless given,
    /// the host's part of --ip, or 1.
    #[arg(long, value_name = "N", value_parser = number)]
    pub(super) id: Option<u8>,
    /// The board's MAC address. The link-local IPv6 address and the name follow from it.
    #[arg(long, value_name = "ADDR", value_parser = mac)]
    pub(super) mac: Option<EthernetAddress>,
    /// The board's IPv6 address and prefix length, 64 unless given. With auto its addresses follow from what routers
    /// on its network say (SLAAC).
    #[arg(long, value_name = "auto|ADDR[/PREFIX]", value_parser = ip6)]
    pub(super) ip6: Option<Ip6Arg>,
    /// The board's name in its telemetry.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(super) board_name: Option<Name>,
}

impl IdentityArgs {
    /// The identity of a board with these options, and with that IPv4 address if one is given.
    pub(super) fn identity(&self, ip: Option<IpArg>, mdns: bool) -> Identity {
        Identity::new(&Given {
            number: self.id,
            mac: self.mac,
            ipv4: ip.and_then(IpArg::address),
            dhcp: ip == Some(IpArg::Dhcp),
            mdns,
            ipv6: self.ip6.and_then(Ip6Arg::address),
            slaac: self.ip6 == Some(Ip6Arg::Auto),
            name: self.board_name.clone(),
        })
    }
}

/// Where the board's IPv4 address is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IpArg {
    /// A DHCP server.
    Dhcp,
    /// It is this one.
    Static(Ipv4Cidr),
}

impl IpArg {
    /// The address that was given.
    pub(super) const fn address(self) -> Option<Ipv4Cidr> {
        match self {
            Self::Dhcp => None,
            Self::Static(address) => Some(address),
        }
    }
}

/// Where the board's IPv6 addresses are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ip6Arg {
    /// What routers say.
    Auto,
    /// It is this one.
    Static(Ipv6Cidr),
}

impl Ip6Arg {
    /// The address that was given.
    const fn address(self) -> Option<Ipv6Cidr> {
        match self {
            Self::Auto => None,
            Self::Static(address) => Some(address),
        }
    }
}

/// `auto`, or a host's IPv6 address, with its prefix length unless that is 64.
fn ip6(text: &str) -> Result<Ip6Arg, String> {
    if text == "auto" {
        return Ok(Ip6Arg::Auto);
    }
    ipv6(text).map(Ip6Arg::Static).map_err(|why| format!("{why}, or auto"))
}

/// `dhcp`, or a host's IPv4 address with its prefix length.
pub(super) fn ip(text: &str) -> Result<IpArg, String> {
    if text == DHCP {
        return Ok(IpArg::Dhcp);
    }
    ipv4(text).map(IpArg::Static).map_err(|why| format!("{why}, nor {DHCP}"))
}

/// `dhcp`.
pub(super) fn only_dhcp(text: &str) -> Result<IpArg, String> {
    (text == DHCP).then_some(IpArg::Dhcp).ok_or_else(|| {
        format!("{text:?} is not {DHCP}; another address than 192.0.2.1 follows from --id N")
    })
}

const DHCP: &str = "dhcp";

fn number(text: &str) -> Result<u8, String> {
    let number = text.parse().ok().filter(|number| (1..=254).contains(number));
    match number {
        Some(HOST) => Err(format!("{HOST} is the host's own number; choose 1, or 3 to 254")),
        Some(number) => Ok(number),
        None => Err(format!("{text:?} is no board's number; choose 1, or 3 to 254")),
    }
}

fn mac(text: &str) -> Result<EthernetAddress, String> {
    let Ok(mac) = text.parse::<EthernetAddress>() else {
        return Err(format!("{text:?} is not a MAC address, e.g. 02:00:5e:00:00:07"));
    };
    if mac.is_unicast() && mac.0 != [0; 6] {
        return Ok(mac);
    }
    Err(format!(
        "{text} is no single interface's; its first byte has to be even, and not all can be 0, e.g. \
         02:00:5e:00:00:07"
    ))
}

fn ipv6(text: &str) -> Result<Ipv6Cidr, String> {
    let (address, prefix) = text
        .split_once('/')
        .map_or((text, Ok(IPV6_PREFIX)), |(address, prefix)| (address, prefix.parse()));
    let (Ok(address), Ok(prefix @ 1..=127)) = (address.parse::<Ipv6Addr>(), prefix) else {
        return Err(format!(
            "{text:?} is not an IPv6 ADDRESS/PREFIX with a prefix of 1 to 127, e.g. 2001:db8::7/64"
        ));
    };
    let cidr = Ipv6Cidr::new(address, prefix);
    let why = if address.is_unicast_link_local() {
        "a link-local one, which follows from --mac"
    } else if address.is_multicast() {
        "a group's"
    } else if address.is_loopback()
        || address.is_unspecified()
        || address.to_ipv4_mapped().is_some()
    {
        "never seen on a network"
    } else if prefix < 127 && numbered_ipv6(cidr, 0) == cidr {
        // RFC 4291 2.6.1; RFC 6164 has an exception for 127 bits.
        "the network's own, to which any of its routers may answer"
    } else {
        return Ok(cidr);
    };
    Err(format!("{address} is {why}; choose a host's, e.g. 2001:db8::7/64"))
}

fn name(text: &str) -> Result<Name, String> {
    let why = if text.trim().is_empty() {
        "it is empty".into()
    } else if text.chars().any(char::is_control) {
        "it has control characters".into()
    } else if let Ok(name) = Name::try_from(text) {
        return Ok(name);
    } else {
        format!("it has {} bytes", text.len())
    };
    Err(format!(
        "{text:?} cannot name a board, {why}; choose 1 to {BOARD_NAME} bytes, e.g. greenhouse"
    ))
}

/// An IPv4 address that one host can have.
pub(super) fn host_ipv4(text: &str) -> Result<Ipv4Addr, String> {
    let address = text.parse().ok().filter(|address: &Ipv4Addr| {
        // RFC 6890 2.2.2: this network and the reserved block.
        let block = address.octets()[0];
        block != 0 && block < 224 && !address.is_loopback()
    });
    address.ok_or_else(|| format!("{text:?} is not the IPv4 address of a host, e.g. 192.0.2.254"))
}

/// A host's IPv4 address with its prefix length.
fn ipv4(text: &str) -> Result<Ipv4Cidr, String> {
    let parsed = text.split_once('/').and_then(|(address, prefix)| {
        let address = host_ipv4(address).ok()?;
        let prefix = prefix.parse().ok().filter(|prefix| (1..=30).contains(prefix))?;
        let cidr = Ipv4Cidr::new(address, prefix);
        is_host(cidr, address).then_some(cidr)
    });
    parsed.ok_or_else(|| {
        format!(
            "{text:?} is not a host's ADDRESS/PREFIX with a prefix of 1 to 30, e.g. 192.0.2.1/24"
        )
    })
}

/// Whether `address` is one that a host of `network` can have.
pub(super) fn is_host(network: Ipv4Cidr, address: Ipv4Addr) -> bool {
    network.contains_addr(&address)
        && address != network.network().address()
        && Some(address) != network.broadcast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_address_will_do() {
        assert!(ipv4("198.51.100.7/24").is_ok());
        for bad in [
            "192.0.2.1",
            "192.0.2.0/24",
            "192.0.2.255/24",
            "224.0.0.1/24",
            "240.0.0.1/24",
            "127.0.0.1/8",
            "0.0.0.1/8",
            "x/24",
            "192.0.2.1/31",
            "192.0.2.1/0",
        ] {
            assert!(ipv4(bad).unwrap_err().contains("e.g. 192.0.2.1/24"), "{bad}");
        }
        assert!(host_ipv4("192.0.2.254").is_ok());
        for bad in ["", "192.0.2", "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::1"] {
            assert!(host_ipv4(bad).unwrap_err().contains("e.g. 192.0.2.254"), "{bad}");
        }
    }

    #[test]
    fn an_address_is_a_servers_to_give_or_given() {
        assert_eq!(ip("dhcp"), Ok(IpArg::Dhcp));
        assert_eq!(ip("192.0.2.1/24"), ipv4("192.0.2.1/24").map(IpArg::Static));
        assert!(ip("DHCP!").unwrap_err().ends_with("e.g. 192.0.2.1/24, nor dhcp"));
        assert_eq!(ip6("auto"), Ok(Ip6Arg::Auto));
        assert_eq!(ip6("2001:db8::7"), ipv6("2001:db8::7/64").map(Ip6Arg::Static));
        assert!(ip6("Auto").unwrap_err().ends_with("e.g. 2001:db8::7/64, or auto"));
        assert_eq!(only_dhcp("dhcp"), Ok(IpArg::Dhcp));
        assert!(only_dhcp("192.0.2.7/24").unwrap_err().contains("--id N"));
    }

    #[test]
    fn a_number_is_a_boards() {
        for good in [1, 3, 254] {
            assert_eq!(number(&good.to_string()), Ok(good));
        }
        assert!(number("2").unwrap_err().contains("the host's own number; choose 1, or 3 to 254"));
        for bad in ["", "0", "255", "-1", "one", "1.5"] {
            assert!(number(bad).unwrap_err().contains("choose 1, or 3 to 254"), "{bad}");
        }
    }

    #[test]
    fn a_mac_address_is_one_interfaces() {
        for good in ["02:00:5e:00:00:07", "02-00-5E-00-00-07"] {
            assert_eq!(mac(good).unwrap().0, [2, 0, 0x5e, 0, 0, 7]);
        }
        for bad in [
            "",
            "02:00:5e:00:00",
            "02:00:5e:00:00:07:08",
            "02005e000007",
            "x2:00:5e:00:00:07",
            "01:00:5e:00:00:07",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
        ] {
            assert!(mac(bad).unwrap_err().contains("e.g. 02:00:5e:00:00:07"), "{bad}");
        }
    }

    #[test]
    fn an_ipv6_address_is_one_hosts() {
        assert_eq!(ipv6("2001:db8::7").unwrap(), ipv6("2001:db8::7/64").unwrap());
        assert_eq!(ipv6("fd00::7/48").unwrap().prefix_len(), 48);
        for (bad, why) in [
            ("", "is not an IPv6"),
            ("192.0.2.7/24", "is not an IPv6"),
            ("2001:db8::7/0", "is not an IPv6"),
            ("2001:db8::7/128", "is not an IPv6"),
            ("2001:db8::7/x", "is not an IPv6"),
            ("ff02::1/64", "a group's"),
            ("fe80::7/64", "follows from --mac"),
            ("::/64", "never seen"),
            ("::1/64", "never seen"),
            ("::ffff:192.0.2.7/64", "never seen"),
            ("2001:db8::/64", "the network's own"),
        ] {
            let error = ipv6(bad).unwrap_err();
            assert!(error.contains(why) && error.contains("e.g. 2001:db8::7/64"), "{error}");
        }
    }

    #[test]
    fn a_name_is_one_to_thirty_two_bytes() {
        let longest = "n".repeat(BOARD_NAME);
        for good in ["x", "Gewächshaus 3", &longest] {
            assert_eq!(name(good).unwrap(), good);
        }
        for (bad, why) in [
            ("", "it is empty"),
            (" ", "it is empty"),
            ("a\tb", "control characters"),
            (&format!("{longest}n"), "it has 33 bytes"),
        ] {
            let error = name(bad).unwrap_err();
            assert!(error.contains(why) && error.contains("choose 1 to 32 bytes"), "{error}");
        }
    }
}
