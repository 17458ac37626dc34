//! `tapboard tap`: the board on a Linux TAP, a host of its own beside the kernel's network stack.

use std::os::fd::AsRawFd;
use std::thread::available_parallelism;

use mio::Interest;
use mio::event::Event;
use mio::unix::SourceFd;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};
use tapboard_firmware::NetConfig;

use crate::cli;
use crate::nic::tap::{LinkStatus, Tap, TapConfig, TapError, TapWarning};
use crate::nic::{Lent, Offload};
use crate::output::{counted, say};
use crate::run::{Driver, NIC, Nic};

/// How long to look for the next frame before sleeping, microseconds, unless told otherwise.
const BUSY_POLL_US: u16 = 50;

struct TapNic {
    tap: Tap,
    status: LinkStatus,
    /// The board leaves segmentation to it.
    segments: bool,
}

impl Nic for TapNic {
    type Device<'a> = Lent<'a, Tap>;

    fn device(&mut self) -> Lent<'_, Tap> {
        Lent(&mut self.tap)
    }

    /// An interface that is up is writable; anything else is looked into.
    fn ready(&mut self, event: &Event) {
        if event.is_error() || !event.is_writable() || self.tap.link() != LinkStatus::Up {
            self.tap.status();
        }
    }

    /// Lets go what the board sent, and tells of each change of the interface; the device itself refuses
    /// frames meanwhile.
    fn turn(&mut self, now: Instant) -> Result<Option<Instant>, String> {
        let frames = self.tap.end_poll();
        let status = self.tap.link();
        let name = self.tap.name();
        match status {
            LinkStatus::Gone => return Err(TapError::Gone { name: name.into() }.to_string()),
            LinkStatus::Down if self.status == LinkStatus::Up => {
                log::warn!("{}", TapWarning::Down { name: name.into() });
            }
            LinkStatus::Up if self.status == LinkStatus::Down => log::warn!("{name} is up again"),
            LinkStatus::Up | LinkStatus::Down => {}
        }
        self.status = status;
        Ok((frames || self.tap.unread()).then_some(now))
    }

    fn leave_checksums(&mut self, leave: bool) -> bool {
        self.tap.leave_checksums(leave)
    }

    fn segments(&self) -> bool {
        self.segments
    }

    fn link(&self) -> bool {
        self.status == LinkStatus::Up
    }

    fn plug(&mut self, plugged: bool) {
        if let Err(error) = self.tap.set_carrier(plugged) {
            let name = self.tap.name();
            log::warn!("{name} cannot show that to the host ({error}); its frames are dropped");
        }
    }

    fn set_concurrent(&mut self, concurrent: bool) {
        self.tap.set_concurrent(concurrent);
    }

    fn summary(&self) -> String {
        let counters = self.tap.counters();
        let lost = counters.dropped_out_link
            + counters.dropped_out_no_room
            + counters.dropped_out_error
            + counters.dropped_in_too_long
            + counters.dropped_in_malformed
            + counters.dropped_in_checksum
            + counters.errors_in;
        let fate = if self.tap.created() { "removed" } else { "left as it was" };
        format!("{}: {} lost; {fate}", self.tap.name(), counted(lost, "frame"))
    }
}

/// The host's side of a network that it has to make: the address after the board's, or before it.
fn host_side(board: Ipv4Cidr) -> Ipv4Cidr {
    let bits = board.address().to_bits();
    let host = |bits: u32| {
        let address = Ipv4Address::from_bits(bits);
        let usable = board.contains_addr(&address)
            && address != board.network().address()
            && Some(address) != board.broadcast();
        usable.then(|| Ipv4Cidr::new(address, board.prefix_len()))
    };
    host(bits + 1).or_else(|| host(bits - 1)).unwrap_or(board)
}

/// How long to look for the next frame before sleeping. With one processor, who sends it could not.
fn busy_poll(micros: Option<u16>) -> Duration {
    let several = || available_parallelism().is_ok_and(|count| count.get() > 1);
    let micros = micros.unwrap_or_else(|| if several() { BUSY_POLL_US } else { 0 });
    Duration::from_micros(micros.into())
}

/// Runs the board until a signal ends it.
pub fn run(options: &cli::Tap) -> Result<(), String> {
    if options.segmentation_offload && options.offload == Offload::Off {
        return Err("--segmentation-offload leaves to the NIC what --offload off keeps it from; \
                    leave one of them out"
            .to_owned());
    }
    let mut driver = Driver::new()?;
    driver.busy_poll(busy_poll(options.busy_poll));
    let host_ipv4 = host_side(options.ip);
    let config = TapConfig {
        name: options.name.clone(),
        host_ipv4,
        offload: options.offload,
        ..TapConfig::default()
    };
    let mut tap = Tap::open(&config).map_err(|error| error.to_string())?;
    for warning in tap.warnings() {
        log::warn!("{warning}");
    }
    let calls = if tap.segments() { "many segments" } else { "one frame" };
    log::info!("{}: {calls} in a system call", tap.name());
    let interest = Interest::READABLE | Interest::WRITABLE;
    driver
        .registry()?
        .register(&mut SourceFd(&tap.as_raw_fd()), NIC, interest)
        .map_err(|error| format!("cannot watch {}: {error}", tap.name()))?;
    let net = NetConfig { ipv4: options.ip, gateway: options.gateway, ..NetConfig::BOARD };
    print_banner(&net, &tap, host_ipv4, &options.board);
    let status = tap.status();
    let telemetry = (host_ipv4.address(), 9000).into();
    let segments = options.segmentation_offload && tap.segments();
    if segments != options.segmentation_offload {
        log::warn!("{} cannot segment; the firmware does that, and its checksums", tap.name());
    }
    tap.leave_whole(segments);
    driver.run(&net, &options.board, telemetry, &mut TapNic { tap, status, segments })
}

fn print_banner(net: &NetConfig, tap: &Tap, host: Ipv4Cidr, options: &cli::Board) {
    let (board, name) = (net.ipv4.address(), tap.name());
    say!("The board is up: {board} on {name}.\n");
    say!("  {board:<15} 7 echo, 9 discard (TCP and UDP), 19 chargen, 23 shell");
    if let Some(ipv6) = net.ipv6 {
        say!("  {:<15} the same", ipv6.address());
    }
    if tap.created() {
        say!("  {name} was created with {host} for this host, and goes when this ends.");
    } else {
        say!("  {name} was there; its addresses stay as they are.");
    }
    say!("\nTry, in another terminal:");
    say!("  ping -c 3 {board}");
    say!("  printf hello | nc -N {board} 7");
    say!("  {:<32} # then: help, led on, netstat", format!("nc {board} 23"));
    if let Some(telemetry) = options.telemetry_or((host.address(), 9000).into()) {
        let collect = format!("nc -l {} {}", telemetry.ip(), telemetry.port());
        say!("  {collect:<32} # telemetry");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_gets_a_usable_neighbour_address() {
        let side = |a: [u8; 4], prefix| {
            host_side(Ipv4Cidr::new(Ipv4Address::from(a), prefix)).address().octets()
        };
        assert_eq!(side([192, 0, 2, 1], 24), [192, 0, 2, 2]);
        assert_eq!(side([192, 0, 2, 254], 24), [192, 0, 2, 253]);
        assert_eq!(side([192, 0, 2, 6], 30), [192, 0, 2, 5]);
    }
}
