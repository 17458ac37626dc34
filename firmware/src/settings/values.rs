//! The settings that there are, what their values mean, and what becomes of a board that has them.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use smoltcp::wire::{Ipv4Address, Ipv4Cidr};
use tapboard_net::NetConfig;

use super::table::{Full, Table};
use crate::config::BOARD_NAME;
#[cfg(feature = "dns")]
use crate::config::{DNS_SERVERS, TARGET_NAME};

/// A setting that a board may have.
#[derive(Clone, Copy)]
pub struct Setting {
    /// What it is called: small letters.
    pub name: &'static str,
    /// What a value is, to be read after "is".
    pub form: &'static str,
    /// A value.
    pub example: &'static str,
    means: fn(&str) -> bool,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// All of them, in the order in which the shell lists them.
pub static SETTINGS: &[Setting] = &[
    Setting {
        name: IP,
        #[cfg(feature = "dhcp")]
        form: "dhcp, or the ADDR/LEN of a host, LEN 1 to 30",
        #[cfg(not(feature = "dhcp"))]
        form: "the ADDR/LEN of a host, LEN 1 to 30",
        example: "192.0.2.7/24",
        means: |value| ip(value).is_some(),
    },
    Setting {
        name: GATEWAY,
        form: "the IPv4 address of a router",
        example: "192.0.2.254",
        means: |value| host_ipv4(value).is_some(),
    },
    Setting {
        name: NAME,
        form: "a text of 1 to 32 bytes",
        example: "greenhouse",
        means: |value| value.len() <= BOARD_NAME,
    },
    Setting {
        name: TELEMETRY,
        form: "off, or HOST:PORT",
        example: if cfg!(feature = "dns") { "desk.local:9000" } else { "192.0.2.2:9000" },
        means: |value| telemetry(value).is_some(),
    },
    #[cfg(feature = "dns")]
    Setting {
        name: DNS,
        form: "the address of a DNS server, or of two",
        example: "192.0.2.53",
        means: |value| dns(value).is_some(),
    },
];

const IP: &str = "ip";
const GATEWAY: &str = "gateway";
const NAME: &str = "name";
const TELEMETRY: &str = "telemetry";
#[cfg(feature = "dns")]
const DNS: &str = "dns";

const _: () = assert!(BOARD_NAME == 32, "what the form of a name says");

impl Setting {
    /// The setting `name`, in letters of any size.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name.eq_ignore_ascii_case(name))
    }
}

/// Where the board's IPv4 address is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv4Setting {
    /// A DHCP server.
    #[cfg(feature = "dhcp")]
    Dhcp,
    /// It is this one.
    Static(Ipv4Cidr),
}

/// Where telemetry goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TelemetrySetting<'a> {
    /// Nowhere.
    Off,
    /// To this address.
    Address(SocketAddr),
    /// To this port of the host with that name; with the feature `dns` only.
    Name(&'a str, u16),
}

/// Why a setting is not made.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    /// There is none of that name.
    Unknown,
    /// The value is none of it.
    Form(&'static Setting),
    /// A DHCP server names the gateway.
    Leased,
    /// The board would be its own gateway.
    Own,
    /// The table has no room for it.
    Full(Full),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("no such setting; set lists them"),
            Self::Form(Setting { name, form, example, .. }) => {
                write!(f, "{name} is {form}, e.g. {example}")
            }
            Self::Leased => f.write_str(
                "with ip dhcp, the server names the gateway; unset gateway, or set ip ADDR/LEN",
            ),
            Self::Own => f.write_str("the gateway would be the board itself; set another address"),
            Self::Full(full) => full.fmt(f),
        }
    }
}

impl core::error::Error for Refusal {}

