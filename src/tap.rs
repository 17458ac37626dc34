//! `tapboard tap`: the board on a Linux TAP, a host of its own beside the kernel's network stack.

mod nic;

use std::net::{IpAddr, SocketAddr};
use std::thread::available_parallelism;

use smoltcp::time::Duration;
use smoltcp::wire::{IpAddress, IpCidr, Ipv4Cidr, Ipv6Cidr};

pub(crate) use self::nic::TapNic;
use crate::identity::{Identity, mac_text, numbered_ipv4, numbered_ipv6};
use crate::nic::tap::{HostSide, Tap, TapConfig, machine_addresses};
use crate::nic::{KernelOffload, Offloads};
use crate::output::say;
use crate::run::{Driver, Profile, RunOptions};
use crate::settings::Chosen;

/// How long to look for the next frame before sleeping, microseconds, unless told otherwise.
const BUSY_POLL_US: u16 = 50;

/// What `tapboard tap` is told.
#[derive(Clone, Debug)]
pub struct TapOptions {
    /// The interface's name.
    pub name: String,
    /// Who the board is.
    pub identity: Identity,
    /// What the kernel may leave to the NIC, and the NIC to it.
    pub offload: KernelOffload,
    /// How long to look for the next frame before sleeping, microseconds; the usual time unless given.
    pub busy_poll_us: Option<u16>,
    /// How to run it.
    pub run: RunOptions,
}

/// How long to look for the next frame before sleeping. With one processor, who sends it could not.
fn busy_poll(micros: Option<u16>) -> Duration {
    let several = || available_parallelism().is_ok_and(|count| count.get() > 1);
    let micros = micros.unwrap_or_else(|| if several() { BUSY_POLL_US } else { 0 });
    Duration::from_micros(micros.into())
}

/// Runs the board until a signal or `quit` at the console ends it.
pub fn run(options: &TapOptions) -> Result<(), String> {
    if options.run.offloads.segmentation && options.offload == KernelOffload::Off {
        return Err("--segmentation-offload leaves to the NIC what --offload off keeps it from; \
                    leave one of them out"
            .to_owned());
    }
    let mut driver = Driver::new()?;
    driver.busy_poll(busy_poll(options.busy_poll_us));
    let chosen =
        Chosen::read(&options.identity, options.run.telemetry, options.run.settings.as_ref())?;
    let identity = &chosen.identity;
    not_the_hosts(identity)?;
    let config = TapConfig {
        name: options.name.clone(),
        host_ipv4: host_ipv4(identity.ipv4()),
        host_ipv6: identity.net.ipv6().map(host_ipv6),
        offload: options.offload,
    };
    let tap = Tap::open(&config).map_err(|error| error.to_string())?;
    let mac = identity.net.mac();
    if tap.host().macs.contains(&mac) {
        let name = tap.name();
        return Err(format!(
            "{mac} is the host's own MAC address on {name}; choose another with --mac"
        ));
    }
    for warning in tap.warnings() {
        log::warn!("{warning}");
    }
    options.run.link.warn();
    warn(identity);
    let calls = if tap.kernel().segmentation { "many segments" } else { "one frame" };
    log::info!("{}: {calls} in a system call", tap.name());
    let mut nic = TapNic::watched(tap, &driver.registry()?)?;
    // After what another board may have already, so that its capture is not replaced; before this one is up.
    driver.open(&options.run)?;
    let collector = collector(identity, nic.tap().host());
    // With those that the TAP brought.
    let own = machine_addresses().unwrap_or_default();
    let telemetry = chosen.telemetry.destination(collector).and_then(|to| to.address());
    print_banner(
        identity,
        nic.tap(),
        telemetry.filter(|to| own.contains(&to.ip())),
        options.run.profile,
    );
    let mut run = options.run.clone();
    if run.offloads.segmentation && !nic.tap().kernel().segmentation {
        log::warn!(
            "{} cannot segment; the firmware does that, and its checksums",
            nic.tap().name()
        );
        run.offloads = Offloads { segmentation: false, receive: false, ..run.offloads };
    }
    driver.run(&options.identity, &run, collector, &mut nic)
}

/// The host's IPv4 address in the network of `board`: number 2, or number 1 if that is the board's.
fn host_ipv4(board: Ipv4Cidr) -> Ipv4Cidr {
    let numbers = [2, 1].map(|number| numbered_ipv4(board, number));
    numbers.into_iter().find(|host| *host != board).unwrap_or(board)
}

