//! A device that carries IP packets without Ethernet: in memory, and a TUN with the kernel at its other end.

use crate::common::{SOON, World, at, config, own_mac, pattern};
use tapboard_net::NetConfig;
use tapboard_net::smoltcp::phy::Medium;
use tapboard_net::smoltcp::time::Duration;
use tapboard_net::smoltcp::wire::{IpVersion, Ipv4Address, Ipv4Cidr, Ipv4Packet};

#[test]
fn tcp_and_udp_without_a_link_layer() {
    talk(World::new(Medium::Ip), &[config(1), config(2)]);
}

#[test]
fn what_a_device_says_of_its_medium_is_overruled() {
    talk(World::ethernet(), &[1, 2].map(|last| config(last).with_medium_ip()));
}

fn talk(mut world: World, configs: &[NetConfig; 2]) {
    for config in configs {
        world.add(config);
    }
    world.probe.set_delay(Duration::from_millis(10));
    world.probe.set_loss(5, 7);
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let (client, server) = world.connect(1, at(1, 7), (0, &listener));
    world.transfer((1, &client), (0, &server), &pattern(50_000));
    world.transfer((0, &server), (1, &client), &pattern(50_000));
    world.stack(1).tcp_close(client);
    world.wait(|world| world.stack(0).tcp_receive(&server, &mut [0; 1])).unwrap();
    world.stack(0).tcp_close(server);
    world.until(SOON, |world| (world.stack(0).idle() && world.stack(1).idle()).then_some(()));
    world.probe.set_loss(0, 7);
    let udp = world.stack(0).udp_bind(69).unwrap();
    let sender = world.stack(1).udp_connect(at(1, 69)).unwrap();
    world.stack(1).udp_send(&sender, b"x").unwrap();
    world.wait(|world| world.stack(0).udp_receive(&udp, &mut [0; 1])).unwrap();
    for packet in world.nodes[1].port.take_sent() {
        assert_eq!(IpVersion::of_packet(&packet), Ok(IpVersion::Ipv4), "no link header, no ARP");
        assert!(Ipv4Packet::new_checked(&packet).unwrap().verify_checksum());
    }
    assert!(world.stack(1).counters().retransmitted > 0, "the wire loses some");
}

#[cfg(feature = "ipv6")]
#[test]
fn ipv6_without_a_link_layer() {
    use tapboard_net::smoltcp::wire::{Ipv6Address, Ipv6Cidr};

    let address = |last| Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
    let mut world = World::new(Medium::Ip);
    for last in [1, 2] {
        world.add(&NetConfig::new(own_mac(9)).with_ipv6(Ipv6Cidr::new(address(last), 64)));
    }
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let (client, server) = world.connect(1, (address(1), 7).into(), (0, &listener));
    world.transfer((1, &client), (0, &server), &pattern(50_000));
}

/// There is no link to be on: whatever a gateway is set to leads everywhere, and nothing does without one.
#[test]
fn a_gateway_without_a_link_layer() {
    let mut world = World::new(Medium::Ip);
    let far = Ipv4Address::new(198, 51, 100, 7);
    world.add(&config(1));
    world.add(&config(2).with_ipv4(Ipv4Cidr::new(far, 24)).with_ipv4_gateway(crate::common::v4(9)));
    let listener = world.stack(1).tcp_listen(7).unwrap();
    let unaddressable = world.stack(0).tcp_connect((far, 7).into()).unwrap_err();
    assert_eq!(unaddressable, tapboard_net::Error::Unaddressable);
    world.stack(0).reconfigure(&config(1).with_ipv4_gateway(crate::common::v4(9)));
    let (client, server) = world.connect(0, (far, 7).into(), (1, &listener));
    world.transfer((0, &client), (1, &server), &pattern(5000));
}

/// A crowd waits for slots here as it does on Ethernet: what is remembered has no MAC addresses.
#[test]
fn a_request_that_found_no_slot_is_served_later() {
    let mut world = World::new(Medium::Ip);
    let limits = tapboard_net::Limits::new().with_client_reserve(0);
    world.add_sized::<1, 0, 1, 0, 8>(&config(1).with_limits(limits));
    world.add(&config(2).with_limits(limits));
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let start = world.now;
    let mut clients: Vec<_> =
        (0..4).map(|_| world.stack(1).tcp_connect(at(1, 7)).unwrap()).collect();
    let mut served = 0;
    world.until(SOON, |world| {
        if let Ok((connection, _)) = world.stack(0).tcp_accept(&listener) {
            world.stack(0).abort(connection);
            served += 1;
        }
        for client in &mut clients {
            let _ = world.stack(1).tcp_connected(client);
        }
        (served == 4).then_some(())
    });
    assert!(world.now - start < Duration::from_millis(500), "{}", world.now - start);
}

