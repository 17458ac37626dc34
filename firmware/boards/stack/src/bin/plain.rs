//! smoltcp alone on a bare Cortex-M3, for comparison with `stack`: four sockets of 2 KiB that each listen on the echo
//! port. A fifth client is refused, as is each while its socket has not been closed.
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
use smoltcp::iface::{Config, Interface, SocketSet, SocketStorage};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};
use static_cell::{ConstStaticCell, StaticCell};

use crate::clock::Clock;
use crate::mac::Mac;

const SLOTS: usize = 4;

/// Of Ethernet, without its checksum.
const FRAME_SIZE: usize = 1514;

static BUFFERS: ConstStaticCell<[[[u8; 2048]; 2]; SLOTS]> =
    ConstStaticCell::new([[[0; 2048]; 2]; SLOTS]);
static STORAGE: StaticCell<[SocketStorage<'static>; SLOTS]> = StaticCell::new();

#[entry]
fn main() -> ! {
    let Some(peripherals) = Peripherals::take() else { halt() };
    let mut clock = Clock::start(peripherals.SYST);
    let mut mac = Mac::new();
    let mut config = Config::new(EthernetAddress([0x02, 0, 0x5e, 0, 0, 1]).into());
    config.random_seed = black_box(1);
    let mut interface = Interface::new(config, &mut mac, clock.now());
    interface.update_ip_addrs(|addresses| {
        let _ = addresses.push(IpCidr::new(IpAddress::v4(192, 0, 2, 1), 24));
        #[cfg(feature = "ipv6")]
        for (prefix, last) in [(0x2001_0db8, 1), (0xfe80_0000, 1)] {
            let address = core::net::Ipv6Addr::from_bits(prefix << 96 | last);
            let _ = addresses.push(IpCidr::new(address.into(), 64));
        }
    });
    let storage = STORAGE.init_with(|| [SocketStorage::EMPTY; SLOTS]);
    let mut set = SocketSet::new(&mut storage[..]);
    let handles = BUFFERS.take().each_mut().map(|[rx, tx]| {
        set.add(Socket::new(SocketBuffer::new(&mut rx[..]), SocketBuffer::new(&mut tx[..])))
    });
    loop {
        let now = clock.now();
        interface.poll(now, &mut mac, &mut set);
        for handle in handles {
            let socket = set.get_mut::<Socket<'_>>(handle);
            if !socket.is_open() {
                let _ = socket.listen(7);
            }
            let mut bytes = [0; 72];
            while socket.can_recv() && socket.can_send() {
                let room = (socket.send_capacity() - socket.send_queue()).min(bytes.len());
                let Ok(count) = socket.recv_slice(&mut bytes[..room]) else { break };
                let _ = socket.send_slice(&bytes[..count]);
            }
            if socket.may_send() && !socket.may_recv() {
                socket.close();
            }
        }
        let next = interface.poll_at(clock.now(), &set);
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
fn panic(_info: &PanicInfo<'_>) -> ! {
    halt()
}
