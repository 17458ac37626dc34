//! `tapboard user`: the board, or a guest in its place, on a wire in memory, the gateway at its other end.

use std::net::{IpAddr, SocketAddr};

use mio::event::Event;
use smoltcp::time::Instant;
use smoltcp::wire::Ipv6Cidr;
use tapboard_firmware::service::command::Commands;
use tapboard_firmware::service::{Service, Target};
use tapboard_firmware::{NetConfig, NetStack, PEER_NET};

use crate::board::SimBoard;
use crate::gateway::{
    ApiAddress, Forward, ForwardCommand, Gateway, GatewayConfig, GatewayMemory, HostPort, Protocol,
};
use crate::guest::{Guest, GuestAddress};
use crate::identity::{Identity, mac_text};
use crate::nic::Stat;
use crate::nic::wire::{End, Side, Wire};
use crate::output::{counted, say};
use crate::run::{Driver, Nic, RunOptions};
use crate::settings::Chosen;
use crate::snapshot::{SocketSnapshot, socket_snapshots};

/// At the gateway's address, from where the board's connections go on to 127.0.0.1.
const TELEMETRY: SocketAddr = SocketAddr::new(IpAddr::V4(PEER_NET.ipv4_address()), 9000);

/// Where a forwarded port is, unless it has an address.
const LOCALHOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// What `tapboard user` is told.
#[derive(Clone, Debug)]
pub struct UserOptions {
    /// Who the board is.
    pub identity: Identity,
    /// What passes the gateway.
    pub gateway: GatewayConfig,
    /// Where a guest sends its frames, in place of the board in this process.
    pub guest: Option<GuestAddress>,
    /// How to run it.
    pub run: RunOptions,
}

struct UserNic<'a> {
    wire: Wire,
    gateway: Gateway<'a>,
}

impl Nic for UserNic<'_> {
    type Device<'a>
        = End<'a>
    where
        Self: 'a;

    fn device(&mut self) -> End<'_> {
        self.wire.end(Side::Board)
    }

    fn ready(&mut self, event: &Event) {
        self.gateway.ready(event);
    }

    fn turn(&mut self, now: Instant) -> Result<Option<Instant>, String> {
        let next = self.gateway.poll(now, &mut self.wire.end(Side::Peer));
        let arrivals = [Side::Board, Side::Peer].map(|side| self.wire.next_arrival(side));
        let arrival = arrivals.into_iter().flatten().min();
        Ok([next, arrival.map(|at| at.max(now))].into_iter().flatten().min())
    }

    fn unplugged(&self) -> Option<&'static str> {
        Some("clients still connect: to the gateway, where they wait until it is in")
    }

    fn idle(&self) -> bool {
        self.gateway.connections() == 0
    }

    fn abort(&mut self) {
        self.gateway.abort();
    }

    fn forward(&mut self, command: ForwardCommand) -> Result<String, String> {
        self.gateway.forward(command).map_err(|error| error.text("forward"))
    }

    fn forwarded(&self) -> Vec<String> {
        self.gateway.forwarded().iter().map(ToString::to_string).collect()
    }

    fn kind(&self) -> &'static str {
        "gateway"
    }

    fn stats(&self) -> Vec<Stat> {
        self.gateway.stats()
    }

    fn sockets(&self) -> Vec<SocketSnapshot> {
        socket_snapshots(self.gateway.stack())
    }

    fn summary(&self) -> String {
        let counters = self.gateway.stack().counters();
        format!(
            "gateway: {} to the board, {} from it",
            counted(counters.active_opens, "connection"),
            counters.passive_opens
        )
    }
}

/// Runs the board, or the wire of a guest, until a signal or `quit` at the console ends it.
pub fn run(options: &UserOptions) -> Result<(), String> {
    behind_gateway(options, |driver, identity, nic| {
        driver.run(identity, &options.run, TELEMETRY, nic)
    })
}

/// As [`run`], with commands of one's own in the board's shell, and services of one's own beside the firmware's: see
/// [`Driver::run_with`].
pub fn run_with<C, V>(options: &UserOptions, own: impl FnMut() -> (C, V)) -> Result<(), String>
where
    C: Commands<SimBoard>,
    V: for<'a> Service<NetStack<'a>, SimBoard>,
{
    if options.guest.is_some() {
        return Err("a guest has the services that it was built with; leave --guest out".into());
    }
    behind_gateway(options, |driver, identity, nic| {
        driver.run_with(identity, &options.run, TELEMETRY, nic, own)
    })
}

