//! What needs no interface, and what needs the ioctls that only this module may call. The TAP's
//! behaviour towards the kernel is tested in `tests/tap.rs`.

use std::io;
use std::net::UdpSocket;

use smoltcp::phy::{ChecksumCapabilities, RxToken as _, TxToken as _};
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Address, Ipv4Cidr, Ipv4Packet, Ipv4Repr,
    UdpPacket, UdpRepr,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::open::{check_name, open_device};
use super::*;
use crate::nic::KernelOffload;

#[path = "../../../tests/common/netns.rs"]
mod netns;

#[test]
fn names_are_checked_before_the_kernel_sees_them() {
    for name in
        ["", "sixteen-bytes-xx", "a/b", "a b", "tap%d", "tap0;reboot", "-n", ".", "é", "a\0"]
    {
        let config = TapConfig { name: name.into(), ..TapConfig::default() };
        let error = Tap::open(&config).expect_err(name);
        assert!(matches!(error, TapError::InvalidName { .. }), "{name:?}: {error:?}");
        assert!(error.to_string().contains("choose one such as tap0"), "{error}");
    }
    for name in ["tap0", "fifteen-bytes-x", "my_tap.7"] {
        let config = TapConfig { name: name.into(), ..TapConfig::default() };
        assert!(check_name(&config.name).is_ok(), "{name:?}");
    }
}

#[test]
fn the_setup_command_has_the_configured_addresses() {
    let config = TapConfig {
        name: "tap7".into(),
        host_ipv4: Ipv4Cidr::new(Ipv4Address::new(198, 51, 100, 9), 25),
        host_ipv6: None,
        ..TapConfig::default()
    };
    assert_eq!(
        config.setup_command(),
        "sudo ip tuntap add tap7 mode tap user $(id -un) && \
         sudo ip addr add 198.51.100.9/25 dev tap7 && sudo ip link set tap7 up"
    );
}

#[test]
fn every_error_has_a_remedy() {
    let name = || String::from("tap7");
    let source = || io::Error::other("because");
    let config = || TapConfig { name: name(), ..TapConfig::default() };
    let remedies = [
        (TapError::NoTunDevice { name: name(), source: source() }, "sudo modprobe tun"),
        (TapError::DeviceNotPermitted { config: config(), exists: true }, "0666 /dev/net/tun`"),
        (TapError::NotOwner { name: name(), owner: Some(7) }, "run as its owner"),
        (TapError::Busy { name: name() }, "grep -ls tap7"),
        (TapError::NotTap { name: name() }, "--name"),
        (TapError::Gone { name: name() }, "start tapboard again"),
        (TapError::System { name: name(), step: "open", source: source() }, "ip -d link show tap7"),
    ];
    for (error, remedy) in remedies {
        let text = error.to_string();
        assert!(text.contains(remedy) && text.contains("tap7"), "{text}");
    }
}

/// The UDP datagram to `port` that the host sent, its checksum verified; everything else is
/// skipped.
fn udp_to(tap: &mut Tap, port: u16) -> Result<UdpRepr, smoltcp::wire::Error> {
    for _ in 0..100 {
        let mut fds = [PollFd::new(&tap.file, PollFlags::IN)];
        let minute = Timespec { tv_sec: 60, tv_nsec: 0 };
        assert_eq!(poll(&mut fds, Some(&minute)), Ok(1), "no frame for a minute");
        let Some((rx, _)) = tap.receive(Instant::ZERO) else {
            continue;
        };
        let found = rx.consume(|frame| {
            let ethernet = EthernetFrame::new_checked(frame).ok()?;
            let ipv4 = match ethernet.ethertype() {
                EthernetProtocol::Ipv4 => Ipv4Packet::new_checked(ethernet.payload()).ok()?,
                _ => return None,
            };
            let checksums = ChecksumCapabilities::default();
            let repr = Ipv4Repr::parse(&ipv4, &checksums).ok()?;
            let udp = match repr.next_header {
                IpProtocol::Udp => UdpPacket::new_checked(ipv4.payload()).ok()?,
                _ => return None,
            };
            let (source, destination) = (repr.src_addr.into(), repr.dst_addr.into());
            (udp.dst_port() == port)
                .then(|| UdpRepr::parse(&udp, &source, &destination, &checksums))
        });
        if let Some(result) = found {
            return result;
        }
    }
    panic!("100 frames, none of them to port {port}");
}