/// Likewise its IPv6 address.
fn host_ipv6(board: Ipv6Cidr) -> Ipv6Cidr {
    let numbers = [2, 1].map(|number| numbered_ipv6(board, number));
    numbers.into_iter().find(|host| *host != board).unwrap_or(board)
}

/// Where telemetry goes unless told otherwise: to the host in the network of `board`, at the address that it
/// has there or would get. With DHCP, to the host wherever it is.
fn collector(identity: &Identity, host: &HostSide) -> SocketAddr {
    let (board, anywhere) = (identity.ipv4(), identity.net.dhcp());
    let usual = host_ipv4(board).address();
    let near = |address: IpAddress| match address {
        IpAddress::Ipv4(address) => (anywhere || board.contains_addr(&address)).then_some(address),
        IpAddress::Ipv6(_) => None,
    };
    let found = || host.addresses.iter().filter_map(|own| near(own.address()));
    let address = found().find(|own| *own == usual).or_else(|| found().next()).unwrap_or(usual);
    (address, 9000).into()
}

/// An error if the board would have an address of this machine.
fn not_the_hosts(identity: &Identity) -> Result<(), String> {
    let own = machine_addresses()
        .map_err(|error| format!("cannot look up this machine's addresses: {error}"))?;
    let known = |address: &IpAddr| !(identity.net.dhcp() && address.is_ipv4());
    let mut addresses = identity.addresses().filter(known);
    addresses.find(|address| own.contains(address)).map_or(Ok(()), |address| {
        let option = if address.is_ipv4() { "--ip" } else { "--ip6" };
        Err(format!(
            "{address} is an address of this machine, and cannot be the board's too; choose another with \
             {option} ADDR/PREFIX, or all with --id N"
        ))
    })
}

/// Warns of what does not do what one might think.
fn warn(identity: &Identity) {
    let network = identity.ipv4().network();
    if let Some(gateway) =
        identity.net.ipv4_gateway().filter(|gateway| !network.contains_addr(gateway))
    {
        log::warn!(
            "--gateway {gateway} is outside the board's network, {network}: that works only if it is on this cable \
             all the same; if not, name one inside, or give --ip a shorter prefix"
        );
    }
}

/// What to say if a board that was given another address since is out of reach of the addresses that the host has on
/// the TAP `name`, or on what that is a port of.
fn apart(identity: &Identity, name: &str, host: &HostSide) -> Option<String> {
    let board = identity.net.ipv4()?;
    let mut own = host.addresses.iter().filter_map(|own| match own {
        IpCidr::Ipv4(own) => Some(own),
        IpCidr::Ipv6(_) => None,
    });
    let near =
        |own: &Ipv4Cidr| own.contains_addr(&board.address()) && board.contains_addr(&own.address());
    let first = own.clone().next()?;
    (!own.any(near)).then(|| {
        format!(
            "the board is {board} now, and this host is {first} on {name}: neither reaches the other without a router; \
             start tapboard again, or give {name} an address in {}",
            board.network()
        )
    })
}

/// The addresses that the host was given, as ` A and B for this host`, without that which each interface has.
fn given(host: &HostSide) -> String {
    let link_local =
        |own: &IpCidr| matches!(own, IpCidr::Ipv6(own) if own.address().is_unicast_link_local());
    let own = host.addresses.iter().filter(|own| !link_local(own)).map(ToString::to_string);
    let own: Vec<_> = own.collect();
    if own.is_empty() {
        "out an address".into()
    } else {
        format!(" {} for this host", own.join(" and "))
    }
}