#[cfg(target_os = "linux")]
mod tun {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpStream};
    use std::os::fd::AsRawFd;
    use std::thread;

    use crate::common::netns::{self, sh};
    use crate::common::{config, pattern};
    use tapboard_net::smoltcp::phy::{Medium, TunTapInterface, wait};
    use tapboard_net::smoltcp::time::{Duration, Instant};
    #[cfg(feature = "ipv6")]
    use tapboard_net::smoltcp::wire::Ipv6Cidr;
    use tapboard_net::{NetConfig, NetStack, Sockets, Storage, TcpSocket};

    /// The other side: ping, all of some data there and back, a port that nobody listens on.
    fn kernels_side() {
        sh("ping -c 3 -i 0.2 -W 20 192.0.2.1");
        if cfg!(feature = "ipv6") {
            sh("ping -6 -c 3 -i 0.2 -W 20 2001:db8::1");
        }
        let data = pattern(100_000);
        let mut stream = TcpStream::connect("192.0.2.1:7").expect("a connection");
        let mut writer = stream.try_clone().expect("a second handle");
        let written = data.clone();
        let sender = thread::spawn(move || {
            writer.write_all(&written).expect("all is sent");
            writer.shutdown(Shutdown::Write).expect("FIN");
        });
        let mut echoed = Vec::new();
        stream.read_to_end(&mut echoed).expect("all comes back");
        sender.join().expect("the sender ends");
        assert!(echoed == data, "{} bytes came back", echoed.len());
        let refused = TcpStream::connect("192.0.2.1:9").expect_err("nobody listens");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }

    /// 192.0.2.1, and `2001:db8::1`.
    fn both() -> NetConfig {
        #[cfg(feature = "ipv6")]
        return config(1).with_ipv6(Ipv6Cidr::new("2001:db8::1".parse().expect("it is one"), 64));
        #[cfg(not(feature = "ipv6"))]
        config(1)
    }

    /// Echoes to every connection until it is `done`.
    fn echo(tun: &mut TunTapInterface, done: impl Fn() -> bool) {
        let mut storage = Storage::<4, 2048, 1, 1472>::new();
        let mut sockets = Sockets::<4, 1>::new();
        let now = Instant::now();
        let mut stack = NetStack::new(&both(), tun, now, 7, &mut storage, &mut sockets);
        let listener = stack.tcp_listen(7).expect("a free port");
        let mut open: Vec<TcpSocket> = Vec::new();
        while !done() {
            let next = stack.poll(Instant::now(), tun);
            while let Ok((connection, _)) = stack.tcp_accept(&listener) {
                open.push(connection);
            }
            open = open.into_iter().filter_map(|it| echo_some(&mut stack, it)).collect();
            if !stack.wants_poll() {
                let most = Duration::from_millis(100);
                let until = next.map_or(most, |next| (next - Instant::now()).min(most));
                wait(tun.as_raw_fd(), Some(until)).expect("poll");
            }
        }
    }

    fn echo_some(stack: &mut NetStack<'_>, socket: TcpSocket) -> Option<TcpSocket> {
        let room = stack.send_room(&socket);
        let mut buffer = [0; 2048];
        if room == 0 {
            return Some(socket);
        }
        match stack.tcp_receive(&socket, &mut buffer[..room]) {
            Ok(0) => {
                stack.tcp_close(socket);
                None
            }
            Ok(count) => {
                assert_eq!(stack.tcp_send(&socket, &buffer[..count]), Ok(count));
                Some(socket)
            }
            Err(_) => Some(socket),
        }
    }

    #[test]
    fn a_tun_against_the_kernel() {
        netns::run("medium_ip::tun::a_tun_against_the_kernel", || {
            sh("ip tuntap add tun0 mode tun && ip addr add 192.0.2.2/24 dev tun0");
            sh("ip link set tun0 up && ip addr add 2001:db8::2/64 dev tun0 nodad");
            let mut tun = TunTapInterface::new("tun0", Medium::Ip).expect("a TUN");
            let kernel = thread::spawn(kernels_side);
            echo(&mut tun, || kernel.is_finished());
            kernel.join().expect("all as it should be");
        });
    }
}