impl Table {
    /// Makes a setting, `name` in letters of any size, if the value is one of it and goes with the others.
    pub fn choose(&mut self, name: &str, value: &str) -> Result<&'static Setting, Refusal> {
        let setting = Setting::named(name).ok_or(Refusal::Unknown)?;
        let value = value.trim();
        if value.is_empty() || value.contains(char::is_control) || !(setting.means)(value) {
            return Err(Refusal::Form(setting));
        }
        let of = |name| if name == setting.name { Some(value) } else { self.get(name) };
        if setting.name == IP || setting.name == GATEWAY {
            go_together(of(IP).and_then(ip), of(GATEWAY).and_then(host_ipv4))?;
        }
        self.set(setting.name, value).map_err(Refusal::Full)?;
        Ok(setting)
    }

    /// What is wrong with a table that somebody wrote: the first setting that [`Table::choose`] would refuse, and why.
    #[must_use]
    pub fn mistake(&self) -> Option<(&str, Refusal)> {
        let mut sound = Self::new();
        self.entries().find_map(|(name, value)| Some((name, sound.choose(name, value).err()?)))
    }

    /// The address settings, in place of those of `net`. Of a table whose values mean nothing, `net` stays.
    #[must_use]
    pub fn net(&self, net: NetConfig) -> NetConfig {
        let built = net.ipv4_gateway();
        let net = match self.get(IP).and_then(ip) {
            None => net,
            #[cfg(feature = "dhcp")]
            Some(Ipv4Setting::Dhcp) => net.with_dhcp(),
            Some(Ipv4Setting::Static(address)) => {
                let net = net.without_ipv4().with_ipv4(address);
                // The network that it was built for may be another.
                match built.filter(|gateway| address.contains_addr(gateway)) {
                    Some(gateway) => net.with_ipv4_gateway(gateway),
                    None => net,
                }
            }
        };
        let net = match self.get(GATEWAY).and_then(host_ipv4) {
            Some(gateway) if !leased(&net) => net.with_ipv4_gateway(gateway),
            _ => net,
        };
        #[cfg(feature = "dns")]
        if let Some(servers) = self.get(DNS).and_then(dns) {
            let net = net.without_dns_servers();
            return servers.iter().flatten().fold(net, |net, server| net.with_dns_server(*server));
        }
        net
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.get(NAME).filter(|name| name.len() <= BOARD_NAME)
    }

    /// Where telemetry goes.
    #[must_use]
    pub fn telemetry(&self) -> Option<TelemetrySetting<'_>> {
        self.get(TELEMETRY).and_then(telemetry)
    }
}

fn leased(net: &NetConfig) -> bool {
    #[cfg(feature = "dhcp")]
    return net.dhcp();
    #[cfg(not(feature = "dhcp"))]
    {
        let _ = net;
        false
    }
}

fn go_together(ip: Option<Ipv4Setting>, gateway: Option<Ipv4Address>) -> Result<(), Refusal> {
    match (ip, gateway) {
        #[cfg(feature = "dhcp")]
        (Some(Ipv4Setting::Dhcp), Some(_)) => Err(Refusal::Leased),
        (Some(Ipv4Setting::Static(own)), Some(gateway)) if own.address() == gateway => {
            Err(Refusal::Own)
        }
        _ => Ok(()),
    }
}

fn ip(value: &str) -> Option<Ipv4Setting> {
    #[cfg(feature = "dhcp")]
    if value.eq_ignore_ascii_case("dhcp") {
        return Some(Ipv4Setting::Dhcp);
    }
    let (address, length) = value.split_once('/')?;
    let length = length.parse().ok().filter(|length| (1..=30).contains(length))?;
    let address = host_ipv4(address)?;
    let cidr = Ipv4Cidr::new(address, length);
    let host = address != cidr.network().address() && Some(address) != cidr.broadcast();
    host.then_some(Ipv4Setting::Static(cidr))
}

fn host_ipv4(value: &str) -> Option<Ipv4Address> {
    value.parse().ok().filter(|&address| is_host(address))
}

/// Whether a host can have the address (RFC 6890 2.2.2).
fn is_host(address: Ipv4Address) -> bool {
    let block = address.octets()[0];
    block != 0 && block < 224 && !address.is_loopback()
}

