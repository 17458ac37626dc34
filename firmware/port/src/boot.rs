//! From the parts of a board to a board that runs, and what becomes of one that cannot.
//!
//! With the features `panic-handler` and `fault-handler`, a panic or a fault says what it was, if there is a log, and
//! resets the board. A board that cannot boot says so and halts: a reset would not help.

use core::fmt::Display;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use smoltcp::time::Instant;
#[cfg(feature = "dns")]
use static_cell::StaticCell;
use tapboard_firmware::EthernetAddress;
#[cfg(feature = "dns")]
use tapboard_firmware::config::TARGET_NAME;
#[cfg(feature = "http")]
use tapboard_firmware::service::Token;
use tapboard_firmware::service::{Service, ServiceConfig, Target};
use tapboard_firmware::settings::TelemetrySetting;
use tapboard_firmware::{BOARD_NET, Board, BootError, Firmware, NetConfig, NetStack};

use crate::clock::Timer;
use crate::ethernet::Mac;
use crate::memory::{BUFFERS, Home, SOCKETS};
use crate::processor;
use crate::superloop::{self, Sleeper};
#[cfg(feature = "paint-stack")]
use crate::watermark::Watermark;

/// Who a board is to be: what a product decides, and what its settings change ([`tapboard_firmware::settings`]).
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The MAC address. `None`: the chip's own ([`Board::mac`]), or if it has none that of `ip`.
    pub mac: Option<EthernetAddress>,
    /// The addresses: given ones, or with `NetConfig::with_dhcp` a server's to give, and with `NetConfig::with_slaac` those that
    /// follow from what routers say.
    pub ip: NetConfig,
    /// Where telemetry goes, if anywhere: an address, or with the feature `dns` a name.
    pub telemetry: Option<Target>,
    /// What a change over the network asks for. `None`: the shell asks for nothing, and over HTTP nothing is changed.
    #[cfg(feature = "http")]
    pub token: Option<Token>,
}

/// The examples' board; with the feature `mdns` under its name, with the stock services, and with `slaac` at the IPv6
/// addresses that follow from what routers say.
const NET: NetConfig = {
    let net = BOARD_NET;
    #[cfg(feature = "mdns")]
    let net = net.with_mdns(tapboard_firmware::service::SERVICES);
    #[cfg(feature = "slaac")]
    let net = net.with_slaac();
    net
};

impl Config {
    /// The examples' board, at the other end of a wire from [`COLLECTOR`]. With the feature `dhcp`, under the chip's own
    /// MAC address and at the IPv4 address that a server gives it.
    #[cfg(not(feature = "dhcp"))]
    pub const EXAMPLE: Self = Self {
        mac: Some(BOARD_NET.mac()),
        ip: NET,
        telemetry: Some(COLLECTOR),
        #[cfg(feature = "http")]
        token: None,
    };
    /// The examples' board, under the chip's own MAC address and at the IPv4 address that a server gives it.
    #[cfg(feature = "dhcp")]
    pub const EXAMPLE: Self = Self {
        mac: None,
        ip: NET.with_dhcp(),
        telemetry: Some(COLLECTOR),
        #[cfg(feature = "http")]
        token: None,
    };

    /// What becomes of it on this hardware, whose settings have the last word; servers, and with multicast DNS
    /// neighbours, know it as `name`, or as the settings name it.
    pub fn net(&self, name: &str, hardware: &mut impl Board) -> NetConfig {
        let mac = self.mac.or_else(|| hardware.mac()).unwrap_or(self.ip.mac());
        let net = self.ip.with_mac(mac);
        let Some(settings) = hardware.settings() else { return known(net, name) };
        let table = settings.table();
        known(table.net(net), table.name().unwrap_or(name))
    }
}

/// As `name` to servers and neighbours.
fn known(net: NetConfig, name: &str) -> NetConfig {
    #[cfg(any(feature = "dhcp", feature = "mdns"))]
    return net.with_hostname(name);
    #[cfg(not(any(feature = "dhcp", feature = "mdns")))]
    {
        let _ = name;
        net
    }
}

/// What of a board is unlike others, started.
#[derive(Debug)]
pub struct Parts<H, M, T, S> {
    /// Who the board is on the network: [`Config::net`].
    pub net: NetConfig,
    /// Where telemetry goes, if anywhere and unless the settings say otherwise; [`COLLECTOR`], or one's own.
    pub telemetry: Option<Target>,
    /// What a change over the network asks for: [`Config::token`].
    #[cfg(feature = "http")]
    pub token: Option<Token>,
    /// LED, sensor, entropy, reset.
    pub hardware: H,
    /// The network interface, under the MAC address of `net`.
    pub mac: M,
    /// Time since boot.
    pub clock: T,
    /// The processor's sleep, which the interface's interrupt ends.
    pub sleeper: S,
}

/// The name of telemetry's host, which the settings have.
#[cfg(feature = "dns")]
static TARGET: StaticCell<heapless::String<TARGET_NAME>> = StaticCell::new();

/// Where the examples' boards send their telemetry: port 9000 of the host at the other end of the wire.
pub const COLLECTOR: Target =
    Target::Address(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 9000));