/// `telemetry` is where it goes to, if that is this machine.
fn print_banner(identity: &Identity, tap: &Tap, telemetry: Option<SocketAddr>, profile: Profile) {
    let (net, name) = (identity.net, tap.name());
    // Until a server has spoken.
    let board = net.ipv4().map_or("ADDRESS".into(), |own| own.address().to_string());
    if net.dhcp() {
        say!("The board is up on {name}, and asks for its address.\n");
    } else {
        say!("The board is up: {board} on {name}.\n");
    }
    say!("  {board:<15} 7 echo, 9 discard (TCP and UDP), 19 chargen, 23 shell, 80 page");
    if let Some(ipv6) = net.ipv6() {
        say!("  {:<15} the same", ipv6.address());
    } else if net.slaac() {
        say!("  and the same at the IPv6 addresses that follow from what routers say");
    }
    let mac = mac_text(net.mac());
    say!("  It is {}, with the MAC address {mac}; {profile}.", identity.name);
    let HostSide { master, .. } = tap.host();
    let port = master.as_ref().map_or_else(String::new, |master| format!(", a port of {master}"));
    if tap.created() {
        let given = given(tap.host());
        say!("  {name} was created with{given}, and goes when this ends.");
    } else {
        say!("  {name} was there{port}; its addresses stay as they are.");
    }
    say!("\nTry, in another terminal:");
    say!("  ping -c 3 {board}");
    say!("  printf hello | nc -N {board} 7");
    say!("  {:<32} # then: help, led on, netstat", format!("nc {board} 23"));
    say!("  {:<32} # in a browser", format!("http://{board}/"));
    if let Some(telemetry) = telemetry {
        let collect = format!("nc -l {} {}", telemetry.ip(), telemetry.port());
        say!("  {collect:<32} # telemetry");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Given;

    #[test]
    fn the_host_is_number_two_of_the_boards_networks_or_number_one() {
        let ipv4 = |board: &str| host_ipv4(board.parse().unwrap()).to_string();
        assert_eq!(ipv4("192.0.2.1/24"), "192.0.2.2/24");
        assert_eq!(ipv4("192.0.2.254/24"), "192.0.2.2/24");
        assert_eq!(ipv4("192.0.2.2/24"), "192.0.2.1/24");
        assert_eq!(ipv4("192.0.2.6/30"), "192.0.2.5/30");
        assert_eq!(ipv4("10.9.8.7/8"), "10.0.0.2/8");
        let ipv6 = |board: &str| host_ipv6(board.parse().unwrap()).to_string();
        assert_eq!(ipv6("2001:db8::1/64"), "2001:db8::2/64");
        assert_eq!(ipv6("2001:db8:1::2/64"), "2001:db8:1::1/64");
    }

    #[test]
    fn a_board_that_moved_away_from_the_host_is_told_of() {
        let apart = |board: &str, addresses: &[&str]| {
            let ipv4 = board.parse().ok();
            let identity = Identity::new(&Given { ipv4, ..Given::default() });
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            apart(&identity, "tap0", &HostSide { addresses, ..HostSide::default() })
        };
        let both = ["192.0.2.2/24", "2001:db8::2/64"];
        let text = apart("198.51.100.9/24", &both).unwrap();
        assert!(
            text.contains("192.0.2.2/24 on tap0") && text.contains("198.51.100.0/24"),
            "{text}"
        );
        assert!(apart("192.0.2.9/28", &["192.0.2.66/24"]).is_some(), "it would not answer");
        for (board, own) in [
            ("192.0.2.9/24", &both[..]),
            ("198.51.100.9/24", &["192.0.2.2/24", "198.51.100.1/24"]),
            // Who bridges it to others has none there.
            ("198.51.100.9/24", &[]),
            ("198.51.100.9/24", &["2001:db8::2/64"]),
        ] {
            assert_eq!(apart(board, own), None, "{board} {own:?}");
        }
    }

    #[test]
    fn what_the_host_was_given_is_named() {
        let named = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            given(&HostSide { addresses, ..HostSide::default() })
        };
        let all = ["192.0.2.2/24", "2001:db8::2/64", "fe80::1/64"];
        assert_eq!(named(&all), " 192.0.2.2/24 and 2001:db8::2/64 for this host");
        assert_eq!(named(&["fe80::1/64"]), "out an address");
    }

    #[test]
    fn telemetry_goes_to_where_the_host_is() {
        let of = |dhcp: bool, addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            let host = HostSide { addresses, ..HostSide::default() };
            collector(&Identity::new(&Given { dhcp, ..Given::default() }), &host).to_string()
        };
        let collector = |addresses: &[&str]| of(false, addresses);
        assert_eq!(collector(&[]), "192.0.2.2:9000");
        assert_eq!(collector(&["10.0.0.1/8", "2001:db8::2/64"]), "192.0.2.2:9000");
        assert_eq!(collector(&["192.0.2.77/24", "192.0.2.2/24"]), "192.0.2.2:9000");
        assert_eq!(collector(&["10.0.0.1/8", "192.0.2.77/32"]), "192.0.2.77:9000");
        assert_eq!(of(true, &["10.0.0.1/8"]), "10.0.0.1:9000", "the board will be there too");
        assert_eq!(of(true, &[]), "192.0.2.2:9000");
    }
}
