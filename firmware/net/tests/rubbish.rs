//! A stack that is sent rubbish while it works: it does not panic, and its connections do not notice.

use crate::common::{World, at, config, pattern};
use tapboard_net::rng::Rng;
use tapboard_net::smoltcp::phy::Medium;
use tapboard_net::smoltcp::time::Duration;
use tapboard_net::smoltcp::wire::{EthernetFrame, IpProtocol, Ipv4Packet, TcpPacket};

/// Whether a frame is a segment whose checksums are all right: a change may cancel out another, or hit what no checksum
/// is over.
fn is_good_segment(frame: &[u8]) -> bool {
    let good = |frame: &[u8]| {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
        let (source, destination) = (ip.src_addr().into(), ip.dst_addr().into());
        let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
        let tcp = ip.next_header() == IpProtocol::Tcp && tcp.verify_checksum(&source, &destination);
        Some(tcp && ip.verify_checksum())
    };
    good(frame).unwrap_or(false)
}

#[test]
fn rubbish_and_spoiled_frames_disturb_nobody() {
    for seed in 1..=8 {
        let mut rng = Rng::new(seed);
        let mut world = World::pair();
        let listener = world.stack(0).tcp_listen(7).unwrap();
        let udp = world.stack(0).udp_bind(69).unwrap();
        let (client, server) = world.connect(1, at(1, 7), (0, &listener));
        let mut models = Vec::new();
        for _ in 0..20 {
            world.transfer((1, &client), (0, &server), &pattern(3000));
            models.extend(world.nodes[0].port.take_sent());
            models.extend(world.nodes[1].port.take_sent());
            for _ in 0..200 {
                let mut frame = models[rng.below(models.len() as u32) as usize].clone();
                match rng.below(3) {
                    0 => frame.truncate(rng.below(frame.len() as u32) as usize),
                    1 => frame = (0..rng.below(200)).map(|_| rng.below(256) as u8).collect(),
                    _ => {}
                }
                for _ in 0..=rng.below(4) {
                    if !frame.is_empty() {
                        let index = rng.below(frame.len() as u32) as usize;
                        frame[index] ^= 1 << rng.below(8);
                    }
                }
                if !is_good_segment(&frame) {
                    world.probe.send(world.now, &frame);
                }
            }
            world.pass(Duration::from_millis(10));
        }
        world.transfer((0, &server), (1, &client), &pattern(3000));
        assert_eq!(world.stack(0).state_name(&server), "ESTABLISHED", "seed {seed}");
        assert!(world.stack(0).udp_destination(&udp).is_ok());
    }
}

/// Every frame of a whole connection, cut at every length, to a stack that serves another one.
#[test]
fn cut_frames_disturb_nobody() {
    let media = [Medium::Ethernet, Medium::Ip];
    for medium in media {
        let mut world = World::new(medium);
        for last in [1, 2] {
            world.add(&config(last));
        }
        let listener = world.stack(0).tcp_listen(7).unwrap();
        let (client, server) = world.connect(1, at(1, 7), (0, &listener));
        world.transfer((1, &client), (0, &server), &pattern(200));
        let (other, peer) = world.connect(1, at(1, 7), (0, &listener));
        world.stack(1).abort(other);
        world.pass(Duration::from_secs(1));
        drop(peer);
        let frames: Vec<Vec<u8>> =
            world.nodes.iter().flat_map(|node| node.port.take_sent()).collect();
        assert!(frames.len() > 8);
        for frame in &frames {
            for len in 0..frame.len() {
                world.probe.send(world.now, &frame[..len]);
            }
            world.pass(Duration::from_millis(1));
        }
        world.transfer((1, &client), (0, &server), &pattern(3000));
        world.transfer((0, &server), (1, &client), &pattern(3000));
    }
}