/// Boots the firmware of the board `name` at `home`, with the stock services, and runs it for ever; an error is why
/// there are no parts. Of the hardware's settings, name and telemetry's target are in the place of those given here.
pub fn run<H, M, T, S>(
    name: &str,
    home: &'static Home<H>,
    parts: Result<Parts<H, M, T, S>, &'static str>,
) -> !
where
    H: Board,
    M: Mac,
    T: Timer,
    S: Sleeper,
{
    drive(name, parts, |who, hardware, mac, now| boot(who, home, hardware, mac, now))
}

/// As [`run`], with the services that `services` makes at the moment it is given: one's own, or a tuple of the stock
/// ones and those. Each further port keeps a slot in reserve of those that all ports share; the call stack is
/// deeper at boot by the services' size. With the feature `http`, the token of `parts` is given to them
/// ([`Service::set_token`]).
pub fn run_with<H, M, T, S, V>(
    name: &str,
    home: &'static Home<H, V>,
    parts: Result<Parts<H, M, T, S>, &'static str>,
    services: impl FnOnce(ServiceConfig, Instant) -> V,
) -> !
where
    H: Board,
    M: Mac,
    T: Timer,
    S: Sleeper,
    V: Service<NetStack<'static>, H>,
{
    drive(name, parts, |who, hardware, mac, now| boot_with(who, home, hardware, mac, now, services))
}

/// Never inlined: the firmware is made on the call stack before it moves to its static, and that stack is
/// free again when this returns.
#[inline(never)]
fn boot<H: Board>(
    (net, config): (&NetConfig, ServiceConfig),
    home: &'static Home<H>,
    hardware: H,
    mac: &mut impl Mac,
    now: Instant,
) -> &'static mut Result<Firmware<'static, H>, BootError> {
    home.0.init_with(|| {
        Firmware::new(net, config, hardware, mac, now, BUFFERS.take(), SOCKETS.take())
    })
}

/// As [`boot`].
#[inline(never)]
fn boot_with<H: Board, V: Service<NetStack<'static>, H>>(
    (net, config): (&NetConfig, ServiceConfig),
    home: &'static Home<H, V>,
    hardware: H,
    mac: &mut impl Mac,
    now: Instant,
    services: impl FnOnce(ServiceConfig, Instant) -> V,
) -> &'static mut Result<Firmware<'static, H, V>, BootError> {
    home.0.init_with(|| {
        let services = services(config, now);
        let (buffers, sockets) = (BUFFERS.take(), SOCKETS.take());
        Firmware::with_services(net, services, hardware, mac, now, buffers, sockets)
    })
}

/// Inlined: a function apart keeps the compiler from sharing code, 400 bytes in all.
#[inline(always)]
#[expect(clippy::inline_always, reason = "measured")]
fn drive<H, M, T, S, V>(
    name: &str,
    parts: Result<Parts<H, M, T, S>, &'static str>,
    boot: impl FnOnce(
        (&NetConfig, ServiceConfig),
        H,
        &mut M,
        Instant,
    ) -> &'static mut Result<Firmware<'static, H, V>, BootError>,
) -> !
where
    H: Board + 'static,
    M: Mac,
    T: Timer,
    S: Sleeper,
    V: Service<NetStack<'static>, H> + 'static,
{
    let parts = match parts {
        Ok(parts) => parts,
        Err(error) => give_up(error),
    };
    #[cfg(feature = "http")]
    let token = parts.token;
    let Parts { net, telemetry, mut hardware, mut mac, mut clock, mut sleeper, .. } = parts;
    let config = ServiceConfig { name: name.try_into().unwrap_or_default(), telemetry };
    let config = chosen(config, &mut hardware);
    let firmware = match boot((&net, config), hardware, &mut mac, clock.now()) {
        Ok(firmware) => firmware,
        Err(error) => {
            // Or else a frame that nobody takes would keep it from sleeping.
            drop(sleeper);
            give_up(error)
        }
    };
    #[cfg(feature = "http")]
    firmware.services_mut().set_token(token);
    log::info!("{name} is up");
    #[cfg(feature = "paint-stack")]
    let mut watermark = Watermark::new();
    loop {
        superloop::turn(firmware, &mut mac, &mut clock, &mut sleeper);
        #[cfg(feature = "paint-stack")]
        watermark.report(clock.now());
    }
}

/// What the settings make of `config`.
fn chosen(mut config: ServiceConfig, hardware: &mut impl Board) -> ServiceConfig {
    let Some(settings) = hardware.settings() else { return config };
    let table = settings.table();
    if let Some(name) = table.name().and_then(|name| name.try_into().ok()) {
        config.name = name;
    }
    match table.telemetry() {
        None => {}
        Some(TelemetrySetting::Off) => config.telemetry = None,
        Some(TelemetrySetting::Address(to)) => config.telemetry = Some(to.into()),
        #[cfg(feature = "dns")]
        Some(TelemetrySetting::Name(name, port)) => {
            let name = TARGET.init(name.try_into().unwrap_or_default());
            config.telemetry = Target::named(name, port);
        }
        #[cfg(not(feature = "dns"))]
        Some(TelemetrySetting::Name(..)) => {}
    }
    config
}

fn give_up(error: impl Display) -> ! {
    log::error!("{error}");
    processor::halt()
}

#[cfg(feature = "panic-handler")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    log::error!("{info}");
    processor::reset()
}