/// Opens the gateway, and has `run` drive the board, unless a guest is to be driven.
fn behind_gateway(
    options: &UserOptions,
    run: impl FnOnce(Driver, &Identity, &mut UserNic<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let mut driver = Driver::new()?;
    let gateway = &options.gateway;
    let chosen =
        Chosen::read(&options.identity, options.run.telemetry, options.run.settings.as_ref())?;
    let identity = &chosen.identity;
    let mut wire = Wire::default();
    let mut memory = GatewayMemory::default();
    let entropy = getrandom::u64().map_err(|error| format!("no entropy: {error}"))?;
    let mut end = wire.end(Side::Peer);
    let registry = driver.registry()?;
    let gateway = Gateway::open(gateway, identity, registry, &mut end, entropy, &mut memory)
        .map_err(|error| error.to_string())?;
    let mut nic = UserNic { wire, gateway };
    match &options.guest {
        None => {
            // Settings are read anew with each start.
            let mut board = options.identity.clone();
            // DHCP and router advertisements tell it by themselves.
            let told = board.net.dhcp() || board.net.slaac();
            if options.gateway.resolver.is_some() && !told {
                board.net = board.net.with_dns_server(TELEMETRY.ip());
            }
            // After what another board may have already, so that its capture is not replaced; before this one is up.
            driver.open(&options.run)?;
            print_banner(&nic.gateway, options, &chosen);
            run(driver, &board, &mut nic)
        }
        Some(at) => {
            let mut guest = Guest::open(at, &driver.registry()?)?;
            driver.open(&options.run)?;
            print_banner(&nic.gateway, options, &chosen);
            driver.run_endpoint(&options.run, TELEMETRY, &mut guest, &mut nic)
        }
    }
}

/// Whether the gateway lets the board reach `to`; the error says what would.
fn reachable(to: Target, board: &NetConfig, gateway: &GatewayConfig) -> Result<(), String> {
    let peer = PEER_NET;
    // The board is told of no way out of its IPv6 network.
    let near = |ipv6: &Ipv6Cidr| board.ipv6().is_some_and(|own| own.contains_addr(&ipv6.address()));
    let ipv6 = peer
        .ipv6()
        .filter(|ipv6| board.slaac() || near(ipv6))
        .map(|ipv6| IpAddr::V6(ipv6.address()));
    let (host, port) = (peer.ipv4_address(), to.port());
    match to.address() {
        Some(to) if to.ip() == IpAddr::V4(host) || Some(to.ip()) == ipv6 => {}
        Some(_) => {
            return Err(format!(
                "only {host} is there, use --telemetry {host}:{port} --allow {port}"
            ));
        }
        // Whose address it turns out to be shows then.
        None if gateway.resolver.is_some() => {}
        None => {
            return Err(format!(
                "nobody tells names here, use --allow-dns, or --telemetry {host}:{port} --allow {port}, \
                 or tapboard tap"
            ));
        }
    }
    if gateway.allowed.iter().any(|host| host.port == port && host.protocol.tcp()) {
        return Ok(());
    }
    Err(format!("port {port} is not allowed, add --allow {port}"))
}

/// What the board reaches.
fn reached(allowed: &[HostPort]) -> String {
    let ports = allowed.iter().map(HostPort::to_string).collect::<Vec<_>>().join(", ");
    if allowed.iter().all(|host| host.address.is_none()) {
        format!("127.0.0.1 only to port {ports}")
    } else {
        format!("only to {ports}; without an address, of 127.0.0.1")
    }
}

fn print_banner(gateway: &Gateway<'_>, options: &UserOptions, chosen: &Chosen) {
    let identity = &chosen.identity;
    let GatewayConfig { forwards, allowed, resolver, api, .. } = &options.gateway;
    options.run.link.warn();
    let address = identity.ipv4().address();
    let hosts = gateway.hosts().iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" and ");
    match &options.guest {
        None if identity.net.dhcp() => {
            say!(
                "The board is up, and asks for its address on a virtual wire, reached through {hosts}.\n"
            );
        }
        None => say!("The board is up: {address} on a virtual wire, reached through {hosts}.\n"),
        Some(at) => {
            say!("The wire is up, for a board with {address} in another process that sends its");
            say!("Ethernet frames to {}; reached through {hosts}.\n", at.described());
        }
    }
    for Forward { host, board } in forwards {
        let service = match (board, host.protocol) {
            (7, Protocol::Both) => "echo (TCP and UDP)",
            (9, Protocol::Both) => "discard (TCP and UDP)",
            (7, Protocol::Tcp) => "echo (TCP)",
            (9, Protocol::Tcp) => "discard (TCP)",
            (7, Protocol::Udp) => "echo (UDP)",
            (9, Protocol::Udp) => "discard (UDP)",
            (19, _) => "chargen",
            (23, _) => "shell",
            (80, _) => "page (HTTP)",
            _ => "your own",
        };
        let host = SocketAddr::new(host.address.unwrap_or(LOCALHOST), host.port).to_string();
        say!("  {host:<15} -> board port {board:<5} {service}");
    }
    if options.guest.is_none() && *identity != Identity::default() {
        say!("  It is {}, with the MAC address {}.", identity.name, mac_text(identity.net.mac()));
    }
    // A guest brings its own.
    let profile =
        if options.guest.is_none() { format!("; {}", options.run.profile) } else { String::new() };
    say!("  board -> {}{profile}", reached(allowed));
    if resolver.is_some() {
        say!("  board -> names of others, which the host's resolver is asked for");
    }
    match api {
        Some(ApiAddress::Tcp(at)) => say!("  ports are added and removed at http://{at}"),
        Some(at @ ApiAddress::Unix(_)) => say!("  ports are added and removed at {at}"),
        None => {}
    }
    say!("\nTry, in another terminal:");
    let host = |board| {
        let leads = |f: &&Forward| f.board == board && f.host.protocol.tcp();
        let host = forwards.iter().rev().find(leads)?.host;
        Some((host.address.unwrap_or(LOCALHOST), host.port))
    };
    if let Some((address, echo)) = host(7) {
        say!("  printf hello | nc -N {address} {echo}");
    }
    if let Some((address, shell)) = host(23) {
        say!("  nc {address} {shell}              # then: help, led on, netstat");
    }
    if let Some((address, page)) = host(80) {
        let page = SocketAddr::new(address, page);
        say!("  {:<30} # in a browser", format!("http://{page}/"));
    }
    let telemetry = chosen.telemetry.destination(TELEMETRY);
    match telemetry.map(|to| (reachable(to, &identity.net, &options.gateway), to)) {
        Some((Ok(()), to)) => {
            say!("  nc -l 127.0.0.1 {:<14} # telemetry", to.port());
        }
        Some((Err(remedy), to)) => say!("\nTelemetry cannot reach {to}: {remedy}."),
        None => {}
    }
}
