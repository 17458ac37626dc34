//! The stack alone on a bare Cortex-M3: four slots of 2 KiB, a TCP echo, no UDP. What it costs is in the README of
//! tapboard-net, beside `plain`, which is the same over smoltcp by itself.
#![no_std]
#![no_main]

#[path = "../../../minimal/src/clock.rs"]
mod clock;
#[path = "../../../minimal/src/mac.rs"]
mod mac;
#[path = "../../../minimal/src/vectors.rs"]
mod vectors;

use core::hint::black_box;
use core::panic::PanicInfo;

use cortex_m::Peripherals;
use cortex_m::asm::wfi;
use cortex_m_rt::entry;
use static_cell::{ConstStaticCell, StaticCell};
use tapboard_net::embedded_nal::nb;
use tapboard_net::limits::FRAME_SIZE;
use tapboard_net::smoltcp::wire::{Ipv4Address, Ipv4Cidr};
#[cfg(feature = "ipv6")]
use tapboard_net::smoltcp::wire::{Ipv6Address, Ipv6Cidr};
use tapboard_net::{EthernetAddress, Limits, NetConfig, NetStack, Sockets, Storage, TcpSocket};

use crate::clock::Clock;
use crate::mac::Mac;

const SLOTS: usize = 4;

const NET: NetConfig = {
    let net = NetConfig::new(EthernetAddress([0x02, 0, 0x5e, 0, 0, 1]))
        .with_limits(Limits::new().with_client_reserve(0))
        .with_ipv4(Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 1), 24));
    #[cfg(feature = "ipv6")]
    let net = net.with_ipv6(Ipv6Cidr::new(Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 64));
    #[cfg(feature = "dhcp")]
    let net = net.with_dhcp().with_hostname("board");
    net
};

static BUFFERS: ConstStaticCell<Storage<SLOTS, 2048, 0, 1472, 16>> =
    ConstStaticCell::new(Storage::new());
static SOCKETS: ConstStaticCell<Sockets<'static, SLOTS, 0, 1>> =
    ConstStaticCell::new(Sockets::new());
static STACK: StaticCell<NetStack<'static>> = StaticCell::new();

#[entry]
fn main() -> ! {
    let Some(peripherals) = Peripherals::take() else { halt() };
    let mut clock = Clock::start(peripherals.SYST);
    let mut mac = Mac::new();
    let stack = STACK.init_with(|| {
        NetStack::new(&NET, &mut mac, clock.now(), black_box(1), BUFFERS.take(), SOCKETS.take())
    });
    let Ok(listener) = stack.tcp_listen(7) else { halt() };
    let mut clients: [Option<TcpSocket>; SLOTS] = [const { None }; SLOTS];
    loop {
        let mut next = stack.poll(clock.now(), &mut mac);
        for client in &mut clients {
            if client.is_none() {
                *client = stack.tcp_accept(&listener).ok().map(|(client, _)| client);
            }
            if let Some(socket) = client
                && !echo(stack, socket)
                && let Some(socket) = client.take()
            {
                stack.tcp_close(socket);
            }
        }
        if stack.wants_poll() {
            next = stack.poll(clock.now(), &mut mac);
        }
        while !mac.pending() && next.is_none_or(|next| clock.now() < next) {
            wfi();
        }
    }
}

/// Sends back what came in. Returns whether there may be more.
fn echo(stack: &mut NetStack<'static>, socket: &TcpSocket) -> bool {
    let mut bytes = [0; 72];
    loop {
        let room = stack.send_room(socket).min(bytes.len());
        if room == 0 {
            return stack.unacknowledged(socket) > 0;
        }
        match stack.tcp_receive(socket, &mut bytes[..room]) {
            Ok(0) => return false,
            Ok(count) => {
                if stack.tcp_send(socket, &bytes[..count]).is_err() {
                    return false;
                }
            }
            Err(nb::Error::WouldBlock) => return true,
            Err(_) => return false,
        }
    }
}

fn halt() -> ! {
    loop {
        wfi();
    }
}

#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    halt()
}
