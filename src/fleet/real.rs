//! A fleet in real time: its uplink is a TAP, gateways, or the fleet of another process.
//!
//! The loop is that of one board ([`Driver::run_endpoint`]): the fleet is what it polls, at the end of the uplink's cable,
//! which the console, `--pcap` and `--ladder` look at. Deadlines of boards and of frames on their own cables are met to
//! the millisecond, late.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use mio::Registry;
use mio::event::Event;
use smoltcp::time::Instant;

use super::BOARDS_PER_HOST;
use super::boards::Fleet;
use super::gateways::Gateways;
use super::machine::BoardConfig;
use super::options::{FleetOptions, GatewayUplink, Uplink, loopback};
use super::trunk::Trunk;
use super::trunks::Trunks;
use crate::gateway::{Forward, GatewayMemory, HostPort};
use crate::nic::tap::{Tap, TapConfig, machine_addresses};
use crate::nic::{DeviceRef, KernelOffload};
use crate::output::{counted, say};
use crate::run::{Driver, ENDPOINT, NIC, Nic};
use crate::tap::TapNic;

/// The way to another process's switch.
struct TrunkUplink(Trunk);

impl Nic for TrunkUplink {
    type Device<'a> = DeviceRef<'a, Trunk>;

    fn device(&mut self) -> DeviceRef<'_, Trunk> {
        DeviceRef(&mut self.0)
    }

    fn ready(&mut self, _event: &Event) {
        self.0.ready();
    }

    fn turn(&mut self, now: Instant) -> Result<Option<Instant>, String> {
        self.0.flush();
        match self.0.gone() {
            Some(why) => Err(format!("the fleet that this one had joined is gone: {why}")),
            None => Ok(self.0.unread().then_some(now)),
        }
    }

    fn summary(&self) -> String {
        format!("trunk: {} lost", counted(self.0.dropped(), "frame"))
    }
}

/// Runs the fleet until a signal or `quit` ends it.
pub(super) fn run(options: &FleetOptions, uplink: &Uplink) -> Result<(), String> {
    let mut driver = Driver::new()?;
    let registry = driver.registry()?;
    match uplink {
        Uplink::Tap { name } => {
            let mut nic = open(options, name, &registry)?;
            let collector = collector(options, nic.tap());
            driver.open(&options.run)?;
            let start = Start { at: format!("on {name}"), collector, gateway: None };
            start.run(options, driver, &mut nic)
        }
        Uplink::Gateway(uplink) => {
            allow_files();
            let mut memory: Vec<_> = options.hosts().map(|_| GatewayMemory::default()).collect();
            let mut nic = Gateways::open(options, uplink, &registry, &mut memory)?;
            driver.open(&options.run)?;
            let port = uplink.telemetry.map_or(0, |to| to.port);
            let collector = (options.host().address(), port).into();
            let at = "behind the loopback addresses".to_owned();
            let start = Start { at, collector, gateway: Some(uplink) };
            start.run(options, driver, &mut nic)
        }
        Uplink::Join { path } => {
            let trunk = Trunk::connect(path, &registry, NIC)?;
            let collector = (options.host().address(), 9000).into();
            driver.open(&options.run)?;
            let at = format!("joined to {}", path.display());
            let start = Start { at, collector, gateway: None };
            start.run(options, driver, &mut TrunkUplink(trunk))
        }
        Uplink::None { .. } => unreachable!("that is not in real time"),
    }
}

/// Opens the TAP, with the host's address if it has to be made.
fn open(options: &FleetOptions, name: &str, registry: &Registry) -> Result<TapNic, String> {
    let own = machine_addresses()
        .map_err(|error| format!("cannot look up this machine's addresses: {error}"))?;
    for number in options.first..options.first + options.boards {
        let address = IpAddr::from(options.board(number).ipv4().address());
        if own.contains(&address) {
            return Err(format!(
                "{address}, board {number}'s, is an address of this machine; choose other numbers with --first, or \
                 another network with --net"
            ));
        }
    }
    let config = TapConfig {
        name: name.to_owned(),
        host_ipv4: options.host(),
        host_ipv6: None,
        // Hardly two segments in a row are of one connection.
        offload: KernelOffload::Off,
    };
    let tap = Tap::open(&config).map_err(|error| error.to_string())?;
    for warning in tap.warnings() {
        log::warn!("{warning}");
    }
    let nic = TapNic::watched(tap, registry)?;
    warn_of_neighbors(options.boards);
    Ok(nic)
}

/// Where telemetry goes unless told otherwise: to the host's address within the boards' network.
fn collector(options: &FleetOptions, tap: &Tap) -> SocketAddr {
    let near = |address: smoltcp::wire::IpAddress| match address {
        smoltcp::wire::IpAddress::Ipv4(address) if options.net.contains_addr(&address) => {
            Some(address)
        }
        _ => None,
    };
    let found = tap.host().addresses.iter().find_map(|own| near(own.address()));
    (found.unwrap_or(options.host().address()), 9000).into()
}

