//! Columns: which host has one of its own, in which place.
//!
//! As hosts come, each takes the next column; the last one is shared by all who come after that. Or the columns
//! are chosen, because the hosts of the most frames are known, or somebody asks for these: then all others share
//! one at the right.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use smoltcp::wire::EthernetAddress;

/// Columns at most, unless told otherwise.
pub const HOSTS_MAX: usize = 6;

/// What a host is called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostName {
    /// Its address.
    Ip(IpAddr),
    /// Its address on the link.
    Mac(EthernetAddress),
    /// One end of a conversation that a host has with itself.
    Endpoint(SocketAddr),
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Mac(mac) => f.write_str(&mac.to_string().replace('-', ":")),
            Self::Endpoint(endpoint) => endpoint.fmt(f),
        }
    }
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ip = || text.parse().ok().map(Self::Ip);
        let endpoint = || text.parse().ok().map(Self::Endpoint);
        let mac = || text.parse().ok().map(Self::Mac);
        ip().or_else(endpoint).or_else(mac).ok_or_else(|| {
            format!(
                "\"{text}\" is no address; a host is one of IPv4, IPv6 or MAC, or an address with a port \
                 on loopback, as 127.0.0.1:4000"
            )
        })
    }
}

/// The columns.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    max: usize,
    /// The hosts that have one, by their names; `None` as hosts come.
    chosen: Option<Chosen>,
    /// The host of each column, as soon as it is known.
    hosts: Vec<Option<usize>>,
}

#[derive(Clone, Debug)]
struct Chosen {
    lanes: HashMap<HostName, usize>,
    names: Vec<HostName>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self::as_they_come(HOSTS_MAX)
    }
}

impl Lanes {
    /// So many columns at most, and no less than two.
    pub(super) const fn as_they_come(max: usize) -> Self {
        Self { max: if max < 2 { 2 } else { max }, chosen: None, hosts: Vec::new() }
    }

    /// A column for each of these hosts, of which any name may be met, and one for all others, which may be there
    /// from the beginning.
    pub(super) fn chosen_are(hosts: &[Vec<HostName>], others: bool) -> Self {
        let hosts: Vec<_> = hosts.iter().filter(|names| !names.is_empty()).collect();
        let names = hosts.iter().map(|names| names[0]).collect();
        let each = hosts.iter().enumerate();
        let lanes = each.flat_map(|(lane, names)| names.iter().map(move |name| (*name, lane)));
        let lanes = lanes.collect();
        let count = hosts.len();
        let hosts = vec![None; count + usize::from(others)];
        Self { max: count + 1, chosen: Some(Chosen { lanes, names }), hosts }
    }

    /// The column of a new host of these names.
    pub(super) fn assign(
        &mut self,
        host: usize,
        mut names: impl Iterator<Item = HostName>,
    ) -> usize {
        let shared = self.max - 1;
        let Some(chosen) = &self.chosen else {
            if self.hosts.len() < self.max {
                self.hosts.push(Some(host));
            }
            return self.hosts.len() - 1;
        };
        let lane = names.find_map(|name| chosen.find(name)).unwrap_or(shared);
        self.take(lane, host);
        lane
    }

    /// The column of a host that has got another of these names, if that is one that was chosen.
    pub(super) fn chosen(
        &mut self,
        host: usize,
        mut names: impl Iterator<Item = HostName>,
    ) -> Option<usize> {
        let chosen = self.chosen.as_ref()?;
        let lane = names.find_map(|name| chosen.find(name))?;
        self.take(lane, host);
        Some(lane)
    }

    fn take(&mut self, lane: usize, host: usize) {
        if lane >= self.hosts.len() {
            self.hosts.resize(lane + 1, None);
        }
        self.hosts[lane].get_or_insert(host);
    }

    /// How many columns there are so far.
    pub(super) const fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether more hosts than one share the column.
    pub(super) const fn is_shared(&self, lane: usize) -> bool {
        lane + 1 == self.max
    }

    /// The host of a column, if one has come.
    pub(super) fn host(&self, lane: usize) -> Option<usize> {
        self.hosts.get(lane).copied().flatten()
    }

    /// The names of columns that were chosen and that no host has taken.
    pub(super) fn absent(&self) -> impl Iterator<Item = HostName> {
        let names = self.chosen.iter().flat_map(|chosen| chosen.names.iter().copied().enumerate());
        names.filter(|(lane, _)| self.host(*lane).is_none()).map(|(_, name)| name)
    }

    /// The name that a column was chosen by.
    pub(super) fn name(&self, lane: usize) -> Option<HostName> {
        self.chosen.as_ref()?.names.get(lane).copied()
    }
}

impl Chosen {
    /// An end of a conversation on loopback may be asked for by its address alone.
    fn find(&self, name: HostName) -> Option<usize> {
        let address = || match name {
            HostName::Endpoint(endpoint) => self.lanes.get(&HostName::Ip(endpoint.ip())),
            _ => None,
        };
        self.lanes.get(&name).or_else(address).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        text.parse().unwrap()
    }

    #[test]
    fn a_host_is_named_by_any_kind_of_address() {
        for text in ["192.0.2.1", "2001:db8::1", "02:00:5e:00:00:01", "127.0.0.1:80", "[::1]:80"] {
            assert_eq!(name(text).to_string(), text);
        }
        let error = "example.com".parse::<HostName>().unwrap_err();
        assert!(error.contains("IPv4, IPv6 or MAC"), "{error}");
    }

    #[test]
    fn chosen_hosts_have_their_places_and_all_others_one_at_the_right() {
        let (a, b, c) = (name("192.0.2.1"), name("2001:db8::1"), name("192.0.2.3"));
        let mut lanes = Lanes::chosen_are(&[vec![a], vec![c, b]], false);
        assert_eq!(lanes.len(), 2);
        assert_eq!(lanes.assign(0, [name("192.0.2.9")].into_iter()), 2);
        assert_eq!(lanes.len(), 3);
        assert_eq!(lanes.assign(1, [b].into_iter()), 1);
        assert_eq!(lanes.chosen(0, [name("192.0.2.9"), a].into_iter()), Some(0));
        assert_eq!(lanes.assign(2, [name("192.0.2.1:80")].into_iter()), 0);
        assert_eq!([0, 1, 2].map(|lane| lanes.is_shared(lane)), [false, false, true]);
        assert_eq!([0, 1].map(|lane| lanes.host(lane)), [Some(0), Some(1)]);
        assert_eq!(Lanes::chosen_are(&[vec![a]], true).len(), 2);
    }
}