/// Whether a host can have the address, of a family that the board has.
fn reachable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_host(address),
        IpAddr::V6(address) => {
            cfg!(feature = "ipv6")
                && !(address.is_unspecified() || address.is_multicast() || address.is_loopback())
        }
    }
}

fn telemetry(value: &str) -> Option<TelemetrySetting<'_>> {
    if value.eq_ignore_ascii_case("off") {
        return Some(TelemetrySetting::Off);
    }
    if let Ok(to) = value.parse::<SocketAddr>() {
        return (reachable(to.ip()) && to.port() != 0).then_some(TelemetrySetting::Address(to));
    }
    #[cfg(feature = "dns")]
    {
        let (name, port) = value.rsplit_once(':')?;
        let port = port.parse().ok().filter(|&port| port != 0)?;
        let named = name.len() <= TARGET_NAME && tapboard_net::dns::is_name(name);
        named.then_some(TelemetrySetting::Name(name, port))
    }
    #[cfg(not(feature = "dns"))]
    None
}

#[cfg(feature = "dns")]
fn dns(value: &str) -> Option<[Option<IpAddr>; DNS_SERVERS]> {
    let mut servers = [None; DNS_SERVERS];
    let mut places = servers.iter_mut();
    for word in value.split_ascii_whitespace() {
        *places.next()? = Some(word.parse().ok().filter(|&server| reachable(server))?);
    }
    Some(servers)
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;
    use crate::BOARD_NET;

    fn refusal(table: &mut Table, name: &str, value: &str) -> std::string::String {
        let refused = table.choose(name, value).expect_err(value);
        refused.to_string()
    }

    fn cidr(text: &str) -> Ipv4Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn every_setting_takes_its_own_example_and_no_nonsense() {
        for Setting { name, example, form, .. } in SETTINGS {
            let mut table = Table::new();
            assert_eq!(table.choose(&name.to_uppercase(), example).unwrap().name, *name);
            assert_eq!(table.get(name), Some(*example));
            for bad in ["", " ", "\u{7}", &"x".repeat(100)] {
                let said = refusal(&mut table, name, bad);
                assert!(said.starts_with(&std::format!("{name} is {form}, e.g. ")), "{said}");
            }
            assert_eq!(table.get(name), Some(*example), "what was chosen stays");
        }
        assert_eq!(refusal(&mut Table::new(), "nmae", "x"), "no such setting; set lists them");
    }

    #[test]
    fn an_address_is_one_hosts() {
        let mut table = Table::new();
        for bad in [
            "192.0.2.7",
            "192.0.2.0/24",
            "192.0.2.255/24",
            "192.0.2.7/31",
            "192.0.2.7/0",
            "127.0.0.1/8",
            "224.0.0.1/24",
            "0.0.0.1/8",
            "x/24",
            "dhcp4",
        ] {
            assert!(refusal(&mut table, "ip", bad).contains("e.g. 192.0.2.7/24"), "{bad}");
        }
        for bad in ["0.0.0.0", "224.0.0.1", "127.0.0.1", "255.255.255.255", "192.0.2.1/24", "::1"] {
            assert!(refusal(&mut table, "gateway", bad).contains("e.g. 192.0.2.254"), "{bad}");
        }
        for bad in ["192.0.2.2", "192.0.2.2:0", "0.0.0.0:9", "224.0.0.1:9", "192.0.2.2:65536", "on"]
        {
            assert!(refusal(&mut table, "telemetry", bad).contains(":9000"), "{bad}");
        }
    }

    #[test]
    fn what_is_set_is_what_the_board_is() {
        let mut table = Table::new();
        let net = BOARD_NET.with_ipv4_gateway(Ipv4Address::new(192, 0, 2, 254));
        assert_eq!((table.net(net), table.name(), table.telemetry()), (net, None, None));
        table.choose("ip", "192.0.2.7/25").unwrap();
        let seven = table.net(net);
        assert_eq!((seven.ipv4(), seven.mac()), (Some(cidr("192.0.2.7/25")), net.mac()));
        assert_eq!(seven.ipv4_gateway(), None, "the one that it was built for is not in reach");
        table.choose("ip", "192.0.2.7/24").unwrap();
        assert_eq!(table.net(net).ipv4_gateway(), net.ipv4_gateway());
        table.choose("gateway", "192.0.2.129").unwrap();
        assert_eq!(table.net(net).ipv4_gateway(), Some(Ipv4Address::new(192, 0, 2, 129)));
        table.choose("name", "Gew\u{e4}chshaus 3").unwrap();
        assert_eq!(table.name(), Some("Gew\u{e4}chshaus 3"));
        table.choose("telemetry", "OFF").unwrap();
        assert_eq!(table.telemetry(), Some(TelemetrySetting::Off));
        table.choose("telemetry", "192.0.2.9:9").unwrap();
        let to = SocketAddr::from(([192, 0, 2, 9], 9));
        assert_eq!(table.telemetry(), Some(TelemetrySetting::Address(to)));
    }

    #[test]
    fn a_board_is_not_its_own_gateway_in_either_order() {
        let mut table = Table::new();
        table.choose("ip", "192.0.2.7/24").unwrap();
        assert!(refusal(&mut table, "gateway", "192.0.2.7").contains("set another address"));
        table.choose("gateway", "192.0.2.8").unwrap();
        assert!(refusal(&mut table, "ip", "192.0.2.8/24").contains("set another address"));
    }

    #[cfg(feature = "dhcp")]
    #[test]
    fn a_server_gives_the_address_and_the_gateway() {
        let mut table = Table::new();
        table.choose("ip", "dhcp").unwrap();
        assert!(refusal(&mut table, "gateway", "192.0.2.8").contains("unset gateway, or set ip"));
        let net = table.net(BOARD_NET);
        assert!(net.dhcp() && net.ipv4().is_none());
        // Of a board that was built for it.
        let mut table = Table::new();
        table.choose("gateway", "192.0.2.8").unwrap();
        assert_eq!(table.net(BOARD_NET.with_dhcp()).ipv4_gateway(), None);
    }

    #[cfg(feature = "dns")]
    #[test]
    fn servers_and_a_target_have_names() {
        let mut table = Table::new();
        table.choose("telemetry", "desk.local:9").unwrap();
        assert_eq!(table.telemetry(), Some(TelemetrySetting::Name("desk.local", 9)));
        let long = std::format!("{}.{}:9", "a".repeat(40), "b".repeat(40));
        for bad in ["desk:0", "desk", ":9", "a..b:9", &long] {
            assert!(refusal(&mut table, "telemetry", bad).contains("off, or HOST:PORT"), "{bad}");
        }
        let built = BOARD_NET.with_dns_server(IpAddr::from([192, 0, 2, 1]));
        assert_eq!(table.net(built).dns_servers(), built.dns_servers());
        table.choose("dns", "192.0.2.53  192.0.2.54").unwrap();
        let servers = [53, 54].map(|host| IpAddr::from([192, 0, 2, host]));
        assert_eq!(table.net(built).dns_servers(), servers);
        for bad in ["192.0.2.53 192.0.2.54 192.0.2.55", "192.0.2.53,192.0.2.54", "224.0.0.1"] {
            assert!(refusal(&mut table, "dns", bad).contains("or of two"), "{bad}");
        }
    }

    #[test]
    fn a_table_by_hand_is_judged_line_by_line() {
        let table = Table::parse(b"ip=192.0.2.7/24\ngateway=192.0.2.7\nname=x").unwrap();
        let (name, why) = table.mistake().unwrap();
        assert!(name == "gateway" && matches!(why, Refusal::Own));
        assert!(Table::parse(b"name=x\n").unwrap().mistake().is_none());
        let table = Table::parse(b"nmae=x\n").unwrap();
        assert!(matches!(table.mistake(), Some(("nmae", Refusal::Unknown))));
    }
}
