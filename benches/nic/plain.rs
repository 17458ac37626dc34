//! What a user of smoltcp has without this project: its own `TunTapInterface`, and the loop of its
//! examples around discard, chargen and echo.
//!
//! Nothing in here is slow on purpose: the buffers are those of the board's profile, services move whole
//! slices, the pattern is written out once, and there is no wait where smoltcp says that there is work.
//! Congestion control is off, which is what smoltcp has unless a feature turns it on; so is Nagle's
//! algorithm, as in the firmware, for with small buffers it would wait for the client's delayed ACKs.

use std::os::fd::AsRawFd;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, Medium, TunTapInterface, wait};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpCidr};
use tapboard::clock::RealClock;
use tapboard_host::bench::cyclic_pattern::CyclicPattern;
use tapboard_host::bench::plan::Test;

use crate::peer::{PREFIX, peer_address};
use crate::role::say_up;

/// Sockets of each service: while one closes, another listens.
const SOCKETS: usize = 4;

/// Bytes that echo and chargen move at a time.
const CHUNK: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Discard,
    Chargen { sent: u64 },
    Echo,
}

/// An interface and the three services on it.
struct Plain {
    interface: Interface,
    sockets: SocketSet<'static>,
    services: Vec<(SocketHandle, Service)>,
    pattern: CyclicPattern,
    scratch: Vec<u8>,
}

/// The services on the TAP of that name, which is there and has the host's address.
pub(crate) fn direct(tap: &str, subnet: u8, buffer: usize) -> Result<(), String> {
    let mut device = TunTapInterface::new(tap, Medium::Ethernet)
        .map_err(|error| format!("cannot attach to {tap}: {error}"))?;
    let file = device.as_raw_fd();
    let clock = RealClock::new();
    let mut plain = Plain::new(&mut device, subnet, buffer, clock.now());
    say_up();
    loop {
        plain.interface.poll(clock.now(), &mut device, &mut plain.sockets);
        plain.serve();
        let delay = plain.interface.poll_delay(clock.now(), &plain.sockets);
        if delay != Some(Duration::ZERO) {
            wait(file, delay).map_err(|error| format!("cannot wait for {tap}: {error}"))?;
        }
    }
}

impl Plain {
    fn new(device: &mut impl Device, subnet: u8, buffer: usize, now: Instant) -> Self {
        let mac = EthernetAddress([0x02, 0, 0, 0, 1, subnet]);
        let mut config = Config::new(mac.into());
        config.random_seed = u64::from(std::process::id());
        let mut interface = Interface::new(config, device, now);
        interface.update_ip_addrs(|addresses| {
            let address = IpCidr::new(peer_address(subnet).into(), PREFIX);
            addresses.push(address).expect("room for an address");
        });
        let mut sockets = SocketSet::new(Vec::new());
        let kinds = [Service::Discard, Service::Chargen { sent: 0 }, Service::Echo];
        let services = kinds.into_iter().flat_map(|service| [service; SOCKETS]).map(|service| {
            let buffer = || SocketBuffer::new(vec![0; buffer]);
            let mut socket = Socket::new(buffer(), buffer());
            socket.set_congestion_control(CongestionControl::None);
            socket.set_nagle_enabled(false);
            (sockets.add(socket), service)
        });
        let services = services.collect();
        let (pattern, scratch) = (CyclicPattern::chargen(CHUNK), vec![0; CHUNK]);
        let mut plain = Self { interface, sockets, services, pattern, scratch };
        // All listen from the first frame on.
        plain.serve();
        plain
    }

    fn serve(&mut self) {
        let Self { sockets, services, pattern, scratch, .. } = self;
        for (handle, service) in services {
            let socket = sockets.get_mut::<Socket<'_>>(*handle);
            if !socket.is_open() {
                socket.listen(service.port()).expect("a closed socket may listen");
                if let Service::Chargen { sent } = service {
                    *sent = 0;
                }
            }
            service.serve(socket, pattern, scratch);
            if socket.state() == State::CloseWait && socket.recv_queue() == 0 {
                socket.close();
            }
        }
    }
}

impl Service {
    const fn port(self) -> u16 {
        match self {
            Self::Discard => Test::To.service().port,
            Self::Chargen { .. } => Test::From.service().port,
            Self::Echo => Test::Duplex.service().port,
        }
    }

    /// Moves what can be moved. A socket that cannot is left for the next time.
    fn serve(&mut self, socket: &mut Socket<'_>, pattern: &CyclicPattern, scratch: &mut [u8]) {
        match self {
            Self::Discard => drain(socket),
            Self::Chargen { sent } => {
                drain(socket);
                while socket.can_send() {
                    let sending = socket.send(|room| {
                        let length = room.len().min(CHUNK);
                        room[..length].copy_from_slice(pattern.slice(*sent, length));
                        (length, length)
                    });
                    let Ok(length) = sending else { return };
                    *sent += length as u64;
                }
            }
            Self::Echo => {
                while socket.can_recv() && socket.can_send() {
                    let room = socket.send_capacity() - socket.send_queue();
                    let room = room.min(CHUNK);
                    let Ok(length) = socket.recv_slice(&mut scratch[..room]) else { return };
                    // It has room for all of it.
                    let _ = socket.send_slice(&scratch[..length]);
                }
            }
        }
    }
}

fn drain(socket: &mut Socket<'_>) {
    while socket.can_recv() && socket.recv(|data| (data.len(), ())).is_ok() {}
}
