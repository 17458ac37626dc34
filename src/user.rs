//! `tapboard user`: the board, or a guest in its place, on a wire in memory, the gateway at its other end.

use std::net::{IpAddr, SocketAddr};

use mio::event::Event;
use smoltcp::time::Instant;
use smoltcp::wire::Ipv6Cidr;
use tapboard_firmware::service::command::Commands;
use tapboard_firmware::service::{Service, Target};
use tapboard_firmware::{NetConfig, NetStack, PEER_NET};

use crate::board::SimBoard;
use crate::gateway::{Forward, Gateway, GatewayMemory};
use crate::guest::Guest;
use crate::identity::{Identity, mac_text};
use crate::nic::wire::{End, Side, Wire};
use crate::output::{counted, say};
use crate::run::{Driver, Nic, RunOptions};

/// The gateway's address, from where the board's connections go on to 127.0.0.1.
const TELEMETRY: SocketAddr = SocketAddr::new(IpAddr::V4(PEER_NET.ipv4_address()), 9000);

/// What `tapboard user` is told.
#[derive(Clone, Debug)]
pub struct UserOptions {
    /// Who the board is.
    pub identity: Identity,
    /// The host's ports that lead to the board.
    pub forwards: Vec<Forward>,
    /// The ports of 127.0.0.1 that the board may reach, each once.
    pub allowed: Vec<u16>,
    /// The UDP port of 127.0.0.1 to which a guest sends its frames, in place of the board in this process.
    pub guest: Option<u16>,
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
    let UserOptions { identity, forwards, allowed, .. } = options;
    let mut wire = Wire::default();
    let mut memory = GatewayMemory::default();
    let entropy = getrandom::u64().map_err(|error| format!("no entropy: {error}"))?;
    let mut end = wire.end(Side::Peer);
    let gateway = Gateway::open(
        forwards,
        allowed,
        identity,
        driver.registry()?,
        &mut end,
        entropy,
        &mut memory,
    )
    .map_err(|error| error.to_string())?;
    let mut nic = UserNic { wire, gateway };
    match options.guest {
        None => {
            // After what another board may have already, so that its capture is not replaced; before this one is up.
            driver.capture(&options.run)?;
            print_banner(&nic.gateway, options);
            run(driver, identity, &mut nic)
        }
        Some(port) => {
            let mut guest = Guest::open(port, &driver.registry()?)?;
            driver.capture(&options.run)?;
            print_banner(&nic.gateway, options);
            driver.run_endpoint(&options.run, TELEMETRY, &mut guest, &mut nic)
        }
    }
}

/// Whether the gateway lets the board reach `to`; the error says what would.
fn reachable(to: Target, board: &NetConfig, allowed: &[u16]) -> Result<(), String> {
    let peer = PEER_NET;
    // The board is told of no way out of its IPv6 network.
    let near = |ipv6: &Ipv6Cidr| board.ipv6().is_some_and(|own| own.contains_addr(&ipv6.address()));
    let ipv6 = peer.ipv6().filter(near).map(|ipv6| IpAddr::V6(ipv6.address()));
    let port = to.port();
    let Target::Address(to) = to else {
        let host = peer.ipv4_address();
        return Err(format!(
            "nobody tells names here, use --telemetry {host}:{port} --allow {port}, or tapboard tap"
        ));
    };
    if to.ip() != IpAddr::V4(peer.ipv4_address()) && Some(to.ip()) != ipv6 {
        let host = peer.ipv4_address();
        return Err(format!("only {host} is there, use --telemetry {host}:{port} --allow {port}"));
    }
    if allowed.contains(&port) {
        return Ok(());
    }
    Err(format!("port {port} is not allowed, add --allow {port}"))
}

fn print_banner(gateway: &Gateway<'_>, options: &UserOptions) {
    let UserOptions { identity, forwards, allowed, .. } = options;
    options.run.link.warn();
    let address = identity.ipv4().address();
    let hosts = gateway.hosts().iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" and ");
    match options.guest {
        None if identity.net.dhcp() => {
            say!(
                "The board is up, and asks for its address on a virtual wire, reached through {hosts}.\n"
            );
        }
        None => say!("The board is up: {address} on a virtual wire, reached through {hosts}.\n"),
        Some(port) => {
            say!("The wire is up, for a board with {address} in another process that sends its");
            say!("Ethernet frames to UDP 127.0.0.1:{port}; reached through {hosts}.\n");
        }
    }
    for forward in forwards {
        let service = match forward.board {
            7 => "echo (TCP and UDP)",
            9 => "discard (TCP and UDP)",
            19 => "chargen",
            23 => "shell",
            80 => "page (HTTP)",
            _ => "your own",
        };
        say!("  127.0.0.1:{:<5} -> board port {:<5} {service}", forward.host, forward.board);
    }
    if options.guest.is_none() && *identity != Identity::default() {
        say!("  It is {}, with the MAC address {}.", identity.name, mac_text(identity.net.mac()));
    }
    let ports = allowed.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    // A guest brings its own.
    let profile =
        options.guest.map_or_else(|| format!("; {}", options.run.profile), |_| String::new());
    say!("  board -> 127.0.0.1 only to port {ports}{profile}");
    say!("\nTry, in another terminal:");
    let host = |board| forwards.iter().rev().find(|f| f.board == board).map(|f| f.host);
    if let Some(echo) = host(7) {
        say!("  printf hello | nc -N 127.0.0.1 {echo}");
    }
    if let Some(shell) = host(23) {
        say!("  nc 127.0.0.1 {shell}              # then: help, led on, netstat");
    }
    if let Some(page) = host(80) {
        say!("  {:<30} # in a browser", format!("http://127.0.0.1:{page}/"));
    }
    let telemetry = options.run.telemetry.destination(TELEMETRY);
    match telemetry.map(|to| (reachable(to, &identity.net, allowed), to)) {
        Some((Ok(()), to)) => {
            say!("  nc -l 127.0.0.1 {:<14} # telemetry", to.port());
        }
        Some((Err(remedy), to)) => say!("\nTelemetry cannot reach {to}: {remedy}."),
        None => {}
    }
}
