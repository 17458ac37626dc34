//! The stack in a program whose messages leave through defmt and RTT: a TCP discard of one slot.
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
use defmt_rtt as _;
use static_cell::{ConstStaticCell, StaticCell};
use tapboard_net::embedded_nal::nb;
use tapboard_net::limits::FRAME_SIZE;
use tapboard_net::smoltcp::wire::{Ipv4Address, Ipv4Cidr};
#[cfg(feature = "ipv6")]
use tapboard_net::smoltcp::wire::{Ipv6Address, Ipv6Cidr};
use tapboard_net::{EthernetAddress, Limits, NetConfig, NetStack, Sockets, Storage, TcpSocket};

use crate::clock::Clock;
use crate::mac::Mac;

const SLOTS: usize = 1;

const NET: NetConfig = {
    let net = NetConfig::new(EthernetAddress([0x02, 0, 0x5e, 0, 0, 1]))
        .with_limits(Limits::new().with_client_reserve(0))
        .with_ipv4(Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 1), 24));
    #[cfg(feature = "ipv6")]
    let net = net.with_ipv6(Ipv6Cidr::new(Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 64));
    net
};

static BUFFERS: ConstStaticCell<Storage<SLOTS, 2048, 0, 1472, 4>> =
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
    let Ok(listener) = stack.tcp_listen(9) else { halt() };
    let mut client: Option<TcpSocket> = None;
    loop {
        let mut next = stack.poll(clock.now(), &mut mac);
        if client.is_none() {
            client = stack.tcp_accept(&listener).ok().map(|(client, _)| client);
        }
        if let Some(socket) = client.take() {
            match stack.tcp_receive_with(&socket, <[u8]>::len) {
                Ok(1..) | Err(nb::Error::WouldBlock) => client = Some(socket),
                Ok(0) => stack.tcp_close(socket),
                Err(nb::Error::Other(error)) => {
                    defmt::warn!("the client has gone: {}", error);
                    stack.tcp_close(socket);
                }
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

fn halt() -> ! {
    loop {
        wfi();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    defmt::error!("{}", defmt::Display2Format(info));
    halt()
}