/// The file with how many neighbours the kernel remembers at most; not in every namespace.
const NEIGHBORS_MAX: &str = "/proc/sys/net/ipv4/neigh/default/gc_thresh3";

/// The kernel forgets neighbours, and then asks for each again and again, if there are more than it has room for.
fn warn_of_neighbors(boards: u32) {
    let read = std::fs::read_to_string(Path::new(NEIGHBORS_MAX));
    let room = read.ok().and_then(|text| text.trim().parse::<u32>().ok());
    if let Some(room) = room.filter(|room| *room < boards.saturating_add(16)) {
        log::warn!(
            "the kernel remembers {room} neighbours at most; for {boards} boards: \
             sudo sysctl net.ipv4.neigh.default.gc_thresh3={0} net.ipv4.neigh.default.gc_thresh2={0}",
            boards.saturating_mul(2)
        );
    }
}

/// What the fleet is to know of its uplink.
struct Start<'o> {
    /// Where it is, in words.
    at: String,
    /// Where telemetry goes unless told otherwise; that of the first boards, behind gateways.
    collector: SocketAddr,
    gateway: Option<&'o GatewayUplink>,
}

impl Start<'_> {
    fn run<N: Nic>(
        &self,
        options: &FleetOptions,
        driver: Driver,
        nic: &mut N,
    ) -> Result<(), String> {
        let seed = match options.faults.seed {
            Some(seed) => seed,
            None => getrandom::u64().map_err(|error| format!("no entropy: {error}"))?,
        };
        let telemetry = options.run.telemetry.destination(self.collector);
        let config =
            BoardConfig { profile: options.run.profile, telemetry, token: options.run.token };
        let gateways: Vec<_> = options.hosts().map(|host| host.ipv4().address()).collect();
        let (behind, port) = (self.gateway.is_some(), self.collector.port());
        let config_of = move |index: usize| {
            let near = || SocketAddr::from((gateways[index / BOARDS_PER_HOST], port)).into();
            let telemetry =
                if behind { config.telemetry.map(|_| near()) } else { config.telemetry };
            BoardConfig { telemetry, ..config }
        };
        let others = |_, _| unreachable!("boards alone");
        let mut fleet =
            Fleet::new(options, config_of, seed, driver.now(), std::iter::empty(), others);
        if let Some(path) = &options.listen {
            fleet.network.trunks = Trunks::listen(path, driver.registry()?, ENDPOINT)?;
        }
        self.banner(options, seed, config);
        driver.run_endpoint(&options.run, self.collector, &mut fleet, nic)
    }

    fn banner(&self, options: &FleetOptions, seed: u64, config: BoardConfig) {
        let (first, last) = (options.first, options.first + options.boards.max(1) - 1);
        let count = counted(u64::from(options.boards), "board");
        say!("The fleet is up {}: {count}, power comes within a second.\n", self.at);
        if options.boards > 0 {
            let (one, other) = (options.board(first), options.board(last));
            let (from, to) = (one.ipv4().address(), other.ipv4().address());
            if let Some(uplink) = self.gateway {
                let ports: Vec<_> = uplink.forwards.iter().map(forwarded).collect();
                say!("  {} to {}: {}", loopback(from), loopback(to), ports.join(", "));
            } else {
                say!("  {from} to {to}: 7 echo, 9 discard, 19 chargen, 23 shell, 80 page");
            }
            say!(
                "  They are boards {first} to {last}, {} to {}; {}.",
                one.name,
                other.name,
                config.profile
            );
        }
        match (self.gateway.and_then(|uplink| uplink.telemetry), config.telemetry) {
            (Some(HostPort { address, port, .. }), Some(_)) => {
                let address = address.unwrap_or(Ipv4Addr::LOCALHOST.into());
                say!("  Their telemetry goes to {}.", SocketAddr::new(address, port));
            }
            (None, Some(to)) => say!("  Their telemetry goes to {to}."),
            (_, None) => {}
        }
        if let Some(path) = &options.listen {
            say!(
                "  Others join with: tapboard fleet --join unix:{} --first {}",
                path.display(),
                last + 1
            );
        }
        if options.faults.link(0).random() {
            say!("  Chance decides what befalls which frame; the same again with: --seed {seed}");
        }
    }
}

/// A forwarded port, with the name of its service if that is one of the firmware's.
fn forwarded(forward: &Forward) -> String {
    let service = match forward.board {
        7 => "echo",
        9 => "discard",
        19 => "chargen",
        23 => "shell",
        80 => "page",
        _ => return forward.to_string(),
    };
    format!("{} {service}", forward.host)
}

/// Each forwarded port of each board is a file, and so is each connection: asks for all that the limit allows.
fn allow_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        log::warn!("cannot raise the limit of open files: {error}");
    }
}