/// Whoever had the TAP before, a virtual machine say, may have told the kernel to leave out
/// checksums, and the kernel remembers.
#[test]
fn offloads_of_an_earlier_user_are_switched_off() {
    netns::run("nic::tap::tests::offloads_of_an_earlier_user_are_switched_off", &[], || {
        netns::sh("ip tuntap add tap0 mode tap vnet_hdr && ip link set tap0 up");
        netns::sh("ip addr add 192.0.2.2/24 dev tap0");
        netns::sh("ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev tap0");
        let config = TapConfig::default();
        let earlier = open_device(&config, true).expect("the device opens");
        let flags = sys::TAP | sys::NO_PI | sys::VNET_HEADER;
        sys::set_interface(earlier.as_fd(), "tap0", flags).expect("the TAP is free");
        sys::set_offload(earlier.as_fd(), sys::SEGMENTS).expect("offloads exist");
        drop(earlier);

        let config = TapConfig { offload: KernelOffload::Off, ..config };
        let mut tap = Tap::open(&config).expect("the TAP is free again");
        let host = UdpSocket::bind("192.0.2.2:0").expect("the host's address");
        host.send_to(b"checksum", "192.0.2.1:5000").expect("the TAP is up");
        udp_to(&mut tap, 5000).expect("the checksum is right");
    });
}

/// And who has it after us may not know of offloads either.
#[test]
fn our_own_offloads_do_not_outlive_us() {
    netns::run("nic::tap::tests::our_own_offloads_do_not_outlive_us", &[], || {
        netns::sh("ip tuntap add tap0 mode tap && ip link set tap0 up");
        netns::sh("ip addr add 192.0.2.2/24 dev tap0");
        netns::sh("ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev tap0");
        let config = TapConfig::default();
        let ours = Tap::open(&config).expect("the TAP is free");
        assert!(ours.warnings().is_empty() && !ours.created());
        drop(ours);

        // As a program from before there were offloads would do it.
        let file = open_device(&config, true).expect("the device opens");
        sys::set_interface(file.as_fd(), "tap0", sys::TAP | sys::NO_PI).expect("it is free again");
        let mut later = Tap::new(
            &config,
            Opened {
                file: TapFile::new(file, Offloads::NONE),
                created: false,
                host: HostSide::default(),
                warnings: Vec::new(),
            },
        );
        let host = UdpSocket::bind("192.0.2.2:0").expect("the host's address");
        host.send_to(b"checksum", "192.0.2.1:5000").expect("the TAP is up");
        udp_to(&mut later, 5000).expect("the checksum is right");
    });
}

#[test]
fn a_dropped_transmit_token_sends_nothing_and_stale_bytes_stay_inside() {
    netns::run(
        "nic::tap::tests::a_dropped_transmit_token_sends_nothing_and_stale_bytes_stay_inside",
        &[],
        || {
            let mut tap = Tap::open(&TapConfig::default()).expect("the TAP opens");
            for _ in 0..1000 {
                let _unused = tap.transmit(Instant::ZERO).expect("the link is up");
            }
            assert_eq!(tap.counters().frames_out, 0);
            let full = tap.transmit(Instant::ZERO).expect("the link is up");
            full.consume(FRAME_LEN_MAX, |frame| frame.fill(0xff));
            let next = tap.transmit(Instant::ZERO).expect("the link is up");
            next.consume(60, |frame| {
                assert!(frame.iter().all(|&byte| byte == 0));
                frame[..6].fill(0xff);
            });
            let counters = tap.counters();
            assert_eq!((counters.frames_out, counters.bytes_out), (2, 1514 + 60));
        },
    );
}
